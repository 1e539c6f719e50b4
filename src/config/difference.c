/* What `diff` prints. Requests are compared, not texts: for each host, path, listener and method, the route that served it
 * before and the one that serves it after. */
#include "config/difference.h"

#include "base/limits.h"
#include "http/message.h"

#include <stdarg.h>
#include <stdio.h>

#define METHODS_MAX 64 /* bits; the last one stands for every other method */

void difference_init(struct difference *difference)
{
    *difference = (struct difference){ .count = 0 };
    arena_init(&difference->arena, CONFIG_ARENA_MAX);
    for (int kind = 0; kind < CHANGE_KINDS; kind++) {
        difference->last[kind] = &difference->first[kind];
        map_init(&difference->said[kind]);
    }
}

void difference_done(struct difference *difference)
{
    for (int kind = 0; kind < CHANGE_KINDS; kind++) {
        map_done(&difference->said[kind]);
    }
    arena_done(&difference->arena);
}

/* ---- sentences ---- */

/* "SUBJECT: TEXT" */
__attribute__((format(printf, 3, 0))) static struct slice
sentence(struct difference *difference, struct slice subject, const char *format, va_list arguments)
{
    va_list again;
    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, format, again);
    va_end(again);
    size_t begin = subject.len + 2;
    char *text = length < 0 ? NULL : arena_alloc(&difference->arena, begin + (size_t)length + 1);
    if (text == NULL || subject.ptr == NULL) {
        return SLICE_NONE;
    }
    memcpy(text, subject.ptr, subject.len);
    memcpy(text + subject.len, ": ", 2);
    vsnprintf(text + begin, (size_t)length + 1, format, arguments);
    return slice_of(text, begin + (size_t)length);
}

void difference_tell(struct difference *difference, enum change kind, struct slice subject,
                     const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    struct slice whole = sentence(difference, subject, format, arguments);
    va_end(arguments);
    struct change_line *line = arena_alloc(&difference->arena, sizeof *line);
    if (line == NULL || whole.ptr == NULL) {
        difference->too_much = true;
        return;
    }
    if (map_get(&difference->said[kind], whole) != NULL) {
        return;
    }
    difference->too_much = !map_put(&difference->said[kind], whole, line) || difference->too_much;
    *line = (struct change_line){ NULL, whole };
    *difference->last[kind] = line;
    difference->last[kind] = &line->next;
    difference->count += kind != CHANGE_TUNING;
}

enum change difference_kind(const char *field)
{
    static const char *const tuning[] = { "workers",
                                          "limit_keys",
                                          "dpop_proofs",
                                          "token_cache",
                                          "api_key_cache",
                                          "basic_cache",
                                          "buffer_memory",
                                          "shutdown",
                                          "overload",
                                          "timeout",
                                          "idle_timeout",
                                          "connect_timeout",
                                          "timeouts",
                                          "max_connections",
                                          "max_idle",
                                          "max_requests",
                                          "retries",
                                          "retry",
                                          "hedge",
                                          "retry_budget",
                                          "balance",
                                          "max_head",
                                          "max_connection_requests",
                                          "max_connection_age",
                                          "jwks_refresh",
                                          "jwks_timeout",
                                          "jwks_unknown_kid_interval",
                                          "statement_timeout",
                                          "warn_before",
                                          "max_age" };
    for (size_t i = 0; i < sizeof tuning / sizeof *tuning; i++) {
        if (strcmp(tuning[i], field) == 0) {
            return CHANGE_TUNING;
        }
    }
    return CHANGE_OTHER;
}

struct slice difference_take(struct difference *difference, struct buffer *buffer)
{
    struct slice text = arena_copy(&difference->arena, buffer_slice(buffer));
    buffer_clear(buffer);
    difference->too_much = text.ptr == NULL || difference->too_much;
    return text.ptr != NULL ? text : SLICE("");
}

/* ---- requests ---- */

/* The methods that any route of either side names. */
struct methods {
    struct slice names[METHODS_MAX];
    size_t count; /* the bit `count` is every other method */
};

static size_t method_bit(struct methods *methods, struct slice name)
{
    size_t bit = 0;
    while (bit < methods->count && !slice_equal(methods->names[bit], name)) {
        bit++;
    }
    if (bit == methods->count && methods->count < METHODS_MAX - 1) {
        methods->names[methods->count++] = name;
    }
    return bit;
}

static void collect_methods(struct methods *methods, const struct settings *settings)
{
    for (size_t i = 0; i < settings->route_count; i++) {
        const struct conf_strings *named = &settings->routes[i].match.methods;
        for (size_t k = 0; k < named->count; k++) {
            method_bit(methods, named->items[k]);
        }
    }
}

static uint64_t methods_of(struct methods *methods, const struct conf_strings *named)
{
    if (named->count == 0) {
        return (UINT64_C(2) << methods->count) - 1;
    }
    uint64_t bits = 0;
    for (size_t i = 0; i < named->count; i++) {
        bits |= UINT64_C(1) << method_bit(methods, named->items[i]);
        if (slice_equal(named->items[i], SLICE("GET"))) {
            bits |= UINT64_C(1) << method_bit(methods, SLICE("HEAD"));
        }
    }
    return bits;
}

/* One side's route for some methods of a host and path on a listener. */
struct place_entry {
    struct slice host, path, listener;
    struct slice conditions; /* as text; empty: none */
    uint64_t methods;
    const struct route_settings *route;
};

struct side {
    struct place_entry *entries;
    size_t count;
};

static struct slice conditions_text(struct difference *difference, const struct match_settings *match)
{
    struct buffer text;
    buffer_init(&text, DIFFERENCE_TEXT_MAX);
    print_conditions(match, &text);
    struct slice conditions = difference_take(difference, &text);
    buffer_done(&text);
    return conditions;
}

static bool collect_side(struct difference *difference, struct methods *methods,
                         const struct settings *settings, struct side *out)
{
    size_t count = 0;
    for (size_t i = 0; i < settings->route_count; i++) {
        const struct route_settings *route = &settings->routes[i];
        count += route->match.host.count * route->match.path.count * route->policy.listeners.count;
    }
    *out = (struct side){ arena_calloc(&difference->arena, count + 1, sizeof *out->entries), 0 };
    for (size_t i = 0; out->entries != NULL && i < settings->route_count; i++) {
        const struct route_settings *route = &settings->routes[i];
        uint64_t bits = methods_of(methods, &route->match.methods);
        struct slice conditions = conditions_text(difference, &route->match);
        for (size_t h = 0; h < route->match.host.count; h++) {
            for (size_t p = 0; p < route->match.path.count; p++) {
                for (size_t l = 0; l < route->policy.listeners.count; l++) {
                    out->entries[out->count++] = (struct place_entry){ route->match.host.items[h],
                                                                       route->match.path.items[p],
                                                                       route->policy.listeners.items[l],
                                                                       conditions,
                                                                       bits,
                                                                       route };
                }
            }
        }
    }
    return out->entries != NULL;
}

static bool same_place(const struct place_entry *a, const struct place_entry *b)
{
    return slice_equal(a->host, b->host) && slice_equal(a->path, b->path) &&
           slice_equal(a->listener, b->listener) && slice_equal(a->conditions, b->conditions);
}

static struct slice listener_text(struct difference *difference, const struct config *config,
                                  struct slice name)
{
    const struct settings *settings = &config->settings;
    const struct listener_settings *listener =
        settings_find(settings->listeners, settings->listener_count, sizeof *listener, name);
    bool internal = listener != NULL && listener->exposure == EXPOSURE_INTERNAL;
    return arena_printf(&difference->arena, "%.*s (%s)", SLICE_ARG(name), internal ? "internal" : "external");
}

/* "GET, HEAD api.example.com/orders on public (external), route orders.read" */
static struct slice subject_of(struct difference *difference, const struct methods *methods, uint64_t bits,
                               const struct place_entry *entry, const struct config *config)
{
    struct buffer text;
    buffer_init(&text, DIFFERENCE_TEXT_MAX);
    uint64_t all = (UINT64_C(2) << methods->count) - 1;
    if (bits == all) {
        buffer_append(&text, SLICE("every method"));
    }
    const char *separator = "";
    for (size_t bit = 0; bits != all && bit <= methods->count; bit++) {
        if ((bits >> bit & 1) != 0) {
            struct slice name = bit < methods->count ? methods->names[bit] : SLICE("other methods");
            buffer_printf(&text, "%s%.*s", separator, SLICE_ARG(name));
            separator = ", ";
        }
    }
    buffer_printf(&text, " %.*s%.*s%s%.*s on %.*s, route %.*s", SLICE_ARG(entry->host),
                  SLICE_ARG(entry->path), entry->conditions.len > 0 ? " where " : "",
                  SLICE_ARG(entry->conditions), SLICE_ARG(listener_text(difference, config, entry->listener)),
                  SLICE_ARG(entry->route->name));
    struct slice subject = difference_take(difference, &text);
    buffer_done(&text);
    return subject;
}

struct comparison {
    struct difference *difference;
    struct methods *methods;
    struct side before, after;
};

/* Methods of `entry` that the other side has no route for, under the same host, path and listener. */
static uint64_t left_over(const struct place_entry *entry, const struct side *other, bool *ret_path_exists)
{
    uint64_t bits = entry->methods;
    *ret_path_exists = false;
    for (size_t i = 0; i < other->count; i++) {
        if (same_place(entry, &other->entries[i])) {
            bits &= ~other->entries[i].methods;
            *ret_path_exists = true;
        }
    }
    return bits;
}

static bool place_covers(const struct place_entry *wide, const struct place_entry *narrow)
{
    return slice_equal(wide->listener, narrow->listener) && host_covers(wide->host, narrow->host) &&
           path_covers(wide->path, narrow->path) &&
           (wide->conditions.len == 0 || slice_equal(wide->conditions, narrow->conditions));
}

/* The narrowest place of the other side that takes these requests where their own place is not there; NULL: none. */
static const struct place_entry *cover_of(const struct place_entry *entry, const struct side *other)
{
    const struct place_entry *best = NULL;
    for (size_t i = 0; i < other->count; i++) {
        const struct place_entry *candidate = &other->entries[i];
        if (place_covers(candidate, entry) && (best == NULL || place_covers(best, candidate))) {
            best = candidate;
        }
    }
    return best;
}

/* Compares with the wider routes that take the requests on the other side; returns the methods that none takes. */
static uint64_t compare_with_cover(const struct comparison *comparison, const struct place_entry *entry,
                                   uint64_t bits, bool entry_is_after)
{
    struct difference *difference = comparison->difference;
    const struct side *other = entry_is_after ? &comparison->before : &comparison->after;
    const struct place_entry *cover = cover_of(entry, other);
    for (size_t i = 0; cover != NULL && i < other->count; i++) {
        const struct place_entry *wider = &other->entries[i];
        uint64_t shared = bits & wider->methods;
        if (shared == 0 || !same_place(wider, cover)) {
            continue;
        }
        struct place_entry subject = *entry;
        subject.route = entry_is_after ? entry->route : wider->route;
        const struct route_policy *before = entry_is_after ? &wider->route->policy : &entry->route->policy;
        const struct route_policy *after = entry_is_after ? &entry->route->policy : &wider->route->policy;
        difference_policies(difference,
                            subject_of(difference, comparison->methods, shared, &subject, difference->after),
                            before, after);
        bits &= ~shared;
    }
    return bits;
}

static void tell_one_sided(const struct comparison *comparison, bool is_after)
{
    struct difference *difference = comparison->difference;
    const struct side *side = is_after ? &comparison->after : &comparison->before;
    const struct side *other = is_after ? &comparison->before : &comparison->after;
    for (size_t i = 0; i < side->count; i++) {
        const struct place_entry *entry = &side->entries[i];
        bool path_exists;
        uint64_t bits = left_over(entry, other, &path_exists);
        if (bits != 0 &&
            !path_exists) { /* where the path is there, another method is 405, never a wider route */
            bits = compare_with_cover(comparison, entry, bits, is_after);
        }
        if (bits == 0) {
            continue;
        }
        const struct config *config = is_after ? difference->after : difference->before;
        difference_tell(difference, is_after ? CHANGE_GAINS : CHANGE_LOSES,
                        subject_of(difference, comparison->methods, bits, entry, config),
                        is_after ? "%.*s may call it now; there was no such route"
                                 : "%.*s could call it; there is no such route any more",
                        SLICE_ARG(difference_callers(difference, &entry->route->policy)));
    }
}

static void compare_same_place(const struct comparison *comparison, uint64_t bits,
                               const struct place_entry *before, const struct place_entry *after)
{
    struct difference *difference = comparison->difference;
    struct slice subject = subject_of(difference, comparison->methods, bits, after, difference->after);
    difference_policies(difference, subject, &before->route->policy, &after->route->policy);
    /* Which of several routes of a place is asked first. */
    difference_field(difference, subject, "", conf_field_find(&match_object, SLICE("priority")),
                     &before->route->match, &after->route->match);
}

static void tell_both_sided(const struct comparison *comparison)
{
    for (size_t i = 0; i < comparison->after.count; i++) {
        const struct place_entry *after = &comparison->after.entries[i];
        for (size_t k = 0; k < comparison->before.count; k++) {
            const struct place_entry *before = &comparison->before.entries[k];
            uint64_t bits = before->methods & after->methods;
            if (bits != 0 && same_place(before, after)) {
                compare_same_place(comparison, bits, before, after);
            }
        }
    }
}

static bool compare_requests(struct difference *difference)
{
    struct methods methods = { .count = 0 };
    method_bit(&methods, SLICE("GET"));
    method_bit(&methods, SLICE("HEAD"));
    collect_methods(&methods, &difference->before->settings);
    collect_methods(&methods, &difference->after->settings);
    struct comparison comparison = { .difference = difference, .methods = &methods };
    if (!collect_side(difference, &methods, &difference->before->settings, &comparison.before) ||
        !collect_side(difference, &methods, &difference->after->settings, &comparison.after)) {
        return false;
    }
    tell_one_sided(&comparison, true);
    tell_one_sided(&comparison, false);
    tell_both_sided(&comparison);
    return true;
}

static void print(const struct difference *difference, struct buffer *out)
{
    static const char *const titles[] = {
        [CHANGE_GAINS] = "Gains access",
        [CHANGE_LOSES] = "Loses access",
        [CHANGE_OTHER] = "Other changes",
        [CHANGE_TUNING] = "Tuning",
    };
    const char *separator = "";
    for (int kind = 0; kind < CHANGE_KINDS; kind++) {
        if (difference->first[kind] == NULL) {
            continue;
        }
        buffer_printf(out, "%s%s\n", separator, titles[kind]);
        separator = "\n";
        for (const struct change_line *line = difference->first[kind]; line != NULL; line = line->next) {
            buffer_printf(out, "  %.*s\n", SLICE_ARG(line->text));
        }
    }
    if (difference->count == 0) {
        buffer_printf(out, "%sThe same access.\n", separator);
    }
}

bool config_print_difference(const struct config *before, const struct config *after, struct buffer *out)
{
    struct difference difference;
    difference_init(&difference);
    difference.before = before;
    difference.after = after;
    bool complete = compare_requests(&difference);
    difference_things(&difference);
    difference_blocks(&difference);
    complete = complete && !difference.too_much;
    if (complete) {
        print(&difference, out);
    } else {
        buffer_append(out, SLICE("Too much to compare.\n"));
    }
    bool differs = !complete || difference.count > 0;
    difference_done(&difference);
    return differs;
}
