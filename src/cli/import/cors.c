/* CORS of Spring: `globalcors` for one or more paths, and `cors` of a route's metadata. */
#include "cli/import/spring.h"

/* `cors`, as it is put together. */
struct cors {
    struct buffer origins, methods, headers, expose; /* items of lists */
    uint64_t max_age;                                /* ms */
    bool credentials, any_origin, told;
};

static void open_cors(struct cors *cors)
{
    *cors = (struct cors){ .max_age = 0 };
    struct buffer *buffers[] = { &cors->origins, &cors->methods, &cors->headers, &cors->expose };
    for (size_t i = 0; i < sizeof buffers / sizeof buffers[0]; i++) {
        buffer_init(buffers[i], IMPORT_VALUE_MAX);
    }
}

static void close_cors(struct cors *cors)
{
    struct buffer *buffers[] = { &cors->origins, &cors->methods, &cors->headers, &cors->expose };
    for (size_t i = 0; i < sizeof buffers / sizeof buffers[0]; i++) {
        buffer_done(buffers[i]);
    }
}

/* ---- what is said ---- */

/* Each text of a list, or between commas; "*" stands alone, and is not put where it has no meaning of its own. */
static bool put_list(struct import *import, struct import_route *route, const struct conf_node *node,
                     bool with_star, struct buffer *out)
{
    bool has_star = false;
    size_t count = node->type == CONF_NODE_SEQUENCE ? node->count : 1;
    for (size_t i = 0; i < count; i++) {
        struct slice rest =
            spring_text(import, route, node->type == CONF_NODE_SEQUENCE ? node->items[i] : node);
        struct slice item;
        while (rest.len > 0 && slice_next(&rest, ',', &item)) {
            item = slice_trim(item);
            bool is_star = slice_equal(item, SLICE("*"));
            has_star |= is_star;
            if (item.len > 0 && (with_star || !is_star)) {
                import_put_item(import, out, item);
            }
        }
    }
    return has_star;
}

static void take_entry(struct import *import, struct import_route *route, struct cors *cors, struct slice key,
                       const struct conf_node *node)
{
    ssize_t bracket = slice_find(key, '[');
    struct slice name = spring_canonical(import, bracket > 0 ? slice_part(key, 0, (size_t)bracket) : key);
    struct conf_place place = conf_node_place(node);
    if (slice_equal(name, SLICE("allowedorigins"))) {
        cors->any_origin |= put_list(import, route, node, true, &cors->origins);
    } else if (slice_equal(name, SLICE("allowedmethods"))) {
        (void)put_list(import, route, node, false, &cors->methods); /* all: those of the route */
    } else if (slice_equal(name, SLICE("allowedheaders"))) {
        if (put_list(import, route, node, false, &cors->headers)) {
            import_note(import, route, place,
                        "allowedHeaders \"*\" of CORS: name in cors.headers those that pages send, as in "
                        "[Authorization, Content-Type]");
        }
    } else if (slice_equal(name, SLICE("exposedheaders"))) {
        if (put_list(import, route, node, false, &cors->expose)) {
            import_note(import, route, place,
                        "exposedHeaders \"*\" of CORS: name in cors.expose those that pages read");
        }
    } else if (slice_equal(name, SLICE("allowcredentials"))) {
        cors->credentials = slice_equal(spring_text(import, route, node), SLICE("true"));
    } else if (slice_equal(name, SLICE("maxage"))) {
        if (!spring_milliseconds(import, spring_text(import, route, node), "s", &cors->max_age)) {
            import_note(import, route, place, "maxAge of CORS: write cors.max_age, as in 1h");
        }
    } else {
        cors->told = true;
        import_note(import, route, place,
                    "%.*s of CORS: name each origin in cors.origins, as browsers send it", SLICE_ARG(key));
    }
}

/* ---- what is written ---- */

static void put_items(struct import *import, struct import_route *route, const char *key,
                      const struct buffer *items)
{
    if (buffer_length(items) > 0) {
        import_put(import, &route->rest, "      %s: [%.*s]\n", key, SLICE_ARG(buffer_slice(items)));
    }
}

#define DAY_MS (UINT64_C(86400) * 1000)

static void put_cors(struct import *import, struct import_route *route, const struct cors *cors,
                     struct conf_place place)
{
    if (buffer_length(&cors->origins) == 0 || (cors->any_origin && cors->credentials)) {
        if (!cors->told) {
            import_note(import, route, place,
                        "CORS %s: name each origin in cors.origins, as in https://shop.example.com",
                        cors->any_origin ? "with credentials for every origin" : "without origins");
        }
        return;
    }
    import_put(import, &route->rest, "    cors:\n");
    put_items(import, route, "origins", &cors->origins);
    put_items(import, route, "methods", &cors->methods);
    put_items(import, route, "headers", &cors->headers);
    put_items(import, route, "expose", &cors->expose);
    if (cors->credentials) {
        import_put(import, &route->rest, "      credentials: true\n");
    }
    if (cors->max_age > 0) {
        uint64_t most = cors->max_age < DAY_MS ? cors->max_age : DAY_MS;
        import_put(import, &route->rest, "      max_age: %llus\n", (unsigned long long)(most / 1000));
    }
}

#define CONFIGURATIONS "globalcors.corsconfigurations."

/* What stands behind the path of a property of cors-configurations; ptr NULL: it is none of these. *ret_all: it is every path. */
static struct slice global_key(const struct import_property *property, bool *ret_all)
{
    static const struct slice prefixes[] = { SLICE_INIT(
                                                 "spring.cloud.gateway.server.webflux." CONFIGURATIONS),
                                             SLICE_INIT("spring.cloud.gateway." CONFIGURATIONS) };
    static const struct slice all[] = { SLICE_INIT("[/**]."), SLICE_INIT("/**.") };
    for (size_t i = 0; i < 2; i++) {
        if (!slice_starts_with(property->name, prefixes[i])) {
            continue;
        }
        struct slice rest = slice_from(property->name, prefixes[i].len);
        for (size_t k = 0; k < 2; k++) {
            if (slice_starts_with(rest, all[k])) {
                *ret_all = true;
                return slice_from(rest, all[k].len);
            }
        }
        *ret_all = false;
        return rest;
    }
    return SLICE_NONE;
}

void spring_global_cors(struct import *import)
{
    struct cors cors;
    open_cors(&cors);
    struct conf_place place = { 0 };
    for (struct import_property *one = import->properties; one != NULL; one = one->next) {
        bool is_all = false;
        struct slice key = global_key(one, &is_all);
        if (key.ptr == NULL) {
            continue;
        }
        one->used = true;
        if (is_all) {
            place = place.source == NULL ? conf_node_place(one->node) : place;
            take_entry(import, &import->defaults, &cors, key, one->node);
        } else {
            import_note(import, NULL, conf_node_place(one->node),
                        "%.*s: write \"cors\" at the routes of that path", SLICE_ARG(one->shown));
        }
    }
    if (place.source != NULL) {
        put_cors(import, &import->defaults, &cors, place);
    }
    close_cors(&cors);
}

void spring_route_cors(struct import *import, struct import_route *route, const struct conf_node *map)
{
    struct cors cors;
    open_cors(&cors);
    for (size_t i = 0; map->type == CONF_NODE_MAPPING && i < map->count; i++) {
        take_entry(import, route, &cors, map->items[i]->key, map->items[i]);
    }
    put_cors(import, route, &cors, conf_node_place(map));
    close_cors(&cors);
}
