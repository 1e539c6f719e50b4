#include "base/log.h"
#include "upstream/discovery/internal.h"

#include <stdio.h>
#include <stdlib.h>

#define SOURCE_ARENA ((size_t)8 * 1024 * 1024) /* with CA, certificate and key of TLS */
#define EMPTIES      3 /* answers in a row that there is nothing, before it is believed */
#define FOUND_ARENA  ((size_t)4 * 1024 * 1024)

struct arena *source_memory_new(void)
{
    struct arena *memory = malloc(sizeof *memory);
    if (memory != NULL) {
        arena_init(memory, FOUND_ARENA);
    }
    return memory;
}

void source_memory_free(struct arena *memory)
{
    if (memory != NULL) {
        arena_done(memory);
        free(memory);
    }
}

/* ---- is it the same source? ---- */

static bool is_asked_alike(const struct discovery_settings *a, const struct discovery_settings *b)
{
    return slice_equal(a->token_file, b->token_file) && slice_equal(a->api, b->api) &&
           slice_equal(a->datacenter, b->datacenter) && a->stale == b->stale &&
           conf_strings_equal(&a->tags, &b->tags) && tls_client_settings_equal(a->tls, b->tls);
}

bool source_is_of(const struct discovery_source *source, const struct upstream_settings *upstream)
{
    const struct discovery_settings *was = &source->settings, *is = upstream->discover;
    return slice_equal(source->upstream, upstream->name) && slice_equal(was->from, is->from) &&
           was->scheme == is->scheme && conf_strings_equal(&was->resolvers, &is->resolvers) &&
           is_asked_alike(was, is);
}

static bool copy_text(struct arena *memory, struct slice *text)
{
    *text = arena_copy(memory, *text);
    return text->ptr != NULL;
}

/* How to ask what is watched. */
static bool copy_watched(struct discovery_settings *settings, const struct tls_client_settings *tls,
                         struct arena *memory)
{
    if (!copy_text(memory, &settings->token_file) || !copy_text(memory, &settings->api) ||
        !copy_text(memory, &settings->datacenter) || !conf_strings_copy(&settings->tags, memory)) {
        return false;
    }
    if (tls == NULL) {
        return true;
    }
    settings->tls = tls_client_settings_copy(tls, memory);
    return settings->tls != NULL;
}

static bool copy_settings(struct discovery_source *source, const struct upstream_settings *upstream)
{
    struct arena *memory = &source->memory;
    struct discovery_settings *settings = &source->settings;
    const struct discovery_settings *written = upstream->discover;
    *settings = *written;
    settings->tls = NULL; /* never to be wiped before it is our own copy */
    source->upstream = arena_copy(memory, upstream->name);
    settings->from = arena_copy(memory, written->from);
    bool copied = source->upstream.ptr != NULL && settings->from.ptr != NULL &&
                  conf_strings_copy(&settings->resolvers, memory) &&
                  copy_watched(settings, written->tls, memory);
    for (size_t i = 0; copied && i < written->resolvers.count; i++) {
        copied = discovery_parse_resolver(settings, i) == NULL;
    }
    return copied && discovery_parse(settings, memory) == NULL;
}

struct discovery_source *source_new(struct discovery *discovery, const struct upstream_settings *upstream)
{
    struct discovery_source *source = calloc(1, sizeof *source);
    if (source == NULL) {
        return NULL;
    }
    source->discovery = discovery;
    source->due = INT64_MAX;
    arena_init(&source->memory, SOURCE_ARENA);
    if (!copy_settings(source, upstream)) {
        source_free(source);
        return NULL;
    }
    return source;
}

void source_free(struct discovery_source *source)
{
    source_forget_look(source);
    source_forget_lookup(source);
    source_forget_watch(source);
    tls_client_settings_wipe(source->settings.tls);
    source_memory_free(source->found_memory);
    arena_done(&source->memory);
    free(source);
}

/* ---- what was found ---- */

static bool is_same_endpoint(const struct found_endpoint *a, const struct found_endpoint *b)
{
    return slice_equal(a->url, b->url) && slice_equal(a->host, b->host) && slice_equal(a->zone, b->zone) &&
           a->weight == b->weight && a->tiered == b->tiered && a->tier == b->tier;
}

static bool is_same_found(const struct discovery_source *source, const struct found_endpoints *found)
{
    bool same = source->found_memory != NULL && source->found.count == found->count;
    for (size_t i = 0; same && i < found->count; i++) {
        same = is_same_endpoint(&source->found.items[i], &found->items[i]);
    }
    return same;
}

void source_recover(struct discovery_source *source)
{
    source->looks_good++;
    if (source->failing) {
        source->failing = false;
        log_event(LOG_INFO, "discovery_recovered", LOG_TEXT("upstream", source->upstream),
                  LOG_TEXT("from", source->settings.from));
    }
}

void source_fail(struct discovery_source *source, const char *reason)
{
    source->looks_failed++;
    if (source->failing && strcmp(source->reason, reason) == 0) {
        return;
    }
    source->failing = true;
    snprintf(source->reason, sizeof source->reason, "%s", reason);
    log_event(LOG_WARNING, "discovery_failed", LOG_TEXT("upstream", source->upstream),
              LOG_TEXT("from", source->settings.from), LOG_STRING("reason", source->reason),
              LOG_NUMBER("endpoints", source->found.count));
}

static void put(struct discovery_source *source, struct arena *memory, const struct found_endpoints *found)
{
    log_event(found->count > 0 ? LOG_INFO : LOG_WARNING, "endpoints_discovered",
              LOG_TEXT("upstream", source->upstream), LOG_TEXT("from", source->settings.from),
              LOG_NUMBER("endpoints", found->count), LOG_NUMBER("before", source->found.count));
    source_memory_free(source->found_memory);
    source->found_memory = memory;
    source->found = *found;
    source->discovery->changed(source->discovery->context);
}

bool source_take(struct discovery_source *source, struct arena *memory, const struct found_endpoints *found)
{
    struct error error = OK;
    bool same = is_same_found(source, found);
    if (!same && source->given) {
        error = source->discovery->callback(source->discovery->context, source->upstream, found);
    }
    if (failed(error)) {
        source_memory_free(memory);
        if (error.kind == ERROR_VALUE) {
            source_fail(source, error.what);
        }
        return error.kind == ERROR_VALUE;
    }
    if (same) {
        source_memory_free(memory);
    } else {
        put(source, memory, found);
    }
    source_recover(source);
    return true;
}

bool source_believes(struct discovery_source *source, const struct found_endpoints *found, bool firm)
{
    source->empties = found->count == 0 ? source->empties + 1 : 0;
    return found->count > 0 || firm || source->found.count == 0 || source->empties >= EMPTIES;
}
