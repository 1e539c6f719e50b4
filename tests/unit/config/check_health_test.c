#include "loading.h"

#define LISTENER  "listeners: { public: { address: 127.0.0.1, port: 8080, plaintext: allow } }\n"
#define NO_ROUTES "c.yaml:1:1: warning: there are no routes: every request is answered 404\n"
#define LOCAL     "endpoints: [\"http://127.0.0.1:1\"]"
#define H2C       "endpoints: [\"h2c://127.0.0.1:1\"]"

static void mistakes_are_told(void **state)
{
    (void)state;
    assert_text_tells(
        LISTENER "upstreams:\n"
                 "  a: { " LOCAL ", health: {} }\n"
                 "  b: { " LOCAL ", health: { path: /x, connect: true } }\n"
                 "  c: { " LOCAL ", health: { path: x } }\n"
                 "  d: { " LOCAL ", health: { path: /x, statuses: [2xx, 204] } }\n"
                 "  e: { " LOCAL ", health: { connect: true, statuses: 204 } }\n"
                 "  f: { " LOCAL ", health: { path: /x, interval: 1s } }\n"
                 "  g: { endpoints: [\"h2c://127.0.0.1:1\", \"http://127.0.0.1:2\", https://g.example], "
                 "health: { grpc: \"\" } }\n"
                 "  h: { " H2C ", health: { grpc: a/b } }\n"
                 "  i: { " LOCAL ", health: { path: \"\" } }\n"
                 "  j: { " LOCAL ", health: { connect: false } }\n",
        NO_ROUTES
        "c.yaml:3:43: error: upstreams.a.health: one of `path: /healthz`, `grpc: \"\"` (or a service's name) "
        "and `connect: true` is wanted here\n"
        "c.yaml:4:43: error: upstreams.b.health: only one of `path: /healthz`, `grpc: \"\"` (or a service's "
        "name) and `connect: true` is wanted here\n"
        "c.yaml:5:53: error: upstreams.c.health.path: a path begins with /, as in /healthz\n"
        "c.yaml:6:74: error: upstreams.d.health.statuses[0]: a status or range from 200 to 599 is wanted "
        "here, "
        "not \"2xx\", as in 204 or 200-299\n"
        "c.yaml:7:68: error: upstreams.e.health.statuses: `statuses` are those of `path`: here they would "
        "have "
        "no effect\n"
        "c.yaml:8:43: error: upstreams.f.health: a check would not be over when the next one is due: "
        "`timeout` "
        "is at most `interval`\n"
        "c.yaml:9:93: error: upstreams.g.health.grpc: gRPC is spoken over HTTP/2, and http://127.0.0.1:2 is "
        "not: write h2c://host:port as its endpoint, or check it by `path` or `connect`\n"
        "c.yaml:9:93: error: upstreams.g.health.grpc: gRPC is spoken over HTTP/2, and https://g.example is "
        "not: "
        "write `protocol: h2`, or check it by `path` or `connect`\n"
        "c.yaml:10:52: error: upstreams.h.health.grpc: the name of a gRPC service is wanted here, as in "
        "orders.v1.Orders, or \"\"\n"
        "c.yaml:11:53: error: upstreams.i.health.path: must not be empty; a text is wanted here\n"
        "c.yaml:12:43: error: upstreams.j.health: one of `path: /healthz`, `grpc: \"\"` (or a service's "
        "name) "
        "and `connect: true` is wanted here\n");
}

static void what_is_asked_is_taken(void **state)
{
    (void)state;
    struct loading loading;
    loading_init(&loading);
    loading_file(&loading, "c.yaml",
                 SLICE(LISTENER
                       "upstreams:\n"
                       "  a: { " LOCAL ", health: { path: /healthz } }\n"
                       "  b: { " H2C ", health: { grpc: \"\", interval: 3s } }\n"
                       "  c: { endpoints: https://c.example, protocol: auto, health: { grpc: a.B } }\n"
                       "  d: { endpoints: unix:/run/d, health: { connect: true } }\n"
                       "  e: { " LOCAL ", health: { path: /, statuses: [204, 300-302] } }\n"
                       "  f: { " LOCAL " }\n"));
    struct config *config = loading_load(&loading, NULL, 0);
    assert_int_equal(config->error_count, 0);
    const struct upstream_settings *upstreams = config->settings.upstreams;
    assert_slice(upstreams[0].health->path, "/healthz");
    assert_null(upstreams[0].health->grpc.ptr);
    assert_int_equal(upstreams[0].health->interval, INT64_C(10000000000));
    assert_int_equal(upstreams[0].health->timeout, INT64_C(2000000000));
    assert_int_equal(upstreams[0].health->unhealthy_after, 3);
    assert_int_equal(upstreams[0].health->healthy_after, 2);
    assert_true(health_status_is_well(upstreams[0].health, 299));
    assert_false(health_status_is_well(upstreams[0].health, 300));
    assert_non_null(upstreams[1].health->grpc.ptr);
    assert_slice(upstreams[1].health->grpc, "");
    assert_slice(upstreams[2].health->grpc, "a.B");
    assert_true(upstreams[3].health->connect);
    assert_true(health_status_is_well(upstreams[4].health, 301));
    assert_false(health_status_is_well(upstreams[4].health, 200));
    assert_null(upstreams[5].health);
    loading_done(&loading);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mistakes_are_told),
        cmocka_unit_test(what_is_asked_is_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
