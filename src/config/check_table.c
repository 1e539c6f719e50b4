/* The route table as a whole: what two routes claim. */
#include "config/internal.h"

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
                entries[at++] = (struct route_entry){ (unsigned int)i, match->host.items[h],
                                                      match->path.items[p], &match->methods, listeners };
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
        if (route_host_problem(entries[i].host) == NULL && route_pattern_problem(entries[i].path) == NULL &&
            methods_are_sound(entries[i].methods) && entries[i].listeners != 0) {
            entries[kept++] = entries[i];
        }
    }
    return kept;
}

static void tell_ambiguous(struct loader *loader, const struct route_entry *entry,
                           const struct route_entry *other)
{
    const struct settings *settings = loader->settings;
    diagnostics_node(loader->diagnostics, DIAGNOSTIC_ERROR, node_of(loader, entry),
                     "%.*s%.*s is ambiguous: route \"%.*s\" (%.*s) takes the same requests",
                     SLICE_ARG(entry->host), SLICE_ARG(entry->path),
                     SLICE_ARG(settings->routes[other->id].name),
                     SLICE_ARG(conf_place_text(conf_node_place(node_of(loader, other)), loader->arena)));
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

struct error check_table(struct loader *loader)
{
    struct route_entry *entries;
    size_t count;
    TRY(route_entries_new(loader->settings, loader->arena, &entries, &count));
    return check_ambiguity(loader, entries, keep_sound(entries, count));
}
