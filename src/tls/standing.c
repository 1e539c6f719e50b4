/* Whether a client's certificate still holds on a connection that lives longer than what it was verified by. */
#include "tls/internal.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

static enum tls_standing standing_of(int error)
{
    switch (error) {
    case X509_V_OK:
        return TLS_CLIENT_GOOD;
    case X509_V_ERR_CERT_REVOKED:
        return TLS_CLIENT_REVOKED;
    case X509_V_ERR_CRL_HAS_EXPIRED:
        return TLS_CLIENT_LIST_EXPIRED;
    default:
        return TLS_CLIENT_UNVERIFIED;
    }
}

/* As a handshake would, with what the client sent in its own. Of a resumed session only the leaf is left: where that is not
 * enough it is not verified, and a new connection is. */
static enum tls_standing verify(struct tls_client_record *client, const struct tls_certificate *certificate)
{
    const SSL *ssl = client->facts.state->ssl;
    X509_STORE_CTX *context = X509_STORE_CTX_new();
    enum tls_standing standing = TLS_CLIENT_UNVERIFIED;
    if (context != NULL &&
        X509_STORE_CTX_init(context, SSL_CTX_get_cert_store(certificate->context),
                            SSL_get0_peer_certificate(ssl), SSL_get_peer_cert_chain(ssl)) == 1 &&
        X509_STORE_CTX_set_default(context, "ssl_client") == 1) {
        X509_VERIFY_PARAM *parameters = X509_STORE_CTX_get0_param(context);
        X509_VERIFY_PARAM_set_auth_level(parameters, SSL_CTX_get_security_level(certificate->context));
        X509_VERIFY_PARAM_set_depth(parameters, TLS_CHAIN_MAX);
        bool good = X509_verify_cert(context) == 1;
        int error = X509_STORE_CTX_get_error(context);
        standing = good || error != X509_V_OK ? standing_of(error) : TLS_CLIENT_UNVERIFIED;
        if (standing == TLS_CLIENT_GOOD) {
            client->lists_until = tls_crls_until(&certificate->crls, X509_STORE_CTX_get0_chain(context));
        }
    }
    X509_STORE_CTX_free(context);
    ERR_clear_error();
    return standing;
}

/* CAs or lists have changed since it was last looked at. What the host's policy is now counts from now on. */
static enum tls_standing look_again(struct tls_client_record *client, struct tls_facts *facts,
                                    const struct tls_server *server)
{
    const struct tls_certificate *certificate = tls_server_certificate(server, facts->server_name);
    enum tls_standing standing = TLS_CLIENT_GOOD;
    if (certificate->trust != client->trust) {
        standing = certificate->mode == TLS_CLIENT_NONE ? TLS_CLIENT_UNVERIFIED : verify(client, certificate);
    }
    if (standing == TLS_CLIENT_GOOD) {
        client->trust = certificate->trust;
        client->server_trust = tls_server_trust(server);
        facts->policy = certificate->policy;
        facts->client_mode = certificate->mode;
    }
    return standing;
}

enum tls_standing tls_client_standing(struct tls_facts *facts, const struct tls_server *server, int64_t now)
{
    struct tls_client_record *client = tls_client_record_of(facts->client);
    if (client->server_trust != tls_server_trust(server)) {
        enum tls_standing standing = look_again(client, facts, server);
        if (standing != TLS_CLIENT_GOOD) {
            return standing;
        }
    }
    return now > client->lists_until ? TLS_CLIENT_LIST_EXPIRED : TLS_CLIENT_GOOD;
}
