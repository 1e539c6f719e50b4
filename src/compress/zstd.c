#include "compress/algorithm.h"

#include <zstd.h>

/* 64 KiB of window, and tables that fit it: at most 720 KB for each, whatever the level. A larger window makes a 250 KB document a tenth
 * smaller, for twice the memory. Decoders must have 8 MB (RFC 9659). */
#define WINDOW_LOG 16
#define TABLE_LOG  15

enum {
    FAST = 1,
    STANDARD = 3,
    SMALL = 6
};

static bool set(ZSTD_CCtx *context, ZSTD_cParameter parameter, int value)
{
    return !ZSTD_isError(ZSTD_CCtx_setParameter(context, parameter, value));
}

static bool begin(void *state, int level)
{
    return !ZSTD_isError(ZSTD_CCtx_reset(state, ZSTD_reset_session_only)) &&
           set(state, ZSTD_c_compressionLevel, level);
}

/* It allocates with the first bytes, by the level: so each of them gets some. */
static bool take_memory(ZSTD_CCtx *context)
{
    static const int levels[] = { FAST, SMALL, STANDARD };
    char out[64] = { 0 };
    for (size_t i = 0; i < sizeof levels / sizeof levels[0]; i++) {
        ZSTD_inBuffer from = { "", 1, 0 };
        ZSTD_outBuffer to = { out, sizeof out, 0 };
        if (!begin(context, levels[i]) ||
            ZSTD_isError(ZSTD_compressStream2(context, &to, &from, ZSTD_e_flush))) {
            return false;
        }
    }
    return true;
}

static void *create(void)
{
    ZSTD_CCtx *context = ZSTD_createCCtx();
    if (context == NULL || !set(context, ZSTD_c_windowLog, WINDOW_LOG) ||
        !set(context, ZSTD_c_hashLog, TABLE_LOG) || !set(context, ZSTD_c_chainLog, TABLE_LOG) ||
        !take_memory(context)) {
        ZSTD_freeCCtx(context);
        return NULL;
    }
    return context;
}

static enum compress_step step(void *state, struct slice *in, enum compress_goal goal, char *out, size_t room,
                               size_t *ret_made)
{
    static const ZSTD_EndDirective directives[] = { ZSTD_e_continue, ZSTD_e_flush, ZSTD_e_end };
    ZSTD_inBuffer from = { in->ptr, in->len, 0 };
    ZSTD_outBuffer to = { out, room, 0 };
    size_t left = ZSTD_compressStream2(state, &to, &from, directives[goal]);
    *in = slice_from(*in, from.pos);
    *ret_made = to.pos;
    if (ZSTD_isError(left)) {
        return COMPRESS_FAILED;
    }
    bool is_done = goal == COMPRESS_GO_ON ? in->len == 0 && to.pos < room : left == 0;
    return is_done ? COMPRESS_DONE : COMPRESS_MORE;
}

static size_t memory(const void *state)
{
    return ZSTD_sizeof_CCtx(state);
}

static void destroy(void *state)
{
    ZSTD_freeCCtx(state);
}

const struct compress_algorithm compress_zstd = {
    .name = SLICE_INIT("zstd"),
    .levels = { [COMPRESS_FAST] = FAST, [COMPRESS_STANDARD] = STANDARD, [COMPRESS_SMALL] = SMALL },
    .create = create,
    .begin = begin,
    .step = step,
    .memory = memory,
    .destroy = destroy,
};
