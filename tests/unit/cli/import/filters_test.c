/* What Spring's filters become, in which order, and what is told of them. */
#include "importing.h"

/* Numbered from 1 each and run by number, on ties that of the whole first; what they do to answers in reverse. */
static void test_filters_take_turns(void **state)
{
    (void)state;
    struct imported imported;
    open_import(
        &imported, import_spring,
        "spring.cloud.gateway.default-filters: ['PrefixPath=/d1', 'PrefixPath=/d2', 'SetResponseHeader=X-A, "
        "d3']\n" ONE("'PrefixPath=/r1', 'SetResponseHeader=X-A, r2', 'PrefixPath=/r3'"));
    assert_null(at(&imported, "defaults"));
    const struct conf_node *filters = at(&imported, "routes/a/filters");
    static const char *const paths[] = { "/d1", "/r1", "/d2", "/r3" }, *const answers[] = { "d3", "r2" };
    assert_int_equal(filters->count, 6);
    for (size_t i = 0; i < 4; i++) {
        assert_slice(conf_node_get(filters->items[i], SLICE("prefix_path"))->text, paths[i]);
    }
    for (size_t i = 0; i < 2; i++) {
        const struct conf_node *field = conf_node_get(filters->items[4 + i], SLICE("set_response_header"));
        assert_slice(conf_node_get(field, SLICE("X-A"))->text, answers[i]);
    }
    close_import(&imported);
    /* What changes different things stays apart. */
    open_import(
        &imported, import_spring,
        "spring.cloud.gateway.default-filters: ['AddRequestHeader=X-A, a', 'AddRequestHeader=X-B, b']\n" ONE(
            "'AddRequestHeader=X-C, c', 'SetResponseHeader=X-A, r'"));
    assert_int_equal(at(&imported, "defaults/filters")->count, 2);
    assert_int_equal(at(&imported, "routes/a/filters")->count, 2);
    close_import(&imported);
    /* The same field, in another order. */
    open_import(&imported, import_spring,
                "spring.cloud.gateway.default-filters: ['AddRequestHeader=X-A, a', 'MapRequestHeader=x-c, "
                "X-B']\n" ONE("'SetRequestHeader=X-C, c'"));
    assert_null(at(&imported, "defaults"));
    filters = at(&imported, "routes/a/filters");
    assert_non_null(conf_node_get(filters->items[1], SLICE("set_request_header")));
    assert_non_null(conf_node_get(filters->items[2], SLICE("map_request_header")));
    close_import(&imported);
    /* Variables of the whole are those of each route. */
    open_import(&imported, import_spring,
                "spring.cloud.gateway.default-filters: ['AddRequestHeader=X-A, {id}']\n" ONE(
                    "'StripPrefix=1'") "  - { id: b, uri: 'http://10.0.0.1', predicates: [Path=/b] }\n");
    assert_int_equal(at(&imported, "routes/a/filters")->count, 2);
    assert_null(at(&imported, "routes/b/filters"));
    assert_true(is_noted(&imported, "AddRequestHeader: the path \"/b\" has no variable {id}"));
    close_import(&imported);
}

/* What `check` would refuse is not written, but told. */
static void test_refused_filters_are_told(void **state)
{
    (void)state;
    static const struct {
        const char *filter, *said;
    } filters[] = {
        { "'AddRequestHeader=Authorization, Basic c2VjcmV0'",
          "AddRequestHeader: Authorization is a credential's" },
        { "'SetResponseHeader=Content-Length, 1'", "SetResponseHeader: Content-Length is" },
        { "'AddRequestHeader=X-Key, {cipher}c2VjcmV0'", "has no variable {cipher}" },
        { "'SetPath=/x/{other}'", "has no variable {other}" },
        { "'RewritePath=^/a/(, /b'", "RewritePath: " },
        { "'PrefixPath=/a/../b'", "PrefixPath: " },
    };
    for (size_t i = 0; i < sizeof filters / sizeof filters[0]; i++) {
        char text[512];
        snprintf(text, sizeof text,
                 ROUTES "  - { id: a, uri: 'http://h', predicates: [Path=/a/**], filters: [%s] }\n",
                 filters[i].filter);
        struct imported imported;
        open_import(&imported, import_spring, text);
        assert_null(at(&imported, "routes/a/filters"));
        assert_true(is_noted(&imported, filters[i].said));
        assert_false(is_noted(&imported, "c2VjcmV0"));
        close_import(&imported);
    }
}

static void test_retries_and_times(void **state)
{
    (void)state;
    static const struct {
        const char *filter, *on, *more;
    } retries[] = {
        { "'Retry=3, INTERNAL_SERVER_ERROR, GET, 10ms, 100ms, 2, false'",
          "[connect, reset, timeout, 500, 502, 503, 504]",
          "attempts: 3, methods: [\"GET\"], try_timeout: 2s, backoff: 10ms }\n    timeout: 8070ms" },
        { "{ name: Retry, args: { retries: 1, statuses: 'BAD_GATEWAY', series: [], methods: 'GET,PUT' } }",
          "[connect, reset, timeout, 502]",
          "attempts: 1, methods: [\"GET\", \"PUT\"], try_timeout: 2s }\n    timeout: 4s" },
        { "{ name: Retry, args: { exceptions: java.io.IOException } }",
          "[connect, reset, timeout, 500, 502, 503, 504]",
          "attempts: 3, methods: [GET], try_timeout: 2s }\n    timeout: 8s" },
    };
    for (size_t i = 0; i < sizeof retries / sizeof retries[0]; i++) {
        char text[512];
        snprintf(text, sizeof text,
                 "spring.cloud.gateway.httpclient: { response-timeout: PT2S, connect-timeout: 1500 }\n" ROUTES
                 "  - { id: a, uri: 'http://h', predicates: [Path=/a], filters: [%s] }\n",
                 retries[i].filter);
        struct imported imported;
        open_import(&imported, import_spring, text);
        assert_int_equal(buffer_length(&imported.notes), 0);
        assert_true(is_written(&imported, retries[i].on));
        assert_true(is_written(&imported, retries[i].more));
        assert_slice(at(&imported, "upstreams/a/connect_timeout")->text, "1500ms");
        assert_slice(at(&imported, "defaults/timeout")->text, "2s");
        close_import(&imported);
    }
    struct imported imported;
    open_import(&imported, import_spring,
                ONE("{ name: Retry, args: { series: CLIENT_ERROR, exceptions: com.example.Own, backoff: { "
                    "firstBackoff: 50ms, maxBackoff: 60ms } } }"));
    assert_true(is_noted(&imported, "series CLIENT_ERROR") && is_noted(&imported, "after com.example.Own") &&
                is_noted(&imported, "backoff of Retry"));
    close_import(&imported);
}

/* With Spring each route counts for itself. */
static void test_limits_are_the_routes(void **state)
{
    (void)state;
    struct imported imported;
#define LIMITER(rate, more)                                                          \
    "{ name: RequestRateLimiter, args: { redis-rate-limiter: { replenishRate: " rate \
    ", burstCapacity: 20 }" more " } }"
    open_import(&imported, import_spring,
                "spring.cloud.gateway.default-filters: [" LIMITER("5", "") "]\n" ONE(
                    LIMITER("10", ", key-resolver: '#{@k}', deny-empty-key: false")));
    assert_null(at(&imported, "defaults"));
    const struct conf_node *limits = at(&imported, "routes/a/limits");
    assert_int_equal(limits->count, 2);
    assert_slice(conf_node_get(limits->items[0], SLICE("rate"))->text, "5/1s");
    assert_slice(conf_node_get(limits->items[1], SLICE("rate"))->text, "10/1s");
    assert_true(is_noted(&imported, "#{@k} counts by") &&
                is_noted(&imported, "deny-empty-key of RequestRateLimiter"));
    close_import(&imported);
}

static void test_cors(void **state)
{
    (void)state;
    struct imported imported;
    open_import(
        &imported, import_spring,
        "spring.cloud.gateway.globalcors.cors-configurations:\n"
        "  '[/**]': { allowedOrigins: 'https://a.example,https://b.example', allowedMethods: ['*'],\n"
        "             allowedHeaders: [X-A, '*'], allowCredentials: true, maxAge: 60 }\n"
        "  '[/b/**]': { allowedOrigins: '*' }\n" ROUTES
        "  - { id: a, uri: 'http://h', predicates: [Path=/a], metadata: { cors: { allowedOrigins: '*' } } }\n"
        "  - { id: b, uri: 'http://h', predicates: [Path=/b], metadata: { cors: { allowedOriginPatterns: "
        "'*.example' } } }\n");
    assert_int_equal(at(&imported, "defaults/cors/origins")->count, 2);
    assert_null(at(&imported, "defaults/cors/methods"));
    assert_int_equal(at(&imported, "defaults/cors/headers")->count, 1);
    assert_slice(at(&imported, "defaults/cors/max_age")->text, "60s");
    assert_slice(at(&imported, "routes/a/cors/origins")->items[0]->text, "*");
    assert_null(at(&imported, "routes/b/cors"));
    assert_true(is_noted(&imported, "allowedHeaders \"*\"") &&
                is_noted(&imported, "[/b/**].allowedOrigins: write") &&
                is_noted(&imported, "allowedOriginPatterns of CORS"));
    close_import(&imported);
    /* Any origin with credentials is nothing that may be written. */
    open_import(&imported, import_spring,
                "spring.cloud.gateway.globalcors.cors-configurations: { '[/**]': { allowedOrigins: '*', "
                "allowCredentials: true } }\n" ONE(""));
    assert_null(at(&imported, "defaults"));
    assert_true(is_noted(&imported, "CORS with credentials for every origin"));
    close_import(&imported);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_filters_take_turns),
        cmocka_unit_test(test_refused_filters_are_told),
        cmocka_unit_test(test_retries_and_times),
        cmocka_unit_test(test_limits_are_the_routes),
        cmocka_unit_test(test_cors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
