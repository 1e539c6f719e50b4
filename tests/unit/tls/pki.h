/* Certificates made on the spot: EC keys on P-256, valid from yesterday for the stated number of days. For tests only. */
#ifndef SALLYPORT_TESTS_TLS_PKI_H
#define SALLYPORT_TESTS_TLS_PKI_H

#include "unit.h"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

struct pki {
    EVP_PKEY *key;
    X509 *certificate;
    char cert_pem[4096], key_pem[1024];
};

static inline struct slice pki_cert(const struct pki *pki)
{
    return slice_from_string(pki->cert_pem);
}

static inline struct slice pki_key(const struct pki *pki)
{
    return slice_from_string(pki->key_pem);
}

static inline void pki_take_text(BIO *bio, char *out, size_t size)
{
    int got = BIO_read(bio, out, (int)size - 1);
    assert_true(got > 0);
    out[got] = '\0';
    BIO_free(bio);
}

static inline void pki_extend(X509 *certificate, X509 *issuer, int id, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, id, value);
    assert_non_null(extension);
    assert_int_equal(X509_add_ext(certificate, extension, -1), 1);
    X509_EXTENSION_free(extension);
}

/* `alternatives` as in "DNS:a.example.com,IP:127.0.0.1"; NULL: none. `issuer` NULL: signed by itself. */
static inline void pki_make(struct pki *out, const char *name, const char *alternatives,
                            const struct pki *issuer, bool is_ca, int days)
{
    static long serial = 1;
    memset(out, 0, sizeof *out);
    out->key = EVP_EC_gen("P-256");
    out->certificate = X509_new();
    assert_true(out->key != NULL && out->certificate != NULL);
    X509 *certificate = out->certificate;
    X509_set_version(certificate, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), ++serial);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -86400);
    X509_gmtime_adj(X509_getm_notAfter(certificate), (long)days * 86400);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_UTF8,
                               (const unsigned char *)name, -1, -1, 0);
    const struct pki *signer = issuer != NULL ? issuer : out;
    X509_set_issuer_name(certificate, X509_get_subject_name(signer->certificate));
    X509_set_pubkey(certificate, out->key);
    pki_extend(certificate, signer->certificate, NID_basic_constraints,
               is_ca ? "critical,CA:TRUE" : "CA:FALSE");
    if (alternatives != NULL) {
        pki_extend(certificate, signer->certificate, NID_subject_alt_name, alternatives);
    }
    assert_true(X509_sign(certificate, signer->key, EVP_sha256()) > 0);
    BIO *bio = BIO_new(BIO_s_mem());
    PEM_write_bio_X509(bio, certificate);
    pki_take_text(bio, out->cert_pem, sizeof out->cert_pem);
    bio = BIO_new(BIO_s_mem());
    PEM_write_bio_PrivateKey(bio, out->key, NULL, NULL, 0, NULL, NULL);
    pki_take_text(bio, out->key_pem, sizeof out->key_pem);
}

static inline void pki_done(struct pki *pki)
{
    EVP_PKEY_free(pki->key);
    X509_free(pki->certificate);
}

#endif
