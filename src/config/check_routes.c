/* Cross-checks of routes: nothing is public by accident, every name leads somewhere, every rule is sound. */
#include "config/internal.h"
#include "http/client.h"
#include "route/cors.h"

struct check {
    struct loader *loader;
    struct route_settings *route;
    struct route_policy *policy;
    const struct route_source *source;
    const struct conf_node *node; /* of the route */
};

#define tell_route(check, ...) \
    diagnostics_node((check)->loader->diagnostics, DIAGNOSTIC_ERROR, (check)->node, __VA_ARGS__)

/* Did any layer say it, right or wrong? */
static bool is_written(const struct check *check, struct slice key)
{
    return conf_node_get(check->source->merged, key) != NULL;
}

/* ---- listeners ---- */

static bool is_ordinary(const struct listener_settings *listener)
{
    return !listener->status && !listener->redirect_to_https;
}

static struct error default_listener(const struct check *check)
{
    const struct settings *settings = check->loader->settings;
    const struct listener_settings *only = NULL;
    size_t ordinary = 0;
    for (size_t i = 0; i < settings->listener_count; i++) {
        if (is_ordinary(&settings->listeners[i])) {
            only = &settings->listeners[i];
            ordinary++;
        }
    }
    if (ordinary != 1) {
        tell_route(check, ordinary == 0 ? "no listener serves it: there is none but for redirects and status"
                                        : "listeners is missing: there are several to choose from");
        return OK;
    }
    struct slice *name = arena_alloc(check->loader->arena, sizeof *name);
    if (name == NULL) {
        return NO_MEMORY;
    }
    *name = only->name;
    check->policy->listeners = (struct conf_strings){ name, 1 };
    return OK;
}

static void check_listener(const struct check *check, const struct slice *name)
{
    struct loader *loader = check->loader;
    const struct conf_node *node = loader_node(loader, name, check->node);
    const struct listener_settings *listener =
        loader_find(loader, node, "listener", loader->settings->listeners, loader->settings->listener_count,
                    sizeof *listener, *name);
    if (listener == NULL) {
        return;
    }
    if (!is_ordinary(listener)) {
        diagnostics_node(loader->diagnostics, DIAGNOSTIC_ERROR, node,
                         "listener \"%.*s\" serves no routes: it is for %s", SLICE_ARG(*name),
                         listener->status ? "status pages" : "redirects");
    }
    if (check->policy->exposure == EXPOSURE_INTERNAL && listener->exposure == EXPOSURE_EXTERNAL) {
        tell_route(
            check, "must stay inside (exposure: internal, %.*s), and listener \"%.*s\" is external",
            SLICE_ARG(conf_place_text(
                conf_node_place(loader_node(loader, &check->policy->exposure, check->node)), loader->arena)),
            SLICE_ARG(*name));
    }
}

static struct error check_route_listeners(const struct check *check)
{
    if (check->policy->listeners.count == 0 && !is_written(check, SLICE("listeners"))) {
        TRY(default_listener(check));
    }
    for (size_t i = 0; i < check->policy->listeners.count; i++) {
        check_listener(check, &check->policy->listeners.items[i]);
    }
    return OK;
}

static void check_route_upstream(const struct check *check)
{
    struct loader *loader = check->loader;
    const struct slice *name = &check->policy->upstream;
    if (name->len > 0) {
        loader_find(loader, loader_node(loader, name, check->node), "upstream", loader->settings->upstreams,
                    loader->settings->upstream_count, sizeof(struct upstream_settings), *name);
    } else if (!is_written(check, SLICE("upstream"))) {
        tell_route(check, "upstream is missing: where do its requests go?");
    }
}

/* ---- who ---- */

static void check_issuer(const struct check *check, const struct auth_settings *auth, size_t index)
{
    struct loader *loader = check->loader;
    const struct slice *name = &auth->jwt.items[index];
    const struct conf_node *node = loader_node(loader, name, check->node);
    const struct issuer_settings *issuers = loader->settings->issuers;
    size_t count = loader->settings->issuer_count;
    const struct issuer_settings *issuer =
        loader_find(loader, node, "issuer", issuers, count, sizeof *issuer, *name);
    for (size_t i = 0; issuer != NULL && i < index; i++) {
        const struct issuer_settings *other =
            settings_find(issuers, count, sizeof *other, auth->jwt.items[i]);
        if (other != NULL && slice_equal(other->issuer, issuer->issuer)) {
            diagnostics_node(loader->diagnostics, DIAGNOSTIC_ERROR, node,
                             "\"%.*s\" and \"%.*s\" have the same iss: a token could be either's",
                             SLICE_ARG(other->name), SLICE_ARG(issuer->name));
        }
    }
}

/* A bare word that is no mode: it has been told, and what was meant is not known. */
static bool is_broken_auth(const struct conf_node *node, const struct auth_settings *auth)
{
    return node->type == CONF_NODE_SCALAR && auth->mode == AUTH_REQUIRED &&
           !slice_equal(node->text, SLICE("required"));
}

static void check_auth(const struct check *check)
{
    const struct auth_settings *auth = check->policy->auth;
    if (auth == NULL) {
        if (!is_written(check, SLICE("auth"))) {
            tell_route(
                check,
                "auth is missing: name an issuer (auth: { jwt: NAME }), or make the route public on purpose "
                "(auth: none)");
        }
        return;
    }
    const struct conf_node *node = loader_node(check->loader, &check->policy->auth, check->node);
    const char *problem = auth_check_settings(auth);
    if (problem != NULL && !is_broken_auth(node, auth) && conf_node_get(node, SLICE("jwt")) == NULL) {
        diagnostics_node(check->loader->diagnostics, DIAGNOSTIC_ERROR, node, "%s", problem);
    }
    if (auth->mode == AUTH_NONE && auth->jwt.count > 0) {
        diagnostics_node(check->loader->diagnostics, DIAGNOSTIC_ERROR, node,
                         "contradicts itself: mode none lets everybody in, and jwt names issuers");
    }
    for (size_t i = 0; i < auth->jwt.count; i++) {
        check_issuer(check, auth, i);
    }
}

/* ---- what they may do ---- */

/* Every rule that is wrong under this path: the room tells of one at a time, so those that were told are left out. */
static struct error check_rules_of(const struct check *check, const struct authorize_settings *authorize,
                                   struct slice path, const struct conf_node *node)
{
    const struct claim_settings *rules = authorize->claims.items;
    struct claim_settings *left =
        arena_calloc(check->loader->arena, authorize->claims.count + 1, sizeof *left);
    size_t *indexes = arena_calloc(check->loader->arena, authorize->claims.count + 1, sizeof *indexes);
    if (left == NULL || indexes == NULL) {
        return NO_MEMORY;
    }
    struct authorize_settings rest = *authorize;
    rest.claims = (struct conf_list){ left, authorize->claims.count };
    for (size_t i = 0; i < rest.claims.count; i++) {
        left[i] = rules[i];
        indexes[i] = i;
    }
    for (;;) {
        int rule = -1;
        const char *problem = authorize_check_settings(&rest, path, &rule);
        if (problem == NULL || (rule < 0 && rest.claims.count < authorize->claims.count)) {
            return OK;
        }
        const struct conf_node *at = rule >= 0 ? loader_object(check->loader, &rules[indexes[rule]]) : NULL;
        diagnostics_node(check->loader->diagnostics, DIAGNOSTIC_ERROR, at != NULL ? at : node, "%s", problem);
        if (rule < 0) {
            return OK;
        }
        rest.claims.count--;
        for (size_t i = (size_t)rule; i < rest.claims.count; i++) {
            left[i] = left[i + 1];
            indexes[i] = indexes[i + 1];
        }
    }
}

static struct error check_rules(const struct check *check, const struct authorize_settings *authorize,
                                const struct conf_node *node)
{
    const struct conf_strings *paths = &check->route->match.path;
    for (size_t i = 0; i < paths->count; i++) { /* where there is none, that has been told */
        TRY(check_rules_of(check, authorize, paths->items[i], node));
    }
    return OK;
}

static struct error check_authorize(const struct check *check)
{
    const struct authorize_settings *authorize = check->policy->authorize;
    const struct auth_settings *auth = check->policy->auth;
    bool is_public = auth != NULL && auth->mode == AUTH_NONE;
    if (authorize == NULL) {
        if (auth != NULL && !is_public && !is_written(check, SLICE("authorize")) &&
            !is_broken_auth(loader_node(check->loader, &check->policy->auth, check->node), auth)) {
            tell_route(check, "authorize is missing: name scopes or claims, or let every authenticated "
                              "caller in on purpose "
                              "(authorize: any_caller)");
        }
        return OK;
    }
    const struct conf_node *node = loader_node(check->loader, &check->policy->authorize, check->node);
    if (is_public && (authorize->scopes != NULL || authorize->claims.count > 0)) {
        diagnostics_node(
            check->loader->diagnostics, DIAGNOSTIC_ERROR, node,
            "a public route (auth: none) has no callers whose scopes or claims could be checked");
    }
    return check_rules(check, authorize, node);
}

/* ---- limits ---- */

/* The position of a limit among those of its owner. */
static unsigned int position_of(const struct conf_node *item)
{
    return item != NULL ? (unsigned int)item->index : 0;
}

static void check_limit(const struct check *check, struct limit_settings *limit, size_t counts[2])
{
    struct loader *loader = check->loader;
    const struct conf_node *item = loader_object(loader, limit);
    struct slice owner = item != NULL && item->owner != NULL ? item->owner->text : SLICE("configuration");
    const struct conf_node *node = item != NULL ? item : check->node;
    if (limit_is_broken(limit, item)) {
        return;
    }
    const char *problem = limit_check_settings(limit, owner, position_of(item));
    if (problem != NULL) {
        diagnostics_node(loader->diagnostics, DIAGNOSTIC_ERROR, node, "%s", problem);
        return;
    }
    bool by_caller = limit->kind == LIMIT_BY_CALLER || limit->kind == LIMIT_BY_CLAIM;
    const struct auth_settings *auth = check->policy->auth;
    if (by_caller && auth != NULL && auth->mode == AUTH_NONE) {
        diagnostics_node(loader->diagnostics, DIAGNOSTIC_ERROR, node,
                         "route \"%.*s\" is public: there are no callers to count by; use address",
                         SLICE_ARG(check->route->name));
    }
    if (++counts[by_caller] == LIMIT_KEYS_MAX + 1) {
        tell_route(check, "more than %d limits %s hold for it", LIMIT_KEYS_MAX,
                   by_caller ? "by caller and claim" : "by address, header and route");
    }
}

static bool listeners_have_limits(const struct check *check)
{
    const struct settings *settings = check->loader->settings;
    const struct conf_strings *names = &check->policy->listeners;
    for (size_t i = 0; i < names->count; i++) {
        const struct listener_settings *listener =
            settings_find(settings->listeners, settings->listener_count, sizeof *listener, names->items[i]);
        if (listener != NULL && listener->limits.count == 0) {
            return false;
        }
    }
    return names->count > 0;
}

static void check_route_limits(const struct check *check)
{
    struct limit_settings *limits = check->policy->limits.items;
    size_t counts[2] = { 0, 0 };
    for (size_t i = 0; i < check->policy->limits.count; i++) {
        check_limit(check, &limits[i], counts);
    }
    if (check->policy->limits.count == 0 && !is_written(check, SLICE("limits")) &&
        !listeners_have_limits(check)) {
        diagnostics_node(check->loader->diagnostics, DIAGNOSTIC_WARNING, check->node,
                         "has no limits: one client can use up its upstream; as in "
                         "\"limits: [{ limit: 1000/1m, by: address }]\"");
    }
}

/* ---- the rest ---- */

static struct error check_relay(const struct check *check)
{
    if (check->policy->relay == NULL) {
        return OK;
    }
    /* One at a time, as with rules. */
    struct relay_settings rest = *check->policy->relay;
    const struct conf_pairs *pairs = &check->policy->relay->headers;
    rest.headers.items = arena_calloc(check->loader->arena, pairs->count + 1, sizeof(struct conf_pair));
    if (rest.headers.items == NULL) {
        return NO_MEMORY;
    }
    rest.headers.count = 0;
    for (size_t i = 0; i < pairs->count; i++) {
        rest.headers.items[rest.headers.count++] = pairs->items[i];
        size_t wrong = 0;
        const char *problem = relay_check_settings(&rest, &wrong);
        if (problem != NULL) {
            tell(check->loader, &pairs->items[i].value, check->node, "%s", problem);
            rest.headers.count--;
        }
    }
    return OK;
}

static void check_cors(const struct check *check)
{
    const struct cors_settings *cors = check->policy->cors;
    const char *problem = cors != NULL ? cors_check_settings(cors) : NULL;
    if (problem != NULL && cors->origins.count > 0) {
        tell(check->loader, &check->policy->cors, check->node, "%s", problem);
    }
}

static bool serves_get(const struct match_settings *match)
{
    bool found = match->methods.count == 0;
    for (size_t i = 0; i < match->methods.count; i++) {
        found = found || slice_equal(match->methods.items[i], SLICE("GET"));
    }
    return found;
}

static bool may_speak_http2(const struct upstream_settings *upstream)
{
    for (size_t i = 0; upstream->parsed != NULL && i < upstream->endpoints.count; i++) {
        const struct upstream_endpoint *endpoint = &upstream->parsed[i];
        if (endpoint->h2c || (endpoint->tls && upstream->protocol != HTTP_PROTOCOL_1)) {
            return true;
        }
    }
    return false;
}

static void check_websocket(const struct check *check)
{
    const struct websocket_settings *websocket = check->policy->websocket;
    if (websocket == NULL) {
        return;
    }
    const char *problem = websocket_check_settings(websocket);
    if (problem != NULL) {
        tell(check->loader, &check->policy->websocket, check->node, "%s", problem);
    }
    /* Said by the route itself: that of a group or policy is for those of their routes that it fits. */
    if (!serves_get(&check->route->match) && conf_node_get(check->node, SLICE("websocket")) != NULL) {
        tell(check->loader, &check->policy->websocket, check->node,
             "a WebSocket's handshake is a GET, which is none of the route's methods");
    }
    const struct settings *settings = check->loader->settings;
    const struct upstream_settings *upstream =
        settings_find(settings->upstreams, settings->upstream_count, sizeof settings->upstreams[0],
                      check->policy->upstream);
    if (upstream != NULL && may_speak_http2(upstream)) {
        tell(check->loader, &check->policy->websocket, check->node,
             "WebSockets go to upstreams over HTTP/1.1: give this route an upstream with protocol: http1, "
             "and no h2c:// endpoint");
    }
}

static void check_match(const struct check *check)
{
    const struct match_settings *match = &check->route->match;
    for (size_t i = 0; i < match->host.count; i++) {
        const char *problem = route_host_problem(match->host.items[i]);
        if (problem != NULL) {
            tell(check->loader, &match->host.items[i], check->node, "%s", problem);
        }
    }
    for (size_t i = 0; i < match->path.count; i++) {
        const char *problem = route_pattern_problem(match->path.items[i]);
        if (problem != NULL && slice_starts_with(match->path.items[i], SLICE("/"))) {
            tell(check->loader, &match->path.items[i], check->node, "%s", problem);
        }
    }
    for (size_t i = 0; i < match->methods.count; i++) {
        const char *problem = route_method_problem(match->methods.items[i]);
        if (problem != NULL) {
            tell(check->loader, &match->methods.items[i], check->node, "%s", problem);
        }
    }
}

struct error check_routes(struct loader *loader)
{
    struct settings *settings = loader->settings;
    for (size_t i = 0; i < settings->route_count; i++) {
        struct route_settings *route = &settings->routes[i];
        const struct route_source *source = &loader->places->routes[i];
        const struct check check = { loader, route, &route->policy, source, source->node };
        check_locks(loader, route, source); /* first: the checks of limits fill their settings in */
        check_match(&check);
        TRY(check_route_listeners(&check));
        check_route_upstream(&check);
        check_auth(&check);
        TRY(check_authorize(&check));
        check_route_limits(&check);
        TRY(check_relay(&check));
        check_cors(&check);
        check_websocket(&check);
        check_team(loader, route, source);
    }
    if (settings->route_count == 0) {
        for (size_t i = 0; i < settings->listener_count; i++) {
            if (is_ordinary(&settings->listeners[i])) {
                diagnostics_node(loader->diagnostics, DIAGNOSTIC_WARNING, loader->places->root,
                                 "there are no routes: every request is answered 404");
                break;
            }
        }
    }
    return OK;
}
