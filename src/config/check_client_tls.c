/* Cross-checks of TLS to others: services, authorizers, issuers, introspection endpoints. */
#include "config/internal.h"
#include "tls/client_name.h"

/* Each ID at its own place. */
static bool check_spiffe(struct loader *loader, const struct tls_client_settings *tls,
                         const struct conf_node *node)
{
    const struct slice *trust_domain = &tls->spiffe_trust_domain;
    bool good = true;
    for (size_t i = 0; i < tls->spiffe_ids.count; i++) {
        const struct slice *id = &tls->spiffe_ids.items[i];
        struct slice domain;
        if (!client_name_spiffe(*id, &domain)) {
            tell(loader, id, node,
                 "\"%.*s\" is no SPIFFE ID of a workload: spiffe://trust-domain/path is wanted, without a "
                 "star, "
                 "port, query or slash at the end; for all of a trust domain there is spiffe_trust_domain",
                 SLICE_ARG(*id));
            good = false;
        }
    }
    if (trust_domain->len > 0 && !client_name_trust_domain(*trust_domain)) {
        tell(loader, trust_domain, node,
             "\"%.*s\" is no trust domain: lower-case letters, digits, \".\", \"-\" and \"_\" are, as in "
             "example.org, without spiffe://",
             SLICE_ARG(*trust_domain));
        good = false;
    }
    return good;
}

static bool is_readable(const struct tls_client_settings *tls)
{
    return (tls->ca.len == 0 || tls->ca_pem.len > 0) && (tls->cert.len == 0 || tls->cert_pem.len > 0) &&
           (tls->key.len == 0 || tls->key_pem.len > 0);
}

/* One that has expired stops what goes there and nothing else, so it stops no start and no reload. */
static void check_own(struct loader *loader, const struct tls_client_settings *tls,
                      const struct conf_node *node)
{
    const struct tls_leaf_wanted wanted = {
        .kind = loader->refuse_expired ? DIAGNOSTIC_ERROR : DIAGNOSTIC_WARNING,
        .expired =
            "the client certificate has expired, and servers that ask for one refuse it: put a new one, and "
            "its key, in their place, and reload",
        .client = true,
    };
    if (tls->cert_pem.len > 0) {
        check_tls_leaf(loader, &tls->cert, tls->cert_pem, node, &wanted);
    }
}

/* A context made for trial: everything that can be wrong with CA, certificate and key. */
struct error check_client_tls(struct loader *loader, const struct tls_client_settings *tls)
{
    if (tls == NULL || !is_readable(tls)) {
        return OK; /* unreadable files have been told */
    }
    const struct conf_node *node = loader_object(loader, tls);
    if (!check_spiffe(loader, tls, node)) {
        return OK;
    }
    struct tls_client *client = NULL;
    struct error error = tls_client_new(tls, &client);
    if (error.kind == ERROR_MEMORY) {
        return error;
    }
    if (failed(error)) {
        const struct tls_file files[] = { { "`key`", &tls->key },
                                          { "`cert`", &tls->cert },
                                          { "CA", &tls->ca } };
        check_tls_tell(loader, node, error, files, sizeof files / sizeof files[0]);
        return OK;
    }
    tls_client_free(client);
    check_own(loader, tls, node);
    return OK;
}
