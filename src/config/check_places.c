/* Cross-checks of where credentials stand in requests: `token_from` and `key_from`. */
#include "auth/plan.h"
#include "config/internal.h"

static const struct slice host_prefix = SLICE_INIT("__Host-");

void check_place(struct loader *loader, struct auth_place_settings *const *field, bool in_issuer,
                 const struct conf_node *otherwise)
{
    const struct auth_place_settings *place = *field;
    if (place == NULL) {
        return;
    }
    const struct conf_node *node = loader_node(loader, field, otherwise);
    const char *problem = auth_place_check(place, in_issuer);
    if (problem != NULL) {
        diagnostics_node(loader->diagnostics, DIAGNOSTIC_ERROR, node, "%s", problem);
    } else if (place->cookie.len > 0 && !slice_starts_with(place->cookie, host_prefix)) {
        warn(loader, &place->cookie, node,
             "any host of the same site may set the cookie \"%.*s\", and so choose as whom a browser acts: "
             "browsers "
             "keep a name that begins with __Host- to this host",
             SLICE_ARG(place->cookie));
    }
}

/* A place is named and nothing is looked for in it. */
static void check_idle(struct loader *loader, const struct auth_plan *plan, enum auth_method method,
                       const struct auth_place_settings *place, const char *key, const struct conf_node *node)
{
    if (place != NULL && !auth_plan_uses(plan, method)) {
        diagnostics_node(loader->diagnostics, DIAGNOSTIC_ERROR, node,
                         "%s is given, and no way of the route is %s: take it out, or name one", key,
                         auth_method_infos[method].key);
    }
}

/* Its shape says whose a token is. */
static bool may_share(enum auth_method one, enum auth_method other)
{
    return (one == AUTH_JWT && other == AUTH_INTROSPECTION) ||
           (one == AUTH_INTROSPECTION && other == AUTH_JWT);
}

static void check_clash(struct loader *loader, const struct auth_use *one, const struct auth_use *other,
                        const struct conf_node *node)
{
    for (size_t i = 0; i < one->places.count * other->places.count; i++) {
        const struct auth_place *first = &one->places.items[i % one->places.count],
                                *second = &other->places.items[i / one->places.count];
        if (auth_place_same(first, second)) {
            diagnostics_node(
                loader->diagnostics, DIAGNOSTIC_ERROR, node,
                "%s and %s are both looked for in the %s %.*s: what stands there could be either",
                auth_method_infos[one->method].key, auth_method_infos[other->method].key,
                auth_place_kind_text(first->kind), SLICE_ARG(first->name));
        }
    }
}

/* A key says by its place and its prefix whose it is. */
static void check_same_keys(struct loader *loader, const struct auth_place *place,
                            const struct conf_node *node)
{
    const struct conf_strings *names = &place->names;
    for (size_t i = 0; i < names->count * names->count; i++) {
        const struct slice *first = &names->items[i % names->count],
                           *second = &names->items[i / names->count];
        const struct api_keys_settings *one = place->settings[i % names->count],
                                       *other = place->settings[i / names->count];
        if (first < second && one != NULL && other != NULL && slice_equal(one->prefix, other->prefix)) {
            diagnostics_node(loader->diagnostics, DIAGNOSTIC_ERROR, node,
                             "\"%.*s\" and \"%.*s\" have the same %s and prefix: a key could be either's",
                             SLICE_ARG(*first), SLICE_ARG(*second), auth_place_kind_text(place->kind));
        }
    }
}

void check_places(struct loader *loader, const struct auth_settings *auth, struct auth_plan *plan,
                  const struct conf_node *node)
{
    check_place(loader, &auth->token_from, false, node);
    check_place(loader, &auth->key_from, false, node);
    if (!auth_plan_uses(plan, AUTH_INTROSPECTION)) {
        check_idle(loader, plan, AUTH_JWT, auth->token_from, "token_from", node);
    }
    check_idle(loader, plan, AUTH_API_KEY, auth->key_from, "key_from", node);
    if (!auth_places_set(plan, auth, loader->arena)) {
        diagnostics_node(loader->diagnostics, DIAGNOSTIC_ERROR, node,
                         "credentials of one kind would be looked for in more than %d places: say token_from "
                         "or key_from here",
                         AUTH_PLACES_MAX);
        return;
    }
    for (size_t i = 0; i < plan->use_count; i++) {
        for (size_t k = i + 1; k < plan->use_count; k++) {
            if (!may_share(plan->uses[i].method, plan->uses[k].method)) {
                check_clash(loader, &plan->uses[i], &plan->uses[k], node);
            }
        }
        for (size_t k = 0; plan->uses[i].method == AUTH_API_KEY && k < plan->uses[i].places.count; k++) {
            check_same_keys(loader, &plan->uses[i].places.items[k], node);
        }
    }
}
