/* Requests are compared, not texts: for each host, path, listener and method, the route that served it before and the one that
 * serves it after. Which one that is, is decided as route/find.c decides it: the best host that exists on the listener, then the
 * best path that does, and no other is asked. So each place that either side knows is compared, and those that two paths share. */
#include "config/difference.h"
#include "config/difference_sites.h"
#include "http/message.h"
#include "route/pattern.h"

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

static struct slice conditions_text(struct difference *difference, const struct match_settings *match)
{
    struct buffer text;
    buffer_init(&text, DIFFERENCE_TEXT_MAX);
    print_conditions(match, &text);
    struct slice conditions = difference_take(difference, &text);
    buffer_done(&text);
    return conditions;
}

static bool add_path(struct difference *difference, struct slice path, struct place_entry *entry,
                     struct sites *out)
{
    const struct route_settings *route = entry->route;
    entry->path = path;
    entry->key = sites_key(&difference->arena, path);
    bool good = entry->key.ptr != NULL;
    for (size_t h = 0; h < route->match.host.count; h++) {
        for (size_t l = 0; good && l < route->policy.listeners.count; l++) {
            entry->host = route->match.host.items[h];
            entry->listener = route->policy.listeners.items[l];
            good = sites_add(out, entry);
        }
    }
    return good;
}

static bool collect_side(struct difference *difference, struct methods *methods,
                         const struct settings *settings, struct sites *out)
{
    bool good = true;
    for (size_t i = 0; i < settings->route_count; i++) {
        const struct route_settings *route = &settings->routes[i];
        struct place_entry entry = { .conditions = conditions_text(difference, &route->match),
                                     .methods = methods_of(methods, &route->match.methods),
                                     .route = route };
        for (size_t p = 0; good && p < route->match.path.count; p++) {
            good = add_path(difference, route->match.path.items[p], &entry, out);
        }
    }
    return good;
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
    struct sites before, after;
    const struct route_settings *
        *alike; /* by the place of a route of after: one of before with that policy */
};

/* What is compared at one host of one listener. */
struct place {
    const struct comparison *comparison;
    struct slice host;
    const struct site *before, *after; /* what serves the host there; NULL: nothing */
    struct map paths;                  /* keys of those that were compared */
};

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

/* Most routes are what they were, on all their hosts: each of those is compared once. */
static void compare_routes(const struct place *place, struct slice path, const struct place_entry *before,
                           const struct place_entry *after, const struct place_entry *named, uint64_t methods)
{
    const struct comparison *comparison = place->comparison;
    struct difference *difference = comparison->difference;
    const struct route_settings **alike =
        &comparison->alike[after->route - difference->after->settings.routes];
    bool same_priority = before->route->match.priority == after->route->match.priority;
    if (*alike == before->route && same_priority) {
        return;
    }
    struct place_entry subject_entry = *named;
    subject_entry.route = after->route;
    struct slice subject = subject_at(place, path, &subject_entry, methods, true);
    size_t told = difference->told;
    difference_policies(difference, subject, &before->route->policy, &after->route->policy);
    if (told == difference->told) {
        *alike = before->route;
    }
    tell_priority(difference, subject, before, after);
}

/* Compares with the routes at that end of the other side that have these conditions; returns the methods that none of them takes. */
static uint64_t compare_with(const struct place *place, struct slice path, const struct place_entry *entry,
                             uint64_t bits, bool entry_is_after, const struct path_node *end,
                             struct slice conditions)
{
    const struct place_entry *its = end != NULL ? end->first : NULL;
    for (; bits != 0 && its != NULL; its = its->next) {
        uint64_t shared = bits & its->methods;
        if (shared != 0 && slice_equal(its->conditions, conditions)) {
            compare_routes(place, path, entry_is_after ? its : entry, entry_is_after ? entry : its, entry,
                           shared);
            bits &= ~shared;
        }
    }
    return bits;
}

/* Those of the same conditions serve the same requests; else those of none do. */
static void compare_entry(const struct place *place, struct slice path, const struct place_entry *entry,
                          bool is_after, const struct path_node *end)
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

static void compare_ends(const struct place *place, struct slice path, const struct path_node *had,
                         const struct path_node *has)
{
    const struct place_entry *is = has != NULL ? has->first : NULL, *was = had != NULL ? had->first : NULL;
    for (; is != NULL; is = is->next) {
        compare_entry(place, path, is, true, had);
    }
    for (; was != NULL; was = was->next) {
        compare_entry(place, path, was, false, has);
    }
}

/* ---- which places ---- */

static bool compare_path(struct place *place, struct slice path, struct slice key)
{
    if (map_get(&place->paths, key) != NULL) {
        return true;
    }
    compare_ends(place, path, site_end(place->before, key), site_end(place->after, key));
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

struct crossing {
    struct place *place;
    const struct path_node *path;
};

static bool compare_crossing(void *context, const struct path_node *other)
{
    const struct crossing *crossing = context;
    struct place *place = crossing->place;
    struct arena *arena = &place->comparison->difference->arena;
    struct slice path = crossing->path->path;
    if (path_covers(path, other->path) || path_covers(other->path, path)) {
        return true;
    }
    struct slice shared = shared_path(place->comparison->difference, path, other->path);
    struct slice key = sites_key(arena, shared);
    if (key.ptr == NULL) {
        return false;
    }
    const struct path_node *had = site_end(place->before, key), *has = site_end(place->after, key);
    bool same = had != NULL && has != NULL && slice_equal(had->key, has->key);
    return shared.len == 0 || same || compare_path(place, shared, key);
}

/* Where a path of one side, which the other has not, and another path take the same requests, and neither takes all of the other's. */
static bool compare_crossings(struct place *place, const struct path_node *path)
{
    struct crossing crossing = { place, path };
    return site_each_meeting(place->before, path->key, compare_crossing, &crossing) &&
           site_each_meeting(place->after, path->key, compare_crossing, &crossing);
}

static bool compare_side(struct place *place, const struct site *site, const struct site *other)
{
    bool good = true;
    for (const struct path_node *path = site != NULL ? site->first : NULL; good && path != NULL;
         path = path->next_end) {
        bool is_known = site_path(other, path->key) != NULL || map_get(&place->paths, path->key) != NULL;
        good = compare_path(place, path->path, path->key) && (is_known || compare_crossings(place, path));
    }
    return good;
}

static bool compare_host(const struct comparison *comparison, const struct site *site)
{
    struct place place = { .comparison = comparison, .host = site->host };
    place.before = sites_serving(&comparison->before, site->host, site->listener);
    place.after = sites_serving(&comparison->after, site->host, site->listener);
    map_init(&place.paths);
    bool good =
        compare_side(&place, place.after, place.before) && compare_side(&place, place.before, place.after);
    map_done(&place.paths);
    return good;
}

/* Each host and listener once. */
static bool compare_hosts(const struct comparison *comparison)
{
    bool good = true;
    for (const struct site *site = comparison->after.first; good && site != NULL; site = site->next) {
        good = compare_host(comparison, site);
    }
    for (const struct site *site = comparison->before.first; good && site != NULL; site = site->next) {
        good = sites_find(&comparison->after, site->host, site->listener) != NULL ||
               compare_host(comparison, site);
    }
    return good;
}

bool difference_requests(struct difference *difference)
{
    struct methods methods = { .count = 0 };
    method_bit(&methods, SLICE("GET"));
    method_bit(&methods, SLICE("HEAD"));
    collect_methods(&methods, &difference->before->settings);
    collect_methods(&methods, &difference->after->settings);
    struct comparison comparison = { .difference = difference, .methods = &methods };
    comparison.alike = arena_calloc(&difference->arena, difference->after->settings.route_count + 1,
                                    sizeof *comparison.alike);
    sites_init(&comparison.before, &difference->arena);
    sites_init(&comparison.after, &difference->arena);
    bool good = comparison.alike != NULL &&
                collect_side(difference, &methods, &difference->before->settings, &comparison.before) &&
                collect_side(difference, &methods, &difference->after->settings, &comparison.after) &&
                compare_hosts(&comparison);
    sites_done(&comparison.before);
    sites_done(&comparison.after);
    return good;
}
