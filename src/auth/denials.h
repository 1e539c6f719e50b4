/* Credentials that were found to be wrong, for a short time, so that one that is sent again and again costs nobody a look-up.
 * A table of its own, one place each: a flood of wrong ones can push none of the good ones out, only each other. Private to
 * src/auth. One thread. */
#ifndef SALLYPORT_AUTH_DENIALS_H
#define SALLYPORT_AUTH_DENIALS_H

#include "pipeline/deny_reasons.h"

#include <stdbool.h>
#include <stdint.h>

#define DENIALS_MAX         1024 /* places */
#define DENIALS_DIGEST_SIZE 32

struct denial {
    unsigned char digest[DENIALS_DIGEST_SIZE];
    uint64_t owner_id; /* who judged it; 0: free */
    int64_t until;     /* monotonic ns */
    enum deny_reason reason;
};

struct denials {
    struct denial *places;
};

/* False without memory. */
bool denials_init(struct denials *denials);
void denials_done(struct denials *denials);

/* DENY_NONE: nothing is known against it. */
enum deny_reason denials_find(const struct denials *denials, const unsigned char digest[DENIALS_DIGEST_SIZE],
                              uint64_t owner_id, int64_t now);
void denials_put(struct denials *denials, const unsigned char digest[DENIALS_DIGEST_SIZE], uint64_t owner_id,
                 int64_t until, enum deny_reason reason);

/* Forgets all that this one judged. */
void denials_forget(struct denials *denials, uint64_t owner_id);

#endif
