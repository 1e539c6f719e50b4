#include "http/grpc_messages.h"
#include "unit.h"

#define LIMIT 10

struct outcome {
    enum grpc_messages_result result;
    bool whole;
    uint32_t left;
};

/* In one piece up to `split`, and one behind; each a copy of exactly its size. */
static struct outcome split_at(struct slice body, size_t split, uint64_t limit)
{
    struct grpc_messages messages = { 0 };
    struct slice pieces[] = { slice_part(body, 0, split), slice_from(body, split) };
    enum grpc_messages_result result = GRPC_MESSAGES_OK;
    for (size_t i = 0; i < 2 && result == GRPC_MESSAGES_OK; i++) {
        char *copy = malloc(pieces[i].len > 0 ? pieces[i].len : 1);
        assert_non_null(copy);
        memcpy(copy, pieces[i].ptr, pieces[i].len);
        result = grpc_messages_take(&messages, slice_of(copy, pieces[i].len), limit);
        free(copy);
    }
    return (struct outcome){ result, grpc_messages_whole(&messages), messages.left };
}

static struct outcome byte_by_byte(struct slice body, uint64_t limit)
{
    struct grpc_messages messages = { 0 };
    enum grpc_messages_result result = GRPC_MESSAGES_OK;
    for (size_t i = 0; i < body.len && result == GRPC_MESSAGES_OK; i++) {
        result = grpc_messages_take(&messages, slice_part(body, i, 1), limit);
    }
    return (struct outcome){ result, grpc_messages_whole(&messages), messages.left };
}

static void assert_same(struct outcome a, struct outcome b)
{
    assert_int_equal(a.result, b.result);
    assert_int_equal(a.whole, b.whole);
    assert_int_equal(a.left, b.left);
}

/* The same however it is cut. */
static struct outcome outcome_of(struct slice body, uint64_t limit)
{
    struct outcome whole = split_at(body, 0, limit);
    for (size_t split = 1; split <= body.len; split++) {
        assert_same(split_at(body, split, limit), whole);
    }
    assert_same(byte_by_byte(body, limit), whole);
    return whole;
}

#define BODY(text) ((struct slice){ (text), sizeof(text) - 1 })

static void assert_body(struct slice body, enum grpc_messages_result result, bool whole)
{
    struct outcome outcome = outcome_of(body, LIMIT);
    assert_int_equal(outcome.result, result);
    assert_int_equal(outcome.whole, whole);
}

static void whole_messages_may_end(void **state)
{
    (void)state;
    assert_body(BODY(""), GRPC_MESSAGES_OK, true);
    assert_body(BODY("\0\0\0\0\0"), GRPC_MESSAGES_OK, true);
    assert_body(BODY("\1\0\0\0\0"), GRPC_MESSAGES_OK, true);
    assert_body(BODY("\0\0\0\0\1x"), GRPC_MESSAGES_OK, true);
    assert_body(BODY("\1\0\0\0\0120123456789"), GRPC_MESSAGES_OK, true); /* as long as one may be */
    assert_body(BODY("\0\0\0\0\0\0\0\0\0\2ab\1\0\0\0\0\0\0\0\0\1c"), GRPC_MESSAGES_OK, true);
}

static void what_is_cut_is_not_whole(void **state)
{
    (void)state;
    struct slice body = BODY("\0\0\0\0\2ab\1\0\0\0\3cde\0\0\0\0\0");
    for (size_t size = 0; size <= body.len; size++) {
        bool between = size == 0 || size == 7 || size == 15 || size == 20;
        assert_body(slice_part(body, 0, size), GRPC_MESSAGES_OK, between);
    }
}

static void what_is_in_a_message_is_no_prefix(void **state)
{
    (void)state;
    assert_body(BODY("\0\0\0\0\5\2\377\377\377\377\0\0\0\0\5\1\377\377\377\377"), GRPC_MESSAGES_OK, true);
}

static void a_flag_is_0_or_1(void **state)
{
    (void)state;
    for (int flag = 0; flag < 256; flag++) {
        char body[] = { 0, 0, 0, 0, 1, 'x', (char)flag, 0, 0, 0, 0 };
        enum grpc_messages_result expected = flag > 1 ? GRPC_MESSAGES_FLAG : GRPC_MESSAGES_OK;
        assert_body(slice_of(body, sizeof body), expected, true);
        assert_body(slice_of(body + 6, 1), expected, flag > 1);
    }
}

static void a_message_over_the_limit_is_told_by_its_prefix(void **state)
{
    (void)state;
    static const struct {
        struct slice body;
        uint32_t length;
    } cases[] = {
        { BODY("\0\0\0\0\013"), 11 },
        { BODY("\0\0\0\0\013behind it"), 11 },
        { BODY("\1\0\0\1\0"), 0x100 },
        { BODY("\0\0\1\0\0"), 0x10000 },
        { BODY("\0\1\0\0\0"), 0x1000000 },
        { BODY("\0\1\2\3\4"), 0x01020304 },
        { BODY("\0\377\377\377\377"), UINT32_MAX },
        { BODY("\0\0\0\0\1x\0\0\0\0\0\0\377\377\377\377"), UINT32_MAX },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct outcome outcome = outcome_of(cases[i].body, LIMIT);
        assert_int_equal(outcome.result, GRPC_MESSAGES_TOO_LARGE);
        assert_int_equal(outcome.left, cases[i].length);
        /* Without its last byte the prefix says nothing yet. */
        struct slice cut = slice_part(cases[i].body, 0, cases[i].body.len - 1);
        assert_int_equal(outcome_of(cut, LIMIT).result, i == 1 ? GRPC_MESSAGES_TOO_LARGE : GRPC_MESSAGES_OK);
    }
}

static void the_longest_message_of_all(void **state)
{
    (void)state;
    struct slice prefix = BODY("\0\377\377\377\377");
    assert_int_equal(outcome_of(prefix, UINT32_MAX - 1).result, GRPC_MESSAGES_TOO_LARGE);
    struct outcome allowed = outcome_of(prefix, UINT32_MAX);
    assert_int_equal(allowed.result, GRPC_MESSAGES_OK);
    assert_false(allowed.whole);
    assert_int_equal(outcome_of(prefix, UINT64_C(1) << 40).result, GRPC_MESSAGES_OK);
    /* To its last byte. */
    static char piece[1 << 20];
    struct grpc_messages messages = { 0 };
    assert_int_equal(grpc_messages_take(&messages, prefix, UINT32_MAX), GRPC_MESSAGES_OK);
    for (size_t i = 0; i < 4096; i++) {
        assert_false(grpc_messages_whole(&messages));
        size_t size = i < 4095 ? sizeof piece : sizeof piece - 1;
        assert_int_equal(grpc_messages_take(&messages, slice_of(piece, size), UINT32_MAX), GRPC_MESSAGES_OK);
    }
    assert_true(grpc_messages_whole(&messages));
}

static void no_message_but_an_empty_one_fits_into_nothing(void **state)
{
    (void)state;
    assert_int_equal(outcome_of(BODY("\0\0\0\0\0\1\0\0\0\0"), 0).result, GRPC_MESSAGES_OK);
    assert_int_equal(outcome_of(BODY("\0\0\0\0\0\0\0\0\0\1x"), 0).result, GRPC_MESSAGES_TOO_LARGE);
}

static void many_messages(void **state)
{
    (void)state;
    enum {
        COUNT = 10000,
        SIZE = GRPC_PREFIX_SIZE + 3
    };
    static char body[COUNT * SIZE];
    for (size_t i = 0; i < COUNT; i++) {
        memcpy(body + i * SIZE, "\0\0\0\0\3abc", SIZE);
    }
    for (size_t step = 1; step <= sizeof body; step *= 3) {
        struct grpc_messages messages = { 0 };
        for (size_t at = 0; at < sizeof body; at += step) {
            size_t size = sizeof body - at < step ? sizeof body - at : step;
            assert_int_equal(grpc_messages_take(&messages, slice_of(body + at, size), 3), GRPC_MESSAGES_OK);
        }
        assert_true(grpc_messages_whole(&messages));
    }
    body[(COUNT - 1) * SIZE + 4] = 4;
    struct grpc_messages messages = { 0 };
    assert_int_equal(grpc_messages_take(&messages, slice_of(body, sizeof body), 3), GRPC_MESSAGES_TOO_LARGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_messages_may_end),
        cmocka_unit_test(what_is_cut_is_not_whole),
        cmocka_unit_test(what_is_in_a_message_is_no_prefix),
        cmocka_unit_test(a_flag_is_0_or_1),
        cmocka_unit_test(a_message_over_the_limit_is_told_by_its_prefix),
        cmocka_unit_test(the_longest_message_of_all),
        cmocka_unit_test(no_message_but_an_empty_one_fits_into_nothing),
        cmocka_unit_test(many_messages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
