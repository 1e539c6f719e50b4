/* The order of filters. Spring numbers those of the whole (default-filters) and those of a route from 1 each, and runs them by number,
 * on ties that of the whole first; what they do to an answer they do in reverse. Here those of `defaults` run before the route's, and all
 * in the order that they are written: where that would change what comes out, each route gets all of them. What the configuration
 * would refuse is noted in its words. */
#include "cli/import/spring.h"

#include "config/reader.h"
#include "config/yaml.h"
#include "route/filter.h"

/* ---- who may swap places ---- */

static bool is_same_field(const struct import_filter *a, const struct import_filter *b)
{
    const struct slice first[] = { a->field, a->source }, second[] = { b->field, b->source };
    for (size_t i = 0; i < 4; i++) {
        if (first[i / 2].len > 0 && slice_equal_nocase(first[i / 2], second[i % 2])) {
            return true;
        }
    }
    return false;
}

static bool may_swap(const struct import_filter *a, const struct import_filter *b)
{
    return a->of_answer != b->of_answer || a->changes != b->changes ||
           (a->changes == IMPORT_CHANGES_FIELD && !is_same_field(a, b));
}

/* Would it make no difference if all of `whole` ran first? */
static bool may_go_first(const struct import_filter *whole, const struct import_filter *list)
{
    for (const struct import_filter *a = whole; a != NULL; a = a->next) {
        for (const struct import_filter *b = list; b != NULL; b = b->next) {
            bool is_later = a->of_answer ? b->turn >= a->turn : b->turn < a->turn;
            if (is_later && !may_swap(a, b)) {
                return false;
            }
        }
    }
    return true;
}

/* Variables are those of a route's path. */
static bool has_variables(const struct import_filter *list)
{
    for (const struct import_filter *one = list; one != NULL; one = one->next) {
        bool is_map = slice_contains(one->text, SLICE(": { "));
        size_t braces = 0;
        for (size_t i = 0; i < one->text.len; i++) {
            braces += one->text.ptr[i] == '{';
        }
        if (braces > (is_map ? 1U : 0U)) {
            return true;
        }
    }
    return false;
}

/* ---- what is refused ---- */

/* They hold no quotes. */
static struct conf_strings paths_of(struct import *import, const struct import_route *route)
{
    struct slice rest = buffer_slice(&route->match[IMPORT_PATH]), between, path;
    size_t quotes = 0;
    for (size_t i = 0; i < rest.len; i++) {
        quotes += rest.ptr[i] == '"';
    }
    struct conf_strings paths = { .items =
                                      arena_calloc(&import->arena, quotes / 2 + 1, sizeof *paths.items) };
    while (paths.items != NULL && slice_next(&rest, '"', &between) && slice_next(&rest, '"', &path)) {
        paths.items[paths.count++] = path;
    }
    if (paths.items != NULL && paths.count == 0) {
        paths.items[paths.count++] = SLICE("/**"); /* as it is written where there is none */
    }
    import->full |= paths.items == NULL;
    return paths;
}

/* Empty, or what `check` would say of it, in `arena` as all that it takes. */
static struct slice problem_of(struct import *import, struct arena *arena, const struct conf_strings *paths,
                               const struct import_filter *filter)
{
    static const struct conf_source source = { .path = SLICE_INIT("") };
    struct diagnostics diagnostics;
    struct places places;
    diagnostics_init(&diagnostics, arena);
    places_init(&places, arena);
    struct conf_reader reader = { .arena = arena, .diagnostics = &diagnostics, .places = &places };
    struct conf_node *node = NULL;
    struct filter_settings settings = { 0 };
    struct error error = yaml_parse(filter->text, &source, &diagnostics, &node);
    if (!failed(error) && node != NULL) {
        error = conf_read(&reader, &filter_object, node, &settings);
    }
    if (!failed(error) && diagnostics.error_count > 0) {
        return diagnostics.first->text;
    }
    struct match_settings match = { .path = *paths };
    const struct filter_route about = { .match = &match };
    struct filter_chain *chain;
    const void *wrong;
    if (!failed(error)) {
        error = filter_chain_new(&(struct conf_list){ &settings, 1 }, &about, arena, &chain, &wrong);
    }
    import->full |= failed(error) && error.kind == ERROR_MEMORY;
    return failed(error) ? slice_from_string(error.what) : SLICE("");
}

/* ---- what is written ---- */

static void put_filter(struct import *import, struct import_route *route, const struct conf_strings *paths,
                       const struct import_filter *filter)
{
    struct arena arena;
    arena_init(&arena, CONFIG_ARENA_MAX);
    struct slice problem = problem_of(import, &arena, paths, filter);
    if (problem.len == 0) {
        import_put(import, &route->filters, "      - %.*s\n", SLICE_ARG(filter->text));
    } else {
        import_note(import, route, filter->place, "the filter %.*s: %.*s", SLICE_ARG(filter->name),
                    SLICE_ARG(problem));
    }
    arena_done(&arena);
}

static size_t count_filters(const struct import_filter *list)
{
    size_t count = 0;
    for (; list != NULL; list = list->next) {
        count++;
    }
    return count;
}

/* Those of requests by their turns, then those of answers in reverse. `whole` may be NULL. */
static void put_turns(struct import *import, struct import_route *route, const struct import_filter *whole)
{
    const struct import_filter *own = route->list;
    const struct import_filter **order =
        arena_calloc(&import->arena, count_filters(whole) + count_filters(own) + 1, sizeof *order);
    if (order == NULL) {
        import->full = true;
        return;
    }
    size_t count = 0;
    while (whole != NULL || own != NULL) {
        bool is_whole = own == NULL || (whole != NULL && whole->turn <= own->turn);
        const struct import_filter **next = is_whole ? &whole : &own;
        order[count++] = *next;
        *next = (*next)->next;
    }
    struct conf_strings paths = paths_of(import, route);
    for (size_t i = 0; i < count; i++) {
        if (!order[i]->of_answer) {
            put_filter(import, route, &paths, order[i]);
        }
    }
    for (size_t i = count; i > 0; i--) {
        if (order[i - 1]->of_answer) {
            put_filter(import, route, &paths, order[i - 1]);
        }
    }
}

void spring_turns(struct import *import)
{
    bool apart = !has_variables(import->defaults.list);
    for (const struct import_route *route = import->routes; route != NULL; route = route->next) {
        apart = apart && may_go_first(import->defaults.list, route->list);
    }
    if (apart) {
        put_turns(import, &import->defaults, NULL);
    }
    for (struct import_route *route = import->routes; route != NULL; route = route->next) {
        put_turns(import, route, apart ? NULL : import->defaults.list);
    }
    import->by_turns = !apart;
}
