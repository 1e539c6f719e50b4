/* Reads what the configuration names: certificates, private keys, CA files, key sets. */
#include "base/limits.h"
#include "config/internal.h"
#include "config/values.h"

#define PEM_FILE_MAX (1024 * 1024) /* bytes of a PEM file */

struct error load_read(struct loader *loader, const struct slice *path, const struct conf_node *owner,
                       size_t maximum, struct slice *out, bool *ret_read)
{
    struct error error = config_files_read(loader->files, *path, maximum, out);
    if (error.kind == ERROR_MEMORY) {
        return error;
    }
    if (failed(error)) {
        char why[256];
        error_describe(error, why, sizeof why);
        tell(loader, path, owner, "%.*s: %s", SLICE_ARG(*path), why);
    }
    *ret_read = !failed(error);
    return OK;
}

/* `path`: a field of a struct whose node is `owner`; empty: there is nothing to read. */
static struct error read_contents(struct loader *loader, const struct slice *path,
                                  const struct conf_node *owner, size_t maximum, struct slice *out)
{
    if (path->len == 0) {
        return OK;
    }
    struct slice text;
    bool read = false;
    TRY(load_read(loader, path, owner, maximum, &text, &read));
    if (!read) {
        return OK;
    }
    if (text.len == 0) {
        tell(loader, path, owner, "%.*s is empty", SLICE_ARG(*path));
        return OK;
    }
    return secret_keep(loader->arena, text, out); /* private keys are among them */
}

struct error load_file_text(struct loader *loader, const struct slice *path, const struct conf_node *owner,
                            size_t maximum, struct slice *out)
{
    TRY(read_contents(loader, path, owner, maximum, out));
    if (path->len > 0) {
        config_files_watch(loader->files, *path);
    }
    return OK;
}

struct error load_contents(struct loader *loader, const struct slice *path, const struct conf_node *owner,
                           struct slice *out)
{
    return read_contents(loader, path, owner, PEM_FILE_MAX, out);
}

/* Watched whether they can be read or not: a list is renewed by somebody else, at any time. */
static struct error read_lists(struct loader *loader, const struct conf_strings *paths,
                               const struct conf_node *owner, struct conf_strings *out)
{
    if (paths->count == 0) {
        return OK;
    }
    out->items = arena_calloc(loader->arena, paths->count, sizeof *out->items);
    if (out->items == NULL) {
        return NO_MEMORY;
    }
    out->count = paths->count;
    for (size_t i = 0; i < paths->count; i++) {
        TRY(read_contents(loader, &paths->items[i], owner, TLS_CRL_FILE_MAX, &out->items[i]));
        config_files_watch(loader->files, paths->items[i]);
    }
    return OK;
}

static struct error read_server(struct loader *loader, struct tls_server_settings *tls)
{
    const struct conf_node *node = loader_object(loader, tls);
    TRY(read_contents(loader, &tls->client_ca, node, PEM_FILE_MAX, &tls->client_ca_pem));
    TRY(read_lists(loader, &tls->crl, node, &tls->crl_texts));
    struct tls_certificate_settings *certificates = tls->certificates.items;
    for (size_t i = 0; i < tls->certificates.count; i++) {
        struct tls_certificate_settings *one = &certificates[i];
        const struct conf_node *at = loader_object(loader, one);
        TRY(read_contents(loader, &one->cert, at, PEM_FILE_MAX, &one->cert_pem));
        TRY(read_contents(loader, &one->key, at, PEM_FILE_MAX, &one->key_pem));
        TRY(read_contents(loader, &one->client_ca, at, PEM_FILE_MAX, &one->client_ca_pem));
        TRY(read_lists(loader, &one->crl, at, &one->crl_texts));
    }
    return OK;
}

static struct error read_client(struct loader *loader, struct tls_client_settings *tls)
{
    if (tls == NULL) {
        return OK;
    }
    const struct conf_node *node = loader_object(loader, tls);
    TRY(read_contents(loader, &tls->ca, node, PEM_FILE_MAX, &tls->ca_pem));
    TRY(read_contents(loader, &tls->cert, node, PEM_FILE_MAX, &tls->cert_pem));
    return read_contents(loader, &tls->key, node, PEM_FILE_MAX, &tls->key_pem);
}

/* A log is written where its path was written: relative to that file. */
static struct error place_log(struct loader *loader, struct log_file_settings *log)
{
    if (log == NULL || slice_equal(log->file, SLICE("-")) || slice_equal(log->file, SLICE("off"))) {
        return OK;
    }
    const struct conf_node *node = places_field(&loader->places->fields, &log->file);
    if (node == NULL) {
        return OK;
    }
    log->file = value_path(node->place.source, log->file, loader->arena);
    return log->file.ptr != NULL ? OK : NO_MEMORY;
}

struct error load_files(struct loader *loader)
{
    struct settings *settings = loader->settings;
    for (size_t i = 0; i < settings->listener_count; i++) {
        if (settings->listeners[i].tls != NULL) {
            TRY(read_server(loader, settings->listeners[i].tls));
        }
    }
    for (size_t i = 0; i < settings->upstream_count; i++) {
        TRY(read_client(loader, settings->upstreams[i].tls));
        if (settings->upstreams[i].discover != NULL) {
            TRY(read_client(loader, settings->upstreams[i].discover->tls));
        }
    }
    for (size_t i = 0; i < settings->authorizer_count; i++) {
        TRY(read_client(loader, settings->authorizers[i].tls));
    }
    for (size_t i = 0; i < settings->issuer_count; i++) {
        struct issuer_settings *issuer = &settings->issuers[i];
        TRY(read_client(loader, issuer->jwks_tls));
        TRY(read_contents(loader, &issuer->jwks_file, loader_object(loader, issuer), JWKS_TEXT_MAX,
                          &issuer->jwks_text));
        if (issuer->jwks_text.len > 0) {
            config_files_watch(loader->files, issuer->jwks_file);
        }
    }
    for (size_t i = 0; i < settings->introspection_count; i++) {
        struct introspection_settings *introspection = &settings->introspection[i];
        TRY(read_client(loader, introspection->tls));
        TRY(read_contents(loader, &introspection->client_key, loader_object(loader, introspection),
                          PEM_FILE_MAX, &introspection->client_key_pem));
    }
    if (settings->logs != NULL) {
        TRY(place_log(loader, settings->logs->access));
        TRY(place_log(loader, settings->logs->audit));
    }
    if (settings->logs != NULL && settings->logs->audit != NULL &&
        slice_equal(settings->logs->audit->file, SLICE("off"))) {
        tell(loader, &settings->logs->audit->file, loader->places->root,
             "the audit log cannot be off: what cannot be recorded is denied");
    }
    return OK;
}
