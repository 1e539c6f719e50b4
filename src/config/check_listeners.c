/* Cross-checks of listeners: addresses, certificates, exposure, limits before routing. */
#include "base/clock.h"
#include "base/limits.h"
#include "config/internal.h"
#include "http/connection.h"

static void tell_twin(struct loader *loader, const void *at, const struct conf_node *node,
                      const struct listener_settings *other, const char *what)
{
    tell(loader, at, node, "listener \"%.*s\" has the same %s (%.*s)", SLICE_ARG(other->name), what,
         SLICE_ARG(conf_place_text(conf_node_place(loader_object(loader, other)), loader->arena)));
}

/* "0660": whom the file's mode lets connect. */
static bool parse_mode(struct slice text, unsigned int *ret_mode)
{
    unsigned int mode = 0;
    if (text.len < 3 || text.len > 4 || (text.len == 4 && text.ptr[0] != '0')) {
        return false;
    }
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '7') {
            return false;
        }
        mode = mode << 3 | (unsigned int)(text.ptr[i] - '0');
    }
    *ret_mode = mode;
    return true;
}

static void check_path(struct loader *loader, struct listener_settings *listener,
                       const struct conf_node *node)
{
    struct slice path = listener->path;
    if (path.ptr[0] != '/' || path.len > UNIX_PATH_MAX || slice_find(path, '\0') >= 0) {
        tell(
            loader, &listener->path, node,
            "an absolute path of at most %d bytes is wanted here, as in \"path: /run/sallyport/public.sock\"",
            UNIX_PATH_MAX);
    }
    if (conf_node_get(node, SLICE("port")) != NULL || conf_node_get(node, SLICE("address")) != NULL) {
        tell(loader, &listener->path, node, "a listener has a path, or an address and port, not both");
    }
    if (!parse_mode(listener->mode, &listener->parsed_mode)) {
        tell(loader, &listener->mode, node,
             "an octal mode is wanted here, not \"%.*s\", as in \"mode: 0660\"", SLICE_ARG(listener->mode));
    }
    const struct listener_settings *others = loader->settings->listeners;
    for (const struct listener_settings *other = others; other < listener; other++) {
        if (slice_equal(other->path, path)) {
            tell_twin(loader, &listener->path, node, other, "path");
            return;
        }
    }
}

static void check_address(struct loader *loader, struct listener_settings *listener,
                          const struct conf_node *node)
{
    static const char *const of_paths[] = { "mode", "owner", "group" };
    for (size_t i = 0; i < sizeof of_paths / sizeof *of_paths; i++) {
        if (conf_node_get(node, slice_from_string(of_paths[i])) != NULL) {
            diagnostics_node(loader->diagnostics, DIAGNOSTIC_ERROR, node,
                             "%s is of a Unix socket's file: there is no path", of_paths[i]);
        }
    }
    if (conf_node_get(node, SLICE("port")) == NULL) {
        diagnostics_node(loader->diagnostics, DIAGNOSTIC_ERROR, node,
                         "port is missing, as in \"port: 8443\", or path, as in \"path: "
                         "/run/sallyport/public.sock\"");
    }
    if (!address_parse(listener->address, &listener->parsed_address)) {
        tell(loader, &listener->address, node,
             "an IP address is wanted here, not \"%.*s\", as in \"address: 0.0.0.0\"",
             SLICE_ARG(listener->address));
        return;
    }
    listener->parsed_address.port = (uint16_t)listener->port;
    const struct listener_settings *others = loader->settings->listeners;
    for (const struct listener_settings *other = others; other < listener; other++) {
        if (listener->port != 0 && slice_is_empty(other->path) && other->port == listener->port &&
            address_is_same(&other->parsed_address, &listener->parsed_address)) {
            tell_twin(loader, &listener->port, node, other, "address and port");
            return;
        }
    }
}

/* One source of the client's address, and somebody who is believed. */
static void check_source(struct loader *loader, const struct listener_settings *listener,
                         const struct conf_node *node)
{
    bool headers = listener->forwarded != FORWARDED_NONE;
    bool protocol = listener->proxy_protocol != PROXY_PROTOCOL_NONE;
    bool trusts = listener->trusted_proxies.count > 0;
    if (headers && protocol) {
        tell(loader, &listener->proxy_protocol, node,
             "there is one source of the client's address: proxy_protocol or forwarded, not both");
    } else if (headers && !trusts) {
        tell(loader, &listener->forwarded, node, "trusted_proxies is missing: nobody's headers would count");
    } else if (protocol && !trusts) {
        tell(loader, &listener->proxy_protocol, node,
             "trusted_proxies is missing: nobody could connect, as in \"trusted_proxies: [%s]\"",
             slice_is_empty(listener->path) ? "10.0.0.0/8" : "unix");
    } else if (trusts && !headers && !protocol) {
        tell(loader, &listener->trusted_proxies, node,
             "forwarded is missing: say x_forwarded or forwarded, whichever these proxies send, or "
             "proxy_protocol: required");
    }
}

static struct error check_proxies(struct loader *loader, struct listener_settings *listener,
                                  const struct conf_node *node)
{
    size_t count = listener->trusted_proxies.count;
    listener->trusted = arena_calloc(loader->arena, count + 1, sizeof *listener->trusted);
    if (listener->trusted == NULL) {
        return NO_MEMORY;
    }
    for (size_t i = 0; i < count; i++) {
        const struct slice *text = &listener->trusted_proxies.items[i];
        if (slice_equal(*text, SLICE("unix"))) {
            listener->trusted[i] = address_prefix_none();
            if (slice_is_empty(listener->path)) {
                tell(loader, text, node, "`unix` is who connects by the listener's path, and there is none");
            }
        } else if (!address_prefix_parse(*text, &listener->trusted[i])) {
            tell(loader, text, node,
                 "an address or prefix is wanted here, not \"%.*s\", as in 10.0.0.0/8; no bits may be set "
                 "behind it",
                 SLICE_ARG(*text));
        }
    }
    check_source(loader, listener, node);
    return OK;
}

static void check_kind(struct loader *loader, const struct listener_settings *listener,
                       const struct conf_node *node)
{
    bool plain = listener->plaintext == PLAINTEXT_ALLOW;
    if (listener->redirect_to_https && listener->tls != NULL) {
        tell(loader, &listener->tls, node, "a listener that redirects to https has no tls of its own");
    }
    if (listener->redirect_to_https && (plain || listener->status)) {
        tell(loader, &listener->redirect_to_https, node,
             "a listener that redirects does nothing else: neither plaintext: allow nor status");
    }
    if (listener->status && listener->exposure != EXPOSURE_INTERNAL) {
        tell(loader, &listener->status, node, "status pages are for the inside: say exposure: internal");
    }
    if (listener->status && listener->proxy_protocol != PROXY_PROTOCOL_NONE) {
        tell(loader, &listener->proxy_protocol, node,
             "status pages are asked for directly, not through a proxy");
    }
    if (listener->tls != NULL && plain) {
        tell(loader, &listener->plaintext, node, "a listener with tls cannot allow plaintext too");
    }
    if (listener->tls == NULL && !plain && !listener->redirect_to_https && !listener->status &&
        conf_node_get(node, SLICE("tls")) == NULL) {
        diagnostics_node(loader->diagnostics, DIAGNOSTIC_ERROR, node,
                         "has no tls: add certificates, or redirect_to_https: true, or plaintext: allow");
    }
    if (plain && !listener->status && listener->exposure == EXPOSURE_EXTERNAL &&
        slice_is_empty(listener->path) && !address_is_loopback(&listener->parsed_address)) {
        warn(loader, &listener->plaintext, node, "credentials will come in plain text from outside");
    }
}

static void check_protocols(struct loader *loader, const struct listener_settings *listener,
                            const struct conf_node *node)
{
    if (listener->h2c && listener->exposure != EXPOSURE_INTERNAL) {
        tell(loader, &listener->h2c, node,
             "HTTP/2 without TLS is for the inside: say exposure: internal, or use tls");
    }
    if (listener->h2c && listener->plaintext != PLAINTEXT_ALLOW) {
        tell(loader, &listener->h2c, node,
             listener->tls != NULL ? "a listener with tls speaks HTTP/2 by ALPN: leave h2c out"
                                   : "h2c needs plaintext: allow");
    }
    if (listener->h2c && (listener->protocols & HTTP_SPEAKS_H2) == 0) {
        tell(loader, &listener->h2c, node, "protocols does not name h2");
    }
    bool only_h2 = listener->protocols == HTTP_SPEAKS_H2;
    if (only_h2 && listener->tls == NULL && !listener->h2c) {
        tell(loader, &listener->protocols, node, "without tls or h2c nobody can speak h2 here");
    }
}

bool limit_is_broken(const struct limit_settings *limit, const struct conf_node *node)
{
    return limit->limit.count == 0 && limit->rate.count == 0 &&
           (conf_node_get(node, SLICE("limit")) != NULL || conf_node_get(node, SLICE("rate")) != NULL);
}

static void check_limits(struct loader *loader, struct listener_settings *listener,
                         const struct conf_node *node)
{
    struct limit_settings *limits = listener->limits.items;
    struct slice owner = arena_printf(loader->arena, "listener %.*s", SLICE_ARG(listener->name));
    for (size_t i = 0; i < listener->limits.count; i++) {
        const struct conf_node *at = loader_object(loader, &limits[i]);
        if (limit_is_broken(&limits[i], at)) {
            continue;
        }
        const char *problem = limit_check_settings(&limits[i], owner, (unsigned int)i);
        if (problem != NULL) {
            diagnostics_node(loader->diagnostics, DIAGNOSTIC_ERROR, at != NULL ? at : node, "%s", problem);
        } else if (limits[i].kind == LIMIT_BY_CALLER || limits[i].kind == LIMIT_BY_CLAIM) {
            tell(loader, &limits[i].by, at,
                 "a listener does not know callers yet: count by address, header or route");
        }
        check_shadow(loader, &limits[i].shadow, at != NULL ? at : node);
    }
}

/* The rate of handshakes by address is a limit like any other. */
static void take_handshakes(struct loader *loader, struct listener_settings *listener,
                            const struct conf_node *node)
{
    struct limit_settings *rule = &listener->address_handshakes;
    struct slice owner =
        arena_printf(loader->arena, "handshakes of listener %.*s", SLICE_ARG(listener->name));
    if (listener->handshakes_per_address.count == 0) {
        return;
    }
    *rule = (struct limit_settings){ .rate = listener->handshakes_per_address, .by = SLICE("address") };
    const char *problem = limit_check_settings(rule, owner, 0);
    if (problem != NULL) {
        tell(loader, &listener->handshakes_per_address, node, "%s", problem);
    }
}

static bool are_read(const struct conf_strings *texts)
{
    for (size_t i = 0; i < texts->count; i++) {
        if (texts->items[i].len == 0) {
            return false;
        }
    }
    return true;
}

static bool is_readable(const struct tls_server_settings *tls)
{
    const struct tls_certificate_settings *certificates = tls->certificates.items;
    for (size_t i = 0; i < tls->certificates.count; i++) {
        const struct tls_certificate_settings *one = &certificates[i];
        if (one->cert_pem.len == 0 || one->key_pem.len == 0 ||
            (one->client_ca.len > 0 && one->client_ca_pem.len == 0) || !are_read(&one->crl_texts)) {
            return false;
        }
    }
    return tls->certificates.count > 0 && (tls->client_ca.len == 0 || tls->client_ca_pem.len > 0) &&
           are_read(&tls->crl_texts);
}

/* `index`: of the certificate that is at fault, or -1. */
static void tell_tls(struct loader *loader, const struct tls_server_settings *tls, int index,
                     struct error error, const struct conf_node *node)
{
    static const struct slice none = { 0 };
    const struct tls_certificate_settings *certificates = tls->certificates.items;
    const struct tls_certificate_settings *own = index >= 0 ? &certificates[index] : NULL;
    const struct conf_node *at = own != NULL ? loader_object(loader, own) : NULL;
    const struct conf_strings *lists = own != NULL && own->crl.count > 0 ? &own->crl : &tls->crl;
    struct tls_file files[4 + TLS_CRLS_MAX] = {
        { "`key`", own != NULL ? &own->key : &none },
        { "`cert`", own != NULL ? &own->cert : &none },
        { "CA", own != NULL && own->client_ca.len > 0 ? &own->client_ca : &tls->client_ca },
        { "`client_ca`", own != NULL && own->client_ca.len > 0 ? &own->client_ca : &tls->client_ca },
    };
    size_t count = 4;
    for (size_t i = 0; i < lists->count && i < TLS_CRLS_MAX; i++) {
        files[count++] = (struct tls_file){ "`crl`", &lists->items[i] };
    }
    check_tls_tell(loader, at != NULL ? at : node, error, files, count);
}

/* A list that has expired stops its CA's clients and nothing else, so it stops no start; one that has lived three quarters of its
 * life should have been renewed. */
static void warn_of_lists(struct loader *loader, struct tls_server_settings *tls, struct tls_renewal renewal,
                          const struct conf_node *node)
{
    int64_t now = clock_real_ns() / NS_PER_S;
    tls->lists_from = renewal.from;
    tls->lists_until = renewal.until;
    const struct conf_node *at = tls->crl.count > 0 ? loader_node(loader, &tls->crl.items[0], node) : node;
    if (renewal.until == 0) {
        return;
    }
    if (now > renewal.until) {
        diagnostics_node(
            loader->diagnostics, DIAGNOSTIC_WARNING, at,
            "a revocation list has expired: clients of its CA are refused until there is a newer "
            "one");
    } else if (now > tls_renewal_due(&renewal)) {
        diagnostics_node(loader->diagnostics, DIAGNOSTIC_WARNING, at,
                         "a revocation list expires in %lld minutes: from then on clients of its CA are "
                         "refused",
                         (long long)((renewal.until - now) / 60));
    }
}

static struct error check_tls(struct loader *loader, const struct listener_settings *listener,
                              const struct conf_node *node)
{
    static const struct tls_leaf_wanted wanted = { .kind = DIAGNOSTIC_WARNING,
                                                   .expired = "the certificate has expired" };
    struct tls_server_settings *tls = listener->tls;
    if (tls == NULL || !is_readable(tls)) {
        return OK; /* the rest has been told */
    }
    int index = -1;
    struct tls_server *server = NULL;
    struct error error = tls_server_new(tls, NULL, SLICE("\x08http/1.1"), &server, &index);
    if (error.kind == ERROR_MEMORY) {
        return error;
    }
    const struct tls_certificate_settings *certificates = tls->certificates.items;
    if (failed(error)) {
        tell_tls(loader, tls, index, error, loader_node(loader, &listener->tls, node));
        return OK;
    }
    warn_of_lists(loader, tls, tls_server_renewal(server), loader_node(loader, &listener->tls, node));
    tls_server_free(server);
    for (size_t i = 0; i < tls->certificates.count; i++) {
        check_tls_leaf(loader, &certificates[i].cert, certificates[i].cert_pem,
                       loader_object(loader, &certificates[i]), &wanted);
    }
    return OK;
}

struct error check_listeners(struct loader *loader)
{
    struct settings *settings = loader->settings;
    if (settings->listener_count > LISTENERS_MAX) {
        tell(loader, &loader->places->input.listeners, loader->places->root, "more than %d listeners",
             LISTENERS_MAX);
    }
    for (size_t i = 0; i < settings->listener_count; i++) {
        struct listener_settings *listener = &settings->listeners[i];
        const struct conf_node *node = loader_object(loader, listener);
        listener->index = (unsigned int)i;
        if (listener->path.len > 0) {
            check_path(loader, listener, node);
        } else {
            check_address(loader, listener, node);
        }
        TRY(check_proxies(loader, listener, node));
        check_kind(loader, listener, node);
        check_protocols(loader, listener, node);
        check_limits(loader, listener, node);
        take_handshakes(loader, listener, node);
        TRY(check_tls(loader, listener, node));
    }
    return OK;
}
