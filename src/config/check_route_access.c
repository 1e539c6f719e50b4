/* Cross-checks of a route: who may use it and how often, and what its upstream and browsers are told. */
#include "auth/plan.h"
#include "config/check_route.h"
#include "route/cors.h"

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

/* ---- what others learn of them ---- */

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

struct error check_route_access(const struct check *check)
{
    TRY(check_route_auth(check));
    TRY(check_authorize(check));
    check_external_route(check->loader, check->route, check->node);
    check_route_limits(check);
    TRY(check_relay(check));
    check_cors(check);
    check_secure_headers(check);
    return OK;
}
