#include "loading.h"

#define TWO                                                                                                 \
    "listeners: { public: { address: 127.0.0.1, port: 1, plaintext: allow }, mesh: { address: 127.0.0.1, "  \
    "port: 2, "                                                                                             \
    "plaintext: allow, exposure: internal }, ops: { port: 3, status: true, exposure: internal }, plain: { " \
    "port: 4, "                                                                                             \
    "redirect_to_https: true } }\n"                                                                         \
    "issuers: { main: { issuer: m, audiences: [a], jwks_file: keys.json }, twin: { issuer: m, audiences: "  \
    "[b], "                                                                                                 \
    "jwks_file: keys.json } }\n"                                                                            \
    "upstreams: { svc: { endpoints: [https://127.0.0.1:9001] } }\n"
#define LIMITS "limits: [{ limit: 1/1s, by: address }]"

static void nothing_is_public_by_accident(void **state)
{
    (void)state;
    assert_text_tells(
        BASE
        "defaults: { " LIMITS " }\n"
        "routes:\n"
        "  a: { match: { host: h.example, path: /a }, upstream: svc }\n"
        "  b: { match: { host: h.example, path: /b }, upstream: svc, auth: { jwt: main } }\n"
        "  c: { match: { host: h.example, path: /c }, upstream: svc, auth: none }\n"
        "  d: { match: { host: h.example, path: /d }, upstream: svc, auth: none, authorize: any_caller }\n"
        "  e: { match: { host: h.example, path: /e }, upstream: svc, auth: none, authorize: { scopes: [x] } "
        "}\n"
        "  f: { match: { host: h.example, path: /f }, upstream: svc, auth: { mode: required }, authorize: "
        "any_caller }\n"
        "  g: { match: { host: h.example, path: /g }, upstream: svc, auth: { mode: none, jwt: main } }\n"
        "  h: { match: { host: h.example, path: /h }, upstream: svc, auth: { jwt: main }, authorize: {} }\n"
        "  i: { match: { host: h.example, path: /i }, upstream: svc, auth: nome }\n"
        "  j: { match: { host: h.example, path: /j }, auth: { jwt: [] }, authorize: any_caller }\n",
        "c.yaml:6:3: error: routes.a: auth is missing: name an issuer (auth: { jwt: NAME }), or make the "
        "route public on purpose (auth: none)\n"
        "c.yaml:7:3: error: routes.b: authorize is missing: name scopes, roles or claims, or let every "
        "authenticated caller in on purpose (authorize: any_caller)\n"
        "c.yaml:10:73: error: routes.e.authorize: a public route (auth: none) has no callers whose scopes, "
        "roles or "
        "claims could be checked\n"
        "c.yaml:11:61: error: routes.f.auth: names no way to prove who is calling, as in { jwt: ISSUER } (a "
        "public route says `auth: none`)\n"
        "c.yaml:12:61: error: routes.g.auth: contradicts itself: mode none lets everybody in, and the rest "
        "says who may\n"
        "c.yaml:13:82: error: routes.h.authorize: `authorize` demands nothing; where that is meant, write "
        "`authorize: any_caller`\n"
        "c.yaml:14:61: error: routes.i.auth: one of required, optional, none is wanted here, not \"nome\"; "
        "did you mean \"none\"?\n"
        "c.yaml:15:3: error: routes.j: upstream is missing: where do its requests go?\n"
        "c.yaml:15:54: error: routes.j.auth.jwt: must not be empty; a text or a list of texts is wanted "
        "here\n");
}

static void names_lead_somewhere(void **state)
{
    (void)state;
    assert_text_tells(
        TWO
        "defaults: { listeners: [public], " LIMITS " }\n"
        "routes:\n"
        "  a: { match: { host: h.example, path: /a }, listeners: [pubic], upstream: sv, auth: { jwt: [mian] "
        "}, authorize: any_caller }\n"
        "  b: { match: { host: h.example, path: /b }, listeners: [ops, plain], upstream: svc, auth: none }\n"
        "  c: { match: { host: h.example, path: /c }, upstream: svc, auth: { jwt: [main, twin] }, authorize: "
        "any_caller }\n",
        "c.yaml:6:58: error: routes.a.listeners[0]: there is no listener \"pubic\"; did you mean "
        "\"public\"?\n"
        "c.yaml:6:66: error: routes.a.upstream: there is no upstream \"sv\"; did you mean \"svc\"?\n"
        "c.yaml:6:94: error: routes.a.auth.jwt[0]: there is no issuer \"mian\"; did you mean \"main\"?\n"
        "c.yaml:7:58: error: routes.b.listeners[0]: listener \"ops\" serves no routes: it is for status "
        "pages\n"
        "c.yaml:7:63: error: routes.b.listeners[1]: listener \"plain\" serves no routes: it is for "
        "redirects\n"
        "c.yaml:8:81: error: routes.c.auth.jwt[1]: \"main\" and \"twin\" have the same iss: a token could be "
        "either's\n");
}

static void listeners_are_chosen(void **state)
{
    (void)state;
    struct loading loading;
    struct config *config =
        load_text(&loading, BASE "routes: { r: { match: { host: h.example, path: / }, " WHOLE " } }\n");
    assert_told(config, "");
    assert_slice(route_of(config, "r")->policy.listeners.items[0], "public");
    loading_done(&loading);
    assert_text_tells(
        TWO "routes: { r: { match: { host: h.example, path: / }, " WHOLE " } }\n",
        "c.yaml:4:11: error: routes.r: listeners is missing: there are several to choose from\n");
    assert_text_tells(
        "listeners: { plain: { port: 4, redirect_to_https: true } }\n"
        "upstreams: { svc: { endpoints: [https://127.0.0.1:9001] } }\n"
        "routes: { r: { match: { host: h.example, path: / }, upstream: svc, auth: none, " LIMITS " } }\n",
        "c.yaml:3:11: error: routes.r: no listener serves it: there is none but for redirects and status\n");
}

static void the_inside_stays_inside(void **state)
{
    (void)state;
    assert_text_tells(TWO "groups:\n"
                          "  g:\n"
                          "    exposure: internal\n"
                          "    match: { host: h.example, path: /g }\n"
                          "    routes:\n"
                          "      a: { match: { path: /a }, listeners: [mesh], " WHOLE " }\n"
                          "      b: { match: { path: /b }, listeners: [mesh, public], " WHOLE " }\n",
                      "c.yaml:10:7: error: groups.g.routes.b: must stay inside (exposure: internal, "
                      "c.yaml:6), and listener \"public\" is external\n");
    /* A listener that was not named, but is the only one, is looked at too. */
    assert_text_tells(BASE "routes: { r: { match: { host: h.example, path: / }, exposure: internal, " WHOLE
                           " } }\n",
                      "c.yaml:4:11: error: routes.r: must stay inside (exposure: internal, c.yaml:4), and "
                      "listener \"public\" is external\n");
}

static void limits_count_by_what_there_is(void **state)
{
    (void)state;
    assert_text_tells(
        BASE "policies: { p: { limits: [{ limit: 1/1s, by: caller }] } }\n"
             "routes:\n"
             "  a: { match: { host: h.example, path: /a }, use: p, upstream: svc, auth: none }\n"
             "  b: { match: { host: h.example, path: /b }, upstream: svc, auth: none, limits: [{ limit: "
             "1/1s, by: claims.sub }] }\n"
             "  c: { match: { host: h.example, path: /c }, use: p, upstream: svc, auth: { jwt: main }, "
             "authorize: any_caller }\n"
             "  d: { match: { host: h.example, path: /d }, upstream: svc, auth: none, limits: [{ limit: "
             "1/1s, rate: 1/1s, by: address }, { by: address }, { rate: 5/1s, burst: 0, by: address }] }\n"
             "  e: { match: { host: h.example, path: /e }, upstream: svc, auth: none }\n"
             "  f: { match: { host: h.example, path: /f }, upstream: svc, auth: none, limits: [] }\n",
        "c.yaml:4:27: error: policies.p.limits[0]: route \"a\" is public: there are no callers to count by; "
        "use address\n"
        "c.yaml:7:82: error: routes.b.limits[0]: route \"b\" is public: there are no callers to count by; "
        "use address\n"
        "c.yaml:9:82: error: routes.d.limits[0]: a limit says one of limit and rate\n"
        "c.yaml:9:124: error: routes.d.limits[1]: a limit says one of limit and rate\n"
        "c.yaml:9:155: error: routes.d.limits[2].burst: a whole number from 1 to 1000000000 is wanted here, "
        "not \"0\", as in \"burst: 10\"\n"
        "c.yaml:10:3: warning: routes.e: has no limits: one client can use up its upstream; as in \"limits: "
        "[{ limit: 1000/1m, by: address }]\"\n");
    /* Limits of the listener count too. */
    assert_good("listeners: { public: { address: 127.0.0.1, port: 1, plaintext: allow, " LIMITS " } }\n"
                "upstreams: { svc: { endpoints: [https://127.0.0.1:9001] } }\n"
                "routes: { r: { match: { host: h.example, path: / }, upstream: svc, auth: none } }\n");
}

/* A limit of a policy is one count for all routes that use it; each route's own is its own. */
static void limits_belong_to_their_owner(void **state)
{
    (void)state;
    struct loading loading;
    struct config *config =
        load_text(&loading, BASE "policies: { p: { limits: [{ limit: 5/1s, by: address }] } }\n"
                                 "routes:\n"
                                 "  a: { match: { host: h.example, path: /a }, use: p, upstream: svc, auth: "
                                 "none, limits: [{ limit: 6/1s, by: address }] }\n"
                                 "  b: { match: { host: h.example, path: /b }, use: p, upstream: svc, auth: "
                                 "none, limits: [{ limit: 6/1s, by: address }] }\n");
    assert_told(config, "");
    const struct limit_settings *a = route_of(config, "a")->policy.limits.items;
    const struct limit_settings *b = route_of(config, "b")->policy.limits.items;
    assert_true(a[0].identity == b[0].identity);
    assert_true(a[1].identity != b[1].identity);
    assert_true(a[0].identity != a[1].identity);
    loading_done(&loading);
}

static void too_many_limits(void **state)
{
    (void)state;
    struct buffer text;
    buffer_init(&text, 65536);
    buffer_append(&text, SLICE(BASE "policies:\n  p: { limits: ["));
    for (int i = 0; i < 10; i++) {
        buffer_printf(&text, "{ limit: %d/1s, by: address }, ", i + 1);
    }
    buffer_append(&text, SLICE("] }\n  q: { limits: ["));
    for (int i = 0; i < 10; i++) {
        buffer_printf(&text, "{ limit: %d/1s, by: route }, ", i + 1);
    }
    buffer_append(&text, SLICE("] }\nroutes:\n  r: { use: [p, q], match: { host: h.example, path: / }, "
                               "upstream: svc, auth: none }\n"));
    buffer_append_char(&text, '\0');
    assert_text_tells(
        text.data,
        "c.yaml:8:3: error: routes.r: more than 16 limits by address, header and route hold for it\n");
    buffer_done(&text);
}

static void deny_rules_are_sound(void **state)
{
    (void)state;
    assert_text_tells(
        BASE "routes:\n"
             "  a: { match: { host: h.example, path: /a }, upstream: svc, auth: { jwt: main }, " LIMITS
             ", authorize: { any_caller: true, deny: [{ claim: a, equals: b }, { claim: a }] } }\n"
             "  b: { match: { host: h.example, path: /b }, upstream: svc, auth: { jwt: main }, " LIMITS
             ", authorize: { deny: [{ header: X-A, equals: b }] } }\n"
             "  c: { match: { host: h.example, path: /c }, upstream: svc, auth: none, " LIMITS
             ", authorize: { any_caller: true, deny: [{ header: X-A, equals: b }] } }\n",
        "c.yaml:5:185: error: routes.a.authorize.deny[1]: a deny rule says exactly one of equals, one_of, "
        "contains\n"
        "c.yaml:6:122: error: routes.b.authorize: `deny` lets nobody in: beside it, say scopes, roles or "
        "claims, or any_caller: true\n"
        "c.yaml:7:113: error: routes.c.authorize: a public route (auth: none) is not authorized, so that "
        "deny "
        "would never be asked: take it out, or say auth\n");
}

static void rules_and_headers_are_sound(void **state)
{
    (void)state;
    assert_text_tells(
        BASE "routes:\n"
             "  a: { match: { host: h.example, path: \"/t/{tenant}\" }, upstream: svc, auth: { jwt: main "
             "}, " LIMITS ", authorize: { claims: [{ claim: tenant, path_variable: tenant }, { claim: x, "
             "path_variable: nope }, { claim: x }] } }\n"
             "  b: { match: { host: h.example, path: /b }, upstream: svc, auth: none, " LIMITS
             ", relay: { headers: { Host: subject, X-Good: subject, X-Bad: nonsense } } }\n"
             "  c: { match: { host: h.example, path: /c }, upstream: svc, auth: none, " LIMITS
             ", cors: { origins: [\"*\"], credentials: true } }\n"
             "  d: { match: { host: h.example, path: /d }, upstream: svc, auth: none, " LIMITS
             ", cors: { max_age: 1h } }\n",
        "c.yaml:5:197: error: routes.a.authorize.claims[1]: the route's path has no {variable} of this name\n"
        "c.yaml:5:232: error: routes.a.authorize.claims[2]: a claim rule says one of equals, one_of, "
        "path_variable, contains, query, header, at_least and at_most\n"
        "c.yaml:6:133: error: routes.b.relay.headers.Host: this header is the protocol's or the gateway's "
        "own and cannot be set\n"
        "c.yaml:6:165: error: routes.b.relay.headers.X-Bad: a header's value is claims.NAME, subject, "
        "issuer, client_id, scopes, roles or 'text'\n"
        "c.yaml:7:113: error: routes.c.cors: the origin \"*\" cannot be combined with credentials\n"
        "c.yaml:8:113: error: routes.d.cors: origins is missing: every cors needs it, as in \"origins: "
        "[https://shop.example.com]\"\n");
}

static void websockets_are_sound(void **state)
{
    (void)state;
    assert_text_tells(
        BASE
        "routes:\n"
        "  a: { match: { host: h.example, path: /a }, upstream: svc, auth: none, " LIMITS
        ", websocket: [\"null\"] }\n"
        "  b: { match: { host: h.example, path: /b, methods: [POST] }, upstream: svc, auth: none, " LIMITS
        ", websocket: {} }\n"
        "  c: { match: { host: h.example, path: /c, methods: [GET] }, upstream: svc, auth: none, " LIMITS
        ", websocket: { origins: [\"*\", \"http://localhost:3000\"] } }\n",
        "c.yaml:5:113: error: routes.a.websocket: the origin null is shared by every sandboxed page and "
        "local "
        "file\n"
        "c.yaml:6:130: error: routes.b.websocket: a WebSocket's handshake is a GET, which is none of the "
        "route's "
        "methods\n");
}

static void messages_of_grpc_calls_have_a_size(void **state)
{
    (void)state;
#define ROUTE(name, more)                                                                           \
    "  " name ": { match: { host: h.example, path: /" name " }, upstream: svc, auth: none, " LIMITS \
    ", " more " }\n"
    assert_text_tells(
        BASE "routes:\n" ROUTE("a", "max_grpc_message: -1") ROUTE("b", "max_grpc_message: 0B")
            ROUTE("c", "max_grpc_message: 5GiB") ROUTE("d", "max_grpc_message: 4194304")
                ROUTE("e", "max_grpc_message: 2MiB") ROUTE("f", "max_grpc_message: 2MiB, body: 2MiB"),
        "c.yaml:5:113: error: routes.a.max_grpc_message: a size with its unit (B, KiB, MiB, GiB) from "
        "1B to 4GiB is wanted here, not \"-1\", as in \"max_grpc_message: 4MiB\"\n"
        "c.yaml:6:113: error: routes.b.max_grpc_message: a size with its unit (B, KiB, MiB, GiB) from "
        "1B to 4GiB is wanted here, not \"0B\", as in \"max_grpc_message: 4MiB\"\n"
        "c.yaml:7:113: error: routes.c.max_grpc_message: a size with its unit (B, KiB, MiB, GiB) from "
        "1B to 4GiB is wanted here, not \"5GiB\", as in \"max_grpc_message: 4MiB\"\n"
        "c.yaml:8:113: error: routes.d.max_grpc_message: a size with its unit (B, KiB, MiB, GiB) from "
        "1B to 4GiB is wanted here, not \"4194304\", as in \"max_grpc_message: 4MiB\"\n"
        "c.yaml:9:113: warning: routes.e.max_grpc_message: a message so large never passes: body bounds all "
        "that a call sends, and is smaller; raise body, or lower this\n");
    /* Where many routes share it, the body of some may be smaller. */
    assert_good(BASE "defaults: { max_grpc_message: 16MiB }\nroutes:\n" ROUTE("a", "body: 1KiB"));
#undef ROUTE
}

static void hosts_paths_and_methods_are_sound(void **state)
{
    (void)state;
    struct loading loading;
    struct config *config = load_text(
        &loading, BASE "defaults: { upstream: svc, auth: none, " LIMITS " }\n"
                       "routes:\n"
                       "  a: { match: { host: \"a b\", path: /a } }\n"
                       "  b: { match: { host: h.example, path: [/good, \"/b/{x}/{x}\", \"/b/**/c\"] } }\n"
                       "  c: { match: { host: h.example, path: /c, methods: [GET, \"P ST\"] } }\n");
    struct buffer out;
    buffer_init(&out, 65536);
    config_print_diagnostics(config, &out);
    static const char *const lines[] = {
        "c.yaml:6:17: error: routes.a.match.host: ", "c.yaml:7:48: error: routes.b.match.path[1]: ",
        "c.yaml:7:62: error: routes.b.match.path[2]: ", "c.yaml:8:59: error: routes.c.match.methods[1]: "
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        if (!slice_contains(buffer_slice(&out), slice_from_string(lines[i]))) {
            fail_msg("no \"%s\" in:\n%.*s", lines[i], SLICE_ARG(buffer_slice(&out)));
        }
    }
    assert_int_equal(config->error_count, 4);
    buffer_done(&out);
    loading_done(&loading);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_public_by_accident),
        cmocka_unit_test(names_lead_somewhere),
        cmocka_unit_test(listeners_are_chosen),
        cmocka_unit_test(the_inside_stays_inside),
        cmocka_unit_test(limits_count_by_what_there_is),
        cmocka_unit_test(limits_belong_to_their_owner),
        cmocka_unit_test(too_many_limits),
        cmocka_unit_test(deny_rules_are_sound),
        cmocka_unit_test(rules_and_headers_are_sound),
        cmocka_unit_test(websockets_are_sound),
        cmocka_unit_test(messages_of_grpc_calls_have_a_size),
        cmocka_unit_test(hosts_paths_and_methods_are_sound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
