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
    ssize_t colon = slice_find(service, ':'); /* a registry knows the port, and Spring reads none here */
    service = import_name(import, colon >= 0 ? slice_part(service, 0, (size_t)colon) : service);
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
        if (slice_find(slice_part(uri, 0, (size_t)(host.ptr - uri.ptr)), '@') >= 0) {
            import_note(import, route, node->place,
                        "the user and the password in its uri, which reach no service: with Spring neither");
        }
        route->upstream = import_add_upstream(import, route->name, endpoint);
        if (route->upstream != NULL && route->upstream->host_header.len == 0) {
            import_put_item(import, &route->upstream->endpoints, endpoint);
            route->upstream->host_header =
                host; /* Spring tells a service its own name, unless PreserveHostHeader */
        }
    } else {
        bool is_forward = slice_starts_with(uri, SLICE("forward:"));
        import_note(import, route, node != NULL ? node->place : route->place, "uri %.*s: %s",
                    SLICE_ARG(import_show_uri(import, uri)),
                    is_forward
                        ? "what Spring answered by itself there has no place here: name an upstream that "
                          "does, or leave the route out"
                        : "name the servers in an upstream, and that in the route");
    }
}

/* Nobody answers: neither an upstream nor a redirect. */
static void tell_unanswered(struct import *import, struct import_route *route, const struct conf_node *uri)
{
    bool redirects = false;
    for (const struct import_filter *one = route->list; one != NULL; one = one->next) {
        redirects |= one->changes == IMPORT_CHANGES_TARGET;
    }
    if (route->upstream == NULL && !redirects &&
        slice_starts_with(spring_text(import, route, uri), SLICE("no://"))) {
        import_note(
            import, route, uri->place,
            "an answer without an upstream, but for RedirectTo: name an upstream that gives it, or leave the "
            "route out (what no route serves is 404)");
    }
}

/* ---- routes ---- */

/* Without the values: who knows what stands there. */
static void tell_unused(struct import *import, struct import_route *route, const struct spring_call *call)
{
    struct slice last = SLICE("");
    for (size_t i = 0; i < call->count; i++) {
        const struct spring_argument *argument = &call->arguments[i];
        if (argument->used || (argument->name.len > 0 && slice_equal(argument->name, last))) {
            continue;
        }
        last = argument->name;
        if (argument->name.len > 0) {
            import_note(import, route, call->place, "%.*s of %.*s: there is none like it",
                        SLICE_ARG(argument->shown), SLICE_ARG(call->name));
        } else {
            import_note(import, route, call->place, "value %zu of %.*s: there is none like it", i + 1,
                        SLICE_ARG(call->name));
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
        route->turn = (unsigned int)i + 1;
        take(import, route, &call);
        size_t notes = import->note_count;
        if (!call.told) {
            tell_unused(import, route, &call);
            route->wider |= take == spring_predicate && import->note_count > notes;
        }
    }
}

#define CONNECT_TIMEOUT_MAX_MS 600000

/* A time-out of connections is the upstream's, and so one for all routes that lead there. */
static void take_connect_timeout(struct import *import, struct import_route *route,
                                 const struct conf_node *item)
{
    uint64_t time = 0;
    bool good = spring_milliseconds(import, spring_text(import, route, item), "ms", &time) && time > 0 &&
                time <= CONNECT_TIMEOUT_MAX_MS;
    struct slice text = arena_printf(&import->arena, "%llums", (unsigned long long)time);
    struct import_upstream *upstream = route->upstream;
    if (good && upstream != NULL &&
        (upstream->connect_timeout.len == 0 || slice_equal(upstream->connect_timeout, text))) {
        upstream->connect_timeout = text;
    } else {
        import_note(import, route, conf_node_place(item),
                    "metadata %.*s: write \"connect_timeout\" of the upstream, for all of its routes",
                    SLICE_ARG(item->key));
    }
}

static void take_metadata(struct import *import, struct import_route *route, const struct conf_node *map)
{
    for (size_t i = 0; map != NULL && i < map->count; i++) {
        const struct conf_node *item = map->items[i];
        struct slice name = spring_canonical(import, item->key);
        if (slice_equal(name, SLICE("responsetimeout"))) {
            if (!spring_milliseconds(import, spring_text(import, route, item), "ms", &route->timeout)) {
                import_note(import, route, conf_node_place(item),
                            "metadata %.*s: write \"timeout\", at most 1h: a request always has one",
                            SLICE_ARG(item->key));
            }
        } else if (slice_equal(name, SLICE("connecttimeout"))) {
            take_connect_timeout(import, route, item);
        } else if (slice_equal(name, SLICE("cors"))) {
            spring_route_cors(import, route, item);
        } else {
            import_note(import, route, conf_node_place(item),
                        "metadata %.*s, which nothing here reads: drop it", SLICE_ARG(item->key));
        }
    }
}

static void take_parts(struct import *import, struct import_route *route, const struct conf_node *node)
{
    const struct conf_node *uri = conf_node_get(node, SLICE("uri"));
    take_uri(import, route, uri);
    const struct conf_node *predicates = conf_node_get(node, SLICE("predicates"));
    if (predicates == NULL || predicates->count == 0) {
        import_lose(import, route, node->place,
                    "a route without predicates: say in \"match\" what it serves");
    }
    take_calls(import, route, predicates, spring_predicate);
    struct slice methods = buffer_slice(&route->match[IMPORT_METHODS]);
    if (route->websocket && methods.len > 0 && !slice_contains(methods, SLICE("\"GET\""))) {
        import_note(import, route, route->place,
                    "WebSockets: their handshake is a GET, which it does not serve");
        route->websocket = false;
    }
    take_calls(import, route, conf_node_get(node, SLICE("filters")), spring_filter);
    tell_unanswered(import, route, uri);
    take_metadata(import, route, conf_node_get(node, SLICE("metadata")));
    spring_put_timing(import, route, import->defaults.timeout);
}

/* It is the upstream's, and so one for all routes that lead there. */
static void give_breaker(struct import *import, struct import_route *route)
{
    struct import_upstream *upstream = route->upstream;
    if (upstream == NULL || route->breaker.len == 0) {
        return;
    }
    if (upstream->breaker.len == 0) {
        upstream->breaker = route->breaker;
    } else if (!slice_equal(upstream->breaker, route->breaker)) {
        import_note(import, route, route->place,
                    "its CircuitBreaker, %.*s: %.*s has one of other settings already, for all of its routes",
                    SLICE_ARG(route->breaker), SLICE_ARG(upstream->name));
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
    take_parts(import, route, node);
    const struct conf_node *order = conf_node_get(node, SLICE("order"));
    if (order != NULL && !slice_equal(order->text, SLICE("0"))) {
        import_note(import, route, conf_node_place(order),
                    "order: the most specific host, path and method goes first, whatever its place; among "
                    "routes of the same, \"priority\" says which");
    }
    give_breaker(import, route);
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
    uint64_t time = 0;
    const struct conf_node *node = spring_gateway_property(import, "httpclient.responsetimeout");
    node = node != NULL ? node : spring_gateway_property(import, "httpclient.readtimeout"); /* of webmvc */
    if (node != NULL && !spring_milliseconds(import, spring_text(import, NULL, node), "ms", &time)) {
        import_note(import, NULL, conf_node_place(node),
                    "httpclient.response-timeout, or read-timeout: write \"timeout\" in \"defaults\"");
    }
    import->defaults.timeout = time;
    time = 0;
    node = spring_gateway_property(import, "httpclient.connecttimeout");
    if (node != NULL && spring_milliseconds(import, spring_text(import, NULL, node), "ms", &time) &&
        time > 0 && time <= CONNECT_TIMEOUT_MAX_MS) {
        import->connect_timeout = arena_printf(&import->arena, "%llums", (unsigned long long)time);
    } else if (node != NULL) {
        import_note(import, NULL, conf_node_place(node),
                    "httpclient.connect-timeout: write \"connect_timeout\" of the upstreams");
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
            const char *advice = spring_advice_property(one->name);
            import_note(import, NULL, conf_node_place(one->node), "%.*s: %s", SLICE_ARG(one->shown),
                        advice != NULL ? advice : "there is none like it; see docs/configuration.md");
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
    take_client(import);
    take_calls(import, &import->defaults, spring_gateway_property(import, "defaultfilters"), spring_filter);
    spring_put_timing(import, &import->defaults, 0);
    spring_global_cors(import);
    take_routes(import);
    spring_order(import);
    spring_turns(import);
    tell_rest(import);
    if (import->routes == NULL) {
        diagnostics_add(&import->diagnostics, DIAGNOSTIC_ERROR, (struct conf_place){ &import->source, 1, 1 },
                        "there are no routes: spring.cloud.gateway.routes, or "
                        "spring.cloud.gateway.server.webflux.routes, is wanted");
    }
    return OK;
}
