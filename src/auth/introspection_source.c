#include "auth/introspection_source.h"

#include "auth/introspection_endpoint.h"
#include "base/limits.h"

#include <stdlib.h>

struct introspection_source {
    struct introspection_asking asking;
    struct introspection_endpoint *endpoints;
};

static struct introspection_endpoint *find(const struct introspection_source *source, struct slice name)
{
    struct introspection_endpoint *endpoint = source->endpoints;
    while (endpoint != NULL && !slice_equal(slice_from_string(endpoint->name), name)) {
        endpoint = endpoint->next;
    }
    return endpoint;
}

void introspection_source_ask(struct introspection_source *source, struct introspection_question *question)
{
    struct introspection_endpoint *endpoint = find(source, question->endpoint_name);
    if (endpoint != NULL) {
        introspection_endpoint_ask(endpoint, question);
        return;
    }
    question->reason = DENY_INTROSPECTION_UNAVAILABLE;
    source->asking.callbacks.answered(source->asking.callbacks.context, question);
}

/* ---- configuration ---- */

static void remove_endpoint(struct introspection_source *source, struct introspection_endpoint *endpoint,
                            bool answered)
{
    struct introspection_endpoint **link = &source->endpoints;
    while (*link != endpoint) {
        link = &(*link)->next;
    }
    *link = endpoint->next;
    introspection_endpoint_free(endpoint, answered);
}

static struct error set_one(struct introspection_source *source,
                            const struct introspection_settings *settings)
{
    struct introspection_endpoint *endpoint = find(source, settings->name);
    if (endpoint != NULL && !introspection_endpoint_is(endpoint, settings)) {
        remove_endpoint(source, endpoint, true);
        endpoint = NULL;
    }
    if (endpoint == NULL) {
        endpoint = introspection_endpoint_new(&source->asking, settings);
        if (endpoint == NULL) {
            return FAIL(ERROR_MEMORY, "no memory for an introspection endpoint");
        }
        endpoint->next = source->endpoints;
        source->endpoints = endpoint;
    }
    endpoint->wanted = true;
    return introspection_endpoint_set(endpoint, settings);
}

struct error introspection_source_set(struct introspection_source *source,
                                      const struct introspection_settings *settings, size_t count)
{
    struct error error = OK;
    for (struct introspection_endpoint *endpoint = source->endpoints; endpoint != NULL;
         endpoint = endpoint->next) {
        endpoint->wanted = false;
    }
    for (size_t i = 0; i < count; i++) {
        struct error one = set_one(source, &settings[i]);
        error = failed(one) ? one : error;
    }
    for (struct introspection_endpoint *endpoint = source->endpoints, *next; endpoint != NULL;
         endpoint = next) {
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
    for (const struct introspection_endpoint *endpoint = source->endpoints; endpoint != NULL;
         endpoint = endpoint->next) {
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
    struct error error = fetcher_new(loop, &source->asking.fetcher);
    if (failed(error)) {
        free(source);
        return error;
    }
    source->asking.loop = loop;
    source->asking.callbacks = *callbacks;
    arena_init(&source->asking.scratch, JWT_TREE_MAX);
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
    fetcher_free(source->asking.fetcher);
    arena_done(&source->asking.scratch);
    free(source);
}
