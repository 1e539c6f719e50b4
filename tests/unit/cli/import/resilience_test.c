/* Circuit breakers and time limiters that the file has settings for. */
#include "importing.h"

#define BREAKER   "resilience4j.circuitbreaker."
#define LIMITER   "resilience4j.timelimiter."
#define FILTER    "{ name: CircuitBreaker, args: { name: my-orders } }"
#define OF_ORDERS BREAKER "instances.myOrders: "

/* What is said of the instance is written; what is not has the defaults. */
static void test_settings_are_carried_over(void **state)
{
    (void)state;
    static const struct {
        const char *settings, *written;
    } rows[] = {
        { "", "breaker: {}\n" },
        { BREAKER "instances.other: { failureRateThreshold: 10 }\n", "breaker: {}\n" },
        { OF_ORDERS "{ failureRateThreshold: 40 }\n", "breaker: { failures: 40 }\n" },
        { OF_ORDERS "{ failure-rate-threshold: 33.4 }\n", "breaker: { failures: 34 }\n" },
        { OF_ORDERS "{ slidingWindowType: TIME_BASED, slidingWindowSize: 30, minimumNumberOfCalls: 7 }\n",
          "breaker: { minimum: 7, window: 30s }\n" },
        { OF_ORDERS "{ slidingWindowSize: 20 }\n", "breaker: { minimum: 20 }\n" },
        { OF_ORDERS "{ slidingWindowSize: 500 }\n", "breaker: { minimum: 100 }\n" },
        { OF_ORDERS "{ slidingWindowSize: 20, minimumNumberOfCalls: 50 }\n", "breaker: { minimum: 20 }\n" },
        { OF_ORDERS "{ slidingWindowSize: 20, minimumNumberOfCalls: 5 }\n", "breaker: { minimum: 5 }\n" },
        { OF_ORDERS "{ waitDurationInOpenState: 1500, permittedNumberOfCallsInHalfOpenState: 4 }\n",
          "breaker: { open: 1500ms, probes: 4 }\n" },
        { BREAKER
          "backends.myOrders: { ringBufferSizeInClosedState: 30, ringBufferSizeInHalfOpenState: 2 }\n",
          "breaker: { minimum: 30, probes: 2 }\n" },
        { BREAKER "configs.default: { failureRateThreshold: 20, waitDurationInOpenState: 2s }\n" OF_ORDERS
                  "{ failureRateThreshold: 30 }\n",
          "breaker: { failures: 30, open: 2s }\n" },
        { BREAKER "configs: { default: { failureRateThreshold: 20 }, slow: { waitDurationInOpenState: 2s } "
                  "}\n" OF_ORDERS "{ baseConfig: slow }\n",
          "breaker: { open: 2s }\n" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char text[1024];
        snprintf(text, sizeof text, "%s%s", rows[i].settings, ONE(FILTER));
        struct imported imported;
        open_import(&imported, import_spring, text);
        if (!is_written(&imported, rows[i].written)) {
            fail_msg("not \"%s\" of %s", rows[i].written, rows[i].settings);
        }
        close_import(&imported);
    }
}

static void test_what_has_no_counterpart_is_told(void **state)
{
    (void)state;
    static const struct {
        const char *settings, *told;
    } rows[] = {
        { "{ slidingWindowSize: 20 }", "the last 20 requests: here it looks back on a time" },
        { "{ failureRateThreshold: 0 }", "failureRateThreshold 0 of the CircuitBreaker: write \"failures\"" },
        { "{ failureRateThreshold: half }", "failureRateThreshold half" },
        { "{ slidingWindowSize: 0 }", "slidingWindowSize 0" },
        { "{ minimumNumberOfCalls: 0 }", "minimumNumberOfCalls 0" },
        { "{ waitDurationInOpenState: 2h }",
          "waitDurationInOpenState 2h of the CircuitBreaker: write \"open\"" },
        { "{ permittedNumberOfCallsInHalfOpenState: 1001 }", "permittedNumberOfCallsInHalfOpenState 1001" },
        { "{ slowCallDurationThreshold: 2s }", "in.yml:1:" },
        { "{ slowCallRateThreshold: 80 }", "slow calls as failures" },
        { "{ ignoreExceptions: [java.io.IOException] }", "ignoreExceptions: write \"breaker\"" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char text[1024];
        snprintf(text, sizeof text, OF_ORDERS "%s\n%s", rows[i].settings, ONE(FILTER));
        struct imported imported;
        open_import(&imported, import_spring, text);
        if (!is_noted(&imported, rows[i].told)) {
            fail_msg("not \"%s\" of %s", rows[i].told, rows[i].settings);
        }
        close_import(&imported);
    }
    /* the twin: what changes nothing here is no loss */
    struct imported imported;
    open_import(&imported, import_spring,
                BREAKER
                "configs.default: { failureRateThreshold: 20, registerHealthIndicator: true }\n" OF_ORDERS
                "{ failureRateThreshold: 30, eventConsumerBufferSize: 10 }\n" LIMITER
                "instances.myOrders: { timeoutDuration: 3s, cancelRunningFuture: true }\n" ONE(FILTER));
    assert_int_equal(buffer_length(&imported.notes), 0);
    close_import(&imported);
}

/* Whose filter stands before the other's bounds it. */
static void test_time_limits(void **state)
{
    (void)state;
    static const char *const limit = LIMITER "instances.myOrders: { timeoutDuration: 3s }\n";
    static const struct {
        const char *settings, *filters, *written;
    } rows[] = {
        { "", FILTER, "    timeout: 3s\n" },
        { "spring.cloud.gateway.httpclient.response-timeout: 2s\n", FILTER, "    timeout: 2s\n" },
        { "spring.cloud.gateway.httpclient.response-timeout: 9s\n", FILTER, "    timeout: 3s\n" },
        { "", FILTER ", 'Retry=2'", "methods: [GET] }\n    timeout: 3s\n" },
        { "", "'Retry=2', " FILTER, "methods: [GET], try_timeout: 3s }\n    timeout: 9s\n" },
        { "spring.cloud.gateway.httpclient.response-timeout: 1s\n", FILTER ", 'Retry=1'",
          "methods: [GET], try_timeout: 1s }\n    timeout: 2s\n" },
        { "spring.cloud.gateway.httpclient.response-timeout: 2s\n", FILTER ", 'Retry=1'",
          "methods: [GET], try_timeout: 2s }\n    timeout: 3s\n" },
        { "spring.cloud.gateway.httpclient.response-timeout: 9s\n", FILTER ", 'Retry=1'",
          "methods: [GET] }\n    timeout: 3s\n" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char text[1024];
        snprintf(text, sizeof text,
                 "%s%s" ROUTES "  - { id: a, uri: 'http://h', predicates: [Path=/a], filters: [%s] }\n",
                 limit, rows[i].settings, rows[i].filters);
        struct imported imported;
        open_import(&imported, import_spring, text);
        if (!is_written(&imported, rows[i].written)) {
            fail_msg("not \"%s\" in\n%.*s", rows[i].written, SLICE_ARG(buffer_slice(&imported.text)));
        }
        close_import(&imported);
    }
    /* the twin: one that is switched off */
    char text[1024];
    snprintf(text, sizeof text, "spring.cloud.circuitbreaker.resilience4j.disable-time-limiter: true\n%s%s",
             limit, ONE(FILTER));
    struct imported imported;
    open_import(&imported, import_spring, text);
    assert_false(is_written(&imported, "timeout: 3s"));
    close_import(&imported);
}

/* An upstream has one breaker, whatever its routes say. */
static void test_one_upstream_has_one_breaker(void **state)
{
    (void)state;
    struct imported imported;
    for (int percent = 10; percent <= 20; percent += 10) {
        char text[1024];
        snprintf(
            text, sizeof text,
            BREAKER
            "instances: { one: { failureRateThreshold: 10 }, other: { failureRateThreshold: %d } }\n" ROUTES
            "  - { id: a, uri: 'http://h', predicates: [Path=/a], filters: [CircuitBreaker=one] }\n"
            "  - { id: b, uri: 'http://h', predicates: [Path=/b], filters: [CircuitBreaker=other] }\n",
            percent);
        open_import(&imported, import_spring, text);
        assert_slice(at(&imported, "upstreams/a/breaker/failures")->text, "10");
        assert_int_equal(is_noted(&imported, "{ failures: 20 }: a has one of other settings"), percent == 20);
        close_import(&imported);
    }
}

/* Keys of a route stand beside those of `defaults`: a time of its own needs a time of each try that fits into it. */
static void test_times_of_a_route_beside_the_retries_of_all(void **state)
{
    (void)state;
    static const char *const own[] = { "metadata: { response-timeout: 200 }",
                                       "filters: [{ name: CircuitBreaker, args: { name: one } }]" };
    static const char *const wanted[] = {
        "    retry: { on: [connect, reset, timeout, 500, 502, 503, 504], attempts: 2, methods: [GET], "
        "try_timeout: 200ms }\n    timeout: 600ms\n",
        "try_timeout: 2999ms }\n    timeout: 3s\n",
    };
    for (size_t i = 0; i < 2; i++) {
        char text[1024];
        snprintf(
            text, sizeof text,
            LIMITER
            "instances.one: { timeoutDuration: 3s }\n"
            "spring.cloud.gateway: { httpclient.response-timeout: 5s, default-filters: [Retry=2] }\n" ROUTES
            "  - { id: a, uri: 'http://h', predicates: [Path=/a], %s }\n"
            "  - { id: b, uri: 'http://h', predicates: [Path=/b] }\n",
            own[i]);
        struct imported imported;
        open_import(&imported, import_spring, text);
        if (!is_written(&imported, wanted[i])) {
            fail_msg("not \"%s\" in\n%.*s", wanted[i], SLICE_ARG(buffer_slice(&imported.text)));
        }
        assert_null(at(&imported, "routes/b/retry"));
        close_import(&imported);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_settings_are_carried_over),
        cmocka_unit_test(test_what_has_no_counterpart_is_told),
        cmocka_unit_test(test_time_limits),
        cmocka_unit_test(test_one_upstream_has_one_breaker),
        cmocka_unit_test(test_times_of_a_route_beside_the_retries_of_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
