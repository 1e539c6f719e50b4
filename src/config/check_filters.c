/* Filters of routes: compiled here, for their room says what is wrong as it compiles. */
#include "config/internal.h"

/* What does nothing: an entry without a filter, and those behind one that answers. */
static void check_effect(struct loader *loader, const struct route_settings *route,
                         const struct conf_node *node)
{
    const struct filter_settings *entries = route->policy.filters.items;
    bool answered = false;
    for (size_t i = 0; i < route->policy.filters.count; i++) {
        const struct conf_node *item = loader_object(loader, &entries[i]);
        if (answered) {
            diagnostics_node(loader->diagnostics, DIAGNOSTIC_WARNING, item != NULL ? item : node,
                             "it has no effect behind `redirect_to`, which has answered");
        } else if (item != NULL && item->type == CONF_NODE_MAPPING && item->count == 0) {
            diagnostics_node(loader->diagnostics, DIAGNOSTIC_ERROR, item,
                             "a filter is wanted, as in { strip_prefix: 1 }");
        }
        answered |= entries[i].redirect_to != NULL;
    }
}

/* Every entry that is wrong: the room tells of one at a time, so each is tried by itself first. */
static struct error check_each(struct loader *loader, const struct route_settings *route,
                               const struct filter_route *about, const struct conf_node *node, bool *ret_good)
{
    struct filter_settings *entries = route->policy.filters.items;
    *ret_good = true;
    for (size_t i = 0; i < route->policy.filters.count; i++) {
        const struct conf_list alone = { &entries[i], 1 };
        struct filter_chain *chain;
        const void *wrong = NULL;
        struct error error = filter_chain_new(&alone, about, loader->arena, &chain, &wrong);
        if (!failed(error)) {
            continue;
        }
        if (error.kind == ERROR_MEMORY) {
            return error;
        }
        const struct conf_node *item = loader_object(loader, &entries[i]);
        tell(loader, wrong, item != NULL ? item : node, "%s", error.what);
        *ret_good = false;
    }
    return OK;
}

struct error check_filters(struct loader *loader, struct route_settings *route, const struct conf_node *node,
                           const struct conf_strings *identity)
{
    const struct filter_route about = { .match = &route->match,
                                        .path_allows = (unsigned int)route->policy.path_allows,
                                        .identity_headers = identity };
    bool good = true;
    if (route->policy.filters.count == 0) {
        return OK;
    }
    check_effect(loader, route, node);
    TRY(check_each(loader, route, &about, node, &good));
    const void *wrong = NULL;
    return good ? filter_chain_new(&route->policy.filters, &about, loader->arena, &route->filters, &wrong)
                : OK;
}
