#include "tls/internal.h"

#include "base/clock.h"
#include "base/limits.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdlib.h>

#define SYSTEM_STORE_LIFE (60 * NS_PER_S)

struct tls_client {
    SSL_CTX *context;
    bool by_spiffe; /* the server is known by its SPIFFE ID, and no name is verified */
    size_t server_name_size;
    char server_name[TLS_SERVER_NAME_MAX + 1];
};

/* The system's certificates: reading them takes ten milliseconds and a megabyte, so that all clients share them for a
 * while. A reload reads them anew. */
static struct {
    pthread_mutex_t lock;
    X509_STORE *store;
    int64_t read_at;
} system_store = { .lock = PTHREAD_MUTEX_INITIALIZER };

static struct error use_system_store(SSL_CTX *context)
{
    bool good = true;
    pthread_mutex_lock(&system_store.lock);
    int64_t now = clock_monotonic_ns();
    if (system_store.store == NULL || now - system_store.read_at > SYSTEM_STORE_LIFE) {
        X509_STORE *fresh = X509_STORE_new();
        good = fresh != NULL && X509_STORE_set_default_paths(fresh) == 1;
        if (good) {
            X509_STORE_free(system_store.store);
            system_store.store = fresh;
            system_store.read_at = now;
        } else {
            X509_STORE_free(fresh);
        }
    }
    if (good) {
        SSL_CTX_set1_cert_store(context, system_store.store);
    }
    pthread_mutex_unlock(&system_store.lock);
    ERR_clear_error();
    return good ? OK : FAIL(ERROR_CRYPTO, "cannot read the system's CA certificates");
}

static struct error use_verification(SSL_CTX *context, const struct tls_client_settings *settings)
{
    if (settings->ca.len > 0 || settings->ca_pem.len > 0) {
        TRY(tls_use_ca(context, settings->ca_pem, false));
    } else {
        TRY(use_system_store(context));
    }
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    X509_VERIFY_PARAM *parameters = SSL_CTX_get0_param(context);
    /* Names in the subject alternative name only, wildcards only as a whole label (RFC 9525). */
    X509_VERIFY_PARAM_set_hostflags(parameters, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS |
                                                    X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
    return OK;
}

/* The server asks for it. What it may have against it is noted, to be told where it ends the connection. */
static int on_certificate_wanted(SSL *ssl, void *argument)
{
    (void)argument;
    const X509 *own = SSL_get_certificate(ssl);
    bool expired = own != NULL && X509_cmp_current_time(X509_get0_notAfter(own)) < 0;
    tls_state_of(ssl)->own = own == NULL ? TLS_OWN_MISSING : expired ? TLS_OWN_EXPIRED : TLS_OWN_SHOWN;
    return 1;
}

static struct error use_own_certificate(SSL_CTX *context, const struct tls_client_settings *settings)
{
    bool cert = settings->cert.len > 0 || settings->cert_pem.len > 0;
    bool key = settings->key.len > 0 || settings->key_pem.len > 0;
    if (cert != key) {
        return FAIL(ERROR_VALUE, cert ? "`cert` needs its `key`" : "`key` needs its `cert`");
    }
    return cert ? tls_use_certificate(context, settings->cert_pem, settings->key_pem) : OK;
}

static struct error use_server_name(struct tls_client *client, struct slice name)
{
    if (name.len == 0) {
        return OK;
    }
    struct slice normal;
    struct arena arena;
    arena_init(&arena, ARENA_BLOCK);
    bool good = !slice_starts_with(name, SLICE("*")) && tls_host_normalise(name, &arena, &normal) &&
                normal.len <= TLS_SERVER_NAME_MAX;
    if (good) {
        memcpy(client->server_name, normal.ptr, normal.len);
        client->server_name_size = normal.len;
    }
    arena_done(&arena);
    return good ? OK : FAIL(ERROR_VALUE, "`server_name` is neither a name nor an address");
}

static struct error fill(struct tls_client *client, const struct tls_client_settings *settings)
{
    TRY(use_server_name(client, settings->server_name));
    TRY(tls_new_context(TLS_client_method(), settings->min_version, &client->context));
    TRY(use_verification(client->context, settings));
    TRY(use_own_certificate(client->context, settings));
    client->by_spiffe = tls_knows_by_spiffe(settings);
    if (client->by_spiffe) {
        TRY(tls_expect_spiffe(client->context, settings));
    }
    SSL_CTX_set_cert_cb(client->context, on_certificate_wanted, NULL);
    SSL_CTX_set_session_cache_mode(client->context, SSL_SESS_CACHE_OFF);
    return OK;
}

struct error tls_client_new(const struct tls_client_settings *settings, struct tls_client **ret_client)
{
    struct tls_client *client = calloc(1, sizeof *client);
    if (client == NULL) {
        return FAIL(ERROR_MEMORY, "out of memory");
    }
    struct error error = fill(client, settings);
    if (failed(error)) {
        tls_client_free(client);
        return error;
    }
    *ret_client = client;
    return OK;
}

void tls_client_free(struct tls_client *client)
{
    if (client != NULL) {
        SSL_CTX_free(client->context); /* streams hold it on their own */
        free(client);
    }
}

/* Which name the peer is asked for, and, if `proven`, must prove. An empty one, and one that begins with a dot, would mean "any"
 * to OpenSSL. */
static bool ask_for_name(SSL *ssl, struct slice host, bool proven)
{
    struct address address;
    char name[TLS_SERVER_NAME_MAX + 1];
    if (address_parse(host, &address)) {
        size_t skipped = address_is_v4(&address) ? 12 : 0;
        return !proven || X509_VERIFY_PARAM_set1_ip(SSL_get0_param(ssl), address.bytes + skipped,
                                                    sizeof address.bytes - skipped) == 1;
    }
    if (slice_ends_with(host, SLICE("."))) {
        host.len--;
    }
    if (host.len == 0 || host.len >= sizeof name || host.ptr[0] == '.' || slice_find(host, '\0') >= 0) {
        return false;
    }
    memcpy(name, host.ptr, host.len);
    name[host.len] = '\0';
    return (!proven || SSL_set1_host(ssl, name) == 1) && SSL_set_tlsext_host_name(ssl, name) == 1;
}

static bool offer(SSL *ssl, struct slice alpn)
{
    /* Returns 0 on success. */
    return alpn.len == 0 ||
           SSL_set_alpn_protos(ssl, (const unsigned char *)alpn.ptr, (unsigned int)alpn.len) == 0;
}

static struct error prepare(SSL *ssl, struct slice host, bool proven, struct slice alpn)
{
    if (!ask_for_name(ssl, host, proven)) {
        return FAIL(ERROR_VALUE, "the host cannot be verified: it is neither a name nor an address");
    }
    return offer(ssl, alpn) ? OK : FAIL(ERROR_MEMORY, "out of memory");
}

struct error tls_connect(struct tls_client *client, struct stream *stream, struct slice host,
                         struct slice alpn)
{
    struct tls_state *state;
    if (client->server_name_size > 0) {
        host = slice_of(client->server_name, client->server_name_size);
    }
    TRY(tls_attach(stream, client->context, NULL, &state));
    SSL_set_connect_state(state->ssl);
    struct error error = prepare(state->ssl, host, !client->by_spiffe, alpn);
    if (failed(error)) {
        ERR_clear_error();
        stream->ops->free(stream);
        stream->ops = &stream_plain_ops;
    }
    return error;
}
