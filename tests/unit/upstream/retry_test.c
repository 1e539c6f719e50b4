#include "upstream/retry.h"

#include "base/clock.h"
#include "unit.h"

#define BIT(id) (UINT64_C(1) << RETRY_ON_##id)

static bool allows(const struct retry_settings *settings, enum retry_event event, const char *method)
{
    struct slice text = slice_from_string(method);
    return retry_allows(settings, event, http_method_of(text), text);
}

static void test_what_is_tried_again(void **state)
{
    (void)state;
    struct retry_settings settings = { .attempts = 1 };
    assert_true(allows(&settings, RETRY_ON_CONNECT, "GET"));
    assert_true(allows(&settings, RETRY_ON_RESET, "PUT"));
    assert_true(allows(&settings, RETRY_ON_503, "DELETE"));
    assert_false(allows(&settings, RETRY_ON_TIMEOUT, "GET"));
    assert_false(allows(&settings, RETRY_ON_502, "GET"));
    assert_false(allows(&settings, RETRY_EVENT_COUNT, "GET"));
    /* What may have changed something is the service's to allow. */
    static const char *const others[] = { "POST", "PATCH", "PURGE", "get" };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        assert_false(allows(&settings, RETRY_ON_CONNECT, others[i]));
    }
    static struct slice methods[] = { SLICE_INIT("POST"), SLICE_INIT("PURGE") };
    settings.methods = (struct conf_strings){ methods, 2 };
    settings.on = BIT(502);
    assert_true(allows(&settings, RETRY_ON_502, "POST"));
    assert_true(allows(&settings, RETRY_ON_502, "PURGE"));
    assert_false(allows(&settings, RETRY_ON_502, "GET"));
    assert_false(allows(&settings, RETRY_ON_503, "POST"));
}

static void test_statuses(void **state)
{
    (void)state;
    assert_int_equal(retry_event_of(500), RETRY_ON_500);
    assert_int_equal(retry_event_of(502), RETRY_ON_502);
    assert_int_equal(retry_event_of(503), RETRY_ON_503);
    assert_int_equal(retry_event_of(504), RETRY_ON_504);
    assert_int_equal(retry_event_of(200), RETRY_EVENT_COUNT);
    assert_int_equal(retry_event_of(501), RETRY_EVENT_COUNT);
    assert_int_equal(retry_event_of(429), RETRY_EVENT_COUNT);
}

static void test_delays(void **state)
{
    (void)state;
    struct retry_settings settings = { .backoff = 100 };
    static const struct {
        unsigned int number;
        int64_t most;
    } cases[] = { { 1, 100 }, { 2, 200 }, { 3, 400 }, { 4, 800 }, { 5, 1000 }, { 10, 1000 } };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(retry_delay(&settings, cases[i].number, 0), 0);
        assert_int_equal(retry_delay(&settings, cases[i].number, (uint64_t)cases[i].most - 1),
                         cases[i].most - 1);
        assert_int_equal(retry_delay(&settings, cases[i].number, (uint64_t)cases[i].most), 0);
    }
    settings.backoff = 0;
    assert_int_equal(retry_delay(&settings, 1, UINT64_MAX), 0);
}

static size_t spend_all(struct retry_budget *budget)
{
    size_t taken = 0;
    while (retry_budget_take(budget)) {
        taken++;
    }
    return taken;
}

static void test_budget(void **state)
{
    (void)state;
    struct retry_budget budget;
    retry_budget_init(&budget, 0);
    assert_int_equal(spend_all(&budget), 0);
    retry_budget_init(&budget, 20);
    assert_int_equal(spend_all(&budget), RETRY_RESERVE);
    for (int i = 0; i < 50; i++) {
        retry_budget_pay_in(&budget, 20);
    }
    assert_int_equal(spend_all(&budget), 10);
    /* A calm day does not pay for a storm. */
    for (int i = 0; i < 100000; i++) {
        retry_budget_pay_in(&budget, 20);
    }
    assert_int_equal(spend_all(&budget), RETRY_SAVED);
    for (int i = 0; i < 1000; i++) {
        retry_budget_pay_in(&budget, 0);
    }
    assert_int_equal(spend_all(&budget), 0);
}

static void test_checks(void **state)
{
    (void)state;
    struct retry_settings settings = { .attempts = 1, .try_timeout = NS_PER_S };
    assert_null(retry_check(&settings, 2 * NS_PER_S));
    assert_non_null(strstr(retry_check(&settings, NS_PER_S), "less than the route's timeout"));
    settings = (struct retry_settings){ .attempts = 1, .on = BIT(TIMEOUT) };
    assert_non_null(strstr(retry_check(&settings, NS_PER_S), "must be a try_timeout"));
    static struct slice method;
    settings = (struct retry_settings){ .attempts = 1, .methods = { &method, 1 } };
    method = SLICE("POST");
    assert_null(retry_check(&settings, NS_PER_S));
    method = SLICE("CONNECT");
    assert_non_null(retry_check(&settings, NS_PER_S));
    method = SLICE("GET POST");
    assert_non_null(retry_check(&settings, NS_PER_S));
    method = SLICE("post");
    assert_non_null(strstr(retry_check(&settings, NS_PER_S), "upper case"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_tried_again),
        cmocka_unit_test(test_statuses),
        cmocka_unit_test(test_delays),
        cmocka_unit_test(test_budget),
        cmocka_unit_test(test_checks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
