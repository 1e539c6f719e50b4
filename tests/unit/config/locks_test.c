#include "loading.h"

/* A policy in line 4 and a route that uses it in line 5. */
#define LOCKED(policy, route)                              \
    BASE "policies: { p: { locked: true, " policy " } }\n" \
         "routes: { r: { match: { host: h.example, path: /r }, use: p, upstream: svc, " route " } }\n"
#define REST "auth: { jwt: main }, authorize: { scopes: [a] }, limits: [{ limit: 1/1s, by: address }]"

static void tightening_is_allowed(void **state)
{
    (void)state;
    assert_good(LOCKED("body: 1MiB", REST ", body: 1KiB"));
    assert_good(LOCKED("body: 1MiB", REST ", body: 1MiB"));
    assert_good(LOCKED("max_grpc_message: 1MiB", REST ", max_grpc_message: 1KiB"));
    assert_good(LOCKED("timeout: 5s", REST ", timeout: 4s"));
    assert_good(LOCKED("audit: denials", REST ", audit: all"));
    assert_good(LOCKED("path_allows: [encoded_slash, parameters]", REST ", path_allows: [encoded_slash]"));
    assert_good(LOCKED("path_allows: [encoded_slash]", REST ", path_allows: []"));
    assert_good(LOCKED("limits: [{ limit: 5/1s, by: route }]", REST));
    assert_good(LOCKED("auth: { jwt: main, mode: optional }",
                       "auth: { mode: required }, authorize: any_caller, limits: "
                       "[{ limit: 1/1s, by: address }]"));
    assert_good(LOCKED(
        "authorize: { scopes: { any: [a, b] } }",
        "auth: { jwt: main }, authorize: { scopes: { any: [b] } }, limits: [{ limit: 1/1s, by: address }]"));
    assert_good(LOCKED("relay: { token: forward }", REST ", relay: { token: strip }"));
    assert_good(LOCKED("cors: { origins: [https://a.example, https://b.example] }",
                       REST ", cors: { origins: [https://b.example], max_age: 1m }"));
}

static void loosening_is_refused(void **state)
{
    (void)state;
    assert_text_tells(
        LOCKED("body: 1KiB", REST ", body: 1MiB"),
        "c.yaml:5:166: error: routes.r.body: policy \"p\" is locked and says body at c.yaml:4: only a "
        "smaller value may stand here\n");
    assert_text_tells(
        LOCKED("audit: all", REST ", audit: denials"),
        "c.yaml:5:166: error: routes.r.audit: policy \"p\" is locked and says audit at c.yaml:4: only a "
        "stricter value may stand here\n");
    assert_text_tells(
        LOCKED("path_allows: []", REST ", path_allows: [parameters]"),
        "c.yaml:5:166: error: routes.r.path_allows: policy \"p\" is locked and says path_allows at "
        "c.yaml:4: only part of its list may stand here\n");
    assert_text_tells(
        LOCKED("exposure: internal", REST ", exposure: external"),
        "c.yaml:5:166: error: routes.r.exposure: policy \"p\" is locked and says exposure at c.yaml:4: "
        "only a stricter value may stand here\n");
    assert_text_tells(
        LOCKED("relay: { token: strip }", REST ", relay: { headers: { X-A: subject } }"),
        "c.yaml:5:175: error: routes.r.relay.headers: policy \"p\" is locked and says headers at "
        "c.yaml:4: it may not be changed\n");
}

/* What a locked policy names is locked whole: a key that it leaves at its default too. */
static void the_whole_thing_is_locked(void **state)
{
    (void)state;
    assert_text_tells(
        LOCKED("auth: { jwt: main }", "auth: { mode: optional }, authorize: any_caller, limits: [{ limit: "
                                      "1/1s, by: address }]"),
        "c.yaml:5:85: error: routes.r.auth.mode: policy \"p\" is locked and says mode at c.yaml:4: only a "
        "stricter value may stand here\n");
    assert_text_tells(
        LOCKED("auth: { jwt: main }", "auth: none, limits: [{ limit: 1/1s, by: address }]"),
        "c.yaml:5:77: error: routes.r.auth: policy \"p\" is locked and says jwt at c.yaml:4: only part of "
        "its list may stand here\n"
        "c.yaml:5:77: error: routes.r.auth: policy \"p\" is locked and says mode at c.yaml:4: only a "
        "stricter value may stand here\n");
    assert_text_tells(
        LOCKED("authorize: { scopes: [a, b] }", "auth: { jwt: main }, authorize: any_caller, limits: "
                                                "[{ limit: 1/1s, by: address }]"),
        "c.yaml:5:98: error: routes.r.authorize: policy \"p\" is locked and says any_caller at c.yaml:4: "
        "only a stricter value may stand here\n"
        "c.yaml:5:98: error: routes.r.authorize: policy \"p\" is locked and says scopes at c.yaml:4: it "
        "may not be changed\n");
    assert_text_tells(
        LOCKED("authorize: { scopes: [a, b] }",
               "auth: { jwt: main }, authorize: { scopes: [a] }, limits: [{ limit: 1/1s, by: address }]"),
        "c.yaml:5:111: error: routes.r.authorize.scopes: policy \"p\" is locked and says all at c.yaml:4: "
        "it may not be changed\n");
}

static void any_layer_above_is_held(void **state)
{
    (void)state;
    assert_text_tells(
        BASE "defaults: { use: [p], body: 2KiB }\n"
             "policies:\n"
             "  p: { locked: true, body: 1KiB }\n"
             "  q: { body: 3KiB }\n"
             "groups:\n"
             "  g:\n"
             "    match: { host: h.example, path: /g }\n"
             "    use: q\n"
             "    routes:\n"
             "      a: { match: { path: /a }, " WHOLE " }\n"
             "      b: { match: { path: /b }, " WHOLE ", body: 1KiB }\n"
             "routes:\n"
             "  c: { match: { host: h.example, path: /c }, " WHOLE " }\n",
        "c.yaml:4:23: error: defaults.body: policy \"p\" is locked and says body at c.yaml:6: only a "
        "smaller value may stand here\n"
        "c.yaml:7:8: error: policies.q.body: policy \"p\" is locked and says body at c.yaml:6: only a "
        "smaller value may stand here\n");
}

static void what_it_does_not_say_is_free(void **state)
{
    (void)state;
    assert_good(LOCKED("body: 1KiB", REST ", timeout: 1h, relay: { token: forward }"));
    /* A policy that is not locked is only a beginning. */
    assert_good(BASE "policies: { p: { body: 1KiB } }\n"
                     "routes: { r: { match: { host: h.example, path: /r }, use: p, upstream: svc, " REST
                     ", body: 1MiB } }\n");
    /* What stands below a locked policy does not matter. */
    assert_good(BASE "defaults: { body: 10MiB }\npolicies: { p: { locked: true, body: 1KiB } }\n"
                     "routes: { r: { match: { host: h.example, path: /r }, use: p, upstream: svc, " REST
                     " } }\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tightening_is_allowed),        cmocka_unit_test(loosening_is_refused),
        cmocka_unit_test(the_whole_thing_is_locked),    cmocka_unit_test(any_layer_above_is_held),
        cmocka_unit_test(what_it_does_not_say_is_free),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
