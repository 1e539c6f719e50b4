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

static void assert_choice(const char *text)
{
    struct loading loading;
    const struct config *config = load_text(&loading, text);
    struct buffer out;
    buffer_init(&out, 65536);
    config_print_diagnostics(config, &out);
    if (!slice_contains(buffer_slice(&out), SLICE("a client chooses between this route and \"strict\""))) {
        fail_msg("%s: %.*s", text, SLICE_ARG(buffer_slice(&out)));
    }
    buffer_done(&out);
    loading_done(&loading);
}

/* Who may choose between two routes by a header chooses the laxer one, however their paths and methods are written. */
static void a_choice_is_seen_through_other_spellings(void **state)
{
    (void)state;
    static const struct {
        const char *path, *methods;
    } others[] = {
        { "/x/{b}", "[GET]" }, /* another name of the variable */
        { "/%78/{a}", "[GET]" },
        { "/x/{a}", "[HEAD]" }, /* GET allows it, too */
    };
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        char text[1024];
        snprintf(text, sizeof text,
                 BASE "defaults: { upstream: svc, auth: none }\nroutes:\n"
                      "  strict: { match: { host: h.example, path: \"/x/{a}\", methods: [GET] }, limits: [{ "
                      "limit: 1/1s, by: address }] }\n"
                      "  lax: { match: { host: h.example, path: \"%s\", methods: %s, headers: { X-V: b } }, "
                      "limits: [{ limit: 9/1s, by: address }] }\n",
                 others[i].path, others[i].methods);
        assert_choice(text);
    }
}

/* A limit that is only observed holds nobody up. */
static void a_limit_that_is_only_observed_is_the_laxer_one(void **state)
{
    (void)state;
    assert_choice(
        BASE
        "defaults: { upstream: svc, auth: none }\nroutes:\n"
        "  strict: { match: { host: h.example, path: /x }, limits: [{ limit: 1/1s, by: address }] }\n"
        "  lax: { match: { host: h.example, path: /x, headers: { X-V: b } }, limits: [{ limit: 1/1s, by: "
        "address, mode: observe, until: 2090-01-01 }] }\n");
}

/* Nor does one choose to be let in for longer. */
static void a_stream_that_outlives_its_token_is_the_laxer_one(void **state)
{
    (void)state;
    assert_choice(
        BASE "defaults: { upstream: svc, auth: { jwt: main }, authorize: any_caller, limits: [{ limit: "
             "1/1s, by: address }] }\nroutes:\n"
             "  strict: { match: { host: h.example, path: /x } }\n"
             "  lax: { match: { host: h.example, path: /x, headers: { X-V: b } }, outlive_token: true }\n");
}

/* Nor whether what one does is recorded; the address, which nobody chooses, may decide that. */
static void a_route_that_is_not_audited_is_no_choice(void **state)
{
    (void)state;
    static const char *const lax =
        BASE "defaults: { upstream: svc, auth: none, limits: [{ limit: 1/1s, by: address }] }\nroutes:\n"
             "  strict: { match: { host: h.example, path: /x }, audit: all }\n"
             "  lax: { match: { host: h.example, path: /x, %s } }\n";
    char text[1024];
    snprintf(text, sizeof text, lax, "headers: { X-V: b }");
    assert_choice(text);
    snprintf(text, sizeof text, lax, "addresses: [10.0.0.0/8]");
    assert_good(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_ambiguity_is_told_with_both_places),
        cmocka_unit_test(different_requests_are_not_ambiguous),
        cmocka_unit_test(a_choice_is_seen_through_other_spellings),
        cmocka_unit_test(a_limit_that_is_only_observed_is_the_laxer_one),
        cmocka_unit_test(a_stream_that_outlives_its_token_is_the_laxer_one),
        cmocka_unit_test(a_route_that_is_not_audited_is_no_choice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
