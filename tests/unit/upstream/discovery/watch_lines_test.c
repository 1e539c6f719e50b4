#include "unit.h"

#include "upstream/discovery/watch_lines.h"

static char got[256];

static bool take(void *context, struct slice line)
{
    size_t *left = context;
    size_t used = strlen(got);
    snprintf(got + used, sizeof got - used, "<%.*s>", SLICE_ARG(line));
    return left == NULL || --*left > 0;
}

static void lines_are_whole_however_they_come(void **state)
{
    (void)state;
    static const char text[] = "one\ntwo\r\n\n\r\nthree\nfour";
    for (size_t piece = 1; piece <= sizeof text; piece++) {
        struct watch_lines lines;
        bool too_long = true;
        got[0] = '\0';
        watch_lines_init(&lines, 5);
        for (size_t at = 0; at < sizeof text - 1; at += piece) {
            struct slice part = slice_part(SLICE("one\ntwo\r\n\n\r\nthree\nfour"), at, piece);
            assert_true(watch_lines_push(&lines, part, take, NULL, &too_long));
            assert_false(too_long);
        }
        assert_string_equal(got, "<one><two><three>");
        watch_lines_clear(&lines);
        assert_true(watch_lines_push(&lines, SLICE("five\n"), take, NULL, &too_long));
        assert_string_equal(got, "<one><two><three><five>");
        watch_lines_done(&lines);
    }
}

static void a_line_that_is_too_long_ends_it(void **state)
{
    (void)state;
    for (size_t piece = 1; piece <= 8; piece++) {
        struct watch_lines lines;
        bool too_long = false, good = true;
        watch_lines_init(&lines, 5);
        for (size_t at = 0; good && at < 8; at += piece) {
            good =
                watch_lines_push(&lines, slice_part(SLICE("123456\n\n"), at, piece), take, NULL, &too_long);
        }
        assert_false(good);
        assert_true(too_long);
        watch_lines_done(&lines);
    }
}

static void who_takes_may_end_it(void **state)
{
    (void)state;
    struct watch_lines lines;
    bool too_long = true;
    size_t left = 2;
    got[0] = '\0';
    watch_lines_init(&lines, 5);
    assert_false(watch_lines_push(&lines, SLICE("a\nb\nc\n"), take, &left, &too_long));
    assert_false(too_long);
    assert_string_equal(got, "<a><b>");
    watch_lines_done(&lines);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_are_whole_however_they_come),
        cmocka_unit_test(a_line_that_is_too_long_ends_it),
        cmocka_unit_test(who_takes_may_end_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
