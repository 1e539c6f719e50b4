/* Requests are compared, not texts: for each host, path, listener and method, the route that served it before and the one that
 * serves it after. Which one that is, is decided as route/find.c decides it: the best host that exists on the listener, then the
 * best path that does, and no other is asked. So each place that either side knows is compared, and those that two paths share. */
#include "config/difference.h"
#include "http/message.h"
#include "route/alike.h"

#include <inttypes.h>

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

/* One side's route for some methods of a host and path on a listener; or what serves them there. */
struct place_entry {
    struct slice host, path, listener;
    struct slice key;        /* of the path: the same for all that are one path to the table */
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

/* Names of variables count for nothing, nor does how a text is escaped. */
static struct slice key_of(struct difference *difference, struct slice path)
{
    struct buffer key;
    struct segment segment;
    char canonical[HTTP_TARGET_MAX + 1];
    buffer_init(&key, 2 * HTTP_TARGET_MAX);
    for (struct slice rest = path; pattern_next(&rest, &segment);) {
        struct slice text = segment.kind == SEGMENT_REST ? SLICE("**") : SLICE("{}");
        if (segment.kind == SEGMENT_TEXT && pattern_canonical_text(segment.text, canonical, &text) != NULL) {
            text = segment.text;
        }
        buffer_append_char(&key, '/');
        buffer_append(&key, text);
    }
    struct slice copy = difference_take(difference, &key);
    buffer_done(&key);
    return copy;
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
                struct slice key = key_of(difference, route->match.path.items[p]);
                for (size_t l = 0; l < route->policy.listeners.count; l++) {
                    out->entries[out->count++] = (struct place_entry){ route->match.host.items[h],
                                                                       route->match.path.items[p],
                                                                       route->policy.listeners.items[l],
                                                                       key,
                                                                       conditions,
                                                                       bits,
                                                                       route };
                }
            }
        }
    }
    return out->entries != NULL;
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

/* What is compared at one host of one listener. */
struct place {
    const struct comparison *comparison;
    struct slice host, listener;
    struct side before, after; /* what serves the host there */
    struct map had, has;       /* an entry of each path, by its key */
    struct map paths;          /* keys of those that were compared */
};

/* ---- which route serves it ---- */

static bool is_at(const struct place_entry *entry, struct slice host, struct slice listener)
{
    return slice_equal(entry->host, host) && slice_equal(entry->listener, listener);
}

/* The host of this side whose routes serve requests for that one there; an empty one: none. */
static struct slice serving_host(const struct side *side, struct slice host, struct slice listener)
{
    struct slice best = SLICE_NONE;
    for (size_t i = 0; i < side->count; i++) {
        const struct place_entry *candidate = &side->entries[i];
        if (slice_equal(candidate->listener, listener) && host_covers(candidate->host, host) &&
            (best.len == 0 || host_covers(best, candidate->host))) {
            best = candidate->host;
        }
    }
    return best;
}

/* The routes of that host, by path, too. */
static bool take_host(struct difference *difference, const struct side *side, struct slice host,
                      struct slice listener, struct side *out, struct map *ret_map)
{
    struct slice serving = serving_host(side, host, listener);
    size_t count = 0;
    map_init(ret_map);
    for (size_t i = 0; i < side->count; i++) {
        count += is_at(&side->entries[i], serving, listener);
    }
    *out = (struct side){ arena_calloc(&difference->arena, count + 1, sizeof *out->entries), 0 };
    for (size_t i = 0; out->entries != NULL && i < side->count; i++) {
        if (!is_at(&side->entries[i], serving, listener)) {
            continue;
        }
        struct place_entry *entry = &out->entries[out->count++];
        *entry = side->entries[i];
        if (map_get(ret_map, entry->key) == NULL && !map_put(ret_map, entry->key, entry)) {
            return false;
        }
    }
    return out->entries != NULL;
}

/* Of two patterns that take the same path: is this the one that is found? Text goes before a variable, and that before a rest. */
static bool goes_first(struct slice path, struct slice other)
{
    struct segment one, two;
    for (;;) {
        bool has_one = pattern_next(&path, &one), has_two = pattern_next(&other, &two);
        if (!has_one || !has_two) {
            return !has_one && has_two;
        }
        if (one.kind != two.kind) {
            return one.kind < two.kind;
        }
    }
}

/* The path at which requests for this one end, whatever routes there are; NULL: none. */
static const struct place_entry *end_of(const struct side *side, const struct map *by_key, struct slice path,
                                        struct slice key)
{
    const struct place_entry *best = map_get(by_key, key);
    if (best != NULL) {
        return best;
    }
    for (size_t i = 0; best == NULL && i < side->count; i++) {
        best = path_covers(side->entries[i].path, path) ? &side->entries[i] : NULL;
    }
    for (size_t i = 0; best != NULL && i < side->count; i++) {
        const struct place_entry *candidate = &side->entries[i];
        if (path_covers(candidate->path, path) && goes_first(candidate->path, best->path)) {
            best = candidate;
        }
    }
    return best;
}

/* ---- what it says ---- */

static struct slice subject_at(const struct place *place, struct slice path, const struct place_entry *entry,
                               uint64_t bits, bool is_after)
{
    const struct comparison *comparison = place->comparison;
    struct place_entry subject = *entry;
    subject.host = place->host;
    subject.path = path;
    return subject_of(comparison->difference, comparison->methods, bits, &subject,
                      is_after ? comparison->difference->after : comparison->difference->before);
}

/* What it takes from others of the same path, or leaves to them, is not computed. */
static void tell_priority(struct difference *difference, struct slice subject,
                          const struct place_entry *before, const struct place_entry *after)
{
    int64_t was = before->route->match.priority, is = after->route->match.priority;
    if (was != is && slice_equal(before->conditions, after->conditions) &&
        slice_equal(before->key, after->key)) {
        difference_tell(difference, CHANGE_OTHER, subject,
                        "its priority is %" PRId64 ", was %" PRId64
                        ": it may be asked before others of its path now, or behind them",
                        is, was);
    }
}

/* Compares with the routes at that end of the other side that have these conditions; returns the methods that none of them takes. */
static uint64_t compare_with(const struct place *place, struct slice path, const struct place_entry *entry,
                             uint64_t bits, bool entry_is_after, const struct place_entry *end,
                             struct slice conditions)
{
    const struct side *other = entry_is_after ? &place->before : &place->after;
    for (size_t i = 0; end != NULL && bits != 0 && i < other->count; i++) {
        const struct place_entry *its = &other->entries[i];
        uint64_t shared = bits & its->methods;
        if (shared == 0 || !slice_equal(its->conditions, conditions) || !slice_equal(its->key, end->key)) {
            continue;
        }
        const struct place_entry *before = entry_is_after ? its : entry,
                                 *after = entry_is_after ? entry : its;
        struct place_entry named = *entry;
        named.route = after->route;
        struct slice subject = subject_at(place, path, &named, shared, true);
        difference_policies(place->comparison->difference, subject, &before->route->policy,
                            &after->route->policy);
        tell_priority(place->comparison->difference, subject, before, after);
        bits &= ~shared;
    }
    return bits;
}

/* Those of the same conditions serve the same requests; else those of none do. */
static void compare_entry(const struct place *place, struct slice path, const struct place_entry *entry,
                          bool is_after, const struct place_entry *end)
{
    uint64_t bits = compare_with(place, path, entry, entry->methods, is_after, end, entry->conditions);
    if (entry->conditions.len > 0) {
        bits = compare_with(place, path, entry, bits, is_after, end, SLICE(""));
    }
    if (bits != 0) {
        difference_tell(place->comparison->difference, is_after ? CHANGE_GAINS : CHANGE_LOSES,
                        subject_at(place, path, entry, bits, is_after),
                        is_after ? "%.*s may call it now; there was no such route"
                                 : "%.*s could call it; there is no such route any more",
                        SLICE_ARG(difference_callers(place->comparison->difference, &entry->route->policy)));
    }
}

static void compare_ends(const struct place *place, struct slice path, const struct place_entry *had,
                         const struct place_entry *has)
{
    for (size_t i = 0; has != NULL && i < place->after.count; i++) {
        if (slice_equal(place->after.entries[i].key, has->key)) {
            compare_entry(place, path, &place->after.entries[i], true, had);
        }
    }
    for (size_t i = 0; had != NULL && i < place->before.count; i++) {
        if (slice_equal(place->before.entries[i].key, had->key)) {
            compare_entry(place, path, &place->before.entries[i], false, has);
        }
    }
}

/* ---- which places ---- */

static bool compare_path(struct place *place, struct slice path, struct slice key)
{
    if (map_get(&place->paths, key) != NULL) {
        return true;
    }
    compare_ends(place, path, end_of(&place->before, &place->had, path, key),
                 end_of(&place->after, &place->has, path, key));
    return map_put(&place->paths, key, place);
}

static bool append(struct buffer *out, const struct segment *segment)
{
    return segment->kind == SEGMENT_VARIABLE
               ? buffer_printf(out, "/{%.*s}", SLICE_ARG(segment->text))
               : buffer_printf(out, "/%.*s", segment->kind == SEGMENT_REST ? 2 : (int)segment->text.len,
                               segment->kind == SEGMENT_REST ? "**" : segment->text.ptr);
}

/* The pattern of what both take, where they meet. */
static struct slice shared_path(struct difference *difference, struct slice a, struct slice b)
{
    struct buffer out;
    struct segment one, two;
    buffer_init(&out, 2 * HTTP_TARGET_MAX);
    bool good = true;
    while (good) {
        struct slice rest = a, other_rest = b;
        bool has_one = pattern_next(&a, &one), has_two = pattern_next(&b, &two);
        if (has_one && one.kind == SEGMENT_REST) {
            a = rest; /* all that the other one says */
            has_one = false;
        }
        if (has_two && two.kind == SEGMENT_REST) {
            b = other_rest;
            has_two = false;
        }
        if (!has_one && !has_two) {
            break;
        }
        const struct segment *narrow = !has_two || (has_one && one.kind == SEGMENT_TEXT) ? &one : &two;
        good = append(&out, narrow);
    }
    struct slice path = good ? difference_take(difference, &out) : SLICE_NONE;
    buffer_done(&out);
    return path;
}

/* Where a path of one side, which the other has not, and another path take the same requests, and neither takes all of the other's. */
static bool compare_crossing(struct place *place, struct slice path, const struct side *side)
{
    for (size_t i = 0; i < side->count; i++) {
        struct slice other = side->entries[i].path;
        if (!route_paths_meet(path, other) || path_covers(path, other) || path_covers(other, path)) {
            continue;
        }
        struct slice shared = shared_path(place->comparison->difference, path, other);
        struct slice key = key_of(place->comparison->difference, shared);
        const struct place_entry *had = end_of(&place->before, &place->had, shared, key);
        const struct place_entry *has = end_of(&place->after, &place->has, shared, key);
        bool same = had != NULL && has != NULL && slice_equal(had->key, has->key);
        if (shared.len > 0 && !same && !compare_path(place, shared, key)) {
            return false;
        }
    }
    return true;
}

static bool compare_side(struct place *place, const struct side *side, const struct map *others)
{
    for (size_t i = 0; i < side->count; i++) {
        struct slice path = side->entries[i].path, key = side->entries[i].key;
        bool is_known = map_get(others, key) != NULL || map_get(&place->paths, key) != NULL;
        if (!compare_path(place, path, key)) {
            return false;
        }
        if (!is_known && !(compare_crossing(place, path, &place->before) &&
                           compare_crossing(place, path, &place->after))) {
            return false;
        }
    }
    return true;
}

static bool compare_host(const struct comparison *comparison, const struct place_entry *entry)
{
    struct place place = { .comparison = comparison, .host = entry->host, .listener = entry->listener };
    struct difference *difference = comparison->difference;
    map_init(&place.paths);
    bool good =
        take_host(difference, &comparison->before, place.host, place.listener, &place.before, &place.had);
    good = take_host(difference, &comparison->after, place.host, place.listener, &place.after, &place.has) &&
           good;
    good = good && compare_side(&place, &place.after, &place.had) &&
           compare_side(&place, &place.before, &place.has);
    map_done(&place.had);
    map_done(&place.has);
    map_done(&place.paths);
    return good;
}

/* Each host and listener once: where `first` names it, it was compared. */
static bool compare_hosts(const struct comparison *comparison, const struct side *side,
                          const struct side *first)
{
    for (size_t i = 0; i < side->count; i++) {
        bool known = false;
        for (size_t k = 0; k < i && !known; k++) {
            known = is_at(&side->entries[k], side->entries[i].host, side->entries[i].listener);
        }
        for (size_t k = 0; first != NULL && k < first->count && !known; k++) {
            known = is_at(&first->entries[k], side->entries[i].host, side->entries[i].listener);
        }
        if (!known && !compare_host(comparison, &side->entries[i])) {
            return false;
        }
    }
    return true;
}

bool difference_requests(struct difference *difference)
{
    struct methods methods = { .count = 0 };
    method_bit(&methods, SLICE("GET"));
    method_bit(&methods, SLICE("HEAD"));
    collect_methods(&methods, &difference->before->settings);
    collect_methods(&methods, &difference->after->settings);
    struct comparison comparison = { .difference = difference, .methods = &methods };
    return collect_side(difference, &methods, &difference->before->settings, &comparison.before) &&
           collect_side(difference, &methods, &difference->after->settings, &comparison.after) &&
           compare_hosts(&comparison, &comparison.after, NULL) &&
           compare_hosts(&comparison, &comparison.before, &comparison.after);
}
