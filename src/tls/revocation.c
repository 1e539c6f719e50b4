/* Revocation lists of client certificates (RFC 5280 section 5). Of every certificate of a chain, and not of the leaf alone: who
 * steals an intermediate CA's key can sign as many leaves as it likes. So each CA of a chain needs a list, and one that is
 * missing, expired or of another signer lets nobody in. */
#include "tls/internal.h"

#include "base/limits.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <time.h>

static int64_t seconds_of(const ASN1_TIME *time)
{
    struct tm parts;
    return time != NULL && ASN1_TIME_to_tm(time, &parts) == 1 ? (int64_t)timegm(&parts) : -1;
}

/* The CAs of that name in the store: -1: none is; 0: none of them signed it; 1: one did. */
static int is_signed(X509_STORE *store, X509_CRL *crl)
{
    const STACK_OF(X509_OBJECT) *objects = X509_STORE_get0_objects(store);
    int found = -1;
    for (int i = 0; i < sk_X509_OBJECT_num(objects) && found != 1; i++) {
        X509 *ca = X509_OBJECT_get0_X509(sk_X509_OBJECT_value(objects, i));
        if (ca != NULL && X509_NAME_cmp(X509_get_subject_name(ca), X509_CRL_get_issuer(crl)) == 0) {
            found = X509_CRL_verify(crl, X509_get0_pubkey(ca)) == 1 ? 1 : 0;
        }
    }
    ERR_clear_error();
    return found;
}

/* The newest list of an issuer says when it must be renewed. */
static struct error note(struct tls_crls *crls, X509_CRL *crl)
{
    const X509_NAME *issuer = X509_CRL_get_issuer(crl);
    struct tls_crl *entry = NULL;
    for (size_t i = 0; i < crls->count && entry == NULL; i++) {
        entry = X509_NAME_cmp(crls->items[i].issuer, issuer) == 0 ? &crls->items[i] : NULL;
    }
    int64_t from = seconds_of(X509_CRL_get0_lastUpdate(crl));
    int64_t until = seconds_of(X509_CRL_get0_nextUpdate(crl));
    if (from < 0 || until < 0) {
        return FAIL(ERROR_VALUE, "`crl` holds a list that does not say until when it is good (nextUpdate)");
    }
    if (entry == NULL) {
        entry = &crls->items[crls->count];
        entry->issuer = X509_NAME_dup(issuer);
        if (entry->issuer == NULL) {
            return FAIL(ERROR_MEMORY, "out of memory");
        }
        crls->count++;
        entry->until = -1;
    }
    if (until > entry->until) {
        entry->from = from;
        entry->until = until;
    }
    return OK;
}

/* Takes `crl`. */
static struct error add(SSL_CTX *context, X509_CRL *crl, struct tls_crls *crls)
{
    X509_STORE *store = SSL_CTX_get_cert_store(context);
    struct error error;
    if (crls->total >= TLS_CRLS_MAX) {
        error = FAIL(ERROR_LIMIT, "`crl` holds too many lists");
    } else if (is_signed(store, crl) == 0) {
        error = FAIL(ERROR_VALUE, "`crl` holds a list that its CA in `client_ca` did not sign");
    } else {
        error = note(crls, crl);
    }
    if (!failed(error) && X509_STORE_add_crl(store, crl) != 1) {
        error = FAIL(ERROR_CRYPTO, "a list of `crl` is not accepted");
    }
    crls->total++;
    ERR_clear_error();
    X509_CRL_free(crl);
    return error;
}

/* One list in DER, and nothing behind it. */
static struct error add_der(SSL_CTX *context, struct slice text, struct tls_crls *crls)
{
    const unsigned char *at = (const unsigned char *)text.ptr;
    X509_CRL *crl = d2i_X509_CRL(NULL, &at, (long)text.len);
    ERR_clear_error();
    if (crl == NULL || at != (const unsigned char *)text.ptr + text.len) {
        X509_CRL_free(crl);
        return FAIL(ERROR_VALUE, "`crl` holds no revocation list in PEM or DER, or a damaged one");
    }
    return add(context, crl, crls);
}

static struct error add_pem(SSL_CTX *context, struct slice text, struct tls_crls *crls)
{
    BIO *bio = BIO_new_mem_buf(text.ptr, (int)text.len);
    struct error error = bio != NULL ? OK : FAIL(ERROR_MEMORY, "out of memory");
    bool at_end = false;
    size_t before = crls->total;
    while (!failed(error) && !at_end) {
        ERR_clear_error();
        X509_CRL *crl = PEM_read_bio_X509_CRL(bio, NULL, NULL, NULL);
        unsigned long code = ERR_peek_last_error();
        if (crl != NULL) {
            error = add(context, crl, crls);
        } else if (ERR_GET_LIB(code) == ERR_LIB_PEM && ERR_GET_REASON(code) == PEM_R_NO_START_LINE) {
            at_end = true;
        } else {
            error = FAIL(ERROR_VALUE, "`crl` holds a damaged revocation list");
        }
    }
    ERR_clear_error();
    BIO_free(bio);
    if (!failed(error) && crls->total == before) {
        error = FAIL(ERROR_VALUE, "`crl` holds no revocation list in PEM or DER, or a damaged one");
    }
    return error;
}

/* A CA without a list: each of its clients would be refused, and somebody believes that they are served. */
static struct error check_completeness(X509_STORE *store, const struct tls_crls *crls)
{
    const STACK_OF(X509_OBJECT) *objects = X509_STORE_get0_objects(store);
    for (int i = 0; i < sk_X509_OBJECT_num(objects); i++) {
        const X509 *ca = X509_OBJECT_get0_X509(sk_X509_OBJECT_value(objects, i));
        bool has = ca == NULL;
        for (size_t j = 0; j < crls->count && !has; j++) {
            has = X509_NAME_cmp(crls->items[j].issuer, X509_get_subject_name(ca)) == 0;
        }
        if (!has) {
            return FAIL(ERROR_VALUE,
                        "`crl` holds no list of a CA in `client_ca`: its clients would be refused");
        }
    }
    return OK;
}

struct error tls_use_crls(SSL_CTX *context, const struct conf_strings *texts, struct tls_crls *crls)
{
    static const struct slice armour = SLICE_INIT("-----BEGIN ");
    crls->items = calloc(TLS_CRLS_MAX, sizeof *crls->items);
    if (crls->items == NULL) {
        return FAIL(ERROR_MEMORY, "out of memory");
    }
    for (size_t i = 0; i < texts->count; i++) {
        struct slice text = texts->items[i];
        if (text.len > TLS_CRL_FILE_MAX) {
            return FAIL(ERROR_LIMIT, "`crl` is too large");
        }
        TRY(slice_contains(text, armour) ? add_pem(context, text, crls) : add_der(context, text, crls));
    }
    X509_STORE *store = SSL_CTX_get_cert_store(context);
    TRY(check_completeness(store, crls));
    return X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL) == 1
               ? OK
               : FAIL(ERROR_CRYPTO, "OpenSSL checks no revocation lists");
}

void tls_crls_done(struct tls_crls *crls)
{
    for (size_t i = 0; i < crls->count; i++) {
        X509_NAME_free(crls->items[i].issuer);
    }
    free(crls->items);
    *crls = (struct tls_crls){ 0 };
}

static bool concerns(const struct tls_crl *crl, STACK_OF(X509) * chain)
{
    bool found = chain == NULL;
    for (int i = 0; i < sk_X509_num(chain) && !found; i++) {
        found = X509_NAME_cmp(crl->issuer, X509_get_issuer_name(sk_X509_value(chain, i))) == 0;
    }
    return found;
}

int64_t tls_crls_until(const struct tls_crls *crls, STACK_OF(X509) * chain)
{
    int64_t until = INT64_MAX;
    for (size_t i = 0; i < crls->count; i++) {
        if (crls->items[i].until < until && concerns(&crls->items[i], chain)) {
            until = crls->items[i].until;
        }
    }
    return until;
}
