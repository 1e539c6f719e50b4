/* Nonces for proofs of DPoP (RFC 9449 section 8): nothing is kept of them. Each stands for a span of time, the same for everybody, and is
 * a MAC of it under a secret that all workers and processes share; so each of them knows those of the others. One thread. */
#ifndef SALLYPORT_AUTH_DPOP_NONCE_H
#define SALLYPORT_AUTH_DPOP_NONCE_H

#include "base/slice.h"

#define DPOP_NONCE_LENGTH 22 /* characters: 16 bytes */
#define DPOP_SECRET_SIZE  32 /* bytes */

struct dpop_nonce_clock {
    const unsigned char *secret;      /* DPOP_SECRET_SIZE bytes; outlives it */
    int64_t span;                     /* ns that the texts are of; 0: none are made yet */
    int64_t number;                   /* of the span that goes on */
    char texts[2][DPOP_NONCE_LENGTH]; /* of that, and of the one before */
};

/* Those of `now` (ns, monotonic), for nonces that are good for `lifetime` ns at the most, and half of it at least. False: no
 * cryptography; there are none then. */
bool dpop_nonces_at(struct dpop_nonce_clock *clock, int64_t lifetime, int64_t now);

/* After dpop_nonces_at. */
static inline struct slice dpop_nonce_current(const struct dpop_nonce_clock *clock)
{
    return slice_of(clock->texts[0], DPOP_NONCE_LENGTH);
}

enum dpop_nonce_age {
    DPOP_NONCE_NEW,
    DPOP_NONCE_OLD, /* good for less than half of its life */
    DPOP_NONCE_WRONG,
};

/* After dpop_nonces_at. *ret_until: when it ends, of one that is not wrong. */
enum dpop_nonce_age dpop_nonce_look(const struct dpop_nonce_clock *clock, struct slice text,
                                    int64_t *ret_until);

#endif
