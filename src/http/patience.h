/* How long a slow peer is waited for: a time that waiting uses up and progress gives back, at `min_rate` bytes a second.
 * So a body that trickles one byte a second ends after about one time limit, however long each pause is. Header only. */
#ifndef SALLYPORT_HTTP_PATIENCE_H
#define SALLYPORT_HTTP_PATIENCE_H

#include "base/clock.h"

#include <stdbool.h>
#include <stddef.h>

struct patience {
    int64_t left;  /* ns */
    int64_t since; /* when the present waiting began; 0: not waiting */
};

static inline void patience_reset(struct patience *patience, int64_t limit)
{
    *patience = (struct patience){ .left = limit };
}

static inline void patience_wait(struct patience *patience, int64_t now)
{
    if (patience->since == 0) {
        patience->since = now;
    }
}

/* Waiting stops for our own reasons: back-pressure is not the peer's fault. */
static inline void patience_pause(struct patience *patience, int64_t now)
{
    if (patience->since != 0) {
        patience->left -= now - patience->since;
        patience->since = 0;
    }
}

/* `bytes` moved. False: it has run out. */
static inline bool patience_progress(struct patience *patience, int64_t now, size_t bytes, int64_t limit,
                                     int64_t min_rate)
{
    if (limit == 0 || min_rate == 0) {
        return true;
    }
    patience_pause(patience, now);
    if (patience->left < 0) {
        return false;
    }
    patience->left += (int64_t)bytes * (NS_PER_S / min_rate);
    if (patience->left > limit) {
        patience->left = limit;
    }
    return true;
}

#endif
