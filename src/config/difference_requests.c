/* Requests are compared, not texts: for each host, path, listener and method, the route that served it before and the one that
 * serves it after. Which one that is, is decided as route/find.c decides it: the best host that exists on the listener, then the
 * best path, and no other is asked. */
#include "config/difference.h"
#include "http/message.h"
#include "route/alike.h"

#define SUBJECT_MAX 8192
#define METHODS_MAX 64 /* bits; the last one stands for every other method */

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
    buffer_init(&text, SUBJECT_MAX);
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

/* The host of this side whose routes serve requests for that one there; an empty one: none. */
static struct slice serving_host(const struct side *side, const struct place_entry *entry)
{
    struct slice best = SLICE_NONE;
    for (size_t i = 0; i < side->count; i++) {
        const struct place_entry *candidate = &side->entries[i];
        if (slice_equal(candidate->listener, entry->listener) && host_covers(candidate->host, entry->host) &&
            (best.len == 0 || host_covers(best, candidate->host))) {
            best = candidate->host;
        }
    }
    return best;
}

/* The first of a host and listener stands for all of them. */
static bool is_first_of_host(const struct side *side, size_t at)
{
    for (size_t i = 0; i < at; i++) {
        if (slice_equal(side->entries[i].host, side->entries[at].host) &&
            slice_equal(side->entries[i].listener, side->entries[at].listener)) {
            return false;
        }
    }
    return true;
}

/* Copies of what serves `entry`'s host on this side, under that host; counts them where `out` is NULL. */
static size_t copy_host(const struct side *side, const struct place_entry *entry, struct place_entry *out)
{
    struct slice host = serving_host(side, entry);
    size_t count = 0;
    if (host.len == 0 || slice_equal(host, entry->host)) {
        return 0; /* nothing does, or it is there by itself */
    }
    for (size_t i = 0; i < side->count; i++) {
        const struct place_entry *from = &side->entries[i];
        if (slice_equal(from->host, host) && slice_equal(from->listener, entry->listener)) {
            if (out != NULL) {
                out[count] = *from;
                out[count].host = entry->host;
            }
            count++;
        }
    }
    return count;
}

/* A host that only the other side names is served by a wildcard here, if at all, and that by none of its routes there: all of them
 * are compared. */
static bool add_hosts(struct difference *difference, const struct side *side, const struct side *other,
                      struct side *out)
{
    size_t count = side->count;
    for (size_t i = 0; i < other->count; i++) {
        count += is_first_of_host(other, i) ? copy_host(side, &other->entries[i], NULL) : 0;
    }
    *out = (struct side){ arena_calloc(&difference->arena, count + 1, sizeof *out->entries), side->count };
    if (out->entries == NULL) {
        return false;
    }
    memcpy(out->entries, side->entries, side->count * sizeof *out->entries);
    for (size_t i = 0; i < other->count; i++) {
        if (is_first_of_host(other, i)) {
            out->count += copy_host(side, &other->entries[i], out->entries + out->count);
        }
    }
    return true;
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
    buffer_init(&text, SUBJECT_MAX);
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
static uint64_t left_over(const struct place_entry *entry, const struct side *other)
{
    uint64_t bits = entry->methods;
    for (size_t i = 0; i < other->count; i++) {
        if (same_place(entry, &other->entries[i])) {
            bits &= ~other->entries[i].methods;
        }
    }
    return bits;
}

static bool same_host(const struct place_entry *a, const struct place_entry *b)
{
    return slice_equal(a->host, b->host) && slice_equal(a->listener, b->listener);
}

/* Of two patterns that take the same path: is this the one that is found? Text goes before a variable, and that before a rest. */
static bool goes_first(struct slice path, struct slice other)
{
    struct segment one, two;
    while (pattern_next(&path, &one)) {
        if (!pattern_next(&other, &two) || one.kind != two.kind) {
            return one.kind != SEGMENT_REST && (other.len == 0 || one.kind < two.kind);
        }
    }
    return pattern_next(&other, &two);
}

/* The path of the other side at which these requests end, whatever routes there are; NULL: none. */
static const struct place_entry *end_of(const struct place_entry *entry, const struct side *other)
{
    const struct place_entry *best = NULL;
    for (size_t i = 0; i < other->count; i++) {
        const struct place_entry *candidate = &other->entries[i];
        if (same_host(candidate, entry) && path_covers(candidate->path, entry->path) &&
            (best == NULL || goes_first(candidate->path, best->path))) {
            best = candidate;
        }
    }
    return best;
}

static void compare_pair(const struct comparison *comparison, const struct place_entry *entry,
                         const struct place_entry *wider, uint64_t shared, bool entry_is_after)
{
    struct difference *difference = comparison->difference;
    struct place_entry subject = *entry;
    subject.route = entry_is_after ? entry->route : wider->route;
    const struct route_policy *before = entry_is_after ? &wider->route->policy : &entry->route->policy;
    const struct route_policy *after = entry_is_after ? &entry->route->policy : &wider->route->policy;
    difference_policies(difference,
                        subject_of(difference, comparison->methods, shared, &subject, difference->after),
                        before, after);
}

/* Compares with the routes that take the requests on the other side, those of the same conditions first; returns the methods that
 * none takes. */
static uint64_t compare_with_others(const struct comparison *comparison, const struct place_entry *entry,
                                    uint64_t bits, bool entry_is_after)
{
    const struct side *other = entry_is_after ? &comparison->before : &comparison->after;
    const struct place_entry *end = bits != 0 ? end_of(entry, other) : NULL;
    for (int free = entry->conditions.len == 0; end != NULL && free <= 1; free++) {
        const struct slice conditions = free != 0 ? SLICE_NONE : entry->conditions;
        for (size_t i = 0; i < other->count && bits != 0; i++) {
            const struct place_entry *wider = &other->entries[i];
            uint64_t shared = bits & wider->methods;
            if (shared != 0 && same_host(wider, end) && route_paths_same(wider->path, end->path) &&
                slice_equal(wider->conditions, conditions)) {
                compare_pair(comparison, entry, wider, shared, entry_is_after);
                bits &= ~shared;
            }
        }
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
        uint64_t bits = compare_with_others(comparison, entry, left_over(entry, other), is_after);
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

static void tell_both_sided(const struct comparison *comparison)
{
    for (size_t i = 0; i < comparison->after.count; i++) {
        const struct place_entry *after = &comparison->after.entries[i];
        for (size_t k = 0; k < comparison->before.count; k++) {
            const struct place_entry *before = &comparison->before.entries[k];
            uint64_t bits = before->methods & after->methods;
            if (bits != 0 && same_place(before, after)) {
                difference_policies(comparison->difference,
                                    subject_of(comparison->difference, comparison->methods, bits, after,
                                               comparison->difference->after),
                                    &before->route->policy, &after->route->policy);
            }
        }
    }
}

bool difference_requests(struct difference *difference)
{
    struct methods methods = { .count = 0 };
    struct side before, after;
    method_bit(&methods, SLICE("GET"));
    method_bit(&methods, SLICE("HEAD"));
    collect_methods(&methods, &difference->before->settings);
    collect_methods(&methods, &difference->after->settings);
    struct comparison comparison = { .difference = difference, .methods = &methods };
    if (!collect_side(difference, &methods, &difference->before->settings, &before) ||
        !collect_side(difference, &methods, &difference->after->settings, &after) ||
        !add_hosts(difference, &before, &after, &comparison.before) ||
        !add_hosts(difference, &after, &before, &comparison.after)) {
        return false;
    }
    tell_one_sided(&comparison, true);
    tell_one_sided(&comparison, false);
    tell_both_sided(&comparison);
    return true;
}
