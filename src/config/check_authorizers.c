/* Cross-checks of external authorizers, and of the routes that ask them. */
#include "auth/plan.h"
#include "config/internal.h"
#include "relay/names.h"

/* ---- one by itself ---- */

static void check_names(struct loader *loader, const struct conf_strings *names, const struct conf_node *node,
                        const char *(*problem_of)(struct slice name))
{
    for (size_t i = 0; i < names->count; i++) {
        const char *problem = problem_of(names->items[i]);
        for (size_t k = 0; problem == NULL && k < i; k++) {
            problem =
                name_same(names->items[k], names->items[i]) ? "the same header stands there twice" : NULL;
        }
        if (problem != NULL) {
            tell(loader, &names->items[i], node, "%s", problem);
        }
    }
}

static void check_told(struct loader *loader, const struct slice *name, const struct conf_node *node)
{
    const char *problem = name->len > 0 ? authorizer_told_header_problem(*name) : NULL;
    if (problem != NULL) {
        tell(loader, name, node, "%s", problem);
    }
}

/* The names are the authorizer's to check, the expressions those of `relay`. */
static void check_identity(struct loader *loader, const struct authorizer_settings *authorizer,
                           const struct conf_node *node)
{
    const struct conf_pairs *pairs = &authorizer->identity_headers;
    for (size_t i = 0; i < pairs->count; i++) {
        struct relay_settings one = { .headers = { &pairs->items[i], 1 } };
        size_t wrong = 0;
        const char *problem = authorizer_identity_header_problem(pairs->items[i].name);
        problem = problem != NULL ? problem : relay_check_settings(&one, &wrong);
        for (size_t k = 0; problem == NULL && k < i; k++) {
            problem =
                name_same(pairs->items[k].name, pairs->items[i].name) ? "the same header is set twice" : NULL;
        }
        if (problem != NULL) {
            tell(loader, &pairs->items[i].value, node, "%s", problem);
        }
    }
}

static void check_url(struct loader *loader, const struct authorizer_settings *authorizer,
                      const struct conf_node *node)
{
    const char *problem =
        authorizer->url.len > 0 ? authorizer_url_problem(authorizer->url, authorizer->contract) : NULL;
    const struct upstream_endpoint *endpoint = authorizer->service.parsed;
    if (problem != NULL) {
        tell(loader, &authorizer->url, node, "%s", problem);
    } else if (endpoint != NULL && !endpoint->tls && !check_stays_here(endpoint)) {
        warn(loader, &authorizer->url, node,
             "credentials go there without TLS, and so do its answers: anybody on the way can read them, and "
             "say yes");
    }
    if (endpoint != NULL && !endpoint->tls && authorizer->tls != NULL) {
        tell(loader, &authorizer->tls, node, "the URL is not https: these settings would have no effect");
    }
}

/* ---- the cache ---- */

static bool is_credential(struct slice name)
{
    return slice_equal_nocase(name, SLICE("Authorization")) || slice_equal_nocase(name, SLICE("Cookie"));
}

/* Headers that it sees and that decisions are reused for whatever they say. */
static void warn_of_headers(struct loader *loader, const struct authorizer_settings *authorizer,
                            const struct conf_node *node)
{
    for (size_t i = 0; i < authorizer->request_headers.count; i++) {
        struct slice name = authorizer->request_headers.items[i];
        if (!is_credential(name) && !external_names_hold(&authorizer->cache->headers, name)) {
            warn(loader, &authorizer->cache->by, node,
                 "decisions are reused whatever %.*s says, and the authorizer is sent it: add header:%.*s, "
                 "unless it "
                 "does not decide by it",
                 SLICE_ARG(name), SLICE_ARG(name));
        }
    }
}

static void warn_of_parts(struct loader *loader, const struct authorizer_settings *authorizer,
                          const struct conf_node *node)
{
    static const enum decision_part parts[] = { DECISION_METHOD, DECISION_HOST, DECISION_PATH,
                                                DECISION_QUERY };
    char left[64];
    size_t len = 0;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        if ((authorizer->cache->parts & (1U << parts[i])) == 0) {
            struct slice name = decision_part_names[parts[i]];
            len += (size_t)snprintf(left + len, sizeof left - len, "%s%.*s", len > 0 ? ", " : "",
                                    SLICE_ARG(name));
        }
    }
    if (len > 0) {
        warn(loader, &authorizer->cache->by, node,
             "decisions are reused whatever the request's %s: right only where the authorizer does not "
             "decide by it",
             left);
    }
}

static void check_cache(struct loader *loader, const struct authorizer_settings *authorizer,
                        const struct conf_node *node)
{
    const struct decision_cache_settings *cache = authorizer->cache;
    bool wrong = cache == NULL || cache->by.count == 0;
    for (size_t i = 0; !wrong && i < cache->by.count; i++) {
        const char *problem = authorizer_cache_problem(authorizer, cache->by.items[i]);
        if (problem != NULL) {
            tell(loader, &cache->by.items[i], node, "%s", problem);
            wrong = true;
        }
    }
    if (wrong) {
        return;
    }
    if ((cache->parts & (1U << DECISION_CREDENTIAL)) == 0) {
        tell(loader, &cache->by, node,
             "credential is missing: what is decided for one caller would be reused for any other");
        return;
    }
    warn_of_headers(loader, authorizer, node);
    warn_of_parts(loader, authorizer, node);
}

/* ---- beside the others ---- */

/* Is the header one that upstreams or authorizers believe? Then a client's must never reach an authorizer. */
static bool is_believed(const struct settings *settings, struct slice name)
{
    for (size_t i = 0; i < settings->authorizer_count; i++) {
        const struct authorizer_settings *other = &settings->authorizers[i];
        bool granted = !is_credential(name) && name_is_among(name, &other->upstream_headers);
        for (size_t k = 0; !granted && k < other->identity_headers.count; k++) {
            granted = name_same(name, other->identity_headers.items[k].name);
        }
        if (granted) {
            return true;
        }
    }
    for (size_t i = 0; i < settings->route_count; i++) {
        const struct relay_settings *relay = settings->routes[i].policy.relay;
        for (size_t k = 0; relay != NULL && k < relay->headers.count; k++) {
            if (name_same(name, relay->headers.items[k].name)) {
                return true;
            }
        }
    }
    return false;
}

static void check_beside(struct loader *loader, const struct authorizer_settings *authorizer,
                         const struct conf_node *node)
{
    const struct conf_strings *names = &authorizer->request_headers;
    for (size_t i = 0; i < names->count; i++) {
        if (is_believed(loader->settings, names->items[i])) {
            tell(loader, &names->items[i], node,
                 "this header tells of a proven identity elsewhere (relay.headers, identity_headers or "
                 "upstream_headers): what a client puts into it must not reach an authorizer");
        }
    }
}

struct error check_authorizers(struct loader *loader)
{
    struct settings *settings = loader->settings;
    for (size_t i = 0; i < settings->authorizer_count; i++) {
        struct authorizer_settings *authorizer = &settings->authorizers[i];
        const struct conf_node *node = loader_object(loader, authorizer);
        TRY(authorizer_prepare(authorizer, loader->arena));
        check_url(loader, authorizer, node);
        check_names(loader, &authorizer->request_headers, node, authorizer_request_header_problem);
        check_names(loader, &authorizer->upstream_headers, node, authorizer_upstream_header_problem);
        check_names(loader, &authorizer->client_headers, node, authorizer_client_header_problem);
        check_identity(loader, authorizer, node);
        check_told(loader, &authorizer->subject_header, node);
        check_told(loader, &authorizer->roles_header, node);
        check_cache(loader, authorizer, node);
        check_beside(loader, authorizer, node);
        TRY(check_client_tls(loader, authorizer->tls));
    }
    return OK;
}

/* ---- routes ---- */

/* It is asked last, and the first that is listed and proven is the caller: so it is listed last. */
static bool is_last(const struct auth_plan *plan)
{
    return plan->uses[plan->use_count - 1].method == AUTH_EXTERNAL;
}

void check_external_auth(struct loader *loader, const struct auth_settings *auth,
                         const struct conf_node *node)
{
    if (!auth_plan_uses(auth->plan, AUTH_EXTERNAL)) {
        return;
    }
    if (!is_last(auth->plan)) {
        diagnostics_node(loader->diagnostics, DIAGNOSTIC_ERROR, node,
                         "`external` is asked last, since it knows itself what it decides by: list it last");
    }
    for (size_t i = 0; i < auth->plan->use_count; i++) {
        const struct auth_use *use = &auth->plan->uses[i];
        const struct authorizer_settings *authorizer =
            use->method == AUTH_EXTERNAL
                ? settings_find(loader->settings->authorizers, loader->settings->authorizer_count,
                                sizeof *authorizer, use->names.items[0])
                : NULL;
        if (use->method == AUTH_EXTERNAL && use->names.count > 1) {
            diagnostics_node(loader->diagnostics, DIAGNOSTIC_ERROR, node,
                             "`external` names one authorizer: a request is asked about once");
        }
        if (authorizer != NULL && authorizer->subject_header.len == 0) {
            diagnostics_node(
                loader->diagnostics, DIAGNOSTIC_ERROR, node,
                "the authorizer \"%.*s\" says nobody's name: give it subject_header, or ask it in "
                "`authorize` (authorize: { external: %.*s })",
                SLICE_ARG(authorizer->name), SLICE_ARG(authorizer->name));
        }
    }
}

/* Two who set one header: which of them counts would be a matter of taste. */
static void check_set_twice(struct loader *loader, const struct route_settings *route, struct slice name,
                            const struct conf_node *node)
{
    const struct relay_settings *relay = route->policy.relay;
    const struct authorizer_settings *authorizer = settings_find(
        loader->settings->authorizers, loader->settings->authorizer_count, sizeof *authorizer, name);
    for (size_t i = 0; authorizer != NULL && relay != NULL && i < relay->headers.count; i++) {
        if (name_is_among(relay->headers.items[i].name, &authorizer->upstream_headers)) {
            tell(loader, &relay->headers.items[i].value, node,
                 "the authorizer \"%.*s\" sets this header, too (upstream_headers): take it out of one of "
                 "them",
                 SLICE_ARG(name));
        }
    }
}

void check_external_route(struct loader *loader, const struct route_settings *route,
                          const struct conf_node *node)
{
    const struct authorize_settings *authorize = route->policy.authorize;
    const struct auth_settings *auth = route->policy.auth;
    if (authorize != NULL && authorize->external.len > 0) {
        loader_find(loader, loader_node(loader, &authorize->external, node), "authorizer",
                    loader->settings->authorizers, loader->settings->authorizer_count,
                    sizeof(struct authorizer_settings), authorize->external);
        check_set_twice(loader, route, authorize->external, node);
    }
    for (size_t i = 0; auth != NULL && auth->plan != NULL && i < auth->plan->use_count; i++) {
        if (auth->plan->uses[i].method == AUTH_EXTERNAL) {
            check_set_twice(loader, route, auth->plan->uses[i].names.items[0], node);
        }
    }
}
