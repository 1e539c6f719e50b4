/* Fields about codings and tags, whatever they say, and a body behind them: what is chosen was asked for, what is made of lists of tags
 * means the same, and decoders read a body that came in any pieces as it was.
 *
 * Input: four lines (Accept-Encoding, If-Match, Content-Type, Cache-Control), then pairs of a byte that says what to do and a piece. */
#include "base/arena.h"
#include "compress/choose.h"
#include "compress/encoder.h"
#include "compress/head.h"
#include "compress/judge.h"

#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>

#define CHECK(condition)  \
    do {                  \
        if (!(condition)) \
            abort();      \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

#define BODY_MAX (64 * 1024)

static struct compress_pool pool;
static char coded[4 * BODY_MAX], decoded[2 * BODY_MAX];
static size_t coded_size;

static bool is_named(struct slice list, struct slice name)
{
    for (size_t i = 0; i + name.len <= list.len; i++) {
        if (slice_equal_nocase(slice_part(list, i, name.len), name)) {
            return true;
        }
    }
    return false;
}

static void check_choice(struct slice accept)
{
    struct header item = { SLICE("Accept-Encoding"), accept, HEADER_OTHER };
    const struct headers headers = { &item, 1, 1 };
    int both = compress_choose(&headers, 1U << COMPRESS_GZIP | 1U << COMPRESS_ZSTD);
    int gzip = compress_choose(&headers, 1U << COMPRESS_GZIP);
    CHECK(compress_choose(&headers, 0) == -1);
    CHECK(gzip == -1 || gzip == COMPRESS_GZIP);
    CHECK(gzip == -1 || both >= 0); /* who takes it alone takes one of both */
    CHECK(both != COMPRESS_GZIP || gzip == COMPRESS_GZIP);
    CHECK(both != COMPRESS_ZSTD || is_named(accept, SLICE("zstd")));
    CHECK(gzip < 0 || is_named(accept, SLICE("gzip")) || slice_find(accept, '*') >= 0);
}

static size_t count(struct slice text, char c)
{
    size_t found = 0;
    for (size_t i = 0; i < text.len; i++) {
        found += text.ptr[i] == c;
    }
    return found;
}

static void check_tags(struct slice list)
{
    struct arena arena;
    struct header items[3] = { { SLICE("If-Match"), list, HEADER_OTHER } };
    struct headers headers = { items, 1, 3 };
    arena_init(&arena, 1024 * 1024);
    CHECK(compress_head_ask(&headers, &arena));
    struct slice once = items[0].value;
    CHECK(once.len <= list.len && (list.len - once.len) % 2 == 0 && count(once, '"') == count(list, '"'));
    CHECK(compress_head_ask(&headers, &arena));
    CHECK(headers.count == 2);
    arena_done(&arena);
}

static void check_head(struct slice type, struct slice cache)
{
    static struct slice any[] = { SLICE_INIT("text/*"), SLICE_INIT("application/*+json") };
    const struct compress_settings settings = { .enabled = true, .types = { any, 2 } };
    struct header items[2] = { { SLICE("Content-Type"), type, HEADER_CONTENT_TYPE },
                               { SLICE("Cache-Control"), cache, HEADER_CACHE_CONTROL } };
    const struct headers headers = { items, 2, 2 };
    const struct compress_response response = { .status = 200, .headers = &headers };
    if (compress_judge_response(&settings, &response) == COMPRESS_NO_SKIP) {
        CHECK(!slice_equal_nocase(type, SLICE("text/event-stream")));
        CHECK(is_named(type, SLICE("text/")) || is_named(type, SLICE("+json")));
        CHECK(!slice_equal_nocase(cache, SLICE("private")) && !slice_equal_nocase(cache, SLICE("no-store")));
    }
    struct slice pattern[] = { type };
    const struct conf_strings own = { pattern, 1 };
    if (compress_check_type(type) == NULL && slice_find(type, '*') < 0) {
        compress_type_fits(&own, type);
    }
}

static bool keep(void *context, struct slice piece)
{
    (void)context;
    CHECK(coded_size + piece.len <= sizeof coded);
    memcpy(coded + coded_size, piece.ptr, piece.len);
    coded_size += piece.len;
    return true;
}

static size_t decode_gzip(void)
{
    z_stream stream = { .next_in = (unsigned char *)coded,
                        .avail_in = (unsigned int)coded_size,
                        .next_out = (unsigned char *)decoded,
                        .avail_out = sizeof decoded };
    CHECK(inflateInit2(&stream, 15 + 16) == Z_OK);
    CHECK(inflate(&stream, Z_FINISH) == Z_STREAM_END && stream.avail_in == 0);
    inflateEnd(&stream);
    return sizeof decoded - stream.avail_out;
}

static size_t decode_zstd(void)
{
    ZSTD_DStream *stream = ZSTD_createDStream();
    ZSTD_inBuffer from = { coded, coded_size, 0 };
    ZSTD_outBuffer to = { decoded, sizeof decoded, 0 };
    CHECK(ZSTD_decompressStream(stream, &to, &from) == 0 && from.pos == from.size);
    ZSTD_freeDStream(stream);
    return to.pos;
}

static void check_body(enum compress_algorithm_id id, struct slice script)
{
    static char body[BODY_MAX];
    size_t length = 0;
    enum compress_level level = script.len > 0
                                    ? (enum compress_level)((unsigned char)script.ptr[0] % COMPRESS_LEVELS)
                                    : COMPRESS_FAST;
    struct compress_encoder *encoder = compress_pool_take(&pool, id, level);
    CHECK(encoder != NULL);
    coded_size = 0;
    while (script.len > 0 && length < BODY_MAX) {
        unsigned int what = (unsigned char)script.ptr[0];
        struct slice piece = slice_part(script, 1, what / 4);
        /* Pieces that repeat what was, so that there is something to find. */
        size_t room = BODY_MAX - length, again = (what & 2) != 0 && length > 0 ? length : 0;
        piece.len = piece.len < room ? piece.len : room;
        if (piece.len > 0) {
            memcpy(body + length, piece.ptr, piece.len);
        }
        size_t from = length;
        length += piece.len;
        again = again < BODY_MAX - length ? again : BODY_MAX - length;
        memcpy(body + length, body, again);
        length += again;
        CHECK(compress_write(&pool, encoder, slice_of(body + from, length - from),
                             (what & 1) != 0 ? COMPRESS_FLUSH : COMPRESS_GO_ON, keep,
                             NULL) == COMPRESS_WRITTEN);
        CHECK(encoder->held <= COMPRESS_HELD_MAX);
        script = slice_from(script, 1 + what / 4);
    }
    CHECK(compress_write(&pool, encoder, SLICE(""), COMPRESS_END, keep, NULL) == COMPRESS_WRITTEN);
    CHECK((id == COMPRESS_GZIP ? decode_gzip() : decode_zstd()) == length);
    CHECK(memcmp(decoded, body, length) == 0);
    compress_pool_give(&pool, encoder);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct slice rest = { (const char *)bytes, size },
                 lines[4] = { SLICE(""), SLICE(""), SLICE(""), SLICE("") };
    for (size_t i = 0; i < 4 && slice_next(&rest, '\n', &lines[i]); i++) {
        lines[i] = slice_trim(slice_part(lines[i], 0, HTTP_HEAD_MAX));
    }
    check_choice(lines[0]);
    check_tags(lines[1]);
    check_head(lines[2], lines[3]);
    if (rest.ptr != NULL) {
        check_body(COMPRESS_GZIP, rest);
        check_body(COMPRESS_ZSTD, rest);
    }
    return 0;
}
