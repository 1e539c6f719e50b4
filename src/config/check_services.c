/* Cross-checks of issuers, client certificates and upstreams. */
#include "auth/jwt.h"
#include "config/internal.h"
#include "http/client.h"
#include "http/uri.h"

static void check_dpop_mode(struct loader *loader, int dpop, const struct conf_node *node)
{
    if (dpop != DPOP_OFF && loader->settings->dpop == NULL) {
        diagnostics_node(
            loader->diagnostics, DIAGNOSTIC_ERROR, node,
            "takes tokens that are bound to a key, and dpop is missing: say at the top what proofs "
            "must be made for, as in dpop: { origins: https://api.example.com }");
    }
}

static struct error check_issuer(struct loader *loader, const struct issuer_settings *issuer)
{
    const struct conf_node *node = loader_object(loader, issuer);
    /* What is missing or wrong in itself has been told by the reader: do not tell it again in other words. */
    bool told = (conf_node_get(node, SLICE("secret")) != NULL && issuer->secret.len == 0) ||
                issuer->issuer.len == 0 || issuer->audiences.count == 0;
    const char *problem = told ? NULL : issuer_check_settings(issuer);
    check_dpop_mode(loader, issuer->dpop, node);
    if (problem != NULL) {
        diagnostics_node(loader->diagnostics, DIAGNOSTIC_ERROR, node, "%s", problem);
    }
    check_place(loader, &issuer->token_from, true, node);
    if (issuer->jwks_text.len > 0) {
        size_t used = 0;
        struct error error = jwt_keys_check(issuer->jwks_text, &used);
        if (error.kind == ERROR_MEMORY) {
            return error;
        }
        if (failed(error)) {
            char why[256];
            error_describe(error, why, sizeof why);
            tell(loader, &issuer->jwks_file, node, "%.*s: %s", SLICE_ARG(issuer->jwks_file), why);
        } else if (used == 0) {
            tell(loader, &issuer->jwks_file, node, "%.*s has no key that verifies signatures",
                 SLICE_ARG(issuer->jwks_file));
        }
    }
    return check_client_tls(loader, issuer->jwks_tls);
}

static struct error check_client_key(struct loader *loader,
                                     const struct introspection_settings *introspection)
{
    const struct oauth_identity identity = introspection_client(introspection);
    struct oauth_client *client = NULL;
    if (introspection->client_authentication != CLIENT_PRIVATE_KEY_JWT ||
        introspection->client_key_pem.len == 0) {
        return OK; /* which was told, where it is missing */
    }
    struct error error = oauth_client_new(&identity, &client);
    if (error.kind == ERROR_MEMORY) {
        return error;
    }
    if (failed(error)) {
        tell(loader, &introspection->client_key, loader_object(loader, introspection), "%.*s: %s",
             SLICE_ARG(introspection->client_key), error.what);
    }
    oauth_client_free(client);
    return OK;
}

static struct error check_introspection(struct loader *loader,
                                        const struct introspection_settings *introspection)
{
    const struct conf_node *node = loader_object(loader, introspection);
    /* What is missing or wrong in itself has been told by the reader. */
    bool told =
        introspection->endpoint.len == 0 || introspection->client_id.len == 0 ||
        (conf_node_get(node, SLICE("client_secret")) != NULL && introspection->client_secret.len == 0) ||
        (conf_node_get(node, SLICE("audiences")) != NULL && introspection->audiences.count == 0);
    const char *problem = told ? NULL : introspection_check_settings(introspection);
    if (problem != NULL) {
        diagnostics_node(loader->diagnostics, DIAGNOSTIC_ERROR, node, "%s", problem);
    }
    check_dpop_mode(loader, introspection->dpop, node);
    TRY(check_client_key(loader, introspection));
    return check_client_tls(loader, introspection->tls);
}

bool check_stays_here(const struct upstream_endpoint *endpoint)
{
    if (endpoint->path.len > 0) {
        return true;
    }
    if (!endpoint->is_address) {
        return slice_equal(endpoint->host, SLICE("localhost"));
    }
    return address_is_loopback(&endpoint->address);
}

/* An endpoint without TLS, of a service that says what only TLS can give. */
static void check_plain(struct loader *loader, const struct upstream_settings *upstream, size_t index,
                        const struct conf_node *node)
{
    const struct slice *url =
        &((const struct upstream_endpoint_settings *)upstream->endpoints.items)[index].url;
    if (upstream->protocol == HTTP_PROTOCOL_2 && !upstream->parsed[index].h2c) {
        tell(
            loader, url, node,
            "`protocol: h2` is agreed on by TLS, and this endpoint has none: write h2c:// for HTTP/2 without "
            "TLS");
    }
    if (upstream->tls != NULL && tls_knows_by_spiffe(upstream->tls)) {
        tell(loader, url, node,
             "without TLS a server proves no SPIFFE ID: write https://, or make this endpoint a service of "
             "its "
             "own");
    }
}

/* To some who write it twice it is one server, to others one with twice the share: so it must be said. */
static void check_alone(struct loader *loader, const struct upstream_settings *upstream, size_t index,
                        const struct conf_node *node)
{
    const struct upstream_endpoint_settings *written = upstream->endpoints.items;
    size_t first = upstream_endpoint_first(upstream->parsed, index);
    if (first == index) {
        return;
    }
    struct conf_place place = conf_node_place(loader_node(loader, &written[first].url, node));
    tell(loader, &written[index].url, node,
         "this server stands at %.*s already: a larger share of the requests is said there, by `weight: 2` "
         "with `balance: weighted`",
         SLICE_ARG(conf_place_text(place, loader->arena)));
}

static struct error check_endpoints(struct loader *loader, struct upstream_settings *upstream,
                                    const struct conf_node *node, bool *ret_any_tls)
{
    upstream->parsed = arena_calloc(loader->arena, upstream->endpoints.count + 1, sizeof *upstream->parsed);
    if (upstream->parsed == NULL) {
        return NO_MEMORY;
    }
    for (size_t i = 0; i < upstream->endpoints.count; i++) {
        const struct upstream_endpoint_settings *written = upstream->endpoints.items;
        const struct slice *url = &written[i].url;
        struct upstream_endpoint *endpoint = &upstream->parsed[i];
        const char *problem =
            url->len > 0 ? upstream_parse_endpoint(*url, loader->arena, endpoint) : NULL; /* it was told */
        endpoint->weight = (uint32_t)written[i].weight;
        bool local = written[i].zone.len > 0 && slice_equal(written[i].zone, loader->settings->zone);
        endpoint->tier = local ? 0 : 1;
        if (url->len == 0) {
            continue;
        }
        if (problem != NULL && discovery_example(*url) != NULL) {
            tell(loader, url, node,
                 "this is no server, but where servers are found: it stands alone, as in `discover: %s`",
                 discovery_example(*url));
            *ret_any_tls = true;
        } else if (problem != NULL) {
            bool at_path = slice_starts_with(*url, SLICE("unix:"));
            tell(loader, url, node, "%s, as in %s", problem,
                 at_path ? "unix:/run/orders.sock" : "https://10.0.0.5:9001");
            *ret_any_tls = true; /* it may have been meant so */
        } else if (!endpoint->tls && !check_stays_here(endpoint)) {
            warn(loader, url, node,
                 "requests go to this endpoint without TLS: anybody on the way can read them");
        }
        if (problem == NULL && !endpoint->tls) {
            check_plain(loader, upstream, i, node);
        }
        if (problem == NULL) {
            check_alone(loader, upstream, i, node);
        }
        *ret_any_tls = *ret_any_tls || endpoint->tls;
    }
    return OK;
}

static struct error check_upstream(struct loader *loader, struct upstream_settings *upstream)
{
    const struct conf_node *node = loader_object(loader, upstream);
    bool any_tls = false;
    check_discovery(loader, upstream);
    TRY(check_endpoints(loader, upstream, node, &any_tls));
    if (upstream->tls != NULL && !any_tls && upstream->endpoints.count > 0) {
        tell(loader, &upstream->tls, node, "no endpoint is https: these settings would have no effect");
    }
    if (upstream->protocol == HTTP_PROTOCOL_AUTO && !any_tls && upstream->endpoints.count > 0) {
        tell(loader, &upstream->protocol, node,
             "no endpoint is https: `protocol: auto` would have no effect");
    }
    if (upstream->host_header.len > 0) {
        char lower[512];
        struct uri_authority authority;
        if (upstream->host_header.len > sizeof lower ||
            uri_parse_authority(upstream->host_header, lower, &authority) != URI_OK) {
            tell(loader, &upstream->host_header, node, "a host, with a port or not, is wanted here");
        }
    }
    TRY(check_balance(loader, upstream));
    check_health(loader, upstream);
    if (upstream->discover != NULL) {
        TRY(check_client_tls(loader, upstream->discover->tls));
    }
    return check_client_tls(loader, upstream->tls);
}

/* Each pattern at its own place. */
static void check_strings(struct loader *loader, const struct client_certificate_settings *certificates,
                          const struct conf_strings *strings,
                          const char *(*check)(const struct client_certificate_settings *, struct slice))
{
    for (size_t i = 0; i < strings->count; i++) {
        const char *problem = check(certificates, strings->items[i]);
        if (problem != NULL) {
            tell(loader, &strings->items[i], loader_object(loader, certificates), "%s", problem);
        }
    }
}

static const char *check_domain(const struct client_certificate_settings *certificates, struct slice domain)
{
    (void)certificates;
    return client_certificate_check_domain(domain);
}

static const char *check_scope(const struct client_certificate_settings *certificates, struct slice scope)
{
    (void)certificates;
    return client_certificate_check_scope(scope);
}

static void check_certificates(struct loader *loader, struct client_certificate_settings *certificates)
{
    const struct conf_node *node = loader_object(loader, certificates);
    if (conf_node_get(node, SLICE("identity")) == NULL) {
        return; /* that has been told, and the rest depends on it */
    }
    const char *problem = client_certificate_check_settings(certificates);
    if (problem != NULL) {
        diagnostics_node(loader->diagnostics, DIAGNOSTIC_ERROR, node, "%s", problem);
    }
    check_strings(loader, certificates, &certificates->allow, client_certificate_check_pattern);
    check_strings(loader, certificates, &certificates->trust_domains, check_domain);
    check_strings(loader, certificates, &certificates->scopes, check_scope);
    client_certificate_prepare(certificates);
}

static struct error check_dpop(struct loader *loader)
{
    struct dpop_settings *dpop = loader->settings->dpop;
    if (dpop == NULL) {
        return OK;
    }
    const struct conf_node *node = loader_object(loader, dpop);
    dpop->targets = arena_calloc(loader->arena, dpop->origins.count + 1, sizeof *dpop->targets);
    if (dpop->targets == NULL) {
        return NO_MEMORY;
    }
    for (size_t i = 0; i < dpop->origins.count; i++) {
        const struct slice *origin = &dpop->origins.items[i];
        const char *problem = dpop_origin_parse(*origin, loader->arena, &dpop->targets[i]);
        if (problem != NULL) {
            tell(loader, origin, node, "\"%.*s\" %s", SLICE_ARG(*origin), problem);
        }
    }
    return OK;
}

/* What is kept, and for how long it may be relied on. */
static void check_jwks_cache(struct loader *loader)
{
    const struct settings *settings = loader->settings;
    bool any = false;
    for (size_t i = 0; settings->jwks_cache.len > 0 && i < settings->issuer_count; i++) {
        const struct issuer_settings *issuer = &settings->issuers[i];
        bool fetches = issuer_fetches_keys(issuer);
        any = any || fetches;
        if (fetches && issuer->jwks_stale == 0) {
            warn(loader, &issuer->jwks_stale, loader_object(loader, issuer),
                 "with jwks_cache, keys of any age are good at a start: a key that was withdrawn in the "
                 "meantime "
                 "is good until keys are fetched");
        }
    }
    if (settings->jwks_cache.len > 0 && !any) {
        diagnostics_node(loader->diagnostics, DIAGNOSTIC_WARNING,
                         conf_node_get(loader->places->root, SLICE("jwks_cache")),
                         "no issuer's keys are fetched: there is nothing to be kept");
    }
}

struct error check_services(struct loader *loader)
{
    check_jwks_cache(loader);
    TRY(check_dpop(loader));
    for (size_t i = 0; i < loader->settings->issuer_count; i++) {
        TRY(check_issuer(loader, &loader->settings->issuers[i]));
    }
    for (size_t i = 0; i < loader->settings->introspection_count; i++) {
        TRY(check_introspection(loader, &loader->settings->introspection[i]));
    }
    for (size_t i = 0; i < loader->settings->client_certificate_count; i++) {
        check_certificates(loader, &loader->settings->client_certificates[i]);
    }
    for (size_t i = 0; i < loader->settings->upstream_count; i++) {
        TRY(check_upstream(loader, &loader->settings->upstreams[i]));
    }
    return OK;
}
