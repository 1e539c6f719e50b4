#include "loading.h"

#define HEAD BASE "defaults: { upstream: svc, auth: none, limits: [{ limit: 1/1s, by: address }] }\nroutes:\n"

static void every_ambiguity_is_told_with_both_places(void **state)
{
    (void)state;
    assert_text_tells(
        HEAD "  a: { match: { host: h.example, path: /x } }\n"
             "  b: { match: { host: [h.example, i.example], path: [/x, /y], methods: [GET] } }\n"
             "  c: { match: { host: i.example, path: /y, methods: [GET, POST] } }\n",
        "c.yaml:7:54: error: routes.b.match.path[0]: h.example/x is ambiguous: route \"a\" (c.yaml:6) takes "
        "the "
        "same requests\n"
        "c.yaml:8:34: error: routes.c.match.path: i.example/y is ambiguous: route \"b\" (c.yaml:7) takes the "
        "same requests\n");
}

static void different_requests_are_not_ambiguous(void **state)
{
    (void)state;
    assert_good(HEAD "  a: { match: { host: h.example, path: /x, methods: [GET] } }\n"
                     "  b: { match: { host: h.example, path: /x, methods: [POST] } }\n"
                     "  c: { match: { host: \"*\", path: /x } }\n"
                     "  d: { match: { host: h.example, path: \"/{v}\" } }\n"
                     "  e: { match: { host: h.example, path: /** } }\n");
    assert_good("listeners: { a: { address: 127.0.0.1, port: 1, plaintext: allow }, b: { address: 127.0.0.1, "
                "port: 2, plaintext: "
                "allow } }\n"
                "upstreams: { svc: { endpoints: [https://127.0.0.1:9001] } }\n"
                "defaults: { upstream: svc, auth: none, limits: [{ limit: 1/1s, by: address }] }\n"
                "routes:\n"
                "  x: { match: { host: h.example, path: /x }, listeners: a }\n"
                "  y: { match: { host: h.example, path: /x }, listeners: b }\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_ambiguity_is_told_with_both_places),
        cmocka_unit_test(different_requests_are_not_ambiguous),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
