#include "loading.h"

#define LISTENER  "listeners: { public: { address: 127.0.0.1, port: 8080, plaintext: allow } }\n"
#define NO_ROUTES "c.yaml:1:1: warning: there are no routes: every request is answered 404\n"

static void keys_fit_the_algorithms(void **state)
{
    (void)state;
    struct loading loading;
    loading_init(&loading);
    loading_file(
        &loading, "c.yaml",
        SLICE(LISTENER
              "issuers:\n"
              "  a: { issuer: a, audiences: [x] }\n"
              "  b: { issuer: b, audiences: [x], jwks_file: keys.json, jwks_url: https://b.example/keys }\n"
              "  c: { issuer: c, audiences: [x], algorithms: [HS256], secret: \"${env:SHORT}\" }\n"
              "  d: { issuer: d, audiences: [x], algorithms: [HS256], secret: \"${env:LONG}\" }\n"
              "  e: { issuer: e, audiences: [x], algorithms: [HS256] }\n"
              "  f: { issuer: f, audiences: [x], jwks_file: keys.json, secret: \"${env:LONG}\" }\n"
              "  g: { issuer: g, audiences: [x], jwks_url: http://g.example/keys }\n"
              "  h: { issuer: h, audiences: [x], jwks_url: \"http://127.0.0.1:8000/keys\" }\n"
              "  i: { issuer: i, audiences: [], jwks_file: keys.json }\n"
              "  j: { audiences: [x], jwks_file: keys.json }\n"
              "  k: { issuer: k, audiences: [x], algorithms: [none], jwks_file: keys.json }\n"
              "  l: { issuer: l, audiences: [x], algorithms: [HS256], secret: \"${env:ABSENT}\" }\n"
              "  n: { issuer: \"https://n.example\", audiences: [x] }\n"
              "  m: { issuer: m, audiences: [x], algorithms: [HS256], secret: "
              "0123456789012345678901234567890123 }\n"));
    assert_ok(config_files_preset_environment(loading.files, SLICE("SHORT"), SLICE("0123456789")));
    assert_ok(config_files_preset_environment(loading.files, SLICE("LONG"),
                                              SLICE("01234567890123456789012345678901")));
    assert_told(
        loading_load(&loading, NULL, 0), NO_ROUTES
        "c.yaml:3:3: error: issuers.a: no keys: jwks_file or jwks_url is missing, and they cannot be "
        "discovered: "
        "issuer is no https URL\n"
        "c.yaml:4:3: error: issuers.b: jwks_file and jwks_url exclude each other\n"
        "c.yaml:5:3: error: issuers.c: secret is shorter than the 32 bytes that HS256 needs\n"
        "c.yaml:7:3: error: issuers.e: an HS algorithm is allowed, and secret is missing\n"
        "c.yaml:8:3: error: issuers.f: secret is given, and no HS algorithm is allowed\n"
        "c.yaml:9:3: error: issuers.g: jwks_url is plain http to something other than loopback\n"
        "c.yaml:11:19: error: issuers.i.audiences: must not be empty; a text or a list of texts is wanted "
        "here\n"
        "c.yaml:12:3: error: issuers.j: issuer is missing: every issuer needs it, as in \"issuer: "
        "https://idp.example.com\"\n"
        "c.yaml:13:48: error: issuers.k.algorithms[0]: one of RS256, RS384, RS512, PS256, PS384, PS512, "
        "ES256, "
        "ES384, ES512, EdDSA, Ed25519, HS256, HS384, HS512 is wanted here, not \"none\"\n"
        "c.yaml:14:56: error: issuers.l.secret: the environment variable ABSENT is not set\n"
        "c.yaml:16:56: error: issuers.m.secret: a secret is not written here but named: ${env:NAME} or "
        "${file:/run/secrets/name}\n");
    loading_done(&loading);
}

static void key_sets_are_read(void **state)
{
    (void)state;
    struct loading loading;
    loading_init(&loading);
    loading_file(&loading, "c.yaml",
                 SLICE(LISTENER "issuers:\n"
                                "  a: { issuer: a, audiences: [x], jwks_file: absent.json }\n"
                                "  b: { issuer: b, audiences: [x], jwks_file: junk.json }\n"
                                "  c: { issuer: c, audiences: [x], jwks_file: none.json }\n"
                                "  d: { issuer: d, audiences: [x], jwks_file: keys.json }\n"));
    loading_file(&loading, "junk.json", SLICE("{"));
    loading_file(&loading, "none.json", SLICE("{\"keys\":[]}"));
    struct config *config = loading_load(&loading, NULL, 0);
    assert_int_equal(config->error_count, 3);
    struct buffer out;
    buffer_init(&out, 65536);
    config_print_diagnostics(config, &out);
    assert_true(
        slice_contains(buffer_slice(&out), SLICE("c.yaml:3:35: error: issuers.a.jwks_file: absent.json: ")));
    assert_true(
        slice_contains(buffer_slice(&out), SLICE("c.yaml:4:35: error: issuers.b.jwks_file: junk.json: ")));
    assert_true(
        slice_contains(buffer_slice(&out), SLICE("c.yaml:5:35: error: issuers.c.jwks_file: none.json")));
    buffer_done(&out);
    loading_done(&loading);
}

static void endpoints_are_parsed(void **state)
{
    (void)state;
    assert_text_tells(
        LISTENER "upstreams:\n"
                 "  a: { endpoints: [https://10.0.0.1:9001, \"http://localhost:1\", \"http://127.1.2.3:1\", "
                 "\"http://[::1]:1\"] }\n"
                 "  b: { endpoints: [http://b.example] }\n"
                 "  c: { endpoints: [ftp://c.example, https://c.example/path, https://c.example:0] }\n"
                 "  d: { endpoints: [\"http://127.0.0.1:1\"], tls: { server_name: d.example } }\n"
                 "  e: { endpoints: https://e.example, host_header: \"not a host\" }\n"
                 "  f: { endpoints: https://e.example, tls: { ca: absent.pem } }\n"
                 "  g: { endpoints: [] }\n"
                 "  h: { }\n",
        NO_ROUTES
        "c.yaml:4:20: warning: upstreams.b.endpoints[0]: requests go to this endpoint without TLS: anybody "
        "on "
        "the way can read them\n"
        "c.yaml:5:20: error: upstreams.c.endpoints[0]: an endpoint begins with https://, http://, h2c:// or "
        "unix:/, as in "
        "https://10.0.0.5:9001\n"
        "c.yaml:5:37: error: upstreams.c.endpoints[1]: an endpoint has no path: routes and rewrites say it, "
        "as "
        "in https://10.0.0.5:9001\n"
        "c.yaml:5:61: error: upstreams.c.endpoints[2]: the port is not a number from 1 to 65535, as in "
        "https://10.0.0.5:9001\n"
        "c.yaml:6:43: error: upstreams.d.tls: no endpoint is https: these settings would have no effect\n"
        "c.yaml:7:38: error: upstreams.e.host_header: a host, with a port or not, is wanted here\n"
        "c.yaml:8:45: error: upstreams.f.tls.ca: absent.pem: cannot read the file: No such file or "
        "directory\n"
        "c.yaml:9:8: error: upstreams.g.endpoints: must not be empty; a text or a list of texts is wanted "
        "here\n"
        "c.yaml:10:3: error: upstreams.h: endpoints is missing: its servers, as in `endpoints: "
        "[https://10.0.0.5:9001]`, or `discover: dns://orders.internal:9001`\n");
}

static void endpoints_are_written_or_discovered(void **state)
{
    (void)state;
    assert_text_tells(
        LISTENER
        "upstreams:\n"
        "  a: { discover: file:///etc/a.json }\n"
        "  b: { discover: { from: \"dns://b.test:9001\", resolvers: [10.0.0.2, \"[fd00::2]:5353\"] } }\n"
        "  c: { discover: dns+srv://_https._tcp.c.test, tls: { server_name: c.test } }\n"
        "  d: { discover: dns://d.test }\n"
        "  e: { discover: file://e.json }\n"
        "  f: { discover: { from: file:///f.json, interval: 5s } }\n"
        "  g: { discover: consul://g }\n"
        "  h: { discover: dns+srv://_https._tcp, endpoints: https://h.test }\n"
        "  i: { discover: { from: \"dns://10.0.0.1:1\", resolvers: ns.test } }\n"
        "  j: { discover: { from: dns+srv://j.test, scheme: http }, protocol: h2 }\n",
        "c.yaml:1:1: warning: there are no routes: every request is answered 404\n"
        "c.yaml:6:8: error: upstreams.d.discover: the port of the endpoints is missing, as in "
        "dns://orders.internal:9001\n"
        "c.yaml:7:8: error: upstreams.e.discover: the path of a file is absolute, as in "
        "file:///etc/sallyport/orders.json\n"
        "c.yaml:8:42: error: upstreams.f.discover.interval: `interval` is of DNS: a file has whole URLs, and "
        "is looked at twice a second\n"
        "c.yaml:9:8: error: upstreams.g.discover: it begins with file:///, dns://, dns+srv://, "
        "consul+https:// or k8s://, as in consul+https://consul.internal:8501/orders\n"
        "c.yaml:10:8: error: upstreams.h.discover: endpoints are written or discovered: leave out one of "
        "both\n"
        "c.yaml:10:8: error: upstreams.h.discover: there is no name behind the labels of service and "
        "protocol, as in "
        "dns+srv://_https._tcp.orders.internal\n"
        "c.yaml:11:20: error: upstreams.i.discover.from: an address needs no discovery: write it into "
        "`endpoints`, as in dns://orders.internal:9001\n"
        "c.yaml:12:44: warning: upstreams.j.discover.scheme: requests go to these endpoints without TLS: "
        "anybody on the way can read them, and who answers for those who tell them can have them\n"
        "c.yaml:12:60: error: upstreams.j.protocol: no endpoint is https: it would have no effect; write "
        "`scheme: h2c` for HTTP/2 without TLS\n");
}

static void a_list_of_one_source_is_discovered(void **state)
{
    (void)state;
    struct loading loading;
    loading_init(&loading);
    loading_file(&loading, "c.yaml",
                 SLICE(LISTENER "upstreams:\n"
                                "  a: { endpoints: [dns+srv://order-service.default.svc] }\n"
                                "  b: [file:///etc/b.json]\n"
                                "  c: { endpoints: \"dns://c.test:1\", balance: p2c }\n"));
    struct config *config = loading_load(&loading, NULL, 0);
    assert_told(config, NO_ROUTES);
    const struct settings *settings = &config->settings;
    for (size_t i = 0; i < 3; i++) {
        static const enum discovery_kind kinds[] = { DISCOVERY_SRV, DISCOVERY_FILE, DISCOVERY_DNS };
        assert_non_null(settings->upstreams[i].discover);
        assert_int_equal(settings->upstreams[i].discover->kind, kinds[i]);
        assert_int_equal(settings->upstreams[i].endpoints.count, 0);
    }
    assert_int_equal(settings->upstreams[2].balance, BALANCE_P2C);
    loading_done(&loading);
}

static void a_source_stands_alone(void **state)
{
    (void)state;
    assert_text_tells(
        LISTENER "upstreams:\n"
                 "  a: { endpoints: [dns+srv://a.test, https://a.test] }\n"
                 "  b: { endpoints: [lb://orders] }\n"
                 "  c: { endpoints: [dns://c.test] }\n"
                 "  d: { endpoints: [dns+srv://d.test], discover: dns+srv://d.test }\n",
        NO_ROUTES "c.yaml:3:20: error: upstreams.a.endpoints[0]: this is no server, but where servers are "
                  "found: it stands alone, as in `discover: dns+srv://_https._tcp.orders.internal`\n"
                  "c.yaml:4:20: error: upstreams.b.endpoints[0]: this is no server, but where servers are "
                  "found: it stands alone, as in `discover: dns://orders.internal:9001`\n"
                  "c.yaml:5:20: error: upstreams.c.discover: the port of the endpoints is missing, as in "
                  "dns://orders.internal:9001\n"
                  "c.yaml:6:20: error: upstreams.d.endpoints[0]: this is no server, but where servers are "
                  "found: it stands alone, as in `discover: dns+srv://_https._tcp.orders.internal`\n"
                  "c.yaml:6:39: error: upstreams.d.discover: endpoints are written or discovered: leave out "
                  "one of both\n");
}

static void a_protocol_needs_what_agrees_on_it(void **state)
{
    (void)state;
    assert_text_tells(
        LISTENER "upstreams:\n"
                 "  a: { endpoints: [\"https://localhost:1\", \"h2c://localhost:2\"], protocol: h2 }\n"
                 "  b: { endpoints: [\"https://localhost:1\", \"http://localhost:2\"], protocol: auto }\n"
                 "  c: { endpoints: [\"h2c://localhost:1\"] }\n"
                 "  d: { endpoints: [\"https://localhost:1\", \"http://localhost:2\"], protocol: h2 }\n"
                 "  e: { endpoints: [\"http://localhost:1\"], protocol: auto }\n",
        NO_ROUTES
        "c.yaml:6:43: error: upstreams.d.endpoints[1]: `protocol: h2` is agreed on by TLS, and this endpoint "
        "has none: write h2c:// for HTTP/2 without TLS\n"
        "c.yaml:7:43: error: upstreams.e.protocol: no endpoint is https: `protocol: auto` would have no "
        "effect\n");
}

static void kept_key_sets_are_looked_after(void **state)
{
    (void)state;
    struct loading loading;
    const struct config *config =
        load_text(&loading, LISTENER
                  "jwks_cache: cache\nissuers:\n"
                  "  a: { issuer: a, audiences: [x], jwks_url: https://a.example/keys, jwks_stale: 0s }\n"
                  "  b: { issuer: b, audiences: [x], jwks_url: https://b.example/keys }\n");
    assert_told(config, NO_ROUTES
                "c.yaml:4:69: warning: issuers.a.jwks_stale: with jwks_cache, keys of any age are good at a "
                "start: a key that was withdrawn in the meantime is good until keys are fetched\n");
    assert_int_equal(config->settings.confinement->write_paths.count, 1);
    assert_ptr_equal(config->settings.confinement->write_paths.items[0].ptr, config->settings.jwks_cache.ptr);
    loading_done(&loading);
    assert_told(
        load_text(&loading, LISTENER "jwks_cache: cache\n"), NO_ROUTES
        "c.yaml:2:1: warning: jwks_cache: no issuer's keys are fetched: there is nothing to be kept\n");
    loading_done(&loading);
}

/* Whatever the spelling; names are not looked up. */
static void a_server_stands_once(void **state)
{
    (void)state;
    struct loading loading;
    loading_init(&loading);
    loading_file(&loading, "c.yaml",
                 SLICE(LISTENER
                       "upstreams:\n"
                       "  a: { endpoints: [https://a.example, https://b.example, https://A.example:443] }\n"
                       "  b:\n"
                       "    endpoints:\n"
                       "      - { url: \"https://[::1]:1\" }\n"
                       "      - \"https://[0:0::1]:1\"\n"
                       "      - { url: \"unix:/run/a\" }\n"
                       "      - unix:/run/a\n"
                       "      - unix:/run/b\n"
                       "  c: { endpoints: [\"https://127.0.0.1:1\", \"https://127.0.0.1:2\", "
                       "\"https://127.0.0.2:1\", \"https://localhost:1\", \"https://localhost\"] }\n"
                       "  d: { endpoints: [\"http://127.0.0.1:1\", \"h2c://127.0.0.1:1\"] }\n"
                       "  e: { endpoints: [\"ftp://x\", \"ftp://x\"] }\n"));
#define MORE \
    " already: a larger share of the requests is said there, by `weight: 2` with `balance: weighted`\n"
    assert_told(loading_load(&loading, NULL, 0), NO_ROUTES
                "c.yaml:3:58: error: upstreams.a.endpoints[2]: this server stands at c.yaml:3" MORE
                "c.yaml:7:9: error: upstreams.b.endpoints[1]: this server stands at c.yaml:6" MORE
                "c.yaml:9:9: error: upstreams.b.endpoints[3]: this server stands at c.yaml:8" MORE
                "c.yaml:12:42: error: upstreams.d.endpoints[1]: this server stands at c.yaml:12" MORE
                "c.yaml:13:20: error: upstreams.e.endpoints[0]: an endpoint begins with https://, http://, "
                "h2c:// or unix:/, as in https://10.0.0.5:9001\n"
                "c.yaml:13:31: error: upstreams.e.endpoints[1]: an endpoint begins with https://, http://, "
                "h2c:// or unix:/, as in https://10.0.0.5:9001\n");
#undef MORE
    loading_done(&loading);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_fit_the_algorithms),
        cmocka_unit_test(key_sets_are_read),
        cmocka_unit_test(endpoints_are_parsed),
        cmocka_unit_test(a_server_stands_once),
        cmocka_unit_test(endpoints_are_written_or_discovered),
        cmocka_unit_test(a_list_of_one_source_is_discovered),
        cmocka_unit_test(a_source_stands_alone),
        cmocka_unit_test(a_protocol_needs_what_agrees_on_it),
        cmocka_unit_test(kept_key_sets_are_looked_after),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
