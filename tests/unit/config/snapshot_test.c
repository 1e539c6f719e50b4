#include "loading.h"

#include "config/snapshot.h"

static struct snapshot *compile(struct loading *loading, const char *text)
{
    struct snapshot *snapshot = NULL;
    assert_told(load_text(loading, text), "");
    assert_ok(snapshot_new(loading->config, &snapshot));
    loading->config = NULL; /* taken */
    return snapshot;
}

static void routes_are_compiled(void **state)
{
    (void)state;
    struct loading loading;
    struct snapshot *snapshot = compile(
        &loading,
        "listeners: { a: { address: 127.0.0.1, port: 1, plaintext: allow }, b: { address: 127.0.0.1, port: "
        "2, plaintext: "
        "allow } }\n"
        "issuers: { main: { issuer: i, audiences: [a], jwks_file: keys.json } }\n"
        "upstreams: { one: { endpoints: https://127.0.0.1:1 }, two: { endpoints: https://127.0.0.1:2 } }\n"
        "routes:\n"
        "  x:\n"
        "    match: { host: API.example, path: [\"/x/{id}\", /y], methods: [GET] }\n"
        "    listeners: b\n"
        "    upstream: two\n"
        "    auth: { jwt: main }\n"
        "    authorize: { scopes: [read, write] }\n"
        "    relay: { headers: { X-User: subject, X-Role: claims.role } }\n"
        "    limits: [{ limit: 1/1s, by: caller }, { limit: 2/1s, by: address }, { limit: 3/1s, by: claims.t "
        "}, { limit: "
        "4/1s, by: \"header:X-A\" }]\n"
        "  z:\n"
        "    match: { host: \"*\", path: / }\n"
        "    listeners: [a, b]\n"
        "    upstream: one\n"
        "    auth: none\n"
        "    relay: { headers: { x-user: \"'nobody'\", X-Other: \"'text'\" } }\n"
        "    limits: [{ limit: 1/1s, by: route }]\n");
    assert_int_equal(snapshot->route_count, 2);
    const struct route *x = &snapshot->routes[0], *z = &snapshot->routes[1];
    assert_int_equal(x->upstream, 1);
    assert_int_equal(z->upstream, 0);
    assert_int_equal(x->client_limit_count, 2);
    assert_int_equal(x->caller_limit_count, 2);
    assert_int_equal(x->caller_limits[1]->kind, LIMIT_BY_CLAIM);
    assert_int_equal(x->client_limits[1]->kind, LIMIT_BY_HEADER);
    assert_int_equal(z->client_limit_count, 1);
    assert_slice(x->scope_text, "read write");
    assert_int_equal(snapshot->identity_headers.count, 3); /* X-User in two spellings is one */
    struct route_match match;
    route_find(snapshot->table, 1, SLICE("api.example"), SLICE("/x/7"), METHOD_GET, SLICE("GET"), NULL,
               &match);
    assert_int_equal(match.outcome, ROUTE_FOUND);
    assert_int_equal(match.id, 0);
    assert_slice(match.variables.items[0].value, "7");
    route_find(snapshot->table, 0, SLICE("api.example"), SLICE("/x/7"), METHOD_GET, SLICE("GET"), NULL,
               &match);
    assert_int_not_equal(match.outcome, ROUTE_FOUND); /* not on listener a */
    route_find(snapshot->table, 0, SLICE("any.example"), SLICE("/"), METHOD_POST, SLICE("POST"), NULL,
               &match);
    assert_int_equal(match.outcome, ROUTE_FOUND);
    assert_int_equal(match.id, 1);
    snapshot_unref(snapshot);
    loading_done(&loading);
}

static bool has(const struct conf_strings *names, const char *name)
{
    return conf_strings_contain(names, slice_from_string(name));
}

static void places_of_credentials_are_collected(void **state)
{
    (void)state;
    struct loading loading;
    struct snapshot *snapshot =
        compile(&loading,
                "listeners: { public: { address: 127.0.0.1, port: 8080, plaintext: allow } }\n"
                "issuers: { main: { issuer: https://idp.example.com, audiences: [a], jwks_file: keys.json, "
                "token_from: { cookie: "
                "__Host-a, header: Authorization } } }\n"
                "upstreams: { svc: { endpoints: [https://127.0.0.1:9001] } }\n"
                "resources: { res: { resource: https://h.example/r, issuers: [main] } }\n"
                "defaults: { upstream: svc, authorize: any_caller, limits: [{ limit: 1/1s, by: address }] }\n"
                "routes:\n"
                "  a: { match: { host: h.example, path: /a }, auth: { jwt: main, token_from: { query: t, "
                "header: X-T } } }\n"
                "  b: { match: { host: h.example, path: /b }, auth: { jwt: main, resource: res } }\n"
                "  c: { match: { host: h.example, path: /c }, auth: { jwt: main, token_from: { query: T, "
                "cookie: __Host-a } } }\n");
    const struct relay_credentials *credentials = &snapshot->credentials;
    assert_int_equal(credentials->cookies.count, 1);
    assert_int_equal(credentials->queries.count, 1);
    assert_int_equal(credentials->headers.count, 1); /* Authorization is gone anyway */
    assert_true(has(&credentials->cookies, "__Host-a") && has(&credentials->queries, "t") &&
                has(&credentials->headers, "X-T") && has(&snapshot->identity_headers, "X-T"));
    assert_int_equal(snapshot->resource_count, 1);
    assert_int_equal(snapshot->resources[0].listeners, 1);
    assert_slice(snapshot->resources[0].path, "/.well-known/oauth-protected-resource/r");
    assert_slice(snapshot->routes[0].resource_metadata, "");
    assert_slice(snapshot->routes[1].resource_metadata,
                 "https://h.example/.well-known/oauth-protected-resource/r");
    snapshot_unref(snapshot);
    loading_done(&loading);
}

static void they_are_counted(void **state)
{
    (void)state;
    struct loading first, second;
    struct snapshot *one =
        compile(&first, BASE "routes: { r: { match: { host: h, path: / }, " WHOLE " } }\n");
    struct snapshot *two =
        compile(&second, BASE "routes: { r: { match: { host: h, path: / }, " WHOLE " } }\n");
    assert_true(two->generation == one->generation + 1);
    assert_ptr_equal(snapshot_ref(one), one);
    snapshot_unref(one);
    assert_int_equal(one->route_count, 1); /* still there */
    snapshot_unref(one);
    snapshot_unref(two);
    snapshot_unref(NULL);
    loading_done(&first);
    loading_done(&second);
}

static void what_has_errors_is_not_compiled(void **state)
{
    (void)state;
    struct loading loading;
    struct snapshot *snapshot = NULL;
    load_text(&loading, BASE "nonsense: 1\n");
    assert_fails(snapshot_new(loading.config, &snapshot), ERROR_VALUE);
    assert_null(snapshot);
    loading_done(&loading); /* not taken */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(routes_are_compiled),
        cmocka_unit_test(places_of_credentials_are_collected),
        cmocka_unit_test(they_are_counted),
        cmocka_unit_test(what_has_errors_is_not_compiled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
