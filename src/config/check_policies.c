/* Policies by themselves: one that no route uses yet is looked at too. What a route finds wrong in it again is told once. */
#include "config/internal.h"

static void check_names(struct loader *loader, const struct conf_strings *names, const struct conf_node *node,
                        const char *kind, const void *items, size_t count, size_t size)
{
    for (size_t i = 0; i < names->count; i++) {
        loader_find(loader, loader_node(loader, &names->items[i], node), kind, items, count, size,
                    names->items[i]);
    }
}

static void check_limits(struct loader *loader, const struct layer_settings *layer,
                         const struct conf_node *node)
{
    const struct limit_settings *limits = layer->policy.limits.items;
    for (size_t i = 0; i < layer->policy.limits.count; i++) {
        struct limit_settings copy = limits[i]; /* the check fills settings in */
        const struct conf_node *item = loader_object(loader, &limits[i]);
        const char *problem =
            limit_is_broken(&copy, item) ? NULL : limit_check_settings(&copy, SLICE(""), (unsigned int)i);
        if (problem != NULL) {
            diagnostics_node(loader->diagnostics, DIAGNOSTIC_ERROR, item != NULL ? item : node, "%s",
                             problem);
        }
    }
}

static void check_layer(struct loader *loader, const struct layer_settings *layer,
                        const struct conf_node *node)
{
    const struct settings *settings = loader->settings;
    const struct route_policy *policy = &layer->policy;
    check_names(loader, &policy->listeners, node, "listener", settings->listeners, settings->listener_count,
                sizeof(struct listener_settings));
    if (policy->auth != NULL) {
        check_auth_names(loader, policy->auth, node);
    }
    if (policy->authorize != NULL && policy->authorize->external.len > 0) {
        const struct slice *name = &policy->authorize->external;
        loader_find(loader, loader_node(loader, name, node), "authorizer", settings->authorizers,
                    settings->authorizer_count, sizeof(struct authorizer_settings), *name);
    }
    if (policy->upstream.len > 0) {
        loader_find(loader, loader_node(loader, &policy->upstream, node), "upstream", settings->upstreams,
                    settings->upstream_count, sizeof(struct upstream_settings), policy->upstream);
    }
    check_limits(loader, layer, node);
}

void check_policies(struct loader *loader)
{
    const struct input_settings *input = &loader->places->input;
    const struct layer_settings *policies = input->policies.items;
    for (size_t i = 0; i < input->policies.count; i++) {
        check_layer(loader, &policies[i], loader_object(loader, &policies[i]));
    }
    if (input->defaults != NULL) {
        check_layer(loader, input->defaults, loader_object(loader, input->defaults));
    }
}
