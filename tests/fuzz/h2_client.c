/* An HTTP/2 connection to an upstream that a script plays, over memory (connection/loopback.h): bytes as they are, frames that
 * are well-formed at least outside, and all that the connection's owner and its calls may do meanwhile. What must hold: each
 * call is told what http/client.h says, in that order, and nothing after it was given back; bodies are as long as was said; and
 * nothing is kept. */
#include "connection/check.h"
#include "connection/loopback.h"
#include "http/client.h"

#include <arpa/inet.h>
#include <string.h>

#define CALLS 8

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct call {
    struct http_call *http; /* NULL: none */
    enum http_method method;
    enum http_body body;
    uint64_t left;
    bool responded, over, paused, request_ended, may_send;
    bool impatient; /* is given back when it is told of room */
};

static struct {
    struct net_loop loop;
    struct http_client *client;
    struct wire *wire;
    bool connected, gone;
    size_t open;
    unsigned int finishing;
    struct call calls[CALLS];
} play;

/* ---- the connection's owner ---- */

static void on_connected(struct http_client *client, const struct http_call_failure *failure)
{
    (void)client;
    CHECK_THAT(!play.connected && !play.gone, "told twice");
    CHECK_THAT(failure == NULL || failure->detail != NULL, "a failure without a text");
    play.connected = failure == NULL;
    play.gone = failure != NULL;
}

static void on_idle_lost(struct http_client *client)
{
    (void)client;
    CHECK_THAT(play.connected && !play.gone && play.open == 0 && play.finishing == 0,
               "lost although calls are open");
    play.gone = true;
}

static void on_changed(struct http_client *client)
{
    CHECK_THAT(play.connected && !play.gone, "changed although it is gone");
    if (play.open == 0 && http_client_state(client) == HTTP_CLIENT_CLOSING) {
        play.gone = true;
        http_client_close(client);
    }
}

/* ---- calls ---- */

static void finish(struct call *call)
{
    struct http_call *http = call->http;
    *call = (struct call){ 0 };
    play.open--;
    play.finishing++;
    enum http_client_state state = http_call_finish(http);
    play.finishing--;
    if (state == HTTP_CLIENT_CLOSING) {
        CHECK_THAT(play.open == 0 && !play.gone, "closing although calls are open, or closed twice");
        play.gone = true;
    }
}

static void check_fields(const struct headers *headers)
{
    for (size_t i = 0; i < headers->count; i++) {
        CHECK_THAT(http_token_valid(headers->items[i].name) &&
                       http_field_value_valid(headers->items[i].value),
                   "a field that is none");
    }
}

static void on_response(void *caller, const struct http_response *response)
{
    struct call *call = caller;
    CHECK_THAT(call->http != NULL && !call->responded && !call->over, "a response at the wrong time");
    CHECK_THAT(response->status >= 200 && response->status <= 599, "status %u", response->status);
    CHECK_THAT(response->body != BODY_CLOSE, "a body without an end");
    check_fields(&response->headers);
    call->responded = true;
    call->body = response->body;
    call->left = response->content_length;
}

static void on_informational(void *caller, const struct http_response *response)
{
    const struct call *call = caller;
    CHECK_THAT(call->http != NULL && !call->responded && !call->over, "1xx at the wrong time");
    CHECK_THAT(response->status > 100 && response->status < 200 && response->status != 101, "status %u",
               response->status);
    check_fields(&response->headers);
}

static void on_body(void *caller, struct slice data)
{
    struct call *call = caller;
    CHECK_THAT(call->http != NULL && call->responded && !call->over && !call->paused,
               "data at the wrong time");
    CHECK_THAT(data.len > 0 && call->body != BODY_NONE, "data where there are none");
    CHECK_THAT(call->body != BODY_LENGTH || data.len <= call->left, "more than was said");
    call->left -= call->body == BODY_LENGTH ? data.len : 0;
    if (data.ptr[0] == 'p') {
        call->paused = true;
        http_call_pause(call->http, true);
    } else if (data.ptr[0] == 'f') {
        finish(call);
    }
}

static void on_pause(void *caller)
{
    const struct call *call = caller;
    CHECK_THAT(call->http != NULL, "told after it was given back");
}

static void on_end(void *caller, const struct headers *trailers)
{
    struct call *call = caller;
    CHECK_THAT(call->http != NULL && call->responded && !call->over && !call->paused, "an end too early");
    CHECK_THAT(call->body != BODY_LENGTH || call->left == 0, "%llu bytes too few",
               (unsigned long long)call->left);
    if (trailers != NULL) {
        check_fields(trailers);
    }
    call->over = true;
    finish(call);
}

static void on_writable(void *caller)
{
    struct call *call = caller;
    CHECK_THAT(call->http != NULL && !call->may_send, "room for who did not wait");
    call->may_send = true;
    if (call->impatient) {
        finish(call);
    }
}

static void on_failed(void *caller, const struct http_call_failure *failure)
{
    struct call *call = caller;
    CHECK_THAT(call->http != NULL && !call->over, "failed after its end");
    CHECK_THAT(failure->detail != NULL && failure->reason != DENY_NONE, "a failure without a reason");
    CHECK_THAT(!(failure->reused && call->responded) && !(failure->refused && call->responded),
               "to be sent again although it was answered");
    call->over = true;
    if (strlen(failure->detail) % 2 == 0) {
        finish(call); /* others do it later */
    }
}

static const struct http_call_events events = {
    .on_response = on_response,
    .on_informational = on_informational,
    .on_body = on_body,
    .on_pause = on_pause,
    .on_end = on_end,
    .on_writable = on_writable,
    .on_failed = on_failed,
};

static void begin(struct call *call, unsigned int how)
{
    static const struct slice texts[] = { SLICE_INIT("GET"), SLICE_INIT("HEAD"), SLICE_INIT("POST") };
    static struct header fields[] = { { SLICE_INIT("X-Request-Id"), SLICE_INIT("1"), HEADER_X_REQUEST_ID },
                                      { SLICE_INIT("Connection"), SLICE_INIT("x"), HEADER_CONNECTION } };
    struct headers headers = { fields, 2, 2 };
    if (call->http != NULL || play.gone || !play.connected || http_client_room(play.client) == 0) {
        return;
    }
    struct http_call_request request = {
        .events = &events,
        .caller = call,
        .method_text = texts[how % 3],
        .method = http_method_of(texts[how % 3]),
        .target = SLICE("/x?y"),
        .host = SLICE("up:1"),
        .headers = &headers,
        .takes_trailers = (how & 64) != 0,
        .body = how % 3 == 2 ? (how & 32) != 0 ? BODY_CHUNKED : BODY_LENGTH : BODY_NONE,
        .content_length = 4096,
        .response_timeout = 2 * NS_PER_S,
        .idle_timeout = NS_PER_S,
    };
    *call =
        (struct call){ .http = http_client_take(play.client), .method = request.method, .may_send = true };
    CHECK_THAT(call->http != NULL, "no memory");
    play.open++;
    CHECK_THAT(http_call_begin(call->http, &request), "a request that cannot be written");
    if (request.body == BODY_NONE) {
        call->request_ended = true;
        http_call_send_end(call->http, NULL);
    } else {
        http_call_flush(call->http);
    }
}

static void send_body(struct call *call, size_t size)
{
    static const char zeros[255 * 256];
    if (call->http != NULL && call->may_send && !call->request_ended) {
        struct http_call *http = call->http;
        bool more = http_call_send_body(http, slice_of(zeros, size * 256));
        if (call->http == http) {
            call->may_send = more;
        }
    }
}

static void send_end(struct call *call, bool with_trailers)
{
    static struct header fields[] = { { SLICE_INIT("X-Sum"), SLICE_INIT("1"), HEADER_OTHER } };
    struct headers trailers = { fields, 1, 1 };
    if (call->http != NULL && !call->request_ended) {
        call->request_ended = true;
        http_call_send_end(call->http, with_trailers ? &trailers : NULL);
    }
}

/* ---- the script ---- */

static const uint8_t *input, *input_end;

static uint8_t next(void)
{
    return input < input_end ? *input++ : 0;
}

static void say(const uint8_t *data, size_t size)
{
    if (!play.wire->in_end && !play.wire->broken) {
        (void)wire_send(play.wire, (const char *)data, size, 0);
    }
}

static size_t take(size_t size)
{
    return size < (size_t)(input_end - input) ? size : (size_t)(input_end - input);
}

/* A frame whose length is right; its payload `times` over. */
static void say_frame(uint8_t type)
{
    uint8_t flags = next(), stream = next(), size = next(), times = (uint8_t)(1 + (next() & 63));
    size_t have = take(size);
    size_t whole = have * times;
    const uint8_t head[9] = { 0, (uint8_t)(whole >> 8), (uint8_t)whole, type, flags, 0, 0, 0, stream };
    say(head, sizeof head);
    for (uint8_t i = 0; i < times; i++) {
        say(input, have);
    }
    input += have;
}

static void pause_call(struct call *call)
{
    if (call->http != NULL && call->responded && !call->over) {
        call->paused = !call->paused;
        http_call_pause(call->http, call->paused);
    }
}

static void step(void)
{
    static const uint8_t settings[9] = { 0, 0, 0, 4, 0, 0, 0, 0, 0 };
    uint8_t what = next(), how = next();
    struct call *call = &play.calls[how % CALLS];
    switch (what % 12) {
    case 0: {
        size_t size = take(how);
        say(input, size);
        input += size;
        break;
    }
    case 1:
        begin(call, how);
        break;
    case 2:
        send_body(call, next());
        break;
    case 3:
        send_end(call, (how & 128) != 0);
        break;
    case 4:
        pause_call(call);
        break;
    case 5:
        if (call->http != NULL) {
            finish(call);
        }
        break;
    case 6:
        loopback_advance(how * 20 * NS_PER_MS);
        break;
    case 7:
        play.wire->window = how < 250 ? (size_t)how * 16 : SIZE_MAX;
        break;
    case 8:
        play.wire->in_end |= (how & 3) == 1;
        play.wire->gone |= (how & 3) == 2;
        play.wire->broken |= (how & 3) == 3;
        break;
    case 9:
        say(settings, sizeof settings);
        break;
    case 10:
        if (play.connected && !play.gone && play.open == 0 && !http_client_is_quiet(play.client)) {
            play.gone = true;
            http_client_close(play.client);
        }
        break;
    default:
        say_frame(how);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct metrics *metrics;
    CHECK_THAT(metrics != NULL || !failed(metrics_new(1, &metrics)), "no memory");
    memset(&play, 0, sizeof play);
    loopback_reset();
    CHECK_THAT(!failed(net_loop_init(&play.loop)), "no loop");
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(80) };
    struct http_client_settings settings = {
        .loop = &play.loop,
        .metrics = metrics_writer(metrics, 0),
        .connect_timeout = NS_PER_S,
        .protocol = HTTP_PROTOCOL_2,
        .max_streams = CALLS,
        .stream_window = 16 * 1024,
        .max_age = 60 * NS_PER_S,
        .on_connected = on_connected,
        .on_idle_lost = on_idle_lost,
        .on_changed = on_changed,
    };
    input = data;
    input_end = data + size;
    CHECK_THAT(
        !failed(http_client_open(&settings, (struct sockaddr *)&address, sizeof address, &play.client)),
        "no connection");
    play.wire = &wires[0];
    loopback_turn(&play.loop);
    while (input < input_end) {
        step();
        loopback_turn(&play.loop);
    }
    for (size_t i = 0; i < CALLS; i++) {
        if (play.calls[i].http != NULL) {
            finish(&play.calls[i]);
        }
    }
    if (!play.gone) {
        http_client_close(play.client);
    }
    for (int i = 0; i < 4; i++) {
        loopback_turn(&play.loop);
    }
    net_loop_stop(&play.loop);
    net_loop_run(&play.loop);
    net_loop_done(&play.loop);
    loopback_done();
    return 0;
}
