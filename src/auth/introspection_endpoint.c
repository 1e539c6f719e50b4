#include "auth/introspection_endpoint.h"

#include "auth/introspection_answer.h"
#include "base/limits.h"
#include "base/secret.h"

#include <stdlib.h>

#define TELL_WINDOW (60 * NS_PER_S)
#define TELLS_MAX   20 /* in a window */
#define PAUSE       NS_PER_S
#define FORM_MAX \
    (4 * JWT_TEXT_MAX + 32 * 1024) /* bytes: every byte of a token in escapes, and the client's proof */

/* One token that the endpoint is being asked about. */
struct introspection_flight {
    struct introspection_flight *next;
    struct introspection_endpoint *endpoint;
    struct fetch *fetch;
    struct introspection_questions questions; /* of this token; never empty */
    int64_t asked_at;
};

/* ---- answers ---- */

static void answer(struct introspection_asking *asking, struct introspection_question *question)
{
    asking->callbacks.answered(asking->callbacks.context, question);
}

static void answer_failed(struct introspection_asking *asking, struct introspection_question *question,
                          enum deny_reason reason)
{
    question->reason = reason;
    answer(asking, question);
}

static void fail_all(struct introspection_asking *asking, struct introspection_questions *questions,
                     enum deny_reason reason)
{
    struct introspection_question *question;
    while ((question = introspection_questions_take(questions)) != NULL) {
        answer_failed(asking, question, reason);
    }
}

static void drop_all(struct introspection_questions *questions)
{
    struct introspection_question *question;
    while ((question = introspection_questions_take(questions)) != NULL) {
        introspection_question_free(question);
    }
}

/* ---- health ---- */

/* What has changed since it was last told; not too often, since tokens may provoke changes. */
static void tell(struct introspection_endpoint *endpoint, const char *why)
{
    struct introspection_asking *asking = endpoint->asking;
    int64_t now = asking->loop->now;
    if (now - endpoint->telling_since > TELL_WINDOW) {
        endpoint->telling_since = now;
        endpoint->tells = 0;
    }
    if (endpoint->failure != endpoint->told && endpoint->tells < TELLS_MAX) {
        endpoint->told = endpoint->failure;
        endpoint->tells++;
        asking->callbacks.changed(asking->callbacks.context, slice_from_string(endpoint->name), why);
    }
}

/* Is it a failure of the endpoint as a whole, whatever the token was? One that a token can provoke (400, 500, a strange answer) must
 * not keep others from being asked about. */
static bool is_general(long status)
{
    return status == 0 || status == 401 || status == 403 || status == 429 || (status >= 502 && status <= 504);
}

static void note_failure(struct introspection_endpoint *endpoint, enum deny_reason reason, long status,
                         const char *why)
{
    struct introspection_asking *asking = endpoint->asking;
    endpoint->failures++;
    endpoint->failures_in_row = is_general(status) ? endpoint->failures_in_row + 1 : 0;
    endpoint->failure = reason;
    tell(endpoint, why);
    if (endpoint->failures_in_row >= INTROSPECTION_FAILURES_MAX) {
        endpoint->paused_until = asking->loop->now + PAUSE;
        fail_all(asking, &endpoint->known, reason);
        fail_all(asking, &endpoint->unknown, reason);
    }
}

static void note_success(struct introspection_endpoint *endpoint)
{
    endpoint->failures_in_row = 0;
    endpoint->failure = DENY_NONE;
    tell(endpoint, NULL);
}

/* It has failed again and again: it is left alone, or one question is finding out whether it is well again. */
static bool is_paused(const struct introspection_endpoint *endpoint)
{
    return endpoint->failures_in_row >= INTROSPECTION_FAILURES_MAX &&
           (endpoint->asking->loop->now < endpoint->paused_until || endpoint->flight_count > 0);
}

/* ---- flights ---- */

static void end_flight(struct introspection_flight *flight)
{
    struct introspection_endpoint *endpoint = flight->endpoint;
    struct introspection_flight **link = &endpoint->flights;
    while (*link != flight) {
        link = &(*link)->next;
    }
    *link = flight->next;
    endpoint->flight_count--;
    free(flight);
}

static struct introspection_flight *find_flight(const struct introspection_endpoint *endpoint,
                                                const unsigned char *digest)
{
    struct introspection_flight *flight = endpoint->flights;
    while (flight != NULL &&
           memcmp(flight->questions.first->digest, digest, sizeof flight->questions.first->digest) != 0) {
        flight = flight->next;
    }
    return flight;
}

/* What the answer comes to: DENY_NONE where there is one, whatever it says of the token. */
static enum deny_reason judge(struct introspection_asking *asking, const struct fetch_result *result,
                              const char **ret_why)
{
    *ret_why = result->failure;
    if (result->failure != NULL) {
        bool refused = result->status == 400 || result->status == 401 || result->status == 403;
        if (refused) {
            return DENY_INTROSPECTION_REFUSED;
        }
        return result->status == 200 ? DENY_INTROSPECTION_ANSWER : DENY_INTROSPECTION_UNAVAILABLE;
    }
    struct json *payload;
    arena_reset(&asking->scratch);
    if (introspection_answer_read(result->body, &asking->scratch, &payload) == DENY_INTROSPECTION_ANSWER) {
        *ret_why = "the answer is no JSON object with a boolean `active`, or a member of it has a type that "
                   "it cannot have";
        return DENY_INTROSPECTION_ANSWER;
    }
    return DENY_NONE;
}

static void start_next(struct introspection_endpoint *endpoint);

static void on_done(void *context, const struct fetch_result *result)
{
    struct introspection_flight *flight = context;
    struct introspection_endpoint *endpoint = flight->endpoint;
    struct introspection_asking *asking = endpoint->asking;
    const char *why;
    enum deny_reason reason = judge(asking, result, &why);
    struct introspection_question *question;
    endpoint->time += asking->loop->now - flight->asked_at;
    while ((question = introspection_questions_take(&flight->questions)) != NULL) {
        if (reason == DENY_NONE) {
            introspection_question_answer(question, result->body, flight->asked_at);
            answer(asking, question);
        } else {
            answer_failed(asking, question, reason);
        }
    }
    end_flight(flight);
    if (reason == DENY_NONE) {
        note_success(endpoint);
    } else {
        note_failure(endpoint, reason, result->status, why);
    }
    start_next(endpoint);
}

static bool make_form(const struct introspection_endpoint *endpoint, struct slice token, struct buffer *form,
                      struct buffer *authorization)
{
    int64_t now = endpoint->asking->loop->now_real / NS_PER_S;
    return oauth_add_parameter(form, SLICE("token"), token) &&
           oauth_add_parameter(form, SLICE("token_type_hint"), SLICE("access_token")) &&
           oauth_client_prove(endpoint->client, now, form, authorization);
}

static struct error start_fetch(struct introspection_flight *flight, int64_t timeout)
{
    struct introspection_endpoint *endpoint = flight->endpoint;
    struct buffer form, authorization;
    struct error error = FAIL(ERROR_MEMORY, "the question could not be made");
    buffer_init(&form, FORM_MAX);
    buffer_init(&authorization, FORM_MAX);
    /* At once: what they grow out of would not be wiped. */
    if (buffer_reserve(&form, FORM_MAX) && buffer_reserve(&authorization, FORM_MAX / 4) &&
        make_form(endpoint, flight->questions.first->token, &form, &authorization)) {
        const struct fetch_form sent = { buffer_slice(&form), buffer_slice(&authorization) };
        const struct fetch_options options = {
            .url = endpoint->settings->endpoint,
            .tls = endpoint->settings->tls,
            .timeout = timeout,
            .maximum = INTROSPECTION_TEXT_MAX,
            .accept = "Accept: application/json",
            .content_type = "application/json",
            .form = &sent,
            .keep = true,
        };
        error = fetch_start(endpoint->asking->fetcher, &options, on_done, flight, &flight->fetch);
    }
    secret_wipe(form.data, form.data != NULL ? form.end : 0);
    secret_wipe(authorization.data, authorization.data != NULL ? authorization.end : 0);
    buffer_done(&form);
    buffer_done(&authorization);
    return error;
}

static void start(struct introspection_endpoint *endpoint, struct introspection_question *question,
                  int64_t timeout)
{
    struct introspection_asking *asking = endpoint->asking;
    struct introspection_flight *flight = calloc(1, sizeof *flight);
    if (flight == NULL) {
        answer_failed(asking, question, DENY_INTERNAL);
        return;
    }
    flight->endpoint = endpoint;
    flight->asked_at = asking->loop->now;
    introspection_questions_init(&flight->questions);
    introspection_questions_add(&flight->questions, question);
    flight->next = endpoint->flights;
    endpoint->flights = flight;
    endpoint->flight_count++;
    endpoint->requests++;
    struct error error = start_fetch(flight, timeout);
    if (failed(error)) {
        fail_all(asking, &flight->questions, DENY_INTROSPECTION_UNAVAILABLE);
        end_flight(flight);
        note_failure(endpoint, DENY_INTROSPECTION_UNAVAILABLE, 0, error.what);
    }
}

/* One that has waited for all of its time is answered; one whose token is being asked about meanwhile joins in. */
static void start_or_join(struct introspection_endpoint *endpoint, struct introspection_question *question)
{
    struct introspection_flight *flight = find_flight(endpoint, question->digest);
    int64_t left = endpoint->settings->timeout - (endpoint->asking->loop->now - question->born);
    if (flight != NULL) {
        introspection_questions_add(&flight->questions, question);
    } else if (left < NS_PER_MS) {
        answer_failed(endpoint->asking, question, DENY_INTROSPECTION_BUSY);
    } else {
        start(endpoint, question, left);
    }
}

static bool has_place(const struct introspection_endpoint *endpoint)
{
    return endpoint->flight_count < (size_t)endpoint->settings->max_concurrent;
}

static void start_next(struct introspection_endpoint *endpoint)
{
    while (has_place(endpoint) && endpoint->known.count + endpoint->unknown.count > 0) {
        struct introspection_question *question = introspection_questions_take(&endpoint->known);
        start_or_join(endpoint,
                      question != NULL ? question : introspection_questions_take(&endpoint->unknown));
    }
}

void introspection_endpoint_ask(struct introspection_endpoint *endpoint,
                                struct introspection_question *question)
{
    struct introspection_asking *asking = endpoint->asking;
    if (endpoint->client == NULL) {
        answer_failed(asking, question, DENY_INTROSPECTION_UNAVAILABLE);
    } else if (is_paused(endpoint)) {
        answer_failed(asking, question, endpoint->failure);
    } else if (has_place(endpoint) || find_flight(endpoint, question->digest) != NULL) {
        start_or_join(endpoint, question);
    } else if (endpoint->known.count + endpoint->unknown.count >= INTROSPECTION_WAITING_MAX) {
        answer_failed(asking, question, DENY_INTROSPECTION_BUSY);
    } else {
        introspection_questions_add(question->is_known ? &endpoint->known : &endpoint->unknown, question);
    }
}

/* ---- life ---- */

/* `answered`: those who asked are told; else their questions are dropped. */
static void end_questions(struct introspection_endpoint *endpoint, bool answered)
{
    struct introspection_asking *asking = endpoint->asking;
    struct introspection_flight *next;
    for (struct introspection_flight *flight = endpoint->flights; flight != NULL; flight = next) {
        next = flight->next;
        fetch_cancel(flight->fetch);
        if (answered) {
            fail_all(asking, &flight->questions, DENY_INTROSPECTION_UNAVAILABLE);
        } else {
            drop_all(&flight->questions);
        }
        free(flight);
    }
    endpoint->flights = NULL;
    endpoint->flight_count = 0;
    if (answered) {
        fail_all(asking, &endpoint->known, DENY_INTROSPECTION_UNAVAILABLE);
        fail_all(asking, &endpoint->unknown, DENY_INTROSPECTION_UNAVAILABLE);
    } else {
        drop_all(&endpoint->known);
        drop_all(&endpoint->unknown);
    }
}

void introspection_endpoint_free(struct introspection_endpoint *endpoint, bool answered)
{
    end_questions(endpoint, answered);
    oauth_client_free(endpoint->client);
    free(endpoint->name);
    free(endpoint->url);
    free(endpoint->client_id);
    free(endpoint);
}

static char *copy_text(struct slice text)
{
    char *copy = malloc(text.len + 1);
    if (copy != NULL) {
        memcpy(copy, text.ptr, text.len);
        copy[text.len] = '\0';
    }
    return copy;
}

bool introspection_endpoint_is(const struct introspection_endpoint *endpoint,
                               const struct introspection_settings *settings)
{
    return slice_equal(slice_from_string(endpoint->url), settings->endpoint) &&
           slice_equal(slice_from_string(endpoint->client_id), settings->client_id);
}

struct introspection_endpoint *introspection_endpoint_new(struct introspection_asking *asking,
                                                          const struct introspection_settings *settings)
{
    struct introspection_endpoint *endpoint = calloc(1, sizeof *endpoint);
    if (endpoint == NULL) {
        return NULL;
    }
    endpoint->asking = asking;
    endpoint->name = copy_text(settings->name);
    endpoint->url = copy_text(settings->endpoint);
    endpoint->client_id = copy_text(settings->client_id);
    introspection_questions_init(&endpoint->known);
    introspection_questions_init(&endpoint->unknown);
    if (endpoint->name == NULL || endpoint->url == NULL || endpoint->client_id == NULL) {
        introspection_endpoint_free(endpoint, false);
        return NULL;
    }
    return endpoint;
}

struct error introspection_endpoint_set(struct introspection_endpoint *endpoint,
                                        const struct introspection_settings *settings)
{
    endpoint->settings = settings;
    endpoint->failures_in_row = 0; /* what was wrong may have been put right */
    oauth_client_free(endpoint->client);
    endpoint->client = NULL;
    const struct oauth_identity identity = introspection_client(settings);
    return oauth_client_new(&identity, &endpoint->client);
}
