/* Loads configurations from memory for tests, and compares their diagnostics with lines. */
#ifndef SALLYPORT_TESTS_CONFIG_LOADING_H
#define SALLYPORT_TESTS_CONFIG_LOADING_H

#include "unit.h"

#include "base/clock.h"
#include "config/config.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

/* The first three lines of most tests: what follows begins in line 4. */
#define BASE                                                                                         \
    "listeners: { public: { address: 127.0.0.1, port: 8080, plaintext: allow } }\n"                  \
    "issuers: { main: { issuer: https://idp.example.com, audiences: [a], jwks_file: keys.json } }\n" \
    "upstreams: { svc: { endpoints: [https://127.0.0.1:9001] } }\n"

/* Everything that a route needs, but for `match`. */
#define WHOLE                                                                                          \
    "upstream: svc, auth: { jwt: main }, authorize: { scopes: [read] }, limits: [{ limit: 10/1s, by: " \
    "address }]"

/* RFC 7517 appendix A.1, the EC key. */
#define KEYS                                                                                              \
    "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4\"," \
    "\"y\":\"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM\",\"use\":\"sig\",\"kid\":\"1\"}]}"

struct loading {
    struct config_files *files;
    struct config *config;
};

static inline void loading_file(struct loading *loading, const char *path, struct slice text)
{
    assert_ok(config_files_preset(loading->files, slice_from_string(path), text));
}

static inline void loading_init(struct loading *loading)
{
    memset(loading, 0, sizeof *loading);
    assert_ok(config_files_new_memory(&loading->files));
    loading_file(loading, "keys.json", SLICE(KEYS));
    loading_file(loading, "pepper", SLICE("0123456789abcdef0123456789abcdef"));
}

static inline void loading_done(struct loading *loading)
{
    config_free(loading->config);
    config_files_free(loading->files);
}

/* The files are freed: nothing of a configuration may point into them. */
static inline struct config *loading_load(struct loading *loading, const struct slice *overlays, size_t count)
{
    const struct config_options options = { .path = SLICE("c.yaml"),
                                            .overlays = overlays,
                                            .overlay_count = count };
    assert_ok(config_load(&options, loading->files, &loading->config));
    config_files_free(loading->files);
    loading->files = NULL;
    return loading->config;
}

static inline void assert_told(const struct config *config, const char *expected)
{
    struct buffer out;
    buffer_init(&out, 1024 * 1024);
    config_print_diagnostics(config, &out);
    buffer_append_char(&out, '\0');
    if (strcmp(out.data, expected) != 0) {
        printf("--- told:\n%s--- wanted:\n%s---\n", out.data, expected); /* cmocka cuts long texts */
        fail();
    }
    buffer_done(&out);
}

/* A configuration of one file. */
static inline struct config *load_text(struct loading *loading, const char *text)
{
    loading_init(loading);
    loading_file(loading, "c.yaml", slice_from_string(text));
    return loading_load(loading, NULL, 0);
}

/* One file, and exactly these lines about it. */
static inline void assert_text_tells(const char *text, const char *expected)
{
    struct loading loading;
    assert_told(load_text(&loading, text), expected);
    loading_done(&loading);
}

static inline void assert_good(const char *text)
{
    assert_text_tells(text, "");
}

/* The effective text has this line part. */
static inline void assert_effective(const struct config *config, const char *part)
{
    struct buffer out;
    buffer_init(&out, 4 * 1024 * 1024);
    config_print_effective(config, &out);
    if (!slice_contains(buffer_slice(&out), slice_from_string(part))) {
        fail_msg("no \"%s\" in:\n%.*s", part, SLICE_ARG(buffer_slice(&out)));
    }
    buffer_done(&out);
}

/* The route of that name. */
static inline const struct route_settings *route_of(const struct config *config, const char *name)
{
    for (size_t i = 0; i < config->settings.route_count; i++) {
        if (slice_equal(config->settings.routes[i].name, slice_from_string(name))) {
            return &config->settings.routes[i];
        }
    }
    fail_msg("no route %s", name);
    return NULL;
}

/* A self-signed certificate for example.com, valid from `from` to `to` seconds from now; PEM, malloc'd. */
static inline void make_certificate(long from, long to, char **ret_cert, char **ret_key)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *x509 = X509_new();
    assert_non_null(key);
    assert_non_null(x509);
    X509_set_version(x509, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x509), 1);
    X509_gmtime_adj(X509_getm_notBefore(x509), from);
    X509_gmtime_adj(X509_getm_notAfter(x509), to);
    X509_set_pubkey(x509, key);
    X509_NAME *name = X509_get_subject_name(x509);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"example.com", -1, -1, 0);
    X509_set_issuer_name(x509, name);
    X509_EXTENSION *names = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, "DNS:example.com");
    X509_add_ext(x509, names, -1);
    X509_EXTENSION_free(names);
    assert_true(X509_sign(x509, key, EVP_sha256()) > 0);
    BIO *bio = BIO_new(BIO_s_mem());
    char *text;
    PEM_write_bio_X509(bio, x509);
    long size = BIO_get_mem_data(bio, &text);
    *ret_cert = strndup(text, (size_t)size);
    BIO_free(bio);
    bio = BIO_new(BIO_s_mem());
    PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL);
    size = BIO_get_mem_data(bio, &text);
    *ret_key = strndup(text, (size_t)size);
    BIO_free(bio);
    X509_free(x509);
    EVP_PKEY_free(key);
}

#endif
