/* The route table as a whole: what two routes claim, and what a client may choose between. */
#include "config/difference.h"
#include "route/alike.h"
#include "route/conditions.h"

#define AMBIGUITIES_MAX 100 /* told; each needs a new try */

static uint64_t listener_bits(const struct settings *settings, const struct conf_strings *names)
{
    uint64_t bits = 0;
    for (size_t i = 0; i < names->count; i++) {
        const struct listener_settings *listener =
            settings_find(settings->listeners, settings->listener_count, sizeof *listener, names->items[i]);
        if (listener != NULL && listener->index < 64) {
            bits |= UINT64_C(1) << listener->index;
        }
    }
    return bits;
}

struct error route_entries_new(const struct settings *settings, struct arena *arena,
                               struct route_entry **ret_entries, size_t *ret_count)
{
    size_t count = 0;
    for (size_t i = 0; i < settings->route_count; i++) {
        count += settings->routes[i].match.host.count * settings->routes[i].match.path.count;
    }
    struct route_entry *entries = arena_calloc(arena, count + 1, sizeof *entries);
    if (entries == NULL) {
        return NO_MEMORY;
    }
    size_t at = 0;
    for (size_t i = 0; i < settings->route_count; i++) {
        const struct match_settings *match = &settings->routes[i].match;
        uint64_t listeners = listener_bits(settings, &settings->routes[i].policy.listeners);
        for (size_t h = 0; h < match->host.count; h++) {
            for (size_t p = 0; p < match->path.count; p++) {
                entries[at++] = (struct route_entry){ (unsigned int)i,
                                                      match->host.items[h],
                                                      match->path.items[p],
                                                      &match->methods,
                                                      listeners,
                                                      match };
            }
        }
    }
    *ret_entries = entries;
    *ret_count = count;
    return OK;
}

/* Where the entry's path was written. */
static const struct conf_node *node_of(const struct loader *loader, const struct route_entry *entry)
{
    const struct conf_strings *paths = &loader->settings->routes[entry->id].match.path;
    for (size_t i = 0; i < paths->count; i++) {
        const struct conf_node *node = places_field(&loader->places->fields, &paths->items[i]);
        if (paths->items[i].ptr == entry->path.ptr && node != NULL) {
            return node;
        }
    }
    return loader->places->routes[entry->id].node;
}

static bool methods_are_sound(const struct conf_strings *methods)
{
    for (size_t i = 0; i < methods->count; i++) {
        if (route_method_problem(methods->items[i]) != NULL) {
            return false;
        }
    }
    return true;
}

/* Leaves out what has been told already, so that the rest can still be compared. */
static size_t keep_sound(struct route_entry *entries, size_t count)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        const void *where;
        if (route_host_problem(entries[i].host) == NULL && route_pattern_problem(entries[i].path) == NULL &&
            methods_are_sound(entries[i].methods) && entries[i].listeners != 0 &&
            route_conditions_problem(entries[i].match, &where) == NULL) {
            entries[kept++] = entries[i];
        }
    }
    return kept;
}

static void tell_ambiguous(struct loader *loader, const struct route_entry *entry,
                           const struct route_entry *other)
{
    const struct settings *settings = loader->settings;
    bool has = route_condition_count(entry->match) > 0, other_has = route_condition_count(other->match) > 0;
    const char *advice =
        has && other_has ? ": say by match.priority which is asked first"
        : has || other_has
            ? ": match.priority puts the one without conditions first, and the other is never asked"
            : "";
    diagnostics_node(
        loader->diagnostics, DIAGNOSTIC_ERROR, node_of(loader, entry),
        "%.*s%.*s is ambiguous: route \"%.*s\" (%.*s) takes the same requests%s", SLICE_ARG(entry->host),
        SLICE_ARG(entry->path), SLICE_ARG(settings->routes[other->id].name),
        SLICE_ARG(conf_place_text(conf_node_place(node_of(loader, other)), loader->arena)), advice);
}

static struct error check_ambiguity(struct loader *loader, struct route_entry *entries, size_t count)
{
    for (int tries = 0; tries < AMBIGUITIES_MAX; tries++) {
        struct arena arena;
        arena_init(&arena, CONFIG_ARENA_MAX);
        struct route_table *table;
        size_t index = 0, other = SIZE_MAX;
        struct error error = route_table_new(entries, count, &arena, &table, &index, &other);
        arena_done(&arena);
        if (!failed(error) || error.kind == ERROR_MEMORY) {
            return error;
        }
        if (other < count && other != index) {
            tell_ambiguous(loader, &entries[index], &entries[other]);
        } else {
            diagnostics_node(loader->diagnostics, DIAGNOSTIC_ERROR, node_of(loader, &entries[index]), "%s",
                             error.what);
        }
        count--; /* in their order: the first to claim a request keeps it */
        memmove(&entries[index], &entries[index + 1], (count - index) * sizeof *entries);
    }
    return OK;
}

/* ---- what a client may choose ---- */

static bool share_a_string(const struct conf_strings *a, const struct conf_strings *b)
{
    for (size_t i = 0; i < a->count; i++) {
        if (conf_strings_contain(b, a->items[i])) {
            return true;
        }
    }
    return false;
}

static bool share_a_path(const struct conf_strings *a, const struct conf_strings *b)
{
    for (size_t i = 0; i < a->count; i++) {
        for (size_t k = 0; k < b->count; k++) {
            if (route_paths_same(a->items[i], b->items[k])) {
                return true;
            }
        }
    }
    return false;
}

/* Could both serve one request, but for their conditions? */
static bool share_a_place(const struct match_settings *a, const struct match_settings *b)
{
    return share_a_string(&a->host, &b->host) && share_a_path(&a->path, &b->path) &&
           route_methods_meet(&a->methods, &b->methods);
}

/* Whoever may choose would choose the one that lets more pass. */
static void check_shared(struct loader *loader, size_t index, size_t other_index)
{
    const struct route_settings *route = &loader->settings->routes[index];
    const struct route_settings *other = &loader->settings->routes[other_index];
    struct difference difference;
    difference_init(&difference);
    difference_policies(&difference, SLICE("this route"), &other->policy, &route->policy);
    const struct change_line *line = difference.first[CHANGE_GAINS] != NULL ? difference.first[CHANGE_GAINS]
                                                                            : difference.first[CHANGE_LOSES];
    if (line != NULL) {
        diagnostics_node(
            loader->diagnostics, DIAGNOSTIC_ERROR, loader->places->routes[index].node,
            "a client chooses between this route and \"%.*s\" by what it sends, so both must let the same "
            "callers do the same; with this one in the other's place `sallyport diff` would say: %.*s",
            SLICE_ARG(other->name), SLICE_ARG(line->text));
    } else if (route->policy.audit != other->policy.audit) {
        diagnostics_node(
            loader->diagnostics, DIAGNOSTIC_ERROR, loader->places->routes[index].node,
            "a client chooses between this route and \"%.*s\" by what it sends, and so whether what "
            "it was allowed to do stands in the audit log: give both the same `audit`",
            SLICE_ARG(other->name));
    }
    difference_done(&difference);
}

static bool are_rivals(const struct route_settings *a, const struct route_settings *b)
{
    return route_conditions_leave_choice(&a->match, &b->match) && share_a_place(&a->match, &b->match) &&
           share_a_string(&a->policy.listeners, &b->policy.listeners);
}

static void check_choices(struct loader *loader)
{
    const struct route_settings *routes = loader->settings->routes;
    size_t count = loader->settings->route_count;
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < count && route_condition_count(&routes[i].match) > 0; k++) {
            /* Of two that both have conditions, the later one. */
            bool is_turn = k < i || route_condition_count(&routes[k].match) == 0;
            if (k != i && is_turn && are_rivals(&routes[i], &routes[k])) {
                check_shared(loader, i, k);
            }
        }
    }
}

struct error check_table(struct loader *loader)
{
    struct route_entry *entries;
    size_t count;
    TRY(route_entries_new(loader->settings, loader->arena, &entries, &count));
    check_choices(loader);
    return check_ambiguity(loader, entries, keep_sound(entries, count));
}
