#include "pipeline/tunnel.h"

#include "base/random.h"
#include "http/websocket.h"
#include "pipeline/record.h"

#include <stdlib.h>

/* How long a frame that has begun is waited for, and an answer to a reset. */
#define CLOSE_GRACE (2 * NS_PER_S)
/* Nothing is waited for at once for longer: the wall clock may jump, and a token expires by it. */
#define LOOK_MAX (65536 * NS_PER_MS)
#define LOOK_MIN (4 * NS_PER_MS)

enum tunnel_end {
    TUNNEL_GOES_ON,
    TUNNEL_CLIENT,
    TUNNEL_UPSTREAM,
    TUNNEL_CLIENT_ABORTED,
    TUNNEL_CLIENT_SLOW,
    TUNNEL_UPSTREAM_FAILED,
    TUNNEL_TOKEN_EXPIRED,
    TUNNEL_CERTIFICATE_EXPIRED,
    TUNNEL_IDLE,
    TUNNEL_AGE,
    TUNNEL_DRAINING,
};

/* `name`: in the log line and the metric's label. `code`, `text`: of the Close frame that the client gets, where we end it. */
static const struct {
    const char *name;
    enum metric metric;
    unsigned int code;
    const char *text;
} ends[] = {
    [TUNNEL_CLIENT] = { "client", METRIC_TUNNEL_CLIENT, 0, NULL },
    [TUNNEL_UPSTREAM] = { "upstream", METRIC_TUNNEL_UPSTREAM, 0, NULL },
    [TUNNEL_CLIENT_ABORTED] = { "client_aborted", METRIC_TUNNEL_CLIENT_ABORTED, 0, NULL },
    [TUNNEL_CLIENT_SLOW] = { "client_slow", METRIC_TUNNEL_CLIENT_SLOW, 0, NULL },
    [TUNNEL_UPSTREAM_FAILED] = { "upstream_failed", METRIC_TUNNEL_UPSTREAM_FAILED, 0, NULL },
    [TUNNEL_TOKEN_EXPIRED] = { "token_expired", METRIC_TUNNEL_TOKEN_EXPIRED, WEBSOCKET_POLICY_VIOLATION,
                               "token expired" },
    [TUNNEL_CERTIFICATE_EXPIRED] = { "certificate_expired", METRIC_TUNNEL_CERTIFICATE_EXPIRED,
                                     WEBSOCKET_POLICY_VIOLATION, "certificate expired" },
    [TUNNEL_IDLE] = { "idle", METRIC_TUNNEL_IDLE, WEBSOCKET_GOING_AWAY, "idle" },
    [TUNNEL_AGE] = { "max_stream_age", METRIC_TUNNEL_AGE, WEBSOCKET_GOING_AWAY, "open for too long" },
    [TUNNEL_DRAINING] = { "draining", METRIC_TUNNEL_DRAINING, WEBSOCKET_GOING_AWAY, "going away" },
};

enum tunnel_state {
    TUNNEL_OPEN,
    TUNNEL_LAST_FRAME, /* the upstream's frame is let through to its end */
    TUNNEL_CLOSING,    /* all that the client gets is with its connection; the upstream's is gone */
};

struct tunnel {
    struct worker *worker;
    const struct worker_listener *listener;
    struct tunnel *previous, *next;
    struct http_stream *stream;
    struct pool_connection *connection; /* NULL: closed */
    struct h1_client *client;           /* its */
    enum tunnel_state state;
    enum tunnel_end why;
    bool is_websocket; /* else an event stream */
    bool client_ended, upstream_ended;
    bool sending, over; /* inside send_to_client: its end frees nothing */
    bool age_is_drain;
    unsigned int metrics_slot;
    struct websocket_frames from_client, from_upstream;
    struct deadline deadline;  /* when to look whether it is over */
    int64_t started;           /* ns, monotonic: of the request */
    int64_t active;            /* ns, monotonic: the last byte either way */
    int64_t idle_timeout;      /* ns */
    int64_t ends_at;           /* ns, monotonic: max_stream_age, or a drain */
    int64_t token_until;       /* ns, real: the token is no longer accepted; INT64_MAX: any time */
    int64_t certificate_until; /* ns, real */
    struct log_record record;  /* its texts lie behind this struct */
};

/* ---- the record ---- */

static const size_t texts[] = {
    offsetof(struct log_record, request_id), offsetof(struct log_record, trace_id),
    offsetof(struct log_record, listener),   offsetof(struct log_record, route),
    offsetof(struct log_record, upstream),   offsetof(struct log_record, endpoint),
    offsetof(struct log_record, method),     offsetof(struct log_record, host),
    offsetof(struct log_record, path),       offsetof(struct log_record, detail),
    offsetof(struct log_record, issuer),     offsetof(struct log_record, subject),
    offsetof(struct log_record, client_id),  offsetof(struct log_record, tls_version),
    offsetof(struct log_record, user_agent),
};
#define TEXTS (sizeof texts / sizeof texts[0])

static struct slice *text_at(struct log_record *record, size_t index)
{
    return (struct slice *)(void *)((char *)record + texts[index]);
}

/* A tunnel with room for a record's texts, which are moved there. */
static struct tunnel *new_with_record(const struct log_record *record)
{
    struct log_record copy = *record;
    size_t size = 0;
    for (size_t i = 0; i < TEXTS; i++) {
        size += text_at(&copy, i)->len;
    }
    struct tunnel *tunnel = malloc(sizeof *tunnel + size);
    if (tunnel == NULL) {
        return NULL;
    }
    char *at = (char *)(tunnel + 1);
    for (size_t i = 0; i < TEXTS; i++) {
        struct slice *text = text_at(&copy, i);
        if (text->len > 0) {
            memcpy(at, text->ptr, text->len);
        }
        text->ptr = at;
        at += text->len;
    }
    *tunnel = (struct tunnel){ .record = copy };
    return tunnel;
}

/* ---- life and death ---- */

static void take_out(struct tunnel *tunnel)
{
    *(tunnel->previous != NULL ? &tunnel->previous->next : &tunnel->worker->tunnels) = tunnel->next;
    if (tunnel->next != NULL) {
        tunnel->next->previous = tunnel->previous;
    }
}

static void put_in(struct tunnel *tunnel)
{
    struct worker *worker = tunnel->worker;
    tunnel->next = worker->tunnels;
    if (worker->tunnels != NULL) {
        worker->tunnels->previous = tunnel;
    }
    worker->tunnels = tunnel;
}

/* The first reason is the one that counts. */
static void note_end(struct tunnel *tunnel, enum tunnel_end why)
{
    if (tunnel->why == TUNNEL_GOES_ON) {
        tunnel->why = why;
    }
}

static void log_end(struct tunnel *tunnel)
{
    struct worker *worker = tunnel->worker;
    struct log_record *record = &tunnel->record;
    record->received = tunnel->stream->received;
    record->sent = tunnel->stream->sent;
    record->duration = clock_monotonic_ns() - tunnel->started;
    record->closed = slice_from_string(ends[tunnel->why].name);
    if (!log_access(worker->logs, record)) {
        metrics_add(worker->metrics, METRIC_ACCESS_LOG_DROPPED, 1);
    }
    metrics_add(worker->metrics, ends[tunnel->why].metric, 1);
    metrics_tunnel(worker->metrics, tunnel->metrics_slot, -1);
}

static void end_upstream(struct tunnel *tunnel)
{
    if (tunnel->connection != NULL) {
        upstream_end_kept(tunnel->connection);
        tunnel->connection = NULL;
        tunnel->client = NULL;
    }
}

static void finish(struct tunnel *tunnel, enum tunnel_end why)
{
    struct http_stream *stream = tunnel->stream;
    note_end(tunnel, why);
    log_end(tunnel);
    deadline_clear(&tunnel->deadline);
    take_out(tunnel);
    end_upstream(tunnel);
    tunnel->over = true;
    if (!tunnel->sending) {
        free(tunnel);
    }
    stream->ops->release(stream);
}

/* Not in order: the client must see that it was cut. */
static void cut(struct tunnel *tunnel, enum tunnel_end why)
{
    metrics_add(tunnel->worker->metrics, METRIC_RESPONSES_CUT, 1);
    tunnel->record.aborted = true;
    tunnel->stream->ops->reset(tunnel->stream);
    finish(tunnel, why);
}

/* False: the client is gone, and the tunnel with it. */
static bool send_to_client(struct tunnel *tunnel, struct slice data, bool *ret_room)
{
    tunnel->sending = true;
    *ret_room = tunnel->stream->ops->send_body(tunnel->stream, data);
    tunnel->sending = false;
    if (tunnel->over) {
        free(tunnel);
        return false;
    }
    return true;
}

/* ---- ending it ---- */

static struct slice goodbye(const struct tunnel *tunnel, const unsigned char *mask,
                            char out[WEBSOCKET_CLOSE_MAX])
{
    size_t size =
        websocket_close_frame(ends[tunnel->why].code, slice_from_string(ends[tunnel->why].text), mask, out);
    return slice_of(out, size);
}

static void tell_upstream(struct tunnel *tunnel)
{
    char frame[WEBSOCKET_CLOSE_MAX];
    unsigned char mask[4];
    if (tunnel->is_websocket && tunnel->client != NULL && websocket_frames_between(&tunnel->from_client)) {
        random_bytes(mask, sizeof mask);
        (void)h1_client_send_body(tunnel->client, goodbye(tunnel, mask, frame));
        tunnel->from_client.closed = true;
    }
}

/* The client's answer is read and dropped for a moment, by its connection: so it learns why. */
static void say_goodbye(struct tunnel *tunnel)
{
    char frame[WEBSOCKET_CLOSE_MAX];
    bool room;
    tunnel->state = TUNNEL_CLOSING;
    deadline_park(&tunnel->deadline); /* how long it takes its bytes is the connection's business */
    end_upstream(tunnel);
    if (tunnel->is_websocket && !tunnel->upstream_ended && websocket_frames_between(&tunnel->from_upstream) &&
        !send_to_client(tunnel, goodbye(tunnel, NULL, frame), &room)) {
        return;
    }
    tunnel->stream->ops->send_end(tunnel->stream, NULL);
}

static void look_in(struct tunnel *tunnel, int64_t duration)
{
    struct net_loop *loop = &tunnel->worker->loop;
    deadline_set(&loop->deadlines, &tunnel->deadline, loop->now, duration);
}

static bool is_within_frame(const struct websocket_frames *frames)
{
    return !frames->lost && (frames->left > 0 || frames->have > 0);
}

/* We end it. What the client sends from now on is dropped. */
static void close_tunnel(struct tunnel *tunnel, enum tunnel_end why)
{
    tunnel->why = why;
    tell_upstream(tunnel);
    tunnel->stream->ops->discard_body(tunnel->stream);
    if (!is_within_frame(&tunnel->from_upstream) || tunnel->upstream_ended) {
        say_goodbye(tunnel);
        return;
    }
    tunnel->state = TUNNEL_LAST_FRAME;
    look_in(tunnel, CLOSE_GRACE);
}

/* ---- its time ---- */

/* Ns until it ends for one of our reasons, and for which. */
static int64_t time_left(const struct tunnel *tunnel, enum tunnel_end *ret_why)
{
    const struct net_loop *loop = &tunnel->worker->loop;
    const struct {
        int64_t left;
        enum tunnel_end why;
    } reasons[] = {
        { tunnel->token_until == INT64_MAX ? INT64_MAX : tunnel->token_until - loop->now_real,
          TUNNEL_TOKEN_EXPIRED },
        { tunnel->certificate_until == INT64_MAX ? INT64_MAX : tunnel->certificate_until - loop->now_real,
          TUNNEL_CERTIFICATE_EXPIRED },
        { tunnel->ends_at - loop->now, tunnel->age_is_drain ? TUNNEL_DRAINING : TUNNEL_AGE },
        { tunnel->active + tunnel->idle_timeout - loop->now, TUNNEL_IDLE },
    };
    size_t first = 0;
    for (size_t i = 1; i < sizeof reasons / sizeof reasons[0]; i++) {
        if (reasons[i].left < reasons[first].left) {
            first = i;
        }
    }
    *ret_why = reasons[first].why;
    return reasons[first].left;
}

/* Times are as many as tunnels, and the loop keeps a list for each duration: so a few durations serve for all, each a quarter
 * of the next, and it is looked again when the longest of them that fits is over. */
static int64_t step_of(int64_t left)
{
    int64_t step = LOOK_MAX;
    while (step > left && step > LOOK_MIN) {
        step /= 4;
    }
    return step;
}

static void look(struct deadline *deadline)
{
    struct tunnel *tunnel = (struct tunnel *)((char *)deadline - offsetof(struct tunnel, deadline));
    enum tunnel_end why;
    if (tunnel->state == TUNNEL_LAST_FRAME) {
        cut(tunnel, tunnel->why);
        return;
    }
    int64_t left = time_left(tunnel, &why);
    if (left <= 0) {
        close_tunnel(tunnel, why);
    } else {
        look_in(tunnel, step_of(left));
    }
}

static int64_t random_below(int64_t limit)
{
    uint64_t number;
    random_bytes(&number, sizeof number);
    return limit > 0 ? (int64_t)(number % (uint64_t)limit) : 0;
}

static void drain(struct tunnel *tunnel, int64_t patience)
{
    int64_t at = tunnel->worker->loop.now + random_below(patience);
    if (tunnel->state == TUNNEL_OPEN && at < tunnel->ends_at) {
        tunnel->ends_at = at;
        tunnel->age_is_drain = true;
        look_in(tunnel, LOOK_MIN);
    }
}

void tunnel_drain_all(struct worker *worker, int64_t patience)
{
    tunnel_drain_listener(worker, NULL, patience);
}

void tunnel_drain_listener(struct worker *worker, const struct worker_listener *listener, int64_t patience)
{
    for (struct tunnel *tunnel = worker->tunnels; tunnel != NULL; tunnel = tunnel->next) {
        if (listener == NULL || tunnel->listener == listener) {
            drain(tunnel, patience);
        }
    }
}

/* ---- from the client ---- */

static void on_client_bytes(struct http_stream *stream, struct slice data)
{
    struct tunnel *tunnel = stream->exchange;
    if (tunnel->state != TUNNEL_OPEN) {
        return;
    }
    tunnel->active = tunnel->worker->loop.now;
    websocket_frames_follow(&tunnel->from_client, data);
    if (tunnel->from_client.closed) {
        note_end(tunnel, TUNNEL_CLIENT);
    }
    metrics_add(tunnel->worker->metrics, METRIC_TUNNEL_RECEIVED, (int64_t)data.len);
    if (!h1_client_send_body(tunnel->client, data)) {
        stream->ops->pause(stream, true);
    }
}

static void on_client_end(struct http_stream *stream, const struct headers *trailers)
{
    (void)trailers;
    struct tunnel *tunnel = stream->exchange;
    tunnel->client_ended = true;
    note_end(tunnel, TUNNEL_CLIENT);
    if (tunnel->upstream_ended) {
        finish(tunnel, TUNNEL_CLIENT);
    } else if (tunnel->client != NULL) {
        h1_client_send_end(tunnel->client, NULL);
    }
}

static void on_client_writable(struct http_stream *stream)
{
    struct tunnel *tunnel = stream->exchange;
    if (tunnel->client != NULL) {
        h1_client_pause(tunnel->client, false);
    }
}

static void on_client_failed(struct http_stream *stream, enum deny_reason reason)
{
    (void)reason;
    cut(stream->exchange, TUNNEL_CLIENT_ABORTED);
}

static void on_client_abort(struct http_stream *stream, enum http_abort why)
{
    struct tunnel *tunnel = stream->exchange;
    tunnel->record.aborted = true;
    finish(tunnel, why == HTTP_ABORT_SHUTDOWN      ? TUNNEL_DRAINING
                   : why == HTTP_ABORT_SLOW_READER ? TUNNEL_CLIENT_SLOW
                                                   : TUNNEL_CLIENT_ABORTED);
}

/* Our direction has ended. */
static void on_client_sent(struct http_stream *stream)
{
    struct tunnel *tunnel = stream->exchange;
    if (tunnel->state == TUNNEL_CLOSING || tunnel->client_ended) {
        finish(tunnel, TUNNEL_UPSTREAM);
    }
}

static const struct http_handler client_handler = {
    .on_body = on_client_bytes,
    .on_body_end = on_client_end,
    .on_writable = on_client_writable,
    .on_body_failed = on_client_failed,
    .on_abort = on_client_abort,
    .on_sent = on_client_sent,
};

/* ---- from the upstream ---- */

/* How much of it goes to the client. */
static struct slice follow_upstream(struct tunnel *tunnel, struct slice data)
{
    struct websocket_frames *frames = &tunnel->from_upstream;
    if (tunnel->state == TUNNEL_LAST_FRAME) {
        data = slice_part(data, 0, websocket_frames_step(frames, data));
    } else {
        websocket_frames_follow(frames, data);
    }
    if (frames->closed) {
        note_end(tunnel, TUNNEL_UPSTREAM);
    }
    metrics_add(tunnel->worker->metrics, METRIC_TUNNEL_SENT, (int64_t)data.len);
    return data;
}

static void on_upstream_bytes(void *call, struct slice data)
{
    struct tunnel *tunnel = call;
    tunnel->active = tunnel->worker->loop.now;
    if (tunnel->is_websocket) {
        data = follow_upstream(tunnel, data);
    }
    bool room = true;
    if (!send_to_client(tunnel, data, &room)) {
        return;
    }
    if (tunnel->state == TUNNEL_LAST_FRAME && !is_within_frame(&tunnel->from_upstream)) {
        say_goodbye(tunnel);
    } else if (!room) {
        h1_client_pause(tunnel->client, true);
    }
}

static void on_upstream_end(void *call, const struct headers *trailers)
{
    (void)trailers;
    struct tunnel *tunnel = call;
    tunnel->upstream_ended = true;
    note_end(tunnel, TUNNEL_UPSTREAM);
    if (tunnel->state == TUNNEL_LAST_FRAME) {
        cut(tunnel, tunnel->why); /* a frame that nobody will end */
    } else {
        tunnel->stream->ops->send_end(tunnel->stream, NULL);
    }
}

static void on_upstream_writable(void *call)
{
    struct tunnel *tunnel = call;
    tunnel->stream->ops->pause(tunnel->stream, false);
}

static void on_upstream_failed(void *call, const struct http_call_failure *failure)
{
    struct tunnel *tunnel = call;
    tunnel->record.reason = failure->reason;
    tunnel->record.detail = slice_from_string(failure->detail); /* static text */
    cut(tunnel, TUNNEL_UPSTREAM_FAILED);
}

/* Small events wait for no others. Of a WebSocket every piece has been written already. */
static void on_upstream_pause(void *call)
{
    struct tunnel *tunnel = call;
    if (!tunnel->is_websocket) {
        tunnel->stream->ops->flush(tunnel->stream);
    }
}

static const struct http_call_events upstream_events = {
    .on_body = on_upstream_bytes,
    .on_pause = on_upstream_pause,
    .on_end = on_upstream_end,
    .on_writable = on_upstream_writable,
    .on_failed = on_upstream_failed,
};

/* ---- opening ---- */

/* When the token would be refused, as it would be for a request (auth/claims.c). */
static int64_t token_until(const struct exchange *exchange)
{
    const struct settings *settings = exchange->snapshot->snapshot->settings;
    const struct principal *principal = &exchange->principal;
    if (principal->kind == PRINCIPAL_ANONYMOUS || principal->expires > INT64_MAX / NS_PER_S / 2) {
        return INT64_MAX;
    }
    int64_t until = principal->expires * NS_PER_S;
    for (size_t i = 0; i < settings->issuer_count; i++) {
        if (slice_equal(settings->issuers[i].name, principal->issuer_name)) {
            until += settings->issuers[i].clock_skew;
        }
    }
    return until;
}

static int64_t certificate_until(const struct exchange *exchange)
{
    const struct http_connection_facts *facts = exchange->stream->connection;
    bool known =
        facts->is_tls && facts->tls.client != NULL && facts->tls.client->not_after < INT64_MAX / NS_PER_S / 2;
    return known ? facts->tls.client->not_after * NS_PER_S : INT64_MAX;
}

static void set_times(struct tunnel *tunnel, const struct exchange *exchange)
{
    const struct route_policy *policy = exchange_policy(exchange);
    int64_t now = exchange->worker->loop.now;
    tunnel->started = exchange->started;
    tunnel->active = now;
    /* How long an event stream may be silent its call knows already: as any answer. */
    tunnel->idle_timeout = tunnel->is_websocket ? policy->websocket->idle_timeout : policy->max_stream_age;
    tunnel->ends_at = now + policy->max_stream_age - random_below(policy->max_stream_age / 10);
    tunnel->token_until = policy->outlive_token ? INT64_MAX : token_until(exchange);
    tunnel->certificate_until = policy->outlive_token ? INT64_MAX : certificate_until(exchange);
}

bool tunnel_is_event_stream(const struct exchange *exchange)
{
    const struct exchange_response *response = &exchange->response;
    const struct header *type = headers_find(&response->headers, HEADER_CONTENT_TYPE);
    ssize_t semicolon = type != NULL ? slice_find(type->value, ';') : -1;
    return type != NULL && response->status == 200 && exchange->request_sent &&
           slice_equal_nocase(
               slice_trim(semicolon < 0 ? type->value : slice_part(type->value, 0, (size_t)semicolon)),
               SLICE("text/event-stream"));
}

bool tunnel_open(struct exchange *exchange)
{
    struct log_record record;
    record_fill(exchange, 0, &record);
    struct tunnel *tunnel = new_with_record(&record);
    if (tunnel == NULL) {
        return false;
    }
    struct worker *worker = exchange->worker;
    struct http_stream *stream = exchange->stream;
    tunnel->worker = worker;
    tunnel->listener = exchange->listener;
    tunnel->stream = stream;
    tunnel->metrics_slot = exchange->route->metrics_slot;
    tunnel->client = exchange->ticket.client;
    tunnel->is_websocket = exchange->response.body == BODY_TUNNEL;
    tunnel->client_ended = !tunnel->is_websocket;
    tunnel->deadline.expired = look;
    set_times(tunnel, exchange);
    put_in(tunnel);
    look_in(tunnel, LOOK_MIN);
    tunnel->connection = upstream_keep(&exchange->ticket);
    h1_client_hand_over(tunnel->client, &upstream_events, tunnel);
    stream->handler = &client_handler;
    stream->exchange = tunnel;
    metrics_tunnel(worker->metrics, tunnel->metrics_slot, 1);
    exchange_let_go(exchange);
    if (tunnel->is_websocket) {
        stream->ops->pause(stream, false);
    }
    stream->ops->flush(stream); /* last: it may be the tunnel's end */
    return true;
}
