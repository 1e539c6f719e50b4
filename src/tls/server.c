#include "tls/internal.h"

#include "base/limits.h"
#include "base/map.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <stdlib.h>

#define NAMES_ARENA_MAX (8 * 1024 * 1024)
#define ALPN_MAX        64
#define TICKET_LIFE_S   7200

struct tls_server {
    unsigned int references; /* by the owner and by each stream; one thread */
    struct tls_tickets *tickets;
    struct tls_certificate *certificates;
    size_t count;
    struct map exact;     /* "api.example.com" -> certificate */
    struct map wildcards; /* ".example.com", for "*.example.com" */
    struct arena names;
    uint64_t trust;
    size_t alpn_size;
    unsigned char alpn[ALPN_MAX];
};

struct tls_tickets *tls_server_tickets(const struct tls_server *server)
{
    return server->tickets;
}

void tls_server_ref(struct tls_server *server)
{
    server->references++;
}

void tls_server_free(struct tls_server *server)
{
    if (server == NULL || --server->references > 0) {
        return;
    }
    for (size_t i = 0; i < server->count; i++) {
        SSL_CTX_free(server->certificates[i].context);
        tls_crls_done(&server->certificates[i].crls);
    }
    free(server->certificates);
    map_done(&server->exact);
    map_done(&server->wildcards);
    arena_done(&server->names);
    free(server);
}

/* By name in lower case: the exact name first, then a wildcard in place of its first label. */
static const struct tls_certificate *certificate_of(const struct tls_server *server, struct slice host)
{
    const struct tls_certificate *certificate = map_get(&server->exact, host);
    ssize_t dot = slice_find(host, '.');
    if (certificate == NULL && dot > 0) {
        certificate = map_get(&server->wildcards, slice_from(host, (size_t)dot));
    }
    return certificate;
}

const struct tls_certificate *tls_server_certificate(const struct tls_server *server, struct slice name)
{
    const struct tls_certificate *certificate = certificate_of(server, name);
    return certificate != NULL ? certificate : &server->certificates[0];
}

uint64_t tls_server_trust(const struct tls_server *server)
{
    return server->trust;
}

uint64_t tls_policy_of_host(const struct tls_server *server, struct slice host)
{
    struct address address;
    char text[ADDRESS_TEXT_MAX];
    if (address_parse(host, &address)) {
        host = slice_of(text, address_format(&address, text)); /* one spelling; brackets go */
    }
    const struct tls_certificate *certificate = host.len > 0 ? certificate_of(server, host) : NULL;
    return certificate != NULL ? certificate->policy : TLS_POLICY_NONE;
}

/* The host name in the extension (RFC 6066 section 3); ptr NULL where it is malformed. */
static struct slice parse_server_name(const unsigned char *data, size_t size)
{
    if (size < 5) {
        return SLICE_NONE;
    }
    size_t list = (size_t)data[0] << 8 | data[1];
    size_t name = (size_t)data[3] << 8 | data[4];
    bool is_host_name = data[2] == 0;
    if (list + 2 != size || !is_host_name || name + 5 != size || name == 0 || name > TLS_SERVER_NAME_MAX) {
        return SLICE_NONE;
    }
    struct slice text = slice_of((const char *)data + 5, name);
    return slice_find(text, '\0') < 0 ? text : SLICE_NONE;
}

/* Notes the name, in lower case and without a trailing dot. False, with the alert, where a second hello (after a retry
 * request) asks for another name than the first: the certificate was chosen by that. */
static bool note_server_name(struct tls_state *state, struct slice name, int *alert)
{
    char lower[TLS_SERVER_NAME_MAX + 1];
    if (slice_ends_with(name, SLICE("."))) {
        name.len--;
    }
    for (size_t i = 0; i < name.len; i++) {
        lower[i] = ascii_lower(name.ptr[i]);
    }
    lower[name.len] = '\0';
    if (state->hello_seen) {
        *alert = SSL_AD_ILLEGAL_PARAMETER;
        return slice_equal(slice_of(lower, name.len), slice_from_string(state->server_name));
    }
    state->hello_seen = true;
    state->server_name = name.len > 0 ? strdup(lower) : NULL;
    *alert = SSL_AD_INTERNAL_ERROR;
    return name.len == 0 || state->server_name != NULL;
}

/* Chooses the certificate before anything else of the hello counts: a session is resumed only under the policy that it
 * was made under. */
static int on_client_hello(SSL *ssl, int *alert, void *argument)
{
    (void)argument;
    struct tls_state *state = tls_state_of(ssl);
    const struct tls_server *server = state->server;
    const unsigned char *extension;
    size_t size;
    struct slice name = SLICE("");
    if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &extension, &size) == 1) {
        name = parse_server_name(extension, size);
        if (name.ptr == NULL) {
            *alert = SSL_AD_DECODE_ERROR;
            return SSL_CLIENT_HELLO_ERROR;
        }
    }
    if (!note_server_name(state, name, alert)) {
        return SSL_CLIENT_HELLO_ERROR;
    }
    /* A host that is not served is answered 421, not by an alert. */
    const struct tls_certificate *certificate =
        tls_server_certificate(server, slice_from_string(state->server_name));
    state->certificate = certificate;
    /* SSL_set_SSL_CTX changes certificate and CA store, but neither verify mode nor, for certain, session context. */
    if (SSL_set_SSL_CTX(ssl, certificate->context) == NULL ||
        SSL_set_session_id_context(ssl, certificate->session_context, TLS_DIGEST_SIZE) != 1) {
        *alert = SSL_AD_INTERNAL_ERROR;
        return SSL_CLIENT_HELLO_ERROR;
    }
    SSL_set_verify(ssl, certificate->mode == TLS_CLIENT_NONE ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, NULL);
    return SSL_CLIENT_HELLO_SUCCESS;
}

/* By our preference (RFC 7301 section 3.2). No overlap is an alert: falling back to another protocol is how
 * cross-protocol attacks (ALPACA) begin. */
static int on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_size, const unsigned char *offered,
                   unsigned int offered_size, void *argument)
{
    (void)ssl;
    const struct tls_server *server = argument;
    for (size_t own = 0; own < server->alpn_size; own += 1u + server->alpn[own]) {
        for (unsigned int i = 0; i < offered_size && i + 1u + offered[i] <= offered_size;
             i += 1u + offered[i]) {
            if (offered[i] == server->alpn[own] &&
                memcmp(offered + i + 1, server->alpn + own + 1, offered[i]) == 0) {
                *out = offered + i + 1;
                *out_size = offered[i];
                return SSL_TLSEXT_ERR_OK;
            }
        }
    }
    return server->alpn_size > 0 ? SSL_TLSEXT_ERR_ALERT_FATAL : SSL_TLSEXT_ERR_NOACK;
}

/* Ready-made protection against a list that OpenSSL would take in part: every element must name something, and all of it
 * must have forward secrecy, authentication and AEAD. */
static struct error use_ciphers(SSL_CTX *context, struct slice ciphers)
{
    char list[1024];
    if (ciphers.len >= sizeof list || slice_find(ciphers, '\0') >= 0) {
        return FAIL(ERROR_LIMIT, "`ciphers` is too long");
    }
    struct slice rest = ciphers, element;
    while (slice_next(&rest, ':', &element)) {
        memcpy(list, element.ptr, element.len);
        list[element.len] = '\0';
        bool adds = element.len > 0 && strchr("!+-@", element.ptr[0]) == NULL;
        if (element.len == 0 || (adds && SSL_CTX_set_cipher_list(context, list) != 1)) {
            ERR_clear_error();
            return FAIL(ERROR_VALUE, "`ciphers` names a cipher that is not known");
        }
    }
    memcpy(list, ciphers.ptr, ciphers.len);
    list[ciphers.len] = '\0';
    if (SSL_CTX_set_cipher_list(context, list) != 1) {
        ERR_clear_error();
        return FAIL(ERROR_VALUE, "`ciphers` leaves no cipher");
    }
    STACK_OF(SSL_CIPHER) *chosen = SSL_CTX_get_ciphers(context);
    for (int i = 0; i < sk_SSL_CIPHER_num(chosen); i++) {
        const SSL_CIPHER *cipher = sk_SSL_CIPHER_value(chosen, i);
        int exchange = SSL_CIPHER_get_kx_nid(cipher);
        bool secret = exchange == NID_kx_any || exchange == NID_kx_ecdhe;
        if (!secret || !SSL_CIPHER_is_aead(cipher) || SSL_CIPHER_get_auth_nid(cipher) == NID_auth_null) {
            return FAIL(ERROR_VALUE, "`ciphers` holds one without ECDHE, AEAD or authentication");
        }
    }
    return OK;
}

static void set_callbacks(struct tls_server *server, SSL_CTX *context)
{
    SSL_CTX_set_client_hello_cb(context, on_client_hello, NULL);
    SSL_CTX_set_alpn_select_cb(context, on_alpn, server);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF); /* tickets only: no state per client */
    SSL_CTX_set_timeout(context, TICKET_LIFE_S);
    if (server->tickets != NULL) {
        SSL_CTX_set_tlsext_ticket_key_evp_cb(context, tls_ticket_key);
    } else {
        SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
        SSL_CTX_set_num_tickets(context, 0);
    }
}

/* Over what was digested so far and each text by itself, so that no two lists of texts read alike. */
static bool digest_on(unsigned char digest[TLS_DIGEST_SIZE], const struct conf_strings *texts)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool good = context != NULL && EVP_DigestInit_ex(context, EVP_sha256(), NULL) == 1 &&
                EVP_DigestUpdate(context, digest, TLS_DIGEST_SIZE) == 1;
    for (size_t i = 0; good && i < texts->count; i++) {
        unsigned char one[TLS_DIGEST_SIZE];
        good = tls_digest(one, texts->items[i].ptr, texts->items[i].len) &&
               EVP_DigestUpdate(context, one, sizeof one) == 1;
    }
    good = good && EVP_DigestFinal_ex(context, digest, NULL) == 1;
    EVP_MD_CTX_free(context);
    return good;
}

/* Which files hold the revocation lists is part of the policy: else a host without any would be a way to one with them. What they
 * hold is not, since it may change each hour; but no session outlives it, for it keeps too little to look again. */
static struct error number_policy(struct tls_certificate *certificate, struct slice ca,
                                  const struct conf_strings *paths, const struct conf_strings *texts)
{
    unsigned char material[TLS_DIGEST_SIZE + 1] = { [TLS_DIGEST_SIZE] = (unsigned char)certificate->mode };
    if (!tls_digest(material, ca.ptr, ca.len) ||
        !tls_digest(certificate->policy_digest, material, sizeof material) ||
        !digest_on(certificate->policy_digest, paths)) {
        return FAIL(ERROR_CRYPTO, "SHA-256 failed");
    }
    memcpy(&certificate->policy, certificate->policy_digest, sizeof certificate->policy);
    certificate->policy |= 1; /* never TLS_POLICY_NONE */
    memcpy(certificate->trust_digest, certificate->policy_digest, TLS_DIGEST_SIZE);
    if (!digest_on(certificate->trust_digest, texts)) {
        return FAIL(ERROR_CRYPTO, "SHA-256 failed");
    }
    memcpy(&certificate->trust, certificate->trust_digest, sizeof certificate->trust);
    return OK;
}

/* The client policy of a certificate: its own, else the listener's. Revocation lists go with the CA: a CA of its own has its own
 * lists, or none. */
static struct error use_policy(const struct tls_server_settings *settings,
                               const struct tls_certificate_settings *own,
                               struct tls_certificate *certificate)
{
    static const struct conf_strings none;
    bool own_ca = own->client_ca.len > 0 || own->client_ca_pem.len > 0;
    bool own_lists = own_ca || own->crl_texts.count > 0;
    struct slice ca = own_ca ? own->client_ca_pem : settings->client_ca_pem;
    certificate->mode = own->client_certificate >= 0 ? own->client_certificate : settings->client_certificate;
    if (certificate->mode == TLS_CLIENT_NONE) {
        if (own_lists) {
            return own_ca ? FAIL(ERROR_VALUE, "`client_ca` is given, but `client_certificate` asks for none")
                          : FAIL(ERROR_VALUE, "`crl` is given, but `client_certificate` asks for none");
        }
        return number_policy(certificate, SLICE(""), &none, &none); /* the listener's CA plays no part */
    }
    if (ca.len == 0) {
        return FAIL(ERROR_VALUE, "`client_certificate` needs a `client_ca`");
    }
    TRY(tls_use_ca(certificate->context, ca, true));
    const struct conf_strings *texts = own_lists ? &own->crl_texts : &settings->crl_texts;
    if (texts->count > 0) {
        TRY(tls_use_crls(certificate->context, texts, &certificate->crls));
    }
    return number_policy(certificate, ca, own_lists ? &own->crl : &settings->crl, texts);
}

/* Puts a host into the maps. Two certificates may share one (the first serves it) only under the same client policy. */
static struct error add_host(struct tls_server *server, struct slice host,
                             struct tls_certificate *certificate)
{
    bool wildcard = slice_starts_with(host, SLICE("*."));
    struct map *map = wildcard ? &server->wildcards : &server->exact;
    struct slice key = wildcard ? slice_from(host, 1) : host;
    const struct tls_certificate *earlier = map_get(map, key);
    if (earlier != NULL) {
        return earlier->policy == certificate->policy
                   ? OK
                   : FAIL(ERROR_VALUE,
                          "a host of it is served by an earlier certificate, which asks clients for "
                          "another certificate: `hosts` must say which serves it");
    }
    return map_put(map, key, certificate) ? OK : FAIL(ERROR_MEMORY, "out of memory");
}

static struct error use_hosts(struct tls_server *server, const struct tls_certificate_settings *own,
                              struct tls_certificate *certificate)
{
    struct conf_strings hosts;
    TRY(tls_hosts_of(&own->hosts, SSL_CTX_get0_certificate(certificate->context), &server->names, &hosts));
    EVP_MD_CTX *digest = EVP_MD_CTX_new();
    bool good = digest != NULL && EVP_DigestInit_ex(digest, EVP_sha256(), NULL) == 1 &&
                EVP_DigestUpdate(digest, certificate->trust_digest, TLS_DIGEST_SIZE) == 1;
    struct error error = OK;
    for (size_t i = 0; i < hosts.count && !failed(error); i++) {
        /* With its end, so that no two host sets read alike. */
        good = good && EVP_DigestUpdate(digest, hosts.items[i].ptr, hosts.items[i].len) == 1 &&
               EVP_DigestUpdate(digest, "", 1) == 1;
        error = add_host(server, hosts.items[i], certificate);
    }
    good = good && EVP_DigestFinal_ex(digest, certificate->session_context, NULL) == 1;
    EVP_MD_CTX_free(digest);
    TRY(error);
    return good ? OK : FAIL(ERROR_CRYPTO, "SHA-256 failed");
}

static struct error add_certificate(struct tls_server *server, const struct tls_server_settings *settings,
                                    const struct tls_certificate_settings *own, int *ret_index)
{
    *ret_index = (int)server->count;
    struct tls_certificate *certificate = &server->certificates[server->count];
    TRY(tls_new_context(TLS_server_method(), settings->min_version, &certificate->context));
    server->count++;
    set_callbacks(server, certificate->context);
    if (settings->ciphers.len > 0) {
        int index = *ret_index;
        *ret_index = -1;
        TRY(use_ciphers(certificate->context, settings->ciphers));
        *ret_index = index;
    }
    TRY(tls_use_certificate(certificate->context, own->cert_pem, own->key_pem));
    TRY(use_policy(settings, own, certificate));
    TRY(use_hosts(server, own, certificate));
    return SSL_CTX_set_session_id_context(certificate->context, certificate->session_context,
                                          TLS_DIGEST_SIZE) == 1
               ? OK
               : FAIL(ERROR_CRYPTO, "cannot set the session context");
}

/* A CA that no certificate uses is a policy that somebody believes to be in force; so are revocation lists without one. */
static struct error check_listener_ca(const struct tls_server_settings *settings)
{
    const struct tls_certificate_settings *certificates = settings->certificates.items;
    if (settings->client_ca.len == 0 && settings->client_ca_pem.len == 0) {
        return settings->crl.count == 0 && settings->crl_texts.count == 0
                   ? OK
                   : FAIL(ERROR_VALUE, "`crl` is given, and `client_ca` is missing beside it");
    }
    if (settings->client_ca_pem.len == 0) {
        return FAIL(ERROR_VALUE, "the `client_ca` file is empty");
    }
    for (size_t i = 0; i < settings->certificates.count; i++) {
        int mode = certificates[i].client_certificate;
        if ((mode >= 0 ? mode : settings->client_certificate) != TLS_CLIENT_NONE) {
            return OK;
        }
    }
    return FAIL(ERROR_VALUE, "`client_ca` is given, but `client_certificate` asks for none");
}

static struct error number_trust(struct tls_server *server)
{
    unsigned char number[TLS_DIGEST_SIZE] = { 0 };
    for (size_t i = 0; i < server->count; i++) {
        unsigned char material[2 * TLS_DIGEST_SIZE];
        memcpy(material, number, TLS_DIGEST_SIZE);
        memcpy(material + TLS_DIGEST_SIZE, server->certificates[i].session_context, TLS_DIGEST_SIZE);
        if (!tls_digest(number, material, sizeof material)) {
            return FAIL(ERROR_CRYPTO, "SHA-256 failed");
        }
    }
    memcpy(&server->trust, number, sizeof server->trust);
    return OK;
}

static struct error fill(struct tls_server *server, const struct tls_server_settings *settings,
                         int *ret_index)
{
    const struct tls_certificate_settings *certificates = settings->certificates.items;
    *ret_index = -1;
    if (settings->certificates.count == 0) {
        return FAIL(ERROR_VALUE, "`certificates` is empty");
    }
    TRY(check_listener_ca(settings));
    server->certificates = calloc(settings->certificates.count, sizeof *server->certificates);
    if (server->certificates == NULL) {
        return FAIL(ERROR_MEMORY, "out of memory");
    }
    for (size_t i = 0; i < settings->certificates.count; i++) {
        TRY(add_certificate(server, settings, &certificates[i], ret_index));
    }
    return number_trust(server);
}

struct error tls_server_new(const struct tls_server_settings *settings, struct tls_tickets *tickets,
                            struct slice alpn, struct tls_server **ret_server, int *ret_index)
{
    int index = -1;
    struct tls_server *server = calloc(1, sizeof *server);
    if (server == NULL || alpn.len > sizeof server->alpn) {
        free(server);
        *ret_index = -1;
        return FAIL(ERROR_MEMORY, "out of memory");
    }
    server->references = 1;
    server->tickets = tickets;
    server->alpn_size = alpn.len;
    if (alpn.len > 0) {
        memcpy(server->alpn, alpn.ptr, alpn.len);
    }
    map_init(&server->exact);
    map_init(&server->wildcards);
    arena_init(&server->names, NAMES_ARENA_MAX);
    struct error error = fill(server, settings, &index);
    if (failed(error)) {
        tls_server_free(server);
        *ret_index = index;
        return error;
    }
    *ret_server = server;
    return OK;
}

struct tls_renewal tls_server_renewal(const struct tls_server *server)
{
    struct tls_renewal first = { 0 };
    for (size_t i = 0; i < server->count; i++) {
        const struct tls_crls *crls = &server->certificates[i].crls;
        for (size_t j = 0; j < crls->count; j++) {
            if (first.until == 0 || crls->items[j].until < first.until) {
                first = (struct tls_renewal){ crls->items[j].from, crls->items[j].until };
            }
        }
    }
    return first;
}

struct error tls_accept(struct tls_server *server, struct stream *stream)
{
    struct tls_state *state;
    TRY(tls_attach(stream, server->certificates[0].context, server, &state));
    SSL_set_accept_state(state->ssl);
    return OK;
}
