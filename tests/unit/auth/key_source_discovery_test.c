#include "auth/key_source_fixture.h"

/* An issuer at the server, whose metadata names it and this URL of its keys. */
static struct issuer_settings discovering(const char *jwks_uri)
{
    static char issuer[128];
    snprintf(issuer, sizeof issuer, "http://127.0.0.1:%d/realm", server.port);
    struct slice keys = url(1, jwks_uri, server.port);
    snprintf(server.metadata, sizeof server.metadata, "{\"issuer\":\"%s\",\"jwks_uri\":\"%.*s\"}", issuer,
             SLICE_ARG(keys));
    struct issuer_settings settings = issuer_at("%");
    settings.jwks_url = SLICE_NONE;
    settings.algorithms = 1 << JWT_EDDSA;
    settings.issuer = slice_from_string(issuer);
    return settings;
}

static void test_keys_are_discovered(void **state)
{
    (void)state;
    struct issuer_settings issuer = discovering("http://127.0.0.1:%/keys");
    assert_ok(key_source_set(source, &issuer, 1));
    wait_for(&fetched, 1);
    assert_int_equal(discovered, 1);
    assert_non_null(strstr(last_text, "\"kid\":\"1\""));
    assert_int_equal(server.metadata_requests, 1);
    assert_ok(key_source_set(source, &issuer, 1)); /* the same: no fetch */
    run_for(30 * NS_PER_MS);
    assert_int_equal(server.requests, 2);
    struct issuer_settings other = issuer;
    char text[128];
    snprintf(text, sizeof text, "%.*s/", SLICE_ARG(issuer.issuer));
    other.issuer = slice_from_string(text); /* another issuer, whose metadata lies there, too */
    assert_ok(key_source_set(source, &other, 1));
    wait_for(&failed_count, 1);
    assert_non_null(strstr(last_text, "not exactly the configured one"));
}

static void test_each_refresh_discovers_anew(void **state)
{
    (void)state;
    struct issuer_settings issuer = discovering("http://127.0.0.1:%/keys");
    issuer.jwks_refresh = 50 * NS_PER_MS;
    issuer.jwks_stale = 200 * NS_PER_MS;
    assert_ok(key_source_set(source, &issuer, 1));
    wait_for(&fetched, 3);
    assert_int_equal(discovered, 1); /* told where it changes */
    assert_true(server.metadata_requests >= 3);
    server.metadata[0] = '\0';
    wait_for(&failed_count, 1);
    assert_non_null(strstr(last_text, "/realm/.well-known/openid-configuration: the server answered 404"));
    assert_int_equal(stale, 0);
    wait_for(&stale, 1);
    discovering("http://127.0.0.1:%/keys?new");
    unsigned int before = failed_count;
    wait_for(&failed_count, before + 1); /* a 404 of that path: it is asked for */
    assert_int_equal(discovered, 2);
}

/* T19: a flood of them costs no more than one request each interval. */
static void test_an_unknown_kid_discovers_nothing(void **state)
{
    (void)state;
    struct issuer_settings issuer = discovering("http://127.0.0.1:%/keys");
    issuer.jwks_unknown_kid_interval = 10 * NS_PER_MS;
    assert_ok(key_source_set(source, &issuer, 1));
    wait_for(&fetched, 1);
    key_source_unknown_kid(source, SLICE("main"));
    wait_for(&fetched, 2);
    assert_int_equal(server.metadata_requests, 1);
}

/* T18: whoever can write an issuer's metadata must not make the gateway ask for what only it can reach. */
static void test_what_discovery_refuses(void **state)
{
    (void)state;
    static const struct {
        const char *jwks_uri, *why;
    } cases[] = {
        { "https://127.0.0.2:%/keys", "the address is not public" },
        { "https://localhost:%/keys", "the address is not public" },
        { "https://10.255.255.1:%/keys", "the address is not public" },
        { "https://169.254.169.254:%/keys", "the address is not public" },
        { "https://[::ffff:127.0.0.1]:%/keys", "the address is not public" },
        { "http://localhost:%/keys", "the issuer's own host" },
        { "http://192.0.2.1:%/keys", "loopback only" },
        { "http://user@127.0.0.1:%/keys", "malformed" },
        { "file:///etc/passwd?%", "" },
        { "/keys?%", "" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        unsigned int before = failed_count;
        struct issuer_settings issuer = discovering(cases[i].jwks_uri);
        assert_ok(key_source_set(source, &issuer, 1));
        wait_for(&failed_count, before + 1);
        if (strstr(last_text, cases[i].why) == NULL) {
            fail_msg("%s: not \"%s\" but \"%s\"", cases[i].jwks_uri, cases[i].why, last_text);
        }
        assert_ok(key_source_set(source, NULL, 0));
    }
    struct issuer_settings issuer = discovering("http://127.0.0.1:%/keys");
    memcpy(server.metadata, "moved", 6);
    unsigned int before = failed_count;
    assert_ok(key_source_set(source, &issuer, 1));
    wait_for(&failed_count, before + 1);
    assert_non_null(strstr(last_text, "answered 302"));
    assert_int_equal(server.keys_requests + fetched, 0);
    assert_int_equal(server.requests, server.metadata_requests);
}

static void test_discovered_documents_are_inherited_by_the_same_issuer_only(void **state)
{
    (void)state;
    struct issuer_settings issuer = discovering("http://127.0.0.1:%/keys");
    assert_ok(key_source_set(source, &issuer, 1));
    wait_for(&fetched, 1);
    export_all();
    assert_int_equal(exported_count, 1);
    begin_anew();
    struct issuer_settings other = issuer;
    other.jwks_url = url(2, "http://127.0.0.1:%/realm/.well-known/openid-configuration", server.port);
    assert_ok(key_source_set(source, &other, 1));
    key_source_inherit(source, &exported);
    assert_int_equal(inherited, 0);
    assert_ok(key_source_set(source, &issuer, 1));
    key_source_inherit(source, &exported);
    assert_int_equal(inherited, 1);
}

int main(void)
{
    sigaction(SIGPIPE, &(struct sigaction){ .sa_handler = SIG_IGN }, NULL);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_keys_are_discovered, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_each_refresh_discovers_anew, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_an_unknown_kid_discovers_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_discovery_refuses, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_discovered_documents_are_inherited_by_the_same_issuer_only,
                                        set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
