/* What is wrong with certificates, keys and CAs: told at the field that names the file, and with the file's name. */
#include "base/clock.h"
#include "config/internal.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

/* Which of the files a text of src/tls speaks of: it names the fields in backquotes, or says "CA". */
static bool speaks_of(struct slice why, const struct tls_file *file)
{
    return file->path->len > 0 && slice_contains(why, slice_from_string(file->word));
}

void check_tls_tell(struct loader *loader, const struct conf_node *node, struct error error,
                    const struct tls_file *files, size_t count)
{
    char text[256];
    error_describe(error, text, sizeof text);
    struct slice why = slice_from_string(text);
    struct slice named = SLICE("");
    const struct conf_node *at = NULL;
    for (size_t i = 0; i < count; i++) {
        if (speaks_of(why, &files[i])) {
            named = arena_printf(loader->arena, "%.*s%s%.*s", SLICE_ARG(named), named.len > 0 ? ", " : "",
                                 SLICE_ARG(*files[i].path));
            at = at != NULL ? at : loader_node(loader, files[i].path, node);
        }
    }
    if (at == NULL) {
        diagnostics_node(loader->diagnostics, DIAGNOSTIC_ERROR, node, "%s", text);
    } else {
        diagnostics_node(loader->diagnostics, DIAGNOSTIC_ERROR, at, "%s (%.*s)", text, SLICE_ARG(named));
    }
}

static void check_leaf(struct loader *loader, const struct slice *cert, X509 *leaf,
                       const struct conf_node *node, const struct tls_leaf_wanted *wanted)
{
    time_t now = (time_t)(clock_real_ns() / NS_PER_S);
    if (X509_cmp_time(X509_get0_notAfter(leaf), &now) < 0) {
        diagnostics_node(loader->diagnostics, wanted->kind, loader_node(loader, cert, node), "%s",
                         wanted->expired);
    } else if (X509_cmp_time(X509_get0_notBefore(leaf), &now) > 0) {
        warn(loader, cert, node, "the certificate is not valid yet");
    }
    if (wanted->client && X509_check_purpose(leaf, X509_PURPOSE_SSL_CLIENT, 0) != 1) {
        warn(loader, cert, node,
             "the certificate is not for clients (keyUsage or extendedKeyUsage), and servers that ask for "
             "one will "
             "hardly take it: have one made with clientAuth");
    }
}

void check_tls_leaf(struct loader *loader, const struct slice *cert, struct slice pem,
                    const struct conf_node *node, const struct tls_leaf_wanted *wanted)
{
    BIO *bio = BIO_new_mem_buf(pem.ptr, (int)pem.len);
    X509 *leaf = bio != NULL ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
    if (leaf != NULL) {
        check_leaf(loader, cert, leaf, node, wanted);
    }
    X509_free(leaf);
    BIO_free(bio);
    ERR_clear_error();
}
