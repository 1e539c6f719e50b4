/* Health checks of services: what is asked must be askable. */
#include "config/internal.h"
#include "http/client.h"

/* What is asked, by the fields that say it. */
static void check_kind(struct loader *loader, const struct health_settings *health,
                       const struct conf_node *node)
{
    size_t kinds = (health->path.ptr != NULL) + (health->grpc.ptr != NULL) + health->connect;
    /* What is wrong in itself has been told by the reader. */
    bool tried = conf_node_get(node, SLICE("path")) != NULL || conf_node_get(node, SLICE("grpc")) != NULL;
    if (kinds > 1 || (kinds == 0 && !tried)) {
        diagnostics_node(loader->diagnostics, DIAGNOSTIC_ERROR, node,
                         "%s of `path: /healthz`, `grpc: \"\"` (or a service's name) and `connect: true` is "
                         "wanted here",
                         kinds > 1 ? "only one" : "one");
    }
}

static void check_statuses(struct loader *loader, struct health_settings *health,
                           const struct conf_node *node)
{
    if (health->path.ptr == NULL && conf_node_get(node, SLICE("statuses")) != NULL) {
        tell(loader, &health->statuses, node,
             "`statuses` are those of `path`: here they would have no effect");
    }
    if (health->statuses.count > HEALTH_STATUSES_MAX) {
        tell(loader, &health->statuses, node, "at most %d statuses and ranges", HEALTH_STATUSES_MAX);
        return;
    }
    for (size_t i = 0; i < health->statuses.count; i++) {
        const struct slice *text = &health->statuses.items[i];
        if (health_parse_statuses(*text, &health->ranges[health->range_count])) {
            health->range_count++;
        } else {
            tell(loader, text, node,
                 "a status or range from 200 to 599 is wanted here, not \"%.*s\", as in 204 or 200-299",
                 SLICE_ARG(*text));
        }
    }
}

/* gRPC is spoken over HTTP/2 only. */
static void check_endpoints(struct loader *loader, const struct upstream_settings *upstream,
                            const struct conf_node *node)
{
    for (size_t i = 0; i < upstream->endpoints.count; i++) {
        const struct upstream_endpoint *endpoint = &upstream->parsed[i];
        if (endpoint->url.len > 0 && upstream_protocol_of(upstream->protocol, endpoint) == HTTP_PROTOCOL_1) {
            tell(loader, &upstream->health->grpc, node,
                 "gRPC is spoken over HTTP/2, and %.*s is not: write %s, or check it by `path` or `connect`",
                 SLICE_ARG(endpoint->url),
                 endpoint->tls ? "`protocol: h2`" : "h2c://host:port as its endpoint");
        }
    }
}

void check_health(struct loader *loader, struct upstream_settings *upstream)
{
    struct health_settings *health = upstream->health;
    if (health == NULL) {
        return;
    }
    const struct conf_node *upstream_node = loader_object(loader, upstream);
    const struct conf_node *node = conf_node_get(upstream_node, SLICE("health"));
    node = node != NULL ? node : upstream_node;
    const char *problem = health->path.len > 0 ? health_check_path(health->path) : NULL;
    if (problem != NULL) {
        tell(loader, &health->path, node, "%s", problem);
    }
    problem = health_check_service(health->grpc);
    if (problem != NULL) {
        tell(loader, &health->grpc, node, "%s", problem);
    }
    check_kind(loader, health, node);
    check_statuses(loader, health, node);
    if (health->grpc.ptr != NULL) {
        check_endpoints(loader, upstream, node);
    }
    if (health->interval > 0 && health->timeout > health->interval) {
        tell(loader, &health->timeout, node,
             "a check would not be over when the next one is due: `timeout` is at most `interval`");
    }
}
