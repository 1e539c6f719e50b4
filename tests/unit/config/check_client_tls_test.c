#include "loading.h"

#define LISTENER "listeners: { public: { address: 127.0.0.1, port: 8080, plaintext: allow } }\n"
#define PLAIN \
    "without TLS a server proves no SPIFFE ID: write https://, or make this endpoint a service of its own\n"
#define NO_ROUTES "c.yaml:1:1: warning: there are no routes: every request is answered 404\n"

static void outgoing_tls_is_tried(void **state)
{
    (void)state;
    struct loading loading;
    char *cert, *key;
    make_certificate(-60, 3600, &cert, &key);
    loading_init(&loading);
    loading_file(&loading, "ca.pem", slice_from_string(cert));
    loading_file(&loading, "key.pem", slice_from_string(key));
    loading_file(&loading, "junk.pem", SLICE("junk"));
    loading_file(
        &loading, "c.yaml",
        SLICE(LISTENER
              "upstreams:\n"
              "  a: { endpoints: https://a.example, tls: { ca: ca.pem, cert: ca.pem, key: key.pem } }\n"
              "  b: { endpoints: https://a.example, tls: { ca: junk.pem } }\n"
              "issuers: { c: { issuer: c, audiences: [a], jwks_url: https://c.example/k, jwks_tls: { ca: "
              "junk.pem } } }\n"));
    struct config *config = loading_load(&loading, NULL, 0);
    assert_int_equal(config->error_count, 2);
    struct buffer out;
    buffer_init(&out, 65536);
    config_print_diagnostics(config, &out);
    assert_true(
        slice_contains(buffer_slice(&out),
                       SLICE("upstreams.b.tls.ca: the CA file holds no certificate in PEM (junk.pem)\n")));
    assert_true(
        slice_contains(buffer_slice(&out),
                       SLICE("issuers.c.jwks_tls.ca: the CA file holds no certificate in PEM (junk.pem)\n")));
    buffer_done(&out);
    loading_done(&loading);
    free(cert);
    free(key);
}

/* `text`, beside a certificate that holds from `from` to `to` (seconds from now), told as `refuse_expired` says. */
static void assert_dated_tells(long from, long to, bool refuse_expired, const char *text,
                               const char *expected)
{
    struct loading loading;
    char *cert, *key;
    const struct config_options options = { .path = SLICE("c.yaml"), .refuse_expired = refuse_expired };
    make_certificate(from, to, &cert, &key);
    loading_init(&loading);
    loading_file(&loading, "own.crt", slice_from_string(cert));
    loading_file(&loading, "own.key", slice_from_string(key));
    loading_file(&loading, "c.yaml", slice_from_string(text));
    assert_ok(config_load(&options, loading.files, &loading.config));
    assert_told(loading.config, expected);
    loading_done(&loading);
    free(cert);
    free(key);
}

/* Of one team's service: the others start. Who asks before, is refused. */
static void an_expired_certificate_is_an_error_to_who_asks_before(void **state)
{
    (void)state;
    static const char text[] = LISTENER
        "upstreams: { a: { endpoints: https://a.example, tls: { cert: own.crt, key: own.key } } }\n"
        "authorizers: { b: { contract: ext_authz, url: https://b.example, tls: { cert: own.crt, key: "
        "own.key } } }\n";
#define EXPIRED                                                                                       \
    "the client certificate has expired, and servers that ask for one refuse it: put a new one, and " \
    "its key, in their place, and reload\n"
    assert_dated_tells(-7200, -3600, false, text,
                       NO_ROUTES "c.yaml:2:56: warning: upstreams.a.tls.cert: " EXPIRED
                                 "c.yaml:3:73: warning: authorizers.b.tls.cert: " EXPIRED);
    assert_dated_tells(-7200, -3600, true, text,
                       NO_ROUTES "c.yaml:2:56: error: upstreams.a.tls.cert: " EXPIRED
                                 "c.yaml:3:73: error: authorizers.b.tls.cert: " EXPIRED);
    assert_dated_tells(3600, 7200, true, text,
                       NO_ROUTES
                       "c.yaml:2:56: warning: upstreams.a.tls.cert: the certificate is not valid yet\n"
                       "c.yaml:3:73: warning: authorizers.b.tls.cert: the certificate is not valid "
                       "yet\n");
    assert_dated_tells(-60, 3600, true, text, NO_ROUTES);
}

/* It would get the requests without proving anything. */
static void an_endpoint_without_tls_has_no_spiffe_id(void **state)
{
    (void)state;
    assert_dated_tells(
        -60, 3600, true,
        LISTENER
        "upstreams:\n"
        "  a: { endpoints: [https://a.example, \"http://127.0.0.1:1\", unix:/run/a.sock], tls: { ca: "
        "own.crt, spiffe_trust_domain: example.org } }\n"
        "  b: { endpoints: [https://a.example, \"http://127.0.0.1:1\"], tls: { ca: own.crt } }\n",
        NO_ROUTES "c.yaml:3:39: error: upstreams.a.endpoints[1]: " PLAIN
                  "c.yaml:3:61: error: upstreams.a.endpoints[2]: " PLAIN);
}

static void spiffe_ids_are_checked(void **state)
{
    (void)state;
#define WANTED                                                                                             \
    "SPIFFE ID of a workload: spiffe://trust-domain/path is wanted, without a star, port, query or slash " \
    "at "                                                                                                  \
    "the end; for all of a trust domain there is spiffe_trust_domain\n"
    assert_dated_tells(
        -60, 3600, true,
        LISTENER
        "upstreams:\n"
        "  a: { endpoints: https://a.example, tls: { ca: own.crt, spiffe_ids: spiffe://example.org/a } }\n"
        "  b: { endpoints: https://a.example, tls: { ca: own.crt, spiffe_trust_domain: example.org } }\n"
        "  c: { endpoints: https://a.example, tls: { ca: own.crt, spiffe_ids: [spiffe://example.org/a, "
        "\"spiffe://example.org/ns/*\", spiffe://example.org] } }\n"
        "  d: { endpoints: https://a.example, tls: { ca: own.crt, spiffe_trust_domain: spiffe://example.org "
        "} }\n"
        "  e: { endpoints: https://a.example, tls: { spiffe_ids: [spiffe://example.org/a] } }\n"
        "  f: { endpoints: https://a.example, tls: { ca: own.crt, spiffe_ids: [spiffe://example.org/a], "
        "spiffe_trust_domain: example.org } }\n"
        "  g: { endpoints: https://a.example, tls: { ca: own.crt, spiffe_ids: [] } }\n"
        "issuers: { h: { issuer: h, audiences: [a], jwks_url: https://c.example/k, jwks_tls: { spiffe_ids: "
        "[spiffe://example.org/a] } } }\n",
        NO_ROUTES
        "c.yaml:5:95: error: upstreams.c.tls.spiffe_ids[1]: \"spiffe://example.org/ns/*\" is no " WANTED
        "c.yaml:5:124: error: upstreams.c.tls.spiffe_ids[2]: \"spiffe://example.org\" is no " WANTED
        "c.yaml:6:58: error: upstreams.d.tls.spiffe_trust_domain: \"spiffe://example.org\" is no trust "
        "domain: "
        "lower-case letters, digits, \".\", \"-\" and \"_\" are, as in example.org, without spiffe://\n"
        "c.yaml:7:38: error: upstreams.e.tls: `ca` is missing, as in \"ca: mesh-ca.crt\": whose certificates "
        "say "
        "which SPIFFE ID a server has\n"
        "c.yaml:8:38: error: upstreams.f.tls: `spiffe_ids` and `spiffe_trust_domain` are both given: keep "
        "one\n"
        "c.yaml:9:58: error: upstreams.g.tls.spiffe_ids: must not be empty; a text or a list of texts is "
        "wanted "
        "here\n"
        "c.yaml:10:87: error: issuers.h.jwks_tls.spiffe_ids: unknown key; known here: ca, server_name, cert, "
        "key, min_version\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(outgoing_tls_is_tried),
        cmocka_unit_test(an_expired_certificate_is_an_error_to_who_asks_before),
        cmocka_unit_test(spiffe_ids_are_checked),
        cmocka_unit_test(an_endpoint_without_tls_has_no_spiffe_id),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
