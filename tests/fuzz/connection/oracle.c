#include "connection/oracle.h"

#include "connection/check.h"
#include "connection/message.h"
#include "connection/world.h"

#include <string.h>

#define ASKED_MAX 4096

static struct slice wire_in(const struct wire *wire, size_t from)
{
    return wire->in_size > from ? slice_of(wire->in + from, wire->in_size - from) : SLICE("");
}

static struct slice wire_out(const struct wire *wire, size_t from)
{
    return wire->out_size > from ? slice_of(wire->out + from, wire->out_size - from) : SLICE("");
}

/* A request as an upstream got it. */
struct asked {
    const struct wire *wire;
    size_t number; /* on its wire, from 1 */
    const struct record *record;
    struct message request;
    struct message answer; /* what the upstream sent for it */
    size_t answer_at;
};

static struct asked asked[ASKED_MAX];
static size_t asked_count;
static size_t half_heads; /* an upstream may answer one, as with 431; whose it is cannot be told */

size_t oracle_begun(struct wire *wire)
{
    struct message message;
    while (wire->begun_at < wire->out_size) {
        message_read_request(wire_out(wire, wire->begun_at), &message);
        message_done(&message);
        if (message.end != MESSAGE_WHOLE) {
            break;
        }
        wire->begun_at += message.size;
        wire->begun++;
    }
    bool waits = wire->stream != NULL && (wire->stream->wanted & STREAM_WRITABLE) != 0;
    return wire->begun + (wire->begun_at < wire->out_size || waits ? 1 : 0);
}

static size_t begun_when_sent(const struct wire *wire, size_t offset)
{
    size_t begun = 0;
    for (size_t i = 0; i < wire->moment_count && wire->moments[i].offset <= offset; i++) {
        begun = wire->moments[i].begun;
    }
    return begun;
}

static bool is_prefix(const struct message *part, const struct message *whole)
{
    return part->body_size <= whole->body_size &&
           (part->body_size == 0 || memcmp(part->body, whole->body, part->body_size) == 0);
}

/* ---- upstreams ---- */

static const struct record *record_of(struct slice id)
{
    const struct record *found = NULL;
    for (size_t i = 0; i < world_record_count; i++) {
        if (slice_equal(id, slice_from_string(world_records[i].id))) {
            CHECK_THAT(found == NULL, "two lines of request %s", world_records[i].id);
            found = &world_records[i];
        }
    }
    return found;
}

/* The upstream's answer begins where the one before it ended; 1xx go before it. */
static void read_answer(struct asked *request, size_t *at)
{
    const struct wire *wire = request->wire;
    bool ended = wire->in_end && !wire->broken;
    for (;;) {
        message_done(&request->answer);
        request->answer_at = *at;
        message_read_response(wire_in(wire, *at), request->request.method, ended, &request->answer);
        *at += request->answer.size;
        if (request->answer.end != MESSAGE_WHOLE || request->answer.status >= 200 ||
            request->answer.status == 101) {
            return;
        }
    }
}

static void read_upstream(const struct wire *wire)
{
    size_t number = 0, in_at = 0;
    for (size_t at = 0; at < wire->out_size;) {
        CHECK_THAT(asked_count < ASKED_MAX, "too many requests");
        struct asked *request = &asked[asked_count];
        *request = (struct asked){ .wire = wire, .number = ++number };
        message_read_request(wire_out(wire, at), &request->request);
        CHECK_THAT(request->request.end != MESSAGE_BAD, "no request goes upstream: %.*s",
                   (int)(wire->out_size - at), wire->out + at);
        at += request->request.size;
        if (!request->request.has_head) {
            half_heads++;
            return;
        }
        asked_count++;
        CHECK_THAT(request->request.end == MESSAGE_WHOLE || at == wire->out_size,
                   "bytes behind half a request");
        size_t count;
        struct slice id = message_field(&request->request, "x-request-id", &count);
        request->record = record_of(id);
        CHECK_THAT(count == 1 && request->record != NULL, "request %.*s is in no log", SLICE_ARG(id));
        read_answer(request, &in_at);
    }
}

/* Denied requests go nowhere. */
static void check_admitted(const struct asked *request)
{
    static const char *const after[] = { "upstream_", "bad_body", "body_too_large", "request_timeout" };
    const char *reason = request->record->reason;
    bool may = reason[0] == '\0';
    for (size_t i = 0; i < sizeof after / sizeof after[0]; i++) {
        may = may || strncmp(reason, after[i], strlen(after[i])) == 0;
    }
    CHECK_THAT(may, "a request went upstream and was denied: %s", reason);
}

static bool is_token_of(struct slice value, enum token_kind kind)
{
    struct slice token = slice_from_string(world_tokens[kind]);
    return value.len == token.len + 7 && strncasecmp(value.ptr, "Bearer ", 7) == 0 &&
           memcmp(value.ptr + 7, token.ptr, token.len) == 0;
}

static void check_identity(const struct asked *request, const struct message *sent)
{
    const struct record *record = request->record;
    size_t users, tokens, credentials;
    struct slice user = message_field(&request->request, "x-user-id", &users);
    struct slice token = message_field(&request->request, "authorization", &tokens);
    struct slice credential = message_field(sent, "authorization", &credentials);
    bool hmac = is_token_of(credential, TOKEN_HMAC) || is_token_of(credential, TOKEN_SHORT);
    bool edwards = is_token_of(credential, TOKEN_EDDSA) || is_token_of(credential, TOKEN_SLOW);
    bool scopeless = is_token_of(credential, TOKEN_SCOPELESS);
    if (strcmp(record->route, "hs") == 0 || strcmp(record->route, "ed") == 0) {
        bool is_hs = strcmp(record->route, "hs") == 0;
        CHECK_THAT(credentials == 1 && (is_hs ? hmac : hmac || edwards || scopeless), "admitted by %.*s",
                   SLICE_ARG(credential));
        CHECK_THAT(users == 1 && slice_equal(user, SLICE("alice")), "X-User-Id %.*s", SLICE_ARG(user));
        CHECK_THAT(strcmp(record->subject, "alice") == 0, "subject %s", record->subject);
        CHECK_THAT(tokens == (is_hs ? 0 : 1), "%zu tokens go upstream", tokens);
        CHECK_THAT(is_hs || slice_equal(token, credential), "another token goes upstream");
    } else {
        CHECK_THAT(users == 0 && tokens == 0, "an unproven identity goes upstream");
    }
}

/* What the upstream got is what the client sent. */
static void check_request(const struct asked *request, const struct message *sent)
{
    const struct message *got = &request->request;
    size_t hosts, expectations;
    (void)message_field(got, "host", &hosts);
    (void)message_field(got, "expect", &expectations);
    CHECK_THAT(hosts == 1 && expectations == 0, "%zu hosts, %zu expectations", hosts, expectations);
    CHECK_THAT(slice_equal(got->method, sent->method), "method %.*s", SLICE_ARG(got->method));
    bool has_body = sent->framing == FRAMING_CHUNKED || sent->framing == FRAMING_LENGTH;
    CHECK_THAT(got->framing == sent->framing || !has_body, "framing %d for %d", got->framing, sent->framing);
    CHECK_THAT(is_prefix(got, sent), "a body of %zu bytes that are not the client's %zu", got->body_size,
               sent->body_size);
    if (got->end == MESSAGE_WHOLE) {
        CHECK_THAT(sent->end == MESSAGE_WHOLE && got->body_size == sent->body_size,
                   "half a body was completed: %zu of %zu", got->body_size, sent->body_size);
    }
    CHECK_THAT(got->trailer_count == 0 || strcmp(request->record->route, "named") == 0,
               "trailers went upstream");
    check_identity(request, sent);
}

/* ---- clients ---- */

/* The last attempt to have it answered; NULL: it never went upstream. */
static struct asked *asked_of(const struct record *record)
{
    struct asked *found = NULL;
    size_t attempts = 0;
    for (size_t i = 0; i < asked_count; i++) {
        if (asked[i].record == record) {
            /* A retry is on a connection that was opened after the one that it failed on was used first. */
            found = found == NULL || asked[i].wire > found->wire ? &asked[i] : found;
            attempts++;
        }
    }
    CHECK_THAT(attempts <= 1 || (attempts <= 3 && found->request.body_size == 0 &&
                                 !slice_equal(found->request.method, SLICE("POST"))),
               "sent %zu times", attempts);
    return found;
}

static void check_answer(const struct wire *wire, const struct record *record, const struct message *response)
{
    struct asked *request = asked_of(record);
    size_t ids;
    struct slice id = message_field(response, "x-request-id", &ids);
    CHECK_THAT(ids == 1 && slice_equal(id, slice_from_string(record->id)), "the answer to %.*s instead of %s",
               SLICE_ARG(id), record->id);
    CHECK_THAT(response->status == record->status, "%u was logged as %u", response->status, record->status);
    /* Of one that ends with the connection nobody can tell, once the client is gone. */
    bool unknowable = response->framing == FRAMING_CLOSE && wire->broken;
    CHECK_THAT(response->end == MESSAGE_WHOLE || record->aborted || unknowable,
               "half an answer, and the log calls it whole");
    size_t types;
    struct slice type = message_field(response, "content-type", &types);
    bool denied = record->reason[0] != '\0' && slice_equal(type, SLICE("application/problem+json"));
    if (request == NULL || denied) {
        CHECK_THAT(denied || response->status < 400 || record->reason[0] != '\0' || half_heads > 0,
                   "%u is nobody's", response->status);
        return; /* our own */
    }
    const struct message *answer = &request->answer;
    CHECK_THAT(answer->has_head && answer->status == response->status, "%u for the upstream's %u",
               response->status, answer->status);
    CHECK_THAT(begun_when_sent(request->wire, request->answer_at) >= request->number,
               "the answer was there before the question");
    CHECK_THAT(is_prefix(response, answer), "another body: %zu bytes, the upstream's %zu",
               response->body_size, answer->body_size);
    if (response->end == MESSAGE_WHOLE) {
        CHECK_THAT(answer->end == MESSAGE_WHOLE && response->body_size == answer->body_size,
                   "half an answer was completed: %zu of %zu", response->body_size, answer->body_size);
    }
}

/* The next answer in what the client got; 1xx go before it. False: there is none. */
static bool read_response(const struct wire *wire, struct slice method, size_t *at, struct message *response)
{
    /* An orderly end, whether by shutdown or by close. */
    bool ended = !wire->broken && !wire->out_reset;
    while (*at < wire->out_size) {
        message_read_response(wire_out(wire, *at), method, ended, response);
        CHECK_THAT(response->end != MESSAGE_BAD, "no response goes to a client: %.*s",
                   (int)(wire->out_size - *at), wire->out + *at);
        *at += response->size;
        CHECK_THAT(response->status != 101, "a switch of protocols");
        if (!response->has_head || response->status >= 200) {
            return response->has_head;
        }
        message_done(response);
    }
    return false;
}

/* What is long is logged by its beginning. */
static bool is_logged_as(struct slice text, struct slice logged)
{
    static const struct slice more = SLICE("…");
    if (!slice_ends_with(logged, more)) {
        return slice_equal(text, logged);
    }
    logged.len -= more.len;
    return slice_starts_with(text, logged);
}

static void check_exchange(const struct wire *wire, const struct record *record, size_t *in_at,
                           size_t *out_at)
{
    struct message sent, response = { 0 };
    message_read_request(wire_in(wire, *in_at), &sent);
    *in_at += sent.size;
    struct slice method = slice_from_string(record->method);
    if (method.len > 0) {
        CHECK_THAT(sent.has_head && is_logged_as(sent.method, method), "%s was never asked", record->method);
    }
    for (size_t i = 0; i < asked_count; i++) {
        if (asked[i].record == record) {
            CHECK_THAT(sent.has_head, "what went upstream is no request");
            check_admitted(&asked[i]);
            check_request(&asked[i], &sent);
        }
    }
    if (read_response(wire, method, out_at, &response)) {
        check_answer(wire, record, &response);
    } else {
        CHECK_THAT(record->aborted, "request %s has no answer", record->id);
    }
    message_done(&response);
    message_done(&sent);
}

static void check_client(const struct wire *wire, unsigned int number)
{
    size_t in_at = 0, out_at = 0;
    for (size_t i = 0; i < world_record_count; i++) {
        if (world_records[i].client == number) {
            check_exchange(wire, &world_records[i], &in_at, &out_at);
        }
    }
    struct message none = { 0 };
    CHECK_THAT(!read_response(wire, SLICE_NONE, &out_at, &none), "an answer that nobody asked for");
    message_done(&none);
}

void oracle_check(void)
{
    asked_count = half_heads = 0;
    for (size_t i = 0; i < wire_count; i++) {
        if (wires[i].to_upstream) {
            read_upstream(&wires[i]);
        }
    }
    for (size_t i = 0; i < wire_count; i++) {
        if (!wires[i].to_upstream) {
            check_client(&wires[i], (unsigned int)i);
        }
    }
    for (size_t i = 0; i < asked_count; i++) {
        message_done(&asked[i].request);
        message_done(&asked[i].answer);
    }
}
