#include "key_server.h"
#include "tls/pki.h"

#include "auth/key_source.h"
#include "base/limits.h"

#include <signal.h>

#define PATIENCE (20 * NS_PER_S)

static struct net_loop loop;
static struct key_source *source;
static uv_timer_t ticker;
static struct key_server server;

static unsigned int fetched, failed_count, stale, inherited, restored, discovered;
static char last_text[256], last_issuer[64];

static void on_event(void *context, struct slice issuer, enum key_source_event event, struct slice text)
{
    assert_ptr_equal(context, &loop);
    fetched += event == KEYS_FETCHED;
    failed_count += event == KEYS_FAILED;
    stale += event == KEYS_STALE;
    inherited += event == KEYS_INHERITED;
    restored += event == KEYS_RESTORED;
    discovered += event == KEYS_DISCOVERED;
    snprintf(last_issuer, sizeof last_issuer, "%.*s", SLICE_ARG(issuer));
    snprintf(last_text, sizeof last_text, "%.*s", SLICE_ARG(text));
}

static void on_tick(uv_timer_t *timer)
{
    (void)timer; /* so that no turn waits for ever */
}

static void open_all(SSL_CTX *tls)
{
    fetched = failed_count = stale = inherited = restored = discovered = 0;
    last_text[0] = '\0';
    key_server_start(&server, tls);
    assert_ok(net_loop_init(&loop));
    assert_ok(key_source_new(&loop, on_event, &loop, &source));
    uv_timer_init(&loop.uv, &ticker);
    uv_timer_start(&ticker, on_tick, 5, 5);
}

static int set_up(void **state)
{
    (void)state;
    open_all(NULL);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    key_source_free(source);
    uv_close((uv_handle_t *)&ticker, NULL);
    net_loop_done(&loop);
    key_server_stop(&server);
    return 0;
}

static void turn(void)
{
    uv_run(&loop.uv, UV_RUN_ONCE);
    loop.now = clock_monotonic_ns();
}

/* Turns the loop until the counter has reached the number. */
static void wait_for(const unsigned int *counter, unsigned int number)
{
    int64_t until = clock_monotonic_ns() + PATIENCE;
    while (*counter < number && clock_monotonic_ns() < until) {
        turn();
    }
    if (*counter < number) {
        fail_msg("%u of %u came; the last text is \"%s\"", *counter, number, last_text);
    }
}

static void run_for(int64_t duration)
{
    int64_t until = clock_monotonic_ns() + duration;
    while (clock_monotonic_ns() < until) {
        turn();
    }
}

static char url_text[4][128];

static struct slice url(int slot, const char *format, unsigned short port)
{
    char *text = url_text[slot];
    const char *mark = strchr(format, '%'); /* stands for the port */
    snprintf(text, sizeof url_text[0], "%.*s%d%s", (int)(mark - format), format, port, mark + 1);
    return slice_from_string(text);
}

static struct issuer_settings issuer_at(const char *format)
{
    return (struct issuer_settings){ .name = SLICE("main"),
                                     .jwks_url = url(0, format, server.port),
                                     .jwks_refresh = 3600 * NS_PER_S,
                                     .jwks_unknown_kid_interval = 3600 * NS_PER_S,
                                     .jwks_timeout = 10 * NS_PER_S,
                                     .jwks_stale = 3600 * NS_PER_S };
}

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

static char exported_name[64], exported_source[128], exported_text[4096];
static struct key_document exported;
static unsigned int exported_count;

static void keep(void *context, const struct key_document *document)
{
    assert_ptr_equal(context, &exported);
    snprintf(exported_name, sizeof exported_name, "%.*s", SLICE_ARG(document->issuer_name));
    snprintf(exported_source, sizeof exported_source, "%.*s", SLICE_ARG(document->source));
    snprintf(exported_text, sizeof exported_text, "%.*s", SLICE_ARG(document->text));
    exported = (struct key_document){ slice_from_string(exported_name), slice_from_string(exported_source),
                                      slice_from_string(exported_text), document->failing_since };
    exported_count++;
}

static void export_all(void)
{
    exported_count = 0;
    key_source_export(source, keep, &exported);
}

/* Another source is another process. */
static void begin_anew(void)
{
    key_source_free(source);
    assert_ok(key_source_new(&loop, on_event, &loop, &source));
    inherited = 0;
}

static void test_the_next_process_inherits_documents(void **state)
{
    (void)state;
    struct issuer_settings issuer = issuer_at("http://127.0.0.1:%/keys");
    issuer.jwks_refresh = 20 * NS_PER_MS;
    assert_ok(key_source_set(source, &issuer, 1));
    export_all();
    assert_int_equal(exported_count, 0);
    wait_for(&fetched, 1);
    __atomic_store_n(&server.failing, true, __ATOMIC_SEQ_CST);
    wait_for(&failed_count, 1);
    export_all();
    assert_int_equal(exported_count, 1);
    assert_true(exported.failing_since > 0);
    int64_t since = exported.failing_since;

    begin_anew();
    assert_ok(key_source_set(source, &issuer, 1));
    key_source_inherit(source, &exported);
    assert_int_equal(inherited, 1);
    assert_string_equal(last_text, exported_text);
    key_source_inherit(source, &exported); /* it has keys by now */
    assert_int_equal(inherited, 1);
    unsigned int failures = failed_count;
    wait_for(&failed_count, failures + 2); /* it asks for newer ones at once */
    assert_int_equal(stale, 0);
    export_all();
    assert_int_equal(exported_count, 1);
    assert_int_equal(exported.failing_since, since); /* its time is not given anew */
    __atomic_store_n(&server.failing, false, __ATOMIC_SEQ_CST);
    unsigned int before = fetched;
    wait_for(&fetched, before + 1);
    export_all();
    assert_int_equal(exported.failing_since, 0);
}

static void test_inherited_documents_go_stale(void **state)
{
    (void)state;
    struct issuer_settings issuer = issuer_at("http://127.0.0.1:%/keys");
    assert_ok(key_source_set(source, &issuer, 1));
    wait_for(&fetched, 1);
    export_all();
    __atomic_store_n(&server.failing, true, __ATOMIC_SEQ_CST);
    begin_anew();
    issuer.jwks_refresh = 20 * NS_PER_MS;
    issuer.jwks_stale = 100 * NS_PER_MS;
    assert_ok(key_source_set(source, &issuer, 1));
    exported.failing_since = loop.now - 50 * NS_PER_MS;
    key_source_inherit(source, &exported);
    assert_int_equal(inherited, 1);
    wait_for(&stale, 1);
    export_all();
    assert_int_equal(exported_count, 0);
}

static void test_what_is_not_inherited(void **state)
{
    (void)state;
    struct issuer_settings issuer = issuer_at("http://127.0.0.1:%/keys");
    assert_ok(key_source_set(source, &issuer, 1));
    wait_for(&fetched, 1);
    export_all();
    begin_anew();
    __atomic_store_n(&server.failing, true, __ATOMIC_SEQ_CST);
    assert_ok(key_source_set(source, &issuer, 1));
    const struct key_document good = exported;
    struct key_document bad[7];
    for (size_t i = 0; i < 7; i++) {
        bad[i] = good;
    }
    bad[0].issuer_name = SLICE("other");
    bad[1].source = SLICE("http://127.0.0.1:1/elsewhere");
    bad[2].text = SLICE("{\"keys\":[]}");
    bad[3].text = SLICE("not JSON");
    bad[4].failing_since = loop.now + NS_PER_S;
    bad[5].failing_since = -1;
    bad[6].failing_since = loop.now - issuer.jwks_stale; /* stale there, too */
    for (size_t i = 0; i < 7; i++) {
        key_source_inherit(source, &bad[i]);
        assert_int_equal(inherited, 0);
    }
    key_source_inherit(source, &good);
    assert_int_equal(inherited, 1);
}

static void test_a_record_is_good_for_jwks_stale_from_its_fetch(void **state)
{
    (void)state;
    struct issuer_settings issuer = issuer_at("http://127.0.0.1:%/keys");
    issuer.issuer = SLICE("https://idp.example.com");
    assert_ok(key_source_set(source, &issuer, 1));
    wait_for(&fetched, 1);
    struct key_document document;
    assert_false(key_source_document(source, SLICE("other"), &document));
    assert_true(key_source_document(source, SLICE("main"), &document));
    assert_slice(document.issuer, "https://idp.example.com");
    export_all();
    exported.issuer = issuer.issuer;
    begin_anew();
    __atomic_store_n(&server.failing, true, __ATOMIC_SEQ_CST);
    issuer.jwks_stale = 2 * NS_PER_S;
    assert_ok(key_source_set(source, &issuer, 1));

    struct key_document bad[] = { exported, exported, exported, exported };
    bad[0].issuer_name = SLICE("other");
    bad[1].issuer = SLICE("https://other.example.com");
    bad[2].source = SLICE("http://127.0.0.1:1/elsewhere");
    bad[3].text = SLICE("{\"keys\":[]}");
    for (size_t i = 0; i < 4; i++) {
        assert_non_null(key_source_restore(source, &bad[i], 1));
    }
    assert_non_null(key_source_restore(source, &exported, -1));
    assert_non_null(key_source_restore(source, &exported, INT64_MAX));
    assert_non_null(key_source_restore(source, &exported, 2));
    assert_int_equal(restored, 0);
    assert_null(key_source_restore(source, &exported, 1));
    assert_int_equal(restored, 1);
    assert_non_null(key_source_restore(source, &exported, 1)); /* it has keys by now */
    int64_t began = clock_monotonic_ns();
    wait_for(&failed_count, 1); /* it is fetched at once nevertheless */
    wait_for(&stale, 1);
    assert_true(clock_monotonic_ns() - began < 10 * NS_PER_S);
    assert_false(key_source_document(source, SLICE("main"), &document));
}

static void test_stale_zero_keeps_keys_for_ever(void **state)
{
    (void)state;
    struct issuer_settings issuer = issuer_at("http://127.0.0.1:%/keys");
    issuer.jwks_refresh = 5 * NS_PER_MS;
    issuer.jwks_stale = 0;
    assert_ok(key_source_set(source, &issuer, 1));
    wait_for(&fetched, 1);
    __atomic_store_n(&server.failing, true, __ATOMIC_SEQ_CST);
    wait_for(&failed_count, 5);
    assert_int_equal(stale, 0);
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

static struct pki ca, other_ca, keys_pki, user;

static SSL_CTX *new_tls(void)
{
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    SSL_CTX_use_certificate(context, keys_pki.certificate);
    SSL_CTX_use_PrivateKey(context, keys_pki.key);
    X509_STORE_add_cert(SSL_CTX_get_cert_store(context), ca.certificate);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    return context;
}

static int set_up_tls(void **state)
{
    pki_make(&ca, "Test CA", NULL, NULL, true, 30);
    pki_make(&other_ca, "Other CA", NULL, NULL, true, 30);
    pki_make(&keys_pki, "keys", "IP:127.0.0.1,DNS:keys.example.com", &ca, false, 30);
    pki_make(&user, "gateway", NULL, &ca, false, 30);
    *state = new_tls();
    open_all(*state);
    return 0;
}

static int tear_down_tls(void **state)
{
    tear_down(state);
    SSL_CTX_free(*state);
    pki_done(&ca);
    pki_done(&other_ca);
    pki_done(&keys_pki);
    pki_done(&user);
    return 0;
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
        cmocka_unit_test_setup_teardown(test_the_next_process_inherits_documents, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_inherited_documents_go_stale, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_is_not_inherited, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_record_is_good_for_jwks_stale_from_its_fetch, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_stale_zero_keeps_keys_for_ever, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_new_configuration, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_failing_issuer_is_tried_at_once_after_a_reload, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_free_while_fetching, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_keys_are_discovered, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_each_refresh_discovers_anew, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_an_unknown_kid_discovers_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_discovery_refuses, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_discovered_documents_are_inherited_by_the_same_issuer_only,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_https, set_up_tls, tear_down_tls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
