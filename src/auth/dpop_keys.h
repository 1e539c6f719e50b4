/* The clients' public keys that a worker has seen prove something, so that they need not be made anew: a fixed number of places, eight to
 * a set, of which the least recently used goes first. Private to src/auth. One thread. */
#ifndef SALLYPORT_AUTH_DPOP_KEYS_H
#define SALLYPORT_AUTH_DPOP_KEYS_H

#include "auth/jws.h"

#define DPOP_KEYS_SETS 128
#define DPOP_KEYS_WAYS 8

struct dpop_keys {
    struct dpop_key_place {
        uint64_t used;       /* tick of the last hit */
        struct jws_key *key; /* owned; NULL: free */
    } places[DPOP_KEYS_SETS * DPOP_KEYS_WAYS];
    uint64_t tick;
};

/* NULL where it is not there. Good until the next put. */
struct jws_key *dpop_keys_find(struct dpop_keys *keys, const unsigned char thumbprint[JWS_THUMBPRINT_SIZE]);
/* Takes the key, which is not there yet. */
void dpop_keys_put(struct dpop_keys *keys, struct jws_key *key);
void dpop_keys_done(struct dpop_keys *keys);

#endif
