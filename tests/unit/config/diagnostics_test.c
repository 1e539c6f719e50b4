#include "reading.h"

static void sorted_by_file_and_line_and_told_once(void **state)
{
    (void)state;
    struct arena arena;
    struct diagnostics diagnostics;
    arena_init(&arena, 1024 * 1024);
    diagnostics_init(&diagnostics, &arena);
    struct conf_source first = { .path = SLICE("b.yaml"), .order = 0 };
    struct conf_source second = { .path = SLICE("a.yaml"), .order = 1 };
    diagnostics_add(&diagnostics, DIAGNOSTIC_ERROR, (struct conf_place){ &second, 1, 1 }, "last");
    diagnostics_add(&diagnostics, DIAGNOSTIC_ERROR, (struct conf_place){ &first, 10, 1 }, "third");
    diagnostics_add(&diagnostics, DIAGNOSTIC_WARNING, (struct conf_place){ &first, 9, 2 }, "second %d", 2);
    diagnostics_add(&diagnostics, DIAGNOSTIC_ERROR, (struct conf_place){ &first, 9, 1 }, "first");
    diagnostics_add(&diagnostics, DIAGNOSTIC_ERROR, (struct conf_place){ &first, 9, 1 }, "first");
    diagnostics_add(&diagnostics, DIAGNOSTIC_ERROR, (struct conf_place){ 0 }, "no place");
    assert_int_equal(diagnostics.error_count, 4);
    assert_int_equal(diagnostics.warning_count, 1);
    assert_diagnostics_(&diagnostics, "error: no place\n"
                                      "b.yaml:9:1: error: first\n"
                                      "b.yaml:9:2: warning: second 2\n"
                                      "b.yaml:10:1: error: third\n"
                                      "a.yaml:1:1: error: last\n");
    arena_done(&arena);
}

static void the_readers_terminal_is_not_steered(void **state)
{
    (void)state;
    struct arena arena;
    struct diagnostics diagnostics;
    arena_init(&arena, 1024 * 1024);
    diagnostics_init(&diagnostics, &arena);
    diagnostics_add(&diagnostics, DIAGNOSTIC_ERROR, (struct conf_place){ 0 }, "%s", "a\x1b[2J\nb");
    assert_diagnostics_(&diagnostics, "error: a?[2J?b\n");
    arena_done(&arena);
}

static void their_number_is_capped_and_counted(void **state)
{
    (void)state;
    struct arena arena;
    struct diagnostics diagnostics;
    arena_init(&arena, 1024 * 1024);
    diagnostics_init(&diagnostics, &arena);
    for (int i = 0; i < DIAGNOSTICS_MAX + 7; i++) {
        diagnostics_add(&diagnostics, DIAGNOSTIC_ERROR, (struct conf_place){ 0 }, "number %d", i);
    }
    assert_int_equal(diagnostics.error_count, DIAGNOSTICS_MAX + 7);
    struct buffer out;
    buffer_init(&out, 1024 * 1024);
    diagnostics_print(&diagnostics, &out);
    assert_true(slice_ends_with(buffer_slice(&out), SLICE("\nand 7 more\n")));
    buffer_done(&out);
    arena_done(&arena);
}

static struct slice nearest(const char *wrong, const char *const *candidates)
{
    struct suggestion suggestion;
    suggestion_init(&suggestion, slice_from_string(wrong));
    for (; *candidates != NULL; candidates++) {
        suggestion_offer(&suggestion, slice_from_string(*candidates));
    }
    return suggestion.best;
}

static void did_you_mean(void **state)
{
    (void)state;
    static const char *const keys[] = { "listeners", "limits", "upstream", "auth", "authorize", NULL };
    assert_slice(nearest("limit", keys), "limits");
    assert_slice(nearest("Upstream", keys), "upstream");
    assert_slice(nearest("upstraem", keys), "upstream"); /* swapped neighbours */
    assert_slice(nearest("authorise", keys), "authorize");
    assert_slice(nearest("listener", keys), "listeners");
    assert_slice(nearest("cors", keys), "");
    assert_slice(nearest("x", keys), "");
    assert_slice(nearest("", keys), "");
    char longer[200];
    memset(longer, 'a', sizeof longer);
    longer[sizeof longer - 1] = '\0';
    assert_slice(nearest(longer, keys), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sorted_by_file_and_line_and_told_once),
        cmocka_unit_test(the_readers_terminal_is_not_steered),
        cmocka_unit_test(their_number_is_capped_and_counted),
        cmocka_unit_test(did_you_mean),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
