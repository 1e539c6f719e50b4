#include "limits.h"

static void test_policy(void **state)
{
    (void)state;
    struct limit_settings rules[] = { window_of(100, 60 * NS_PER_S), rate_of(10, NS_PER_S, 20),
                                      window_of(5, 1500 * NS_PER_MS) };
    rules[2].name = SLICE("odd \"name\" \\ here");
    struct limit_key keys[] = { { &rules[0], "", 0 }, { &rules[1], "", 0 }, { &rules[2], "", 0 } };
    char out[256];
    assert_slice(slice_of(out, limit_policy_field(keys, 1, out, sizeof out)), "\"address-1\";q=100;w=60");
    const char *all =
        "\"address-1\";q=100;w=60, \"address-2\";q=20;w=2, \"odd \\\"name\\\" \\\\ here\";q=5;w=2";
    assert_slice(slice_of(out, limit_policy_field(keys, 3, out, sizeof out)), all);
    assert_int_equal(limit_policy_field(keys, 0, out, sizeof out), 0);
    for (size_t size = 0; size <= strlen(all); size++) {
        char *exact = malloc(size + 1);
        size_t len = limit_policy_field(keys, 3, exact, size);
        assert_int_equal(len, size == strlen(all) ? size : 0);
        free(exact);
    }
}

static void test_state_field(void **state)
{
    (void)state;
    struct limit_settings rules[] = { window_of(100, 60 * NS_PER_S), rate_of(10, NS_PER_S, 20) };
    struct limit_key keys[] = { { &rules[0], "", 0 }, { &rules[1], "", 0 } };
    struct limit_answer answer = {
        .allowed = true, .tightest = 1, .remaining = 7, .reset = 1200 * NS_PER_MS
    };
    char out[64];
    assert_slice(slice_of(out, limit_state_field(keys, &answer, out, sizeof out)), "\"address-2\";r=7;t=2");
    answer = (struct limit_answer){ .remaining = 0, .reset = 12 * NS_PER_S };
    assert_slice(slice_of(out, limit_state_field(keys, &answer, out, sizeof out)), "\"address-1\";r=0;t=12");
    answer = (struct limit_answer){ .remaining = UINT64_MAX, .reset = 0 };
    /* At most 15 digits. */
    assert_slice(slice_of(out, limit_state_field(keys, &answer, out, sizeof out)),
                 "\"address-1\";r=999999999999999;t=0");
    assert_int_equal(limit_state_field(keys, &answer, out, 10), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_policy),
        cmocka_unit_test(test_state_field),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
