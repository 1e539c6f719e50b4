#include "auth/key_source.h"

#include "auth/discovery.h"
#include "auth/key_source_state.h"
#include "base/arena.h"
#include "base/limits.h"
#include "base/random.h"

#include <stdio.h>
#include <stdlib.h>

#define BACKOFF_FIRST NS_PER_S
#define BACKOFF_LAST  (60 * NS_PER_S)

/* ---- when ---- */

/* Between `part`/256 and all of `duration`: many gateways must not ask in step. */
static int64_t jitter(int64_t duration, unsigned int part)
{
    unsigned char random;
    random_bytes(&random, 1);
    return duration / 256 * (int64_t)(part + random * (256 - part) / 256);
}

static int64_t backoff(const struct key_issuer *issuer)
{
    int64_t wait = BACKOFF_FIRST;
    for (unsigned int i = 1; i < issuer->failures && wait < BACKOFF_LAST; i++) {
        wait *= 2;
    }
    wait = wait < BACKOFF_LAST ? wait : BACKOFF_LAST;
    /* Never slower than when all is well. */
    return jitter(wait < issuer->wanted->refresh ? wait : issuer->wanted->refresh, 128);
}

int64_t key_issuer_stale_at(const struct key_issuer *issuer)
{
    bool counts = issuer->has_keys && issuer->failures > 0 && issuer->wanted->stale > 0;
    return counts ? issuer->failing_since + issuer->wanted->stale : INT64_MAX;
}

static int64_t due_at(const struct key_issuer *issuer)
{
    int64_t stale = key_issuer_stale_at(issuer);
    int64_t next = issuer->fetch == NULL ? issuer->next_at : INT64_MAX;
    return stale < next ? stale : next;
}

static void on_timer(uv_timer_t *timer);

void key_source_schedule(struct key_source *source)
{
    int64_t next = INT64_MAX;
    for (const struct key_issuer *issuer = source->issuers; issuer != NULL; issuer = issuer->next) {
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

void key_issuer_report(struct key_issuer *issuer, enum key_source_event event, struct slice text)
{
    struct key_source *source = issuer->source;
    source->callback(source->context, issuer->wanted->name, event, text);
}

static void forget_jwks_uri(struct key_issuer *issuer)
{
    free((char *)(uintptr_t)issuer->jwks_uri.ptr);
    issuer->jwks_uri = SLICE_NONE;
}

static void on_failure(struct key_issuer *issuer, const char *why)
{
    int64_t now = issuer->source->loop->now;
    issuer->fetch_failures++;
    if (issuer->failures++ == 0) {
        issuer->failing_since = now;
    }
    issuer->next_at = now + backoff(issuer);
    forget_jwks_uri(issuer);
    key_issuer_report(issuer, KEYS_FAILED, slice_from_string(why));
}

static void on_done(void *context, const struct fetch_result *result)
{
    struct key_issuer *issuer = context;
    issuer->fetch = NULL;
    const char *wrong = result->failure != NULL ? result->failure : key_document_check(result->body);
    if (wrong != NULL) {
        on_failure(issuer, wrong);
    } else {
        issuer->failures = 0;
        issuer->fetches++;
        issuer->fetched_at = issuer->source->loop->now;
        issuer->has_keys = true;
        issuer->next_at = issuer->source->loop->now + jitter(issuer->wanted->refresh, 230);
        key_issuer_keep(issuer, result->body);
        key_issuer_report(issuer, KEYS_FETCHED, result->body);
    }
    key_source_schedule(issuer->source);
}

/* `home`: of an URL that was discovered, the one that was configured. */
static void fetch(struct key_issuer *issuer, struct slice url, struct slice home, fetch_done *done)
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

static void on_metadata_failure(struct key_issuer *issuer, const char *why)
{
    char text[512];
    snprintf(text, sizeof text, "discovery at %.*s: %s", SLICE_ARG(issuer->wanted->url), why);
    on_failure(issuer, text);
}

/* False without memory. */
static bool keep_jwks_uri(struct key_issuer *issuer, struct slice uri)
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
    key_issuer_report(issuer, KEYS_DISCOVERED, issuer->jwks_uri);
    return true;
}

static void on_metadata(void *context, const struct fetch_result *result)
{
    struct key_issuer *issuer = context;
    struct arena arena;
    struct slice uri;
    issuer->fetch = NULL;
    arena_init(&arena, KEY_DOCUMENT_ARENA);
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
    key_source_schedule(issuer->source);
}

/* At each refresh, which comes when nearly all of its time is over; not for an unknown kid soon after: a provider that brings
 * a new key seldom moves its keys, too. */
static bool discovers_now(const struct key_issuer *issuer)
{
    int64_t age = issuer->source->loop->now - issuer->discovered_at;
    return slice_is_empty(issuer->jwks_uri) || age > issuer->wanted->refresh / 2;
}

static void start(struct key_issuer *issuer)
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
    for (struct key_issuer *issuer = source->issuers; issuer != NULL; issuer = issuer->next) {
        if (key_issuer_stale_at(issuer) <= now) {
            issuer->has_keys = false;
            key_issuer_forget(issuer);
            key_issuer_report(issuer, KEYS_STALE, SLICE_NONE);
        }
        if (issuer->fetch == NULL && issuer->next_at <= now) {
            start(issuer);
        }
    }
    key_source_schedule(source);
}

struct key_issuer *key_source_find(const struct key_source *source, struct slice name)
{
    struct key_issuer *issuer = source->issuers;
    while (issuer != NULL && !slice_equal(issuer->wanted->name, name)) {
        issuer = issuer->next;
    }
    return issuer;
}

void key_source_unknown_kid(struct key_source *source, struct slice issuer_name)
{
    struct key_issuer *issuer = key_source_find(source, issuer_name);
    /* Under way already; or failing: then the next look is due soon anyway, and a flood must not hasten it. */
    if (issuer == NULL || issuer->fetch != NULL || issuer->failures > 0) {
        return;
    }
    int64_t allowed_at = issuer->started_at + issuer->wanted->unknown_kid_interval;
    if (allowed_at < issuer->next_at) {
        issuer->unknown_kid_fetches++;
        issuer->next_at =
            allowed_at; /* in the past: at once. In the future: one fetch for all that ask until then */
        key_source_schedule(source);
    }
}

/* ---- telling ---- */

void key_source_tell(const struct key_source *source,
                     bool (*each)(void *context, const struct key_health *health), void *context)
{
    for (const struct key_issuer *issuer = source->issuers; issuer != NULL; issuer = issuer->next) {
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

/* ---- configuration ---- */

static void free_issuer(struct key_issuer *issuer)
{
    if (issuer != NULL) {
        fetch_cancel(issuer->fetch);
        forget_jwks_uri(issuer);
        key_issuer_forget(issuer);
        key_wanted_free(issuer->wanted);
        free(issuer);
    }
}

static void free_list(struct key_issuer *issuers)
{
    for (struct key_issuer *next; issuers != NULL; issuers = next) {
        next = issuers->next;
        free_issuer(issuers);
    }
}

static struct key_issuer *new_issuer(struct key_source *source, const struct issuer_settings *settings)
{
    struct key_issuer *issuer = calloc(1, sizeof *issuer);
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
                      struct key_issuer **ret_list)
{
    struct key_issuer *list = NULL;
    struct key_issuer **last = &list;
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
static struct key_issuer *take_known(struct key_issuer **list, const struct key_wanted *wanted)
{
    for (; *list != NULL; list = &(*list)->next) {
        struct key_issuer *issuer = *list;
        if (slice_equal(issuer->wanted->name, wanted->name) &&
            slice_equal(issuer->wanted->source, wanted->source)) {
            *list = issuer->next;
            return issuer;
        }
    }
    return NULL;
}

/* The new one takes over the place, the known one goes on with the new settings. */
static struct key_issuer *go_on(struct key_issuer *known, struct key_issuer *fresh)
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
    struct key_issuer *list;
    if (!make_list(source, issuers, count, &list)) {
        return FAIL(ERROR_MEMORY, "out of memory");
    }
    for (struct key_issuer **place = &list; *place != NULL; place = &(*place)->next) {
        struct key_issuer *known = take_known(&source->issuers, (*place)->wanted);
        if (known != NULL) {
            *place = go_on(known, *place);
        }
    }
    free_list(source->issuers);
    source->issuers = list;
    key_source_schedule(source);
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
