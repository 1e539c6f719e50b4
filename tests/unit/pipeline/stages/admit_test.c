#include "pipeline/harness.h"

#define HOST      "Host: api.example.com\r\n"
#define GET(path) "GET " path " HTTP/1.1\r\n" HOST "\r\n"

static int setup(void **state)
{
    harness_setup(state);
    add_route("all", "/**", &harness->public_auth);
    return 0;
}

static void denied(const char *text, enum deny_reason reason)
{
    struct client *client = ask(text);
    assert_denied(client, reason);
    free(client);
    harness->client_count--;
}

/* What the upstream would see of it, up to the end of its head. */
static const char *passed(const char *text)
{
    struct client *client = ask(text);
    if (client->heads > 0) {
        fail_msg("denied with %u: %s", client->status, text);
    }
    harness->seen_size = 0;
    harness->seen[0] = '\0';
    assert_true(upstream_sees("\r\n\r\n"));
    exchange_handler.on_abort(&client->stream, HTTP_ABORT_CLIENT);
    turn();
    close(harness->upstream);
    harness->upstream = -1;
    free(client);
    harness->client_count--;
    return harness->seen;
}

static void assert_passed(const char *text, const char *line)
{
    const char *seen = passed(text);
    if (strncmp(seen, line, strlen(line)) != 0) {
        fail_msg("\"%s\" is not how this begins: %s", line, seen);
    }
}

static void methods_that_are_never_passed_on(void **state)
{
    (void)state;
    harness_start();
    denied("TRACE / HTTP/1.1\r\n" HOST "\r\n", DENY_METHOD_NOT_IMPLEMENTED);
    denied("CONNECT api.example.com:443 HTTP/1.1\r\n" HOST "\r\n", DENY_METHOD_NOT_IMPLEMENTED);
    assert_passed("PURGE /a HTTP/1.1\r\n" HOST "\r\n", "PURGE /a HTTP/1.1\r\n");
}

static void an_upgrade_with_a_body(void **state)
{
    (void)state;
    harness_start();
    denied("POST / HTTP/1.1\r\n" HOST "Connection: upgrade\r\nUpgrade: h2c\r\nContent-Length: 5\r\n\r\n",
           DENY_UPGRADE_WITH_BODY);
    denied("POST / HTTP/1.1\r\n" HOST "Upgrade: h2c\r\nTransfer-Encoding: chunked\r\n\r\n",
           DENY_UPGRADE_WITH_BODY);
    const char *seen = passed("GET / HTTP/1.1\r\n" HOST "Connection: upgrade\r\nUpgrade: websocket\r\n\r\n");
    assert_null(strcasestr(seen, "upgrade"));
}

static void expectations(void **state)
{
    (void)state;
    harness_start();
    denied("POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\nExpect: 200-ok\r\n\r\n",
           DENY_EXPECTATION_UNKNOWN);
    denied("POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\nExpect: 100-continue\r\nExpect: more\r\n\r\n",
           DENY_EXPECTATION_UNKNOWN);
    assert_passed("POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\nExpect: 100-Continue\r\n\r\n", "POST / ");
}

static void targets_and_hosts(void **state)
{
    (void)state;
    harness_start();
    denied(GET("/a#b"), DENY_BAD_TARGET);
    denied(GET("*"), DENY_BAD_TARGET);
    denied(GET("api.example.com:80"), DENY_BAD_TARGET);
    denied("GET http://evil.example.com/a HTTP/1.1\r\n" HOST "\r\n", DENY_BAD_HOST);
    denied("GET http://api.example.com:81/a HTTP/1.1\r\n" HOST "\r\n", DENY_BAD_HOST);
    denied("GET / HTTP/1.1\r\nHost: user@api.example.com\r\n\r\n", DENY_BAD_HOST);
    denied("GET / HTTP/1.1\r\nHost:\r\n\r\n", DENY_BAD_HOST);
    denied("GET / HTTP/1.0\r\n\r\n", DENY_BAD_HOST);
    assert_passed("GET http://api.example.com/a HTTP/1.1\r\n" HOST "\r\n",
                  "GET /a HTTP/1.1\r\nHost: api.example.com\r\n");
    assert_passed("GET /a HTTP/1.1\r\nHost: API.Example.COM\r\n\r\n",
                  "GET /a HTTP/1.1\r\nHost: api.example.com\r\n");
    assert_passed("GET http://api.example.com/a HTTP/1.0\r\n\r\n",
                  "GET /a HTTP/1.1\r\nHost: api.example.com\r\n");
}

static void paths(void **state)
{
    (void)state;
    harness_start();
    static const char *const bad[] = { GET("/a/../b"), GET("/a/./b"),   GET("/a/%2e%2e/b"), GET("//a"),
                                       GET("/a%2fb"),  GET("/a%5Cb"),   GET("/a%00"),       GET("/%252e"),
                                       GET("/a;b/c"),  GET("/%c0%ae/"), GET("/a/..;/b") };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        denied(bad[i], DENY_BAD_PATH);
    }
    assert_passed(GET("/%41/%7e?x=/../y"), "GET /A/~?x=/../y HTTP/1.1\r\n");
    assert_passed(GET("/a?"), "GET /a? HTTP/1.1\r\n");
}

static void a_route_may_allow_by_name_what_a_path_needs(void **state)
{
    (void)state;
    harness->routes[0].policy.path_allows = URI_ALLOW_ENCODED_SLASH;
    harness_start();
    denied(GET("/a;b"), DENY_BAD_PATH);
    assert_passed(GET("/a%2fb"), "GET /a%2Fb HTTP/1.1\r\n");
}

static void a_trace_goes_on_where_it_is_one(void **state)
{
    (void)state;
    harness_start();
#define TRACED(value) "GET / HTTP/1.1\r\n" HOST "traceparent: " value "\r\n\r\n"
    assert_non_null(strstr(passed(TRACED("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")),
                           "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n"));
    static const char *const bad[] = {
        TRACED("00-00000000000000000000000000000000-00f067aa0ba902b7-01"),
        TRACED("00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01"),
        TRACED("00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01"),
        TRACED("ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
        TRACED("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-zz"),
        TRACED("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x"),
        TRACED("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\ntraceparent: x"),
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_null(strstr(passed(bad[i]), "traceparent"));
    }
}

static void only_trusted_proxies_say_who_the_client_is(void **state)
{
    (void)state;
    static struct slice proxy = SLICE_INIT("192.0.2.0/24");
    static struct address_prefix trusted;
    assert_true(address_prefix_parse(proxy, &trusted));
    harness->listeners[0].forwarded = FORWARDED_X_FORWARDED;
    harness->listeners[0].trusted_proxies = (struct conf_strings){ &proxy, 1 };
    harness->listeners[0].trusted = &trusted;
    harness_start();
    const char *text = "GET / HTTP/1.1\r\n" HOST "X-Forwarded-For: 203.0.113.9\r\n\r\n";
    assert_non_null(strstr(passed(text), "X-Forwarded-For: 203.0.113.9\r\n"));
    struct client *client = client_new();
    assert_true(address_parse(SLICE("198.51.100.1"), &client->facts.peer));
    client_asks(client, text);
    harness->seen_size = 0;
    assert_true(upstream_sees("\r\n\r\n"));
    assert_non_null(strstr(harness->seen, "X-Forwarded-For: 198.51.100.1\r\n"));
    assert_null(strstr(harness->seen, "203.0.113.9"));
}

/* ---- client certificates ---- */

static struct client *over_tls(int mode, bool given, int64_t not_after)
{
    struct client *client = client_new();
    static struct tls_client_facts certificate;
    certificate.not_after = not_after;
    client->facts.is_tls = true;
    client->facts.tls = (struct tls_facts){
        .version = "TLSv1.3",
        .client_mode = mode,
        .client = given ? &certificate : NULL,
    };
    client_asks(client, GET("/"));
    return client;
}

static void a_certificate_that_is_demanded_must_be_there(void **state)
{
    (void)state;
    harness_start();
    int64_t now = clock_real_ns() / NS_PER_S;
    struct client *client = over_tls(TLS_CLIENT_REQUIRED, false, 0);
    assert_denied(client, DENY_CLIENT_CERTIFICATE_MISSING);
    assert_false(client->ended);
    /* On a connection that lives longer than its certificate, too: nothing makes it good again. */
    client = over_tls(TLS_CLIENT_REQUIRED, true, now - 10);
    assert_denied(client, DENY_CLIENT_CERTIFICATE_EXPIRED);
    assert_true(client->ended);
    assert_denied(over_tls(TLS_CLIENT_OPTIONAL, true, now - 10), DENY_CLIENT_CERTIFICATE_EXPIRED);
    /* These pass this stage; the next one refuses them, for the listener of this test has no TLS. */
    assert_denied(over_tls(TLS_CLIENT_REQUIRED, true, now + 100), DENY_MISDIRECTED);
    assert_denied(over_tls(TLS_CLIENT_OPTIONAL, false, 0), DENY_MISDIRECTED);
}

static void what_has_waited_too_long_is_shed_and_not_listened_to(void **state)
{
    (void)state;
    harness_start();
    struct worker *worker = &harness->worker;
    const struct overload_settings settings = { .queue_deadline = 100 * NS_PER_MS,
                                                .retry_after = 2 * NS_PER_S };
    overload_set(&worker->overload, &worker->loop, &settings);
    struct client *client = client_new();
    client->waited = NS_PER_S;
    worker->loop.long_since = clock_monotonic_ns() - NS_PER_S;
    client_asks(client, GET("/"));
    assert_denied(client, DENY_OVERLOADED);
    assert_field(client, "retry-after", "3"); /* between one and two times */
    assert_true(client->held_off >= 2 * NS_PER_S);
    /* Its twin came just now. */
    struct client *twin = client_new();
    worker->loop.long_since = clock_monotonic_ns() - NS_PER_S;
    client_asks(twin, GET("/"));
    assert_int_equal(twin->heads, 0);
    assert_true(upstream_sees("GET / HTTP/1.1"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, harness_teardown)
    const struct CMUnitTest tests[] = {
        TEST(methods_that_are_never_passed_on),
        TEST(an_upgrade_with_a_body),
        TEST(expectations),
        TEST(targets_and_hosts),
        TEST(paths),
        TEST(a_route_may_allow_by_name_what_a_path_needs),
        TEST(a_trace_goes_on_where_it_is_one),
        TEST(only_trusted_proxies_say_who_the_client_is),
        TEST(a_certificate_that_is_demanded_must_be_there),
        TEST(what_has_waited_too_long_is_shed_and_not_listened_to),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
