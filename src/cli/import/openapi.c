/* Routes of an OpenAPI description (3.0, 3.1): an operation is a route, and what its `security` asks for is its auth. */
#include "cli/import/openapi.h"

#include "config/yaml.h"
#include "route/route.h"

/* ---- where it is served ---- */

/* Puts the defaults of a server's variables into its URL. */
static struct slice fill_variables(struct import *import, const struct conf_node *server, struct slice url)
{
    struct buffer out;
    buffer_init(&out, IMPORT_VALUE_MAX);
    const struct conf_node *variables = conf_node_get(server, SLICE("variables"));
    for (size_t at = 0; at < url.len;) {
        ssize_t end = url.ptr[at] == '{' ? slice_find(slice_from(url, at), '}') : -1;
        struct slice name = end > 0 ? slice_part(url, at + 1, (size_t)end - 1) : SLICE_NONE;
        const struct conf_node *variable = end > 0 ? conf_node_get(variables, name) : NULL;
        const struct conf_node *standard = conf_node_get(variable, SLICE("default"));
        const struct conf_node *choices = conf_node_get(variable, SLICE("enum"));
        bool found = standard != NULL && standard->type == CONF_NODE_SCALAR;
        if (found && choices != NULL && choices->count > 1) {
            import_note(import, NULL, conf_node_place(choices),
                        "the other values of {%.*s} in a server's url: \"%.*s\" is written, its default; add "
                        "what the others make of the url to \"host\", or as routes of their own",
                        SLICE_ARG(name), SLICE_ARG(standard->text));
        }
        import->full |= !buffer_append(&out, found ? standard->text : slice_part(url, at, 1));
        at += found ? (size_t)end + 1 : 1;
    }
    struct slice filled = arena_copy(&import->arena, buffer_slice(&out));
    buffer_done(&out);
    import->full |= filled.ptr == NULL;
    return filled.ptr != NULL ? filled : SLICE("");
}

struct place_served {
    struct buffer hosts;
    struct slice base; /* of paths, without a slash at its end */
};

/* Host and base path of a server; one of another base path is noted. */
static void take_server(struct import *import, const struct conf_node *server, bool is_first,
                        struct place_served *served)
{
    const struct conf_node *at = conf_node_get(server, SLICE("url"));
    struct slice url =
        at != NULL && at->type == CONF_NODE_SCALAR ? fill_variables(import, server, at->text) : SLICE("");
    struct slice endpoint, host = SLICE(""), path = url;
    if (import_endpoint(import, url, &endpoint, &host)) {
        path = slice_from(url, (size_t)(host.ptr + host.len - url.ptr));
        ssize_t colon = slice_find_last(host, ':');
        host = colon > 0 ? slice_part(host, 0, (size_t)colon) : host;
    }
    while (slice_ends_with(path, SLICE("/"))) {
        path = slice_part(path, 0, path.len - 1);
    }
    bool is_good = (path.len == 0 || path.ptr[0] == '/') && (is_first || slice_equal(path, served->base));
    if (!is_good || (host.len > 0 && route_host_problem(host) != NULL)) {
        import_note(import, NULL, at != NULL ? at->place : server->place,
                    "the server %.*s: servers with one base path are wanted; make its routes by hand",
                    SLICE_ARG(import_show_uri(import, url)));
        return;
    }
    served->base = path;
    if (host.len > 0) {
        import_put_item(import, &served->hosts, host);
    }
}

static void take_servers(struct import *import, const struct conf_node *root, struct place_served *served)
{
    const struct conf_node *servers = conf_node_get(root, SLICE("servers"));
    for (size_t i = 0; servers != NULL && servers->type == CONF_NODE_SEQUENCE && i < servers->count; i++) {
        take_server(import, servers->items[i], i == 0, served);
    }
}

/* ---- operations ---- */

struct description {
    const struct conf_node *root;
    struct place_served served;
    struct import_upstream *upstream;
    struct map shapes; /* of method and path, whatever its variables are called: their routes */
};

/* A path of the description, with the item that its reference leads to. */
struct path_item {
    struct slice path;
    const struct conf_node *own, *referred; /* the latter may be NULL */
};

static const struct conf_node *get(const struct path_item *item, const char *key)
{
    const struct conf_node *found = conf_node_get(item->own, slice_from_string(key));
    return found != NULL ? found : conf_node_get(item->referred, slice_from_string(key));
}

/* "a/b" of "a~1b" (RFC 6901). */
static struct slice unescape(struct import *import, struct slice part)
{
    char *out = arena_alloc(&import->arena, part.len + 1);
    size_t length = 0;
    for (size_t i = 0; out != NULL && i < part.len; i++) {
        bool is_escape =
            part.ptr[i] == '~' && i + 1 < part.len && (part.ptr[i + 1] == '0' || part.ptr[i + 1] == '1');
        out[length++] = is_escape ? (part.ptr[i + 1] == '1' ? '/' : '~') : part.ptr[i];
        i += is_escape;
    }
    import->full |= out == NULL;
    return out != NULL ? slice_of(out, length) : SLICE("");
}

/* What a reference within the document leads to; NULL: nothing, or it stands elsewhere. */
static const struct conf_node *follow(struct import *import, const struct conf_node *root,
                                      struct slice reference)
{
    if (!slice_starts_with(reference, SLICE("#/"))) {
        return NULL;
    }
    struct slice rest = slice_from(reference, 2), part;
    const struct conf_node *found = root;
    while (found != NULL && slice_next(&rest, '/', &part)) {
        found = found->type == CONF_NODE_MAPPING ? conf_node_get(found, unescape(import, part)) : NULL;
    }
    return found != NULL && found->type == CONF_NODE_MAPPING ? found : NULL;
}

static void tell_servers(struct import *import, struct import_route *route, const struct conf_node *servers,
                         struct slice path)
{
    if (servers != NULL) {
        import_note(import, route, conf_node_place(servers),
                    "servers of %.*s alone: the route is made for those where the document begins; write its "
                    "own host, "
                    "path and upstream",
                    SLICE_ARG(path));
    }
}

/* Method and path with "{}" for each variable: what two routes may not have both. */
static struct slice shape_of(struct import *import, struct slice method, struct slice path)
{
    struct buffer out;
    buffer_init(&out, IMPORT_VALUE_MAX);
    import_put(import, &out, "%.*s ", SLICE_ARG(method));
    for (size_t i = 0; i < path.len; i++) {
        import->full |= !buffer_append_char(&out, path.ptr[i]);
        ssize_t end = path.ptr[i] == '{' ? slice_find(slice_from(path, i), '}') : -1;
        i += end > 0 ? (size_t)end - 1 : 0;
    }
    struct slice shape = arena_copy(&import->arena, buffer_slice(&out));
    buffer_done(&out);
    import->full |= shape.ptr == NULL;
    return shape.ptr != NULL ? shape : SLICE("");
}

static bool is_taken(struct import *import, struct description *of, struct slice method, struct slice path,
                     const struct conf_node *operation)
{
    struct slice shape = shape_of(import, method, path);
    const struct conf_node *other = map_get(&of->shapes, shape);
    if (other != NULL) {
        import_note(import, NULL, conf_node_place(operation),
                    "%.*s %.*s, which takes the same requests as that of line %u: make them one",
                    SLICE_ARG(method), SLICE_ARG(path), conf_node_place(other).line);
        return true;
    }
    import->full |= !map_put(&of->shapes, shape, (void *)operation);
    return false;
}

static void take_operation(struct import *import, struct description *of, struct slice method,
                           const struct path_item *item, const struct conf_node *operation)
{
    const struct conf_node *id = conf_node_get(operation, SLICE("operationId"));
    struct slice path = ARENA_CONCAT(&import->arena, of->served.base, item->path);
    struct slice name = id != NULL && id->type == CONF_NODE_SCALAR
                            ? id->text
                            : ARENA_CONCAT(&import->arena, method, SLICE("-"), item->path);
    const char *problem = path.ptr != NULL ? route_pattern_problem(path) : "no memory";
    if (problem != NULL || name.ptr == NULL) {
        import_note(import, NULL, conf_node_place(operation), "%.*s %.*s (%s): make the route by hand",
                    SLICE_ARG(method), SLICE_ARG(item->path), problem != NULL ? problem : "no memory");
        return;
    }
    if (is_taken(import, of, method, path, operation)) {
        return;
    }
    struct import_route *route = import_add_route(import, name, conf_node_place(operation));
    if (route == NULL) {
        return;
    }
    import->full |= !buffer_append(&route->match[IMPORT_HOST], buffer_slice(&of->served.hosts));
    import_put_item(import, &route->match[IMPORT_PATH], path);
    import_put_item(import, &route->match[IMPORT_METHODS], method);
    route->upstream = of->upstream;
    tell_servers(import, route, get(item, "servers"), item->path);
    tell_servers(import, route, conf_node_get(operation, SLICE("servers")), item->path);
    openapi_security(import, route, of->root, operation);
}

/* A route for GET serves HEAD as well. */
static void tell_head(struct import *import, const struct path_item *item, const struct conf_node *head)
{
    const struct conf_node *own = conf_node_get(head, SLICE("security")),
                           *other = conf_node_get(get(item, "get"), SLICE("security"));
    if (own != NULL || other != NULL) {
        import_note(import, NULL, conf_node_place(head),
                    "HEAD %.*s: the route of GET serves it, with the auth of GET", SLICE_ARG(item->path));
    }
}

static void take_operations(struct import *import, struct description *of, const struct path_item *item)
{
    static const struct {
        const char *key;
        struct slice method;
    } methods[] = {
        { "get", SLICE_INIT("GET") },         { "put", SLICE_INIT("PUT") },
        { "post", SLICE_INIT("POST") },       { "delete", SLICE_INIT("DELETE") },
        { "options", SLICE_INIT("OPTIONS") }, { "head", SLICE_INIT("HEAD") },
        { "patch", SLICE_INIT("PATCH") },
    };
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        const struct conf_node *operation = get(item, methods[i].key);
        if (operation == NULL) {
            continue;
        }
        if (slice_equal(methods[i].method, SLICE("HEAD")) && get(item, "get") != NULL) {
            tell_head(import, item, operation);
        } else {
            take_operation(import, of, methods[i].method, item, operation);
        }
    }
    const struct conf_node *trace = get(item, "trace");
    if (trace != NULL) {
        import_note(import, NULL, conf_node_place(trace), "TRACE %.*s: no route serves TRACE",
                    SLICE_ARG(item->path));
    }
}

#define REFERENCES_MAX 8

static void take_item(struct import *import, struct description *of, const struct conf_node *node)
{
    if (slice_starts_with(node->key, SLICE("x-"))) {
        return;
    }
    struct path_item item = { .path = node->key, .own = node };
    const struct conf_node *reference = conf_node_get(node, SLICE("$ref"));
    for (size_t i = 0; reference != NULL && i < REFERENCES_MAX; i++) {
        bool is_text = reference->type == CONF_NODE_SCALAR;
        item.referred = is_text ? follow(import, of->root, reference->text) : NULL;
        const struct conf_node *further = conf_node_get(item.referred, SLICE("$ref"));
        if (item.referred == NULL || (further != NULL && i + 1 == REFERENCES_MAX)) {
            import_note(
                import, NULL, conf_node_place(reference),
                "$ref of %.*s, which leads to nothing in this file: write it out, or make its routes by hand",
                SLICE_ARG(node->key));
        }
        reference = further;
    }
    take_operations(import, of, &item);
}

/* ---- the whole ---- */

static bool is_version(const struct conf_node *root)
{
    const struct conf_node *version = conf_node_get(root, SLICE("openapi"));
    return version != NULL && version->type == CONF_NODE_SCALAR &&
           (slice_starts_with(version->text, SLICE("3.0")) || slice_starts_with(version->text, SLICE("3.1")));
}

static void take_upstream(struct import *import, struct description *of)
{
    struct slice endpoint, host;
    of->upstream = import_add_upstream(import, SLICE("service"), SLICE("service"));
    if (of->upstream != NULL && import_endpoint(import, import->endpoint, &endpoint, &host)) {
        import_put_item(import, &of->upstream->endpoints, endpoint);
        if (slice_find(import->endpoint, '@') >= 0) {
            import_note(import, NULL, of->root->place,
                        "the user and the password of --upstream, which reach no service");
        }
    } else {
        import_note(import, NULL, of->root->place,
                    "where the service runs is not said: name its servers in upstreams.service.endpoints, or "
                    "call with --upstream URL");
    }
}

static void take_description(struct import *import, const struct conf_node *root)
{
    struct description of = { .root = root };
    buffer_init(&of.served.hosts, CONFIG_FILE_MAX);
    map_init(&of.shapes);
    import_put(import, &import->listeners,
               "\nlisteners:\n  public:\n    address: \"0.0.0.0\"\n    port: 8443\n    tls: { certificates: "
               "[{ cert: gateway.crt, key: gateway.key }] }\n");
    take_servers(import, root, &of.served);
    take_upstream(import, &of);
    openapi_schemes(import, root);
    const struct conf_node *paths = conf_node_get(root, SLICE("paths"));
    for (size_t i = 0; paths != NULL && paths->type == CONF_NODE_MAPPING && i < paths->count; i++) {
        take_item(import, &of, paths->items[i]);
    }
    if (conf_node_get(root, SLICE("webhooks")) != NULL) { /* and callbacks: the service calls others then */
        import_put(import, &import->ignored, "webhooks");
    }
    map_done(&of.shapes);
    buffer_done(&of.served.hosts);
}

struct error import_openapi(struct import *import, struct slice text)
{
    struct conf_node *root = NULL;
    TRY(yaml_parse(text, &import->source, &import->diagnostics, &root));
    if (root == NULL) {
        return OK;
    }
    if (!is_version(root)) {
        diagnostics_add(&import->diagnostics, DIAGNOSTIC_ERROR, root->place,
                        "this is no OpenAPI 3.0 or 3.1: \"openapi\" says neither");
        return OK;
    }
    take_description(import, root);
    if (import->routes == NULL) {
        diagnostics_add(&import->diagnostics, DIAGNOSTIC_ERROR, root->place,
                        "there are no operations in \"paths\"");
    }
    return OK;
}
