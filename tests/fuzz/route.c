/* Patterns and a path: a path exists in a table of many patterns exactly where it exists in the table of one of them, and
 * what was found is one of those. The first line is the path, each further line a pattern. */
#include <stdlib.h>

#include "route/route.h"

#define CHECK(condition)  \
    do {                  \
        if (!(condition)) \
            abort();      \
    } while (0)

#define PATTERNS_MAX 16

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct route_table *table_of(const struct route_entry *entries, size_t count, struct arena *arena)
{
    struct route_table *table = NULL;
    size_t index, other;
    struct error error = route_table_new(entries, count, arena, &table, &index, &other);
    CHECK(!failed(error) || index < count);
    return failed(error) ? NULL : table;
}

static bool finds(const struct route_table *table, struct slice path, struct route_match *out)
{
    route_find(table, 0, SLICE("a"), path, METHOD_GET, SLICE("GET"), NULL, out);
    CHECK(out->outcome == ROUTE_FOUND || out->outcome == ROUTE_NO_PATH);
    return out->outcome == ROUTE_FOUND;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice rest = slice_of((const char *)data, size), path, pattern;
    if (size == 0 || !slice_next(&rest, '\n', &path)) {
        return 0;
    }
    struct route_entry entries[PATTERNS_MAX];
    bool alone[PATTERNS_MAX];
    size_t count = 0;
    struct arena arena;
    struct route_match match;
    arena_init(&arena, 16 << 20);
    bool any = false;
    while (count < PATTERNS_MAX && slice_next(&rest, '\n', &pattern)) {
        entries[count] = (struct route_entry){
            .id = (unsigned int)count, .host = SLICE("a"), .path = pattern, .listeners = 1
        };
        const struct route_table *one = table_of(&entries[count], 1, &arena);
        CHECK((one == NULL) == (route_pattern_problem(pattern) != NULL));
        if (one != NULL) {
            alone[count] = finds(one, path, &match);
            any = any || alone[count];
            count++;
        }
    }
    const struct route_table *all = count > 0 ? table_of(entries, count, &arena) : NULL;
    if (all != NULL) { /* else two are the same path */
        CHECK(finds(all, path, &match) == any);
        CHECK(!any || alone[match.id]);
        CHECK(!any || match.variables.count == route_pattern_variables(entries[match.id].path, NULL, 0));
    }
    arena_done(&arena);
    return 0;
}
