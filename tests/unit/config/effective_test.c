#include "loading.h"

/* The design's example, with its keys in files. */
static void load_example(struct loading *loading)
{
    char *cert, *key;
    make_certificate(-60, 3600, &cert, &key);
    loading_init(loading);
    loading_file(loading, "c.yaml",
                 SLICE("include: [teams/*/routes.yaml]\n"
                       "listeners:\n"
                       "  public:  { address: \"0.0.0.0\", port: 8443, exposure: external, tls: { "
                       "certificates: [{ cert: public.crt, "
                       "key: public.key }] } }\n"
                       "  mesh:    { address: \"::\", port: 9443, exposure: internal, tls: { certificates: "
                       "[{ cert: mesh.crt, key: "
                       "mesh.key }], client_ca: mesh-ca.crt, client_certificate: required } }\n"
                       "  plain:   { address: \"0.0.0.0\", port: 8080, redirect_to_https: true }\n"
                       "issuers:\n"
                       "  main:    { issuer: https://idp.example.com, audiences: [orders], algorithms: "
                       "[RS256, ES256, EdDSA], "
                       "jwks_file: keys.json }\n"
                       "upstreams:\n"
                       "  order-service: { endpoints: [https://10.0.0.5:9001, https://10.0.0.6:9001], tls: { "
                       "ca: mesh-ca.crt }, "
                       "balance: least_requests }\n"
                       "defaults:  { timeout: 15s, body: 1MiB, listeners: [public], use: [baseline] }\n"
                       "policies:\n"
                       "  baseline: { locked: true, limits: [{ limit: 300/1m, by: address }] }\n"
                       "  user-api: { auth: { jwt: main }, limits: [{ limit: 1000/1m, by: caller }], relay: "
                       "{ token: forward, headers: "
                       "{ X-User-Id: claims.sub } } }\n"
                       "teams:\n"
                       "  orders:   { hosts: [api.example.com], paths: [/orders/**], policies: [user-api], "
                       "public_routes: false }\n"));
    loading_file(
        loading, "teams/orders/routes.yaml",
        SLICE("team: orders\n"
              "groups:\n"
              "  orders:\n"
              "    match: { host: api.example.com, path: /orders }\n"
              "    use: [user-api]\n"
              "    upstream: order-service\n"
              "    routes:\n"
              "      read:  { match: { methods: [GET], path: /** }, authorize: { scopes: [read_orders] } }\n"
              "      write: { match: { methods: [POST], path: / }, authorize: { scopes: [write_orders] }, "
              "audit: all }\n"));
    static const char *const certificates[] = { "public.crt", "mesh.crt", "mesh-ca.crt" };
    static const char *const keys[] = { "public.key", "mesh.key" };
    for (size_t i = 0; i < sizeof certificates / sizeof *certificates; i++) {
        loading_file(loading, certificates[i], slice_from_string(cert));
    }
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        loading_file(loading, keys[i], slice_from_string(key));
    }
    free(cert);
    free(key);
    loading_load(loading, NULL, 0);
}

static void the_example_is_good(void **state)
{
    (void)state;
    struct loading loading;
    load_example(&loading);
    assert_told(loading.config, "");
    const struct settings *settings = &loading.config->settings;
    assert_int_equal(settings->route_count, 2);
    assert_int_equal(settings->listener_count, 3);
    assert_int_equal(settings->listeners[1].tls->client_certificate, TLS_CLIENT_REQUIRED);
    assert_slice(settings->user, "nobody");
    assert_int_equal(settings->limit_keys, 65536);
    assert_int_equal(settings->shutdown->deadline, 30 * NS_PER_S);
    assert_true(settings->instance.len > 0);
    assert_int_equal(settings->listeners[0].timeouts->idle, 60 * NS_PER_S);
    assert_true(settings->upstreams[0].parsed[1].is_address);
    const struct route_settings *read = route_of(loading.config, "orders.read");
    assert_slice(read->match.path.items[0], "/orders/**");
    assert_slice(read->policy.upstream, "order-service");
    assert_int_equal(read->policy.limits.count, 2);
    assert_int_equal(route_of(loading.config, "orders.write")->policy.audit, AUDIT_ALL);
    loading_done(&loading);
}

static void every_value_says_where_it_comes_from(void **state)
{
    (void)state;
    struct loading loading;
    load_example(&loading);
    static const char *const parts[] = {
        "listener public\n  address                      0.0.0.0 ",
        "  hosts             api.example.com                                                                 "
        "← "
        "group orders "
        "(teams/orders/routes.yaml:4)\n",
        "  paths             /orders/**                                                                      "
        "← "
        "teams/orders/routes.yaml:8\n",
        "  listeners         public (external)                                                               "
        "← "
        "defaults "
        "(c.yaml:10)\n",
        "  auth              a token of main                                                                 "
        "← "
        "policy user-api "
        "(c.yaml:13)\n",
        "  authorize         all scopes of [read_orders]  ",
        "  limits            300/1m by address: never more than 300 in any 1m; may refuse up to 1/16 early   "
        "← "
        "policy baseline "
        "(c.yaml:12)\n",
        "  relay             { token: forward, headers: { X-User-Id: claims.sub } } ",
        "  idle_timeout      1m                                                                              "
        "← "
        "default\n",
    };
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        assert_effective(loading.config, parts[i]);
    }
    loading_done(&loading);
}

static void public_routes_and_rates_stand_out(void **state)
{
    (void)state;
    struct loading loading;
    struct config *config = load_text(
        &loading,
        BASE "routes:\n"
             "  a: { match: { host: \"*\", path: / }, upstream: svc, auth: none, limits: [{ rate: 10/1s, "
             "burst: 20, by: "
             "address }] }\n"
             "  b: { match: { host: \"*\", path: /b }, upstream: svc, auth: { jwt: main, mode: optional }, "
             "limits: [{ limit: "
             "1/1s, by: address }], authorize: { scopes: { all: [x], any: [y, z] }, roles: [r, \"s t\"], "
             "claims: [{ claim: t, equals: v }, { claim: t, query: q }, { claim: t, header: X-T }, { claim: "
             "n, at_least: 1, at_most: 2.5 }], deny: [{ header: X-R, equals: admin }, { claim: c, contains: "
             "d }] } }\n");
    assert_told(config, "");
    assert_effective(config, "  auth              none: PUBLIC, anybody may call ");
    assert_effective(config, "  limits            10/1s burst 20 by address: at most 20 + 10 in any 1s  ");
    assert_effective(config, "  auth              a token of main, or none at all (optional) ");
    assert_effective(config, "  authorize         all scopes of [x] and one of [y, z] ");
    assert_effective(config, "  authorize         all roles of [r, \"s t\"] ");
    assert_effective(config, "  authorize         claim t is \"v\" ");
    assert_effective(config, "  authorize         claim t is the query's q ");
    assert_effective(config, "  authorize         claim t is the header X-T ");
    assert_effective(config, "  authorize         deny where header X-R is or lists \"admin\" ");
    assert_effective(config, "  authorize         deny where claim c contains \"d\" ");
    assert_effective(config, "  authorize         claim n is at least 1 and at most 2.5 ");
    loading_done(&loading);
}

static void what_is_of_no_single_thing_stands_first(void **state)
{
    (void)state;
    struct loading loading;
    loading_init(&loading);
    loading_file(&loading, "errors/404.html", SLICE("{{status}}"));
    loading_file(&loading, "c.yaml",
                 SLICE(BASE "zone: eu-1\n"
                            "error_pages: [{ statuses: [404], file: errors/404.html }]\n"
                            "failure_budget: { failures: 20/1m }\n"
                            "overload: { retry_after: 2s }\n"));
    struct config *config = loading_load(&loading, NULL, 0);
    assert_int_equal(config->error_count, 0);
    static const char *const lines[][2] = {
        { "zone", "eu-1" },
        { "error_pages", "[{ statuses: [404], file: errors/404.html }]" },
        { "failure_budget", "{ failures: 20/1m }" },
        { "overload", "{ retry_after: 2s }" },
        { "workers", "0" },
    };
    static const char *const places[] = { "c.yaml:4", "c.yaml:5", "c.yaml:6", "c.yaml:7", "default" };
    struct buffer out;
    buffer_init(&out, 1024 * 1024);
    config_print_effective(config, &out);
    buffer_append_char(&out, '\0');
    assert_memory_equal(out.data, "gateway\n", 8);
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        char begin[128];
        snprintf(begin, sizeof begin, "\n  %-14s  %s ", lines[i][0], lines[i][1]);
        const char *line = strstr(out.data, begin), *place = line != NULL ? strstr(line, "← ") : NULL;
        if (place == NULL || strncmp(place + 4, places[i], strlen(places[i])) != 0) {
            fail_msg("no line \"%s … %s\" in:\n%s", begin + 1, places[i], out.data);
        }
    }
    buffer_done(&out);
    loading_done(&loading);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_example_is_good),
        cmocka_unit_test(every_value_says_where_it_comes_from),
        cmocka_unit_test(what_is_of_no_single_thing_stands_first),
        cmocka_unit_test(public_routes_and_rates_stand_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
