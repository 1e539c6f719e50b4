#include "pipeline/harness.h"

#include "tls/pki.h"

static struct pki ca, site;
static struct tls_certificate_settings certificate;
static struct tls_server_settings tls;

/* The connections come by "plain", which only redirects; "public" serves. */
static int setup(void **state)
{
    harness_setup(state);
    pki_make(&ca, "CA", NULL, NULL, true, 30);
    pki_make(&site, "site", "DNS:api.example.com", &ca, false, 30);
    certificate = (struct tls_certificate_settings){ .cert_pem = pki_cert(&site), .key_pem = pki_key(&site) };
    tls = (struct tls_server_settings){ .certificates = { &certificate, 1 } };
    harness->listeners[0].tls = &tls;
    harness->listeners[1] = (struct listener_settings){
        .name = SLICE_INIT("plain"), .index = 1, .redirect_to_https = true, .https_port = 443
    };
    harness->config->settings.listener_count = 2;
    add_route("all", "/**", &harness->public_auth);
    return 0;
}

static void start_redirecting(void)
{
    harness_start();
    harness->listener.index = 1;
}

static int teardown(void **state)
{
    harness_teardown(state);
    pki_done(&ca);
    pki_done(&site);
    return 0;
}

static void a_plain_request_is_sent_to_https(void **state)
{
    (void)state;
    start_redirecting();
    struct client *client = ask("GET /a/b?c=%20d HTTP/1.1\r\nHost: API.example.com:8080\r\n\r\n");
    assert_int_equal(client->status, 308);
    assert_field(client, "location", "https://api.example.com/a/b?c=%20d");
    assert_int_equal(client->body_size, 0);
    client = ask("HEAD / HTTP/1.1\r\nHost: api.example.com\r\n\r\n");
    assert_int_equal(client->status, 308);
    assert_field(client, "location", "https://api.example.com/");
}

static void another_port_is_named(void **state)
{
    (void)state;
    harness->listeners[1].https_port = 8443;
    start_redirecting();
    struct client *client = ask("GET /a HTTP/1.1\r\nHost: api.example.com\r\n\r\n");
    assert_field(client, "location", "https://api.example.com:8443/a");
}

static void nobody_is_sent_to_a_host_that_is_not_ours(void **state)
{
    (void)state;
    start_redirecting();
    struct client *client = ask("GET /a HTTP/1.1\r\nHost: evil.example.com\r\n\r\n");
    assert_denied(client, DENY_PLAINTEXT);
    assert_no_field(client, "location");
}

/* Its credential has leaked already: that it works after all would hide it. */
static void a_request_with_a_credential_is_not_redirected(void **state)
{
    (void)state;
    static const char *const fields[] = { "Authorization: Bearer x", "Cookie: a=b", "Proxy-Authorization: x",
                                          "DPoP: x" };
    start_redirecting();
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        char text[256];
        snprintf(text, sizeof text, "GET /a HTTP/1.1\r\nHost: api.example.com\r\n%s\r\n\r\n", fields[i]);
        assert_denied(ask(text), DENY_PLAINTEXT);
    }
}

static void an_unsafe_method_is_not_redirected(void **state)
{
    (void)state;
    start_redirecting();
    assert_denied(ask("POST /a HTTP/1.1\r\nHost: api.example.com\r\nContent-Length: 1\r\n\r\n"),
                  DENY_PLAINTEXT);
    assert_denied(ask("OPTIONS /a HTTP/1.1\r\nHost: api.example.com\r\n\r\n"), DENY_PLAINTEXT);
}

/* ---- CORS ---- */

static struct slice origin = SLICE_INIT("https://app.example.com");
static struct cors_settings cors = { .origins = { &origin, 1 } };
static struct slice del = SLICE_INIT("DELETE"), get = SLICE_INIT("GET");

/* Two routes of one path: DELETE may be asked for across origins, GET may not. */
static int setup_cors(void **state)
{
    harness_setup(state);
    struct route_settings *route = add_route("delete", "/orders", &harness->jwt_auth);
    route->match.methods = (struct conf_strings){ &del, 1 };
    route->policy.cors = &cors;
    add_route("get", "/orders", &harness->jwt_auth)->match.methods = (struct conf_strings){ &get, 1 };
    harness_start();
    return 0;
}

static struct client *preflight(const char *from, const char *method)
{
    char text[512];
    snprintf(text, sizeof text,
             "OPTIONS /orders HTTP/1.1\r\nHost: api.example.com\r\nOrigin: %s\r\n"
             "Access-Control-Request-Method: %s\r\n\r\n",
             from, method);
    return ask(text);
}

static void a_preflight_is_answered_for_the_method_that_it_asks_about(void **state)
{
    (void)state;
    struct client *client = preflight("https://app.example.com", "DELETE");
    assert_int_equal(client->status, 204);
    assert_int_equal(client->framing, BODY_NONE);
    assert_field(client, "access-control-allow-origin", "https://app.example.com");
    assert_field(client, "access-control-allow-methods", "DELETE");
    /* The other method's route has no CORS, and OPTIONS has no route. */
    assert_denied(preflight("https://app.example.com", "GET"), DENY_METHOD_NOT_ALLOWED);
}

static void a_preflight_from_elsewhere_is_denied(void **state)
{
    (void)state;
    struct client *client = preflight("https://evil.example.com", "DELETE");
    assert_denied(client, DENY_CORS_ORIGIN);
    assert_no_field(client, "access-control-allow-origin");
}

/* A request that only looks like a preflight is never passed on under another method's policy. */
static void a_preflight_reaches_no_upstream(void **state)
{
    (void)state;
    preflight("https://app.example.com", "DELETE");
    preflight("https://evil.example.com", "DELETE");
    preflight("https://app.example.com", "GET");
    assert_false(upstream_accept());
}

static void an_answer_says_who_may_read_it(void **state)
{
    (void)state;
    struct client *client =
        ask("DELETE /orders HTTP/1.1\r\nHost: api.example.com\r\nOrigin: https://app.example.com\r\n\r\n");
    assert_denied(client, DENY_CREDENTIAL_MISSING);
    assert_field(client, "access-control-allow-origin", "https://app.example.com");
    client =
        ask("DELETE /orders HTTP/1.1\r\nHost: api.example.com\r\nOrigin: https://evil.example.com\r\n\r\n");
    assert_denied(client, DENY_CREDENTIAL_MISSING);
    assert_no_field(client, "access-control-allow-origin");
}

int main(void)
{
#define TEST(name)      cmocka_unit_test_setup_teardown(name, setup, teardown)
#define CORS_TEST(name) cmocka_unit_test_setup_teardown(name, setup_cors, harness_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_plain_request_is_sent_to_https),
        TEST(another_port_is_named),
        TEST(nobody_is_sent_to_a_host_that_is_not_ours),
        TEST(a_request_with_a_credential_is_not_redirected),
        TEST(an_unsafe_method_is_not_redirected),
        CORS_TEST(a_preflight_is_answered_for_the_method_that_it_asks_about),
        CORS_TEST(a_preflight_from_elsewhere_is_denied),
        CORS_TEST(a_preflight_reaches_no_upstream),
        CORS_TEST(an_answer_says_who_may_read_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
