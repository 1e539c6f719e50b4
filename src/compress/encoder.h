/* Encoders of a worker, and how a body passes one: in pieces of any size, of each of which a bounded part stays inside.
 *
 * Their number is bounded (COMPRESS_ENCODERS_MAX), and so is the memory of each, about 270 KB for gzip and 720 KB for zstd, which
 * counts as that of buffers (buffer_count_other): who gets none sends the body as it is. Some that are given back are kept for the
 * next one, by the way of buffer_set_aside uncounted: a small part of the budget at the most, and none while memory is scarce.
 * Worker's thread. */
#ifndef SALLYPORT_COMPRESS_ENCODER_H
#define SALLYPORT_COMPRESS_ENCODER_H

#include "base/limits.h"
#include "compress/algorithm.h"

#define COMPRESS_PIECE_MAX (16 * 1024) /* bytes that are given out at once */

struct compress_encoder {
    const struct compress_algorithm *algorithm;
    void *state;
    uint64_t taken, made;          /* bytes of the body that is under way */
    size_t memory;                 /* bytes that are counted for it while it is taken */
    size_t held;                   /* bytes taken since the last flush: at most so many stay inside */
    struct compress_encoder *next; /* of those that wait */
    enum compress_algorithm_id id;
};

/* All zero to begin with. */
struct compress_pool {
    struct compress_encoder *spare[COMPRESS_ALGORITHMS];
    size_t spare_count[COMPRESS_ALGORITHMS];
    size_t spare_memory; /* bytes, of all of them */
    size_t used;
    char piece[COMPRESS_PIECE_MAX]; /* what is given out: good until the next one */
};

/* For one body. NULL: too many are in use, or memory is scarce (buffer_is_scarce) or out. */
struct compress_encoder *compress_pool_take(struct compress_pool *pool, enum compress_algorithm_id id,
                                            enum compress_level level);
/* Whether the body came to its end or not. NULL is fine. */
void compress_pool_give(struct compress_pool *pool, struct compress_encoder *encoder);
/* Frees those that wait. */
void compress_pool_done(struct compress_pool *pool);

/* Takes what was made; false: nobody wants the rest. */
typedef bool compress_sink(void *context, struct slice piece);

enum compress_outcome {
    COMPRESS_WRITTEN,
    COMPRESS_UNWANTED, /* by the sink */
    COMPRESS_BROKEN,   /* the body cannot be completed */
};

/* All of `data` goes in, what comes out of it goes to the sink, piece by piece. What stays inside never gets above COMPRESS_HELD_MAX:
 * so no call gives out much more than that and what it was given. A flush where nothing stays inside makes nothing. */
enum compress_outcome compress_write(struct compress_pool *pool, struct compress_encoder *encoder,
                                     struct slice data, enum compress_goal goal, compress_sink *sink,
                                     void *context);

#endif
