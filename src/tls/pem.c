#include "tls/internal.h"

#include <limits.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

static struct error crypto_failure(const char *what)
{
    unsigned long code = ERR_peek_error();
    ERR_clear_error();
    return FAIL_NUMBER(ERROR_CRYPTO, (int)code, what);
}

bool tls_digest(unsigned char out[TLS_DIGEST_SIZE], const void *data, size_t size)
{
    return EVP_Digest(data, size, out, NULL, EVP_sha256(), NULL) == 1;
}

static BIO *open_text(struct slice text)
{
    return text.len <= INT_MAX ? BIO_new_mem_buf(text.ptr != NULL ? text.ptr : "", (int)text.len) : NULL;
}

/* Takes the next certificate of a PEM text; NULL with `*ret_error` OK at the end. */
static X509 *next_certificate(BIO *bio, struct error *ret_error)
{
    ERR_clear_error();
    X509 *certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    *ret_error = OK;
    if (certificate == NULL) {
        unsigned long code = ERR_peek_last_error();
        bool at_end = ERR_GET_LIB(code) == ERR_LIB_PEM && ERR_GET_REASON(code) == PEM_R_NO_START_LINE;
        if (!at_end) {
            *ret_error = crypto_failure("damaged PEM or certificate");
        }
        ERR_clear_error();
    }
    return certificate;
}

struct error tls_new_context(const SSL_METHOD *method, int min_version, SSL_CTX **ret_context)
{
    ERR_clear_error();
    SSL_CTX *context = SSL_CTX_new(method);
    if (context == NULL) {
        return crypto_failure("cannot make a TLS context");
    }
    SSL_CTX_set_security_level(context, 2); /* RSA from 2048 bits, no SHA-1 signatures */
    SSL_CTX_set_options(context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION |
                                     SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
    /* No automatic chain: it would be built, and sent, from the CA certificates that clients are verified against. */
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_NO_AUTO_CHAIN);
    SSL_CTX_clear_mode(context, SSL_MODE_AUTO_RETRY);
    SSL_CTX_set_read_ahead(context, 1);
    SSL_CTX_set_max_early_data(context, 0); /* replayable */
    SSL_CTX_set_verify_depth(context, TLS_CHAIN_MAX);
    if (SSL_CTX_set_min_proto_version(context, min_version == TLS_1_3 ? TLS1_3_VERSION : TLS1_2_VERSION) !=
            1 ||
        SSL_CTX_set_cipher_list(context, TLS_CIPHERS) != 1 ||
        SSL_CTX_set_ciphersuites(context, TLS_CIPHERSUITES) != 1 ||
        SSL_CTX_set1_groups_list(context, TLS_GROUPS) != 1) {
        SSL_CTX_free(context);
        return crypto_failure("OpenSSL lacks the TLS versions, ciphers or groups");
    }
    *ret_context = context;
    return OK;
}

static struct error use_chain(SSL_CTX *context, BIO *bio)
{
    struct error error;
    X509 *certificate = next_certificate(bio, &error);
    if (failed(error)) {
        error.what = "`cert` holds damaged PEM";
        return error;
    }
    if (certificate == NULL) {
        return FAIL(ERROR_VALUE, "`cert` holds no certificate in PEM");
    }
    int used = SSL_CTX_use_certificate(context, certificate);
    X509_free(certificate);
    if (used != 1) {
        return crypto_failure("`cert` is not accepted: key too small or signature too weak");
    }
    for (int count = 1; (certificate = next_certificate(bio, &error)) != NULL; count++) {
        if (count >= TLS_CHAIN_MAX) {
            X509_free(certificate);
            return FAIL(ERROR_LIMIT, "`cert` holds too many certificates");
        }
        if (SSL_CTX_add0_chain_cert(context, certificate) != 1) {
            X509_free(certificate);
            return crypto_failure("`cert`: a certificate of the chain is not accepted");
        }
    }
    if (failed(error)) {
        error.what = "`cert` holds damaged PEM";
    }
    return error;
}

/* Instead of OpenSSL's own, which would ask on the terminal. */
static int no_password(char *buffer, int size, int writing, void *asked)
{
    (void)buffer;
    (void)size;
    (void)writing;
    *(bool *)asked = true;
    return -1;
}

static struct error use_key(SSL_CTX *context, BIO *bio)
{
    bool asked = false;
    ERR_clear_error();
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, no_password, &asked);
    if (key == NULL) {
        ERR_clear_error();
        return asked ? FAIL(ERROR_VALUE, "`key` is encrypted: a key without a passphrase is needed")
                     : FAIL(ERROR_VALUE, "`key` holds no private key in PEM, or a damaged one");
    }
    int matches = X509_check_private_key(SSL_CTX_get0_certificate(context), key);
    int used = matches == 1 ? SSL_CTX_use_PrivateKey(context, key) : 0;
    EVP_PKEY_free(key);
    if (matches != 1) {
        ERR_clear_error();
        return FAIL(ERROR_VALUE, "`key` does not belong to `cert`");
    }
    return used == 1 ? OK : crypto_failure("`key` is not accepted");
}

struct error tls_use_certificate(SSL_CTX *context, struct slice cert_pem, struct slice key_pem)
{
    BIO *cert = open_text(cert_pem);
    BIO *key = open_text(key_pem);
    struct error error = FAIL(ERROR_MEMORY, "out of memory");
    if (cert != NULL && key != NULL) {
        error = use_chain(context, cert);
        if (!failed(error)) {
            error = use_key(context, key);
        }
    }
    BIO_free(cert);
    BIO_free(key);
    return error;
}

static struct error add_ca(SSL_CTX *context, X509 *certificate, bool names)
{
    if (X509_STORE_add_cert(SSL_CTX_get_cert_store(context), certificate) != 1) {
        return crypto_failure("a certificate of `ca` is not accepted");
    }
    if (names && SSL_CTX_add_client_CA(context, certificate) != 1) {
        return crypto_failure("out of memory");
    }
    return OK;
}

struct error tls_use_ca(SSL_CTX *context, struct slice ca_pem, bool names)
{
    BIO *bio = open_text(ca_pem);
    if (bio == NULL) {
        return FAIL(ERROR_MEMORY, "out of memory");
    }
    struct error error = OK;
    X509 *certificate;
    int count = 0;
    while (!failed(error) && (certificate = next_certificate(bio, &error)) != NULL) {
        error = ++count > TLS_CA_MAX ? FAIL(ERROR_LIMIT, "the CA file holds too many certificates")
                                     : add_ca(context, certificate, names);
        X509_free(certificate);
    }
    BIO_free(bio);
    /* A CA that is left out in silence would be a door that is left open, or shut for ever (T22). */
    if (failed(error) && error.kind == ERROR_CRYPTO) {
        error.what = "the CA file holds damaged PEM or a certificate that is not accepted";
    } else if (!failed(error) && count == 0) {
        error = FAIL(ERROR_VALUE, "the CA file holds no certificate in PEM");
    }
    return error;
}
