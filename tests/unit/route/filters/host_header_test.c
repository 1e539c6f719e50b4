#include "filters.h"

static void the_last_holds(void **state)
{
    struct filtering *f = *state;
    assert_int_equal(filtering_run(f, "/"), DENY_NONE);
    assert_true(f->run.host.len == 0 && !f->run.preserve_host);
    filtering_add(f, (struct filter_settings){ .set_host_header = SLICE_INIT("orders.internal:8443") });
    assert_int_equal(filtering_run(f, "/"), DENY_NONE);
    assert_slice(f->run.host, "orders.internal:8443");
    filtering_add(f, (struct filter_settings){ .preserve_host_header = true });
    assert_int_equal(filtering_run(f, "/"), DENY_NONE);
    assert_true(f->run.host.len == 0 && f->run.preserve_host);
}

static void a_host_is_one(void **state)
{
    struct filtering *f = *state;
    static const char *const wrong[] = { "a b", "a/b", "user@host", "a:b", "a\r\nX: y", "http://a", "a,b" };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_filter_refused(f, (struct filter_settings){ .set_host_header = slice_from_string(wrong[i]) },
                              "not a host");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FILTERING_TEST(the_last_holds),
        FILTERING_TEST(a_host_is_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
