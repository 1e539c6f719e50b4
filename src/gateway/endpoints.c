/* Endpoints that were discovered, for the configuration in force: published to the workers as blocks and keys are. */
#include "gateway/control.h"

#include <stdlib.h>

static void free_endpoints(struct endpoint_set **endpoints, size_t count)
{
    for (size_t i = 0; endpoints != NULL && i < count; i++) {
        endpoint_set_unref(endpoints[i]);
    }
    free(endpoints);
}

void control_drop_endpoints(struct control *control)
{
    if (control->current != NULL) {
        free_endpoints(control->endpoints, control->current->settings->upstream_count);
    }
    control->endpoints = NULL;
}

/* Health checks and outliers know upstreams as they are now. */
static struct error tell_checks(struct control *control, const struct endpoint_set *set)
{
    const struct settings *settings = control->current->settings;
    struct upstream_settings *now = calloc(settings->upstream_count, sizeof *now);
    if (now == NULL) {
        return FAIL(ERROR_MEMORY, "no memory for endpoints");
    }
    for (size_t i = 0; i < settings->upstream_count; i++) {
        const struct endpoint_set *other = i == set->upstream ? set : control->endpoints[i];
        now[i] = other != NULL ? other->settings : settings->upstreams[i];
    }
    struct error error = health_checker_set(control->health, now, settings->upstream_count);
    if (!failed(error)) {
        error = outlier_detector_set(control->outliers, now, settings->upstream_count);
    }
    free(now);
    return error;
}

/* Where this fails midway it is told again, to all of them. */
static struct error publish(struct control *control, struct endpoint_set *set)
{
    TRY(health_checker_mark(control->health, &set->settings, 1));
    TRY(outlier_detector_mark(control->outliers, &set->settings, 1));
    TRY(tell_checks(control, set));
    for (size_t i = 0; i < control->worker_count; i++) {
        if (!gateway_worker_set_endpoints(control->workers[i], set)) {
            return FAIL(ERROR_MEMORY, "no memory for endpoints");
        }
    }
    return OK;
}

static const struct upstream_settings *find(const struct settings *settings, struct slice name)
{
    for (size_t i = 0; i < settings->upstream_count; i++) {
        if (slice_equal(settings->upstreams[i].name, name)) {
            return &settings->upstreams[i];
        }
    }
    return NULL;
}

struct error control_set_endpoints(void *context, struct slice upstream, const struct found_endpoints *found)
{
    struct control *control = context;
    if (control->change != NULL || control->current == NULL) {
        return FAIL(ERROR_STATE, "another configuration is being taken up"); /* which may know them, or not */
    }
    const struct settings *settings = control->current->settings;
    const struct upstream_settings *written = find(settings, upstream);
    if (control->endpoints == NULL) {
        control->endpoints = calloc(settings->upstream_count, sizeof(struct endpoint_set *));
    }
    if (written == NULL || control->endpoints == NULL) {
        return written == NULL ? OK : FAIL(ERROR_MEMORY, "no memory for endpoints");
    }
    struct endpoint_set *set = NULL;
    TRY(endpoint_set_new(written, found, settings->zone, &set));
    set->upstream = (size_t)(written - settings->upstreams);
    set->snapshot = control->current->generation;
    struct error error = publish(control, set);
    if (failed(error)) {
        endpoint_set_unref(set);
        return error;
    }
    endpoint_set_unref(control->endpoints[set->upstream]);
    control->endpoints[set->upstream] = set;
    return OK;
}
