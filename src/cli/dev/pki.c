#include "cli/dev/pki.h"

#include "base/random.h"

#include <fcntl.h>
#include <limits.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LIFETIME_S (7L * 24 * 60 * 60)

struct dev_pki {
    EVP_PKEY *key;
    X509 *certificate;
};

static struct error write_file(const char *directory, const char *name, const char *suffix, X509 *certificate,
                               EVP_PKEY *key)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s%s", directory, name, suffix);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, key != NULL ? 0600 : 0644);
    FILE *file = fd >= 0 ? fdopen(fd, "w") : NULL;
    if (file == NULL) {
        return FAIL_ERRNO("a development certificate could not be written");
    }
    int written = key != NULL ? PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL)
                              : PEM_write_X509(file, certificate);
    if (fclose(file) != 0 || written != 1) {
        return FAIL(ERROR_SYSTEM, "a development certificate could not be written");
    }
    return OK;
}

static bool add_extension(X509 *certificate, X509 *issuer, int id, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, id, value);
    bool added = extension != NULL && X509_add_ext(certificate, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    return added;
}

static bool set_serial(X509 *certificate)
{
    unsigned char bytes[16];
    random_bytes(bytes, sizeof bytes);
    bytes[0] = (unsigned char)((bytes[0] & 0x7f) | 0x40); /* positive, never empty */
    BIGNUM *number = BN_bin2bn(bytes, sizeof bytes, NULL);
    bool set = number != NULL && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate)) != NULL;
    BN_free(number);
    return set;
}

/* An unsigned certificate for `key`. */
static X509 *draft(EVP_PKEY *key, const char *common_name)
{
    X509 *certificate = X509_new();
    X509_NAME *name = certificate != NULL ? X509_get_subject_name(certificate) : NULL;
    bool made = name != NULL && X509_set_version(certificate, X509_VERSION_3) == 1 &&
                set_serial(certificate) && X509_gmtime_adj(X509_getm_notBefore(certificate), -300) != NULL &&
                X509_gmtime_adj(X509_getm_notAfter(certificate), LIFETIME_S) != NULL &&
                X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)common_name, -1,
                                           -1, 0) == 1 &&
                X509_set_pubkey(certificate, key) == 1;
    if (!made) {
        X509_free(certificate);
        return NULL;
    }
    return certificate;
}

static bool make_ca(struct dev_pki *pki)
{
    pki->key = EVP_EC_gen("P-256");
    pki->certificate = pki->key != NULL ? draft(pki->key, "Sallyport development CA") : NULL;
    X509 *ca = pki->certificate;
    return ca != NULL && X509_set_issuer_name(ca, X509_get_subject_name(ca)) == 1 &&
           add_extension(ca, ca, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") &&
           add_extension(ca, ca, NID_key_usage, "critical,keyCertSign,cRLSign") &&
           add_extension(ca, ca, NID_subject_key_identifier, "hash") &&
           X509_sign(ca, pki->key, EVP_sha256()) > 0;
}

struct error dev_pki_new(const char *directory, struct dev_pki **ret_pki)
{
    struct dev_pki *pki = calloc(1, sizeof *pki);
    if (pki == NULL) {
        return FAIL(ERROR_MEMORY, "development CA");
    }
    struct error error = make_ca(pki) ? write_file(directory, "ca", ".pem", pki->certificate, NULL)
                                      : FAIL(ERROR_CRYPTO, "the development CA could not be made");
    if (failed(error)) {
        dev_pki_free(pki);
        return error;
    }
    *ret_pki = pki;
    return OK;
}

void dev_pki_free(struct dev_pki *pki)
{
    X509_free(pki->certificate);
    EVP_PKEY_free(pki->key);
    free(pki);
}

static bool sign_leaf(struct dev_pki *pki, X509 *leaf)
{
    X509 *ca = pki->certificate;
    return X509_set_issuer_name(leaf, X509_get_subject_name(ca)) == 1 &&
           add_extension(leaf, ca, NID_basic_constraints, "critical,CA:FALSE") &&
           add_extension(leaf, ca, NID_key_usage, "critical,digitalSignature") &&
           add_extension(leaf, ca, NID_ext_key_usage, "serverAuth") &&
           add_extension(leaf, ca, NID_subject_alt_name, "DNS:localhost,IP:127.0.0.1,IP:::1") &&
           add_extension(leaf, ca, NID_authority_key_identifier, "keyid") &&
           X509_sign(leaf, pki->key, EVP_sha256()) > 0;
}

struct error dev_pki_issue(struct dev_pki *pki, const char *directory, const char *name)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *leaf = key != NULL ? draft(key, name) : NULL;
    struct error error = FAIL(ERROR_CRYPTO, "a development certificate could not be made");
    if (leaf != NULL && sign_leaf(pki, leaf)) {
        error = write_file(directory, name, ".pem", leaf, NULL);
        if (!failed(error)) {
            error = write_file(directory, name, ".key", NULL, key);
        }
    }
    X509_free(leaf);
    EVP_PKEY_free(key);
    return error;
}
