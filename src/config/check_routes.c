/* Cross-checks of routes: nothing is public by accident, every name leads somewhere, every rule is sound. */
#include "auth/plan.h"
#include "config/internal.h"
#include "config/units.h"
#include "http/client.h"
#include "route/conditions.h"
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
    return !listener->status && !listener->redirect_to_https && !listener->admin;
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
    if (!is_ordinary(listener) && !listener->admin) { /* of that, check_admin_route tells */
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

static void check_split(const struct check *check)
{
    struct loader *loader = check->loader;
    struct split_settings *split = check->policy->split;
    const struct split_share *shares = split->weights.items;
    const void *where = NULL;
    const char *problem = split_check(split, &where);
    if (problem != NULL) {
        tell(loader, where, check->node, "%s", problem);
    }
    for (size_t i = 0; i < split->weights.count; i++) {
        loader_find(loader, loader_object(loader, &shares[i]), "upstream", loader->settings->upstreams,
                    loader->settings->upstream_count, sizeof(struct upstream_settings), shares[i].name);
    }
    const struct conf_node *own = conf_node_get(check->node, SLICE("upstream"));
    if (own != NULL) {
        diagnostics_node(loader->diagnostics, DIAGNOSTIC_WARNING, own,
                         "nothing goes there: `split` stands in place of `upstream`");
    }
}

static void check_route_upstream(const struct check *check)
{
    struct loader *loader = check->loader;
    const struct slice *name = &check->policy->upstream;
    if (check->policy->split != NULL) {
        check_split(check);
        return;
    }
    if (name->len > 0) {
        loader_find(loader, loader_node(loader, name, check->node), "upstream", loader->settings->upstreams,
                    loader->settings->upstream_count, sizeof(struct upstream_settings), *name);
    } else if (!is_written(check, SLICE("upstream")) && !check->route->admin &&
               !filter_redirects(check->route->filters)) {
        tell_route(check, "upstream is missing: where do its requests go?");
    }
}

/* ---- who ---- */

static bool asks_for_certificates(const struct listener_settings *listener)
{
    const struct tls_server_settings *tls = listener->tls;
    for (size_t i = 0; tls != NULL && i < tls->certificates.count; i++) {
        int own = ((const struct tls_certificate_settings *)tls->certificates.items)[i].client_certificate;
        if ((own >= 0 ? own : tls->client_certificate) != TLS_CLIENT_NONE) {
            return true;
        }
    }
    return false;
}

/* On such a listener that way is none; no error, for the route may have another way, or another listener. */
static void warn_of_silent_listeners(const struct check *check, const struct conf_node *node)
{
    const struct conf_strings *names = &check->policy->listeners;
    const struct settings *settings = check->loader->settings;
    for (size_t i = 0; i < names->count; i++) {
        const struct listener_settings *listener =
            settings_find(settings->listeners, settings->listener_count, sizeof *listener, names->items[i]);
        if (listener != NULL && !asks_for_certificates(listener)) {
            diagnostics_node(check->loader->diagnostics, DIAGNOSTIC_WARNING, node,
                             "listener \"%.*s\" asks clients for no certificate, and so none proves anything "
                             "there: as in \"tls: { client_ca: ca.pem, client_certificate: optional }\"",
                             SLICE_ARG(listener->name));
        }
    }
}

static struct error check_route_auth(const struct check *check)
{
    const struct auth_settings *auth = check->policy->auth;
    if (auth != NULL) {
        const struct conf_node *node = loader_node(check->loader, &check->policy->auth, check->node);
        TRY(check_auth(check->loader, check->policy->auth, node));
        const struct auth_plan *tried = auth->candidate != NULL ? auth->candidate->plan : NULL;
        if (auth_plan_uses(auth->plan, AUTH_CERTIFICATE) || auth_plan_uses(tried, AUTH_CERTIFICATE)) {
            warn_of_silent_listeners(check, node);
        }
        return OK;
    }
    if (!is_written(check, SLICE("auth"))) {
        tell_route(
            check,
            "auth is missing: name an issuer (auth: { jwt: NAME }), or make the route public on purpose "
            "(auth: none)");
    }
    return OK;
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

static void check_deny(const struct check *check, const struct authorize_settings *authorize,
                       const struct conf_node *node)
{
    const struct deny_settings *rules = authorize->deny.items;
    for (size_t i = 0; i < authorize->deny.count; i++) {
        const char *problem = authorize_check_deny(&rules[i]);
        const struct conf_node *at = loader_object(check->loader, &rules[i]);
        if (problem != NULL) {
            diagnostics_node(check->loader->diagnostics, DIAGNOSTIC_ERROR, at != NULL ? at : node, "%s",
                             problem);
        }
    }
}

/* Demands that no caller of the route's methods can meet. */
static void check_callers(const struct check *check, const struct authorize_settings *authorize,
                          const struct conf_node *node)
{
    static const uint64_t kinds[AUTH_METHOD_COUNT] = {
        [AUTH_JWT] = UINT64_C(1) << CALLER_USER | UINT64_C(1) << CALLER_SERVICE,
        [AUTH_INTROSPECTION] = UINT64_C(1) << CALLER_USER | UINT64_C(1) << CALLER_SERVICE,
        [AUTH_API_KEY] = UINT64_C(1) << CALLER_API_KEY,
        [AUTH_CERTIFICATE] = UINT64_C(1) << CALLER_CERTIFICATE,
        [AUTH_EXTERNAL] = UINT64_C(1) << CALLER_EXTERNAL,
        [AUTH_BASIC] = UINT64_C(1) << CALLER_USER,
    };
    const struct auth_plan *plan = check->policy->auth != NULL ? check->policy->auth->plan : NULL;
    uint64_t possible = 0;
    for (int method = 0; method < AUTH_METHOD_COUNT; method++) {
        possible |= auth_plan_uses(plan, (enum auth_method)method) ? kinds[method] : 0;
    }
    if (plan != NULL && authorize->kinds != 0 && (authorize->kinds & possible) == 0) {
        diagnostics_node(check->loader->diagnostics, DIAGNOSTIC_ERROR, node,
                         "kinds lets nobody in: no way of the route's auth proves a caller of these kinds");
    }
    if (plan != NULL && authorize_asks_strength(authorize) && !auth_plan_uses(plan, AUTH_JWT) &&
        !auth_plan_uses(plan, AUTH_INTROSPECTION)) {
        diagnostics_node(
            check->loader->diagnostics, DIAGNOSTIC_ERROR, node,
            "acr, amr and max_age are about logins that a token tells of, and the route's auth names no "
            "jwt");
    }
}

static struct error check_authorize(const struct check *check)
{
    struct authorize_settings *authorize = check->policy->authorize;
    const struct auth_settings *auth = check->policy->auth;
    bool is_public = auth != NULL && auth->mode == AUTH_NONE;
    if (authorize == NULL) {
        if (auth != NULL && !is_public && !is_written(check, SLICE("authorize")) &&
            !auth_is_broken(auth, loader_node(check->loader, &check->policy->auth, check->node))) {
            tell_route(check,
                       "authorize is missing: name scopes, roles or claims, or let every authenticated "
                       "caller in on purpose "
                       "(authorize: any_caller)");
        }
        return OK;
    }
    const struct conf_node *node = loader_node(check->loader, &check->policy->authorize, check->node);
    if (is_public && authorize_demands(authorize)) {
        diagnostics_node(
            check->loader->diagnostics, DIAGNOSTIC_ERROR, node,
            "a public route (auth: none) has no callers whose scopes, roles or claims could be checked");
    }
    if (is_public && authorize->deny.count > 0) {
        diagnostics_node(check->loader->diagnostics, DIAGNOSTIC_ERROR, node,
                         "a public route (auth: none) is not authorized, so that deny would never be asked: "
                         "take it out, or say auth");
    }
    check_deny(check, authorize, node);
    check_callers(check, authorize, node);
    TRY(authorize_prepare(authorize, check->loader->arena));
    check_shadow(check->loader, &authorize->shadow, node);
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
    check_shadow(loader, &limit->shadow, node);
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

static void check_secure_headers(const struct check *check)
{
    const struct secure_headers_settings *settings = check->policy->secure_headers;
    const struct slice *field = NULL;
    const char *problem = settings != NULL ? secure_headers_check_settings(settings, &field) : NULL;
    if (problem != NULL) {
        tell(check->loader, field, check->node, "%s", problem);
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
}

static void check_fault(const struct check *check)
{
    const struct fault_settings *const *fault = (const struct fault_settings *const *)&check->policy->fault;
    const char *problem = *fault != NULL ? fault_check(*fault) : NULL;
    if (problem != NULL) {
        tell(check->loader, fault, check->node, "%s", problem);
    } else if (*fault != NULL) {
        warn(check->loader, fault, check->node,
             "requests are delayed or denied on purpose: this is for tests");
    }
}

static void check_fallback(const struct check *check)
{
    struct loader *loader = check->loader;
    const struct fallback_settings *fallback = check->policy->fallback;
    if (fallback == NULL) {
        return;
    }
    const char *problem = fallback_check(fallback);
    if (problem != NULL) {
        tell(loader, &check->policy->fallback, check->node, "%s", problem);
    }
    if (fallback->upstream.len > 0) {
        loader_find(loader, loader_node(loader, &fallback->upstream, check->node), "upstream",
                    loader->settings->upstreams, loader->settings->upstream_count,
                    sizeof(struct upstream_settings), fallback->upstream);
    }
    if (fallback->upstream.len > 0 && check->policy->split == NULL &&
        slice_equal(fallback->upstream, check->policy->upstream)) {
        tell(loader, &fallback->upstream, check->node,
             "this is the route's own upstream: to ask it again is for `retry`");
    }
}

static void check_mirror(const struct check *check)
{
    struct loader *loader = check->loader;
    const struct mirror_settings *mirror = check->policy->mirror;
    if (mirror == NULL) {
        return;
    }
    if (mirror->upstream.len > 0) {
        loader_find(loader, loader_node(loader, &mirror->upstream, check->node), "upstream",
                    loader->settings->upstreams, loader->settings->upstream_count,
                    sizeof(struct upstream_settings), mirror->upstream);
    }
    if (check->policy->split == NULL && slice_equal(mirror->upstream, check->policy->upstream)) {
        tell(loader, &mirror->upstream, check->node,
             "the copies would go where the requests go: each would be served twice");
    }
}

/* What is said of all routes was looked at for none. */
static bool is_said_by_defaults(const struct check *check, const void *field)
{
    const struct conf_node *node = loader_node(check->loader, field, NULL);
    return node != NULL && node->owner != NULL && slice_equal(node->owner->text, SLICE("defaults"));
}

/* Is there a way to authenticate whose callers are compressed for? What browsers send along by themselves is none. */
static bool has_way_to_compress(const struct auth_plan *plan)
{
    static const enum auth_method methods[] = { AUTH_JWT, AUTH_INTROSPECTION, AUTH_API_KEY, AUTH_EXTERNAL };
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        if (auth_plan_uses(plan, methods[i])) {
            return true;
        }
    }
    return false;
}

static void check_compress(const struct check *check)
{
    const struct compress_settings *compress = check->policy->compress;
    const struct auth_settings *auth = check->policy->auth;
    if (compress == NULL || !compress->enabled || check->route->admin) {
        return;
    }
    for (size_t i = 0; i < compress->types.count; i++) {
        const char *problem = compress_check_type(compress->types.items[i]);
        if (problem != NULL) {
            tell(check->loader, &compress->types.items[i], check->node, "%s", problem);
        }
    }
    if (compress->no_secrets_in_responses && is_said_by_defaults(check, &compress->no_secrets_in_responses)) {
        tell(check->loader, &compress->no_secrets_in_responses, check->node,
             "whether responses hold secrets is for each route to say, or for a group or policy: not for all "
             "routes at once");
    }
    if (auth == NULL || auth->mode == AUTH_NONE) {
        return;
    }
    if (!compress->no_secrets_in_responses) {
        tell(
            check->loader, &check->policy->compress, check->node,
            "route \"%.*s\" knows its callers, and compressed responses tell secrets by their length "
            "(BREACH): "
            "where none of its responses holds one, say so (compress: { no_secrets_in_responses: true }), or "
            "leave them as they are (compress: false)",
            SLICE_ARG(check->route->name));
    } else if (auth->plan != NULL && auth->mode != AUTH_OPTIONAL && !has_way_to_compress(auth->plan)) {
        warn(check->loader, &check->policy->compress, check->node,
             "route \"%.*s\" never compresses: its callers come with certificates or passwords, which "
             "browsers "
             "send along by themselves",
             SLICE_ARG(check->route->name));
    }
}

static void check_retry(const struct check *check)
{
    const struct retry_settings *retry = check->policy->retry;
    const char *problem = retry != NULL ? retry_check(retry, check->policy->timeout) : NULL;
    if (problem != NULL) {
        tell(check->loader, &check->policy->retry, check->node, "%s", problem);
    }
}

static void check_hedge(const struct check *check)
{
    const struct hedge_settings *hedge = check->policy->hedge;
    const struct retry_settings *retry = check->policy->retry;
    const char *problem =
        hedge != NULL ? hedge_check(hedge, check->policy->timeout, retry != NULL ? retry->try_timeout : 0)
                      : NULL;
    if (problem != NULL) {
        tell(check->loader, &check->policy->hedge, check->node, "%s", problem);
    }
}

/* Said by the route itself, and well: what holds for many routes may be larger than the `body` of some. */
static void check_grpc_message(const struct check *check)
{
    const struct route_policy *policy = check->policy;
    const struct conf_node *node = conf_node_get(check->node, SLICE("max_grpc_message"));
    int64_t written;
    if (node != NULL && units_parse_size(node->text, &written) && written == policy->max_grpc_message &&
        written > policy->body) {
        warn(check->loader, &policy->max_grpc_message, check->node,
             "a message so large never passes: body bounds all that a call sends, and is smaller; raise "
             "body, or lower this");
    }
}

/* The route's match is a copy: a setting of it that is no list stands in the route's own, or else in its group's. */
static const void *where_written(const struct check *check, const void *where)
{
    const struct route_source *source = check->source;
    const struct match_settings *own = source->route->match;
    const struct match_settings *group = source->group != NULL ? source->group->match : NULL;
    if (where == &check->route->match.after) {
        return own != NULL && own->after.len > 0 ? &own->after : group != NULL ? &group->after : NULL;
    }
    if (where == &check->route->match.before) {
        return own != NULL && own->before.len > 0 ? &own->before : group != NULL ? &group->before : NULL;
    }
    return where;
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
    const void *where = NULL;
    const char *problem = route_conditions_problem(match, &where);
    if (problem != NULL) {
        tell(check->loader, where_written(check, where), check->node, "%s", problem);
    }
}

struct error check_routes(struct loader *loader)
{
    struct settings *settings = loader->settings;
    struct relay_credentials credentials = { .headers = { 0 } };
    struct conf_strings identity = { 0 };
    TRY(identity_collect(settings, loader->arena, &credentials, &identity));
    for (size_t i = 0; i < settings->route_count; i++) {
        struct route_settings *route = &settings->routes[i];
        const struct route_source *source = &loader->places->routes[i];
        const struct check check = { loader, route, &route->policy, source, source->node };
        check_locks(loader, route, source); /* first: the checks of limits fill their settings in */
        check_match(&check);
        TRY(check_route_listeners(&check));
        TRY(check_filters(loader, route, source->node, &identity));
        check_meanings(loader, route, source->node);
        check_admin_route(loader, route, source->node);
        check_route_upstream(&check);
        TRY(check_route_auth(&check));
        TRY(check_authorize(&check));
        check_external_route(loader, route, source->node);
        check_route_limits(&check);
        TRY(check_relay(&check));
        check_cors(&check);
        check_secure_headers(&check);
        check_compress(&check);
        check_websocket(&check);
        check_grpc_message(&check);
        check_retry(&check);
        check_hedge(&check);
        check_mirror(&check);
        check_fallback(&check);
        check_fault(&check);
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
