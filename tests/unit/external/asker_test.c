/* What becomes of questions: whatever happens to their connections, who asked hears of it once, and nothing but a whole yes lets
 * anybody pass. The authorizer is a listening socket that the test plays. */
#include "external/asker.h"

#include "told.h"

#include "base/clock.h"
#include "upstream/health/mark.h"
#include "upstream/outlier/mark.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#define WAITERS 4
#define YES     "HTTP/1.1 200 OK\r\nX-User: alice\r\nContent-Length: 0\r\n\r\n"
#define NO      "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"

struct waiter {
    struct external_waiter base;
    unsigned int answers;
    bool answered;
    struct external_answer *answer;
};

struct fixture {
    struct net_loop loop;
    struct arena arena;
    struct metrics *metrics;
    int listener;
    char url[64];
    struct decision_cache_settings cache;
    struct authorizer_settings settings;
    struct external_question question;
    struct fields fields;
    struct external_asker *asker;
    struct waiter waiters[WAITERS];
};

static struct fixture *fixture;
static struct slice path = SLICE_INIT("path"), user = SLICE_INIT("X-User");
static const unsigned char key_a[EXTERNAL_KEY_SIZE] = { 1 }, key_b[EXTERNAL_KEY_SIZE] = { 2 };

/* ---- the authorizer ---- */

static void listen_on_loopback(void)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof address;
    fixture->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(fixture->listener, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(fixture->listener, 16), 0);
    assert_int_equal(getsockname(fixture->listener, (struct sockaddr *)&address, &size), 0);
    snprintf(fixture->url, sizeof fixture->url, "http://127.0.0.1:%u/verify", ntohs(address.sin_port));
}

static int64_t limit_of_a_wait(void)
{
    return clock_monotonic_ns() + 10 * NS_PER_S;
}

static void turn(void)
{
    uv_run(&fixture->loop.uv, UV_RUN_NOWAIT);
}

/* The next connection. */
static int take_connection(void)
{
    int fd = -1;
    for (int64_t limit = limit_of_a_wait(); fd < 0 && clock_monotonic_ns() < limit;) {
        turn();
        fd = accept4(fixture->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    }
    assert_true(fd >= 0);
    return fd;
}

static void read_question(int fd)
{
    char text[4096];
    size_t len = 0;
    for (int64_t limit = limit_of_a_wait(); clock_monotonic_ns() < limit;) {
        turn();
        ssize_t got = read(fd, text + len, sizeof text - 1 - len);
        len += got > 0 ? (size_t)got : 0;
        text[len] = '\0';
        if (strstr(text, "\r\n\r\n") != NULL) {
            assert_non_null(strstr(text, "GET /verify HTTP/1.1\r\n"));
            assert_non_null(strstr(text, "X-Forwarded-Uri: /orders\r\n"));
            return;
        }
    }
    fail_msg("no question, but: %s", text);
}

static void say(int fd, const char *text)
{
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

/* Nobody else is asked. */
static void assert_no_connection(void)
{
    for (int i = 0; i < 10; i++) {
        turn();
    }
    assert_int_equal(accept4(fixture->listener, NULL, NULL, SOCK_CLOEXEC), -1);
}

/* ---- who asks ---- */

static void on_answer(struct external_waiter *base, struct external_answer *answer)
{
    struct waiter *waiter = (struct waiter *)base;
    waiter->answers++;
    waiter->answered = true;
    waiter->answer = answer;
}

static struct waiter *ask(size_t index, const unsigned char *key)
{
    struct waiter *waiter = &fixture->waiters[index];
    external_answer_unref(waiter->answer);
    *waiter = (struct waiter){ .base = { .answered = on_answer } };
    if (key == NULL || !external_join(fixture->asker, key, &waiter->base)) {
        assert_true(external_ask(fixture->asker, key, &fixture->question, &waiter->base));
    }
    assert_false(waiter->answered); /* never from within */
    return waiter;
}

static enum deny_reason wait_for(struct waiter *waiter)
{
    for (int64_t limit = limit_of_a_wait(); !waiter->answered && clock_monotonic_ns() < limit;) {
        turn();
    }
    assert_int_equal(waiter->answers, 1);
    assert_non_null(waiter->answer);
    return waiter->answer->reason;
}

static int64_t outcomes(const char *outcome)
{
    struct buffer text;
    buffer_init(&text, 1 << 20);
    assert_true(metrics_render(fixture->metrics, &text));
    assert_true(buffer_append_char(&text, '\0'));
    char line[128];
    snprintf(line, sizeof line, "\nsallyport_authorizer_requests_total{authorizer=\"sso\",outcome=\"%s\"} ",
             outcome);
    const char *at = strstr(text.data + text.begin, line);
    int64_t count = at != NULL ? strtoll(at + strlen(line), NULL, 10) : 0;
    buffer_done(&text);
    return count;
}

/* ---- the fixture ---- */

static int setup(void **state)
{
    (void)state;
    fixture = calloc(1, sizeof *fixture);
    assert_ok(net_loop_init(&fixture->loop));
    assert_ok(metrics_new(1, &fixture->metrics));
    arena_init(&fixture->arena, 1 << 20);
    fields_init(&fixture->fields);
    fields_add(&fixture->fields, "X-Forwarded-Uri", "/orders");
    listen_on_loopback();
    fixture->cache =
        (struct decision_cache_settings){ .duration = 60 * NS_PER_S, .by = { &path, 1 }, .entries = 16 };
    fixture->settings = (struct authorizer_settings){
        .name = SLICE("sso"),
        .url = slice_from_string(fixture->url),
        .timeout = 10 * NS_PER_S,
        .upstream_headers = { &user, 1 },
        .max_connections = 4,
        .max_pending = 4,
    };
    return 0;
}

static void make_asker(struct decision_cache_settings *cache)
{
    fixture->settings.cache = cache;
    assert_ok(authorizer_prepare(&fixture->settings, &fixture->arena));
    fixture->question = (struct external_question){ .method = METHOD_GET,
                                                    .method_text = SLICE("GET"),
                                                    .target = fixture->settings.target,
                                                    .host = fixture->settings.authority,
                                                    .headers = fixture->fields.list };
    assert_ok(external_asker_new(&fixture->settings, &fixture->loop, metrics_writer(fixture->metrics, 0),
                                 metrics_authorizer_slot(fixture->metrics, SLICE("sso")), &fixture->asker));
}

static int teardown(void **state)
{
    (void)state;
    for (size_t i = 0; i < WAITERS; i++) {
        external_answer_unref(fixture->waiters[i].answer);
    }
    external_asker_free(fixture->asker);
    for (int i = 0; i < 10; i++) {
        turn();
    }
    net_loop_done(&fixture->loop);
    metrics_free(fixture->metrics);
    health_mark_unref(fixture->settings.service.parsed->mark);
    outlier_mark_unref(fixture->settings.service.parsed->outlier);
    arena_done(&fixture->arena);
    if (fixture->listener >= 0) {
        close(fixture->listener);
    }
    free(fixture);
    return 0;
}

/* ---- answers ---- */

static void a_yes_and_a_no(void **state)
{
    (void)state;
    make_asker(NULL);
    struct waiter *first = ask(0, NULL);
    int fd = take_connection();
    read_question(fd);
    say(fd, YES);
    assert_int_equal(wait_for(first), DENY_NONE);
    assert_int_equal(first->answer->upstream_count, 1);
    assert_slice(first->answer->upstream[0].value, "alice");
    struct waiter *second = ask(1, NULL); /* over the same connection */
    read_question(fd);
    say(fd, NO);
    assert_int_equal(wait_for(second), DENY_AUTHORIZER_DENIED);
    assert_int_equal(second->answer->status, 403);
    assert_no_connection();
    assert_int_equal(outcomes("allowed"), 1);
    assert_int_equal(outcomes("denied"), 1);
    close(fd);
}

static void who_asks_the_same_waits_for_the_same(void **state)
{
    (void)state;
    make_asker(&fixture->cache);
    struct waiter *first = ask(0, key_a), *same = ask(1, key_a), *other = ask(2, key_b);
    int fds[] = { take_connection(), take_connection() };
    read_question(fds[0]);
    read_question(fds[1]);
    assert_no_connection();
    say(fds[0], YES);
    assert_int_equal(wait_for(first), DENY_NONE);
    assert_int_equal(wait_for(same), DENY_NONE);
    assert_ptr_equal(first->answer, same->answer);
    assert_false(other->answered);
    say(fds[1], NO);
    assert_int_equal(wait_for(other), DENY_AUTHORIZER_DENIED);
    assert_int_equal(outcomes("joined"), 1);
    close(fds[0]);
    close(fds[1]);
}

static void a_yes_is_remembered_and_nothing_else(void **state)
{
    (void)state;
    make_asker(&fixture->cache);
    assert_null(external_remembered(fixture->asker, key_a));
    struct waiter *waiter = ask(0, key_a);
    int fd = take_connection();
    say(fd, YES);
    assert_int_equal(wait_for(waiter), DENY_NONE);
    struct external_answer *remembered = external_remembered(fixture->asker, key_a);
    assert_ptr_equal(remembered, waiter->answer);
    external_answer_unref(remembered);
    assert_int_equal(outcomes("remembered"), 1);
    waiter = ask(1, key_b);
    read_question(fd);
    say(fd, NO);
    assert_int_equal(wait_for(waiter), DENY_AUTHORIZER_DENIED);
    assert_null(external_remembered(fixture->asker, key_b));
    waiter = ask(1, key_b);
    say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\ncut");
    for (int64_t limit = limit_of_a_wait(); waiter->answers == 0 && clock_monotonic_ns() < limit;) {
        turn();
        if (fd >= 0) {
            close(fd);
        }
        fd = -1;
    }
    assert_int_equal(wait_for(waiter), DENY_AUTHORIZER_UNREACHABLE); /* a yes that is cut is none */
    assert_null(external_remembered(fixture->asker, key_b));
}

/* ---- failures, in the words of an authorizer ---- */

static void nobody_listens(void **state)
{
    (void)state;
    make_asker(NULL);
    close(fixture->listener);
    fixture->listener = -1;
    assert_int_equal(wait_for(ask(0, NULL)), DENY_AUTHORIZER_UNREACHABLE);
    assert_int_equal(outcomes("failed"), 1);
}

static void it_does_not_answer_in_time(void **state)
{
    (void)state;
    fixture->settings.timeout = 50 * NS_PER_MS;
    make_asker(NULL);
    struct waiter *waiter = ask(0, NULL);
    assert_int_equal(wait_for(waiter), DENY_AUTHORIZER_TIMEOUT);
}

static void it_says_too_much_or_breaks_http(void **state)
{
    (void)state;
    static const struct {
        const char *says;
        enum deny_reason reason;
    } cases[] = {
        { "HTTP/1.1 200 OK\r\nContent-Length: 70000\r\n\r\n", DENY_AUTHORIZER_ANSWER },
        { "no HTTP\r\n\r\n", DENY_AUTHORIZER_ANSWER },
    };
    make_asker(NULL);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct waiter *waiter = ask(0, NULL);
        int fd = take_connection();
        read_question(fd);
        say(fd, cases[i].says);
        static char body[70000];
        for (size_t sent = 0; i == 0 && sent < sizeof body && !waiter->answered;) {
            ssize_t wrote = send(fd, body + sent, sizeof body - sent, MSG_NOSIGNAL);
            sent += wrote > 0 ? (size_t)wrote : 0;
            turn();
        }
        assert_int_equal(wait_for(waiter), cases[i].reason);
        close(fd);
    }
    assert_int_equal(outcomes("failed"), 2);
}

/* A connection that was kept may have been closed long before: the question goes again, on another one. */
static void a_kept_connection_has_gone(void **state)
{
    (void)state;
    make_asker(NULL);
    struct waiter *waiter = ask(0, NULL);
    int fd = take_connection();
    read_question(fd);
    say(fd, YES);
    assert_int_equal(wait_for(waiter), DENY_NONE);
    waiter = ask(1, NULL); /* the loop has not seen that it is closed */
    read_question(fd);
    close(fd);
    fd = take_connection();
    read_question(fd);
    say(fd, YES);
    assert_int_equal(wait_for(waiter), DENY_NONE);
    close(fd);
    /* Nor is a fresh one's end a reason to ask again. */
    external_asker_retire(fixture->asker);
    waiter = ask(2, NULL);
    fd = take_connection();
    read_question(fd);
    close(fd);
    assert_int_equal(wait_for(waiter), DENY_AUTHORIZER_UNREACHABLE);
    assert_no_connection();
}

static void too_many_wait(void **state)
{
    (void)state;
    fixture->settings.max_connections = 1;
    fixture->settings.max_pending = 1;
    make_asker(NULL);
    struct waiter *first = ask(0, NULL), *second = ask(1, NULL), *third = ask(2, NULL);
    assert_int_equal(wait_for(third), DENY_AUTHORIZER_BUSY);
    int fd = take_connection();
    read_question(fd);
    say(fd, YES);
    assert_int_equal(wait_for(first), DENY_NONE);
    read_question(fd);
    say(fd, NO);
    assert_int_equal(wait_for(second), DENY_AUTHORIZER_DENIED);
    close(fd);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_yes_and_a_no),
        TEST(who_asks_the_same_waits_for_the_same),
        TEST(a_yes_is_remembered_and_nothing_else),
        TEST(nobody_listens),
        TEST(it_does_not_answer_in_time),
        TEST(it_says_too_much_or_breaks_http),
        TEST(a_kept_connection_has_gone),
        TEST(too_many_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
