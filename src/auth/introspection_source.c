#include "auth/introspection_source.h"

#include "auth/fetch.h"
#include "auth/introspection_answer.h"
#include "base/limits.h"
#include "base/secret.h"

#include <stdlib.h>

#define TELL_WINDOW (60 * NS_PER_S)
#define TELLS_MAX   20 /* in a window */
#define PAUSE       NS_PER_S
#define FORM_MAX \
    (4 * JWT_TEXT_MAX + 32 * 1024) /* bytes: every byte of a token in escapes, and the client's proof */

struct questions {
    struct introspection_question *first, **last;
    size_t count;
};

/* One token that the endpoint is being asked about. */
struct flight {
    struct flight *next;
    struct endpoint *endpoint;
    struct fetch *fetch;
    struct questions questions; /* of this token; never empty */
    int64_t asked_at;
};

struct endpoint {
    struct endpoint *next;
    struct introspection_source *source;
    const struct introspection_settings *settings; /* of the configuration in force */
    struct oauth_client *client;                   /* NULL: it cannot be asked */
    bool wanted;
    char *name, *url, *client_id; /* own copies, to know it by in the next configuration */
    struct flight *flights;
    size_t flight_count;
    struct questions known, unknown; /* that wait for their turn */
    unsigned int failures_in_row;
    int64_t paused_until;
    enum deny_reason failure; /* the last one; DENY_NONE: it is well */
    enum deny_reason told;    /* what the log says of it */
    int64_t telling_since;
    unsigned int tells; /* since then */
    uint64_t requests, failures;
    int64_t time;
};

struct introspection_source {
    struct net_loop *loop;
    struct introspection_callbacks callbacks;
    struct fetcher *fetcher;
    struct arena scratch; /* of the answer that is looked at */
    struct endpoint *endpoints;
};

/* ---- questions ---- */

static void questions_init(struct questions *questions)
{
    *questions = (struct questions){ .last = &questions->first };
}

static void questions_add(struct questions *questions, struct introspection_question *question)
{
    question->next = NULL;
    *questions->last = question;
    questions->last = &question->next;
    questions->count++;
}

static struct introspection_question *questions_take(struct questions *questions)
{
    struct introspection_question *question = questions->first;
    if (question != NULL) {
        questions->first = question->next;
        questions->last = questions->first != NULL ? questions->last : &questions->first;
        questions->count--;
    }
    return question;
}

static void answer(struct introspection_source *source, struct introspection_question *question)
{
    source->callbacks.answered(source->callbacks.context, question);
}

static void answer_failed(struct introspection_source *source, struct introspection_question *question,
                          enum deny_reason reason)
{
    question->reason = reason;
    answer(source, question);
}

static void fail_all(struct introspection_source *source, struct questions *questions,
                     enum deny_reason reason)
{
    struct introspection_question *question;
    while ((question = questions_take(questions)) != NULL) {
        answer_failed(source, question, reason);
    }
}

static void drop_all(struct questions *questions)
{
    struct introspection_question *question;
    while ((question = questions_take(questions)) != NULL) {
        introspection_question_free(question);
    }
}

/* ---- health ---- */

/* What has changed since it was last told; not too often, since tokens may provoke changes. */
static void tell(struct endpoint *endpoint, const char *why)
{
    struct introspection_source *source = endpoint->source;
    int64_t now = source->loop->now;
    if (now - endpoint->telling_since > TELL_WINDOW) {
        endpoint->telling_since = now;
        endpoint->tells = 0;
    }
    if (endpoint->failure != endpoint->told && endpoint->tells < TELLS_MAX) {
        endpoint->told = endpoint->failure;
        endpoint->tells++;
        source->callbacks.changed(source->callbacks.context, slice_from_string(endpoint->name), why);
    }
}

/* Is it a failure of the endpoint as a whole, whatever the token was? One that a token can provoke (400, 500, a strange answer) must
 * not keep others from being asked about. */
static bool is_general(long status)
{
    return status == 0 || status == 401 || status == 403 || status == 429 || (status >= 502 && status <= 504);
}

static void note_failure(struct endpoint *endpoint, enum deny_reason reason, long status, const char *why)
{
    struct introspection_source *source = endpoint->source;
    endpoint->failures++;
    endpoint->failures_in_row = is_general(status) ? endpoint->failures_in_row + 1 : 0;
    endpoint->failure = reason;
    tell(endpoint, why);
    if (endpoint->failures_in_row >= INTROSPECTION_FAILURES_MAX) {
        endpoint->paused_until = source->loop->now + PAUSE;
        fail_all(source, &endpoint->known, reason);
        fail_all(source, &endpoint->unknown, reason);
    }
}

static void note_success(struct endpoint *endpoint)
{
    endpoint->failures_in_row = 0;
    endpoint->failure = DENY_NONE;
    tell(endpoint, NULL);
}

/* It has failed again and again: it is left alone, or one question is finding out whether it is well again. */
static bool is_paused(const struct endpoint *endpoint)
{
    return endpoint->failures_in_row >= INTROSPECTION_FAILURES_MAX &&
           (endpoint->source->loop->now < endpoint->paused_until || endpoint->flight_count > 0);
}

/* ---- flights ---- */

static void end_flight(struct flight *flight)
{
    struct endpoint *endpoint = flight->endpoint;
    struct flight **link = &endpoint->flights;
    while (*link != flight) {
        link = &(*link)->next;
    }
    *link = flight->next;
    endpoint->flight_count--;
    free(flight);
}

static struct flight *find_flight(const struct endpoint *endpoint, const unsigned char *digest)
{
    struct flight *flight = endpoint->flights;
    while (flight != NULL &&
           memcmp(flight->questions.first->digest, digest, sizeof flight->questions.first->digest) != 0) {
        flight = flight->next;
    }
    return flight;
}

/* What the answer comes to: DENY_NONE where there is one, whatever it says of the token. */
static enum deny_reason judge(struct introspection_source *source, const struct fetch_result *result,
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
    arena_reset(&source->scratch);
    if (introspection_answer_read(result->body, &source->scratch, &payload) == DENY_INTROSPECTION_ANSWER) {
        *ret_why = "the answer is no JSON object with a boolean `active`, or a member of it has a type that "
                   "it cannot have";
        return DENY_INTROSPECTION_ANSWER;
    }
    return DENY_NONE;
}

static void start_next(struct endpoint *endpoint);

static void on_done(void *context, const struct fetch_result *result)
{
    struct flight *flight = context;
    struct endpoint *endpoint = flight->endpoint;
    struct introspection_source *source = endpoint->source;
    const char *why;
    enum deny_reason reason = judge(source, result, &why);
    struct introspection_question *question;
    endpoint->time += source->loop->now - flight->asked_at;
    while ((question = questions_take(&flight->questions)) != NULL) {
        if (reason == DENY_NONE) {
            introspection_question_answer(question, result->body, flight->asked_at);
            answer(source, question);
        } else {
            answer_failed(source, question, reason);
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

static bool make_form(const struct endpoint *endpoint, struct slice token, struct buffer *form,
                      struct buffer *authorization)
{
    int64_t now = endpoint->source->loop->now_real / NS_PER_S;
    return oauth_add_parameter(form, SLICE("token"), token) &&
           oauth_add_parameter(form, SLICE("token_type_hint"), SLICE("access_token")) &&
           oauth_client_prove(endpoint->client, now, form, authorization);
}

static struct error start_fetch(struct flight *flight, int64_t timeout)
{
    struct endpoint *endpoint = flight->endpoint;
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
        error = fetch_start(endpoint->source->fetcher, &options, on_done, flight, &flight->fetch);
    }
    secret_wipe(form.data, form.data != NULL ? form.end : 0);
    secret_wipe(authorization.data, authorization.data != NULL ? authorization.end : 0);
    buffer_done(&form);
    buffer_done(&authorization);
    return error;
}

static void start(struct endpoint *endpoint, struct introspection_question *question, int64_t timeout)
{
    struct introspection_source *source = endpoint->source;
    struct flight *flight = calloc(1, sizeof *flight);
    if (flight == NULL) {
        answer_failed(source, question, DENY_INTERNAL);
        return;
    }
    flight->endpoint = endpoint;
    flight->asked_at = source->loop->now;
    questions_init(&flight->questions);
    questions_add(&flight->questions, question);
    flight->next = endpoint->flights;
    endpoint->flights = flight;
    endpoint->flight_count++;
    endpoint->requests++;
    struct error error = start_fetch(flight, timeout);
    if (failed(error)) {
        fail_all(source, &flight->questions, DENY_INTROSPECTION_UNAVAILABLE);
        end_flight(flight);
        note_failure(endpoint, DENY_INTROSPECTION_UNAVAILABLE, 0, error.what);
    }
}

/* One that has waited for all of its time is answered; one whose token is being asked about meanwhile joins in. */
static void start_or_join(struct endpoint *endpoint, struct introspection_question *question)
{
    struct flight *flight = find_flight(endpoint, question->digest);
    int64_t left = endpoint->settings->timeout - (endpoint->source->loop->now - question->born);
    if (flight != NULL) {
        questions_add(&flight->questions, question);
    } else if (left < NS_PER_MS) {
        answer_failed(endpoint->source, question, DENY_INTROSPECTION_BUSY);
    } else {
        start(endpoint, question, left);
    }
}

static bool has_place(const struct endpoint *endpoint)
{
    return endpoint->flight_count < (size_t)endpoint->settings->max_concurrent;
}

static void start_next(struct endpoint *endpoint)
{
    while (has_place(endpoint) && endpoint->known.count + endpoint->unknown.count > 0) {
        struct introspection_question *question = questions_take(&endpoint->known);
        start_or_join(endpoint, question != NULL ? question : questions_take(&endpoint->unknown));
    }
}

static struct endpoint *find(const struct introspection_source *source, struct slice name)
{
    struct endpoint *endpoint = source->endpoints;
    while (endpoint != NULL && !slice_equal(slice_from_string(endpoint->name), name)) {
        endpoint = endpoint->next;
    }
    return endpoint;
}

void introspection_source_ask(struct introspection_source *source, struct introspection_question *question)
{
    struct endpoint *endpoint = find(source, question->endpoint_name);
    if (endpoint == NULL || endpoint->client == NULL) {
        answer_failed(source, question, DENY_INTROSPECTION_UNAVAILABLE);
    } else if (is_paused(endpoint)) {
        answer_failed(source, question, endpoint->failure);
    } else if (has_place(endpoint) || find_flight(endpoint, question->digest) != NULL) {
        start_or_join(endpoint, question);
    } else if (endpoint->known.count + endpoint->unknown.count >= INTROSPECTION_WAITING_MAX) {
        answer_failed(source, question, DENY_INTROSPECTION_BUSY);
    } else {
        questions_add(question->is_known ? &endpoint->known : &endpoint->unknown, question);
    }
}

/* ---- configuration ---- */

/* `answered`: those who asked are told; else their questions are dropped. */
static void end_questions(struct endpoint *endpoint, bool answered)
{
    struct introspection_source *source = endpoint->source;
    struct flight *next;
    for (struct flight *flight = endpoint->flights; flight != NULL; flight = next) {
        next = flight->next;
        fetch_cancel(flight->fetch);
        if (answered) {
            fail_all(source, &flight->questions, DENY_INTROSPECTION_UNAVAILABLE);
        } else {
            drop_all(&flight->questions);
        }
        free(flight);
    }
    endpoint->flights = NULL;
    endpoint->flight_count = 0;
    if (answered) {
        fail_all(source, &endpoint->known, DENY_INTROSPECTION_UNAVAILABLE);
        fail_all(source, &endpoint->unknown, DENY_INTROSPECTION_UNAVAILABLE);
    } else {
        drop_all(&endpoint->known);
        drop_all(&endpoint->unknown);
    }
}

static void free_endpoint(struct endpoint *endpoint)
{
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

static bool is_the_same(const struct endpoint *endpoint, const struct introspection_settings *settings)
{
    return slice_equal(slice_from_string(endpoint->url), settings->endpoint) &&
           slice_equal(slice_from_string(endpoint->client_id), settings->client_id);
}

static struct endpoint *new_endpoint(struct introspection_source *source,
                                     const struct introspection_settings *settings)
{
    struct endpoint *endpoint = calloc(1, sizeof *endpoint);
    if (endpoint == NULL) {
        return NULL;
    }
    endpoint->source = source;
    endpoint->name = copy_text(settings->name);
    endpoint->url = copy_text(settings->endpoint);
    endpoint->client_id = copy_text(settings->client_id);
    questions_init(&endpoint->known);
    questions_init(&endpoint->unknown);
    if (endpoint->name == NULL || endpoint->url == NULL || endpoint->client_id == NULL) {
        free_endpoint(endpoint);
        return NULL;
    }
    endpoint->next = source->endpoints;
    source->endpoints = endpoint;
    return endpoint;
}

static void remove_endpoint(struct introspection_source *source, struct endpoint *endpoint, bool answered)
{
    struct endpoint **link = &source->endpoints;
    while (*link != endpoint) {
        link = &(*link)->next;
    }
    *link = endpoint->next;
    end_questions(endpoint, answered);
    free_endpoint(endpoint);
}

static struct error set_one(struct introspection_source *source,
                            const struct introspection_settings *settings)
{
    struct endpoint *endpoint = find(source, settings->name);
    if (endpoint != NULL && !is_the_same(endpoint, settings)) {
        remove_endpoint(source, endpoint, true);
        endpoint = NULL;
    }
    if (endpoint == NULL) {
        endpoint = new_endpoint(source, settings);
    }
    if (endpoint == NULL) {
        return FAIL(ERROR_MEMORY, "no memory for an introspection endpoint");
    }
    endpoint->wanted = true;
    endpoint->settings = settings;
    endpoint->failures_in_row = 0; /* what was wrong may have been put right */
    oauth_client_free(endpoint->client);
    endpoint->client = NULL;
    const struct oauth_identity identity = introspection_client(settings);
    return oauth_client_new(&identity, &endpoint->client);
}

struct error introspection_source_set(struct introspection_source *source,
                                      const struct introspection_settings *settings, size_t count)
{
    struct error error = OK;
    for (struct endpoint *endpoint = source->endpoints; endpoint != NULL; endpoint = endpoint->next) {
        endpoint->wanted = false;
    }
    for (size_t i = 0; i < count; i++) {
        struct error one = set_one(source, &settings[i]);
        error = failed(one) ? one : error;
    }
    for (struct endpoint *endpoint = source->endpoints, *next; endpoint != NULL; endpoint = next) {
        next = endpoint->next;
        if (!endpoint->wanted) {
            remove_endpoint(source, endpoint, true);
        }
    }
    return error;
}

/* ---- the source ---- */

void introspection_source_tell(const struct introspection_source *source,
                               bool (*each)(void *context, const struct introspection_health *health),
                               void *context)
{
    for (const struct endpoint *endpoint = source->endpoints; endpoint != NULL; endpoint = endpoint->next) {
        const struct introspection_health health = {
            .endpoint_name = slice_from_string(endpoint->name),
            .requests = endpoint->requests,
            .failures = endpoint->failures,
            .time = endpoint->time,
            .under_way = endpoint->flight_count,
            .waiting = endpoint->known.count + endpoint->unknown.count,
            .failing = endpoint->failure != DENY_NONE,
        };
        if (!each(context, &health)) {
            return;
        }
    }
}

struct error introspection_source_new(struct net_loop *loop, const struct introspection_callbacks *callbacks,
                                      struct introspection_source **ret_source)
{
    struct introspection_source *source = calloc(1, sizeof *source);
    if (source == NULL) {
        return FAIL(ERROR_MEMORY, "out of memory");
    }
    struct error error = fetcher_new(loop, &source->fetcher);
    if (failed(error)) {
        free(source);
        return error;
    }
    source->loop = loop;
    source->callbacks = *callbacks;
    arena_init(&source->scratch, JWT_TREE_MAX);
    *ret_source = source;
    return OK;
}

void introspection_source_free(struct introspection_source *source)
{
    if (source == NULL) {
        return;
    }
    while (source->endpoints != NULL) {
        remove_endpoint(source, source->endpoints, false);
    }
    fetcher_free(source->fetcher);
    arena_done(&source->scratch);
    free(source);
}
