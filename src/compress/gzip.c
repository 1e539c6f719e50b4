#include "compress/algorithm.h"

#include <stdlib.h>
#include <zlib.h>

/* 32 KiB of window and the usual tables: zlib takes 268 KB for them, whatever the level. */
#define WINDOW_BITS      15
#define WITH_GZIP_HEADER 16
#define MEMORY_LEVEL     8

/* zlib does not say how much it has taken: so it is counted. It takes all at once, and gives all back at the end. */
struct gzip {
    z_stream stream;
    size_t taken; /* bytes */
};

static void *take(void *context, unsigned int items, unsigned int size)
{
    struct gzip *gzip = context;
    void *memory = calloc(items, size);
    gzip->taken += memory != NULL ? (size_t)items * size : 0;
    return memory;
}

static void give_back(void *context, void *memory)
{
    (void)context;
    free(memory);
}

static void *create(void)
{
    struct gzip *gzip = calloc(1, sizeof *gzip);
    if (gzip == NULL) {
        return NULL;
    }
    gzip->stream.zalloc = take;
    gzip->stream.zfree = give_back;
    gzip->stream.opaque = gzip;
    if (deflateInit2(&gzip->stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, WINDOW_BITS + WITH_GZIP_HEADER,
                     MEMORY_LEVEL, Z_DEFAULT_STRATEGY) != Z_OK) {
        free(gzip);
        return NULL;
    }
    return gzip;
}

static bool begin(void *state, int level)
{
    z_stream *stream = &((struct gzip *)state)->stream;
    stream->next_in = NULL;
    stream->avail_in = 0;
    return deflateReset(stream) == Z_OK && deflateParams(stream, level, Z_DEFAULT_STRATEGY) == Z_OK;
}

static enum compress_step step(void *state, struct slice *in, enum compress_goal goal, char *out, size_t room,
                               size_t *ret_made)
{
    static const int modes[] = { Z_NO_FLUSH, Z_SYNC_FLUSH, Z_FINISH };
    z_stream *stream = &((struct gzip *)state)->stream;
    stream->next_in = (unsigned char *)(uintptr_t)in->ptr;
    stream->avail_in = (unsigned int)in->len;
    stream->next_out = (unsigned char *)out;
    stream->avail_out = (unsigned int)room;
    int result = deflate(stream, modes[goal]);
    *in = slice_from(*in, in->len - stream->avail_in);
    *ret_made = room - stream->avail_out;
    if (goal == COMPRESS_END) {
        return result == Z_STREAM_END ? COMPRESS_DONE : result == Z_OK ? COMPRESS_MORE : COMPRESS_FAILED;
    }
    /* Z_BUF_ERROR: there was nothing to do, since all had just fitted the last time. */
    if (result != Z_OK && result != Z_BUF_ERROR) {
        return COMPRESS_FAILED;
    }
    return in->len == 0 && stream->avail_out > 0 ? COMPRESS_DONE : COMPRESS_MORE;
}

static size_t memory(const void *state)
{
    const struct gzip *gzip = state;
    return sizeof *gzip + gzip->taken;
}

static void destroy(void *state)
{
    (void)deflateEnd(&((struct gzip *)state)->stream);
    free(state);
}

const struct compress_algorithm compress_gzip = {
    .name = SLICE_INIT("gzip"),
    .alias = SLICE_INIT("x-gzip"), /* RFC 9110 section 8.4.1.3 */
    .is_common = true,
    .levels = { [COMPRESS_FAST] = 1, [COMPRESS_STANDARD] = 5, [COMPRESS_SMALL] = 7 },
    .create = create,
    .begin = begin,
    .step = step,
    .memory = memory,
    .destroy = destroy,
};
