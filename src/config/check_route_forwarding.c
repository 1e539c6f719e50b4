/* Cross-checks of a route: where its requests go, and what becomes of them and their answers on the way. */
#include "auth/plan.h"
#include "config/check_route.h"
#include "config/units.h"

/* ---- where to ---- */

/* Where the route itself names one, and not only who it has it from. */
static void warn_of_upstream(const struct check *check, const char *why)
{
    const struct conf_node *own = conf_node_get(check->node, SLICE("upstream"));
    if (own != NULL) {
        diagnostics_node(check->loader->diagnostics, DIAGNOSTIC_WARNING, own, "%s", why);
    }
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
    warn_of_upstream(check, "nothing goes there: `split` stands in place of `upstream`");
}

void check_route_upstream(const struct check *check)
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
    if (filter_redirects(check->route->filters)) {
        warn_of_upstream(check, "nothing goes there: `redirect_to` answers each request of the route");
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

/* ---- how ---- */

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
    if (compress == NULL || !compress->enabled) {
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

void check_route_forwarding(const struct check *check)
{
    check_compress(check);
    check_websocket(check);
    check_grpc_message(check);
    check_retry(check);
    check_hedge(check);
    check_mirror(check);
    check_fallback(check);
    check_fault(check);
}
