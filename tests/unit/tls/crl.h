/* Revocation lists made on the spot, of CAs of pki.h. For tests only. */
#ifndef SALLYPORT_TESTS_TLS_CRL_H
#define SALLYPORT_TESTS_TLS_CRL_H

#include "pki.h"

struct crl {
    char pem[4096];
    unsigned char der[2048];
    size_t der_size;
};

static inline struct slice crl_pem(const struct crl *crl)
{
    return slice_from_string(crl->pem);
}

static inline struct slice crl_der(const struct crl *crl)
{
    return slice_of((const char *)crl->der, crl->der_size);
}

/* By `signer` in the name of `issuer`, good from an hour ago for `seconds` from now (0: it does not say). `revoked`: up to the
 * first NULL. */
static inline void crl_make_by(struct crl *out, const struct pki *issuer, const struct pki *signer,
                               long seconds, const struct pki *const *revoked)
{
    memset(out, 0, sizeof *out);
    X509_CRL *crl = X509_CRL_new();
    ASN1_TIME *time = ASN1_TIME_new();
    X509_CRL_set_version(crl, 1);
    X509_CRL_set_issuer_name(crl, X509_get_subject_name(issuer->certificate));
    X509_gmtime_adj(time, -3600);
    X509_CRL_set1_lastUpdate(crl, time);
    if (seconds != 0) {
        X509_gmtime_adj(time, seconds);
        X509_CRL_set1_nextUpdate(crl, time);
    }
    for (; revoked != NULL && *revoked != NULL; revoked++) {
        X509_REVOKED *entry = X509_REVOKED_new();
        X509_REVOKED_set_serialNumber(entry, X509_get_serialNumber((*revoked)->certificate));
        X509_gmtime_adj(time, -60);
        X509_REVOKED_set_revocationDate(entry, time);
        assert_int_equal(X509_CRL_add0_revoked(crl, entry), 1);
    }
    X509_CRL_sort(crl);
    assert_true(X509_CRL_sign(crl, signer->key, EVP_sha256()) > 0);
    BIO *bio = BIO_new(BIO_s_mem());
    PEM_write_bio_X509_CRL(bio, crl);
    pki_take_text(bio, out->pem, sizeof out->pem);
    unsigned char *at = out->der;
    assert_true(i2d_X509_CRL(crl, NULL) <= (int)sizeof out->der);
    out->der_size = (size_t)i2d_X509_CRL(crl, &at);
    ASN1_TIME_free(time);
    X509_CRL_free(crl);
}

/* Good for an hour. */
static inline void crl_make(struct crl *out, const struct pki *issuer, const struct pki *revoked)
{
    const struct pki *const list[] = { revoked, NULL };
    crl_make_by(out, issuer, issuer, 3600, list);
}

#endif
