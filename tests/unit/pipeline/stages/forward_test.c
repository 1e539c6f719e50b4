#include "pipeline/harness.h"

#define GET(path) "GET " path " HTTP/1.1\r\nHost: api.example.com\r\n\r\n"
#define PUT(more) "PUT /a HTTP/1.1\r\nHost: api.example.com\r\n" more "\r\n"

static int setup(void **state)
{
    harness_setup(state);
    add_route("all", "/**", &harness->public_auth);
    return 0;
}

/* One whole exchange, so that a kept connection is there. */
static void keep_a_connection(void)
{
    struct client *client = ask(GET("/first"));
    assert_true(upstream_sees("\r\n\r\n"));
    upstream_says("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    wait_for_release(client);
    harness->seen_size = 0;
    harness->seen[0] = '\0';
}

static void a_request_and_its_answer_pass(void **state)
{
    (void)state;
    harness_start();
    struct client *client = ask("GET /a/b?c=d HTTP/1.1\r\nHost: api.example.com\r\nX-Custom: kept\r\n\r\n");
    assert_true(upstream_sees("\r\n\r\n"));
    assert_non_null(strstr(harness->seen, "GET /a/b?c=d HTTP/1.1\r\nHost: api.example.com\r\n"));
    assert_non_null(strstr(harness->seen, "X-Custom: kept\r\n"));
    assert_non_null(strstr(harness->seen, "X-Forwarded-For: 192.0.2.7\r\n"));
    upstream_says("HTTP/1.1 201 Created\r\nContent-Length: 5\r\nX-Answer: yes\r\n\r\nhello");
    wait_for_release(client);
    assert_int_equal(client->status, 201);
    assert_int_equal(client->framing, BODY_LENGTH);
    assert_int_equal(client->content_length, 5);
    assert_body_has(client, "hello");
    assert_field(client, "x-answer", "yes");
    assert_int_equal(strlen(field(client, "x-request-id")), REQUEST_ID_LENGTH);
    assert_non_null(field(client, "date"));
    assert_int_equal(client->resets, 0);
}

static void bodies_of_a_stated_length_pass(void **state)
{
    (void)state;
    harness_start();
    struct client *client = ask(PUT("Content-Length: 10\r\n"));
    assert_true(client->paused); /* nothing is taken before there is a connection */
    assert_true(upstream_sees("Content-Length: 10\r\n"));
    assert_false(client->paused);
    client_gives(client, "01234");
    client_gives(client, "56789");
    client_ends_body(client);
    assert_true(upstream_sees("\r\n\r\n0123456789"));
    upstream_says("HTTP/1.1 204 No Content\r\n\r\n");
    wait_for_release(client);
    assert_int_equal(client->status, 204);
    assert_int_equal(client->framing, BODY_NONE);
}

static void chunked_bodies_pass(void **state)
{
    (void)state;
    harness_start();
    struct client *client = ask(PUT("Transfer-Encoding: chunked\r\n"));
    assert_true(upstream_sees("Transfer-Encoding: chunked\r\n"));
    client_gives(client, "hello");
    client_ends_body(client);
    assert_true(upstream_sees("5\r\nhello\r\n0\r\n\r\n"));
    upstream_says("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n");
    wait_for_release(client);
    assert_int_equal(client->framing, BODY_CHUNKED);
    assert_body_has(client, "abc");
}

static void an_answer_that_ends_with_its_connection_passes(void **state)
{
    (void)state;
    harness_start();
    struct client *client = ask(GET("/a"));
    assert_true(upstream_sees("\r\n\r\n"));
    upstream_says("HTTP/1.0 200 OK\r\n\r\nto the end");
    assert_int_equal(client->ends, 0);
    upstream_closes();
    wait_for_release(client);
    assert_int_equal(client->framing, BODY_CHUNKED);
    assert_body_has(client, "to the end");
    assert_int_equal(client->ends, 1);
}

static void head_tells_the_length_without_a_body(void **state)
{
    (void)state;
    harness_start();
    struct client *client = ask("HEAD /a HTTP/1.1\r\nHost: api.example.com\r\n\r\n");
    assert_true(upstream_sees("HEAD /a "));
    upstream_says("HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n");
    wait_for_release(client);
    assert_int_equal(client->content_length, 1234);
    assert_int_equal(client->body_size, 0);
    /* The connection is good for another question. */
    harness->seen_size = 0;
    client = ask(GET("/b"));
    assert_true(upstream_sees("GET /b "));
}

static void early_hints_pass_and_100_does_not(void **state)
{
    (void)state;
    harness_start();
    struct client *client = ask(GET("/a"));
    assert_true(upstream_sees("\r\n\r\n"));
    upstream_says("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
                  "HTTP/1.1 204 No Content\r\n\r\n");
    wait_for_release(client);
    assert_int_equal(client->informational, 1);
    assert_int_equal(client->last_informational, 103);
    assert_int_equal(client->status, 204);
}

/* ---- back-pressure ---- */

static void an_answer_waits_for_its_client(void **state)
{
    (void)state;
    harness_start();
    struct client *client = ask(GET("/a"));
    client->full = true;
    assert_true(upstream_sees("\r\n\r\n"));
    upstream_says("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n01234");
    assert_int_equal(client->body_size, 5);
    upstream_says("56789");
    turn();
    assert_int_equal(client->body_size, 5);
    assert_int_equal(client->ends, 0);
    client->full = false;
    exchange_handler.on_writable(&client->stream);
    wait_for_release(client);
    assert_body_has(client, "0123456789");
}

static void a_body_waits_for_its_upstream(void **state)
{
    (void)state;
    harness_start();
    struct client *client = ask(PUT("Transfer-Encoding: chunked\r\n"));
    harness->routes[0].policy.body = INT64_MAX;
    assert_true(upstream_sees("chunked"));
    static char piece[16385];
    memset(piece, 'x', sizeof piece - 1);
    size_t given = 0;
    while (!client->paused && given < 1024) {
        client_gives(client, piece);
        given++;
    }
    assert_true(given < 1024);
    int64_t limit = patience_until();
    while (client->paused && clock_monotonic_ns() < limit) {
        static char sink[1 << 16];
        (void)recv(harness->upstream, sink, sizeof sink, MSG_DONTWAIT);
        turn();
    }
    assert_false(client->paused);
}

/* ---- clients that go ---- */

static void a_client_that_goes_while_connecting(void **state)
{
    (void)state;
    harness_start();
    struct client *client = ask(GET("/a"));
    assert_int_equal(client->heads, 0);
    exchange_handler.on_abort(&client->stream, HTTP_ABORT_CLIENT);
    assert_int_equal(client->releases, 1);
    wait_for_exchanges(0);
    assert_int_equal(counter("sallyport_client_aborts_total"), 1);
}

static void a_client_that_goes_ends_the_call(void **state)
{
    (void)state;
    harness_start();
    struct client *client = ask(GET("/a"));
    assert_true(upstream_sees("\r\n\r\n"));
    exchange_handler.on_abort(&client->stream, HTTP_ABORT_CLIENT);
    wait_for_exchanges(0);
    turn();
    char byte;
    assert_int_equal(recv(harness->upstream, &byte, 1, 0), 0);
}

/* The client sent Expect: 100-continue and was gone when 100 was written: the call went with the exchange, and was then
 * flushed. */
static void a_client_that_is_gone_when_it_is_asked_for_its_body(void **state)
{
    (void)state;
    harness_start();
    struct client *client = client_new();
    client->gone_on_resume = true;
    client_asks(client, PUT("Content-Length: 5\r\nExpect: 100-continue\r\n"));
    wait_for_release(client);
    wait_for_exchanges(0);
    assert_int_equal(client->heads, 0);
}

static void a_client_that_is_gone_when_the_answer_comes(void **state)
{
    (void)state;
    harness_start();
    struct client *client = client_new();
    client->gone_on_head = true;
    client_asks(client, GET("/a"));
    assert_true(upstream_sees("\r\n\r\n"));
    upstream_says("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
    wait_for_release(client);
    wait_for_exchanges(0);
    assert_int_equal(client->body_size, 0);
}

/* ---- trying again ---- */

static void a_kept_connection_that_was_dead_is_replaced(void **state)
{
    (void)state;
    harness_start();
    keep_a_connection();
    struct client *client = ask(GET("/again"));
    assert_true(upstream_sees("GET /again "));
    upstream_closes();
    assert_true(upstream_sees("GET /again "));
    upstream_says("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    wait_for_release(client);
    assert_int_equal(client->status, 200);
    assert_int_equal(counter("sallyport_upstream_retries_total"), 1);
}

static void a_fresh_connection_that_dies_is_an_error(void **state)
{
    (void)state;
    harness_start();
    struct client *client = ask(GET("/once"));
    assert_true(upstream_sees("GET /once "));
    upstream_closes();
    wait_for_release(client);
    assert_denied(client, DENY_UPSTREAM_CLOSED);
    assert_int_equal(counter("sallyport_upstream_retries_total"), 0);
}

static void what_may_have_had_an_effect_is_not_sent_again(void **state)
{
    (void)state;
    harness_start();
    keep_a_connection();
    struct client *client = ask("POST /pay HTTP/1.1\r\nHost: api.example.com\r\nContent-Length: 0\r\n\r\n");
    assert_true(upstream_sees("POST /pay "));
    upstream_closes();
    wait_for_release(client);
    assert_denied(client, DENY_UPSTREAM_CLOSED);
}

/* What came while the new connection was being made was lost, and the upstream got a request without it. */
static void the_body_waits_for_the_new_connection(void **state)
{
    (void)state;
    harness_start();
    keep_a_connection();
    struct client *client = ask(PUT("Content-Length: 5\r\n"));
    assert_true(upstream_sees("Content-Length: 5\r\n"));
    assert_false(client->paused);
    unsigned int pauses = client->pauses;
    upstream_closes();
    int64_t limit = patience_until();
    while (client->pauses == pauses && clock_monotonic_ns() < limit) {
        turn();
    }
    assert_int_equal(client->pauses, pauses + 1);
    assert_true(upstream_sees("Content-Length: 5\r\n"));
    assert_false(client->paused);
    client_gives(client, "hello");
    client_ends_body(client);
    assert_true(upstream_sees("\r\n\r\nhello"));
    upstream_says("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    wait_for_release(client);
    assert_int_equal(client->status, 200);
}

static void a_body_that_has_begun_is_not_sent_again(void **state)
{
    (void)state;
    harness_start();
    keep_a_connection();
    struct client *client = ask(PUT("Content-Length: 5\r\n"));
    assert_true(upstream_sees("Content-Length: 5\r\n"));
    client_gives(client, "he");
    upstream_closes();
    wait_for_release(client);
    assert_denied(client, DENY_UPSTREAM_CLOSED);
    assert_int_equal(client->discards, 1);
}

/* ---- upstreams that fail ---- */

static void no_upstream_is_502(void **state)
{
    (void)state;
    harness_start();
    close(harness->service);
    harness->service = socket(AF_INET, SOCK_STREAM, 0);
    struct client *client = ask(GET("/a"));
    wait_for_release(client);
    assert_denied(client, DENY_UPSTREAM_CONNECT);
}

static void no_answer_in_time_is_504(void **state)
{
    (void)state;
    harness->routes[0].policy.timeout = 20 * NS_PER_MS;
    harness_start();
    struct client *client = ask(GET("/a"));
    assert_true(upstream_sees("\r\n\r\n"));
    wait_for_release(client);
    assert_denied(client, DENY_UPSTREAM_TIMEOUT);
}

static void an_answer_that_is_none_is_502(void **state)
{
    (void)state;
    harness_start();
    struct client *client = ask(GET("/a"));
    assert_true(upstream_sees("\r\n\r\n"));
    upstream_says("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
    wait_for_release(client);
    assert_denied(client, DENY_UPSTREAM_PROTOCOL);
    assert_no_field(client, "transfer-encoding");
}

static void an_answer_that_is_cut_is_cut(void **state)
{
    (void)state;
    harness_start();
    struct client *client = ask(GET("/a"));
    assert_true(upstream_sees("\r\n\r\n"));
    upstream_says("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
    upstream_closes();
    wait_for_release(client);
    assert_int_equal(client->status, 200);
    assert_int_equal(client->resets, 1);
    assert_int_equal(client->ends, 0);
    assert_int_equal(counter("sallyport_responses_cut_total"), 1);
}

/* Its head was good, and has not left yet. */
static void an_answer_that_breaks_with_its_first_bytes_is_not_begun(void **state)
{
    (void)state;
    harness_start();
    struct client *client = ask(GET("/a"));
    assert_true(upstream_sees("\r\n\r\n"));
    upstream_says("HTTP/1.1 200 OK\r\nX-Theirs: 1\r\nTransfer-Encoding: chunked\r\n\r\n4\r\ngood\r\nrubbish");
    wait_for_release(client);
    assert_denied(client, DENY_UPSTREAM_PROTOCOL);
    assert_no_field(client, "x-theirs");
    assert_int_equal(client->retractions, 1);
    assert_int_equal(client->resets, 0);
    assert_int_equal(counter("sallyport_responses_cut_total"), 0);
}

static void an_answer_that_stops_is_cut(void **state)
{
    (void)state;
    harness->routes[0].policy.idle_timeout = 20 * NS_PER_MS;
    harness_start();
    struct client *client = ask(GET("/a"));
    assert_true(upstream_sees("\r\n\r\n"));
    upstream_says("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
    wait_for_release(client);
    assert_int_equal(client->resets, 1);
}

/* The failure's text belongs to the connection, which is gone when the line is written. */
static void a_tls_failure_is_told_in_the_log(void **state)
{
    (void)state;
    static char url[64];
    snprintf(url, sizeof url, "https%s", strchr(harness->url.ptr, ':'));
    harness->url = slice_from_string(url);
    assert_null(upstream_parse_endpoint(harness->url, &harness->config->arena, &harness->endpoints[0]));
    harness->upstreams[0].retries = 0;
    harness_start();
    struct client *client = client_new();
    client->keep = true;
    client_asks(client, GET("/a"));
    int64_t limit = patience_until();
    while (client->heads == 0 && clock_monotonic_ns() < limit) {
        turn();
        if (harness->upstream < 0 && upstream_accept()) {
            upstream_says("HTTP/1.1 200 OK\r\n\r\n");
        }
    }
    assert_denied(client, DENY_UPSTREAM_TLS);
    turn();
    exchange_handler.on_sent(&client->stream);
    const char *log = harness_log(harness->access_log);
    assert_non_null(strstr(log, "\"reason\":\"upstream_tls\""));
    assert_non_null(strstr(log, "\"detail\":\"wrong version number\""));
    assert_non_null(strstr(log, "\"endpoint\":\"https://127.0.0.1:"));
}

/* ---- answers before their requests ---- */

static void an_early_answer_ends_the_request(void **state)
{
    (void)state;
    harness_start();
    struct client *client = ask(PUT("Content-Length: 500000\r\n"));
    assert_true(upstream_sees("Content-Length: 500000\r\n"));
    client_gives(client, "some of it");
    upstream_says("HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n");
    wait_for_release(client);
    assert_int_equal(client->status, 413);
    assert_int_equal(client->discards, 1);
    turn();
    assert_int_equal(counter("sallyport_upstream_connections_open"),
                     0); /* half a request: never used again */
}

static void a_body_that_breaks_before_the_answer_is_denied(void **state)
{
    (void)state;
    harness_start();
    struct client *client = ask(PUT("Transfer-Encoding: chunked\r\n"));
    assert_true(upstream_sees("chunked"));
    client_gives(client, "some");
    exchange_handler.on_body_failed(&client->stream, DENY_BAD_BODY);
    wait_for_release(client);
    assert_denied(client, DENY_BAD_BODY);
    assert_null(strstr(harness->seen, "\r\n0\r\n"));
    turn();
    assert_int_equal(counter("sallyport_upstream_connections_open"), 0);
}

static void a_body_that_breaks_within_the_answer_cuts_it(void **state)
{
    (void)state;
    harness_start();
    struct client *client = ask(PUT("Transfer-Encoding: chunked\r\n"));
    assert_true(upstream_sees("chunked"));
    upstream_says("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
    assert_int_equal(client->heads, 1);
    exchange_handler.on_body_failed(&client->stream, DENY_REQUEST_TIMEOUT);
    wait_for_release(client);
    assert_int_equal(client->resets, 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, harness_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_request_and_its_answer_pass),
        TEST(bodies_of_a_stated_length_pass),
        TEST(chunked_bodies_pass),
        TEST(an_answer_that_ends_with_its_connection_passes),
        TEST(head_tells_the_length_without_a_body),
        TEST(early_hints_pass_and_100_does_not),
        TEST(an_answer_waits_for_its_client),
        TEST(a_body_waits_for_its_upstream),
        TEST(a_client_that_goes_while_connecting),
        TEST(a_client_that_goes_ends_the_call),
        TEST(a_client_that_is_gone_when_it_is_asked_for_its_body),
        TEST(a_client_that_is_gone_when_the_answer_comes),
        TEST(a_kept_connection_that_was_dead_is_replaced),
        TEST(a_fresh_connection_that_dies_is_an_error),
        TEST(what_may_have_had_an_effect_is_not_sent_again),
        TEST(the_body_waits_for_the_new_connection),
        TEST(a_body_that_has_begun_is_not_sent_again),
        TEST(no_upstream_is_502),
        TEST(no_answer_in_time_is_504),
        TEST(an_answer_that_is_none_is_502),
        TEST(an_answer_that_is_cut_is_cut),
        TEST(an_answer_that_breaks_with_its_first_bytes_is_not_begun),
        TEST(an_answer_that_stops_is_cut),
        TEST(a_tls_failure_is_told_in_the_log),
        TEST(an_early_answer_ends_the_request),
        TEST(a_body_that_breaks_before_the_answer_is_denied),
        TEST(a_body_that_breaks_within_the_answer_cuts_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
