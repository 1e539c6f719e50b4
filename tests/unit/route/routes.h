/* Tables out of short lines, shared by the tests of this room. */
#ifndef SALLYPORT_TESTS_ROUTE_ROUTES_H
#define SALLYPORT_TESTS_ROUTE_ROUTES_H

#include "route/route.h"
#include "unit.h"

#define ROUTES_MAX 32

/* "host path METHOD,METHOD"; without methods: every one. */
struct routes {
    struct arena arena;
    struct route_entry entries[ROUTES_MAX];
    struct conf_strings methods[ROUTES_MAX];
    size_t count;
    struct route_table *table;
    size_t index, other;
};

static inline void routes_add_on(struct routes *routes, uint64_t listeners, const char *line)
{
    struct slice rest = slice_from_string(line), host, path, list = SLICE_NONE, method;
    assert_true(routes->count < ROUTES_MAX);
    assert_true(slice_next(&rest, ' ', &host));
    assert_true(slice_next(&rest, ' ', &path));
    struct conf_strings *methods = &routes->methods[routes->count];
    if (slice_next(&rest, ' ', &list)) {
        methods->items = arena_calloc(&routes->arena, 16, sizeof *methods->items);
        while (slice_next(&list, ',', &method)) {
            methods->items[methods->count++] = method;
        }
    }
    routes->entries[routes->count] = (struct route_entry){
        .id = (unsigned int)routes->count,
        .host = host,
        .path = path,
        .methods = methods,
        .listeners = listeners,
    };
    routes->count++;
}

static inline void routes_init(struct routes *routes)
{
    memset(routes, 0, sizeof *routes);
    arena_init(&routes->arena, 64 << 20);
}

static inline struct error routes_try(struct routes *routes)
{
    return route_table_new(routes->entries, routes->count, &routes->arena, &routes->table, &routes->index,
                           &routes->other);
}

/* All on listener 0; ended by NULL. */
static inline void routes_make(struct routes *routes, const char *const *lines)
{
    routes_init(routes);
    for (; *lines != NULL; lines++) {
        routes_add_on(routes, 1, *lines);
    }
    assert_ok(routes_try(routes));
}

static inline void routes_done(struct routes *routes)
{
    arena_done(&routes->arena);
}

static inline struct route_match routes_find_on(const struct routes *routes, unsigned int listener,
                                                const char *method, const char *host, const char *path)
{
    struct route_match match;
    struct slice text = slice_from_string(method);
    route_find(routes->table, listener, slice_from_string(host), slice_from_string(path),
               http_method_of(text), text, NULL, &match);
    return match;
}

static inline struct route_match routes_find(const struct routes *routes, const char *method,
                                             const char *host, const char *path)
{
    return routes_find_on(routes, 0, method, host, path);
}

#define assert_found(match_, id_)                      \
    do {                                               \
        struct route_match found_ = (match_);          \
        assert_int_equal(found_.outcome, ROUTE_FOUND); \
        assert_int_equal(found_.id, (id_));            \
    } while (0)
#define assert_outcome(match_, outcome_) assert_int_equal((match_).outcome, (outcome_))

#endif
