/* What a tunnel keeps of what it was opened under, and how it ends; bytes over real sockets are tests/e2e/websocket. */
#include "pipeline/tunnel.h"

#include "pipeline/harness.h"

#define ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
#define HANDSHAKE                                                                \
    "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n" \
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
#define SWITCHES                                                                        \
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" \
    "Sec-WebSocket-Accept: " ACCEPT "\r\n\r\n"

static struct websocket_settings websocket;

static int setup(void **state)
{
    harness_setup(state);
    websocket = (struct websocket_settings){ .idle_timeout = 300 * NS_PER_S };
    add_route("socket", "/**", &harness->public_auth)->policy.websocket = &websocket;
    return 0;
}

static struct client *open_tunnel(void)
{
    struct client *client = ask("GET /chat HTTP/1.1\r\nHost: api.example.com\r\n" HANDSHAKE);
    assert_true(upstream_sees("\r\n\r\n"));
    assert_true(client->paused); /* nothing of the client's passes before the upstream has switched */
    upstream_says(SWITCHES);
    assert_int_equal(client->status, 101);
    assert_int_equal(client->framing, BODY_TUNNEL);
    assert_false(client->paused);
    return client;
}

static void gives(struct client *client, const char *bytes, size_t size)
{
    client->stream.received += size;
    client->stream.handler->on_body(&client->stream, slice_of(bytes, size));
}

static void ends(struct client *client)
{
    client->stream.handler->on_body_end(&client->stream, NULL);
    turn();
}

static const char *access_log(void)
{
    return harness_log(harness->access_log);
}

static void asks_and_grants_in_order(void **state)
{
    (void)state;
    harness_start();
    struct client *client = open_tunnel();
    assert_non_null(strstr(harness->seen, "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"));
    assert_non_null(strstr(harness->seen, "\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"));
    assert_null(strstr(harness->seen, "Content-Length"));
    assert_field(client, "sec-websocket-accept", ACCEPT);
    assert_no_field(client, "connection"); /* the protocol's to write */
    gives(client, "\x81\x01x", 3);
    assert_true(upstream_sees("\x81\x01x"));
    upstream_says("\x81\x01y");
    assert_memory_equal(client->body, "\x81\x01y", 3);
    ends(client);
    upstream_closes();
    wait_for_release(client);
    assert_int_equal(counter("sallyport_streams_open{route=\"-\"}"), 0);
    const char *log = access_log();
    assert_non_null(strstr(log, "\"status\":101"));
    assert_non_null(strstr(log, "\"received\":3,\"sent\":3"));
    assert_non_null(strstr(log, "\"closed\":\"client\""));
}

/* Neither the exchange nor the snapshot: a reload frees what nobody uses but tunnels. */
static void keeps_nothing_of_its_configuration(void **state)
{
    (void)state;
    harness_start();
    struct client *client = open_tunnel();
    wait_for_exchanges(0);
    struct worker_snapshot *before = harness->worker.current;
    assert_int_equal(before->uses, 1); /* of the worker alone */
    assert_ok(worker_snapshot_new(&harness->worker, harness->snapshot, NULL, &harness->worker.current));
    worker_snapshot_give(before); /* and with it the pool that the connection came from */
    turn();
    gives(client, "\x81\x01x", 3);
    assert_true(upstream_sees("\x81\x01x"));
    upstream_says("\x81\x01y");
    assert_int_equal(client->body_size, 3);
    upstream_closes();
    assert_int_equal(client->ends, 1);
    ends(client);
    wait_for_release(client);
    assert_non_null(strstr(access_log(), "\"path\":\"/chat\""));
}

/* Its deadline among the idle ones was only parked. */
static void on_a_connection_that_was_idle_before(void **state)
{
    (void)state;
    harness->upstreams[0].idle_timeout = 20 * NS_PER_MS;
    harness_start();
    struct client *first = ask("GET /first HTTP/1.1\r\nHost: api.example.com\r\n\r\n");
    assert_true(upstream_sees("\r\n\r\n"));
    upstream_says("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    wait_for_release(first);
    harness->seen_size = 0;
    harness->seen[0] = '\0';
    struct client *client = open_tunnel();
    assert_int_equal(counter("sallyport_upstream_reused_total"), 1);
    client->stream.handler->on_abort(&client->stream, HTTP_ABORT_CLIENT);
    int64_t after = clock_monotonic_ns() + 100 * NS_PER_MS;
    while (clock_monotonic_ns() < after) {
        turn();
    }
    assert_int_equal(counter("sallyport_upstream_connections_open"), 0);
}

static void counts_among_its_upstreams_connections(void **state)
{
    (void)state;
    harness->upstreams[0].max_connections = 1;
    harness_start();
    struct client *client = open_tunnel();
    assert_denied(ask("GET /other HTTP/1.1\r\nHost: api.example.com\r\n\r\n"), DENY_UPSTREAM_BUSY);
    client->stream.handler->on_abort(&client->stream, HTTP_ABORT_CLIENT);
    upstream_closes();
    ask("GET /third HTTP/1.1\r\nHost: api.example.com\r\n\r\n");
    assert_true(upstream_sees("GET /third"));
}

static void a_lie_is_no_tunnel(void **state)
{
    (void)state;
    harness_start();
    struct client *client = ask("GET /chat HTTP/1.1\r\nHost: api.example.com\r\n" HANDSHAKE);
    assert_true(upstream_sees("\r\n\r\n"));
    upstream_says(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nmore");
    assert_denied(client, DENY_UPSTREAM_PROTOCOL);
    assert_true(client->paused);
}

static void back_pressure_either_way(void **state)
{
    (void)state;
    harness_start();
    struct client *client = open_tunnel();
    client->full = true;
    upstream_says("\x81\x01y");
    upstream_says("\x81\x01z");
    assert_int_equal(client->body_size, 3);
    client->full = false;
    client->stream.handler->on_writable(&client->stream);
    turn();
    assert_int_equal(client->body_size, 6);
    static char piece[HTTP_BULK_BUFFER];
    for (int i = 0; i < 1000 && !client->paused; i++) {
        gives(client, piece, sizeof piece);
    }
    assert_true(client->paused);
    assert_true(counter("sallyport_upstream_connections_open") == 1);
}

/* A gone client's end comes from within a send. */
static bool send_and_vanish(struct http_stream *stream, struct slice data)
{
    (void)data;
    stream->handler->on_abort(stream, HTTP_ABORT_CLIENT);
    return true;
}

static void a_client_that_vanishes_within_a_send(void **state)
{
    (void)state;
    harness_start();
    struct client *client = open_tunnel();
    struct http_stream_ops ops = *client->stream.ops;
    ops.send_body = send_and_vanish;
    client->stream.ops = &ops;
    upstream_says("\x81\x01y");
    wait_for_release(client);
    client->stream.ops = &client_ops;
    assert_non_null(strstr(access_log(), "\"closed\":\"client_aborted\""));
}

static void a_drain_says_goodbye(void **state)
{
    (void)state;
    harness_start();
    struct client *client = open_tunnel();
    tunnel_drain_all(&harness->worker, 0);
    wait_for_release(client);
    assert_memory_equal(client->body, "\x88\x0c\x03\xe9going away", 14);
    assert_int_equal(client->discards, 1);
    assert_true(upstream_sees("\x88\x8c"));
    assert_non_null(strstr(access_log(), "\"closed\":\"draining\""));
}

/* No request is lost to an upgrade, so it is opened, and ends with the others. */
static void one_that_is_opened_late_ends_with_the_others(void **state)
{
    (void)state;
    harness_start();
    harness->worker.draining = true;
    tunnel_drain_all(&harness->worker, 50 * NS_PER_MS);
    struct client *client = open_tunnel();
    wait_for_release(client);
    assert_memory_equal(client->body, "\x88\x0c\x03\xe9going away", 14);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, harness_teardown)
    const struct CMUnitTest tests[] = {
        TEST(asks_and_grants_in_order),
        TEST(keeps_nothing_of_its_configuration),
        TEST(on_a_connection_that_was_idle_before),
        TEST(counts_among_its_upstreams_connections),
        TEST(a_lie_is_no_tunnel),
        TEST(back_pressure_either_way),
        TEST(a_client_that_vanishes_within_a_send),
        TEST(a_drain_says_goodbye),
        TEST(one_that_is_opened_late_ends_with_the_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
