#include "differing.h"

static void the_same_in_other_words_is_the_same(void **state)
{
    (void)state;
    assert_differs(ONE(USER), ONE(USER), "The same access.\n");
    assert_differs(
        ONE(USER),
        BASE
        "policies: { p: { " LIMITS ", auth: { jwt: [main] }, timeout: 15s } }\n"
        "groups: { g: { match: { host: H.example, path: / }, use: p, upstream: svc, routes: { other-name: { "
        "match: { path: /r, methods: [POST] }, authorize: { scopes: { all: [b, a] } } } } } }\n",
        "The same access.\n");
}

static void tells_of_streams_that_outlive_their_tokens(void **state)
{
    (void)state;
    assert_differs(ONE(USER), ONE(USER ", outlive_token: true"),
                   "Gains access\n" SUBJECT "streams go on when what they were opened with has expired\n");
    assert_differs(ONE(USER ", outlive_token: true"), ONE(USER),
                   "Loses access\n" SUBJECT "streams end when what they were opened with expires\n");
}

static void tells_of_all_that_cors_allows(void **state)
{
    (void)state;
#define CORS(more) ONE("auth: none, " LIMITS ", cors: { origins: [https://a.example]" more " }")
    assert_differs(
        CORS(""), CORS(", headers: [Authorization], expose: [X-A], methods: [POST]"),
        "Gains access\n" SUBJECT "pages of other origins with header Authorization are allowed now\n" SUBJECT
        "pages of other origins that read the response's header X-A are allowed now\n"
        "\n"
        "Other changes\n" SUBJECT "preflights allow the methods of a list now, before the route's methods\n");
    assert_differs(CORS(", methods: [POST, PUT]"), CORS(", methods: [POST]"),
                   "Loses access\n" SUBJECT "preflights for method PUT are not allowed any more\n");
}

static void tells_of_listeners_that_tell_metrics(void **state)
{
    (void)state;
#define LISTENERS(more)                                                                               \
    "listeners: { public: { address: 127.0.0.1, port: 8080, plaintext: allow }" more " }\n"           \
    "upstreams: { svc: { endpoints: [https://127.0.0.1:9001] } }\n"                                   \
    "routes: { r: { match: { host: h.example, path: /r }, listeners: [public], upstream: svc, auth: " \
    "none, " LIMITS " } }\n"
#define STATUS ", status: { address: 127.0.0.1, port: 8081, exposure: internal, status: true }"
    assert_differs(LISTENERS(""), LISTENERS(STATUS),
                   "Gains access\n"
                   "  listener status: tells the metrics to whoever reaches it now\n");
    assert_differs(LISTENERS(STATUS), LISTENERS(""),
                   "Loses access\n"
                   "  listener status: tells the metrics to nobody any more\n");
}

static void a_route_that_becomes_public_stands_first(void **state)
{
    (void)state;
    assert_differs(
        ONE(USER), ONE("auth: none, body: 1KiB, " LIMITS),
        "Gains access\n" SUBJECT
        "PUBLIC now: anybody may call it, before only callers with a token of main and all scopes of [a, b]\n"
        "\n"
        "Loses access\n" SUBJECT "the largest request body is 1KiB, was 1MiB\n");
    assert_differs(ONE(USER), ONE(USER ", max_grpc_message: 64KiB"),
                   "Loses access\n" SUBJECT "the largest message of a gRPC call is 64KiB, was 4MiB\n");
    assert_differs(
        ONE("auth: none, " LIMITS), ONE(USER),
        "Loses access\n" SUBJECT
        "was public; now only callers with a token of main and all scopes of [a, b] may call it\n");
    assert_differs(ONE(USER),
                   ONE("auth: { jwt: main, mode: optional }, authorize: { scopes: [a, b] }, " LIMITS),
                   "Gains access\n" SUBJECT "a token is optional now: without one the caller is anonymous\n");
}

static void lists_of_ways(void **state)
{
    (void)state;
    assert_differs(
        ONE(USER),
        ONE("auth: { any_of: [{ jwt: main }, { jwt: main }] }, authorize: { scopes: [a, b] }, " LIMITS),
        "Gains access\n" SUBJECT
        "is called with a token of main or a token of main now, before with a token of main\n"
        "\n"
        "Loses access\n" SUBJECT
        "is called with a token of main or a token of main now, before with a token of main\n");
}

static void scopes_and_claims(void **state)
{
    (void)state;
    assert_differs(ONE(USER), ONE("auth: { jwt: main }, authorize: { scopes: [a, c] }, " LIMITS),
                   "Gains access\n" SUBJECT "scope b is not needed any more\n"
                   "\n"
                   "Loses access\n" SUBJECT "scope c is needed now\n");
    assert_differs(ONE("auth: { jwt: main }, authorize: { scopes: { any: [a] } }, " LIMITS),
                   ONE("auth: { jwt: main }, authorize: { scopes: { any: [a, b] } }, " LIMITS),
                   "Gains access\n" SUBJECT "scope b is one of those that are enough now\n");
    assert_differs(ONE("auth: { jwt: main }, authorize: { scopes: { any: [a] } }, " LIMITS),
                   ONE("auth: { jwt: main }, authorize: any_caller, " LIMITS),
                   "Gains access\n" SUBJECT "none of the scopes [a] is needed any more\n" SUBJECT
                   "every authenticated caller may call it now\n");
    assert_differs(
        ONE("auth: { jwt: main }, authorize: { any_caller: true, deny: [{ header: X-Role, equals: "
            "admin }] }, " LIMITS),
        ONE("auth: { jwt: main }, authorize: { any_caller: true, deny: [{ claim: role, one_of: [a, "
            "b] }] }, " LIMITS),
        "Gains access\n" SUBJECT "a caller whose header X-Role is or lists \"admin\" is not denied any more\n"
        "\n"
        "Loses access\n" SUBJECT "a caller whose claim role is or lists one of [a, b] is denied now\n");
    assert_differs(ONE("auth: { jwt: main }, authorize: { roles: [a] }, " LIMITS),
                   ONE("auth: { jwt: main }, authorize: { roles: { any: [a, b] } }, " LIMITS),
                   "Gains access\n" SUBJECT "role a is not needed any more\n"
                   "\n"
                   "Loses access\n" SUBJECT "one of the roles [a, b] is needed now\n");
    assert_differs(
        ONE("auth: { jwt: main }, authorize: { claims: [{ claim: role, one_of: [admin] }] }, " LIMITS),
        ONE("auth: { jwt: main }, authorize: { claims: [{ claim: role, one_of: [admin, user] }] }, " LIMITS),
        "Gains access\n" SUBJECT "the rule that claim role is one of [admin] does not hold any more\n"
        "\n"
        "Loses access\n" SUBJECT "the rule that claim role is one of [admin, user] holds now\n");
}

static void limits_and_the_rest(void **state)
{
    (void)state;
    assert_differs(
        ONE("auth: none, limits: [{ limit: 10/1s, by: address }, { limit: 5/1s, by: route }]"),
        ONE("auth: none, limits: [{ limit: 20/1s, by: address }, { rate: 1/1s, by: \"header:X-A\" }]"),
        "Gains access\n" SUBJECT "the limit is 20/1s by address, was 10/1s by address\n" SUBJECT
        "the limit 5/1s by route does not hold any more\n"
        "\n"
        "Loses access\n" SUBJECT "the limit 1/1s burst 1 by header:X-A holds now\n");
    assert_differs(ONE(USER),
                   ONE(USER ", cors: { origins: [https://a.example], credentials: true }, path_allows: "
                            "[parameters], relay: { "
                            "token: forward }, audit: all, timeout: 1s"),
                   "Gains access\n" SUBJECT "paths may hold parameters now\n" SUBJECT
                   "pages of origin https://a.example may read responses now\n" SUBJECT
                   "browsers may send credentials from other origins now\n"
                   "\n"
                   "Other changes\n" SUBJECT
                   "relay is { token: forward, trailers: false, underscores: false }, was not set\n" SUBJECT
                   "audit is all, was denials\n"
                   "\nTuning\n" SUBJECT "timeout is 1s, was 15s\n");
}

#define GET(policy)                                                                                    \
    BASE "routes: { r: { match: { host: h.example, path: /r, methods: [GET] }, upstream: svc, " policy \
         " } }\n"
#define GET_SUBJECT "  GET, HEAD h.example/r on public (external), route r: "

static void tells_who_may_open_websockets(void **state)
{
    (void)state;
    assert_differs(GET(USER), GET(USER ", websocket: [https://a.example]"),
                   "Gains access\n" GET_SUBJECT "WebSockets are opened now\n" GET_SUBJECT
                   "pages of origin https://a.example may open WebSockets now\n");
    assert_differs(GET(USER ", websocket: [https://a.example]"), GET(USER ", websocket: {}"),
                   "Loses access\n" GET_SUBJECT
                   "pages of origin https://a.example may not open WebSockets any more\n");
}

static void tuning_is_no_matter_of_access(void **state)
{
    (void)state;
    struct loading old, new;
    struct buffer out;
    buffer_init(&out, 65536);
    assert_false(config_print_difference(load_text(&old, ONE(USER)),
                                         load_text(&new, ONE(USER ", timeout: 1s")), &out));
    assert_slice(buffer_slice(&out), "Tuning\n" SUBJECT "timeout is 1s, was 15s\n\nThe same access.\n");
    buffer_done(&out);
    loading_done(&old);
    loading_done(&new);
}

#define BOUND(dpop, mode)                                                                                 \
    "listeners: { public: { address: 127.0.0.1, port: 8080, plaintext: allow } }\n"                       \
    "issuers: { main: { issuer: https://idp.example.com, audiences: a, jwks_file: keys.json, dpop: " mode \
    " } }\n"                                                                                              \
    "upstreams: { svc: { endpoints: https://127.0.0.1:9001 } }\n"                                         \
    "dpop: { origins: " dpop " }\n"

static void tokens_that_are_bound_to_a_key(void **state)
{
    (void)state;
    assert_differs(BOUND("https://a.example", "\"off\""),
                   BOUND("[https://a.example, https://b.example], proof_lifetime: 30s, nonces: required, "
                         "algorithms: [ES256]",
                         "required"),
                   "Gains access\n"
                   "  issuer main: tokens that are bound to a key (DPoP) are accepted now\n"
                   "  dpop: proofs for https://b.example are accepted now\n"
                   "\n"
                   "Loses access\n"
                   "  issuer main: tokens that are not bound to a key (DPoP) are not accepted any more\n"
                   "  dpop: proofs signed with RS256 are not accepted any more\n"
                   "  dpop: proofs signed with PS256 are not accepted any more\n"
                   "  dpop: proofs signed with EdDSA are not accepted any more\n"
                   "  dpop: proofs signed with Ed25519 are not accepted any more\n"
                   "  dpop: the lifetime of a proof is 30s, was 1m\n"
                   "  dpop: proofs without a nonce are not accepted any more\n");
    assert_differs(BOUND("https://a.example", "required"), BOUND("https://a.example", "allowed"),
                   "Gains access\n"
                   "  issuer main: tokens that are not bound to a key (DPoP) are accepted now\n");
}

#define INTROSPECTED(mode)                                                                        \
    "listeners: { public: { address: 127.0.0.1, port: 8080, plaintext: allow } }\n"               \
    "introspection: { main: { endpoint: https://idp.example.com/i, client_id: g, client_secret: " \
    "\"${file:pepper}\", audiences: a, dpop: " mode " } }\n"                                      \
    "upstreams: { svc: { endpoints: https://127.0.0.1:9001 } }\n"                                 \
    "dpop: { origins: https://a.example }\n"

static void introspected_tokens_that_are_bound_to_a_key(void **state)
{
    (void)state;
    assert_differs(
        INTROSPECTED("\"off\""), INTROSPECTED("required"),
        "Gains access\n"
        "  introspection main: tokens that are bound to a key (DPoP) are accepted now\n"
        "\n"
        "Loses access\n"
        "  introspection main: tokens that are not bound to a key (DPoP) are not accepted any more\n");
}

static void listeners_issuers_and_upstreams(void **state)
{
    (void)state;
    assert_differs(
        BASE,
        "listeners: { public: { address: 127.0.0.1, port: 8081, plaintext: allow, exposure: "
        "internal, trusted_proxies: "
        "10.0.0.1, forwarded: forwarded } }\n"
        "issuers: { main: { issuer: https://idp.example.com, audiences: [a, b], jwks_file: "
        "keys.json, algorithms: [RS256, "
        "RS384], max_token_lifetime: 1h, required_claims: [tenant] } }\n"
        "upstreams: { svc: { endpoints: [https://127.0.0.1:9002], protocol: h2, health: { grpc: "
        "\"\", timeout: 1s } } }\n",
        "Gains access\n"
        "  listener public: the proxy 10.0.0.1 is believed now about its clients' addresses\n"
        "  issuer main: tokens for audience b are accepted now\n"
        "  issuer main: tokens signed with RS384 are accepted now\n"
        "\n"
        "Loses access\n"
        "  listener public: is internal now; it was external\n"
        "  issuer main: the claim tenant is required now\n"
        "  issuer main: tokens signed with PS256 are not accepted any more\n"
        "  issuer main: tokens signed with ES256 are not accepted any more\n"
        "  issuer main: tokens signed with EdDSA are not accepted any more\n"
        "  issuer main: tokens signed with Ed25519 are not accepted any more\n"
        "  issuer main: the longest lifetime of a token is 1h, was 1d\n"
        "\n"
        "Other changes\n"
        "  listener public: port is 8081, was 8080\n"
        "  listener public: forwarded is forwarded, was none\n"
        "  upstream svc: endpoints is [https://127.0.0.1:9002], was [https://127.0.0.1:9001]\n"
        "  upstream svc: protocol is h2, was http1\n"
        "  upstream svc: health is { statuses: [200-299], grpc: \"\", connect: false, interval: 10s, "
        "timeout: 1s, unhealthy_after: 3, healthy_after: 2 }, was not set\n");
}

static struct config *load_with_certificate(struct loading *loading)
{
    char *cert, *key;
    make_certificate(-60, 3600, &cert, &key);
    loading_init(loading);
    loading_file(loading, "own.crt", slice_from_string(cert));
    loading_file(loading, "own.key", slice_from_string(key));
    loading_file(
        loading, "c.yaml",
        SLICE("upstreams: { svc: { endpoints: https://a.example, tls: { cert: own.crt, key: own.key } } }"
              "\n"));
    free(cert);
    free(key);
    return loading_load(loading, NULL, 0);
}

/* The same files, with other contents. */
static void a_client_certificate(void **state)
{
    (void)state;
    struct loading old, new;
    struct buffer out;
    buffer_init(&out, 1024 * 1024);
    const struct config *before = load_with_certificate(&old), *after = load_with_certificate(&new);
    assert_true(config_print_difference(before, after, &out));
    assert_slice(buffer_slice(&out), "Other changes\n"
                                     "  upstream svc: it is shown another client certificate now\n");
    buffer_clear(&out);
    assert_false(config_print_difference(before, before, &out));
    buffer_done(&out);
    loading_done(&old);
    loading_done(&new);
}

static struct config *load_with_secret(struct loading *loading, const char *secret)
{
    loading_init(loading);
    loading_file(loading, "c.yaml",
                 SLICE("listeners: { public: { address: 127.0.0.1, port: 8080, plaintext: allow } }\n"
                       "issuers: { main: { issuer: i, audiences: [a], algorithms: [HS256], secret: "
                       "\"${env:KEY}\" } }\n"));
    assert_ok(config_files_preset_environment(loading->files, SLICE("KEY"), slice_from_string(secret)));
    return loading_load(loading, NULL, 0);
}

static void a_candidate_is_no_matter_of_access(void **state)
{
    (void)state;
#define TRIED(candidate) ONE("auth: { jwt: main" candidate " }, authorize: any_caller, " LIMITS)
#define COMING(date)     ", candidate: { any_of: [{ jwt: main }], until: " date " }"
    assert_differs(TRIED(""), TRIED(COMING("2999-01-01")),
                   "Other changes\n" SUBJECT "the candidate of auth is a token of main, only observed until "
                   "2999-01-01, was none\n");
    assert_differs(TRIED(COMING("2999-01-01")), TRIED(COMING("2999-01-02")),
                   "Other changes\n" SUBJECT "the candidate of auth is a token of main, only observed until "
                   "2999-01-02, was a token of main, only observed until 2999-01-01\n");
    assert_differs(TRIED(COMING("2999-01-01")), TRIED(COMING("2999-01-01")), "The same access.\n");
}

static void secrets_are_not_told(void **state)
{
    (void)state;
    struct loading old, new;
    struct buffer out;
    buffer_init(&out, 65536);
    assert_true(config_print_difference(load_with_secret(&old, "hunter2-hunter2-hunter2-hunter2-1"),
                                        load_with_secret(&new, "hunter2-hunter2-hunter2-hunter2-2"), &out));
    assert_slice(buffer_slice(&out),
                 "Other changes\n  issuer main: tokens are verified with other keys now\n");
    buffer_clear(&out);
    config_print_effective(new.config, &out);
    config_print_diagnostics(new.config, &out);
    assert_true(slice_contains(buffer_slice(&out), SLICE("****")));
    assert_false(slice_contains(buffer_slice(&out), SLICE("hunter2")));
    buffer_done(&out);
    loading_done(&old);
    loading_done(&new);
}

static struct config *load_page(struct loading *loading, const char *rest, const char *text)
{
    loading_init(loading);
    loading_file(loading, "404.html", slice_from_string(text));
    char yaml[1024];
    snprintf(yaml, sizeof yaml, "%s%s", ONE(USER), rest);
    loading_file(loading, "c.yaml", slice_from_string(yaml));
    struct config *config = loading_load(loading, NULL, 0);
    assert_told(config, "");
    return config;
}

static void the_gateways_own_settings(void **state)
{
    (void)state;
#define PAGE "error_pages: [{ statuses: [404], file: 404.html }]\n"
    static const struct {
        const char *before, *after, *text, *expected;
    } cases[] = {
        { "", PAGE, "old",
          "Other changes\n  gateway: error_pages is [{ statuses: [404], type: text/html, file: 404.html }], "
          "was not set\n" },
        { PAGE, PAGE, "new", "Other changes\n  gateway: the error page 404.html says something else now\n" },
        { PAGE, PAGE, "old", "The same access.\n" },
        { "failure_budget: { failures: 20/1m }\n", "failure_budget: { failures: 40/1m }\n", "old", NULL },
        { "", "workers: 2\n", "old", "Tuning\n  gateway: workers is 2, was 0\n\nThe same access.\n" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct loading old, new;
        struct buffer out;
        buffer_init(&out, 65536);
        struct config *before = load_page(&old, cases[i].before, "old"),
                      *after = load_page(&new, cases[i].after, cases[i].text);
        config_print_difference(before, after, &out);
        buffer_append_char(&out, '\0');
        if (cases[i].expected != NULL) {
            assert_string_equal(out.data, cases[i].expected);
        } else { /* with what else is in it, at its defaults */
            assert_non_null(strstr(
                out.data, "Other changes\n  gateway: failure_budget is { mode: enforce, failures: 40/1m,"));
            assert_non_null(strstr(out.data, ", was { mode: enforce, failures: 20/1m,"));
        }
        buffer_done(&out);
        loading_done(&old);
        loading_done(&new);
    }
}

#define ADMIN(sets) ADMIN_OF("any_caller", sets)
#define ADMIN_OF(read, sets)                                                                                 \
    "listeners: { admin: { address: 127.0.0.1, port: 8081, plaintext: allow, exposure: internal } }\n"       \
    "issuers: { main: { issuer: https://idp.example.com, audiences: [a], jwks_file: keys.json } }\n"         \
    "api_keys: { one: { store: /tmp/1, peppers: { p: \"${file:pepper}\" } }, two: { store: /tmp/2, header: " \
    "X-2, prefix: two, peppers: { p: \"${file:pepper}\" } } }\n"                                             \
    "admin: { listeners: admin, hosts: a.internal, auth: { jwt: main }, read: " read ", write: "             \
    "any_caller, api_keys: " sets ", " LIMITS " }\n"

static void what_the_admin_api_may_change(void **state)
{
    (void)state;
    assert_differs(ADMIN("[one]"), ADMIN("[two]"),
                   "Gains access\n"
                   "  admin: API keys of the set two can be changed by it now\n"
                   "\nLoses access\n"
                   "  admin: API keys of the set one cannot be changed by it any more\n");
    assert_differs(ADMIN("[one]"), ADMIN("one"), "The same access.\n");
    assert_differs(
        ADMIN("[one]"), ADMIN_OF("{ scopes: [look] }", "[one]"),
        "Loses access\n  GET, HEAD a.internal/v1/** on admin (internal), route admin.read: scope look "
        "is needed now\n");
}

static void things_that_come_and_go(void **state)
{
    (void)state;
#define WITH_STATUS                                                                               \
    "listeners: { public: { address: 127.0.0.1, port: 8080, plaintext: allow }, status: { port: " \
    "9090, exposure: internal, status: true } }\n"                                                \
    "upstreams: { other: { endpoints: [https://127.0.0.1:9001] } }\n"
#define WITHOUT                                                                     \
    "listeners: { public: { address: 127.0.0.1, port: 8080, plaintext: allow } }\n" \
    "upstreams: { svc: { endpoints: [https://127.0.0.1:9001] } }\n"
    assert_differs(WITHOUT, WITH_STATUS,
                   "Gains access\n"
                   "  listener status: tells the metrics to whoever reaches it now\n"
                   "\n"
                   "Other changes\n"
                   "  upstream other: is new\n"
                   "  upstream svc: is not there any more\n");
}

/* What only observes denies nobody, however low it is; and the longer, the laxer. */
static void limits_that_are_only_observed(void **state)
{
    (void)state;
#define OBSERVED(date) \
    ONE("auth: none, limits: [{ limit: 5/1s, by: address, mode: observe, until: " date " }]")
#define ENFORCED ONE("auth: none, limits: [{ limit: 5/1s, by: address }]")
    assert_differs(ENFORCED, OBSERVED("2999-01-01"),
                   "Gains access\n" SUBJECT
                   "the limit is 5/1s by address, only observed until 2999-01-01, was 5/1s by address\n");
    assert_differs(OBSERVED("2999-01-01"), ENFORCED,
                   "Loses access\n" SUBJECT
                   "the limit is 5/1s by address, was 5/1s by address, only observed until 2999-01-01\n");
    assert_differs(OBSERVED("2999-01-01"), OBSERVED("2999-01-02"),
                   "Gains access\n" SUBJECT "the limit is 5/1s by address, only observed until 2999-01-02, "
                   "was 5/1s by address, only observed until 2999-01-01\n");
    assert_differs(OBSERVED("2999-01-02"), OBSERVED("2999-01-01"),
                   "Loses access\n" SUBJECT "the limit is 5/1s by address, only observed until 2999-01-01, "
                   "was 5/1s by address, only observed until 2999-01-02\n");
}

/* Sentences are as long as their lists: what stands at the end of one is told. */
static void long_lists_are_told_to_their_ends(void **state)
{
    (void)state;
    enum {
        TENANTS = 1000
    };
    char one[64 * 1024], other[64 * 1024], list[32 * 1024] = "";
    size_t length = 0;
    for (int i = 0; i < TENANTS; i++) {
        length += (size_t)snprintf(list + length, sizeof list - length, "tenant-%06d, ", i);
    }
    static const char form[] =
        BASE "routes: { r: { match: { host: h.example, path: /r, methods: [POST] }, upstream: svc, auth: { "
             "jwt: main }, authorize: { claims: [{ claim: tenant, one_of: [%s%s] }] }, " LIMITS " } }\n";
    snprintf(one, sizeof one, form, list, "last");
    snprintf(other, sizeof other, form, list, "other");
    struct loading old, new;
    struct buffer out;
    buffer_init(&out, 1024 * 1024);
    assert_true(config_print_difference(load_text(&old, one), load_text(&new, other), &out));
    assert_true(slice_contains(buffer_slice(&out), SLICE("tenant-000999, other] holds now\n")));
    buffer_done(&out);
    loading_done(&old);
    loading_done(&new);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_gateways_own_settings),
        cmocka_unit_test(what_the_admin_api_may_change),
        cmocka_unit_test(the_same_in_other_words_is_the_same),
        cmocka_unit_test(tells_of_streams_that_outlive_their_tokens),
        cmocka_unit_test(tells_of_all_that_cors_allows),
        cmocka_unit_test(tells_of_listeners_that_tell_metrics),
        cmocka_unit_test(a_route_that_becomes_public_stands_first),
        cmocka_unit_test(lists_of_ways),
        cmocka_unit_test(scopes_and_claims),
        cmocka_unit_test(limits_and_the_rest),
        cmocka_unit_test(tells_who_may_open_websockets),
        cmocka_unit_test(tuning_is_no_matter_of_access),
        cmocka_unit_test(tokens_that_are_bound_to_a_key),
        cmocka_unit_test(introspected_tokens_that_are_bound_to_a_key),
        cmocka_unit_test(listeners_issuers_and_upstreams),
        cmocka_unit_test(a_client_certificate),
        cmocka_unit_test(a_candidate_is_no_matter_of_access),
        cmocka_unit_test(secrets_are_not_told),
        cmocka_unit_test(things_that_come_and_go),
        cmocka_unit_test(limits_that_are_only_observed),
        cmocka_unit_test(long_lists_are_told_to_their_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
