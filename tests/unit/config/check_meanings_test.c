/* What people write who come from other gateways, and what they are told. */
#include "loading.h"

#define ROUTES                                                                               \
    BASE "defaults: { auth: none, limits: [{ limit: 1/1s, by: address }], upstream: svc }\n" \
         "routes:\n"

static void what_is_not_meant_is_warned_of(void **state)
{
    (void)state;
    assert_text_tells(
        ROUTES "  a: { match: { host: h.example, path: \"/a/:id/:\" } }\n"
               "  b: { match: { host: h.example, path: /b, methods: [GETT, PURGE] } }\n"
               "  c: { match: { host: h.example, path: /c, headers: { X-V: [\"v[0-9]\", \"v3.*\"] }, query: "
               "{ q: \"a|b\" } } }\n"
               "  d: { match: { host: h.example, path: /d }, filters: [add_request_header: { name: X-A, "
               "value: b }] }\n"
               "  e: { match: { host: h.example, path: \"/e/a:b\", cookies: { c: $ } }, filters: "
               "[add_request_header: { value: b }] }\n",
        "c.yaml:6:34: warning: routes.a.match.path: \":id\" stands for itself: a segment of any text is "
        "written {id}\n"
        "c.yaml:7:54: warning: routes.b.match.methods[0]: this is no usual method; did you mean \"GET\"?\n"
        "c.yaml:8:61: warning: routes.c.match.headers.X-V[0]: this is compared as it stands, and is no "
        "expression: write "
        "what may be there, as in [v1, v2], or \"v*\" for what begins so\n"
        "c.yaml:8:91: warning: routes.c.match.query.q: this is compared as it stands, and is no expression: "
        "write what may "
        "be there, as in [v1, v2], or \"v*\" for what begins so\n"
        "c.yaml:9:56: warning: routes.d.filters[0].add_request_header: two are named here, \"name\" and "
        "\"value\": one is "
        "written as in { X-Gateway: edge }\n");
}

static void words_of_others_are_understood(void **state)
{
    (void)state;
    assert_text_tells(
        "listeners: { p: { address: 127.0.0.1, port: 1, plaintext: allow } }\n"
        "upstreams:\n"
        "  a: { endpoints: [https://127.0.0.1:1], balance: least_conn, protocol: http2 }\n"
        "  b: { servers: [https://127.0.0.1:1], timeout: 1s, balance: fastest, url: x }\n"
        "routes:\n"
        "  a: { proxy_pass: a, balance: p2c, retries: 3, retry: { Num-Retries: 2 }, upstream: a, auth: none, "
        "match: { host: h.example, path: /a }, limits: [{ limit: 1/1s, by: address }] }\n",
        "c.yaml:3:42: error: upstreams.a.balance: one of round_robin, weighted, least_requests, p2c, hash is "
        "wanted here, "
        "not \"least_conn\"; did you mean \"least_requests\"?\n"
        "c.yaml:3:63: error: upstreams.a.protocol: one of http1, h2, auto is wanted here, not \"http2\"; did "
        "you mean "
        "\"h2\"?\n"
        "c.yaml:4:3: error: upstreams.b: endpoints is missing: its servers, as in `endpoints: "
        "[https://10.0.0.5:9001]`, or `discover: dns://orders.internal:9001`\n"
        "c.yaml:4:8: error: upstreams.b.servers: unknown key; did you mean \"endpoints\"?\n"
        "c.yaml:4:40: error: upstreams.b.timeout: unknown key here: it stands in a route (or defaults, a "
        "policy, a "
        "group)\n"
        "c.yaml:4:53: error: upstreams.b.balance: one of round_robin, weighted, least_requests, p2c, hash is "
        "wanted here, "
        "not \"fastest\"\n"
        "c.yaml:4:71: error: upstreams.b.url: unknown key; did you mean \"endpoints\"?\n"
        "c.yaml:6:8: error: routes.a.proxy_pass: unknown key; did you mean \"upstream\"?\n"
        "c.yaml:6:23: error: routes.a.balance: unknown key here: it stands in an upstream\n"
        "c.yaml:6:37: error: routes.a.retries: unknown key here: it stands in an upstream\n"
        "c.yaml:6:58: error: routes.a.retry.Num-Retries: unknown key; did you mean \"attempts\"?\n");
}

/* What is a filter there and none here, and the other way round. */
static void words_stand_elsewhere(void **state)
{
    (void)state;
    assert_text_tells(
        ROUTES
        "  a: { match: { host: h.example, path: /a }, filters: [{ CircuitBreaker: x }, { Retry: 3 }, { "
        "SecureHeaders: true }, { AddRequestHeader: x }, { prefix_rewrite: /x }] }\n"
        "  b: { match: { host: h.example, path: /b }, rewrite: /x, circuit_breaker: {}, order: 1, "
        "strip_prefix: 1 }\n"
        "  c: { match: { host: h.example, path: /c }, num_retries: 3, redirect: /x }\n",
        "c.yaml:6:58: error: routes.a.filters[0].CircuitBreaker: unknown key; \"breaker\" stands in an "
        "upstream\n"
        "c.yaml:6:81: error: routes.a.filters[1].Retry: unknown key; \"retry\" stands in a route (or "
        "defaults, a policy, a group)\n"
        "c.yaml:6:95: error: routes.a.filters[2].SecureHeaders: unknown key; \"secure_headers\" stands in a "
        "route (or defaults, a policy, a group)\n"
        "c.yaml:6:120: error: routes.a.filters[3].AddRequestHeader: unknown key; did you mean "
        "\"add_request_header\"?\n"
        "c.yaml:6:145: error: routes.a.filters[4].prefix_rewrite: unknown key; did you mean "
        "\"rewrite_path\"?\n"
        "c.yaml:7:46: error: routes.b.rewrite: unknown key; \"rewrite_path\" stands in filters of a route\n"
        "c.yaml:7:59: error: routes.b.circuit_breaker: unknown key; \"breaker\" stands in an upstream\n"
        "c.yaml:7:80: error: routes.b.order: unknown key; \"priority\" stands in match of a route\n"
        "c.yaml:7:90: error: routes.b.strip_prefix: unknown key here: it stands in filters of a route\n"
        "c.yaml:8:46: error: routes.c.num_retries: unknown key; did you mean \"retry\"?\n"
        "c.yaml:8:62: error: routes.c.redirect: unknown key; \"redirect_to\" stands in filters of a route\n");
}

/* By the key that it is said by, and with all that it needs. */
static void examples_are_what_is_to_be_written(void **state)
{
    (void)state;
    assert_text_tells(
        ROUTES
        "  a: { match: { host: h.example, path: /a }, retry: 3, hedge: 100, compress: gzip, cors: true }\n"
        "  b: { match: { host: h.example, path: /b }, limits: [10/s], filters: [StripPrefix=1] }\n"
        "  c: { match: { host: h.example, path: /c, headers: [X-V] }, filters: [add_request_header: { X-A: "
        "}] }\n"
        "  d: { match: { host: h.example, path: /d }, auth: jwt }\n",
        "c.yaml:6:46: error: routes.a.retry: a map is wanted here, not \"3\", as in \"retry: { on: [connect, "
        "503], "
        "attempts: 2 }\"\n"
        "c.yaml:6:56: error: routes.a.hedge: a duration with its unit (ms, s, m, h, d) from 1ms to 1m is "
        "wanted here, not "
        "\"100\", as in \"hedge: 100ms\"\n"
        "c.yaml:6:68: error: routes.a.compress: true or false is wanted here, not \"gzip\", as in "
        "\"compress: true\"\n"
        "c.yaml:6:84: error: routes.a.cors: a map is wanted here, not \"true\", as in \"cors: { origins: "
        "[https://shop.example.com] }\"\n"
        "c.yaml:7:55: error: routes.b.limits[0]: a map is wanted here, not \"10/s\", as in \"limits: [{ "
        "limit: 100/1m, by: "
        "address }]\"\n"
        "c.yaml:7:72: error: routes.b.filters[0]: a map is wanted here, not \"StripPrefix=1\", as in "
        "\"filters: [{ "
        "strip_prefix: 1 }]\"\n"
        "c.yaml:8:44: error: routes.c.match.headers: a map of names to maps or single values is wanted here, "
        "not a list, "
        "as in \"headers: { X-Version: v2 }\"\n"
        "c.yaml:8:94: error: routes.c.filters[0].add_request_header.X-A: a text is wanted here, not nothing, "
        "as in \"X-A: "
        "text\"\n"
        "c.yaml:9:46: error: routes.d.auth: \"jwt\" is a key, and wants a value, as in \"auth: { jwt: main "
        "}\"\n");
}

static void what_does_nothing_is_told(void **state)
{
    (void)state;
    assert_text_tells(
        ROUTES "  a: { match: { host: h.example, path: /a, before: 2020-01-01 } }\n"
               "  b: { match: { host: h.example, path: /b, before: 9999-12-31 } }\n"
               "  c: { match: { host: h.example, path: /c }, filters: [{}, { strip_prefix: 1 }] }\n"
               "  d: { match: { host: h.example, path: /d }, upstream: svc, filters: [{ redirect_to: /e "
               "}, { redirect_to: /f }] }\n"
               "  e: { match: { host: h.example, path: /e }, filters: [{ redirect_to: /f }] }\n",
        "c.yaml:6:44: warning: routes.a.match.before: this time is over: no request reaches the "
        "route any more\n"
        "c.yaml:8:56: error: routes.c.filters[0]: a filter is wanted, as in { strip_prefix: 1 }\n"
        "c.yaml:9:46: warning: routes.d.upstream: nothing goes there: `redirect_to` answers each "
        "request of the route\n"
        "c.yaml:9:92: warning: routes.d.filters[1]: it has no effect behind `redirect_to`, which "
        "has answered\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_not_meant_is_warned_of),
        cmocka_unit_test(words_of_others_are_understood),
        cmocka_unit_test(words_stand_elsewhere),
        cmocka_unit_test(what_does_nothing_is_told),
        cmocka_unit_test(examples_are_what_is_to_be_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
