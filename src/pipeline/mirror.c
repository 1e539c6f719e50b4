#include "pipeline/mirror.h"

#include "base/encoding.h"

#include <stdlib.h>

#define MIRROR_LIFE 2            /* times the route's timeout: until the whole answer is there */
#define HEAD_MAX    (128 * 1024) /* bytes of a copied head, and of the list of its fields */

struct mirror {
    struct mirror *previous, *next; /* of the worker */
    struct worker_snapshot *snapshot;
    struct arena arena;
    struct buffer body; /* what of it was not sent yet */
    struct upstream_ticket ticket;
    struct deadline life; /* until its answer must be whole */
    struct headers headers;
    struct http_call_request request;
    bool sending, over; /* inside send_piece: its end frees nothing */
};

/* ---- the list of a worker ---- */

static void put_in(struct mirror *mirror)
{
    struct worker *worker = mirror->snapshot->worker;
    mirror->next = worker->mirrors;
    if (worker->mirrors != NULL) {
        worker->mirrors->previous = mirror;
    }
    worker->mirrors = mirror;
    worker->mirror_count++;
}

/* It is over, and so may its snapshot be. */
static void end(struct mirror *mirror, enum metric outcome)
{
    struct worker *worker = mirror->snapshot->worker;
    metrics_add(worker->metrics, outcome, 1);
    *(mirror->previous != NULL ? &mirror->previous->next : &worker->mirrors) = mirror->next;
    if (mirror->next != NULL) {
        mirror->next->previous = mirror->previous;
    }
    worker->mirror_count--;
    deadline_clear(&mirror->life);
    upstream_release(&mirror->ticket);
    worker_snapshot_give(mirror->snapshot);
    buffer_done(&mirror->body);
    arena_done(&mirror->arena);
    mirror->over = true;
    if (!mirror->sending) {
        free(mirror);
    }
}

void mirror_end_all(struct worker *worker)
{
    while (worker->mirrors != NULL) {
        /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): what has ended is off the list */
        end(worker->mirrors, METRIC_MIRRORED_DROPPED);
    }
}

/* ---- its answer, which nobody sees ---- */

static void on_response(void *caller, const struct http_response *response)
{
    (void)caller;
    (void)response;
}

static void on_body(void *caller, struct slice data)
{
    (void)caller;
    (void)data;
}

static void on_pause(void *caller)
{
    (void)caller;
}

static void on_end(void *caller, const struct headers *trailers)
{
    (void)trailers;
    end(caller, METRIC_MIRRORED_ANSWERED);
}

static void on_failed(void *caller, const struct http_call_failure *failure)
{
    (void)failure;
    end(caller, METRIC_MIRRORED_FAILED);
}

static void on_writable(void *caller);

static const struct http_call_events call_events = {
    .on_response = on_response,
    .on_informational = on_response,
    .on_body = on_body,
    .on_pause = on_pause,
    .on_end = on_end,
    .on_writable = on_writable,
    .on_failed = on_failed,
};

/* ---- sending ---- */

/* False: it waits for room, or is over and gone. */
static bool send_piece(struct mirror *mirror, struct slice piece)
{
    mirror->sending = true;
    bool room = http_call_send_body(mirror->ticket.call, piece);
    mirror->sending = false;
    if (mirror->over) {
        free(mirror);
        return false;
    }
    buffer_consume(&mirror->body, piece.len);
    return room;
}

/* In pieces, as a body would come from a client: a call takes no more at once than its buffer holds. */
static void send_body(struct mirror *mirror)
{
    while (buffer_length(&mirror->body) > 0) {
        if (!send_piece(mirror, slice_part(buffer_slice(&mirror->body), 0, HTTP_READ_BUFFER))) {
            return;
        }
    }
    http_call_send_end(mirror->ticket.call, NULL);
}

static void on_writable(void *caller)
{
    send_body(caller);
}

static void on_ready(struct upstream_ticket *ticket, const struct http_call_failure *failure)
{
    struct mirror *mirror = (struct mirror *)((char *)ticket - offsetof(struct mirror, ticket));
    if (failure != NULL || !http_call_begin(ticket->call, &mirror->request)) {
        end(mirror, METRIC_MIRRORED_FAILED);
        return;
    }
    send_body(mirror);
}

/* An answer without end, as a stream of events, would keep its place and its snapshot for ever. */
static void on_life_over(struct deadline *deadline)
{
    end((struct mirror *)((char *)deadline - offsetof(struct mirror, life)), METRIC_MIRRORED_FAILED);
}

/* From here on it is its own. */
static void send_copy(struct exchange *exchange)
{
    struct mirror *mirror = exchange->mirror;
    exchange->mirror = NULL;
    mirror->request.content_length = buffer_length(&mirror->body);
    mirror->request.body = mirror->request.content_length > 0 ? BODY_LENGTH : BODY_NONE;
    mirror->ticket.on_ready = on_ready;
    mirror->life.expired = on_life_over;
    deadline_set(&exchange->worker->loop.deadlines, &mirror->life, exchange->worker->loop.now,
                 MIRROR_LIFE * mirror->request.response_timeout);
    upstream_acquire(mirror->snapshot->pools[exchange->route->mirror_upstream], &mirror->ticket);
}

static void drop(struct exchange *exchange)
{
    end(exchange->mirror, METRIC_MIRRORED_DROPPED);
    exchange->mirror = NULL;
}

/* ---- copying ---- */

static bool goes_along(const struct mirror_settings *settings, const struct header *header)
{
    return settings->credentials ||
           (header->id != HEADER_AUTHORIZATION && header->id != HEADER_COOKIE && header->id != HEADER_DPOP);
}

static bool copy_headers(struct mirror *mirror, const struct mirror_settings *settings,
                         const struct headers *from)
{
    struct header *items = arena_calloc(&mirror->arena, from->count + 1, sizeof *items);
    mirror->headers = (struct headers){ items, 0, from->count };
    for (size_t i = 0; items != NULL && i < from->count; i++) {
        if (!goes_along(settings, &from->items[i])) {
            continue;
        }
        struct header *item = &items[mirror->headers.count++];
        item->id = from->items[i].id;
        item->name = arena_copy(&mirror->arena, from->items[i].name);
        item->value = arena_copy(&mirror->arena, from->items[i].value);
        if (item->name.ptr == NULL || item->value.ptr == NULL) {
            return false;
        }
    }
    return items != NULL;
}

static bool copy_head(struct mirror *mirror, const struct exchange *exchange, struct slice target,
                      struct slice host)
{
    const struct route_policy *policy = exchange_policy(exchange);
    mirror->request = (struct http_call_request){
        .events = &call_events,
        .caller = mirror,
        .method = exchange->request.method,
        .method_text = arena_copy(&mirror->arena, exchange->request.method_text),
        .target = arena_copy(&mirror->arena, target),
        .host = arena_copy(&mirror->arena, host),
        .headers = &mirror->headers,
        .response_timeout = policy->timeout,
        .idle_timeout = policy->idle_timeout,
    };
    return mirror->request.method_text.ptr != NULL && mirror->request.target.ptr != NULL &&
           mirror->request.host.ptr != NULL && copy_headers(mirror, policy->mirror, &exchange->relayed);
}

/* By the request's id, which is random. */
static bool is_chosen(const struct exchange *exchange, int64_t percent)
{
    int64_t drawn = 0;
    for (size_t i = 0; i < 4; i++) {
        drawn = drawn * 16 + hex_digit(exchange->request_id.ptr[i]);
    }
    return drawn * 100 < percent * 65536;
}

static struct mirror *new_mirror(struct exchange *exchange, struct slice target)
{
    const struct mirror_settings *settings = exchange_policy(exchange)->mirror;
    bool too_large =
        exchange->input.body == BODY_LENGTH && exchange->input.content_length > (uint64_t)settings->body;
    struct mirror *mirror = too_large || exchange->worker->mirror_count >= MIRRORS_MAX || target.ptr == NULL
                                ? NULL
                                : calloc(1, sizeof *mirror);
    if (mirror == NULL) {
        metrics_add(exchange->worker->metrics, METRIC_MIRRORED_DROPPED, 1);
        return NULL;
    }
    mirror->snapshot = exchange->snapshot;
    mirror->snapshot->uses++;
    arena_init(&mirror->arena, HEAD_MAX);
    buffer_init(&mirror->body, (size_t)settings->body);
    put_in(mirror);
    return mirror;
}

void mirror_begin(struct exchange *exchange, struct slice target, struct slice host)
{
    const struct mirror_settings *settings = exchange_policy(exchange)->mirror;
    if (exchange->asks_tunnel || !is_chosen(exchange, settings->percent)) {
        return;
    }
    exchange->mirror = new_mirror(exchange, target);
    if (exchange->mirror == NULL) {
        return;
    }
    if (!copy_head(exchange->mirror, exchange, target, host)) {
        drop(exchange);
    } else if (exchange->input.body == BODY_NONE ||
               (exchange->input.body == BODY_LENGTH && exchange->input.content_length == 0)) {
        send_copy(exchange);
    }
}

void mirror_body(struct exchange *exchange, struct slice data)
{
    if (exchange->mirror != NULL && !buffer_append(&exchange->mirror->body, data)) {
        drop(exchange);
    }
}

void mirror_body_end(struct exchange *exchange)
{
    if (exchange->mirror != NULL) {
        send_copy(exchange);
    }
}

void mirror_forget(struct exchange *exchange)
{
    if (exchange->mirror != NULL) {
        drop(exchange);
    }
}
