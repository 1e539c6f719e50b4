/* Draws numbers by weight in constant time (Walker's alias method, built as Vose does). What is drawn with is no chance but a
 * sequence that fills the unit evenly (multiples of the golden ratio), so that each gets its share in short runs, too: as
 * smooth as a weighted round robin. One owner. */
#ifndef SALLYPORT_UPSTREAM_BALANCE_LOTTERY_H
#define SALLYPORT_UPSTREAM_BALANCE_LOTTERY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct lottery {
    uint32_t *thresholds;     /* by bucket: below, the bucket's own number */
    uint16_t *aliases;        /* and else this one */
    uint64_t *left;           /* while it is built: what of a weight has no bucket yet */
    uint16_t *short_, *over_; /* and who has less than a bucket, and who more */
    size_t count;
    uint64_t at;
};

/* Room for `capacity` numbers. False: no memory. */
bool lottery_init(struct lottery *lottery, size_t capacity, uint64_t start);
/* Zeroed is fine. */
void lottery_done(struct lottery *lottery);

/* Of the numbers 0 to count - 1 the i-th has the weight weights[i], 1 to 2^32 - 1; count is at least 1, and at most the
 * capacity. */
void lottery_set(struct lottery *lottery, const uint32_t *weights, size_t count);

static inline size_t lottery_draw(struct lottery *lottery)
{
    lottery->at += UINT64_C(0x9E3779B97F4A7C15);
    unsigned __int128 place = (unsigned __int128)lottery->at * lottery->count;
    size_t bucket = (size_t)(place >> 64);
    return (uint32_t)((uint64_t)place >> 32) <= lottery->thresholds[bucket] ? bucket
                                                                            : lottery->aliases[bucket];
}

#endif
