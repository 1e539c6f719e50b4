/* How endpoints are chosen, and left out: what is said must have an effect, and endpoints must not be too many. */
#include "base/limits.h"
#include "config/internal.h"

/* Of what only one way of balancing knows. */
static void check_hash(struct loader *loader, struct upstream_settings *upstream,
                       const struct conf_node *node)
{
    if (upstream->balance != BALANCE_HASH) {
        if (upstream->hash_by.len > 0) {
            tell(loader, &upstream->hash_by, node, "a key has no effect here: write `balance: hash`");
        }
        if (upstream->max_load != 0) {
            tell(loader, &upstream->max_load, node, "it has no effect here: write `balance: hash`");
        }
        return;
    }
    if (upstream->hash_by.len > 0) {
        const char *problem = balance_source_parse(upstream->hash_by, &upstream->hash_source);
        if (problem != NULL) {
            tell(loader, &upstream->hash_by, node, "%s, as in cookie:session", problem);
        }
    } else if (conf_node_get(node, SLICE("hash_by")) == NULL) {
        tell(loader, &upstream->balance, node,
             "hash_by is missing: by what? As in `hash_by: caller` or `hash_by: cookie:session`");
    }
    if (upstream->max_load != 0 && upstream->max_load <= 100) {
        tell(loader, &upstream->max_load, node,
             "one endpoint has to be allowed more than the mean: from 101 on, as in 150; or 0: any");
    }
}

static void check_weights(struct loader *loader, const struct upstream_settings *upstream,
                          const struct conf_node *node)
{
    const struct upstream_endpoint_settings *written = upstream->endpoints.items;
    bool any = false;
    for (size_t i = 0; i < upstream->endpoints.count; i++) {
        any = any || written[i].weight > 1;
        if (upstream->balance != BALANCE_WEIGHTED && written[i].weight > 1) {
            tell(loader, &written[i].weight, node, "weights have no effect here: write `balance: weighted`");
        }
    }
    if (upstream->balance == BALANCE_WEIGHTED && !any && upstream->discover == NULL) {
        warn(loader, &upstream->balance, node,
             "no endpoint has a weight of more than 1: they take turns; as in `endpoints: [{ url: "
             "https://10.0.0.5:9001, weight: 3 }, https://10.0.0.6:9001]`");
    }
}

static void check_zones(struct loader *loader, struct upstream_settings *upstream,
                        const struct conf_node *node)
{
    const struct upstream_endpoint_settings *written = upstream->endpoints.items;
    size_t zoned = 0, local = 0;
    for (size_t i = 0; i < upstream->endpoints.count; i++) {
        zoned += written[i].zone.len > 0;
        local += upstream->parsed[i].tier == 0;
        if (written[i].zone.len > 0 && loader->settings->zone.len == 0) {
            warn(loader, &written[i].zone, node,
                 "zones have no effect: this gateway has none; say at the top where it stands, as in `zone: "
                 "%.*s`",
                 SLICE_ARG(written[i].zone));
            break;
        }
    }
    upstream->has_local = local > 0 && local < upstream->endpoints.count;
    if (zoned == 0 && upstream->discover == NULL && conf_node_get(node, SLICE("zone_spill")) != NULL) {
        tell(loader, &upstream->zone_spill, node,
             "no endpoint has a zone: it has no effect; as in `endpoints: [{ url: https://10.0.0.5:9001, "
             "zone: "
             "a }]`");
    }
}

static void check_outliers(struct loader *loader, const struct upstream_settings *upstream,
                           const struct conf_node *upstream_node)
{
    const struct outlier_settings *outliers = upstream->outliers;
    if (outliers == NULL) {
        return;
    }
    const struct conf_node *node = conf_node_get(upstream_node, SLICE("outliers"));
    node = node != NULL ? node : upstream_node;
    if (outliers->failures == 0 && outliers->success_gap == 0) {
        tell(loader, &outliers->failures, node,
             "nothing would ever eject an endpoint: leave `failures` at 5, or say a `success_gap`, as in 20");
    }
    if (outliers->success_gap == 0 && conf_node_get(node, SLICE("min_requests")) != NULL) {
        tell(loader, &outliers->min_requests, node, "it has no effect without `success_gap`, as in 20");
    }
    if (outliers->max_ejection < outliers->ejection) {
        tell(
            loader, &outliers->max_ejection, node,
            "the longest ejection is at least as long as the first one, `ejection`: say `max_ejection`, too");
    }
    if (upstream->endpoints.count == 1) {
        warn(loader, &upstream->outliers, upstream_node,
             "there is one endpoint: it is never ejected, since no other one could take its requests");
    }
}

static struct error compile(struct loader *loader, struct upstream_settings *upstream)
{
    const struct upstream_endpoint_settings *written = upstream->endpoints.items;
    size_t count = upstream->endpoints.count;
    if (upstream->balance != BALANCE_HASH || count == 0 || count > ENDPOINTS_MAX) {
        return OK;
    }
    struct slice *names = arena_calloc(loader->arena, count, sizeof *names);
    for (size_t i = 0; names != NULL && i < count; i++) {
        names[i] = written[i].url;
    }
    upstream->maglev = names != NULL ? maglev_new(loader->arena, names, count) : NULL;
    return upstream->maglev != NULL ? OK : NO_MEMORY;
}

struct error check_balance(struct loader *loader, struct upstream_settings *upstream)
{
    const struct conf_node *node = loader_object(loader, upstream);
    if (upstream->endpoints.count > ENDPOINTS_MAX) {
        tell(loader, &upstream->endpoints, node, "%zu endpoints: a service has at most %d",
             upstream->endpoints.count, ENDPOINTS_MAX);
    }
    check_hash(loader, upstream, node);
    check_weights(loader, upstream, node);
    check_zones(loader, upstream, node);
    check_outliers(loader, upstream, node);
    return compile(loader, upstream);
}
