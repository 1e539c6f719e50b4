/* Endpoints are written, or discovered: one of both, and such that they can be. */
#include "config/internal.h"
#include "http/client.h"

static void check_dns(struct loader *loader, struct discovery_settings *discover,
                      const struct upstream_settings *upstream, const struct conf_node *node)
{
    if (discover->resolvers.count > DISCOVERY_RESOLVERS_MAX) {
        tell(loader, &discover->resolvers, node, "at most %d name servers", DISCOVERY_RESOLVERS_MAX);
        return;
    }
    for (size_t i = 0; i < discover->resolvers.count; i++) {
        const char *problem = discovery_parse_resolver(discover, i);
        if (problem != NULL) {
            tell(loader, &discover->resolvers.items[i], node, "%s", problem);
        }
    }
    if (discover->scheme == DISCOVERY_HTTPS) {
        return;
    }
    warn(loader, &discover->scheme, node,
         "requests go to these endpoints without TLS: anybody on the way can read them, and who answers for "
         "the "
         "name servers can have them");
    if (upstream->tls != NULL) {
        tell(loader, &upstream->tls, node, "no endpoint is https: these settings would have no effect");
    }
    if (upstream->protocol != HTTP_PROTOCOL_1 && discover->scheme == DISCOVERY_HTTP) {
        tell(loader, &upstream->protocol, node,
             "no endpoint is https: it would have no effect; write `scheme: h2c` for HTTP/2 without TLS");
    }
}

/* What only name servers are asked for. */
static void check_file(struct loader *loader, const struct conf_node *node)
{
    static const char *const others[] = { "scheme", "interval", "resolvers" };
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        const struct conf_node *written = conf_node_get(node, slice_from_string(others[i]));
        if (written != NULL) {
            diagnostics_node(loader->diagnostics, DIAGNOSTIC_ERROR, written,
                             "`%s` is of DNS: a file has whole URLs, and is looked at twice a second",
                             others[i]);
        }
    }
}

void check_discovery(struct loader *loader, struct upstream_settings *upstream)
{
    const struct conf_node *upstream_node = loader_object(loader, upstream);
    struct discovery_settings *discover = upstream->discover;
    bool written = conf_node_get(upstream_node, SLICE("endpoints")) != NULL || upstream->endpoints.count > 0;
    if (discover == NULL) {
        if (!written && conf_node_get(upstream_node, SLICE("discover")) == NULL) {
            diagnostics_node(
                loader->diagnostics, DIAGNOSTIC_ERROR, upstream_node,
                "endpoints is missing: its servers, as in `endpoints: [https://10.0.0.5:9001]`, or "
                "`discover: dns://orders.internal:9001`");
        }
        return;
    }
    const struct conf_node *node = conf_node_get(upstream_node, SLICE("discover"));
    node = node != NULL ? node : upstream_node;
    if (written) {
        diagnostics_node(loader->diagnostics, DIAGNOSTIC_ERROR, node,
                         "endpoints are written or discovered: leave out one of both");
    }
    const char *problem = discover->from.len > 0 ? discovery_parse(discover, loader->arena) : NULL;
    if (problem != NULL) {
        tell(loader, &discover->from, node,
             "%s, as in file:///etc/sallyport/orders.json, dns://orders.internal:9001 or "
             "dns+srv://_https._tcp.orders.internal",
             problem);
    } else if (discover->kind == DISCOVERY_FILE) {
        check_file(loader, node);
    } else {
        check_dns(loader, discover, upstream, node);
    }
}
