#include "http/h2/frame_budget.h"

#include "unit.h"

static const char ping[] = "\0\0\10\6\0\0\0\0\0abcdefgh";
static const char unknown[] = "\0\0\2\310\0\0\0\0\0xx";
static const char data[] = "\0\0\3\0\0\0\0\0\1abc";
static const char empty_data[] = "\0\0\0\0\0\0\0\0\1";

#define TEXT(array) slice_of((array), sizeof(array) - 1)

static void so_many_at_once(void **state)
{
    (void)state;
    struct h2_frame_budget budget = { 0 };
    for (int i = 0; i < HTTP2_EMPTY_FRAMES_MAX; i++) {
        assert_true(h2_frame_budget_read(&budget, 1, i % 2 ? TEXT(ping) : TEXT(unknown)));
    }
    assert_false(h2_frame_budget_read(&budget, 1, TEXT(empty_data)));
}

static void data_cost_nothing(void **state)
{
    (void)state;
    struct h2_frame_budget budget = { 0 };
    for (int i = 0; i < 100 * HTTP2_EMPTY_FRAMES_MAX; i++) {
        assert_true(h2_frame_budget_read(&budget, 1, TEXT(data)));
        h2_frame_budget_expect(&budget, 3);
    }
    assert_int_equal(budget.left, HTTP2_EMPTY_FRAMES_MAX);
}

static void data_for_nobody_have_an_end(void **state)
{
    (void)state;
    struct h2_frame_budget budget = { 0 };
    h2_frame_budget_expect(&budget, 1000);
    for (int i = 0; i < (HTTP2_STRAY_DATA_MAX + 1000) / 3; i++) {
        assert_true(h2_frame_budget_read(&budget, 1, TEXT(data)));
    }
    assert_false(h2_frame_budget_read(&budget, 1, TEXT(data)));
}

static void frames_are_counted_however_they_are_cut(void **state)
{
    (void)state;
    char stream[sizeof ping + sizeof data + sizeof empty_data + sizeof unknown];
    size_t size = 0;
    const struct slice frames[] = { TEXT(ping), TEXT(data), TEXT(empty_data), TEXT(unknown) };
    for (size_t i = 0; i < 4; i++) {
        memcpy(stream + size, frames[i].ptr, frames[i].len);
        size += frames[i].len;
    }
    for (size_t step = 1; step <= size; step++) {
        struct h2_frame_budget budget = { 0 };
        for (size_t at = 0; at < size; at += step) {
            assert_true(
                h2_frame_budget_read(&budget, 1, slice_of(stream + at, size - at < step ? size - at : step)));
        }
        assert_int_equal(budget.left, HTTP2_EMPTY_FRAMES_MAX - 3);
    }
}

static void time_and_work_give_more(void **state)
{
    (void)state;
    struct h2_frame_budget budget = { .at = NS_PER_S }; /* used up */
    for (int i = 0; i < HTTP2_EMPTY_FRAMES_RATE; i++) {
        assert_true(h2_frame_budget_read(&budget, 2 * NS_PER_S, TEXT(ping)));
    }
    assert_int_equal(budget.left, 0);
    h2_frame_budget_earn(&budget, 3);
    assert_int_equal(budget.left, 3);
    h2_frame_budget_earn(&budget, 10 * HTTP2_EMPTY_FRAMES_MAX);
    assert_int_equal(budget.left, HTTP2_EMPTY_FRAMES_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(so_many_at_once),
        cmocka_unit_test(data_cost_nothing),
        cmocka_unit_test(data_for_nobody_have_an_end),
        cmocka_unit_test(frames_are_counted_however_they_are_cut),
        cmocka_unit_test(time_and_work_give_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
