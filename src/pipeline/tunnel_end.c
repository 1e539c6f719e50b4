#include "base/random.h"
#include "pipeline/tunnel_internal.h"

#include <stdlib.h>

/* How long a frame that has begun is waited for, and an answer to a reset. */
#define CLOSE_GRACE (2 * NS_PER_S)
#define LOOK_SOON   (4 * NS_PER_MS)
/* The same of who is blocked: it must be over within two seconds of the command. */
#define BLOCKED_GRACE (NS_PER_S / 2)

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
    [TUNNEL_BLOCKED] = { "blocked", METRIC_TUNNEL_BLOCKED, WEBSOCKET_POLICY_VIOLATION, "blocked" },
};

/* ---- life and death ---- */

static void take_out(struct tunnel *tunnel)
{
    *(tunnel->previous != NULL ? &tunnel->previous->next : &tunnel->worker->tunnels) = tunnel->next;
    if (tunnel->next != NULL) {
        tunnel->next->previous = tunnel->previous;
    }
}

void tunnel_note_end(struct tunnel *tunnel, enum tunnel_end why)
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
    metrics_add(worker->metrics, METRIC_BYTES_SENT, tunnel->is_websocket ? 0 : (int64_t)record->sent);
    metrics_tunnel(worker->metrics, tunnel->metrics_slot, -1);
}

static void end_upstream(struct tunnel *tunnel)
{
    if (tunnel->connection != NULL) {
        upstream_end_kept(tunnel->connection, tunnel->call);
        tunnel->connection = NULL;
        tunnel->call = NULL;
    }
}

void tunnel_finish(struct tunnel *tunnel, enum tunnel_end why)
{
    struct http_stream *stream = tunnel->stream;
    tunnel_note_end(tunnel, why);
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

void tunnel_cut(struct tunnel *tunnel, enum tunnel_end why)
{
    metrics_add(tunnel->worker->metrics, METRIC_RESPONSES_CUT, 1);
    tunnel->record.aborted = true;
    tunnel->stream->ops->reset(tunnel->stream);
    tunnel_finish(tunnel, why);
}

bool tunnel_send(struct tunnel *tunnel, struct slice data, bool *ret_room)
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
    if (tunnel->is_websocket && tunnel->call != NULL && websocket_frames_between(&tunnel->from_client)) {
        random_bytes(mask, sizeof mask);
        (void)http_call_send_body(tunnel->call, goodbye(tunnel, mask, frame));
        tunnel->from_client.closed = true;
    }
}

/* The client's answer is read and dropped for a moment, by its connection: so it learns why. */
void tunnel_say_goodbye(struct tunnel *tunnel)
{
    char frame[WEBSOCKET_CLOSE_MAX];
    bool room;
    tunnel->state = TUNNEL_CLOSING;
    deadline_park(&tunnel->deadline); /* how long it takes its bytes is the connection's business */
    end_upstream(tunnel);
    if (tunnel->is_websocket && !tunnel->upstream_ended && websocket_frames_between(&tunnel->from_upstream) &&
        !tunnel_send(tunnel, goodbye(tunnel, NULL, frame), &room)) {
        return;
    }
    tunnel->stream->ops->send_end(tunnel->stream, NULL);
}

static void look_in(struct tunnel *tunnel, int64_t duration)
{
    struct net_loop *loop = &tunnel->worker->loop;
    deadline_set(&loop->deadlines, &tunnel->deadline, loop->now, duration);
}

/* We end it. What the client sends from now on is dropped. */
static void close_tunnel(struct tunnel *tunnel, enum tunnel_end why)
{
    tunnel->why = why;
    tell_upstream(tunnel);
    tunnel->stream->ops->discard_body(tunnel->stream);
    if (!tunnel_is_within_frame(&tunnel->from_upstream) || tunnel->upstream_ended) {
        tunnel_say_goodbye(tunnel);
        return;
    }
    tunnel->state = TUNNEL_LAST_FRAME;
    look_in(tunnel, why == TUNNEL_BLOCKED ? BLOCKED_GRACE : CLOSE_GRACE);
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
        { tunnel->certificate_until == INT64_MAX ? INT64_MAX : tunnel->certificate_until - loop->now_real,
          TUNNEL_CERTIFICATE_EXPIRED },
        { tunnel->token_until == INT64_MAX ? INT64_MAX : tunnel->token_until - loop->now_real,
          TUNNEL_TOKEN_EXPIRED },
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

void tunnel_look(struct deadline *deadline)
{
    struct tunnel *tunnel = (struct tunnel *)((char *)deadline - offsetof(struct tunnel, deadline));
    enum tunnel_end why;
    if (tunnel->state == TUNNEL_LAST_FRAME) {
        tunnel_cut(tunnel, tunnel->why);
        return;
    }
    if (tunnel->blocked) {
        close_tunnel(tunnel, TUNNEL_BLOCKED);
        return;
    }
    int64_t left = time_left(tunnel, &why);
    if (left <= 0) {
        close_tunnel(tunnel, why);
    } else {
        /* In steps, for another reason, too: the wall clock may jump, and a token expires by it. */
        look_in(tunnel, deadline_step(left));
    }
}

void tunnel_look_soon(struct tunnel *tunnel)
{
    look_in(tunnel, LOOK_SOON);
}

int64_t tunnel_random_below(int64_t limit)
{
    uint64_t number;
    random_bytes(&number, sizeof number);
    return limit > 0 ? (int64_t)(number % (uint64_t)limit) : 0;
}

static void drain(struct tunnel *tunnel, int64_t patience)
{
    int64_t at = tunnel->worker->loop.now + tunnel_random_below(patience);
    if (tunnel->state == TUNNEL_OPEN && at < tunnel->ends_at) {
        tunnel->ends_at = at;
        tunnel->age_is_drain = true;
        look_in(tunnel, LOOK_SOON);
    }
}

void tunnel_drain_late(struct tunnel *tunnel)
{
    drain(tunnel, tunnel->worker->tunnels_end_at - tunnel->worker->loop.now);
}

void tunnel_drain_all(struct worker *worker, int64_t patience)
{
    worker->tunnels_end_at = worker->loop.now + patience;
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

/* ---- blocks ---- */

/* It was let in, and is recorded as ended; who is blocked stands in the audit log, like any denial. */
static void audit(const struct tunnel *tunnel)
{
    struct log_queue *logs = tunnel->worker->logs;
    if (log_audit_reserve(logs)) {
        log_audit(logs, &tunnel->record);
    }
}

static void block(struct tunnel *tunnel, const struct block_entry *entry)
{
    struct slice reason = slice_part(entry->reason, 0, 40);
    snprintf(tunnel->detail, sizeof tunnel->detail, "block %.*s: %.*s",
             SLICE_ARG(slice_part(entry->name, 0, 40)), SLICE_ARG(reason));
    tunnel->blocked = true;
    tunnel->record.reason = block_kind_infos[entry->kind].reason;
    tunnel->record.detail = slice_from_string(tunnel->detail);
    audit(tunnel);
    tunnel_look_soon(tunnel);
}

static const struct block_entry *find_block(const struct tunnel *tunnel, const struct block_set *set,
                                            int64_t now)
{
    const struct block_entry *entry = block_set_find_address(set, &tunnel->record.client, now);
    for (size_t i = 0; entry == NULL && i < tunnel->mark_count; i++) {
        entry = block_set_find(set, &tunnel->marks[i], now);
    }
    return entry;
}

void tunnel_sweep(struct worker *worker)
{
    for (struct tunnel *tunnel = worker->tunnels; tunnel != NULL; tunnel = tunnel->next) {
        if (tunnel->state != TUNNEL_OPEN || tunnel->blocked) {
            continue;
        }
        const struct block_entry *entry =
            find_block(tunnel, worker->blocks, worker->loop.now_real / NS_PER_S);
        if (entry != NULL) {
            metrics_add(worker->metrics, METRIC_BLOCK_STREAMS, 1);
            block(tunnel, entry);
        }
    }
}
