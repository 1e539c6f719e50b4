/* What was imported: notes, routes, upstreams; and the configuration that they make. */
#include "cli/import/import.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    NAMES_OF_ROUTES,
    NAMES_OF_UPSTREAMS
};

static void route_init(struct import_route *route)
{
    for (size_t i = 0; i < IMPORT_MATCHES; i++) {
        buffer_init(&route->match[i], CLI_OUTPUT_MAX);
    }
    buffer_init(&route->filters, CLI_OUTPUT_MAX);
    buffer_init(&route->limits, CLI_OUTPUT_MAX);
    buffer_init(&route->rest, CLI_OUTPUT_MAX);
    buffer_init(&route->auth, CLI_OUTPUT_MAX);
    route->last_note = &route->notes;
    route->last_filter = &route->list;
}

static void route_done(struct import_route *route)
{
    for (size_t i = 0; i < IMPORT_MATCHES; i++) {
        buffer_done(&route->match[i]);
    }
    buffer_done(&route->filters);
    buffer_done(&route->limits);
    buffer_done(&route->rest);
    buffer_done(&route->auth);
}

void import_init(struct import *import, struct slice path, struct slice kind)
{
    *import = (struct import){ .source = { .path = path }, .kind = kind };
    arena_init(&import->arena, CONFIG_ARENA_MAX);
    diagnostics_init(&import->diagnostics, &import->arena);
    map_init(&import->names[NAMES_OF_ROUTES]);
    map_init(&import->names[NAMES_OF_UPSTREAMS]);
    map_init(&import->documents);
    import->last_property = &import->properties;
    import->last_route = &import->routes;
    import->last_upstream = &import->upstreams;
    import->last = &import->notes;
    route_init(&import->defaults);
    buffer_init(&import->listeners, CLI_OUTPUT_MAX);
    buffer_init(&import->top, CLI_OUTPUT_MAX);
    buffer_init(&import->ignored, CLI_OUTPUT_MAX);
}

void import_done(struct import *import)
{
    for (struct import_route *route = import->routes; route != NULL; route = route->next) {
        route_done(route);
    }
    for (struct import_upstream *upstream = import->upstreams; upstream != NULL; upstream = upstream->next) {
        buffer_done(&upstream->endpoints);
    }
    route_done(&import->defaults);
    buffer_done(&import->listeners);
    buffer_done(&import->top);
    buffer_done(&import->ignored);
    map_done(&import->names[NAMES_OF_ROUTES]);
    map_done(&import->names[NAMES_OF_UPSTREAMS]);
    map_done(&import->documents);
    arena_done(&import->arena);
}

/* ---- notes ---- */

#define NOTE_MAX 1024

/* Of a text that was cut: without the character at its end, of which a part may be missing. */
static struct slice whole_characters(struct slice text)
{
    while (text.len > 0 && ((unsigned char)text.ptr[text.len - 1] & 0xc0) == 0x80) {
        text.len--;
    }
    text.len -= text.len > 0 && (unsigned char)text.ptr[text.len - 1] >= 0xc0;
    return text;
}

__attribute__((format(printf, 4, 0))) static void note(struct import *import, struct import_route *route,
                                                       struct conf_place place, const char *format,
                                                       va_list arguments)
{
    char text[NOTE_MAX];
    int length = vsnprintf(text, sizeof text, format, arguments);
    struct slice told = slice_from_string(length >= 0 ? text : "?");
    struct slice copy =
        arena_copy(&import->arena, length >= (int)sizeof text ? whole_characters(told) : told);
    struct import_note *made = arena_calloc(&import->arena, 1, sizeof *made);
    if (made == NULL || copy.ptr == NULL) {
        import->full = true;
        return;
    }
    *made = (struct import_note){ .number = import->note_count++, .place = place, .text = copy };
    *import->last = made;
    import->last = &made->next;
    struct import_route *about = route != NULL ? route : &import->defaults;
    *about->last_note = made;
    about->last_note = &made->next_of_route;
}

void import_note(struct import *import, struct import_route *route, struct conf_place place,
                 const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    note(import, route, place, format, arguments);
    va_end(arguments);
}

void import_lose(struct import *import, struct import_route *route, struct conf_place place,
                 const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    note(import, route, place, format, arguments);
    va_end(arguments);
    route->wider = true;
}

static int by_place(const void *a, const void *b)
{
    const struct import_note *first = *(const struct import_note *const *)a,
                             *second = *(const struct import_note *const *)b;
    if (first->place.line != second->place.line) {
        return first->place.line < second->place.line ? -1 : 1;
    }
    if (first->place.column != second->place.column) {
        return first->place.column < second->place.column ? -1 : 1;
    }
    return first->number < second->number ? -1 : 1;
}

bool import_print_notes(struct import *import, struct buffer *out)
{
    const struct import_note **notes = arena_calloc(&import->arena, import->note_count + 1, sizeof *notes);
    if (notes == NULL) {
        return false;
    }
    size_t count = 0;
    for (const struct import_note *one = import->notes; one != NULL; one = one->next) {
        notes[count++] = one;
    }
    qsort((void *)notes, count, sizeof *notes, by_place);
    bool good = true;
    for (size_t i = 0; i < count && good; i++) {
        good = buffer_printf(out, "%.*s:%u:%u: not carried over: ", SLICE_ARG(import->source.path),
                             notes[i]->place.line, notes[i]->place.column) &&
               import_show(out, notes[i]->text) && buffer_append_char(out, '\n');
    }
    return good;
}

/* ---- routes and upstreams ---- */

struct import_filter *import_add_filter(struct import *import, struct import_route *route,
                                        const struct import_filter *filter)
{
    struct import_filter *made = arena_calloc(&import->arena, 1, sizeof *made);
    if (made == NULL || filter->text.ptr == NULL) {
        import->full = true;
        return NULL;
    }
    *made = *filter;
    *route->last_filter = made;
    route->last_filter = &made->next;
    return made;
}

#define NUMBER_MAX_BYTES 8 /* "-", and as many digits as the number of routes has */

/* A name that nothing else of its kind has. */
static struct slice take_name(struct import *import, struct map *names, struct slice text, void *owner)
{
    struct slice wanted = import_name(import, text);
    struct slice name = wanted;
    for (size_t i = names->count; name.len > 0 && map_get(names, name) != NULL; i++) {
        struct slice stem = slice_part(wanted, 0, IMPORT_NAME_MAX - NUMBER_MAX_BYTES);
        name = arena_printf(&import->arena, "%.*s-%zu", SLICE_ARG(stem), i + 1);
    }
    import->full |= name.len == 0 || !map_put(names, name, owner);
    return name;
}

struct import_route *import_add_route(struct import *import, struct slice name, struct conf_place place)
{
    struct import_route *route = arena_calloc(&import->arena, 1, sizeof *route);
    if (route == NULL || import->route_count == IMPORT_ROUTES_MAX) {
        import->full = true;
        return NULL;
    }
    import->route_count++;
    route_init(route);
    route->place = place;
    route->name = take_name(import, &import->names[NAMES_OF_ROUTES], name, route);
    *import->last_route = route;
    import->last_route = &route->next;
    return route;
}

struct import_upstream *import_add_upstream(struct import *import, struct slice name, struct slice source)
{
    for (struct import_upstream *known = import->upstreams; known != NULL; known = known->next) {
        if (slice_equal(known->source, source)) {
            return known;
        }
    }
    struct import_upstream *upstream = arena_calloc(&import->arena, 1, sizeof *upstream);
    if (upstream == NULL) {
        import->full = true;
        return NULL;
    }
    buffer_init(&upstream->endpoints, CLI_OUTPUT_MAX);
    upstream->source = source;
    upstream->name = take_name(import, &import->names[NAMES_OF_UPSTREAMS], name, upstream);
    *import->last_upstream = upstream;
    import->last_upstream = &upstream->next;
    return upstream;
}

static bool is_host(struct slice host)
{
    for (size_t i = 0; i < host.len; i++) {
        char c = host.ptr[i];
        if (!ascii_is_alpha(c) && !ascii_is_digit(c) && c != '-' && c != '.' && c != '_' && c != ':' &&
            c != '[' && c != ']') {
            return false;
        }
    }
    return host.len > 0;
}

bool import_endpoint(struct import *import, struct slice uri, struct slice *ret_endpoint,
                     struct slice *ret_host)
{
    static const struct {
        struct slice prefix;
        const char *scheme;
        unsigned int port;
    } schemes[] = {
        { SLICE_INIT("http://"), "http", 80 },
        { SLICE_INIT("ws://"), "http", 80 },
        { SLICE_INIT("https://"), "https", 443 },
        { SLICE_INIT("wss://"), "https", 443 },
    };
    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
        if (uri.len <= schemes[i].prefix.len ||
            !slice_equal_nocase(slice_part(uri, 0, schemes[i].prefix.len), schemes[i].prefix)) {
            continue;
        }
        struct slice rest = slice_from(uri, schemes[i].prefix.len);
        struct slice host = SLICE_NONE;
        if (!slice_next(&rest, '/', &host)) {
            return false;
        }
        ssize_t at = slice_find_last(host, '@');
        host = at >= 0 ? slice_from(host, (size_t)at + 1) : host;
        if (!is_host(host)) {
            return false;
        }
        ssize_t colon = slice_find_last(host, ':');
        bool has_port = colon >= 0 && !slice_ends_with(host, SLICE("]"));
        *ret_host = host;
        *ret_endpoint = has_port
                            ? arena_printf(&import->arena, "%s://%.*s", schemes[i].scheme, SLICE_ARG(host))
                            : arena_printf(&import->arena, "%s://%.*s:%u", schemes[i].scheme, SLICE_ARG(host),
                                           schemes[i].port);
        import->full |= ret_endpoint->ptr == NULL;
        return ret_endpoint->ptr != NULL;
    }
    return false;
}
