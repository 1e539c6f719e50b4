#include "upstream/discovery/watch.h"

#include "base/random.h"

#include <stdio.h>
#include <stdlib.h>

#define BACKOFF_FIRST NS_PER_S
#define BACKOFF_LAST  (30 * NS_PER_S)
#define URL_ROOM      2048
#define SAID_MAX      160 /* bytes of what a server says when it refuses */

static const struct watch_kind *kind_of(const struct watched *watched)
{
    return watched->source->settings.kind == DISCOVERY_CONSUL ? &watch_consul : &watch_kubernetes;
}

/* Half of it to all: many gateways must not ask in step. */
static int64_t jitter(int64_t duration)
{
    unsigned char random;
    random_bytes(&random, 1);
    return duration / 2 + duration / 512 * random;
}

/* ---- how it went ---- */

static void put_off(struct watched *watched)
{
    int64_t wait = BACKOFF_FIRST;
    for (unsigned int i = 0; i < watched->failures && wait < BACKOFF_LAST; i++) {
        wait *= 2;
    }
    watched->failures++;
    watched->source->due =
        watched->source->discovery->loop->now + jitter(wait < BACKOFF_LAST ? wait : BACKOFF_LAST);
}

void watch_fail(struct watched *watched, const char *reason, struct slice said)
{
    char text[SOURCE_REASON_MAX];
    said = slice_trim(slice_part(said, 0, SAID_MAX));
    snprintf(text, sizeof text, said.len > 0 ? "%s: %.*s" : "%s", reason, SLICE_ARG(said));
    source_fail(watched->source, text);
    put_off(watched);
}

void watch_go_on(struct watched *watched)
{
    int64_t now = watched->source->discovery->loop->now;
    int64_t earliest = watched->asked_at + jitter(2 * WATCH_PAUSE);
    watched->failures = 0;
    watched->source->due = earliest > now ? earliest : now;
}

bool watch_take(struct watched *watched, struct arena *memory, const struct found_endpoints *found, bool firm)
{
    struct discovery_source *source = watched->source;
    if (source_believes(source, found, firm)) {
        return source_take(source, memory, found);
    }
    source_memory_free(memory);
    source_fail(source, "there is nothing, all at once");
    return false;
}

struct found_frame watch_frame(const struct watched *watched)
{
    const struct discovery_settings *settings = &watched->source->settings;
    return (struct found_frame){ discovery_scheme_name(settings->scheme), settings->identity };
}

/* ---- asking ---- */

static void on_answer(void *context, const struct fetch_result *result)
{
    struct watched *watched = context;
    struct discovery *discovery = watched->source->discovery;
    watched->fetch = NULL;
    kind_of(watched)->answered(watched, result);
    discovery_looked(discovery);
}

static void ask(struct watched *watched, struct slice authorization)
{
    struct discovery_source *source = watched->source;
    struct question question = { 0 };
    watched->asked_at = source->discovery->loop->now;
    buffer_clear(&watched->url);
    if (!kind_of(watched)->ask(watched, &question)) {
        watch_fail(watched, "no memory to ask", SLICE_NONE);
        return;
    }
    const struct fetch_options options = {
        .url = buffer_slice(&watched->url),
        .tls = source->settings.tls,
        .timeout = question.timeout,
        .connect_timeout = WATCH_GRACE / 2,
        .maximum = question.maximum,
        .accept = "Accept: application/json",
        .authorization = authorization,
        .stream = question.stream,
    };
    struct error error =
        fetch_start(source->discovery->fetcher, &options, on_answer, watched, &watched->fetch);
    if (failed(error)) {
        watched->fetch = NULL;
        watch_fail(watched, error.what, SLICE_NONE);
        return;
    }
    source->due = question.stream != NULL ? watched->asked_at + WATCH_HEAD : INT64_MAX;
}

/* A question is under way, and it is time to look at it. */
static void look_at_question(struct watched *watched)
{
    struct discovery_source *source = watched->source;
    int64_t ends = watched->asked_at + WATCH_HEAD;
    bool waits = watched->fetch != NULL && watched->streams && !watched->begun;
    if (waits && source->discovery->loop->now >= ends) {
        fetch_cancel(watched->fetch);
        watched->fetch = NULL;
        watch_fail(watched, "the server does not begin to answer", SLICE_NONE);
    } else if (!watched->changed) {
        source->due = waits ? ends : INT64_MAX;
    }
}

static void on_token(void *context, struct error error, struct slice value)
{
    struct watched *watched = context;
    struct discovery *discovery = watched->source->discovery;
    char text[SOURCE_REASON_MAX];
    watched->look = NULL;
    if (failed(error)) {
        error_describe(error, text, sizeof text);
        watch_fail(watched, text, SLICE_NONE);
    } else {
        ask(watched, value);
    }
    discovery_looked(discovery);
}

static bool begin(struct discovery_source *source)
{
    struct discovery *discovery = source->discovery;
    if (discovery->fetcher == NULL && failed(fetcher_new(discovery->loop, &discovery->fetcher))) {
        discovery->fetcher = NULL;
        return false;
    }
    if (source->watched == NULL) {
        source->watched = calloc(1, sizeof *source->watched);
        if (source->watched == NULL) {
            return false;
        }
        source->watched->source = source;
        buffer_init(&source->watched->url, URL_ROOM);
        watch_lines_init(&source->watched->lines, SLICE_EVENT_MAX);
    }
    return true;
}

void source_watch(struct discovery_source *source)
{
    source->due = source->discovery->loop->now + BACKOFF_FIRST;
    if (!begin(source)) {
        source_fail(source, "no memory to ask");
        return;
    }
    struct watched *watched = source->watched;
    if (watched->changed) {
        watch_kubernetes_publish(watched);
    }
    if (watched->fetch != NULL || watched->look != NULL) {
        look_at_question(watched);
        return;
    }
    if (source->settings.token_file.len == 0) {
        ask(watched, SLICE_NONE);
        return;
    }
    watched->look = token_look(source->discovery->loop, source->settings.token_file, on_token, watched);
    if (watched->look != NULL) {
        source->due = INT64_MAX;
    } else {
        watch_fail(watched, "no memory to ask", SLICE_NONE);
    }
}

void source_forget_watch(struct discovery_source *source)
{
    struct watched *watched = source->watched;
    if (watched != NULL) {
        fetch_cancel(watched->fetch);
        token_forget(watched->look);
        slice_set_clear(&watched->slices);
        watch_lines_done(&watched->lines);
        buffer_done(&watched->url);
        free(watched);
        source->watched = NULL;
    }
}
