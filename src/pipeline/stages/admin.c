/* The admin API (src/admin): answers what its routes let through. Who asks was authenticated and authorized by the stages before;
 * here a browser's page is kept out, the body is read, and the store is asked in the thread pool. */
#include "pipeline/stage.h"

#include "admin/admin.h"

#define WAITING_MAX 32 /* of one worker */

/* ---- who is no program ---- */

/* A browser that has a client certificate shows it to whatever its pages ask. Programs send neither field; a page can leave out
 * neither of them where it asks for a change (Fetch, sections 3.1 and 4.1). */
static bool is_of_a_page(const struct headers *headers)
{
    for (size_t i = 0; i < headers->count; i++) {
        const struct header *header = &headers->items[i];
        if (header->id == HEADER_ORIGIN || (slice_equal_nocase(header->name, SLICE("sec-fetch-site")) &&
                                            !slice_equal(header->value, SLICE("none")))) {
            return true;
        }
    }
    return false;
}

/* Demanded of every change, one without anything to say included: a page of another origin cannot send it unasked. */
static bool is_json(const struct headers *headers)
{
    const struct header *field = headers_find(headers, HEADER_CONTENT_TYPE);
    if (field == NULL || headers_count(headers, HEADER_CONTENT_TYPE) != 1 ||
        headers_find(headers, HEADER_CONTENT_ENCODING) != NULL) {
        return false;
    }
    struct slice rest = field->value, type = SLICE_NONE, parameter = SLICE_NONE;
    slice_next(&rest, ';', &type);
    if (!slice_equal_nocase(slice_trim(type), SLICE("application/json"))) {
        return false;
    }
    return !slice_next(&rest, ';', &parameter) ||
           (rest.ptr == NULL && slice_equal_nocase(slice_trim(parameter), SLICE("charset=utf-8")));
}

/* ---- the pool ---- */

static bool start(struct exchange *exchange);

static void finish_job(struct exchange *exchange)
{
    admin_job_free(exchange->admin_job);
    exchange->admin_job = NULL;
}

/* What came of it, to the logs and the counters: of that a client that does not wait for its answer leaves no status. */
static const struct outcome {
    struct slice name;
    enum metric metric;
} is_done = { SLICE_INIT("done"), METRIC_ADMIN_DONE },
  is_refused = { SLICE_INIT("refused"), METRIC_ADMIN_REFUSED },
  is_failed = { SLICE_INIT("failed"), METRIC_ADMIN_FAILED };

static void tell_outcome(struct exchange *exchange, const struct admin_answer *answer)
{
    const struct outcome *outcome = answer->status == 0     ? &is_failed
                                    : answer->status >= 400 ? &is_refused
                                                            : &is_done;
    exchange->admin_outcome = outcome->name;
    metrics_add(exchange->worker->metrics, outcome->metric, answer->changes ? 1 : 0);
}

static void answer(struct exchange *exchange, const struct admin_answer *answer)
{
    struct arena *arena = &exchange->arena;
    if (exchange->state != EXCHANGE_WAITING) {
        return; /* the client is gone; what was done stands in the audit log */
    }
    if (answer->status == 0) {
        exchange_fail(exchange, DENY_ADMIN_UNAVAILABLE, exchange->detail);
        return;
    }
    bool good = stage_add_header(exchange, HEADER_CONTENT_TYPE, answer->type) &&
                stage_add_header(exchange, HEADER_CACHE_CONTROL, SLICE("no-store")) &&
                (answer->location.ptr == NULL ||
                 stage_add_header(exchange, HEADER_LOCATION, arena_copy(arena, answer->location)));
    if (!good) {
        exchange_fail(exchange, DENY_INTERNAL, SLICE("no memory for the answer"));
        return;
    }
    exchange_answer(exchange, answer->status, answer->body);
}

static void start_next(struct worker *worker)
{
    struct admin_queue *queue = &worker->admin;
    while (!queue->busy && queue->first != NULL) {
        struct exchange *next = queue->first;
        queue->first = next->next;
        queue->last = queue->first != NULL ? queue->last : NULL;
        queue->waiting--;
        if (next->state == EXCHANGE_WAITING && start(next)) {
            return;
        }
        /* Its client did not wait, or the pool takes no work. */
        exchange_fail(next, DENY_ADMIN_UNAVAILABLE, SLICE("the thread pool takes no work"));
        exchange_pending_done(next);
    }
}

static void run(uv_work_t *work)
{
    struct exchange *exchange = work->data;
    admin_job_run(exchange->admin_job);
}

static void on_done(uv_work_t *work, int status)
{
    (void)status; /* never cancelled */
    struct exchange *exchange = work->data;
    struct worker *worker = exchange->worker;
    struct admin_answer result;
    net_loop_woken(&worker->loop);
    worker->admin.busy = false;
    admin_job_answer(exchange->admin_job, &result);
    exchange->detail = arena_copy(&exchange->arena, result.what.ptr != NULL ? result.what : SLICE(""));
    tell_outcome(exchange, &result);
    answer(exchange, &result);
    finish_job(exchange);
    exchange_pending_done(exchange);
    start_next(worker);
}

static bool start(struct exchange *exchange)
{
    struct worker *worker = exchange->worker;
    exchange->work.data = exchange;
    worker->admin.busy = uv_queue_work(&worker->loop.uv, &exchange->work, run, on_done) == 0;
    return worker->admin.busy;
}

static void append(struct admin_queue *queue, struct exchange *exchange)
{
    exchange->next = NULL;
    if (queue->last != NULL) {
        queue->last->next = exchange;
    } else {
        queue->first = exchange;
    }
    queue->last = exchange;
    queue->waiting++;
}

/* The body is complete, or there is none. */
static enum deny_reason enqueue(struct exchange *exchange)
{
    struct admin_queue *queue = &exchange->worker->admin;
    if (queue->busy && queue->waiting == WAITING_MAX) {
        return DENY_ADMIN_BUSY;
    }
    admin_job_give_time(exchange->admin_job, exchange->worker->loop.now + ADMIN_WAIT_MAX);
    if (queue->busy) {
        append(queue, exchange);
    } else if (!start(exchange)) {
        return DENY_ADMIN_UNAVAILABLE;
    }
    exchange->state = EXCHANGE_WAITING;
    exchange_hold(exchange);
    return DENY_NONE;
}

/* ---- the request ---- */

static enum stage_verdict find(struct exchange *exchange, const struct admin_operation **ret_operation,
                               struct slice *ret_id)
{
    struct slice allow = SLICE_NONE;
    switch (admin_find(exchange->request.method, exchange->request.path, ret_operation, ret_id, &allow)) {
    case ADMIN_NO_PATH:
        return stage_deny(exchange, DENY_NO_ROUTE, SLICE("the admin API has no such path"));
    case ADMIN_NO_METHOD:
        exchange->match.allow = allow;
        return stage_deny(exchange, DENY_METHOD_NOT_ALLOWED, SLICE_NONE);
    case ADMIN_FOUND:
        break;
    }
    return STAGE_NEXT;
}

static bool has_body(const struct exchange *exchange)
{
    return exchange->input.body == BODY_CHUNKED ||
           (exchange->input.body == BODY_LENGTH && exchange->input.content_length > 0);
}

/* Reads the body where the operation has one; else what may be there is never looked at. */
static enum stage_verdict begin(struct exchange *exchange, bool reads_body)
{
    if (reads_body && has_body(exchange)) {
        exchange->state = EXCHANGE_STREAMING;
        exchange_hold(exchange);
        exchange->stream->ops->pause(exchange->stream, false);
        exchange_pending_done(exchange);
        return STAGE_RESPONDED;
    }
    enum deny_reason reason = enqueue(exchange);
    return reason == DENY_NONE ? STAGE_WAIT : stage_deny(exchange, reason, SLICE_NONE);
}

static enum stage_verdict serve(struct exchange *exchange)
{
    const struct admin_operation *operation = NULL;
    struct slice id = SLICE_NONE;
    if (!exchange->route->settings->admin) {
        return STAGE_NEXT;
    }
    if (is_of_a_page(&exchange->input.headers)) {
        return stage_deny(exchange, DENY_ADMIN_ORIGIN, SLICE_NONE);
    }
    enum stage_verdict verdict = find(exchange, &operation, &id);
    if (verdict != STAGE_NEXT) {
        return verdict;
    }
    exchange->admin_action = admin_operation_name(operation);
    exchange->admin_outcome = SLICE("none"); /* until it was carried out */
    bool changes = admin_operation_changes(operation);
    if (changes && !is_json(&exchange->input.headers)) {
        return stage_deny(exchange, DENY_ADMIN_MEDIA_TYPE, SLICE_NONE);
    }
    const struct admin_request request = {
        .settings = exchange->snapshot->snapshot->settings,
        .operation = operation,
        .id = id,
        .query = exchange->request.query,
        .request_id = exchange->request_id,
        .caller = exchange->principal.subject,
        .now = exchange->started_real / NS_PER_S,
    };
    exchange->admin_job = admin_job_new(&request);
    if (exchange->admin_job == NULL) {
        return stage_deny(exchange, DENY_INTERNAL, SLICE("no memory for the admin API"));
    }
    return begin(exchange, changes);
}

static enum deny_reason take_body(struct exchange *exchange, struct slice data)
{
    bool taken = exchange->admin_job == NULL || admin_job_body(exchange->admin_job, data);
    return taken ? DENY_NONE : DENY_BODY_TOO_LARGE;
}

static enum deny_reason take_body_end(struct exchange *exchange, const struct headers *trailers)
{
    (void)trailers;
    return exchange->admin_job != NULL ? enqueue(exchange) : DENY_NONE;
}

static void done(struct exchange *exchange)
{
    finish_job(exchange);
}

const struct stage stage_admin = {
    .name = "admin",
    .on_request = serve,
    .on_body = take_body,
    .on_body_end = take_body_end,
    .done = done,
};
