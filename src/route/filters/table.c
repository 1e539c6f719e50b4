/* The filters: one row each. A row is a key of an entry of `filters`, and what compiles it. */
#include "route/filters/internal.h"

#include "base/limits.h"

#include <stdarg.h>
#include <stdio.h>

static const struct conf_field rewrite_fields[] = {
    { .name = "pattern",
      .type = CONF_STRING,
      .flags = CONF_REQUIRED | CONF_NON_EMPTY,
      .offset = offsetof(struct rewrite_settings, pattern),
      .example = "^/api/(.*)",
      .help = "A regular expression (PCRE2); its first match in the path is replaced. Anchor it by \"^\"." },
    { .name = "replacement",
      .type = CONF_STRING,
      .flags = CONF_REQUIRED | CONF_GROUPS,
      .offset = offsetof(struct rewrite_settings, replacement),
      .example = "/$1",
      .help = "What stands there instead; $1 or ${name} is what a group matched, $$ a dollar." },
    { 0 },
};

static const struct conf_object rewrite_object = {
    .name = "rewrite_path",
    .size = sizeof(struct rewrite_settings),
    .fields = rewrite_fields,
    .help =
        "Rewrites the path by a regular expression. It works on the canonical path, percent-encoded as it "
        "stands there; a path over which it takes too many steps is denied (`rewrite_limit`).",
};

static const struct conf_choice redirect_statuses[] = {
    { "301", 301, "Moved Permanently: clients remember it, and may make a GET of a POST" },
    { "302", 302, "Found: clients may make a GET of a POST" },
    { "303", 303, "See Other: clients make a GET of it" },
    { "307", 307, "Temporary Redirect: the same method again" },
    { "308", 308, "Permanent Redirect: the same method again, and clients remember it" },
    { 0 },
};

static const struct conf_field redirect_fields[] = {
    { .name = "location",
      .type = CONF_STRING,
      .flags = CONF_REQUIRED | CONF_NON_EMPTY | CONF_NAMES,
      .offset = offsetof(struct redirect_settings, location),
      .example = "/new",
      .help = "Where to: \"/path\" of the same origin, or \"https://host/path\"; {name} is a variable of the "
              "path. Scheme and host are constants, so that no client can say where it leads." },
    { .name = "status",
      .type = CONF_ENUM,
      .offset = offsetof(struct redirect_settings, status),
      .standard = "302",
      .choices = redirect_statuses,
      .help = "The answer's status." },
    { .name = "keep_query",
      .type = CONF_BOOL,
      .offset = offsetof(struct redirect_settings, keep_query),
      .standard = "false",
      .help = "Whether the client's own parameters go along; those that hold credentials do not." },
    { 0 },
};

static const struct conf_object redirect_object = {
    .name = "redirect_to",
    .size = sizeof(struct redirect_settings),
    .fields = redirect_fields,
    .scalar = "location",
    .help = "Answers by a redirect, once the caller is known to be allowed. The route needs no upstream.",
};

/* ROW(key, the function that compiles it, the rest of its conf_field) */
#define FILTER_ROWS(ROW)                                                                                     \
    ROW(strip_prefix, filter_strip_prefix, .type = CONF_INTEGER, .minimum = 1,                               \
        .maximum = ROUTE_SEGMENTS_MAX, .flags = CONF_TYPICAL, .example = "1",                                \
        .help = "Takes so many segments off the front of the path; of one that has no more, \"/\" is left. " \
                "They are told to the upstream as X-Forwarded-Prefix.")                                      \
    ROW(prefix_path, filter_prefix_path, .type = CONF_STRING, .flags = CONF_NON_EMPTY | CONF_NAMES,          \
        .example = "/internal",                                                                              \
        .help = "Puts this in front of the path: it begins with \"/\" and does not end with one.")           \
    ROW(set_path, filter_set_path, .type = CONF_STRING, .flags = CONF_NON_EMPTY | CONF_NAMES,                \
        .example = "/v2/orders",                                                                             \
        .help = "Another path; {name} is the segment that the route's path calls so. The query stays.")      \
    ROW(rewrite_path, filter_rewrite_path, .type = CONF_OBJECT, .object = &rewrite_object,                   \
        .help = "Rewrites the path by a regular expression.")                                                \
    ROW(add_request_header, filter_add_request_header, .type = CONF_PAIRS, .flags = CONF_NON_EMPTY,          \
        .example = "{ X-Gateway: edge }",                                                                    \
        .help = "Adds header fields beside those that the client sent; {name} is a variable of the path.")   \
    ROW(set_request_header, filter_set_request_header, .type = CONF_PAIRS, .flags = CONF_NON_EMPTY,          \
        .example = "{ X-Gateway: edge }",                                                                    \
        .help = "Sets header fields, in place of all that the client sent by that name.")                    \
    ROW(remove_request_header, filter_remove_request_header, .type = CONF_STRINGS,                           \
        .flags = CONF_NON_EMPTY | CONF_NAMES, .example = "[X-Debug]",                                        \
        .help = "Removes header fields of the client by their names.")                                       \
    ROW(map_request_header, filter_map_request_header, .type = CONF_PAIRS,                                   \
        .flags = CONF_NON_EMPTY | CONF_NAMES, .example = "{ X-Request-Id: X-Correlation-Id }",               \
        .help = "Copies a header field to another name: FROM: TO. What TO was is replaced.")                 \
    ROW(dedupe_request_header, filter_dedupe_request_header, .type = CONF_PAIRS, .flags = CONF_NON_EMPTY,    \
        .example = "{ X-Api-Version: first }",                                                               \
        .help = "Of header fields that stand there more than once, keeps the first, the last or each value " \
                "once: NAME: first, last or unique.")                                                        \
    ROW(add_request_parameter, filter_add_request_parameter, .type = CONF_PAIRS, .flags = CONF_NON_EMPTY,    \
        .example = "{ source: edge }",                                                                       \
        .help =                                                                                              \
            "Adds parameters to the query, encoded, in place of all that the client sent by that name; "     \
            "{name} is a variable of the path, {claims.NAME}, {subject} and their like what was proven.")    \
    ROW(remove_request_parameter, filter_remove_request_parameter, .type = CONF_STRINGS,                     \
        .flags = CONF_NON_EMPTY, .example = "[debug]",                                                       \
        .help = "Removes parameters from the query by their names.")                                         \
    ROW(preserve_host_header, filter_preserve_host_header, .type = CONF_BOOL,                                \
        .help = "Tells the upstream the client's own Host, though it has a `host_header`.")                  \
    ROW(set_host_header, filter_set_host_header, .type = CONF_STRING, .flags = CONF_NON_EMPTY | CONF_NAMES,  \
        .example = "orders.internal", .help = "Tells the upstream this Host (over HTTP/2, :authority).")     \
    ROW(add_response_header, filter_add_response_header, .type = CONF_PAIRS, .flags = CONF_NON_EMPTY,        \
        .example = "{ X-Served-By: edge }",                                                                  \
        .help = "Adds header fields to the upstream's answer; values as in add_request_parameter.")          \
    ROW(set_response_header, filter_set_response_header, .type = CONF_PAIRS, .flags = CONF_NON_EMPTY,        \
        .example = "{ X-Served-By: edge }",                                                                  \
        .help = "Sets header fields of the upstream's answer, in place of all that it has by that name.")    \
    ROW(remove_response_header, filter_remove_response_header, .type = CONF_STRINGS,                         \
        .flags = CONF_NON_EMPTY | CONF_NAMES, .example = "[X-Debug]",                                        \
        .help = "Removes header fields of the upstream's answer by their names.")                            \
    ROW(dedupe_response_header, filter_dedupe_response_header, .type = CONF_PAIRS, .flags = CONF_NON_EMPTY,  \
        .example = "{ X-Served-By: first }", .help = "As dedupe_request_header, of the upstream's answer.")  \
    ROW(rewrite_location, filter_rewrite_location, .type = CONF_PAIRS, .flags = CONF_NON_EMPTY,              \
        .example = "{ /: /api }",                                                                            \
        .help = "Where the answer's Location leads to a path of this service: the first of these prefixes "  \
                "that it has is replaced, as in \"/: /api\" beside strip_prefix.")                           \
    ROW(set_status, filter_set_status, .type = CONF_INTEGER, .minimum = 200, .maximum = 599,                 \
        .example = "404",                                                                                    \
        .help = "Another status for the upstream's answer, unless that has no body by its own (204, 304).")  \
    ROW(redirect_to, filter_redirect_to, .type = CONF_OBJECT, .object = &redirect_object,                    \
        .help = "Answers by a redirect; the route needs no upstream.")

#define FIELD_ROW(key, compile_, ...) \
    { .name = #key, .offset = offsetof(struct filter_settings, key), __VA_ARGS__ },
#define COMPILE_ROW(key, compile_, ...) compile_,

static const struct conf_field filter_fields[] = { FILTER_ROWS(FIELD_ROW){ 0 } };
static filter_compile *const compilers[] = { FILTER_ROWS(COMPILE_ROW) };

#define FILTER_COUNT (sizeof compilers / sizeof compilers[0])

const struct conf_object filter_object = {
    .name = "filter",
    .size = sizeof(struct filter_settings),
    .fields = filter_fields,
    .help =
        "What a route makes of the request for its upstream, and of the answer: each entry says one thing, "
        "and they run in their order, those of farther layers first. See docs/filters.md.",
};

struct error filter_wrong(struct filter_compiler *compiler, const void *field, const char *format, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    compiler->wrong = field;
    char *copy = arena_string(compiler->arena, slice_from_string(text));
    return copy != NULL ? FAIL(ERROR_VALUE, copy) : FILTER_NO_MEMORY;
}

struct error filter_add(struct filter_compiler *compiler, struct filter_calls *calls, filter_step *step,
                        const void *compiled)
{
    if (calls->count == calls->capacity) {
        size_t capacity = calls->capacity > 0 ? 2 * calls->capacity : 8;
        struct filter_call *items = arena_calloc(compiler->arena, capacity, sizeof *items);
        if (items == NULL) {
            return FILTER_NO_MEMORY;
        }
        if (calls->count > 0) {
            memcpy(items, calls->items, calls->count * sizeof *items);
        }
        calls->items = items;
        calls->capacity = capacity;
    }
    calls->items[calls->count++] = (struct filter_call){ step, compiled };
    return OK;
}

struct error filter_check_path_text(struct filter_compiler *compiler, const void *field, struct slice text)
{
    if (!slice_starts_with(text, SLICE("/"))) {
        return filter_wrong(compiler, field, "a path begins with \"/\"");
    }
    ssize_t mark = slice_find(text, '?');
    if (mark >= 0) {
        return filter_wrong(compiler, field, "a path has no query: parameters are add_request_parameter's");
    }
    char *out = arena_alloc(compiler->arena, text.len);
    struct slice canonical = SLICE_NONE;
    if (out == NULL) {
        return FILTER_NO_MEMORY;
    }
    enum uri_result result = uri_canonical_path(text, compiler->route->path_allows, out, &canonical);
    if (result != URI_OK) {
        return filter_wrong(compiler, field, "not a path that may be sent: %s", uri_result_text(result));
    }
    if (!slice_equal(canonical, text)) {
        return filter_wrong(compiler, field, "write it in its canonical form: %.*s", SLICE_ARG(canonical));
    }
    return OK;
}

static bool is_said(const struct conf_field *field, const struct filter_settings *settings)
{
    const void *value = (const char *)settings + field->offset;
    switch (field->type) {
    case CONF_INTEGER:
        return *(const int64_t *)value != 0;
    case CONF_STRING:
        return ((const struct slice *)value)->len > 0;
    case CONF_OBJECT:
        return *(const void *const *)value != NULL;
    case CONF_STRINGS:
        return ((const struct conf_strings *)value)->count > 0;
    case CONF_PAIRS:
        return ((const struct conf_pairs *)value)->count > 0;
    case CONF_BOOL:
        return *(const bool *)value;
    default:
        return false;
    }
}

/* The row that an entry says. An entry whose value was wrong says none: that has been told where it was read. */
static struct error find_row(struct filter_compiler *compiler, const struct filter_settings *settings,
                             size_t *ret_row)
{
    *ret_row = FILTER_COUNT;
    for (size_t i = 0; i < FILTER_COUNT; i++) {
        if (!is_said(&filter_fields[i], settings)) {
            continue;
        }
        if (*ret_row < FILTER_COUNT) {
            return filter_wrong(
                compiler, settings,
                "%s and %s in one entry: each filter is an entry of its own, so that their order "
                "can be seen",
                filter_fields[*ret_row].name, filter_fields[i].name);
        }
        *ret_row = i;
    }
    return OK;
}

struct error filter_chain_new(const struct conf_list *filters, const struct filter_route *route,
                              struct arena *arena, struct filter_chain **ret_chain, const void **ret_wrong)
{
    struct filter_chain *chain = arena_calloc(arena, 1, sizeof *chain);
    if (chain == NULL) {
        return FILTER_NO_MEMORY;
    }
    struct filter_compiler compiler = { .arena = arena, .route = route, .chain = chain };
    const struct filter_settings *entries = filters->items;
    for (size_t i = 0; i < filters->count; i++) {
        size_t row;
        struct error error = find_row(&compiler, &entries[i], &row);
        if (!failed(error) && row < FILTER_COUNT) {
            error = compilers[row](&compiler, &entries[i]);
        }
        if (failed(error)) {
            *ret_wrong = compiler.wrong != NULL ? compiler.wrong : &entries[i];
            return error;
        }
    }
    *ret_chain = chain;
    return OK;
}
