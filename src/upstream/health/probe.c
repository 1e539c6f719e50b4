#include "upstream/health/probe.h"

#include "http/grpc.h"
#include "upstream/dial.h"
#include "upstream/health/grpc_message.h"

#include <stdio.h>

#define BODY_MAX \
    (64 * 1024) /* bytes of an HTTP answer that are read and dropped before the connection is closed */
#define GRPC_METHOD "/grpc.health.v1.Health/Check"
#define USER_AGENT  "sallyport/" SALLYPORT_VERSION " health-check"

enum {
    GRPC_OK = 0,
    GRPC_NOT_FOUND = 5,
    GRPC_UNIMPLEMENTED = 12,
};

const char *const health_outcome_names[HEALTH_OUTCOME_COUNT] = {
#define HEALTH_OUTCOME_NAME(id, name) name,
    HEALTH_OUTCOMES(HEALTH_OUTCOME_NAME)
#undef HEALTH_OUTCOME_NAME
};

static const struct health_settings *settings_of(const struct health_probe *probe)
{
    return &probe->server->question->settings;
}

static bool is_grpc(const struct health_probe *probe)
{
    return settings_of(probe)->grpc.ptr != NULL;
}

/* ---- the end ---- */

void health_probe_cancel(struct health_probe *probe)
{
    struct http_client *client = probe->client;
    deadline_clear(&probe->deadline);
    probe->running = false;
    probe->client = NULL;
    if (probe->call != NULL && http_call_finish(probe->call) == HTTP_CLIENT_CLOSING) {
        client = NULL;
    }
    probe->call = NULL;
    if (client != NULL) {
        http_client_close(client);
    }
    buffer_done(&probe->body);
}

/* `detail` may be the connection's: it is copied before that goes. */
static void finish(struct health_probe *probe, enum health_outcome outcome, const char *detail)
{
    if (detail != probe->detail) {
        snprintf(probe->detail, sizeof probe->detail, "%s", detail);
    }
    health_probe_cancel(probe);
    probe->done(probe, outcome, probe->detail);
}

static void fail(struct health_probe *probe, const struct http_call_failure *failure)
{
    static const struct {
        enum deny_reason reason;
        enum health_outcome outcome;
    } outcomes[] = {
        { DENY_UPSTREAM_CONNECT, HEALTH_CONNECT },
        { DENY_UPSTREAM_TLS, HEALTH_TLS },
        { DENY_UPSTREAM_TIMEOUT, HEALTH_TIMEOUT },
        { DENY_UPSTREAM_CLOSED, HEALTH_CLOSED },
    };
    enum health_outcome outcome = HEALTH_PROTOCOL;
    for (size_t i = 0; i < sizeof outcomes / sizeof outcomes[0]; i++) {
        outcome = failure->reason == outcomes[i].reason ? outcomes[i].outcome : outcome;
    }
    finish(probe, outcome, failure->detail);
}

static void on_deadline(struct deadline *deadline)
{
    struct health_probe *probe =
        (struct health_probe *)((char *)deadline - offsetof(struct health_probe, deadline));
    const char *detail = "no connection in time";
    if (probe->call != NULL) {
        detail = probe->status == 0 ? "no answer in time" : "the answer stopped";
    }
    finish(probe, HEALTH_TIMEOUT, detail);
}

/* ---- what an answer says ---- */

static void finish_http(struct health_probe *probe)
{
    if (health_status_is_well(settings_of(probe), probe->status)) {
        finish(probe, HEALTH_PASSED, "");
        return;
    }
    snprintf(probe->detail, sizeof probe->detail, "status %u", probe->status);
    finish(probe, HEALTH_STATUS, probe->detail);
}

static void finish_grpc_status(struct health_probe *probe, uint64_t status)
{
    if (status == GRPC_UNIMPLEMENTED) {
        finish(probe, HEALTH_UNIMPLEMENTED, "the server does not implement grpc.health.v1.Health");
    } else if (status == GRPC_NOT_FOUND) {
        finish(probe, HEALTH_NOT_SERVING, "the server's health service does not know this service");
    } else {
        snprintf(probe->detail, sizeof probe->detail, "grpc-status %llu", (unsigned long long)status);
        finish(probe, HEALTH_STATUS, probe->detail);
    }
}

static void finish_serving(struct health_probe *probe)
{
    static const char *const names[] = {
        [GRPC_SERVING_UNKNOWN] = "UNKNOWN",
        [GRPC_NOT_SERVING] = "NOT_SERVING",
        [GRPC_SERVICE_UNKNOWN] = "SERVICE_UNKNOWN",
    };
    uint64_t status = GRPC_SERVING_UNKNOWN;
    const char *wrong = grpc_health_parse(buffer_slice(&probe->body), &status);
    if (wrong != NULL) {
        finish(probe, HEALTH_PROTOCOL, wrong);
    } else if (status == GRPC_SERVING) {
        finish(probe, HEALTH_PASSED, "");
    } else {
        finish(probe, HEALTH_NOT_SERVING,
               status < sizeof names / sizeof names[0] ? names[status]
                                                       : "a serving status that nobody knows");
    }
}

/* In the trailers, or in the head of an answer that has nothing else (Trailers-Only). False: there, and wrong. */
static bool take_grpc_status(struct health_probe *probe, const struct headers *headers)
{
    const struct header *found = NULL;
    for (size_t i = 0; headers != NULL && i < headers->count; i++) {
        if (slice_equal_nocase(headers->items[i].name, SLICE("grpc-status"))) {
            if (found != NULL || probe->grpc_status_known) {
                return false;
            }
            found = &headers->items[i];
        }
    }
    if (found == NULL) {
        return true;
    }
    probe->grpc_status_known = found->value.len <= 3 && slice_to_u64(found->value, &probe->grpc_status);
    return probe->grpc_status_known;
}

static void finish_grpc(struct health_probe *probe, const struct headers *trailers)
{
    if (!take_grpc_status(probe, trailers)) {
        finish(probe, HEALTH_PROTOCOL, "the answer's grpc-status is malformed");
    } else if (!probe->grpc_status_known) {
        finish(probe, HEALTH_PROTOCOL, "the answer has no grpc-status");
    } else if (probe->grpc_status != GRPC_OK) {
        finish_grpc_status(probe, probe->grpc_status);
    } else {
        finish_serving(probe);
    }
}

/* ---- the answer ---- */

static void on_response(void *caller, const struct http_response *response)
{
    struct health_probe *probe = caller;
    probe->status = response->status;
    if (!is_grpc(probe)) {
        return;
    }
    const struct header *type = headers_find(&response->headers, HEADER_CONTENT_TYPE);
    if (response->status != 200) {
        snprintf(probe->detail, sizeof probe->detail, "status %u instead of a gRPC answer", response->status);
        finish(probe, HEALTH_STATUS, probe->detail);
    } else if (type == NULL || !grpc_is_type(type->value)) {
        finish(probe, HEALTH_PROTOCOL, "the answer is not of gRPC: its Content-Type is another one");
    } else if (!take_grpc_status(probe, &response->headers)) {
        finish(probe, HEALTH_PROTOCOL, "the answer's grpc-status is malformed");
    }
}

static void on_informational(void *caller, const struct http_response *response)
{
    (void)caller;
    (void)response;
}

static void on_body(void *caller, struct slice data)
{
    struct health_probe *probe = caller;
    probe->size += data.len;
    if (is_grpc(probe)) {
        if (!buffer_append(&probe->body, data)) {
            finish(probe, HEALTH_PROTOCOL, "the answer is too large");
        }
    } else if (probe->size > BODY_MAX) {
        finish_http(probe); /* its status has said all */
    }
}

static void on_end(void *caller, const struct headers *trailers)
{
    struct health_probe *probe = caller;
    if (is_grpc(probe)) {
        finish_grpc(probe, trailers);
    } else {
        finish_http(probe);
    }
}

static struct error open_client(struct health_probe *probe, int protocol);

/* The server leaves HTTP/2, by which it let itself be asked, to those who ask for it: the question is put once more. */
static void ask_by_http1(struct health_probe *probe)
{
    struct http_client *client = probe->client;
    enum http_client_state state = http_call_finish(probe->call);
    probe->call = NULL;
    probe->client = NULL;
    if (state != HTTP_CLIENT_CLOSING) {
        http_client_close(client);
    }
    if (failed(open_client(probe, HTTP_PROTOCOL_1))) {
        finish(probe, HEALTH_CONNECT, "connection could not be opened");
    }
}

static void on_failed(void *caller, const struct http_call_failure *failure)
{
    struct health_probe *probe = caller;
    if (failure->refused && http_client_wants_http1(probe->client) && !is_grpc(probe)) {
        ask_by_http1(probe);
    } else {
        fail(probe, failure);
    }
}

static void on_nothing(void *caller)
{
    (void)caller;
}

static const struct http_call_events events = {
    .on_response = on_response,
    .on_informational = on_informational,
    .on_body = on_body,
    .on_pause = on_nothing,
    .on_end = on_end,
    .on_writable = on_nothing,
    .on_failed = on_failed,
};

/* ---- the question ---- */

static bool begin(struct health_probe *probe)
{
    const struct health_question *question = probe->server->question;
    struct header items[3];
    struct headers headers = { .items = items, .capacity = 3 };
    bool grpc = is_grpc(probe);
    headers_add(&headers, HEADER_USER_AGENT, SLICE("user-agent"), SLICE(USER_AGENT));
    if (grpc) {
        headers_add(&headers, HEADER_CONTENT_TYPE, SLICE("content-type"), SLICE("application/grpc"));
    } else {
        headers_add(&headers, HEADER_ACCEPT, SLICE("accept"), SLICE("*/*"));
    }
    struct http_call_request request = {
        .events = &events,
        .caller = probe,
        .method = grpc ? METHOD_POST : METHOD_GET,
        .method_text = grpc ? SLICE("POST") : SLICE("GET"),
        .target = grpc ? SLICE(GRPC_METHOD) : question->settings.path,
        .host = question->host_header.len > 0 ? question->host_header : probe->server->authority,
        .headers = &headers,
        .takes_trailers = grpc,
        .body = grpc ? BODY_CHUNKED : BODY_NONE,
        .response_timeout = question->settings.timeout,
        .idle_timeout = question->settings.timeout,
    };
    return http_call_begin(probe->call, &request);
}

static void ask(struct health_probe *probe)
{
    char message[GRPC_HEALTH_REQUEST_MAX];
    probe->call = http_client_take(probe->client);
    if (probe->call == NULL || !begin(probe)) {
        finish(probe, HEALTH_PROTOCOL, "the question could not be written");
        return;
    }
    if (is_grpc(probe)) {
        size_t size = grpc_health_request(settings_of(probe)->grpc, message);
        http_call_send_body(probe->call, slice_of(message, size));
    }
    if (probe->call != NULL) {
        http_call_send_end(probe->call, NULL);
    }
}

static void on_connected(struct http_client *client, const struct http_call_failure *failure)
{
    struct health_probe *probe = http_client_owner(client);
    if (failure != NULL) {
        probe->client = NULL; /* it closes itself */
        fail(probe, failure);
    } else if (settings_of(probe)->connect) {
        finish(probe, HEALTH_PASSED, "");
    } else if (is_grpc(probe) && !slice_equal(http_client_protocol(client), SLICE("h2"))) {
        finish(probe, HEALTH_PROTOCOL, "the server does not agree to HTTP/2, which gRPC needs");
    } else {
        ask(probe);
    }
}

static void on_idle_lost(struct http_client *client)
{
    struct health_probe *probe = http_client_owner(client);
    probe->client = NULL;
    finish(probe, HEALTH_CLOSED, "the connection was closed");
}

static void on_changed(struct http_client *client)
{
    (void)client;
}

static struct error open_client(struct health_probe *probe, int protocol)
{
    const struct health_server *server = probe->server;
    const struct health_question *question = server->question;
    const struct upstream_endpoint *endpoint = server->endpoint;
    struct http_client_settings client = {
        .loop = probe->loop,
        .metrics = probe->metrics,
        .tls = endpoint->tls ? question->tls : NULL,
        .host = endpoint->host,
        .connect_timeout = question->settings.timeout,
        .protocol = protocol,
        .max_streams = 1,
        .stream_window = 64 * 1024,
        .on_connected = on_connected,
        .on_idle_lost = on_idle_lost,
        .on_changed = on_changed,
        .owner = probe,
    };
    return upstream_dial(&question->guard, endpoint, &server->address, &client, &probe->client);
}

struct error health_probe_start(struct health_probe *probe, const struct health_server *server,
                                struct net_loop *loop, struct metrics_worker *metrics,
                                health_probe_done *done)
{
    const struct health_question *question = server->question;
    *probe = (struct health_probe){ .loop = loop, .metrics = metrics, .server = server, .done = done };
    buffer_init(&probe->body, GRPC_HEALTH_RESPONSE_MAX);
    probe->deadline.expired = on_deadline;
    deadline_set(&loop->deadlines, &probe->deadline, loop->now, question->settings.timeout);
    probe->running = true;
    struct error error = open_client(probe, upstream_protocol_of(question->protocol, server->endpoint));
    if (failed(error)) {
        health_probe_cancel(probe);
    }
    return error;
}
