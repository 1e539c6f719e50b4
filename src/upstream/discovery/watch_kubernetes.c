/* EndpointSlices of a service: a list, then a watch from its version on, which brings each change as it comes. The server ends a watch
 * after `wait`, and the next one begins where it ended. Where that is too long ago (410), there is another list. */
#include "upstream/discovery/watch.h"

#include <stdio.h>

#define EVENT_ARENA ((size_t)2 * 1024 * 1024)
#define LIST_ARENA  ((size_t)8 * 1024 * 1024)
#define LIST_TIME   (30 * NS_PER_S)
#define REFUSAL_MAX ((size_t)64 * 1024)
#define GONE        410
#define SHORT_WATCH \
    (5 * NS_PER_S) /* one that ends as soon, or in half its time, without a word, is no good sign */

/* ---- publishing ---- */

static void keep_reason(struct watched *watched, const char *what, struct slice said)
{
    snprintf(watched->reason, sizeof watched->reason, said.len > 0 ? "%s: %.*s" : "%s", what,
             SLICE_ARG(said));
    watched->problem = watched->reason;
}

/* False: it is to be told again. */
static bool publish(struct watched *watched, bool firm)
{
    struct found_endpoints found = { 0 };
    const struct found_frame frame = watch_frame(watched);
    struct arena *memory = source_memory_new();
    if (memory == NULL) {
        return false;
    }
    struct error error = slice_set_merge(&watched->slices, &frame, memory, &found);
    if (failed(error)) { /* what comes next may put it right */
        source_memory_free(memory);
        source_fail(watched->source, error.what);
        return error.kind == ERROR_VALUE;
    }
    return watch_take(watched, memory, &found, firm);
}

void watch_kubernetes_publish(struct watched *watched)
{
    int64_t now = watched->source->discovery->loop->now;
    watched->published_at = now;
    watched->changed = !publish(watched, true);
    if (watched->fetch != NULL) {
        watched->source->due = watched->changed ? now + WATCH_PAUSE : INT64_MAX;
    }
}

/* ---- the watch ---- */

static const char *apply(struct watched *watched, const struct slice_event *event)
{
    struct error error = OK;
    switch (event->kind) {
    case SLICE_PUT:
        error = slice_set_put(&watched->slices, &event->slice);
        watched->changed = true;
        break;
    case SLICE_DELETED:
        slice_set_drop(&watched->slices, event->slice.name);
        watched->changed = true;
        break;
    case SLICE_BOOKMARK:
        break;
    case SLICE_EXPIRED:
        watched->version[0] = '\0';
        watched->fresh = true;
        return NULL;
    case SLICE_ERROR:
        keep_reason(watched, "the API server ended the watch", event->message);
        return watched->problem;
    }
    snprintf(watched->version, sizeof watched->version, "%.*s", SLICE_ARG(event->version));
    return failed(error) ? error.what : NULL;
}

static bool take_line(void *context, struct slice line)
{
    struct watched *watched = context;
    struct arena scratch, memory;
    struct slice_event event = { 0 };
    arena_init(&scratch, SLICE_SCRATCH_MAX);
    arena_init(&memory, EVENT_ARENA);
    struct error error =
        endpoint_slice_event(line, watched->source->settings.port_name, &scratch, &memory, &event);
    arena_done(&scratch);
    watched->problem = failed(error) ? error.what : apply(watched, &event);
    arena_done(&memory);
    watched->told = true;
    return watched->problem == NULL && watched->version[0] != '\0';
}

/* Within libcurl: what follows from it waits for the clock. */
static bool take_piece(void *context, struct slice piece)
{
    struct watched *watched = context;
    struct discovery *discovery = watched->source->discovery;
    bool too_long = false;
    bool good = watch_lines_push(&watched->lines, piece, take_line, watched, &too_long);
    if (too_long) {
        watched->problem = "an event of the watch has more than 2 MiB";
    }
    if (watched->changed) {
        int64_t earliest = watched->published_at + WATCH_PAUSE;
        watched->source->due = earliest > discovery->loop->now ? earliest : discovery->loop->now;
        discovery_schedule(discovery);
    }
    return good;
}

static void on_begun(void *context)
{
    struct watched *watched = context;
    watched->begun = true;
    source_recover(watched->source);
}

/* ---- asking ---- */

static bool ask(struct watched *watched, struct question *ret_question)
{
    static struct fetch_stream stream;
    const struct discovery_settings *settings = &watched->source->settings;
    struct buffer *url = &watched->url;
    bool good =
        buffer_printf(url,
                      "%.*s/apis/discovery.k8s.io/v1/namespaces/%.*s/endpointslices"
                      "?labelSelector=kubernetes.io%%2Fservice-name%%3D%.*s",
                      SLICE_ARG(settings->api), SLICE_ARG(settings->space), SLICE_ARG(settings->service));
    watched->streams = watched->version[0] != '\0';
    if (!watched->streams) {
        ret_question->timeout = LIST_TIME;
        ret_question->maximum = SLICE_LIST_MAX;
        /* What the server's cache has is good enough at first: the watch brings what came since. */
        return good && (watched->fresh || buffer_printf(url, "&resourceVersion=0"));
    }
    watched->begun = false;
    watched->told = false;
    watched->problem = NULL;
    watch_lines_clear(&watched->lines);
    stream = (struct fetch_stream){ on_begun, take_piece, watched }; /* copied by who is asked */
    ret_question->stream = &stream;
    ret_question->timeout = settings->wait + WATCH_GRACE;
    ret_question->maximum = REFUSAL_MAX;
    return good &&
           buffer_printf(url, "&watch=true&allowWatchBookmarks=true&resourceVersion=%s&timeoutSeconds=%lld",
                         watched->version, (long long)(settings->wait / NS_PER_S));
}

static void list_again(struct watched *watched)
{
    watched->version[0] = '\0';
    watched->fresh = true;
}

static void refused(struct watched *watched, const struct fetch_result *result)
{
    struct arena scratch;
    arena_init(&scratch, SLICE_SCRATCH_MAX);
    struct slice said = endpoint_slice_refusal(result->refusal, &scratch);
    watch_fail(watched, result->failure, said);
    arena_done(&scratch);
}

static const char *take_list(struct watched *watched, struct slice text)
{
    struct arena scratch, memory;
    struct slice_list list = { 0 };
    arena_init(&scratch, SLICE_SCRATCH_MAX);
    arena_init(&memory, LIST_ARENA);
    struct error error =
        endpoint_slice_list(text, watched->source->settings.port_name, &scratch, &memory, &list);
    arena_done(&scratch);
    if (!failed(error)) {
        slice_set_clear(&watched->slices);
    }
    for (size_t i = 0; !failed(error) && i < list.count; i++) {
        error = slice_set_put(&watched->slices, &list.items[i]);
    }
    if (!failed(error)) {
        snprintf(watched->version, sizeof watched->version, "%.*s", SLICE_ARG(list.version));
    }
    arena_done(&memory);
    return failed(error) ? error.what : NULL;
}

static void listed(struct watched *watched, const struct fetch_result *result)
{
    if (result->failure != NULL) {
        refused(watched, result);
        return;
    }
    const char *problem = take_list(watched, result->body);
    if (problem != NULL) {
        watch_fail(watched, problem, SLICE_NONE);
        return;
    }
    watched->changed = false;
    watched->published_at = watched->source->discovery->loop->now;
    if (!publish(watched, false)) {
        list_again(watched);
    }
    watch_go_on(watched);
}

/* The server ends a watch when its time is over, and a connection may break: neither is worth a word unless it goes on so. */
static void watch_ended(struct watched *watched, const struct fetch_result *result)
{
    bool begun = result->status == 200;
    int64_t lasted = watched->source->discovery->loop->now - watched->asked_at;
    bool silent = lasted >= watched->source->settings.wait + WATCH_GRACE / 2;
    if (watched->problem != NULL) {
        list_again(watched);
        watch_fail(watched, watched->problem, SLICE_NONE);
    } else if (watched->version[0] == '\0' || result->status == GONE) {
        list_again(watched);
        watch_go_on(watched);
    } else if (begun && !silent) {
        unsigned int failures = watched->failures;
        watch_go_on(watched);
        if (lasted < SHORT_WATCH && lasted < watched->source->settings.wait / 2 && !watched->told) {
            watched->failures = failures + 1;
            int64_t pause = NS_PER_S * (int64_t)(failures < 30 ? failures : 30);
            watched->source->due += pause;
        }
    } else {
        refused(watched, result);
    }
}

static void answered(struct watched *watched, const struct fetch_result *result)
{
    if (watched->streams) {
        int64_t now = watched->source->discovery->loop->now;
        watch_ended(watched, result);
        watched->source->due = watched->changed ? now : watched->source->due;
    } else {
        listed(watched, result);
    }
}

const struct watch_kind watch_kubernetes = { ask, answered };
