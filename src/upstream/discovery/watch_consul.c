/* Blocking queries of Consul: a question is answered at once, and each further one when something has changed beyond the index that the
 * answer before had, or after `wait`. An index that goes back means that the servers were set up anew: what there is now is
 * asked for again. */
#include "upstream/discovery/consul_answer.h"
#include "upstream/discovery/watch.h"

/* A value of the query. */
static bool put_value(struct buffer *out, const char *name, struct slice value)
{
    bool good = buffer_printf(out, "&%s=", name);
    for (size_t i = 0; good && i < value.len; i++) {
        char c = value.ptr[i];
        bool plain = ascii_is_alpha(c) || ascii_is_digit(c) || c == '-' || c == '_' || c == '.';
        good =
            plain ? buffer_append_char(out, c) : buffer_printf(out, "%%%02X", (unsigned int)(unsigned char)c);
    }
    return good;
}

static bool ask(struct watched *watched, struct question *ret_question)
{
    const struct discovery_settings *settings = &watched->source->settings;
    struct buffer *url = &watched->url;
    int64_t wait = watched->index > 0 ? settings->wait : 0;
    bool good = buffer_printf(url, "%.*s/v1/health/service/%.*s?passing=true%s", SLICE_ARG(settings->base),
                              SLICE_ARG(settings->service), settings->stale ? "&stale" : "");
    if (watched->index > 0) {
        good = good && buffer_printf(url, "&index=%llu&wait=%lldms", (unsigned long long)watched->index,
                                     (long long)(wait / NS_PER_MS));
    }
    if (settings->datacenter.len > 0) {
        good = good && put_value(url, "dc", settings->datacenter);
    }
    for (size_t i = 0; i < settings->tags.count; i++) {
        good = good && put_value(url, "tag", settings->tags.items[i]);
    }
    /* The server adds up to a sixteenth, so that not all wake up at once. */
    ret_question->timeout = wait + wait / 16 + WATCH_GRACE;
    ret_question->maximum = CONSUL_ANSWER_MAX;
    return good;
}

static bool is_filtered(const struct fetch_result *result)
{
    return slice_equal(fetch_request_field(result->request, "X-Consul-Results-Filtered-By-ACLs"),
                       SLICE("true"));
}

static void fail(struct watched *watched, const char *reason)
{
    watched->index = 0;
    watch_fail(watched, reason, SLICE_NONE);
}

/* True: no further question is needed to know what there is. */
static bool take(struct watched *watched, const struct fetch_result *result)
{
    struct arena scratch;
    struct found_endpoints found = { 0 };
    const struct found_frame frame = watch_frame(watched);
    struct arena *memory = source_memory_new();
    if (memory == NULL) {
        fail(watched, "no memory for endpoints");
        return false;
    }
    arena_init(&scratch, CONSUL_SCRATCH_MAX);
    struct error error = consul_answer_parse(result->body, &frame, &scratch, memory, &found);
    arena_done(&scratch);
    /* Who may not read a service is told that there is none. */
    if (!failed(error) && found.count == 0 && is_filtered(result)) {
        error = FAIL(ERROR_VALUE, "the token may not read this service or its nodes");
    }
    if (failed(error)) {
        source_memory_free(memory);
        fail(watched, error.what);
        return false;
    }
    bool firm = !watched->source->settings.stale && !watched->went_back && watched->index > 0;
    bool taken = watch_take(watched, memory, &found, firm);
    watch_go_on(watched);
    return taken;
}

static void answered(struct watched *watched, const struct fetch_result *result)
{
    uint64_t index = 0, before = watched->index;
    if (result->failure != NULL) {
        watch_fail(watched, result->failure, result->refusal);
        return;
    }
    if (!slice_to_u64(fetch_request_field(result->request, "X-Consul-Index"), &index)) {
        fail(watched, "the answer has no X-Consul-Index: it is not Consul's");
        return;
    }
    index = index > 0 ? index : 1; /* with 0 it would be answered at once, for ever */
    watched->went_back = index < before;
    if (before > 0 && index == before) { /* nothing has changed, and `wait` is over */
        source_recover(watched->source);
        watch_go_on(watched);
        return;
    }
    bool taken = take(watched, result);
    watched->index = taken && !watched->went_back ? index : 0;
}

const struct watch_kind watch_consul = { ask, answered };
