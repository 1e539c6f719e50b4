/* Cross-checks of `auth`: its ways are sound, and every name in it leads somewhere. */
#include "auth/plan.h"
#include "config/internal.h"

/* What the names of a method are looked up in. */
struct named {
    const void *items;
    size_t count, size;
};

static struct named named_by(const struct settings *settings, enum auth_method method)
{
    const struct named named[AUTH_METHOD_COUNT] = {
        [AUTH_JWT] = { settings->issuers, settings->issuer_count, sizeof(struct issuer_settings) },
        [AUTH_INTROSPECTION] = { settings->introspection, settings->introspection_count,
                                 sizeof(struct introspection_settings) },
        [AUTH_API_KEY] = { settings->api_keys, settings->api_keys_count, sizeof(struct api_keys_settings) },
        [AUTH_BASIC] = { settings->basic, settings->basic_count, sizeof(struct basic_settings) },
        [AUTH_CERTIFICATE] = { settings->client_certificates, settings->client_certificate_count,
                               sizeof(struct client_certificate_settings) },
        [AUTH_EXTERNAL] = { settings->authorizers, settings->authorizer_count,
                            sizeof(struct authorizer_settings) },
    };
    return named[method];
}

void settings_resolve(const struct settings *settings, struct auth_plan *plan)
{
    for (size_t i = 0; i < plan->use_count; i++) {
        const struct auth_use *use = &plan->uses[i];
        struct named named = named_by(settings, use->method);
        for (size_t k = 0; k < use->names.count; k++) {
            use->sources[k].settings =
                settings_find(named.items, named.count, named.size, use->names.items[k]);
        }
    }
}

/* A token says by its iss whose it is: two issuers with the same could both be meant. */
static void check_same_issuers(struct loader *loader, const struct conf_strings *names,
                               const struct conf_node *node)
{
    const struct named issuers = named_by(loader->settings, AUTH_JWT);
    for (size_t i = 0; i < names->count * names->count; i++) {
        const struct slice *first = &names->items[i % names->count],
                           *second = &names->items[i / names->count];
        const struct issuer_settings *one = settings_find(issuers.items, issuers.count, issuers.size, *first);
        const struct issuer_settings *other =
            settings_find(issuers.items, issuers.count, issuers.size, *second);
        if (first < second && one != NULL && other != NULL && slice_equal(one->issuer, other->issuer)) {
            diagnostics_node(loader->diagnostics, DIAGNOSTIC_ERROR, loader_node(loader, second, node),
                             "\"%.*s\" and \"%.*s\" have the same iss: a token could be either's",
                             SLICE_ARG(*first), SLICE_ARG(*second));
        }
    }
}

/* A name that both sets have. */
static const struct basic_user *shared_user(const struct basic_settings *one,
                                            const struct basic_settings *other)
{
    for (size_t i = 0; i < one->known_count; i++) {
        if (basic_find_user(other, one->known[i].name) != NULL) {
            return &one->known[i];
        }
    }
    return NULL;
}

/* A user is told by the name alone. */
static void check_same_users(struct loader *loader, const struct conf_strings *names,
                             const struct conf_node *node)
{
    const struct named sets = named_by(loader->settings, AUTH_BASIC);
    for (size_t i = 0; i < names->count * names->count; i++) {
        const struct slice *first = &names->items[i % names->count],
                           *second = &names->items[i / names->count];
        const struct basic_settings *one = settings_find(sets.items, sets.count, sets.size, *first);
        const struct basic_settings *other = settings_find(sets.items, sets.count, sets.size, *second);
        const struct basic_user *user =
            first < second && one != NULL && other != NULL ? shared_user(one, other) : NULL;
        if (user != NULL) {
            diagnostics_node(loader->diagnostics, DIAGNOSTIC_ERROR, loader_node(loader, second, node),
                             "\"%.*s\" and \"%.*s\" both have a user \"%.*s\": it could be either's",
                             SLICE_ARG(*first), SLICE_ARG(*second), SLICE_ARG(user->name));
        }
    }
}

static void check_way_names(struct loader *loader, const struct auth_way_settings *way,
                            const struct conf_node *node)
{
    for (int method = 0; method < AUTH_METHOD_COUNT; method++) {
        const struct conf_strings *names = &way->names[method];
        struct named named = named_by(loader->settings, (enum auth_method)method);
        for (size_t i = 0; i < names->count; i++) {
            loader_find(loader, loader_node(loader, &names->items[i], node), auth_method_infos[method].kind,
                        named.items, named.count, named.size, names->items[i]);
        }
    }
}

static void check_entry_names(struct loader *loader, const struct conf_list *entries,
                              const struct conf_node *node)
{
    const struct auth_entry_settings *entry = entries->items;
    for (size_t i = 0; i < entries->count; i++) {
        check_way_names(loader, &entry[i].way, node);
        const struct auth_way_settings *inner = entry[i].inner.items;
        for (size_t k = 0; k < entry[i].inner.count; k++) {
            check_way_names(loader, &inner[k], node);
        }
    }
}

void check_auth_names(struct loader *loader, const struct auth_settings *auth, const struct conf_node *node)
{
    check_way_names(loader, &auth->way, node);
    check_entry_names(loader, &auth->any_of, node);
    check_entry_names(loader, &auth->all_of, node);
    if (auth->candidate != NULL) {
        check_auth_names(loader, auth->candidate, node);
    }
}

bool auth_is_broken(const struct auth_settings *auth, const struct conf_node *node)
{
    return node->type == CONF_NODE_SCALAR && auth->mode == AUTH_REQUIRED &&
           !slice_equal(node->text, SLICE("required"));
}

/* Tells it where there is something to tell: true. */
static bool tell_problem(struct loader *loader, const struct conf_node *node, const char *problem)
{
    if (problem != NULL) {
        diagnostics_node(loader->diagnostics, DIAGNOSTIC_ERROR, node, "%s", problem);
    }
    return problem != NULL;
}

static bool tell_entries(struct loader *loader, const struct conf_list *entries)
{
    const struct auth_entry_settings *entry = entries->items;
    bool told = false;
    for (size_t i = 0; i < entries->count; i++) {
        told |= tell_problem(loader, loader_object(loader, &entry[i]), auth_check_entry(&entry[i]));
        const struct auth_way_settings *inner = entry[i].inner.items;
        for (size_t k = 0; k < entry[i].inner.count; k++) {
            told |= tell_problem(loader, loader_object(loader, &inner[k]), auth_check_way(&inner[k]));
        }
    }
    return told;
}

/* A key whose value was wrong has been told, and may be all that is missing. */
static bool is_written_wrong(const struct auth_settings *auth, const struct conf_node *node)
{
    static const struct slice lists[] = { SLICE_INIT("any_of"), SLICE_INIT("all_of") };
    for (int method = 0; method < AUTH_METHOD_COUNT; method++) {
        if (conf_node_get(node, slice_from_string(auth_method_infos[method].key)) != NULL &&
            auth->way.names[method].count == 0) {
            return true;
        }
    }
    return (conf_node_get(node, lists[0]) != NULL && auth->any_of.count == 0) ||
           (conf_node_get(node, lists[1]) != NULL && auth->all_of.count == 0) || auth_is_broken(auth, node);
}

/* An opaque token does not say who knows it: asking one after the other would show it to strangers. And one token cannot be both. */
static void check_introspection(struct loader *loader, const struct auth_plan *plan,
                                const struct auth_use *use, const struct conf_node *node)
{
    if (use->names.count > 1) {
        diagnostics_node(
            loader->diagnostics, DIAGNOSTIC_ERROR, loader_node(loader, &use->names.items[1], node),
            "names a second introspection endpoint: a token does not say which of them knows it");
    }
    for (size_t i = 0; i < plan->enough_count; i++) {
        bool jwt = false, introspection = false;
        for (size_t k = 0; k < plan->way_count; k++) {
            bool wanted = ((plan->enough[i] >> k) & 1) != 0;
            jwt |= wanted && plan->ways[k].method == AUTH_JWT;
            introspection |= wanted && plan->ways[k].method == AUTH_INTROSPECTION;
        }
        if (jwt && introspection) {
            diagnostics_node(
                loader->diagnostics, DIAGNOSTIC_ERROR, node,
                "demands jwt and introspection of one request, which has one Bearer token: it is "
                "one or the other (any_of)");
            return;
        }
    }
}

static struct error check_ways(struct loader *loader, struct auth_settings *auth,
                               const struct conf_node *node)
{
    check_same_issuers(loader, &auth->way.names[AUTH_JWT], node);
    bool wrong = is_written_wrong(auth, node);
    wrong = wrong || tell_problem(loader, node, auth_check_settings(auth));
    wrong |= tell_entries(loader, &auth->any_of);
    wrong |= tell_entries(loader, &auth->all_of);
    if (wrong || auth->mode == AUTH_NONE) {
        return OK;
    }
    const char *problem = NULL;
    struct auth_plan *plan = auth_plan_new(auth, loader->arena, &problem);
    if (tell_problem(loader, node, problem)) {
        return OK;
    }
    auth->plan = plan;
    settings_resolve(loader->settings, plan);
    check_external_auth(loader, auth, node);
    check_places(loader, auth, plan, node);
    check_resource_name(loader, auth, node);
    for (size_t i = 0; i < auth->plan->use_count; i++) {
        const struct auth_use *use = &auth->plan->uses[i];
        if (use->method == AUTH_INTROSPECTION) {
            check_introspection(loader, auth->plan, use, node);
        } else if (use->method == AUTH_BASIC) {
            check_same_users(loader, &use->names, node);
        } else if (use->method == AUTH_JWT && auth->way.names[AUTH_JWT].count == 0) {
            check_same_issuers(loader, &use->names, node);
        }
    }
    return OK;
}

static struct error check_candidate(struct loader *loader, struct auth_settings *candidate,
                                    const struct conf_node *otherwise)
{
    const struct conf_node *node = loader_object(loader, candidate);
    node = node != NULL ? node : otherwise;
    if (!tell_problem(loader, node, auth_check_candidate(candidate))) {
        check_candidate_date(loader, &candidate->shadow, node);
    }
    return check_ways(loader, candidate, node);
}

struct error check_auth(struct loader *loader, struct auth_settings *auth, const struct conf_node *node)
{
    check_auth_names(loader, auth, node);
    TRY(check_ways(loader, auth, node));
    return auth->candidate != NULL ? check_candidate(loader, auth->candidate, node) : OK;
}
