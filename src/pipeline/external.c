#include "pipeline/external.h"

#include "http/query.h"
#include "pipeline/stage.h"
#include "relay/names.h"

/* ---- asking ---- */

static struct external_asker *asker_of(const struct exchange *exchange,
                                       const struct authorizer_settings *settings)
{
    const struct worker_snapshot *snapshot = exchange->snapshot;
    return snapshot->askers[settings - snapshot->snapshot->settings->authorizers];
}

/* Without credentials in the query: whoever is asked would have them in its logs. False: no memory. */
static bool request_of(struct exchange *exchange, struct external_request *out)
{
    *out = (struct external_request){
        .method = exchange->request.method_text,
        .host = exchange->request.host,
        .port = exchange->request.port,
        .is_tls = exchange->stream->connection->is_tls,
        .path = exchange->request.path,
        .client = exchange->client,
        .headers = &exchange->input.headers,
        .principal = &exchange->principal,
        .request_id = exchange->request_id,
        .traceparent = exchange->traceparent,
    };
    return query_without(exchange->request.query, &exchange->snapshot->snapshot->credentials.queries,
                         &exchange->arena, &out->query);
}

static enum external_verdict no(struct exchange *exchange, enum deny_reason reason, struct slice detail)
{
    exchange->reason = reason != DENY_NONE ? reason : DENY_INTERNAL;
    exchange->detail = detail;
    return EXTERNAL_NO;
}

static enum external_verdict judge(struct exchange *exchange, const struct external_answer *answer)
{
    if (answer == NULL) {
        return no(exchange, DENY_INTERNAL, SLICE("no memory for an authorizer's answer"));
    }
    if (answer->reason == DENY_NONE) {
        return EXTERNAL_YES;
    }
    exchange->external.told_status = answer->status;
    return no(exchange, answer->reason, arena_copy(&exchange->arena, slice_from_string(answer->detail)));
}

static void on_answered(struct external_waiter *waiter, struct external_answer *answer)
{
    struct exchange *exchange =
        (struct exchange *)((char *)waiter - offsetof(struct exchange, external.waiter));
    struct exchange_external *external = &exchange->external;
    *external->place = answer;
    external->duration = exchange->worker->loop.now - external->asked_at;
    if (exchange->state == EXCHANGE_WAITING) { /* else it was answered meanwhile, or its client is gone */
        external->resumed(exchange, judge(exchange, answer));
    }
    exchange_pending_done(exchange);
}

/* A question of its own, which lives in the exchange's arena, as the exchange lives until it is answered. */
static bool ask(struct exchange *exchange, struct external_asker *asker, const unsigned char *key,
                const struct authorizer_settings *settings, const struct external_request *request,
                const struct external_fields *fields)
{
    struct external_question *question = arena_alloc(&exchange->arena, sizeof *question);
    return question != NULL && external_question_of(settings, request, fields, &exchange->arena, question) &&
           external_ask(asker, key, question, &exchange->external.waiter);
}

static enum external_verdict wait_for(struct exchange *exchange, const struct authorizer_settings *settings,
                                      const unsigned char *key, const struct external_request *request,
                                      const struct external_fields *fields)
{
    struct external_asker *asker = asker_of(exchange, settings);
    exchange->external.waiter.answered = on_answered;
    exchange->external.asked_at = exchange->worker->loop.now;
    exchange_hold(exchange);
    if ((key != NULL && external_join(asker, key, &exchange->external.waiter)) ||
        ask(exchange, asker, key, settings, request, fields)) {
        return EXTERNAL_WAIT;
    }
    exchange_pending_done(exchange);
    return no(exchange, DENY_INTERNAL, SLICE("no memory to ask an authorizer"));
}

enum external_verdict external_consult(struct exchange *exchange, const struct authorizer_settings *settings,
                                       struct external_answer **place, external_resumed *resumed)
{
    struct external_request request;
    struct external_fields fields;
    unsigned char key[EXTERNAL_KEY_SIZE];
    struct exchange_external *external = &exchange->external;
    if (!request_of(exchange, &request)) {
        return no(exchange, DENY_INTERNAL, SLICE("no memory to ask an authorizer"));
    }
    enum deny_reason reason = external_fields_of(settings, &request, &exchange->arena, &fields);
    if (reason != DENY_NONE) {
        return no(exchange, reason, SLICE("for an authorizer"));
    }
    external->place = place;
    external->resumed = resumed;
    external->authorizer = settings->name;
    external->duration = 0;
    external->remembered = false;
    bool keyed = settings->cache != NULL && external_key_of(settings, &request, &fields, key);
    if (keyed) {
        *place = external_remembered(asker_of(exchange, settings), key);
        external->remembered = *place != NULL;
    }
    return external->remembered ? judge(exchange, *place)
                                : wait_for(exchange, settings, keyed ? key : NULL, &request, &fields);
}

/* ---- what they answered ---- */

static bool is_granted(const struct external_answer *answer)
{
    return answer != NULL && answer->reason == DENY_NONE && answer->upstream_count > 0;
}

static bool stands_in(const struct external_answer *answer, struct slice name)
{
    if (answer == NULL || !is_granted(answer)) {
        return false;
    }
    for (size_t i = 0; i < answer->upstream_count; i++) {
        if (slice_equal_nocase(answer->upstream[i].name, name)) {
            return true;
        }
    }
    return false;
}

static void add_granted(const struct external_answer *answer, const struct external_answer *later,
                        struct headers *out)
{
    for (size_t i = 0; is_granted(answer) && i < answer->upstream_count; i++) {
        const struct header *field = &answer->upstream[i];
        if (!stands_in(later, field->name)) {
            (void)headers_add(out, field->id, field->name, field->value); /* there is room */
        }
    }
}

bool external_granted(struct exchange *exchange, struct headers *ret_granted)
{
    const struct external_answer *first = exchange->external.proved, *later = exchange->external.permitted;
    struct headers granted = { .capacity = (is_granted(first) ? first->upstream_count : 0) +
                                           (is_granted(later) ? later->upstream_count : 0) };
    *ret_granted = (struct headers){ .count = 0 };
    if (granted.capacity == 0) {
        return true;
    }
    granted.items = arena_alloc(&exchange->arena, granted.capacity * sizeof *granted.items);
    if (granted.items == NULL) {
        return false;
    }
    add_granted(first, later, &granted);
    add_granted(later, NULL, &granted);
    *ret_granted = granted;
    return true;
}

/* The client's fields that an upstream might take for one of these are not what anybody decides by. */
static bool is_overruled(const struct headers *granted, struct slice name)
{
    for (size_t i = 0; i < granted->count; i++) {
        if (name_same(granted->items[i].name, name)) {
            return true;
        }
    }
    return false;
}

const struct headers *external_seen(struct exchange *exchange)
{
    const struct headers *input = &exchange->input.headers;
    struct headers granted;
    if (!external_granted(exchange, &granted)) {
        return NULL;
    }
    if (granted.count == 0) {
        return input;
    }
    struct headers *seen = arena_calloc(&exchange->arena, 1, sizeof *seen);
    if (seen == NULL) {
        return NULL;
    }
    seen->capacity = input->count + granted.count;
    seen->items = arena_alloc(&exchange->arena, seen->capacity * sizeof *seen->items);
    if (seen->items == NULL) {
        return NULL;
    }
    for (size_t i = 0; i < input->count; i++) {
        if (!is_overruled(&granted, input->items[i].name)) {
            seen->items[seen->count++] = input->items[i];
        }
    }
    for (size_t i = 0; i < granted.count; i++) {
        seen->items[seen->count++] = granted.items[i];
    }
    return seen;
}

/* ---- the client ---- */

static bool may_be_several(enum header_id id)
{
    return id == HEADER_SET_COOKIE || id == HEADER_WWW_AUTHENTICATE;
}

static void drop(struct headers *headers, struct slice name)
{
    size_t kept = 0;
    for (size_t i = 0; i < headers->count; i++) {
        if (!slice_equal_nocase(headers->items[i].name, name)) {
            headers->items[kept++] = headers->items[i];
        }
    }
    headers->count = kept;
}

/* The list of every response has room for the gateway's own, and no more, so that an exchange's memory stays one block: only where
 * an authorizer adds to it, it grows. False: no memory. */
static bool make_room(struct exchange *exchange, size_t count)
{
    struct headers *headers = &exchange->response.headers;
    size_t capacity = headers->capacity + count;
    struct header *items = arena_alloc(&exchange->arena, capacity * sizeof *items);
    if (items != NULL) {
        memcpy(items, headers->items, headers->count * sizeof *items);
        headers->items = items;
        headers->capacity = capacity;
    }
    return items != NULL;
}

/* Beyond that, what the gateway itself has to add might find none. */
static bool has_room(const struct headers *headers, size_t count)
{
    return headers->count + count <= headers->capacity / 2;
}

static void tell(struct exchange *exchange, const struct external_answer *answer)
{
    struct headers *headers = &exchange->response.headers;
    size_t count = answer != NULL ? answer->client_count : 0;
    if (!has_room(headers, count) && !make_room(exchange, count)) {
        return;
    }
    for (size_t i = 0; i < count; i++) {
        const struct header *field = &answer->client[i];
        if (exchange->is_grpc && field->id == HEADER_LOCATION) {
            continue; /* a call's answer is no redirect */
        }
        if (!may_be_several(field->id)) {
            drop(headers, field->name);
        }
        (void)headers_add(headers, field->id, field->name, field->value);
    }
}

void external_tell_client(struct exchange *exchange)
{
    tell(exchange, exchange->external.proved);
    tell(exchange, exchange->external.permitted);
}

static bool has_challenge(const struct external_answer *answer)
{
    for (size_t i = 0; answer != NULL && answer->reason != DENY_NONE && i < answer->client_count; i++) {
        if (answer->client[i].id == HEADER_WWW_AUTHENTICATE) {
            return true;
        }
    }
    return false;
}

bool external_challenges(const struct exchange *exchange)
{
    return has_challenge(exchange->external.proved) || has_challenge(exchange->external.permitted);
}

void external_release(struct exchange *exchange)
{
    external_answer_unref(exchange->external.proved);
    external_answer_unref(exchange->external.permitted);
    exchange->external.proved = exchange->external.permitted = NULL;
}
