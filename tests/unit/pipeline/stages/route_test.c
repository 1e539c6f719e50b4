#include "pipeline/harness.h"

#include "tls/pki.h"

static struct pki ca, lax, strict;
static struct tls_certificate_settings certificates[2];
static struct tls_server_settings tls;
static struct slice post = SLICE_INIT("POST");

/* Two hosts of one TLS listener: one asks for no certificate, the other demands one. */
static int setup(void **state)
{
    harness_setup(state);
    pki_make(&ca, "CA", NULL, NULL, true, 30);
    pki_make(&lax, "lax", "DNS:api.example.com", &ca, false, 30);
    pki_make(&strict, "strict", "DNS:bank.example.com", &ca, false, 30);
    certificates[0] = (struct tls_certificate_settings){ .cert_pem = pki_cert(&lax),
                                                         .key_pem = pki_key(&lax),
                                                         .client_certificate = TLS_CLIENT_NONE };
    certificates[1] = (struct tls_certificate_settings){ .cert_pem = pki_cert(&strict),
                                                         .key_pem = pki_key(&strict),
                                                         .client_ca_pem = pki_cert(&ca),
                                                         .client_certificate = TLS_CLIENT_REQUIRED };
    tls = (struct tls_server_settings){ .certificates = { certificates, 2 } };
    harness->listeners[0].tls = &tls;
    add_route("lax", "/**", &harness->public_auth);
    static struct slice bank = SLICE_INIT("bank.example.com");
    add_route("strict", "/**", &harness->public_auth)->match.host = (struct conf_strings){ &bank, 1 };
    harness_start();
    return 0;
}

static int teardown(void **state)
{
    harness_teardown(state);
    pki_done(&ca);
    pki_done(&lax);
    pki_done(&strict);
    return 0;
}

/* A request on a connection whose handshake was made under the policy of `shaken`. */
static struct client *ask_on(const char *shaken, const char *host)
{
    char text[512];
    struct client *client = client_new();
    client->facts.is_tls = true;
    client->facts.tls = (struct tls_facts){
        .version = "TLSv1.3",
        .policy = tls_policy_of_host(harness->worker.current->tls[0], slice_from_string(shaken)),
    };
    snprintf(text, sizeof text, "GET /a HTTP/1.1\r\nHost: %s\r\n\r\n", host);
    client_asks(client, text);
    return client;
}

static void the_policy_of_the_handshake_must_be_the_hosts(void **state)
{
    (void)state;
    assert_denied(ask_on("api.example.com", "bank.example.com"), DENY_MISDIRECTED);
    assert_denied(ask_on("api.example.com", "BANK.example.com"), DENY_MISDIRECTED);
    assert_denied(ask_on("api.example.com", "bank.example.com."), DENY_MISDIRECTED);
    assert_denied(ask_on("bank.example.com", "api.example.com"), DENY_MISDIRECTED);
    assert_int_equal(ask_on("api.example.com", "api.example.com")->heads, 0);
    assert_int_equal(ask_on("bank.example.com", "bank.example.com")->heads, 0);
}

static void a_host_that_nobody_serves_is_misdirected(void **state)
{
    (void)state;
    assert_denied(ask_on("api.example.com", "other.example.com"), DENY_MISDIRECTED);
}

static int setup_plain(void **state)
{
    harness_setup(state);
    add_route("post", "/orders", &harness->public_auth)->match.methods = (struct conf_strings){ &post, 1 };
    harness_start();
    return 0;
}

static struct client *ask_plain(const char *line, const char *host)
{
    char text[512];
    snprintf(text, sizeof text, "%s HTTP/1.1\r\nHost: %s\r\n\r\n", line, host);
    return ask(text);
}

static void what_has_no_route_is_404(void **state)
{
    (void)state;
    assert_denied(ask_plain("POST /orders", "other.example.com"), DENY_NO_ROUTE);
    assert_denied(ask_plain("POST /other", "api.example.com"), DENY_NO_ROUTE);
    assert_denied(ask_plain("OPTIONS *", "api.example.com"), DENY_NO_ROUTE);
    assert_int_equal(ask_plain("POST /orders", "api.example.com")->heads, 0);
}

static void a_method_that_the_path_lacks_is_405(void **state)
{
    (void)state;
    struct client *client = ask_plain("GET /orders", "api.example.com");
    assert_denied(client, DENY_METHOD_NOT_ALLOWED);
    assert_field(client, "allow", "POST");
}

/* What a path needs is asked of its route; where there is none, nothing is allowed. */
static void an_encoded_slash_is_refused_without_a_route_too(void **state)
{
    (void)state;
    assert_denied(ask_plain("POST /orders%2fx", "api.example.com"), DENY_BAD_PATH);
    assert_denied(ask_plain("POST /orders%2fx", "other.example.com"), DENY_BAD_PATH);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_policy_of_the_handshake_must_be_the_hosts, setup, teardown),
        cmocka_unit_test_setup_teardown(a_host_that_nobody_serves_is_misdirected, setup, teardown),
        cmocka_unit_test_setup_teardown(what_has_no_route_is_404, setup_plain, harness_teardown),
        cmocka_unit_test_setup_teardown(a_method_that_the_path_lacks_is_405, setup_plain, harness_teardown),
        cmocka_unit_test_setup_teardown(an_encoded_slash_is_refused_without_a_route_too, setup_plain,
                                        harness_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
