#include "external/asker.h"

#include "external/cache.h"
#include "upstream/pool.h"

#include <stdlib.h>

/* A question under way. It lives until its answer is handed out, whoever has gone meanwhile. */
struct flight {
    struct external_asker *asker;
    struct flight *next, *previous; /* of the asker */
    struct external_waiter *first, **last;
    const struct external_question *question; /* of the first waiter, who stays */
    struct external_answer *answer;           /* as far as it has come; NULL: none yet, or no memory for it */
    struct upstream_ticket ticket;
    struct deadline deadline;
    struct net_task task; /* hands the answer out */
    int64_t began;
    size_t body;
    bool keyed;
    bool over;
    unsigned char key[EXTERNAL_KEY_SIZE];
};

struct external_asker {
    const struct authorizer_settings *settings;
    struct net_loop *loop;
    struct metrics_worker *metrics;
    unsigned int metrics_slot;
    struct upstream_pool *pool;
    struct decision_cache cache;
    struct flight *flights;
};

/* ---- the end of a question ---- */

/* A yes for as long as it was said to be good, from the moment that it was asked for. */
static void remember(struct external_asker *asker, const struct flight *flight)
{
    if (flight->keyed && flight->answer != NULL && flight->answer->may_be_kept) {
        decision_cache_put(&asker->cache, flight->key, flight->answer,
                           flight->began + asker->settings->cache->duration);
    }
}

static enum authorizer_outcome outcome_of(const struct external_answer *answer)
{
    if (answer == NULL) {
        return AUTHORIZER_FAILED;
    }
    switch (answer->reason) {
    case DENY_NONE:
        return AUTHORIZER_ALLOWED;
    case DENY_AUTHORIZER_UNAUTHENTICATED:
    case DENY_AUTHORIZER_REDIRECT:
    case DENY_AUTHORIZER_DENIED:
        return AUTHORIZER_DENIED;
    default:
        return AUTHORIZER_FAILED;
    }
}

/* The last one that hears of it may take the asker along, which is not touched from then on. */
static void hand_out(struct net_task *task)
{
    struct flight *flight = (struct flight *)((char *)task - offsetof(struct flight, task));
    struct external_asker *asker = flight->asker;
    struct external_answer *answer = flight->answer;
    struct external_waiter *waiter = flight->first;
    if (flight->previous != NULL) {
        flight->previous->next = flight->next;
    } else {
        asker->flights = flight->next;
    }
    if (flight->next != NULL) {
        flight->next->previous = flight->previous;
    }
    remember(asker, flight);
    metrics_authorizer_asked(asker->metrics, asker->metrics_slot, outcome_of(answer),
                             asker->loop->now - flight->began);
    free(flight);
    while (waiter != NULL) {
        struct external_waiter *next = waiter->next;
        waiter->answered(waiter, answer != NULL ? external_answer_ref(answer) : NULL);
        waiter = next;
    }
    external_answer_unref(answer);
}

/* Takes the answer over. At the end of the turn, since whoever asked may still be within the question. */
static void finish(struct flight *flight, struct external_answer *answer)
{
    if (flight->over) {
        external_answer_unref(answer);
        return;
    }
    flight->over = true;
    if (flight->answer != answer) {
        external_answer_unref(flight->answer);
    }
    flight->answer = answer;
    deadline_clear(&flight->deadline);
    upstream_release(&flight->ticket);
    net_loop_at_end(flight->asker->loop, &flight->task);
}

static void fail(struct flight *flight, enum deny_reason reason, const char *detail)
{
    finish(flight, external_answer_failed(reason, detail));
}

/* In the words of an authorizer. */
static void fail_as(struct flight *flight, const struct http_call_failure *failure)
{
    switch (failure->reason) {
    case DENY_UPSTREAM_CONNECT:
        fail(flight, DENY_AUTHORIZER_UNREACHABLE, "no connection");
        break;
    case DENY_UPSTREAM_TLS:
    case DENY_UPSTREAM_CLOSED:
        fail(flight, DENY_AUTHORIZER_UNREACHABLE, failure->detail);
        break;
    case DENY_UPSTREAM_TIMEOUT:
        fail(flight, DENY_AUTHORIZER_TIMEOUT, NULL);
        break;
    case DENY_UPSTREAM_PROTOCOL:
        fail(flight, DENY_AUTHORIZER_ANSWER, "it broke HTTP");
        break;
    default:
        fail(flight, DENY_AUTHORIZER_BUSY, NULL);
        break;
    }
}

/* The pool may tell of the same moment in other words; that it is over is told here. */
static void on_deadline(struct deadline *deadline)
{
    fail((struct flight *)((char *)deadline - offsetof(struct flight, deadline)), DENY_AUTHORIZER_TIMEOUT,
         NULL);
}

/* ---- its answer ---- */

static void on_response(void *caller, const struct http_response *response)
{
    struct flight *flight = caller;
    flight->answer = external_answer_new(flight->asker->settings, response);
    if (flight->answer == NULL) {
        fail(flight, DENY_AUTHORIZER_BUSY, "no memory for the answer");
    }
}

static void on_informational(void *caller, const struct http_response *response)
{
    (void)caller;
    (void)response;
}

static void on_body(void *caller, struct slice data)
{
    struct flight *flight = caller;
    flight->body += data.len;
    if (flight->body > EXTERNAL_BODY_MAX) {
        fail(flight, DENY_AUTHORIZER_ANSWER, "its body is larger than 64 KiB");
    }
}

static void on_pause(void *caller)
{
    (void)caller;
}

/* Only now: an answer that is cut is none. */
static void on_end(void *caller, const struct headers *trailers)
{
    struct flight *flight = caller;
    (void)trailers;
    finish(flight, flight->answer);
}

static void acquire(struct flight *flight);

/* Nothing of an answer has come by a connection that was kept: it may have been closed long before. A question does no harm if
 * it is asked twice. */
static void on_failed(void *caller, const struct http_call_failure *failure)
{
    struct flight *flight = caller;
    bool again = (failure->refused || failure->reused) && flight->answer == NULL;
    bool fresh = failure->reused;
    if (again && upstream_may_retry(&flight->ticket)) {
        upstream_release(&flight->ticket);
        flight->ticket.fresh = fresh;
        acquire(flight);
        return;
    }
    fail_as(flight, failure); /* which releases the ticket, and the connection may go with its text */
}

static const struct http_call_events call_events = {
    .on_response = on_response,
    .on_informational = on_informational,
    .on_body = on_body,
    .on_pause = on_pause,
    .on_end = on_end,
    .on_writable = on_pause,
    .on_failed = on_failed,
};

/* ---- the question ---- */

static void on_ready(struct upstream_ticket *ticket, const struct http_call_failure *failure)
{
    struct flight *flight = (struct flight *)((char *)ticket - offsetof(struct flight, ticket));
    const struct external_question *question = flight->question;
    if (failure != NULL) {
        fail_as(flight, failure);
        return;
    }
    const struct http_call_request request = {
        .events = &call_events,
        .caller = flight,
        .method = question->method,
        .method_text = question->method_text,
        .target = question->target,
        .host = question->host,
        .headers = &question->headers,
        .body = question->body,
        .response_timeout = flight->asker->settings->timeout,
        .idle_timeout = flight->asker->settings->timeout,
    };
    if (!http_call_begin(ticket->call, &request)) {
        fail(flight, DENY_AUTHORIZER_BUSY, "the question could not be written");
        return;
    }
    http_call_send_end(ticket->call, NULL);
}

static void acquire(struct flight *flight)
{
    flight->ticket.on_ready = on_ready;
    upstream_acquire(flight->asker->pool, &flight->ticket);
}

static void add_waiter(struct flight *flight, struct external_waiter *waiter)
{
    waiter->next = NULL;
    *flight->last = waiter;
    flight->last = &waiter->next;
}

bool external_join(struct external_asker *asker, const unsigned char key[EXTERNAL_KEY_SIZE],
                   struct external_waiter *waiter)
{
    for (struct flight *flight = asker->flights; flight != NULL; flight = flight->next) {
        if (flight->keyed && memcmp(flight->key, key, EXTERNAL_KEY_SIZE) == 0) {
            add_waiter(flight, waiter);
            metrics_authorizer_count(asker->metrics, asker->metrics_slot, AUTHORIZER_JOINED);
            return true;
        }
    }
    return false;
}

bool external_ask(struct external_asker *asker, const unsigned char *key,
                  const struct external_question *question, struct external_waiter *waiter)
{
    struct flight *flight = calloc(1, sizeof *flight);
    if (flight == NULL) {
        return false;
    }
    flight->asker = asker;
    flight->last = &flight->first;
    flight->question = question;
    flight->began = asker->loop->now;
    flight->task.run = hand_out;
    flight->deadline.expired = on_deadline;
    if (key != NULL) {
        flight->keyed = true;
        memcpy(flight->key, key, EXTERNAL_KEY_SIZE);
    }
    flight->next = asker->flights;
    if (asker->flights != NULL) {
        asker->flights->previous = flight;
    }
    asker->flights = flight;
    add_waiter(flight, waiter);
    deadline_set(&asker->loop->deadlines, &flight->deadline, asker->loop->now, asker->settings->timeout);
    acquire(flight);
    return true;
}

/* ---- the asker ---- */

struct external_answer *external_remembered(struct external_asker *asker,
                                            const unsigned char key[EXTERNAL_KEY_SIZE])
{
    if (asker->cache.answers.entries == NULL) {
        return NULL;
    }
    struct external_answer *answer = decision_cache_find(&asker->cache, key, asker->loop->now);
    if (answer != NULL) {
        metrics_authorizer_count(asker->metrics, asker->metrics_slot, AUTHORIZER_REMEMBERED);
    }
    return answer;
}

struct error external_asker_new(const struct authorizer_settings *settings, struct net_loop *loop,
                                struct metrics_worker *metrics, unsigned int metrics_slot,
                                struct external_asker **ret_asker)
{
    struct external_asker *asker = calloc(1, sizeof *asker);
    if (asker == NULL) {
        return FAIL(ERROR_MEMORY, "an authorizer's connections");
    }
    *asker = (struct external_asker){
        .settings = settings, .loop = loop, .metrics = metrics, .metrics_slot = metrics_slot
    };
    struct error error = upstream_pool_new(&settings->service, loop, metrics, &asker->pool);
    if (!failed(error) && settings->cache != NULL &&
        !decision_cache_init(&asker->cache, (size_t)settings->cache->entries)) {
        error = FAIL(ERROR_MEMORY, "an authorizer's decisions");
    }
    if (failed(error)) {
        external_asker_free(asker);
        return error;
    }
    *ret_asker = asker;
    return OK;
}

void external_asker_retire(struct external_asker *asker)
{
    upstream_pool_retire(asker->pool);
}

void external_asker_free(struct external_asker *asker)
{
    if (asker != NULL) {
        upstream_pool_free(asker->pool);
        decision_cache_done(&asker->cache);
        free(asker);
    }
}
