/* Bodies in pieces of all sizes, read by the libraries' own decoders. */
#include "compress/encoder.h"

#include "base/buffer.h"
#include "unit.h"

#include <zlib.h>
#include <zstd.h>

#define BODY (1024 * 1024)

static struct compress_pool pool;
static char body[BODY], coded[2 * BODY], decoded[2 * BODY];

struct out {
    size_t size, calls, refuse_after;
};

static bool take(void *context, struct slice piece)
{
    struct out *out = context;
    assert_in_range(piece.len, 1, COMPRESS_PIECE_MAX);
    assert_true(out->size + piece.len <= sizeof coded);
    memcpy(coded + out->size, piece.ptr, piece.len);
    out->size += piece.len;
    out->calls++;
    return out->refuse_after == 0 || out->calls < out->refuse_after;
}

/* What a decoder makes of all that came so far; *ret_ended: was it told the end? */
static size_t decode_gzip(size_t size, bool *ret_ended)
{
    z_stream stream = { .next_in = (unsigned char *)coded,
                        .avail_in = (unsigned int)size,
                        .next_out = (unsigned char *)decoded,
                        .avail_out = sizeof decoded };
    assert_int_equal(inflateInit2(&stream, 15 + 16), Z_OK);
    int result = inflate(&stream, Z_SYNC_FLUSH);
    assert_true(result == Z_OK || result == Z_STREAM_END || result == Z_BUF_ERROR);
    *ret_ended = result == Z_STREAM_END;
    assert_int_equal(stream.avail_in, 0);
    inflateEnd(&stream);
    return sizeof decoded - stream.avail_out;
}

static size_t decode_zstd(size_t size, bool *ret_ended)
{
    ZSTD_DStream *stream = ZSTD_createDStream();
    ZSTD_inBuffer from = { coded, size, 0 };
    ZSTD_outBuffer to = { decoded, sizeof decoded, 0 };
    size_t left = 1;
    while (from.pos < from.size) {
        left = ZSTD_decompressStream(stream, &to, &from);
        assert_false(ZSTD_isError(left));
    }
    *ret_ended = left == 0;
    ZSTD_freeDStream(stream);
    return to.pos;
}

static size_t decode(enum compress_algorithm_id id, size_t size, bool *ret_ended)
{
    return id == COMPRESS_GZIP ? decode_gzip(size, ret_ended) : decode_zstd(size, ret_ended);
}

static uint32_t random_state = 1;
static uint32_t next_random(void)
{
    random_state = random_state * 1664525 + 1013904223;
    return random_state >> 8;
}

static void fill(bool is_noise)
{
    for (size_t i = 0; i < BODY; i++) {
        body[i] = is_noise ? (char)next_random()
                           : "{\"order\": 12345678, \"state\": \"open\"},"[(i + i / 4096) % 37];
    }
}

static struct compress_encoder *taken(enum compress_algorithm_id id, enum compress_level level)
{
    struct compress_encoder *encoder = compress_pool_take(&pool, id, level);
    assert_non_null(encoder);
    return encoder;
}

static void round_trip(enum compress_algorithm_id id, enum compress_level level, size_t piece_max,
                       size_t size)
{
    struct compress_encoder *encoder = taken(id, level);
    struct out out = { 0 };
    bool ended;
    for (size_t at = 0; at < size;) {
        size_t length = 1 + next_random() % piece_max;
        length = length < size - at ? length : size - at;
        size_t before = out.size, held = encoder->held;
        assert_int_equal(
            compress_write(&pool, encoder, slice_of(body + at, length), COMPRESS_GO_ON, take, &out),
            COMPRESS_WRITTEN);
        /* What a stream must have room for: see HTTP_WRITE_BUFFER_MAX. */
        assert_in_range(out.size - before, 0, held + length + 1024);
        assert_in_range(encoder->held, 0, COMPRESS_HELD_MAX);
        at += length;
        if (next_random() % 8 == 0) {
            assert_int_equal(compress_write(&pool, encoder, SLICE(""), COMPRESS_FLUSH, take, &out),
                             COMPRESS_WRITTEN);
            assert_int_equal(encoder->held, 0);
            assert_int_equal(decode(id, out.size, &ended), at);
            assert_false(ended);
        }
    }
    assert_int_equal(compress_write(&pool, encoder, SLICE(""), COMPRESS_END, take, &out), COMPRESS_WRITTEN);
    assert_int_equal(decode(id, out.size, &ended), size);
    assert_true(ended);
    assert_memory_equal(decoded, body, size);
    assert_int_equal(encoder->taken, size);
    assert_int_equal(encoder->made, out.size);
    compress_pool_give(&pool, encoder);
}

static void bodies_come_back_as_they_were(void **state)
{
    (void)state;
    static const size_t pieces[] = { 7, 4096, 65536 };
    for (int noise = 0; noise < 2; noise++) {
        fill(noise);
        for (int id = 0; id < COMPRESS_ALGORITHMS; id++) {
            for (int level = 0; level < COMPRESS_LEVELS; level++) {
                round_trip((enum compress_algorithm_id)id, (enum compress_level)level, 65536, BODY);
            }
            for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
                round_trip((enum compress_algorithm_id)id, COMPRESS_STANDARD, pieces[i], 3000);
            }
            round_trip((enum compress_algorithm_id)id, COMPRESS_STANDARD, 1, 0);
        }
    }
    compress_pool_done(&pool);
}

static void flushing_nothing_makes_nothing(void **state)
{
    (void)state;
    for (int id = 0; id < COMPRESS_ALGORITHMS; id++) {
        struct compress_encoder *encoder = taken((enum compress_algorithm_id)id, COMPRESS_STANDARD);
        struct out out = { 0 };
        assert_int_equal(compress_write(&pool, encoder, SLICE(""), COMPRESS_FLUSH, take, &out),
                         COMPRESS_WRITTEN);
        assert_int_equal(out.size, 0);
        compress_write(&pool, encoder, SLICE("a"), COMPRESS_GO_ON, take, &out);
        compress_write(&pool, encoder, SLICE(""), COMPRESS_FLUSH, take, &out);
        size_t size = out.size;
        assert_true(size > 0);
        compress_write(&pool, encoder, SLICE(""), COMPRESS_FLUSH, take, &out);
        assert_int_equal(out.size, size);
        compress_pool_give(&pool, encoder);
    }
    compress_pool_done(&pool);
}

/* Left in the middle, an encoder knows nothing of the body before: neither its bytes nor what came out of them. */
static void the_next_body_is_another_one(void **state)
{
    (void)state;
    fill(false);
    for (int id = 0; id < COMPRESS_ALGORITHMS; id++) {
        struct out first = { 0 }, second = { 0 };
        struct compress_encoder *encoder = taken((enum compress_algorithm_id)id, COMPRESS_SMALL);
        compress_write(&pool, encoder, slice_of(body, 5000), COMPRESS_END, take, &first);
        compress_pool_give(&pool, encoder);
        char *kept = malloc(first.size);
        memcpy(kept, coded, first.size);
        struct compress_encoder *again = taken((enum compress_algorithm_id)id, COMPRESS_FAST);
        assert_ptr_equal(again, encoder);
        struct out refused = { .refuse_after = 1 };
        assert_int_equal(compress_write(&pool, again, slice_of(body, 20000), COMPRESS_FLUSH, take, &refused),
                         COMPRESS_UNWANTED);
        compress_pool_give(&pool, again);
        encoder = taken((enum compress_algorithm_id)id, COMPRESS_SMALL);
        compress_write(&pool, encoder, slice_of(body, 5000), COMPRESS_END, take, &second);
        compress_pool_give(&pool, encoder);
        assert_int_equal(second.size, first.size);
        assert_memory_equal(coded, kept, first.size);
        free(kept);
    }
    compress_pool_done(&pool);
}

static void there_are_so_many_and_no_more(void **state)
{
    (void)state;
    struct compress_encoder *encoders[COMPRESS_ENCODERS_MAX];
    for (size_t i = 0; i < COMPRESS_ENCODERS_MAX; i++) {
        encoders[i] = taken(i % 2 == 0 ? COMPRESS_GZIP : COMPRESS_ZSTD, COMPRESS_FAST);
    }
    assert_null(compress_pool_take(&pool, COMPRESS_GZIP, COMPRESS_FAST));
    assert_null(compress_pool_take(&pool, COMPRESS_ZSTD, COMPRESS_FAST));
    compress_pool_give(&pool, encoders[0]);
    encoders[0] = taken(COMPRESS_ZSTD, COMPRESS_FAST);
    for (size_t i = 0; i < COMPRESS_ENCODERS_MAX; i++) {
        compress_pool_give(&pool, encoders[i]);
    }
    assert_int_equal(pool.used, 0);
    for (int id = 0; id < COMPRESS_ALGORITHMS; id++) {
        assert_in_range(pool.spare_count[id], 1, COMPRESS_ENCODERS_MAX / 4);
    }
    compress_pool_done(&pool);
}

/* What limits.h promises: 720 KB, also after bodies of every level. */
static void memory_is_bounded(void **state)
{
    (void)state;
    fill(false);
    struct compress_encoder *encoder = taken(COMPRESS_ZSTD, COMPRESS_SMALL);
    size_t born = ZSTD_sizeof_CCtx(encoder->state);
    assert_in_range(born, 1, 740 * 1024);
    for (int level = 0; level < COMPRESS_LEVELS; level++) {
        struct out out = { 0 };
        assert_int_equal(compress_write(&pool, encoder, slice_of(body, BODY), COMPRESS_END, take, &out),
                         COMPRESS_WRITTEN);
        assert_int_equal(ZSTD_sizeof_CCtx(encoder->state), born);
        compress_pool_give(&pool, encoder);
        encoder = taken(COMPRESS_ZSTD, (enum compress_level)level);
    }
    compress_pool_give(&pool, encoder);
    compress_pool_done(&pool);
}

static _Atomic int64_t counted;

static void count_within(int64_t budget)
{
    counted = 0;
    buffer_count_in(&counted);
    buffer_set_budget(budget);
}

static void count_no_more(void)
{
    compress_pool_done(&pool);
    buffer_set_budget(0);
    buffer_count_in(NULL);
    assert_int_equal(counted, 0);
    assert_int_equal(pool.spare_memory, 0);
}

/* As long as somebody has it: what waits for the next body is kept apart. */
static void memory_is_counted(void **state)
{
    (void)state;
    static const int64_t least[] = { [COMPRESS_GZIP] = 260 * 1000, [COMPRESS_ZSTD] = 500 * 1000 },
                         most[] = { [COMPRESS_GZIP] = 280 * 1024, [COMPRESS_ZSTD] = 740 * 1024 };
    fill(false);
    count_within(0);
    for (int id = 0; id < COMPRESS_ALGORITHMS; id++) {
        struct compress_encoder *one = taken((enum compress_algorithm_id)id, COMPRESS_SMALL);
        int64_t each = counted;
        assert_in_range(each, least[id], most[id]);
        struct compress_encoder *other = taken((enum compress_algorithm_id)id, COMPRESS_FAST);
        assert_int_equal(counted, 2 * each);
        struct out out = { 0 };
        compress_write(&pool, one, slice_of(body, BODY), COMPRESS_END, take, &out);
        compress_pool_give(&pool, one);
        assert_int_equal(counted, each);
        one = taken((enum compress_algorithm_id)id, COMPRESS_STANDARD); /* the same again */
        assert_int_equal(counted, 2 * each);
        compress_pool_give(&pool, one);
        compress_pool_give(&pool, other);
        assert_int_equal(counted, 0);
    }
    count_no_more();
}

/* From half of the budget on nobody gets one, and none waits. */
static void none_is_taken_while_memory_is_scarce(void **state)
{
    (void)state;
    count_within(INT64_C(16) << 20);
    compress_pool_give(&pool, taken(COMPRESS_GZIP, COMPRESS_FAST));
    compress_pool_give(&pool, taken(COMPRESS_ZSTD, COMPRESS_FAST));
    assert_int_equal(pool.spare_count[COMPRESS_GZIP] + pool.spare_count[COMPRESS_ZSTD], 2);
    struct compress_encoder *early = taken(COMPRESS_ZSTD, COMPRESS_FAST);
    buffer_count_other(INT64_C(8) << 20);
    assert_true(buffer_is_scarce());
    assert_null(compress_pool_take(&pool, COMPRESS_GZIP, COMPRESS_FAST));
    assert_int_equal(pool.spare_memory, 0);
    compress_pool_give(&pool, early);
    assert_int_equal(pool.spare_memory, 0);
    buffer_count_other(-(INT64_C(8) << 20));
    compress_pool_give(&pool, taken(COMPRESS_GZIP, COMPRESS_FAST));
    assert_int_equal(pool.spare_count[COMPRESS_GZIP], 1);
    count_no_more();
}

/* Encoders alone make it so. */
static void encoders_are_within_the_budget(void **state)
{
    (void)state;
    struct compress_encoder *encoders[COMPRESS_ENCODERS_MAX];
    size_t count = 0;
    count_within(INT64_C(4) << 20);
    while ((encoders[count] = compress_pool_take(&pool, COMPRESS_ZSTD, COMPRESS_FAST)) != NULL) {
        count++;
    }
    assert_in_range(count, 2, 4);
    assert_in_range(counted, INT64_C(2) << 20, INT64_C(3) << 20);
    while (count > 0) {
        compress_pool_give(&pool, encoders[--count]);
        assert_in_range(pool.spare_memory, 0, (INT64_C(4) << 20) / 8);
    }
    count_no_more();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bodies_come_back_as_they_were),
        cmocka_unit_test(flushing_nothing_makes_nothing),
        cmocka_unit_test(the_next_body_is_another_one),
        cmocka_unit_test(there_are_so_many_and_no_more),
        cmocka_unit_test(memory_is_bounded),
        cmocka_unit_test(memory_is_counted),
        cmocka_unit_test(none_is_taken_while_memory_is_scarce),
        cmocka_unit_test(encoders_are_within_the_budget),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
