#include "pipeline/harness.h"

#define GET(path) "GET " path " HTTP/1.1\r\nHost: api.example.com\r\n\r\n"

static int setup(void **state)
{
    harness_setup(state);
    add_route("orders", "/orders/**", &harness->jwt_auth);
    add_route("open", "/open/**", &harness->public_auth);
    return 0;
}

static size_t count(const char *text, const char *part)
{
    size_t found = 0;
    while ((text = strstr(text, part)) != NULL) {
        found++;
        text++;
    }
    return found;
}

/* ---- what is no request ---- */

static void what_is_no_request_is_denied_and_recorded(void **state)
{
    (void)state;
    harness_start();
    struct client *client = client_new();
    exchange_handler.on_reject(&client->stream, DENY_BAD_REQUEST, "bad Content-Length");
    assert_denied(client, DENY_BAD_REQUEST);
    const char *audit = harness_log(harness->audit_log);
    assert_int_equal(count(audit, "\"reason\":\"bad_request\",\"detail\":\"bad Content-Length\""), 1);
}

static void a_full_audit_log_denies_what_is_no_request_too(void **state)
{
    (void)state;
    harness->audit_queue = 4096;
    harness_start();
    while (log_audit_reserve(harness->worker.logs)) {
    }
    struct client *client = client_new();
    exchange_handler.on_reject(&client->stream, DENY_BAD_REQUEST, "bad Content-Length");
    assert_denied(client, DENY_AUDIT_FULL);
    assert_non_null(field(client, "retry-after"));
}

/* ---- the record ---- */

/* A reservation that were never used or given back would fill the queue, and every request be denied. */
static void every_reservation_is_used_or_given_back(void **state)
{
    (void)state;
    harness->audit_queue = 4096;
    harness_start();
    for (int i = 0; i < 200; i++) {
        struct client *client = ask(i % 2 == 0 ? GET("/open/gone") : GET("/open/stays"));
        if (i % 2 == 0) {
            exchange_handler.on_abort(&client->stream, HTTP_ABORT_CLIENT);
        } else {
            assert_true(upstream_sees("GET /open/stays "));
            upstream_says("HTTP/1.1 204 No Content\r\n\r\n");
            wait_for_release(client);
            assert_int_equal(client->status, 204);
            harness->seen_size = 0;
        }
        free(client);
        harness->client_count = 0;
    }
}

static void what_was_allowed_is_audited_where_the_route_says_so(void **state)
{
    (void)state;
    harness->routes[1].policy.audit = AUDIT_ALL;
    harness_start();
    struct client *client = ask(GET("/open/a?secret=1"));
    assert_true(upstream_sees("\r\n\r\n"));
    upstream_says("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    wait_for_release(client);
    const char *audit = harness_log(harness->audit_log);
    assert_int_equal(count(audit, "\"event\":\"allowed\""), 1);
    assert_int_equal(count(audit, "secret"), 0);
}

static void what_was_allowed_is_not_audited_otherwise(void **state)
{
    (void)state;
    harness_start();
    struct client *client = ask(GET("/open/a"));
    assert_true(upstream_sees("\r\n\r\n"));
    upstream_says("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    wait_for_release(client);
    assert_int_equal(count(harness_log(harness->audit_log), "\n"), 0);
    const char *access = harness_log(harness->access_log);
    assert_int_equal(count(access, "\"route\":\"open\",\"upstream\":\"orders\""), 1);
    assert_int_equal(count(access, "\"status\":200"), 1);
    assert_int_equal(count(access, "\"sent\":2"), 1);
    assert_int_equal(count(access, "upstream_us"), 1);
    assert_int_equal(count(access, "aborted"), 0);
}

static void a_client_that_goes_is_in_the_log(void **state)
{
    (void)state;
    harness_start();
    struct client *client = ask(GET("/open/a"));
    exchange_handler.on_abort(&client->stream, HTTP_ABORT_CLIENT);
    assert_int_equal(count(harness_log(harness->access_log), "\"aborted\":true"), 1);
}

static void a_token_is_in_no_log(void **state)
{
    (void)state;
    harness_start();
    token_lifetime = -3600;
    struct client *denied = ask_with_token("GET /orders/1", "");
    token_lifetime = 600;
    assert_int_equal(denied->status, 401);
    struct client *client = ask_with_token("GET /orders/1", "");
    exchange_handler.on_abort(&client->stream, HTTP_ABORT_CLIENT);
    for (int i = 0; i < 2; i++) {
        const char *log = harness_log(i == 0 ? harness->access_log : harness->audit_log);
        assert_int_equal(count(log, "\"reason\":\"token_expired\""), 1);
        assert_int_equal(count(log, "eyJ"), 0);
    }
    assert_int_equal(count(harness_log(harness->access_log), "\"subject\":\"alice\""), 1);
}

/* ---- slow tokens ---- */

static struct mint_key slow_key;

static void start_with_slow_key(void)
{
    static char jwks[8400];
    slow_key = mint_ec("P-384");
    snprintf(jwks, sizeof jwks, "{\"keys\":[%s]}", mint_jwk(&slow_key, "\"kid\":\"1\""));
    harness->issuers[0].secret = SLICE_NONE;
    harness->issuers[0].jwks_text = slice_from_string(jwks);
    harness_start();
}

static struct client *ask_slowly(const struct mint_key *key, const char *kid, int version, const char *head)
{
    char payload[512], header[64], request[4096];
    long long now = (long long)(clock_real_ns() / NS_PER_S);
    snprintf(payload, sizeof payload,
             "{\"iss\":\"https://idp.example.com\",\"aud\":\"orders\",\"sub\":\"alice\",\"iat\":%lld,"
             "\"exp\":%lld}",
             now, now + 600);
    snprintf(header, sizeof header, "{\"alg\":\"ES384\",\"kid\":\"%s\"}", kid);
    char *text = mint_token(key, JWT_ES384, header, payload);
    snprintf(request, sizeof request, "%s\r\nHost: api.example.com\r\nAuthorization: Bearer %s\r\n\r\n", head,
             text);
    free(text);
    struct client *client = client_new();
    client->stream.minor_version = version;
    client_asks(client, request);
    return client;
}

static struct client *ask_with_slow_token(const struct mint_key *key, const char *kid)
{
    return ask_slowly(key, kid, 1, "GET /orders/1 HTTP/1.1");
}

static void a_slow_token_is_verified_beside_the_loop(void **state)
{
    (void)state;
    start_with_slow_key();
    struct client *client = ask_with_slow_token(&slow_key, "1");
    assert_int_equal(client->heads, 0);
    assert_true(upstream_sees("GET /orders/1 "));
    upstream_says("HTTP/1.1 204 No Content\r\n\r\n");
    wait_for_release(client);
    assert_int_equal(client->status, 204);
    mint_done(&slow_key);
}

static void a_slow_token_of_another_key_is_denied(void **state)
{
    (void)state;
    start_with_slow_key();
    struct mint_key other = mint_ec("P-384");
    struct client *client = ask_with_slow_token(&other, "1");
    wait_for_release(client);
    assert_denied(client, DENY_TOKEN_SIGNATURE);
    mint_done(&other);
    mint_done(&slow_key);
}

static void a_client_that_goes_while_its_token_is_verified(void **state)
{
    (void)state;
    start_with_slow_key();
    struct client *client = ask_with_slow_token(&slow_key, "1");
    exchange_handler.on_abort(&client->stream, HTTP_ABORT_CLIENT);
    assert_int_equal(client->releases, 1);
    assert_int_equal(harness->worker.exchange_count, 1); /* its memory is the thread pool's */
    wait_for_exchanges(0);
    assert_int_equal(client->heads, 0);
    assert_false(upstream_accept());
    mint_done(&slow_key);
}

/* The pool's thread still has the token when the call's time is over: the client has its answer, and nothing comes of the token,
 * good or bad. */
static void assert_deadline_wins(const struct mint_key *key)
{
    start_with_slow_key();
    struct client *client = ask_slowly(key != NULL ? key : &slow_key, "1", 2,
                                       "POST /orders/1 HTTP/1.1\r\nContent-Type: application/grpc\r\n"
                                       "Content-Length: 0\r\nGrpc-Timeout: 1n");
    struct net_loop *loop = &harness->worker.loop;
    assert_int_equal(client->heads, 0);
    loop->now = clock_monotonic_ns();
    deadline_run(&loop->deadlines, loop->now + 2 * NS_PER_MS);
    assert_int_equal(client->heads, 1);
    assert_int_equal(client->status, 200);
    assert_field(client, "grpc-status", "4");
    assert_field(client, "grpc-message", "Deadline exceeded (deadline_exceeded)");
    wait_for_release(client);
    wait_for_exchanges(0);
    assert_int_equal(client->heads, 1);
    assert_false(upstream_accept());
    char *log = harness_log(harness->access_log);
    assert_int_equal(count(log, "\"grpc_status\":4,\"reason\":\"grpc_deadline\""), 1);
    mint_done(&slow_key);
}

static void a_call_whose_time_is_over_while_its_token_is_verified(void **state)
{
    (void)state;
    assert_deadline_wins(NULL);
}

static void a_call_whose_time_is_over_while_its_token_is_refused(void **state)
{
    (void)state;
    struct mint_key other = mint_ec("P-384");
    assert_deadline_wins(&other);
    mint_done(&other);
}

static void an_unknown_key_is_asked_for(void **state)
{
    (void)state;
    start_with_slow_key();
    struct client *client = ask_with_slow_token(&slow_key, "2");
    wait_for_release(client);
    assert_denied(client, DENY_TOKEN_KEY_UNKNOWN);
    assert_int_equal(harness->unknown_kids, 1);
    mint_done(&slow_key);
}

/* ---- configurations ---- */

/* Another configuration is taken up while a request is with its upstream: it ends as it began. */
static void an_exchange_keeps_its_configuration(void **state)
{
    (void)state;
    harness_start();
    struct client *client = ask(GET("/open/a"));
    assert_true(upstream_sees("\r\n\r\n"));
    struct worker_snapshot *old = harness->worker.current;
    assert_ok(worker_snapshot_new(&harness->worker, harness->snapshot, NULL, &harness->worker.current));
    worker_snapshot_give(old);
    assert_int_equal(counter("sallyport_upstream_connections_open"), 1);
    upstream_says("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    wait_for_release(client);
    assert_int_equal(client->status, 200);
    turn();
    assert_int_equal(counter("sallyport_upstream_connections_open"), 0); /* the old one's pools are gone */
    client = ask(GET("/open/b"));
    harness->upstream = -1;
    harness->seen_size = 0;
    assert_true(upstream_sees("GET /open/b "));
}

/* The last exchange of a former configuration fails within the pool that goes with it. */
static void a_failing_exchange_may_take_its_pool_along(void **state)
{
    (void)state;
    harness->upstreams[0].retries = 0;
    harness_start();
    close(harness->service);
    harness->service = socket(AF_INET, SOCK_STREAM, 0);
    struct client *client = ask(GET("/open/a"));
    struct worker_snapshot *old = harness->worker.current;
    assert_ok(worker_snapshot_new(&harness->worker, harness->snapshot, NULL, &harness->worker.current));
    worker_snapshot_give(old);
    wait_for_release(client);
    assert_denied(client, DENY_UPSTREAM_CONNECT);
}

static void a_listener_that_is_gone_serves_no_route(void **state)
{
    (void)state;
    harness_start();
    harness->listener.index = -1;
    assert_denied(ask(GET("/open/a")), DENY_NO_ROUTE);
}

/* ---- memory ---- */

static void exchanges_are_recycled_clean(void **state)
{
    (void)state;
    harness_start();
    token_lifetime = -3600;
    assert_denied(ask_with_token("GET /orders/1", ""), DENY_TOKEN_EXPIRED);
    assert_int_equal(harness->worker.spare_count, 1);
    struct client *client = ask(GET("/open/a"));
    assert_int_equal(harness->worker.spare_count, 0);
    assert_true(upstream_sees("\r\n\r\n"));
    upstream_says("HTTP/1.1 204 No Content\r\n\r\n");
    wait_for_release(client);
    assert_no_field(client, "www-authenticate");
    const char *log = harness_log(harness->access_log);
    assert_int_equal(count(log, "token_expired"), 1);
}

/* A head that fills the arena leaves no room for anything else: denied or cut, never forwarded half. */
static void without_memory_nothing_is_forwarded(void **state)
{
    (void)state;
    harness_start();
    exchange_free_spares(&harness->worker);
    struct exchange *small = calloc(1, sizeof *small);
    arena_init(&small->arena, 64);
    harness->worker.spare = small;
    harness->worker.spare_count = 1;
    struct client *client = ask(GET("/open/a"));
    assert_int_equal(client->resets, 1);
    assert_int_equal(client->heads, 0);
    assert_int_equal(counter("sallyport_stage_errors_total"), 1);
    assert_false(upstream_accept());
    /* It is not used again as it is. */
    exchange_free_spares(&harness->worker);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, harness_teardown)
    const struct CMUnitTest tests[] = {
        TEST(what_is_no_request_is_denied_and_recorded),
        TEST(a_full_audit_log_denies_what_is_no_request_too),
        TEST(every_reservation_is_used_or_given_back),
        TEST(what_was_allowed_is_audited_where_the_route_says_so),
        TEST(what_was_allowed_is_not_audited_otherwise),
        TEST(a_client_that_goes_is_in_the_log),
        TEST(a_token_is_in_no_log),
        TEST(a_slow_token_is_verified_beside_the_loop),
        TEST(a_slow_token_of_another_key_is_denied),
        TEST(a_client_that_goes_while_its_token_is_verified),
        TEST(a_call_whose_time_is_over_while_its_token_is_verified),
        TEST(a_call_whose_time_is_over_while_its_token_is_refused),
        TEST(an_unknown_key_is_asked_for),
        TEST(an_exchange_keeps_its_configuration),
        TEST(a_failing_exchange_may_take_its_pool_along),
        TEST(a_listener_that_is_gone_serves_no_route),
        TEST(exchanges_are_recycled_clean),
        TEST(without_memory_nothing_is_forwarded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
