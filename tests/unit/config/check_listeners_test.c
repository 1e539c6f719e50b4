#include "loading.h"

#define NO_ROUTES "c.yaml:1:1: warning: there are no routes: every request is answered 404\n"

static void addresses_and_ports(void **state)
{
    (void)state;
    assert_text_tells(
        "listeners:\n"
        "  a: { address: localhost, port: 1, exposure: internal, plaintext: allow }\n"
        "  b: { address: 127.0.0.1, port: 2, plaintext: allow }\n"
        "  c: { address: 127.0.0.1, port: 2, plaintext: allow }\n"
        "  d: { address: \"::1\", port: 0, plaintext: allow }\n"
        "  e: { address: \"::1\", port: 0, plaintext: allow }\n"
        "  f: { port: 70000, plaintext: allow, address: 127.0.0.2 }\n"
        "  g: { plaintext: allow, address: 127.0.0.3 }\n",
        NO_ROUTES
        "c.yaml:2:8: error: listeners.a.address: an IP address is wanted here, not \"localhost\", as in "
        "\"address: 0.0.0.0\"\n"
        "c.yaml:4:28: error: listeners.c.port: listener \"b\" has the same address and port (c.yaml:3)\n"
        "c.yaml:7:8: error: listeners.f.port: a whole number from 0 to 65535 is wanted here, not \"70000\", "
        "as in \"port: 10\"\n"
        "c.yaml:8:3: error: listeners.g: port is missing, as in \"port: 8443\", or path, as in \"path: "
        "/run/sallyport/public.sock\"\n");
}

static void paths(void **state)
{
    (void)state;
    assert_text_tells(
        "listeners:\n"
        "  a: { path: run/a.sock, plaintext: allow }\n"
        "  b: { path: /run/b.sock, port: 2, plaintext: allow }\n"
        "  c: { path: /run/c.sock, mode: 0800, plaintext: allow }\n"
        "  d: { path: /run/c.sock, mode: 0600, plaintext: allow }\n"
        "  e: { address: 127.0.0.1, port: 5, mode: 0600, group: www-data, plaintext: allow }\n"
        "  f: { path: /run/f.sock, plaintext: allow, proxy_protocol: required }\n"
        "  g: { path: /run/g.sock, plaintext: allow, proxy_protocol: required, trusted_proxies: unix }\n"
        "  h: { address: 127.0.0.1, port: 6, plaintext: allow, forwarded: forwarded, trusted_proxies: unix "
        "}\n"
        "  i: { path: /run/i.sock }\n",
        NO_ROUTES
        "c.yaml:2:8: error: listeners.a.path: an absolute path of at most 107 bytes is wanted here, as in "
        "\"path: /run/sallyport/public.sock\"\n"
        "c.yaml:3:8: error: listeners.b.path: a listener has a path, or an address and port, not both\n"
        "c.yaml:4:27: error: listeners.c.mode: an octal mode is wanted here, not \"0800\", as in \"mode: "
        "0660\"\n"
        "c.yaml:5:8: error: listeners.d.path: listener \"c\" has the same path (c.yaml:4)\n"
        "c.yaml:6:3: error: listeners.e: group is of a Unix socket's file: there is no path\n"
        "c.yaml:6:3: error: listeners.e: mode is of a Unix socket's file: there is no path\n"
        "c.yaml:7:45: error: listeners.f.proxy_protocol: trusted_proxies is missing: nobody could connect, "
        "as "
        "in \"trusted_proxies: [unix]\"\n"
        "c.yaml:9:77: error: listeners.h.trusted_proxies: `unix` is who connects by the listener's path, and "
        "there is none\n"
        "c.yaml:10:3: error: listeners.i: has no tls: add certificates, or redirect_to_https: true, or "
        "plaintext: allow\n");
}

static void without_tls_it_must_say_what_it_is_for(void **state)
{
    (void)state;
    assert_text_tells(
        "listeners:\n"
        "  a: { port: 1 }\n"
        "  b: { port: 2, redirect_to_https: true }\n"
        "  c: { port: 3, status: true, exposure: internal }\n"
        "  d: { port: 4, status: true }\n"
        "  e: { port: 5, redirect_to_https: true, plaintext: allow }\n"
        "  f: { port: 6, plaintext: allow }\n"
        "  g: { port: 7, plaintext: allow, exposure: internal }\n",
        NO_ROUTES
        "c.yaml:2:3: error: listeners.a: has no tls: add certificates, or redirect_to_https: true, or "
        "plaintext: allow\n"
        "c.yaml:5:17: error: listeners.d.status: status pages are for the inside: say exposure: internal\n"
        "c.yaml:6:17: error: listeners.e.redirect_to_https: a listener that redirects does nothing else: "
        "neither plaintext: allow nor status\n"
        "c.yaml:6:42: warning: listeners.e.plaintext: credentials will come in plain text from outside\n"
        "c.yaml:7:17: warning: listeners.f.plaintext: credentials will come in plain text from outside\n");
}

static void one_source_of_the_client_address(void **state)
{
    (void)state;
    assert_text_tells(
        "listeners:\n"
        "  a: { address: 127.0.0.1, port: 1, plaintext: allow, proxy_protocol: required }\n"
        "  b: { address: 127.0.0.1, port: 2, plaintext: allow, proxy_protocol: required, trusted_proxies: "
        "10.0.0.1 }\n"
        "  c: { address: 127.0.0.1, port: 3, plaintext: allow, proxy_protocol: required, trusted_proxies: "
        "10.0.0.1, forwarded: forwarded }\n"
        "  d: { port: 4, status: true, exposure: internal, proxy_protocol: required, trusted_proxies: "
        "10.0.0.1 }\n"
        "  e: { address: 127.0.0.1, port: 5, plaintext: allow, proxy_protocol: optional, trusted_proxies: "
        "10.0.0.1 }\n",
        NO_ROUTES
        "c.yaml:2:55: error: listeners.a.proxy_protocol: trusted_proxies is missing: nobody could connect, "
        "as in \"trusted_proxies: [10.0.0.0/8]\"\n"
        "c.yaml:4:55: error: listeners.c.proxy_protocol: there is one source of the client's address: "
        "proxy_protocol or forwarded, not both\n"
        "c.yaml:5:51: error: listeners.d.proxy_protocol: status pages are asked for directly, not through a "
        "proxy\n"
        "c.yaml:6:55: error: listeners.e.proxy_protocol: one of none, required is wanted here, not "
        "\"optional\"\n"
        "c.yaml:6:81: error: listeners.e.trusted_proxies: forwarded is missing: say x_forwarded or "
        "forwarded, "
        "whichever these proxies send, or proxy_protocol: required\n");
}

static void http2_without_tls_is_for_the_inside(void **state)
{
    (void)state;
    assert_text_tells(
        "listeners:\n"
        "  a: { address: 127.0.0.1, port: 1, plaintext: allow, h2c: true, exposure: internal }\n"
        "  b: { address: 127.0.0.1, port: 2, plaintext: allow, h2c: true }\n"
        "  c: { address: 127.0.0.1, port: 3, redirect_to_https: true, h2c: true, exposure: internal }\n"
        "  d: { address: 127.0.0.1, port: 4, plaintext: allow, h2c: true, exposure: internal, protocols: "
        "[http/1.1] }\n"
        "  e: { address: 127.0.0.1, port: 5, plaintext: allow, protocols: [h2] }\n"
        "  f: { address: 127.0.0.1, port: 6, plaintext: allow, protocols: [h3] }\n"
        "  g: { address: 127.0.0.1, port: 7, plaintext: allow, protocols: [] }\n",
        NO_ROUTES "c.yaml:3:55: error: listeners.b.h2c: HTTP/2 without TLS is for the inside: say exposure: "
                  "internal, or use tls\n"
                  "c.yaml:4:62: error: listeners.c.h2c: h2c needs plaintext: allow\n"
                  "c.yaml:5:55: error: listeners.d.h2c: protocols does not name h2\n"
                  "c.yaml:6:55: error: listeners.e.protocols: without tls or h2c nobody can speak h2 here\n"
                  "c.yaml:7:67: error: listeners.f.protocols[0]: one of http/1.1, h2 is wanted here, not "
                  "\"h3\"; did you mean \"h2\"?\n"
                  "c.yaml:8:55: error: listeners.g.protocols: must not be empty; a list of http/1.1, h2 is "
                  "wanted here\n");
}

static void proxies_and_limits(void **state)
{
    (void)state;
    assert_text_tells("listeners:\n"
                      "  a: { address: 127.0.0.1, port: 1, plaintext: allow, trusted_proxies: [10.0.0.0/8, "
                      "10.0.0.1/8, x], forwarded: "
                      "x_forwarded }\n"
                      "  b: { address: 127.0.0.1, port: 2, plaintext: allow, forwarded: forwarded }\n"
                      "  c: { address: 127.0.0.1, port: 3, plaintext: allow, trusted_proxies: 10.0.0.1 }\n"
                      "  d:\n"
                      "    address: 127.0.0.1\n"
                      "    port: 4\n"
                      "    plaintext: allow\n"
                      "    limits:\n"
                      "      - { limit: 1/1s, by: address }\n"
                      "      - { limit: 1/1s, by: caller }\n"
                      "      - { limit: 1/1s, by: nonsense }\n"
                      "      - { by: address }\n",
                      NO_ROUTES
                      "c.yaml:2:85: error: listeners.a.trusted_proxies[1]: an address or prefix is wanted "
                      "here, not \"10.0.0.1/8\", as in "
                      "10.0.0.0/8; no bits may be set behind it\n"
                      "c.yaml:2:97: error: listeners.a.trusted_proxies[2]: an address or prefix is wanted "
                      "here, not \"x\", as in "
                      "10.0.0.0/8; no bits may be set behind it\n"
                      "c.yaml:3:55: error: listeners.b.forwarded: trusted_proxies is missing: nobody's "
                      "headers would count\n"
                      "c.yaml:4:55: error: listeners.c.trusted_proxies: forwarded is missing: say "
                      "x_forwarded or forwarded, whichever "
                      "these proxies send, or proxy_protocol: required\n"
                      "c.yaml:11:24: error: listeners.d.limits[1].by: a listener does not know callers yet: "
                      "count by address, header or "
                      "route\n"
                      "c.yaml:12:9: error: listeners.d.limits[2]: `by` is address, caller, claims.NAME, "
                      "header:NAME or route\n"
                      "c.yaml:13:9: error: listeners.d.limits[3]: a limit says one of limit and rate\n");
}

static void load_tls(struct loading *loading, const char *text, long from, long to)
{
    char *cert, *key, *other_cert, *other_key;
    make_certificate(from, to, &cert, &key);
    make_certificate(from, to, &other_cert, &other_key);
    loading_init(loading);
    loading_file(loading, "c.yaml", slice_from_string(text));
    loading_file(loading, "cert.pem", slice_from_string(cert));
    loading_file(loading, "key.pem", slice_from_string(key));
    loading_file(loading, "other.key", slice_from_string(other_key));
    loading_file(loading, "junk.pem", SLICE("junk\n"));
    loading_file(loading, "empty.pem", SLICE(""));
    loading_load(loading, NULL, 0);
    free(cert);
    free(key);
    free(other_cert);
    free(other_key);
}

static void certificates_are_tried(void **state)
{
    (void)state;
    struct loading loading;
    load_tls(&loading,
             "listeners: { a: { port: 1, tls: { certificates: [{ cert: cert.pem, key: key.pem }] } } }\n",
             -60, 3600);
    assert_told(loading.config, NO_ROUTES);
    loading_done(&loading);

    load_tls(&loading,
             "listeners:\n"
             "  a: { port: 1, tls: { certificates: [{ cert: absent.pem, key: empty.pem }] } }\n"
             "  b: { port: 2, tls: { certificates: [{ cert: cert.pem, key: key.pem }, { cert: cert.pem, key: "
             "other.key }] } }\n"
             "  c: { port: 3, tls: { certificates: [{ cert: cert.pem, key: key.pem }], client_ca: junk.pem, "
             "client_certificate: required } }\n"
             "  d: { port: 4, tls: { certificates: [{ cert: cert.pem, key: key.pem }], client_certificate: "
             "required } }\n"
             "  e: { port: 5, redirect_to_https: true, tls: { certificates: [{ cert: cert.pem, key: key.pem "
             "}] } }\n"
             "  f: { port: 6, plaintext: allow, tls: { certificates: [{ cert: cert.pem, key: key.pem }] } }\n"
             "  g: { port: 7, tls: {} }\n",
             -60, 3600);
    struct buffer out;
    buffer_init(&out, 65536);
    config_print_diagnostics(loading.config, &out);
    struct slice told = buffer_slice(&out);
    static const char *const lines[] = {
        "c.yaml:2:41: error: listeners.a.tls.certificates[0].cert: absent.pem: ",
        "c.yaml:2:59: error: listeners.a.tls.certificates[0].key: empty.pem is empty\n",
        "c.yaml:3:91: error: listeners.b.tls.certificates[1].key: `key` does not belong to `cert` (other",
        "c.yaml:4:74: error: listeners.c.tls.client_ca: the CA file holds no certificate in PEM (junk.pem)\n",
        "c.yaml:5:39: error: listeners.d.tls.certificates[0]: ",
        "c.yaml:6:42: error: listeners.e.tls: a listener that redirects to https has no tls of its own\n",
        "c.yaml:7:17: error: listeners.f.plaintext: a listener with tls cannot allow plaintext too\n",
        "c.yaml:8:17: error: listeners.g.tls: certificates is missing: every listener TLS needs it",
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        if (!slice_contains(told, slice_from_string(lines[i]))) {
            fail_msg("no \"%s\" in:\n%.*s", lines[i], SLICE_ARG(told));
        }
    }
    assert_int_equal(loading.config->error_count, 8);
    buffer_done(&out);
    loading_done(&loading);
}

static void dates_are_warned_of(void **state)
{
    (void)state;
    struct loading loading;
    static const char text[] =
        "listeners: { a: { port: 1, tls: { certificates: [{ cert: cert.pem, key: key.pem }] } } }\n";
    load_tls(&loading, text, -7200, -3600);
    assert_told(loading.config, NO_ROUTES
                "c.yaml:1:52: warning: listeners.a.tls.certificates[0].cert: the certificate has expired\n");
    loading_done(&loading);
    load_tls(&loading, text, 3600, 7200);
    assert_told(
        loading.config, NO_ROUTES
        "c.yaml:1:52: warning: listeners.a.tls.certificates[0].cert: the certificate is not valid yet\n");
    loading_done(&loading);
}

static void there_are_at_most_64(void **state)
{
    (void)state;
    struct buffer text;
    buffer_init(&text, 65536);
    buffer_append(&text, SLICE("listeners:\n"));
    for (int i = 0; i < 65; i++) {
        buffer_printf(&text, "  l%d: { port: %d, plaintext: allow, address: 127.0.0.1 }\n", i, i + 1);
    }
    buffer_append_char(&text, '\0');
    assert_text_tells(text.data, "c.yaml:1:1: error: listeners: more than 64 listeners\n" NO_ROUTES);
    buffer_done(&text);
}

static void rates_of_handshakes(void **state)
{
    (void)state;
    assert_text_tells(
        "listeners: { a: { port: 1, plaintext: allow, address: 127.0.0.1, handshakes: 0/1s } }\n", NO_ROUTES
        "c.yaml:1:66: error: listeners.a.handshakes: a rate from 1 to 1000000 per duration (ms, s, m, h, d) "
        "is wanted here, not \"0/1s\", as in \"handshakes: 500/1s\"\n");
    assert_text_tells(
        "listeners: { a: { port: 1, plaintext: allow, address: 127.0.0.1, handshakes_per_address: 5/1ms } "
        "}\n",
        NO_ROUTES
        "c.yaml:1:66: error: listeners.a.handshakes_per_address: the time of a limit is between 10ms and "
        "30d\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_and_ports),
        cmocka_unit_test(paths),
        cmocka_unit_test(without_tls_it_must_say_what_it_is_for),
        cmocka_unit_test(one_source_of_the_client_address),
        cmocka_unit_test(http2_without_tls_is_for_the_inside),
        cmocka_unit_test(proxies_and_limits),
        cmocka_unit_test(certificates_are_tried),
        cmocka_unit_test(dates_are_warned_of),
        cmocka_unit_test(there_are_at_most_64),
        cmocka_unit_test(rates_of_handshakes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
