/* Filters of Spring Cloud Gateway that are filters of a route here, too. What else they are stands in elsewhere.c. */
#include "cli/import/spring.h"

/* ---- what is written ---- */

void spring_miss(struct import *import, struct import_route *route, struct spring_call *call,
                 const char *instead)
{
    import_note(import, route, call->place, "the filter %.*s: %s", SLICE_ARG(call->name), instead);
    call->told = true;
}

bool spring_is_new(struct import *import, struct import_route *route, struct spring_call *call,
                   const char *key)
{
    bool found = slice_contains(buffer_slice(&route->rest), slice_from_string(key));
    if (found) {
        spring_miss(import, route, call, "there is one already");
    }
    return !found;
}

struct twin {
    const char *name;   /* Spring's */
    const char *filter; /* ours */
    const char *first, *second;
    enum import_changes changes;
    bool of_answer;
};

/* The entry "NAME: " and what `value` holds, which is emptied. */
static void put_entry(struct import *import, struct import_route *route, const struct spring_call *call,
                      const struct twin *twin, struct buffer *value, struct slice field, struct slice source)
{
    const struct import_filter filter = {
        .name = call->name,
        .place = call->place,
        .text = arena_printf(&import->arena, "%s: %.*s", twin->filter, SLICE_ARG(buffer_slice(value))),
        .turn = route->turn,
        .of_answer = twin->of_answer,
        .changes = twin->changes,
        .field = field,
        .source = source,
    };
    (void)import_add_filter(import, route, &filter);
    buffer_clear(value);
}

/* { "a": "b" } */
static void put_pair(struct import *import, struct import_route *route, const struct spring_call *call,
                     const struct twin *twin, struct slice name, struct slice value)
{
    struct buffer text;
    buffer_init(&text, IMPORT_VALUE_MAX);
    import_put(import, &text, "{ ");
    import_put_text(import, &text, name);
    import_put(import, &text, ": ");
    import_put_text(import, &text, value);
    import_put(import, &text, " }");
    bool is_map = slice_equal(call->name, SLICE("MapRequestHeader"));
    put_entry(import, route, call, twin, &text, is_map ? value : name, is_map ? name : SLICE(""));
    buffer_done(&text);
}

/* ---- filters that have one of the same kind ---- */

static void take_pair(struct import *import, struct import_route *route, struct spring_call *call,
                      const struct twin *twin)
{
    struct slice name = spring_argument(call, 0, twin->first);
    struct slice value = spring_argument(call, 1, twin->second);
    if (!import_is_key(name) || value.ptr == NULL) {
        spring_miss(import, route, call, "a name and a value are wanted");
    } else if (slice_equal(call->name, SLICE("AddResponseHeader")) &&
               slice_equal(spring_argument(call, 2, "override"), SLICE("false"))) {
        spring_miss(import, route, call,
                    "one that is not there yet is not told from one that is: set_response_header replaces, "
                    "add_response_header adds");
    } else {
        put_pair(import, route, call, twin, name, value);
    }
}

static void take_one(struct import *import, struct import_route *route, struct spring_call *call,
                     const struct twin *twin)
{
    struct slice value = spring_argument(call, 0, twin->first);
    if (value.len == 0) {
        spring_miss(import, route, call, "a value is wanted");
        return;
    }
    struct buffer text;
    buffer_init(&text, IMPORT_VALUE_MAX);
    import_put_text(import, &text, value);
    put_entry(import, route, call, twin, &text, value, SLICE(""));
    buffer_done(&text);
}

static void put_plain(struct import *import, struct import_route *route, const struct spring_call *call,
                      const struct twin *twin, const char *value)
{
    struct buffer text;
    buffer_init(&text, IMPORT_VALUE_MAX);
    import_put(import, &text, "%s", value);
    put_entry(import, route, call, twin, &text, SLICE(""), SLICE(""));
    buffer_done(&text);
}

static void take_strip(struct import *import, struct import_route *route, struct spring_call *call,
                       const struct twin *twin)
{
    struct slice parts = spring_argument(call, 0, twin->first);
    uint64_t number = 1;
    if (parts.ptr != NULL && !slice_to_u64(parts, &number)) {
        spring_miss(import, route, call, "a number is wanted");
    } else if (number > 0) {
        char text[24];
        snprintf(text, sizeof text, "%llu", (unsigned long long)number);
        put_plain(import, route, call, twin, text);
    }
}

/* "${name}" of "$\{name}". */
static void put_replacement(struct import *import, struct buffer *out, struct slice text)
{
    struct buffer plain;
    buffer_init(&plain, IMPORT_VALUE_MAX);
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '\\' && i + 1 < text.len) {
            import_put(import, &plain, "%s", text.ptr[++i] == '$' ? "$" : "");
        }
        import->full |= !buffer_append_char(&plain, text.ptr[i]);
    }
    import_put_text(import, out, buffer_slice(&plain));
    buffer_done(&plain);
}

/* Does the expression take the whole path, so that it matches at its beginning and once? Spring replaces every match, anywhere. */
static bool takes_whole_path(struct slice pattern)
{
    static const struct slice ends[] = { SLICE_INIT(".*"), SLICE_INIT(".*)"), SLICE_INIT(".+"),
                                         SLICE_INIT(".+)"), SLICE_INIT(".*)$") };
    bool is_anchored = slice_starts_with(pattern, SLICE("^"));
    for (size_t i = 0; !is_anchored && i < sizeof ends / sizeof ends[0]; i++) {
        is_anchored = slice_starts_with(pattern, SLICE("/")) && slice_ends_with(pattern, ends[i]);
    }
    return is_anchored;
}

static void take_rewrite(struct import *import, struct import_route *route, struct spring_call *call,
                         const struct twin *twin)
{
    struct slice pattern = spring_argument(call, 0, twin->first),
                 replacement = spring_argument(call, 1, twin->second);
    if (pattern.len == 0) {
        spring_miss(import, route, call, "an expression is wanted");
        return;
    }
    if (!takes_whole_path(pattern)) {
        import_note(
            import, route, call->place,
            "that RewritePath replaces each match wherever it stands in the path: rewrite_path replaces "
            "one, at the path's beginning; write what stands before it, too, as in ^/(?<before>...)");
    }
    struct buffer text;
    buffer_init(&text, IMPORT_VALUE_MAX);
    import_put(import, &text, "{ pattern: ");
    import_put_text(import, &text, pattern);
    import_put(import, &text, ", replacement: ");
    put_replacement(import, &text, replacement.ptr != NULL ? replacement : SLICE(""));
    import_put(import, &text, " }");
    put_entry(import, route, call, twin, &text, SLICE(""), SLICE(""));
    buffer_done(&text);
}

static void take_dedupe(struct import *import, struct import_route *route, struct spring_call *call,
                        const struct twin *twin)
{
    struct slice names = spring_argument(call, 0, twin->first),
                 strategy = spring_argument(call, 1, twin->second), name;
    struct slice how = slice_equal(strategy, SLICE("RETAIN_LAST"))     ? SLICE("last")
                       : slice_equal(strategy, SLICE("RETAIN_UNIQUE")) ? SLICE("unique")
                                                                       : SLICE("first");
    bool of_cors = false;
    while (names.len > 0 && slice_next(&names, ' ', &name)) {
        if (slice_starts_with(spring_canonical(import, name), SLICE("accesscontrol"))) {
            of_cors = true;
        } else if (import_is_key(name)) {
            put_pair(import, route, call, twin, name, how);
        } else if (name.len > 0) {
            spring_miss(import, route, call, "this is no name of a field");
        }
    }
    if (of_cors) {
        import_note(
            import, route, call->place,
            "DedupeResponseHeader of Access-Control-*: with \"cors\" the gateway sends them alone, and "
            "takes an upstream's own away; where there is none, the upstream is to send each once");
    }
}

static void take_redirect(struct import *import, struct import_route *route, struct spring_call *call,
                          const struct twin *twin)
{
    struct slice status = spring_argument(call, 0, twin->first), url = spring_argument(call, 1, twin->second);
    struct slice keep = spring_argument(call, 2, "includerequestparams");
    unsigned int number = spring_status(status);
    ssize_t scheme = slice_contains(url, SLICE("://")) ? slice_find(url, ':') : -1;
    bool has_path = scheme < 0 || slice_find(slice_from(url, (size_t)scheme + 3), '/') >= 0;
    if (url.len == 0 || number < 300 || number > 399) {
        spring_miss(import, route, call, "a status 3xx and a URL are wanted: write redirect_to");
        return;
    }
    struct slice location = has_path ? url : ARENA_CONCAT(&import->arena, url, SLICE("/"));
    struct buffer text;
    buffer_init(&text, IMPORT_VALUE_MAX);
    import_put(import, &text, "{ location: ");
    import_put_text(import, &text, location);
    import_put(import, &text, ", status: %u%s }", number,
               slice_equal(keep, SLICE("true")) ? ", keep_query: true" : "");
    put_entry(import, route, call, twin, &text, SLICE(""), SLICE(""));
    buffer_done(&text);
    route->upstream = NULL;
}

static void take_status(struct import *import, struct import_route *route, struct spring_call *call,
                        const struct twin *twin)
{
    unsigned int number = spring_status(spring_argument(call, 0, twin->first));
    if (number == 0) {
        spring_miss(import, route, call, "a status is wanted, as in set_status: 404");
        return;
    }
    char text[16];
    snprintf(text, sizeof text, "%u", number);
    put_plain(import, route, call, twin, text);
}

static void take_flag(struct import *import, struct import_route *route, struct spring_call *call,
                      const struct twin *twin)
{
    put_plain(import, route, call, twin, "true");
}

/* ---- all of them ---- */

#define REQUEST(changes) IMPORT_CHANGES_##changes, false
#define ANSWER(changes)  IMPORT_CHANGES_##changes, true

static const struct {
    struct twin twin;
    void (*take)(struct import *import, struct import_route *route, struct spring_call *call,
                 const struct twin *twin);
} filters[] = {
    { { "StripPrefix", "strip_prefix", "parts", NULL, REQUEST(PATH) }, take_strip },
    { { "PrefixPath", "prefix_path", "prefix", NULL, REQUEST(PATH) }, take_one },
    { { "SetPath", "set_path", "template", NULL, REQUEST(PATH) }, take_one },
    { { "RewritePath", "rewrite_path", "regexp", "replacement", REQUEST(PATH) }, take_rewrite },
    { { "AddRequestHeader", "add_request_header", "name", "value", REQUEST(FIELD) }, take_pair },
    { { "SetRequestHeader", "set_request_header", "name", "value", REQUEST(FIELD) }, take_pair },
    { { "RemoveRequestHeader", "remove_request_header", "name", NULL, REQUEST(FIELD) }, take_one },
    { { "MapRequestHeader", "map_request_header", "fromheader", "toheader", REQUEST(FIELD) }, take_pair },
    { { "AddRequestParameter", "add_request_parameter", "name", "value", REQUEST(PARAMETERS) }, take_pair },
    { { "RemoveRequestParameter", "remove_request_parameter", "name", NULL, REQUEST(PARAMETERS) }, take_one },
    { { "AddResponseHeader", "add_response_header", "name", "value", ANSWER(FIELD) }, take_pair },
    { { "SetResponseHeader", "set_response_header", "name", "value", ANSWER(FIELD) }, take_pair },
    { { "RemoveResponseHeader", "remove_response_header", "name", NULL, ANSWER(FIELD) }, take_one },
    { { "DedupeResponseHeader", "dedupe_response_header", "name", "strategy", ANSWER(FIELD) }, take_dedupe },
    { { "RedirectTo", "redirect_to", "status", "url", REQUEST(TARGET) }, take_redirect },
    { { "SetStatus", "set_status", "status", NULL, ANSWER(STATUS) }, take_status },
    { { "PreserveHostHeader", "preserve_host_header", NULL, NULL, REQUEST(HOST) }, take_flag },
    { { "SetRequestHostHeader", "set_host_header", "host", NULL, REQUEST(HOST) }, take_one },
};

void spring_filter(struct import *import, struct import_route *route, struct spring_call *call)
{
    for (size_t i = 0; i < sizeof filters / sizeof filters[0]; i++) {
        if (slice_equal(call->name, slice_from_string(filters[i].twin.name))) {
            filters[i].take(import, route, call, &filters[i].twin);
            return;
        }
    }
    const char *advice = spring_advice_filter(call->name);
    if (spring_filter_elsewhere(import, route, call)) {
        return;
    }
    if (advice != NULL) {
        spring_miss(import, route, call, advice);
        return;
    }
    import_lose(
        import, route, call->place,
        "the filter %.*s, which is not Spring's own: it may be what guards the route; say who may call it",
        SLICE_ARG(call->name));
    call->told = true;
}
