#include "auth/key_source.h"

#include "auth/discovery.h"
#include "auth/jwt.h"
#include "auth/key_wanted.h"
#include "base/arena.h"
#include "base/limits.h"
#include "base/random.h"
#include "fetch/fetch.h"
#include "json/json.h"

#include <stdio.h>
#include <stdlib.h>

#define BACKOFF_FIRST  NS_PER_S
#define BACKOFF_LAST   (60 * NS_PER_S)
#define LONGEST_AGO    (INT64_C(100) * 365 * 86400 * NS_PER_S)
#define DOCUMENT_ARENA (16 * 1024 * 1024) /* the tree of a document while it is looked at */

struct issuer {
    struct issuer *next;
    struct key_source *source;
    struct key_wanted *wanted;
    struct fetch *fetch;   /* one at a time */
    int64_t next_at;       /* of the next fetch by itself */
    int64_t started_at;    /* of the last fetch; INT64_MIN: none yet */
    unsigned int failures; /* since the last good document */
    int64_t failing_since;
    struct slice jwks_uri; /* as discovered; empty: to be discovered */
    int64_t discovered_at;
    char *document; /* the last good one; NULL: none, or no memory for it */
    size_t document_size;
    int64_t fetched_at; /* of it; while has_keys */
    uint64_t fetches, fetch_failures, unknown_kid_fetches;
    bool has_keys; /* a good document came, and its keys were not declared stale */
};

struct key_source {
    struct net_loop *loop;
    struct fetcher *fetcher;
    key_source_callback *callback;
    void *context;
    uv_timer_t timer;
    struct issuer *issuers; /* a list */
};

/* ---- when ---- */

/* Between `part`/256 and all of `duration`: many gateways must not ask in step. */
static int64_t jitter(int64_t duration, unsigned int part)
{
    unsigned char random;
    random_bytes(&random, 1);
    return duration / 256 * (int64_t)(part + random * (256 - part) / 256);
}

static int64_t backoff(const struct issuer *issuer)
{
    int64_t wait = BACKOFF_FIRST;
    for (unsigned int i = 1; i < issuer->failures && wait < BACKOFF_LAST; i++) {
        wait *= 2;
    }
    wait = wait < BACKOFF_LAST ? wait : BACKOFF_LAST;
    /* Never slower than when all is well. */
    return jitter(wait < issuer->wanted->refresh ? wait : issuer->wanted->refresh, 128);
}

static int64_t stale_at(const struct issuer *issuer)
{
    bool counts = issuer->has_keys && issuer->failures > 0 && issuer->wanted->stale > 0;
    return counts ? issuer->failing_since + issuer->wanted->stale : INT64_MAX;
}

static int64_t due_at(const struct issuer *issuer)
{
    int64_t stale = stale_at(issuer);
    int64_t next = issuer->fetch == NULL ? issuer->next_at : INT64_MAX;
    return stale < next ? stale : next;
}

static void on_timer(uv_timer_t *timer);

static void schedule(struct key_source *source)
{
    int64_t next = INT64_MAX;
    for (const struct issuer *issuer = source->issuers; issuer != NULL; issuer = issuer->next) {
        int64_t due = due_at(issuer);
        next = due < next ? due : next;
    }
    if (next == INT64_MAX) {
        uv_timer_stop(&source->timer);
        return;
    }
    int64_t wait = next - source->loop->now;
    uv_update_time(&source->loop->uv);
    uv_timer_start(&source->timer, on_timer, wait > 0 ? (uint64_t)(wait / NS_PER_MS + 1) : 0, 0);
}

/* ---- fetching ---- */

static void report(struct issuer *issuer, enum key_source_event event, struct slice text)
{
    struct key_source *source = issuer->source;
    source->callback(source->context, issuer->wanted->name, event, text);
}

static void forget_jwks_uri(struct issuer *issuer)
{
    free((char *)(uintptr_t)issuer->jwks_uri.ptr);
    issuer->jwks_uri = SLICE_NONE;
}

static void on_failure(struct issuer *issuer, const char *why)
{
    int64_t now = issuer->source->loop->now;
    issuer->fetch_failures++;
    if (issuer->failures++ == 0) {
        issuer->failing_since = now;
    }
    issuer->next_at = now + backoff(issuer);
    forget_jwks_uri(issuer);
    report(issuer, KEYS_FAILED, slice_from_string(why));
}

/* NULL for a JSON object with an array `keys` (RFC 7517 section 5); the keys themselves are the verifier's business. */
static const char *check_document(struct slice text)
{
    struct arena arena;
    struct json *document = NULL;
    arena_init(&arena, DOCUMENT_ARENA);
    struct error error = json_parse(text, JSON_DEPTH_MAX, &arena, &document, NULL);
    const struct json *keys = failed(error) ? NULL : json_get(document, SLICE("keys"));
    const char *wrong = NULL;
    size_t used = 0;
    if (failed(error)) {
        wrong = error.kind == ERROR_MEMORY ? "the document is too complex" : "the document is not JSON";
    } else if (keys == NULL || keys->type != JSON_ARRAY) {
        wrong = "the document is no key set: it has no array `keys`";
    } else if (failed(jwt_keys_check(text, &used)) || used == 0) {
        wrong = "the key set holds no key that can be used";
    }
    arena_done(&arena);
    return wrong;
}

static void forget_document(struct issuer *issuer)
{
    free(issuer->document);
    issuer->document = NULL;
    issuer->document_size = 0;
}

static void keep_document(struct issuer *issuer, struct slice text)
{
    forget_document(issuer);
    issuer->document = malloc(text.len);
    if (issuer->document != NULL) {
        memcpy(issuer->document, text.ptr, text.len);
        issuer->document_size = text.len;
    }
}

static void on_done(void *context, const struct fetch_result *result)
{
    struct issuer *issuer = context;
    issuer->fetch = NULL;
    const char *wrong = result->failure != NULL ? result->failure : check_document(result->body);
    if (wrong != NULL) {
        on_failure(issuer, wrong);
    } else {
        issuer->failures = 0;
        issuer->fetches++;
        issuer->fetched_at = issuer->source->loop->now;
        issuer->has_keys = true;
        issuer->next_at = issuer->source->loop->now + jitter(issuer->wanted->refresh, 230);
        keep_document(issuer, result->body);
        report(issuer, KEYS_FETCHED, result->body);
    }
    schedule(issuer->source);
}

/* `home`: of an URL that was discovered, the one that was configured. */
static void fetch(struct issuer *issuer, struct slice url, struct slice home, fetch_done *done)
{
    const struct fetch_options options = {
        .url = url,
        .home = home,
        .tls = issuer->wanted->tls,
        .timeout = issuer->wanted->timeout,
        .maximum = JWKS_TEXT_MAX,
        .accept = "Accept: application/jwk-set+json, application/json",
    };
    struct error error = fetch_start(issuer->source->fetcher, &options, done, issuer, &issuer->fetch);
    if (failed(error)) {
        issuer->fetch = NULL;
        on_failure(issuer, error.what);
    }
}

static void on_metadata_failure(struct issuer *issuer, const char *why)
{
    char text[512];
    snprintf(text, sizeof text, "discovery at %.*s: %s", SLICE_ARG(issuer->wanted->url), why);
    on_failure(issuer, text);
}

/* False without memory. */
static bool keep_jwks_uri(struct issuer *issuer, struct slice uri)
{
    issuer->discovered_at = issuer->source->loop->now;
    if (!slice_is_empty(issuer->jwks_uri) && slice_equal(issuer->jwks_uri, uri)) {
        return true;
    }
    char *copy = malloc(uri.len + 1);
    if (copy == NULL) {
        return false;
    }
    memcpy(copy, uri.ptr, uri.len);
    forget_jwks_uri(issuer);
    issuer->jwks_uri = slice_of(copy, uri.len);
    report(issuer, KEYS_DISCOVERED, issuer->jwks_uri);
    return true;
}

static void on_metadata(void *context, const struct fetch_result *result)
{
    struct issuer *issuer = context;
    struct arena arena;
    struct slice uri;
    issuer->fetch = NULL;
    arena_init(&arena, DOCUMENT_ARENA);
    const char *wrong = result->failure != NULL
                            ? result->failure
                            : discovery_read(result->body, issuer->wanted->issuer, &arena, &uri);
    if (wrong == NULL && !keep_jwks_uri(issuer, uri)) {
        wrong = "out of memory";
    }
    arena_done(&arena);
    if (wrong != NULL) {
        on_metadata_failure(issuer, wrong);
    } else {
        fetch(issuer, issuer->jwks_uri, issuer->wanted->url, on_done);
    }
    schedule(issuer->source);
}

/* At each refresh, which comes when nearly all of its time is over; not for an unknown kid soon after: a provider that brings
 * a new key seldom moves its keys, too. */
static bool discovers_now(const struct issuer *issuer)
{
    int64_t age = issuer->source->loop->now - issuer->discovered_at;
    return slice_is_empty(issuer->jwks_uri) || age > issuer->wanted->refresh / 2;
}

static void start(struct issuer *issuer)
{
    const struct key_wanted *wanted = issuer->wanted;
    issuer->started_at = issuer->source->loop->now;
    if (!wanted->discovers) {
        fetch(issuer, wanted->url, SLICE_NONE, on_done);
    } else if (discovers_now(issuer)) {
        fetch(issuer, wanted->url, SLICE_NONE, on_metadata);
    } else {
        fetch(issuer, issuer->jwks_uri, wanted->url, on_done);
    }
}

static void on_timer(uv_timer_t *timer)
{
    struct key_source *source = timer->data;
    net_loop_woken(source->loop);
    int64_t now = source->loop->now;
    for (struct issuer *issuer = source->issuers; issuer != NULL; issuer = issuer->next) {
        if (stale_at(issuer) <= now) {
            issuer->has_keys = false;
            forget_document(issuer);
            report(issuer, KEYS_STALE, SLICE_NONE);
        }
        if (issuer->fetch == NULL && issuer->next_at <= now) {
            start(issuer);
        }
    }
    schedule(source);
}

static struct issuer *find(const struct key_source *source, struct slice name)
{
    struct issuer *issuer = source->issuers;
    while (issuer != NULL && !slice_equal(issuer->wanted->name, name)) {
        issuer = issuer->next;
    }
    return issuer;
}

void key_source_unknown_kid(struct key_source *source, struct slice issuer_name)
{
    struct issuer *issuer = find(source, issuer_name);
    /* Under way already; or failing: then the next look is due soon anyway, and a flood must not hasten it. */
    if (issuer == NULL || issuer->fetch != NULL || issuer->failures > 0) {
        return;
    }
    int64_t allowed_at = issuer->started_at + issuer->wanted->unknown_kid_interval;
    if (allowed_at < issuer->next_at) {
        issuer->unknown_kid_fetches++;
        issuer->next_at =
            allowed_at; /* in the past: at once. In the future: one fetch for all that ask until then */
        schedule(source);
    }
}

/* ---- telling ---- */

void key_source_tell(const struct key_source *source,
                     bool (*each)(void *context, const struct key_health *health), void *context)
{
    for (const struct issuer *issuer = source->issuers; issuer != NULL; issuer = issuer->next) {
        const struct key_health health = {
            .issuer_name = issuer->wanted->name,
            .has_keys = issuer->has_keys,
            .age = issuer->has_keys ? source->loop->now - issuer->fetched_at : 0,
            .fetches = issuer->fetches,
            .failures = issuer->fetch_failures,
            .unknown_kid_fetches = issuer->unknown_kid_fetches,
        };
        if (!each(context, &health)) {
            return;
        }
    }
}

/* ---- from process to process ---- */

static struct key_document document_of(const struct issuer *issuer)
{
    return (struct key_document){
        .issuer_name = issuer->wanted->name,
        .source = issuer->wanted->source,
        .text = slice_of(issuer->document, issuer->document_size),
        .failing_since = issuer->failures > 0 ? issuer->failing_since : 0,
        .fetched_at = issuer->fetched_at,
        .issuer = issuer->wanted->issuer,
    };
}

void key_source_export(const struct key_source *source,
                       void (*each)(void *context, const struct key_document *document), void *context)
{
    for (const struct issuer *issuer = source->issuers; issuer != NULL; issuer = issuer->next) {
        struct key_document document = document_of(issuer);
        if (issuer->document != NULL) {
            each(context, &document);
        }
    }
}

bool key_source_document(const struct key_source *source, struct slice issuer_name, struct key_document *out)
{
    const struct issuer *issuer = find(source, issuer_name);
    if (issuer == NULL || issuer->document == NULL) {
        return false;
    }
    *out = document_of(issuer);
    return true;
}

/* Its times are sound. */
static const char *take_over(struct key_source *source, const struct key_document *document,
                             enum key_source_event event)
{
    struct issuer *issuer = find(source, document->issuer_name);
    if (issuer == NULL || issuer->has_keys) {
        return "the issuer needs none";
    }
    if (!slice_equal(issuer->wanted->source, document->source) ||
        (event == KEYS_RESTORED && !slice_equal(issuer->wanted->issuer, document->issuer))) {
        return "the keys are another issuer's, or come from another place than is configured";
    }
    const char *problem =
        document->text.len > JWKS_TEXT_MAX ? "the key set is too large" : check_document(document->text);
    if (problem != NULL) {
        return problem;
    }
    /* One that failed there goes on failing: its time is not given anew by each change of the process. */
    issuer->failures = document->failing_since != 0 ? 1 : 0;
    issuer->failing_since = document->failing_since;
    issuer->fetched_at = document->fetched_at;
    issuer->has_keys = true;
    if (stale_at(issuer) <= source->loop->now) {
        issuer->failures = 0;
        issuer->has_keys = false;
        return "the keys are older than jwks_stale";
    }
    keep_document(issuer, document->text);
    report(issuer, event, document->text);
    schedule(source);
    return NULL;
}

static bool is_past(const struct key_source *source, int64_t when)
{
    return when >= 0 && when <= source->loop->now;
}

void key_source_inherit(struct key_source *source, const struct key_document *document)
{
    if (is_past(source, document->failing_since) && is_past(source, document->fetched_at)) {
        (void)take_over(source, document, KEYS_INHERITED);
    }
}

const char *key_source_restore(struct key_source *source, const struct key_document *document, int64_t age)
{
    struct key_document restored = *document;
    if (age < 0 || age > LONGEST_AGO / NS_PER_S) {
        return "the keys are of no time that can be";
    }
    /* Before the machine was started, perhaps: then it is below zero. */
    restored.fetched_at = source->loop->now - age * NS_PER_S;
    restored.failing_since = restored.fetched_at;
    return take_over(source, &restored, KEYS_RESTORED);
}

/* ---- configuration ---- */

static void free_issuer(struct issuer *issuer)
{
    if (issuer != NULL) {
        fetch_cancel(issuer->fetch);
        forget_jwks_uri(issuer);
        forget_document(issuer);
        key_wanted_free(issuer->wanted);
        free(issuer);
    }
}

static void free_list(struct issuer *issuers)
{
    for (struct issuer *next; issuers != NULL; issuers = next) {
        next = issuers->next;
        free_issuer(issuers);
    }
}

static struct issuer *new_issuer(struct key_source *source, const struct issuer_settings *settings)
{
    struct issuer *issuer = calloc(1, sizeof *issuer);
    if (issuer == NULL) {
        return NULL;
    }
    issuer->source = source;
    issuer->started_at = INT64_MIN / 2;
    issuer->next_at = source->loop->now;
    issuer->wanted = key_wanted_new(settings);
    if (issuer->wanted == NULL) {
        free(issuer);
        return NULL;
    }
    return issuer;
}

/* All that are wanted as new ones; false without memory, with nothing made. */
static bool make_list(struct key_source *source, const struct issuer_settings *issuers, size_t count,
                      struct issuer **ret_list)
{
    struct issuer *list = NULL;
    struct issuer **last = &list;
    for (size_t i = 0; i < count; i++) {
        if (!issuer_fetches_keys(&issuers[i])) {
            continue;
        }
        *last = new_issuer(source, &issuers[i]);
        if (*last == NULL) {
            free_list(list);
            return false;
        }
        last = &(*last)->next;
    }
    *ret_list = list;
    return true;
}

/* Takes an issuer of that name and source out of the list. */
static struct issuer *take_known(struct issuer **list, const struct key_wanted *wanted)
{
    for (; *list != NULL; list = &(*list)->next) {
        struct issuer *issuer = *list;
        if (slice_equal(issuer->wanted->name, wanted->name) &&
            slice_equal(issuer->wanted->source, wanted->source)) {
            *list = issuer->next;
            return issuer;
        }
    }
    return NULL;
}

/* The new one takes over the place, the known one goes on with the new settings. */
static struct issuer *go_on(struct issuer *known, struct issuer *fresh)
{
    struct key_wanted *wanted = known->wanted;
    known->wanted = fresh->wanted;
    fresh->wanted = wanted;
    known->next = fresh->next;
    fresh->next = NULL;
    free_issuer(fresh);
    int64_t now = known->source->loop->now;
    /* One that fails is tried at once: what was wrong may have been put right. */
    int64_t latest = known->failures > 0 ? now : now + known->wanted->refresh;
    known->next_at = known->next_at < latest ? known->next_at : latest;
    return known;
}

struct error key_source_set(struct key_source *source, const struct issuer_settings *issuers, size_t count)
{
    struct issuer *list;
    if (!make_list(source, issuers, count, &list)) {
        return FAIL(ERROR_MEMORY, "out of memory");
    }
    for (struct issuer **place = &list; *place != NULL; place = &(*place)->next) {
        struct issuer *known = take_known(&source->issuers, (*place)->wanted);
        if (known != NULL) {
            *place = go_on(known, *place);
        }
    }
    free_list(source->issuers);
    source->issuers = list;
    schedule(source);
    return OK;
}

/* ---- the source ---- */

struct error key_source_new(struct net_loop *loop, key_source_callback *callback, void *context,
                            struct key_source **ret_source)
{
    struct key_source *source = calloc(1, sizeof *source);
    if (source == NULL) {
        return FAIL(ERROR_MEMORY, "out of memory");
    }
    struct error error = fetcher_new(loop, &source->fetcher);
    if (failed(error)) {
        free(source);
        return error;
    }
    source->loop = loop;
    source->callback = callback;
    source->context = context;
    uv_timer_init(&loop->uv, &source->timer);
    source->timer.data = source;
    *ret_source = source;
    return OK;
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void key_source_free(struct key_source *source)
{
    if (source == NULL) {
        return;
    }
    free_list(source->issuers);
    fetcher_free(source->fetcher);
    uv_close((uv_handle_t *)&source->timer, on_closed);
}
