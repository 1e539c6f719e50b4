#include "http/client.h"
#include "unit.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#define CALLS 2

/* Frames that the test sends as the upstream: length, type, flags, stream. */
#define SETTINGS             "\0\0\0\4\0\0\0\0\0"
#define HEAD(stream)         "\0\0\1\1\4\0\0\0" stream "\x88"
#define DATA(stream, text)   "\0\0\3\0\0\0\0\0" stream text
#define LAST(stream, text)   "\0\0\3\0\1\0\0\0" stream text
#define TRAILERS(stream)     "\0\0\6\1\5\0\0\0" stream "\0\1x\2yz"
#define FIRST                "\1"
#define SECOND               "\3"
#define upstream_says(bytes) upstream_says_bytes((bytes), sizeof(bytes) - 1)

/* One connection with two calls, to a socket that the test plays the upstream on. */
static struct {
    struct net_loop loop;
    int listener, upstream;
    struct http_client *client;
    bool connected, failed;
    struct http_call *calls[CALLS];
    char got[CALLS][64]; /* bodies, as they were handed out */
    unsigned int ends[CALLS], trailers[CALLS];
} fixture;

static size_t index_of(void *caller)
{
    return (size_t)((struct http_call **)caller - fixture.calls);
}

static void on_response(void *caller, const struct http_response *response)
{
    (void)caller;
    assert_int_equal(response->status, 200);
}

/* The first call has no room after each piece; the second's first piece makes some for it. */
static void on_body(void *caller, struct slice data)
{
    size_t i = index_of(caller);
    size_t before = strlen(fixture.got[i]);
    assert_true(before + data.len < sizeof fixture.got[i]);
    memcpy(fixture.got[i] + before, data.ptr, data.len);
    if (i == 0) {
        http_call_pause(fixture.calls[0], true);
    } else {
        http_call_pause(fixture.calls[0], false);
    }
}

static void on_pause(void *caller)
{
    (void)caller;
}

static void on_end(void *caller, const struct headers *trailers)
{
    size_t i = index_of(caller);
    fixture.ends[i]++;
    fixture.trailers[i] += trailers != NULL ? (unsigned int)trailers->count : 0;
    http_call_finish(fixture.calls[i]);
}

static void on_failed(void *caller, const struct http_call_failure *failure)
{
    (void)failure;
    fixture.failed = true;
    http_call_finish(fixture.calls[index_of(caller)]);
}

static const struct http_call_events events = {
    .on_response = on_response,
    .on_body = on_body,
    .on_pause = on_pause,
    .on_end = on_end,
    .on_failed = on_failed,
};

static void on_connected(struct http_client *client, const struct http_call_failure *failure)
{
    (void)client;
    assert_null(failure);
    fixture.connected = true;
}

static void on_change(struct http_client *client)
{
    (void)client;
}

static void turn(void)
{
    for (int i = 0; i < 50; i++) {
        uv_run(&fixture.loop.uv, UV_RUN_NOWAIT);
    }
}

static void upstream_says_bytes(const char *bytes, size_t size)
{
    assert_int_equal(send(fixture.upstream, bytes, size, MSG_NOSIGNAL), size);
}

static void get(size_t i)
{
    struct headers none = { .count = 0 };
    struct http_call_request request = {
        .events = &events,
        .caller = &fixture.calls[i],
        .method = METHOD_GET,
        .method_text = SLICE("GET"),
        .target = SLICE("/x"),
        .host = SLICE("up"),
        .headers = &none,
        .body = BODY_NONE,
        .response_timeout = 60 * NS_PER_S,
        .idle_timeout = 60 * NS_PER_S,
    };
    fixture.calls[i] = http_client_take(fixture.client);
    assert_non_null(fixture.calls[i]);
    assert_true(http_call_begin(fixture.calls[i], &request));
    http_call_send_end(fixture.calls[i], NULL);
}

static int setup(void **state)
{
    (void)state;
    memset(&fixture, 0, sizeof fixture);
    assert_ok(net_loop_init(&fixture.loop));
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof address;
    fixture.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fixture.listener, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(fixture.listener, 1), 0);
    assert_int_equal(getsockname(fixture.listener, (struct sockaddr *)&address, &size), 0);
    struct http_client_settings settings = {
        .loop = &fixture.loop,
        .protocol = HTTP_PROTOCOL_2,
        .connect_timeout = 60 * NS_PER_S,
        .max_streams = 10,
        .stream_window = 64 * 1024,
        .on_connected = on_connected,
        .on_idle_lost = on_change,
        .on_changed = on_change,
    };
    assert_ok(http_client_open(&settings, (struct sockaddr *)&address, size, &fixture.client));
    fixture.upstream = accept(fixture.listener, NULL, NULL);
    assert_true(fixture.upstream >= 0);
    int at_once = 1;
    assert_int_equal(setsockopt(fixture.upstream, IPPROTO_TCP, TCP_NODELAY, &at_once, sizeof at_once), 0);
    upstream_says(SETTINGS);
    for (int i = 0; i < 100 && !fixture.connected; i++) {
        turn();
    }
    assert_true(fixture.connected);
    get(0);
    get(1);
    /* The first call has had one piece, and another one waits for it. */
    upstream_says(HEAD(FIRST) DATA(FIRST, "one") HEAD(SECOND));
    turn();
    upstream_says(DATA(FIRST, "two"));
    turn();
    assert_string_equal(fixture.got[0], "one");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    http_client_close(fixture.client);
    turn();
    close(fixture.upstream);
    close(fixture.listener);
    net_loop_done(&fixture.loop);
    return 0;
}

/* Turns until the first call has ended, with room whenever it wants some. */
static void let_it_end(void)
{
    for (int i = 0; i < 20 && fixture.ends[0] == 0; i++) {
        turn();
        if (fixture.ends[0] == 0) {
            http_call_pause(fixture.calls[0], false);
        }
    }
    assert_int_equal(fixture.ends[0], 1);
    assert_false(fixture.failed);
}

/* In one read there is room again, and more comes: what waited goes first. */
static void what_waits_is_not_overtaken(void **state)
{
    (void)state;
    upstream_says(DATA(SECOND, "go!") DATA(FIRST, "thr") LAST(FIRST, "end") LAST(SECOND, "bye"));
    let_it_end();
    assert_string_equal(fixture.got[0], "onetwothrend");
    assert_string_equal(fixture.got[1], "go!bye");
    assert_int_equal(fixture.ends[1], 1);
}

static void what_waits_is_not_lost_at_the_end(void **state)
{
    (void)state;
    upstream_says(DATA(SECOND, "go!") "\0\0\0\0\1\0\0\0" FIRST LAST(SECOND, "bye"));
    let_it_end();
    assert_string_equal(fixture.got[0], "onetwo");
}

static void nor_are_trailers_told_before_it(void **state)
{
    (void)state;
    upstream_says(DATA(SECOND, "go!") TRAILERS(FIRST) LAST(SECOND, "bye"));
    let_it_end();
    assert_string_equal(fixture.got[0], "onetwo");
    assert_int_equal(fixture.trailers[0], 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_waits_is_not_overtaken, setup, teardown),
        cmocka_unit_test_setup_teardown(what_waits_is_not_lost_at_the_end, setup, teardown),
        cmocka_unit_test_setup_teardown(nor_are_trailers_told_before_it, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
