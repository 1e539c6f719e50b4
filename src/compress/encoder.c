#include "compress/encoder.h"

#include "base/buffer.h"

#include <stdlib.h>

/* Of each algorithm, that wait for the next body; and no more than one of so many parts of the budget. */
#define SPARES_MAX  8
#define SPARES_PART 8

static struct compress_encoder *encoder_new(enum compress_algorithm_id id)
{
    struct compress_encoder *encoder = calloc(1, sizeof *encoder);
    if (encoder == NULL) {
        return NULL;
    }
    encoder->id = id;
    encoder->algorithm = compress_algorithms[id];
    encoder->state = encoder->algorithm->create();
    if (encoder->state == NULL) {
        free(encoder);
        return NULL;
    }
    return encoder;
}

static void encoder_free(struct compress_encoder *encoder)
{
    encoder->algorithm->destroy(encoder->state);
    free(encoder);
}

static struct compress_encoder *take_spare(struct compress_pool *pool, enum compress_algorithm_id id)
{
    struct compress_encoder *encoder = pool->spare[id];
    if (encoder != NULL) {
        pool->spare[id] = encoder->next;
        pool->spare_count[id]--;
        pool->spare_memory -= encoder->memory;
    }
    return encoder;
}

struct compress_encoder *compress_pool_take(struct compress_pool *pool, enum compress_algorithm_id id,
                                            enum compress_level level)
{
    if (pool->used >= COMPRESS_ENCODERS_MAX) {
        return NULL;
    }
    if (buffer_is_scarce()) {
        compress_pool_done(pool);
        return NULL;
    }
    struct compress_encoder *encoder = take_spare(pool, id);
    if (encoder == NULL) {
        encoder = encoder_new(id);
    }
    if (encoder != NULL && !encoder->algorithm->begin(encoder->state, encoder->algorithm->levels[level])) {
        encoder_free(encoder);
        encoder = NULL;
    }
    if (encoder == NULL) {
        return NULL;
    }
    encoder->taken = encoder->made = 0;
    encoder->held = 0;
    encoder->next = NULL;
    encoder->memory = sizeof *encoder + encoder->algorithm->memory(encoder->state);
    buffer_count_other((int64_t)encoder->memory);
    pool->used++;
    return encoder;
}

/* It still counts. */
static bool may_wait(const struct compress_pool *pool, const struct compress_encoder *encoder)
{
    int64_t room = buffer_budget() / SPARES_PART;
    return pool->spare_count[encoder->id] < SPARES_MAX && !buffer_is_scarce() &&
           (room == 0 || pool->spare_memory + encoder->memory <= (size_t)room);
}

void compress_pool_give(struct compress_pool *pool, struct compress_encoder *encoder)
{
    if (encoder == NULL) {
        return;
    }
    pool->used--;
    bool waits = may_wait(pool, encoder);
    buffer_count_other(-(int64_t)encoder->memory);
    if (!waits) {
        encoder_free(encoder);
        return;
    }
    encoder->next = pool->spare[encoder->id];
    pool->spare[encoder->id] = encoder;
    pool->spare_count[encoder->id]++;
    pool->spare_memory += encoder->memory;
}

void compress_pool_done(struct compress_pool *pool)
{
    for (int id = 0; id < COMPRESS_ALGORITHMS; id++) {
        struct compress_encoder *encoder;
        while ((encoder = take_spare(pool, (enum compress_algorithm_id)id)) != NULL) {
            encoder_free(encoder);
        }
    }
}

enum compress_outcome compress_write(struct compress_pool *pool, struct compress_encoder *encoder,
                                     struct slice data, enum compress_goal goal, compress_sink *sink,
                                     void *context)
{
    encoder->taken += data.len;
    encoder->held += data.len;
    if (goal == COMPRESS_GO_ON && encoder->held > COMPRESS_HELD_MAX) {
        goal = COMPRESS_FLUSH;
    }
    if (goal == COMPRESS_FLUSH && encoder->held == 0) {
        return COMPRESS_WRITTEN;
    }
    for (enum compress_step step = COMPRESS_MORE; step != COMPRESS_DONE;) {
        size_t made = 0, left = data.len;
        step = encoder->algorithm->step(encoder->state, &data, goal, pool->piece, sizeof pool->piece, &made);
        if (step == COMPRESS_FAILED || (step == COMPRESS_MORE && made == 0 && data.len == left)) {
            return COMPRESS_BROKEN;
        }
        encoder->made += made;
        if (made > 0 && !sink(context, slice_of(pool->piece, made))) {
            return COMPRESS_UNWANTED;
        }
    }
    encoder->held = goal == COMPRESS_GO_ON ? encoder->held : 0;
    return COMPRESS_WRITTEN;
}
