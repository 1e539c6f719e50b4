/* Spring takes the first route that fits, Sallyport the most specific: a route that stood behind a wider one was never reached. */
#include "cli/import/spring.h"

/* The next of a route's paths; they hold no quotes. False at the end. */
static bool next_path(struct slice *rest, struct slice *ret_path)
{
    struct slice between;
    return slice_next(rest, '"', &between) && slice_next(rest, '"', ret_path);
}

/* Does a path ("/a/{id}", "/a" and two stars) hold whatever another one holds? */
static bool covers(struct slice wide, struct slice path)
{
    struct slice wanted, segment;
    while (slice_next(&wide, '/', &wanted)) {
        if (slice_equal(wanted, SLICE("**"))) {
            return true;
        }
        bool is_variable = slice_starts_with(wanted, SLICE("{"));
        if (!slice_next(&path, '/', &segment) || slice_equal(segment, SLICE("**")) ||
            (!is_variable && !slice_equal(wanted, segment))) {
            return false;
        }
    }
    return path.ptr == NULL;
}

static bool covers_paths(const struct import_route *wide, const struct import_route *route)
{
    struct slice paths = buffer_slice(&route->match[IMPORT_PATH]), path;
    while (next_path(&paths, &path)) {
        struct slice wides = buffer_slice(&wide->match[IMPORT_PATH]), candidate;
        bool found = wides.len == 0;
        while (!found && next_path(&wides, &candidate)) {
            found = covers(candidate, path);
        }
        if (!found) {
            return false;
        }
    }
    return buffer_length(&route->match[IMPORT_PATH]) > 0;
}

/* Nothing but the path, and perhaps the same hosts and methods, says whether the wide one fits. */
static bool hides(const struct import_route *wide, const struct import_route *route)
{
    static const enum import_match narrowing[] = { IMPORT_HOST, IMPORT_METHODS };
    if (wide->conditions > 0 || wide->wider || wide->weight_group.len > 0) {
        return false;
    }
    for (size_t i = 0; i < sizeof narrowing / sizeof narrowing[0]; i++) {
        struct slice own = buffer_slice(&wide->match[narrowing[i]]);
        if (own.len > 0 && !slice_equal(own, buffer_slice(&route->match[narrowing[i]]))) {
            return false;
        }
    }
    return covers_paths(wide, route);
}

/* Whatever fits the one fits the other: `check` would refuse them. */
static bool is_same(const struct import_route *a, const struct import_route *b)
{
    for (size_t i = 0; i < IMPORT_MATCHES; i++) {
        if (!slice_equal(buffer_slice(&a->match[i]), buffer_slice(&b->match[i]))) {
            return false;
        }
    }
    return a->after.len + a->before.len + b->after.len + b->before.len == 0 && b->weight_group.len == 0;
}

void spring_order(struct import *import)
{
    for (struct import_route *route = import->routes; route != NULL; route = route->next) {
        for (const struct import_route *wide = import->routes; wide != route; wide = wide->next) {
            if (hides(wide, route) && is_same(wide, route)) {
                route->hidden = true;
                import_note(import, NULL, route->place,
                            "the route %.*s, which stands behind %.*s and took none of its requests: drop it",
                            SLICE_ARG(route->name), SLICE_ARG(wide->name));
                break;
            }
            if (hides(wide, route)) {
                import_lose(import, route, route->place,
                            "its place behind %.*s, which took all its requests: the most specific route "
                            "goes first, so it serves now; "
                            "drop it, or say who may call it",
                            SLICE_ARG(wide->name));
                break;
            }
        }
    }
}
