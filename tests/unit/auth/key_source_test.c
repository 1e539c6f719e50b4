#include "auth/key_source_fixture.h"

static void test_fetches_at_once_and_again(void **state)
{
    (void)state;
    struct issuer_settings issuer = issuer_at("http://127.0.0.1:%/keys");
    issuer.jwks_refresh = 30 * NS_PER_MS;
    assert_ok(key_source_set(source, &issuer, 1));
    memset(&issuer, 0xaa, sizeof issuer); /* nothing of it is kept */
    memset(url_text, 'x', sizeof url_text);
    wait_for(&fetched, 1);
    assert_non_null(strstr(last_text, "\"kid\":\"1\""));
    assert_string_equal(last_issuer, "main");
    wait_for(&fetched, 3);
    assert_non_null(strstr(last_text, "\"kid\":\"3\""));
    assert_int_equal(failed_count, 0);
}

static void expect_failure(const char *format, const char *why)
{
    struct issuer_settings issuer = issuer_at(format);
    unsigned int before = failed_count;
    assert_ok(key_source_set(source, &issuer, 1));
    wait_for(&failed_count, before + 1);
    if (strstr(last_text, why) == NULL) {
        fail_msg("%s: not \"%s\" but \"%s\"", format, why, last_text);
    }
    assert_int_equal(fetched, 0);
    assert_ok(key_source_set(source, NULL, 0));
}

/* T18: whoever can make the key server redirect must not choose where keys come from. */
static void test_no_redirect(void **state)
{
    (void)state;
    expect_failure("http://127.0.0.1:%/redirect", "answered 302");
    assert_int_equal(server.keys_requests, 0);
    assert_int_equal(server.requests, 1);
}

/* T18: a document of 50 MB is cut off while it comes. */
static void test_size_is_capped(void **state)
{
    (void)state;
    expect_failure("http://127.0.0.1:%/big", "too large");
    expect_failure("http://127.0.0.1:%/big-length", "too large");
    expect_failure("http://127.0.0.1:%/big-head", "");
    expect_failure("http://127.0.0.1:%/404",
                   "answered 404"); /* the server is free again: its counter stands */
    assert_true(__atomic_load_n(&server.sent, __ATOMIC_SEQ_CST) < KEY_SERVER_BIG);
}

static void test_the_largest_document_passes(void **state)
{
    (void)state;
    struct issuer_settings issuer = issuer_at("http://127.0.0.1:%/exact");
    server.exact_size = JWKS_TEXT_MAX;
    assert_ok(key_source_set(source, &issuer, 1));
    wait_for(&fetched, 1);
    assert_ok(key_source_set(source, NULL, 0));
    server.exact_size = JWKS_TEXT_MAX + 1;
    assert_ok(key_source_set(source, &issuer, 1));
    wait_for(&failed_count, 1);
    assert_string_equal(last_text, "the document is too large");
}

static void test_only_key_sets_pass(void **state)
{
    (void)state;
    expect_failure("http://127.0.0.1:%/html", "not JSON");
    expect_failure("http://127.0.0.1:%/array", "no key set");
    expect_failure("http://127.0.0.1:%/no-list", "no key set");
    expect_failure("http://127.0.0.1:%/twice", "not JSON");
    expect_failure("http://127.0.0.1:%/404", "answered 404");
    expect_failure("http://127.0.0.1:%/http09", "");
}

static void test_only_https_or_loopback(void **state)
{
    (void)state;
    expect_failure("http://192.0.2.1:%/keys", "loopback only");
    expect_failure("http://keys.example.com:%/keys", "loopback only");
    expect_failure("http://localhost.example.com:%/keys", "loopback only");
    expect_failure("ftp://127.0.0.1:%/keys", "not https");
    expect_failure("file:///etc/passwd?%", "");
    expect_failure("https://user:secret@127.0.0.1:%/keys", "malformed");
    expect_failure("gopher://127.0.0.1:%/keys", "");
    assert_int_equal(server.requests, 0);
    struct issuer_settings issuer = issuer_at("http://localhost:%/keys");
    assert_ok(key_source_set(source, &issuer, 1));
    wait_for(&fetched, 1);
}

/* A proxy that the environment names would see, and could change, the keys. */
static void test_the_environment_names_no_proxy(void **state)
{
    (void)state;
    struct issuer_settings issuer = issuer_at("http://127.0.0.1:%/keys");
    setenv("http_proxy", "http://127.0.0.1:1/", 1);
    setenv("ALL_PROXY", "http://127.0.0.1:1/", 1);
    assert_ok(key_source_set(source, &issuer, 1));
    wait_for(&fetched, 1);
    unsetenv("http_proxy");
    unsetenv("ALL_PROXY");
    assert_int_equal(failed_count, 0);
}

static void test_time_is_capped(void **state)
{
    (void)state;
    struct issuer_settings issuer = issuer_at("http://127.0.0.1:%/slow");
    issuer.jwks_timeout = 50 * NS_PER_MS;
    assert_ok(key_source_set(source, &issuer, 1));
    wait_for(&failed_count, 1);
    assert_non_null(strstr(last_text, "timed out"));
}

/* T19: ten thousand tokens with invented kids cause as many fetches as the interval allows. */
static void test_a_flood_of_unknown_kids(void **state)
{
    (void)state;
    const int64_t interval = 100 * NS_PER_MS;
    struct issuer_settings issuer = issuer_at("http://127.0.0.1:%/keys");
    issuer.jwks_unknown_kid_interval = interval;
    int64_t began = clock_monotonic_ns();
    assert_ok(key_source_set(source, &issuer, 1));
    wait_for(&fetched, 1);
    for (int i = 0; i < 100; i++) {
        for (int k = 0; k < 100; k++) {
            key_source_unknown_kid(source, SLICE("main"));
            key_source_unknown_kid(source, SLICE("nobody"));
        }
        run_for(4 * NS_PER_MS);
    }
    int64_t allowed = 2 + (clock_monotonic_ns() - began) / interval;
    assert_true(server.keys_requests >= 2);
    assert_true(server.keys_requests <= allowed);
}

static void test_an_unknown_kid_is_looked_for(void **state)
{
    (void)state;
    struct issuer_settings issuer = issuer_at("http://127.0.0.1:%/keys");
    issuer.jwks_unknown_kid_interval = 20 * NS_PER_MS;
    assert_ok(key_source_set(source, &issuer, 1));
    wait_for(&fetched, 1);
    key_source_unknown_kid(source, SLICE("main")); /* too early: remembered until the interval is over */
    wait_for(&fetched, 2);
    run_for(60 * NS_PER_MS);
    assert_int_equal(server.keys_requests, 2); /* once, not again and again */
}

/* A flood must not hasten the attempts at a server that is down. */
static void test_unknown_kids_do_not_undercut_the_backoff(void **state)
{
    (void)state;
    struct issuer_settings issuer = issuer_at("http://127.0.0.1:%/keys");
    issuer.jwks_unknown_kid_interval = 1;
    server.failing = true;
    assert_ok(key_source_set(source, &issuer, 1));
    wait_for(&failed_count, 1);
    assert_non_null(strstr(last_text, "answered 503"));
    for (int i = 0; i < 20; i++) {
        key_source_unknown_kid(source, SLICE("main"));
        run_for(5 * NS_PER_MS);
    }
    assert_int_equal(server.keys_requests, 1);
}

static void test_retries_recovers_and_goes_stale(void **state)
{
    (void)state;
    struct issuer_settings issuer = issuer_at("http://127.0.0.1:%/keys");
    issuer.jwks_refresh = 20 * NS_PER_MS; /* caps the backoff */
    issuer.jwks_stale = 100 * NS_PER_MS;
    assert_ok(key_source_set(source, &issuer, 1));
    wait_for(&fetched, 1);
    __atomic_store_n(&server.failing, true, __ATOMIC_SEQ_CST);
    wait_for(&failed_count, 1);
    int64_t failing_since = clock_monotonic_ns();
    assert_int_equal(stale, 0);
    wait_for(&stale, 1);
    assert_true(clock_monotonic_ns() - failing_since > 50 * NS_PER_MS);
    unsigned int failures = failed_count;
    wait_for(&failed_count, failures + 3);
    assert_int_equal(stale, 1); /* said once */
    __atomic_store_n(&server.failing, false, __ATOMIC_SEQ_CST);
    unsigned int before = fetched;
    wait_for(&fetched, before + 1);
    __atomic_store_n(&server.failing, true, __ATOMIC_SEQ_CST);
    wait_for(&stale, 2); /* and anew after new keys */
}

static void test_a_new_configuration(void **state)
{
    (void)state;
    struct issuer_settings issuers[] = { issuer_at("http://127.0.0.1:%/keys"),
                                         issuer_at("http://127.0.0.1:%/keys"),
                                         issuer_at("http://127.0.0.1:%/keys") };
    issuers[1].name = SLICE("second");
    issuers[2].name = SLICE("local");
    issuers[2].jwks_url = SLICE_NONE; /* keys from a file */
    assert_ok(key_source_set(source, issuers, 3));
    wait_for(&fetched, 2);
    assert_int_equal(server.keys_requests, 2);
    assert_ok(key_source_set(source, issuers, 3)); /* unchanged: no fetch */
    run_for(30 * NS_PER_MS);
    assert_int_equal(server.keys_requests, 2);
    issuers[0].jwks_url = url(1, "http://localhost:%/keys", server.port); /* changed: at once */
    assert_ok(key_source_set(source, issuers, 1));
    wait_for(&fetched, 3);
    assert_string_equal(last_issuer, "main");
    issuers[0].jwks_refresh = NS_PER_MS; /* a shorter refresh holds at once */
    assert_ok(key_source_set(source, issuers, 1));
    wait_for(&fetched, 5);
    assert_ok(key_source_set(source, NULL, 0));
    unsigned int before = fetched;
    run_for(30 * NS_PER_MS);
    assert_int_equal(fetched, before);
}

static void test_a_failing_issuer_is_tried_at_once_after_a_reload(void **state)
{
    (void)state;
    struct issuer_settings issuer = issuer_at("http://127.0.0.1:%/keys");
    server.failing = true;
    assert_ok(key_source_set(source, &issuer, 1));
    wait_for(&failed_count, 1);
    __atomic_store_n(&server.failing, false, __ATOMIC_SEQ_CST);
    assert_ok(key_source_set(source, &issuer, 1));
    int64_t began = clock_monotonic_ns();
    wait_for(&fetched, 1);
    assert_true(clock_monotonic_ns() - began < 400 * NS_PER_MS); /* the backoff is half a second or more */
}

static void test_free_while_fetching(void **state)
{
    (void)state;
    struct issuer_settings issuer = issuer_at("http://127.0.0.1:%/slow");
    assert_ok(key_source_set(source, &issuer, 1));
    int64_t until = clock_monotonic_ns() + PATIENCE;
    while (__atomic_load_n(&server.requests, __ATOMIC_SEQ_CST) == 0 && clock_monotonic_ns() < until) {
        turn();
    }
    assert_int_equal(fetched + failed_count, 0); /* tear_down frees it under way */
}

static void expect_over_tls(const char *format, struct tls_client_settings tls, const char *why)
{
    struct issuer_settings issuer = issuer_at(format);
    unsigned int fetched_before = fetched, failed_before = failed_count;
    issuer.jwks_tls = &tls;
    assert_ok(key_source_set(source, &issuer, 1));
    if (why == NULL) {
        wait_for(&fetched, fetched_before + 1);
        assert_int_equal(failed_count, failed_before);
    } else {
        wait_for(&failed_count, failed_before + 1);
        assert_int_equal(fetched, fetched_before);
        if (strstr(last_text, why) == NULL) {
            fail_msg("not \"%s\" but \"%s\"", why, last_text);
        }
    }
    assert_ok(key_source_set(source, NULL, 0));
}

static void test_https(void **state)
{
    (void)state;
    static const char here[] = "https://127.0.0.1:%/keys", named[] = "https://localhost:%/keys";
    const struct tls_client_settings good = { .ca_pem = pki_cert(&ca) };
    struct tls_client_settings tls = good;
    expect_over_tls(here, good, NULL);
    expect_over_tls(here, (struct tls_client_settings){ .ca_pem = pki_cert(&other_ca) },
                    "SSL certificate problem");
    expect_over_tls(here, (struct tls_client_settings){ .min_version = TLS_1_2 }, "SSL certificate problem");
    expect_over_tls(here, (struct tls_client_settings){ .ca = SLICE("/ca.pem") }, "the CA file is empty");
    expect_over_tls(named, good, "SSL: no alternative certificate subject name matches");
    tls.server_name = SLICE("keys.example.com");
    expect_over_tls(named, tls, NULL);
    char host[64];
    snprintf(host, sizeof host, "localhost:%d", server.port);
    assert_string_equal(server.host, host);
    tls.server_name = SLICE("other.example.com");
    expect_over_tls(here, tls, "SSL: no alternative certificate subject name matches");
    tls = good;
    tls.cert_pem = pki_cert(&user);
    expect_over_tls(here, tls, "need each other");
    tls.key_pem = pki_key(&user);
    expect_over_tls(here, tls, NULL);
}

int main(void)
{
    sigaction(SIGPIPE, &(struct sigaction){ .sa_handler = SIG_IGN }, NULL);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_fetches_at_once_and_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_redirect, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_size_is_capped, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_the_largest_document_passes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_only_key_sets_pass, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_only_https_or_loopback, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_the_environment_names_no_proxy, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_time_is_capped, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_flood_of_unknown_kids, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_an_unknown_kid_is_looked_for, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_unknown_kids_do_not_undercut_the_backoff, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_retries_recovers_and_goes_stale, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_new_configuration, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_failing_issuer_is_tried_at_once_after_a_reload, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_free_while_fetching, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_https, set_up_tls, tear_down_tls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
