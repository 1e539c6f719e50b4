/* Cross-checks of routes: what each serves, and on which listeners; then all that it says of callers and upstreams. */
#include "base/clock.h"
#include "config/check_route.h"
#include "route/conditions.h"

/* ---- match ---- */

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

/* Of a match without a problem. */
static void check_time(const struct check *check)
{
    const struct slice *before = &check->route->match.before;
    int64_t end;
    if (clock_parse_date(*before, &end) && end <= clock_real_ns() / NS_PER_S) {
        warn(check->loader, where_written(check, before), check->node,
             "this time is over: no request reaches the route any more");
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
    const void *where = NULL;
    const char *problem = route_conditions_problem(match, &where);
    if (problem != NULL) {
        tell(check->loader, where_written(check, where), check->node, "%s", problem);
    } else {
        check_time(check);
    }
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
        TRY(check_route_access(&check));
        check_route_forwarding(&check);
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
