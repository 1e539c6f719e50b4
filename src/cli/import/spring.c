/* Routes of Spring Cloud Gateway, of both generations of its properties. */
#include "cli/import/spring.h"

/* ---- where a route leads ---- */

/* The instances that the file names for a service; false: none. */
static bool take_instances(struct import *import, struct import_upstream *upstream, struct slice service)
{
    char name[160];
    struct slice canonical = spring_canonical(import, service);
    int length = snprintf(name, sizeof name, "spring.cloud.discovery.client.simple.instances.%.*s",
                          SLICE_ARG(canonical));
    const struct conf_node *list = length < (int)sizeof name ? spring_property(import, name) : NULL;
    for (size_t i = 0; list != NULL && list->type == CONF_NODE_SEQUENCE && i < list->count; i++) {
        struct slice endpoint, host;
        struct slice uri = spring_text(import, NULL, conf_node_get(list->items[i], SLICE("uri")));
        if (import_endpoint(import, uri, &endpoint, &host)) {
            import_put_item(import, &upstream->endpoints, endpoint);
        } else {
            import_note(import, NULL, list->items[i]->place,
                        "an instance without an http or https \"uri\": add it to upstreams.%.*s",
                        SLICE_ARG(upstream->name));
        }
    }
    return buffer_length(&upstream->endpoints) > 0;
}

static void take_service(struct import *import, struct import_route *route, const struct conf_node *node,
                         struct slice service)
{
    service = import_name(import, service);
    struct slice source = ARENA_CONCAT(&import->arena, SLICE("lb://"), service);
    route->upstream = import_add_upstream(import, service, source);
    if (route->upstream == NULL || buffer_length(&route->upstream->endpoints) > 0) {
        return;
    }
    if (!take_instances(import, route->upstream, service)) {
        struct slice guess = ARENA_CONCAT(&import->arena, SLICE("http://"), service, SLICE(":80"));
        import_put_item(import, &route->upstream->endpoints, guess);
        import_note(import, route, node->place,
                    "the registry that knows lb://%.*s: name its servers in upstreams.%.*s.endpoints; its "
                    "name is taken for a host's",
                    SLICE_ARG(service), SLICE_ARG(route->upstream->name));
    }
}

static void take_uri(struct import *import, struct import_route *route, const struct conf_node *node)
{
    struct slice uri = spring_text(import, route, node), endpoint, host;
    if (slice_starts_with(uri, SLICE("no://"))) {
        return; /* a filter answers */
    }
    route->websocket = slice_starts_with(uri, SLICE("ws")) || slice_starts_with(uri, SLICE("lb:ws"));
    if (slice_starts_with(uri, SLICE("lb:"))) {
        ssize_t slash = slice_find_last(uri, '/');
        take_service(import, route, node, slice_from(uri, slash >= 0 ? (size_t)slash + 1 : 3));
    } else if (import_endpoint(import, uri, &endpoint, &host)) {
        route->upstream = import_add_upstream(import, route->name, endpoint);
        if (route->upstream != NULL && route->upstream->host_header.len == 0) {
            import_put_item(import, &route->upstream->endpoints, endpoint);
            route->upstream->host_header =
                host; /* Spring tells a service its own name, unless PreserveHostHeader */
        }
    } else {
        import_note(import, route, node != NULL ? node->place : route->place,
                    "uri %.*s: name the servers in an upstream, and that in the route", SLICE_ARG(uri));
    }
}

/* ---- routes ---- */

static void tell_unused(struct import *import, struct import_route *route, const struct spring_call *call)
{
    for (size_t i = 0; i < call->count; i++) {
        const struct spring_argument *argument = &call->arguments[i];
        if (!argument->used) {
            import_note(import, route, call->place, "of %.*s the argument %.*s%s%.*s: there is none like it",
                        SLICE_ARG(call->name), SLICE_ARG(argument->name), argument->name.len > 0 ? "=" : "",
                        SLICE_ARG(argument->value));
        }
    }
}

static void take_calls(struct import *import, struct import_route *route, const struct conf_node *list,
                       void (*take)(struct import *, struct import_route *, struct spring_call *))
{
    if (list == NULL) {
        return;
    }
    if (list->type != CONF_NODE_SEQUENCE) {
        import_lose(import, route, list->place, "this is no list: write one entry a line, behind \"-\"");
        return;
    }
    for (size_t i = 0; i < list->count; i++) {
        struct spring_call call;
        if (!spring_read_call(import, route, list->items[i], &call)) {
            continue;
        }
        size_t notes = import->note_count;
        take(import, route, &call);
        if (import->note_count == notes) { /* else it was told about as a whole */
            tell_unused(import, route, &call);
            route->wider |= take == spring_predicate && import->note_count > notes;
        }
    }
}

static void take_metadata(struct import *import, struct import_route *route, const struct conf_node *map)
{
    for (size_t i = 0; map != NULL && i < map->count; i++) {
        const struct conf_node *item = map->items[i];
        struct slice name = spring_canonical(import, item->key);
        struct slice time = spring_duration(import, spring_text(import, route, item), "ms");
        if (slice_equal(name, SLICE("responsetimeout")) && time.ptr != NULL &&
            !slice_contains(buffer_slice(&route->rest), SLICE("    timeout:"))) {
            import_put(import, &route->rest, "    timeout: %.*s\n", SLICE_ARG(time));
        } else {
            import_note(import, route, conf_node_place(item),
                        "metadata %.*s: a time-out of connections is the upstream's \"connect_timeout\"; "
                        "else there is none like it",
                        SLICE_ARG(item->key));
        }
    }
}

static void take_route(struct import *import, const struct conf_node *node, size_t number)
{
    struct slice id = spring_text(import, NULL, conf_node_get(node, SLICE("id")));
    if (id.len == 0) {
        id = arena_printf(&import->arena, "route-%zu", number);
    }
    struct import_route *route = import_add_route(import, id, node->place);
    if (route == NULL) {
        return;
    }
    static const char *const known[] = { "id", "uri", "predicates", "filters", "metadata", "order" };
    for (size_t i = 0; node->type == CONF_NODE_MAPPING && i < node->count; i++) {
        bool found = false;
        for (size_t k = 0; k < sizeof known / sizeof known[0]; k++) {
            found |= slice_equal(node->items[i]->key, slice_from_string(known[k]));
        }
        if (!found) {
            import_lose(import, route, node->items[i]->key_place, "%.*s: there is none like it",
                        SLICE_ARG(node->items[i]->key));
        }
    }
    take_uri(import, route, conf_node_get(node, SLICE("uri")));
    const struct conf_node *predicates = conf_node_get(node, SLICE("predicates"));
    if (predicates == NULL || predicates->count == 0) {
        import_lose(import, route, node->place,
                    "a route without predicates: say in \"match\" what it serves");
    }
    take_calls(import, route, predicates, spring_predicate);
    take_calls(import, route, conf_node_get(node, SLICE("filters")), spring_filter);
    take_metadata(import, route, conf_node_get(node, SLICE("metadata")));
    const struct conf_node *order = conf_node_get(node, SLICE("order"));
    if (order != NULL && !slice_equal(order->text, SLICE("0"))) {
        import_note(import, route, conf_node_place(order),
                    "order: the most specific host, path and method goes first, whatever its place; among "
                    "routes of the same, \"priority\" says which");
    }
    if (route->upstream != NULL) {
        route->upstream->breaker |= route->breaker;
    }
}

static void take_routes(struct import *import)
{
    static const char *const names[] = { "spring.cloud.gateway.routes",
                                         "spring.cloud.gateway.server.webflux.routes",
                                         "spring.cloud.gateway.server.webmvc.routes",
                                         "spring.cloud.gateway.mvc.routes" };
    size_t number = 0;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const struct conf_node *list = spring_property(import, names[i]);
        for (size_t k = 0; list != NULL && k < list->count; k++) {
            take_route(import, list->items[k], ++number);
        }
        if (list != NULL && list->type == CONF_NODE_SCALAR) {
            import_note(import, NULL, list->place, "routes: a list is wanted here");
        }
    }
}

/* ---- the rest ---- */

static void take_client(struct import *import)
{
    const struct conf_node *node = spring_gateway_property(import, "httpclient.responsetimeout");
    struct slice time = spring_duration(import, spring_text(import, NULL, node), "ms");
    if (time.ptr != NULL) {
        import_put(import, &import->defaults.rest, "    timeout: %.*s\n", SLICE_ARG(time));
    } else if (node != NULL) {
        import_note(import, NULL, conf_node_place(node),
                    "httpclient.response-timeout: write \"timeout\" in \"defaults\"");
    }
}

/* What else the file says: of what guards requests all, of the rest by its first name. */
static void tell_rest(struct import *import)
{
    static const char *const near[] = { "spring.cloud.gateway.", "spring.security.", "server.",
                                        "resilience4j." };
    struct slice last = SLICE("");
    for (const struct import_property *one = import->properties; one != NULL; one = one->next) {
        bool is_near = false;
        for (size_t i = 0; i < sizeof near / sizeof near[0]; i++) {
            is_near |= slice_starts_with(one->name, slice_from_string(near[i]));
        }
        if (one->used) {
            continue;
        }
        if (is_near) {
            import_note(import, NULL, conf_node_place(one->node),
                        "%.*s: there is none like it, or it is said elsewhere; see docs/import.md",
                        SLICE_ARG(one->shown));
            continue;
        }
        ssize_t dot = slice_find(one->shown, '.');
        struct slice first = dot > 0 ? slice_part(one->shown, 0, (size_t)dot) : one->shown;
        if (slice_equal(first, SLICE("spring"))) {
            first = one->shown;
        }
        if (!slice_equal(first, last)) {
            import_put(import, &import->ignored, "%s%.*s", last.len > 0 ? ", " : "", SLICE_ARG(first));
            last = first;
        }
    }
}

struct error import_spring(struct import *import, struct slice text)
{
    TRY(spring_read(import, text));
    if (import->diagnostics.error_count > 0) {
        return OK;
    }
    spring_server(import);
    spring_security(import);
    take_calls(import, &import->defaults, spring_gateway_property(import, "defaultfilters"), spring_filter);
    take_client(import);
    take_routes(import);
    spring_order(import);
    tell_rest(import);
    if (import->routes == NULL) {
        diagnostics_add(&import->diagnostics, DIAGNOSTIC_ERROR, (struct conf_place){ &import->source, 1, 1 },
                        "there are no routes: spring.cloud.gateway.routes, or "
                        "spring.cloud.gateway.server.webflux.routes, is wanted");
    }
    return OK;
}
