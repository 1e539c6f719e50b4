#include "unit.h"

#include "upstream/health/settings.h"

static void test_paths(void **state)
{
    (void)state;
    assert_null(health_check_path(SLICE("/")));
    assert_null(health_check_path(SLICE("/healthz?deep=1&a=%20")));
    assert_non_null(health_check_path(SLICE("")));
    assert_non_null(health_check_path(SLICE("healthz")));
    assert_non_null(health_check_path(SLICE("http://other/healthz")));
    assert_non_null(health_check_path(SLICE("/a b")));
    assert_non_null(health_check_path(SLICE("/a#b")));
    assert_non_null(health_check_path(SLICE("/a\r\nHost: evil")));
    assert_non_null(health_check_path(SLICE("/\xc3\xbc")));
    char path[HEALTH_PATH_MAX + 1];
    memset(path, '/', sizeof path);
    assert_null(health_check_path(slice_of(path, HEALTH_PATH_MAX)));
    assert_non_null(health_check_path(slice_of(path, sizeof path)));
}

static void test_services(void **state)
{
    (void)state;
    assert_null(health_check_service(SLICE_NONE));
    assert_null(health_check_service(SLICE("")));
    assert_null(health_check_service(SLICE("orders.v1.Orders")));
    assert_non_null(health_check_service(SLICE("orders.v1.Orders/Get")));
    assert_non_null(health_check_service(SLICE("a b")));
    char name[HEALTH_SERVICE_MAX + 1];
    memset(name, 'n', sizeof name);
    assert_null(health_check_service(slice_of(name, HEALTH_SERVICE_MAX)));
    assert_non_null(health_check_service(slice_of(name, sizeof name)));
}

static void test_statuses(void **state)
{
    (void)state;
    static const char *const wrong[] = { "",        "2xx",     "199",      "600",       "200-600",
                                         "100-299", "299-200", "200-299-", "200 - 299", "-200",
                                         "200-",    "+200",    "200,204" };
    struct health_settings settings = { .range_count = 2 };
    assert_true(health_parse_statuses(SLICE("204"), &settings.ranges[0]));
    assert_true(health_parse_statuses(SLICE("300-399"), &settings.ranges[1]));
    assert_int_equal(settings.ranges[0].first, 204);
    assert_int_equal(settings.ranges[0].last, 204);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct status_range range;
        if (health_parse_statuses(slice_from_string(wrong[i]), &range)) {
            fail_msg("\"%s\" was taken", wrong[i]);
        }
    }
    assert_true(health_status_is_well(&settings, 204));
    assert_true(health_status_is_well(&settings, 300));
    assert_true(health_status_is_well(&settings, 399));
    assert_false(health_status_is_well(&settings, 200));
    assert_false(health_status_is_well(&settings, 205));
    assert_false(health_status_is_well(&settings, 400));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_paths),
        cmocka_unit_test(test_services),
        cmocka_unit_test(test_statuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
