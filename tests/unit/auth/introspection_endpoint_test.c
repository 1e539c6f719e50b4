/* One endpoint, which the test plays on a socket: who is asked about, in which order, and what becomes of those who wait. */
#include "unit.h"

#include "auth/introspection_endpoint.h"
#include "base/clock.h"
#include "base/limits.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#define INACTIVE "{\"active\":false}"

struct fixture {
    struct net_loop loop;
    struct introspection_asking asking;
    struct introspection_settings settings;
    struct introspection_endpoint *endpoint;
    char url[64];
    int listening, connection; /* -1: none */
    char seen[8192];           /* of the request that came last */
    char answered[64];         /* tokens in the order in which they were, "a" for active.. */
    size_t answered_count;
    enum deny_reason last;
    unsigned int changes;
};

static struct fixture *fixture;

static void on_answered(void *context, struct introspection_question *question)
{
    struct fixture *of = context;
    if (of->answered_count < sizeof of->answered - 1) {
        of->answered[of->answered_count] = question->token.ptr[0];
    }
    of->answered_count++;
    of->last = question->reason;
    introspection_question_free(question);
}

static void on_changed(void *context, struct slice endpoint_name, const char *failure)
{
    (void)failure;
    assert_slice(endpoint_name, "main");
    ((struct fixture *)context)->changes++;
}

static int set_up(void **state)
{
    (void)state;
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof address;
    fixture = calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    fixture->connection = -1;
    fixture->listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(fixture->listening, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(fixture->listening, 16), 0);
    assert_int_equal(getsockname(fixture->listening, (struct sockaddr *)&address, &size), 0);
    snprintf(fixture->url, sizeof fixture->url, "http://127.0.0.1:%u/introspect", ntohs(address.sin_port));
    fixture->settings = (struct introspection_settings){
        .name = SLICE("main"),
        .endpoint = slice_from_string(fixture->url),
        .client_authentication = CLIENT_SECRET_BASIC,
        .client_id = SLICE("gateway"),
        .client_secret = SLICE("secret"),
        .timeout = 60 * NS_PER_S,
        .max_concurrent = 1,
    };
    assert_ok(net_loop_init(&fixture->loop));
    fixture->asking = (struct introspection_asking){ .loop = &fixture->loop,
                                                     .callbacks = { on_answered, on_changed, fixture } };
    arena_init(&fixture->asking.scratch, JWT_TREE_MAX);
    assert_ok(fetcher_new(&fixture->loop, &fixture->asking.fetcher));
    fixture->endpoint = introspection_endpoint_new(&fixture->asking, &fixture->settings);
    assert_non_null(fixture->endpoint);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    introspection_endpoint_free(fixture->endpoint, false);
    fetcher_free(fixture->asking.fetcher);
    arena_done(&fixture->asking.scratch);
    net_loop_done(&fixture->loop);
    if (fixture->connection >= 0) {
        close(fixture->connection);
    }
    close(fixture->listening);
    free(fixture);
    return 0;
}

/* A question about the token that is called so. */
static void ask(char name, bool is_known)
{
    char token[] = { name, '-', 't', 'o', 'k', 'e', 'n' };
    struct introspection_question *question =
        introspection_question_new(SLICE("main"), slice_of(token, sizeof token));
    assert_non_null(question);
    net_loop_woken(&fixture->loop);
    question->born = fixture->loop.now;
    question->is_known = is_known;
    question->digest[0] = (unsigned char)name;
    introspection_endpoint_ask(fixture->endpoint, question);
}

/* Is the endpoint asked about this token, after what it was asked before? */
static bool is_asked(char name)
{
    char parameter[32];
    size_t used = 0;
    int64_t limit = clock_monotonic_ns() + 5 * NS_PER_S;
    snprintf(parameter, sizeof parameter, "token=%c-token&", name);
    while (clock_monotonic_ns() < limit) {
        uv_run(&fixture->loop.uv, UV_RUN_NOWAIT);
        int fd = accept4(fixture->listening, NULL, NULL, SOCK_CLOEXEC);
        if (fd >= 0) {
            if (fixture->connection >= 0) {
                close(fixture->connection);
            }
            fixture->connection = fd;
        }
        ssize_t got = fixture->connection >= 0 ? recv(fixture->connection, fixture->seen + used,
                                                      sizeof fixture->seen - 1 - used, MSG_DONTWAIT)
                                               : -1;
        used += got > 0 ? (size_t)got : 0;
        fixture->seen[used] = '\0';
        if (strstr(fixture->seen, "token_type_hint=access_token") != NULL) {
            return strstr(fixture->seen, parameter) != NULL;
        }
    }
    return false;
}

/* Answers, and waits until `count` questions have been answered in all. */
static void say(const char *status, const char *body, size_t count)
{
    char text[256];
    int64_t limit = clock_monotonic_ns() + 5 * NS_PER_S;
    int size = snprintf(text, sizeof text,
                        "HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
                        status, strlen(body), body);
    assert_int_equal(send(fixture->connection, text, (size_t)size, MSG_NOSIGNAL), size);
    while (fixture->answered_count < count && clock_monotonic_ns() < limit) {
        uv_run(&fixture->loop.uv, UV_RUN_NOWAIT);
    }
    assert_int_equal(fixture->answered_count, count);
}

static void one_that_cannot_prove_itself_asks_nobody(void **state)
{
    (void)state;
    ask('a', false);
    assert_int_equal(fixture->answered_count, 1);
    assert_int_equal(fixture->last, DENY_INTROSPECTION_UNAVAILABLE);
}

static void a_token_is_asked_about_once(void **state)
{
    (void)state;
    assert_ok(introspection_endpoint_set(fixture->endpoint, &fixture->settings));
    ask('a', false);
    ask('a', false);
    assert_int_equal(fixture->endpoint->flight_count, 1);
    assert_int_equal(fixture->endpoint->unknown.count, 0);
    assert_true(is_asked('a'));
    say("200 OK", INACTIVE, 2);
    assert_int_equal(fixture->last, DENY_NONE);
    assert_int_equal(fixture->endpoint->requests, 1);
}

static void those_that_were_active_go_first(void **state)
{
    (void)state;
    assert_ok(introspection_endpoint_set(fixture->endpoint, &fixture->settings));
    ask('a', false);
    ask('b', false);
    ask('c', true);
    assert_int_equal(fixture->endpoint->flight_count, 1);
    assert_true(is_asked('a'));
    say("200 OK", INACTIVE, 1);
    assert_true(is_asked('c'));
    say("200 OK", INACTIVE, 2);
    assert_true(is_asked('b'));
    say("200 OK", INACTIVE, 3);
    assert_string_equal(fixture->answered, "acb");
}

static void no_more_wait_than_may(void **state)
{
    (void)state;
    assert_ok(introspection_endpoint_set(fixture->endpoint, &fixture->settings));
    ask('a', false);
    for (size_t i = 0; i < INTROSPECTION_WAITING_MAX; i++) {
        ask('b', false);
    }
    assert_int_equal(fixture->answered_count, 0);
    ask('c', true);
    assert_int_equal(fixture->answered_count, 1);
    assert_int_equal(fixture->last, DENY_INTROSPECTION_BUSY);
    ask('a', false); /* joins */
    assert_int_equal(fixture->answered_count, 1);
}

/* What no token can be blamed for: whoever waits is told at once, and the next is not held up. */
static void one_that_fails_is_left_alone(void **state)
{
    (void)state;
    assert_ok(introspection_endpoint_set(fixture->endpoint, &fixture->settings));
    for (size_t i = 1; i <= INTROSPECTION_FAILURES_MAX; i++) {
        ask((char)('a' + i), false);
        assert_true(is_asked((char)('a' + i)));
        say("503 Service Unavailable", "", i);
        assert_int_equal(fixture->last, DENY_INTROSPECTION_UNAVAILABLE);
    }
    ask('z', true);
    assert_int_equal(fixture->answered_count, INTROSPECTION_FAILURES_MAX + 1);
    assert_int_equal(fixture->last, DENY_INTROSPECTION_UNAVAILABLE);
    assert_int_equal(fixture->endpoint->flight_count, 0);
    assert_int_equal(fixture->changes, 1); /* told once */
}

/* An answer that a token can provoke says nothing about the others. */
static void one_strange_answer_holds_up_nobody(void **state)
{
    (void)state;
    assert_ok(introspection_endpoint_set(fixture->endpoint, &fixture->settings));
    for (size_t i = 1; i <= 2 * INTROSPECTION_FAILURES_MAX; i++) {
        ask((char)('a' + i), false);
        assert_true(is_asked((char)('a' + i)));
        say("200 OK", "[]", i);
        assert_int_equal(fixture->last, DENY_INTROSPECTION_ANSWER);
    }
    ask('z', false);
    assert_true(is_asked('z'));
}

static void whoever_waits_is_told_when_it_goes(void **state)
{
    (void)state;
    assert_ok(introspection_endpoint_set(fixture->endpoint, &fixture->settings));
    ask('a', false);
    ask('b', false);
    ask('c', true);
    introspection_endpoint_free(fixture->endpoint, true);
    assert_int_equal(fixture->answered_count, 3);
    assert_int_equal(fixture->last, DENY_INTROSPECTION_UNAVAILABLE);
    fixture->endpoint = introspection_endpoint_new(&fixture->asking, &fixture->settings);
    assert_non_null(fixture->endpoint);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(one_that_cannot_prove_itself_asks_nobody),
        TEST(a_token_is_asked_about_once),
        TEST(those_that_were_active_go_first),
        TEST(no_more_wait_than_may),
        TEST(one_that_fails_is_left_alone),
        TEST(one_strange_answer_holds_up_nobody),
        TEST(whoever_waits_is_told_when_it_goes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
