#include "tls/settings.h"

#include "base/arena.h"
#include "base/secret.h"

static const struct conf_choice versions[] = {
    { "1.2", TLS_1_2, "TLS 1.2 and 1.3" },
    { "1.3", TLS_1_3, "TLS 1.3 only" },
    { 0 },
};

static const struct conf_choice client_certificates[] = {
    { "none", TLS_CLIENT_NONE, "never asked for" },
    { "optional", TLS_CLIENT_OPTIONAL, "asked for; one that is given must verify" },
    { "required", TLS_CLIENT_REQUIRED, "as optional, and requests without one are denied (403)" },
    { 0 },
};

static const struct conf_choice own_client_certificates[] = {
    { "listener", -1, "as the listener says" },
    { "none", TLS_CLIENT_NONE, "never asked for" },
    { "optional", TLS_CLIENT_OPTIONAL, "asked for; one that is given must verify" },
    { "required", TLS_CLIENT_REQUIRED, "as optional, and requests without one are denied (403)" },
    { 0 },
};

static const struct conf_field certificate_fields[] = {
    { .name = "cert",
      .type = CONF_FILE,
      .flags = CONF_REQUIRED | CONF_NON_EMPTY,
      .offset = offsetof(struct tls_certificate_settings, cert),
      .help = "certificate chain in PEM, the server's own certificate first" },
    { .name = "key",
      .type = CONF_FILE,
      .flags = CONF_REQUIRED | CONF_NON_EMPTY,
      .offset = offsetof(struct tls_certificate_settings, key),
      .help = "its private key in PEM, not encrypted" },
    { .name = "hosts",
      .type = CONF_STRINGS,
      .flags = CONF_NON_EMPTY | CONF_NAMES,
      .offset = offsetof(struct tls_certificate_settings, hosts),
      .help = "host names and *.wildcards that it serves; default: the names in the certificate" },
    { .name = "client_ca",
      .type = CONF_FILE,
      .flags = CONF_NON_EMPTY,
      .offset = offsetof(struct tls_certificate_settings, client_ca),
      .help = "CA certificates in PEM for clients of these hosts; default: the listener's" },
    { .name = "crl",
      .type = CONF_FILES,
      .flags = CONF_NON_EMPTY,
      .offset = offsetof(struct tls_certificate_settings, crl),
      .help = "revocation lists for clients of these hosts; default: the listener's, unless there is a "
              "client_ca here" },
    { .name = "client_certificate",
      .type = CONF_ENUM,
      .offset = offsetof(struct tls_certificate_settings, client_certificate),
      .standard = "listener",
      .choices = own_client_certificates,
      .help = "whether clients of these hosts show a certificate" },
    { 0 },
};

static const struct conf_object certificate_object = {
    .name = "certificate",
    .size = sizeof(struct tls_certificate_settings),
    .fields = certificate_fields,
    .help = "A certificate, the hosts that it serves, and what their clients must show.",
};

static const struct conf_field server_fields[] = {
    { .name = "certificates",
      .type = CONF_LIST,
      .flags = CONF_REQUIRED | CONF_NON_EMPTY,
      .offset = offsetof(struct tls_server_settings, certificates),
      .object = &certificate_object,
      .help = "chosen by the name that the client asks for; the first one where it asks for none" },
    { .name = "client_ca",
      .type = CONF_FILE,
      .flags = CONF_NON_EMPTY,
      .offset = offsetof(struct tls_server_settings, client_ca),
      .help = "CA certificates in PEM that client certificates must chain to" },
    { .name = "crl",
      .type = CONF_FILES,
      .flags = CONF_NON_EMPTY,
      .offset = offsetof(struct tls_server_settings, crl),
      .help = "revocation lists in PEM or DER, one at least of each CA in a client's chain; read again when "
              "they change" },
    { .name = "client_certificate",
      .type = CONF_ENUM,
      .offset = offsetof(struct tls_server_settings, client_certificate),
      .standard = "none",
      .choices = client_certificates,
      .help = "whether clients show a certificate (mutual TLS)" },
    { .name = "min_version",
      .type = CONF_ENUM,
      .offset = offsetof(struct tls_server_settings, min_version),
      .standard = "1.2",
      .choices = versions,
      .help = "the oldest TLS version that is spoken" },
    { .name = "ciphers",
      .type = CONF_STRING,
      .flags = CONF_NON_EMPTY,
      .offset = offsetof(struct tls_server_settings, ciphers),
      .help = "TLS 1.2 cipher list in OpenSSL's notation; only ECDHE with AEAD is accepted" },
    { 0 },
};

const struct conf_object tls_server_object = {
    .name = "listener TLS",
    .size = sizeof(struct tls_server_settings),
    .fields = server_fields,
    .help = "TLS of a listener. TLS 1.2 and 1.3 with forward secrecy by elliptic curves; no renegotiation, "
            "compression or early "
            "data.",
};

#define SERVICE_FIELDS 2 /* stand first: what only services know */

static const struct conf_field service_fields[] = {
    { .name = "spiffe_ids",
      .type = CONF_STRINGS,
      .flags = CONF_NON_EMPTY,
      .offset = offsetof(struct tls_client_settings, spiffe_ids),
      .help = "the server is known by one of these SPIFFE IDs (spiffe://trust-domain/path), and not by its "
              "name; needs a ca" },
    { .name = "spiffe_trust_domain",
      .type = CONF_STRING,
      .flags = CONF_NON_EMPTY,
      .offset = offsetof(struct tls_client_settings, spiffe_trust_domain),
      .help = "instead of spiffe_ids: it is known by any SPIFFE ID of this trust domain" },
    { .name = "ca",
      .type = CONF_FILE,
      .flags = CONF_NON_EMPTY,
      .offset = offsetof(struct tls_client_settings, ca),
      .help = "CA certificates in PEM that the server must chain to; default: the system's" },
    { .name = "server_name",
      .type = CONF_STRING,
      .flags = CONF_NON_EMPTY | CONF_NAMES,
      .offset = offsetof(struct tls_client_settings, server_name),
      .help = "name to ask for and to verify; default: the host of the URL" },
    { .name = "cert",
      .type = CONF_FILE,
      .flags = CONF_NON_EMPTY,
      .offset = offsetof(struct tls_client_settings, cert),
      .help = "own certificate chain in PEM to show to the server" },
    { .name = "key",
      .type = CONF_FILE,
      .flags = CONF_NON_EMPTY,
      .offset = offsetof(struct tls_client_settings, key),
      .help = "its private key in PEM, not encrypted" },
    { .name = "min_version",
      .type = CONF_ENUM,
      .offset = offsetof(struct tls_client_settings, min_version),
      .standard = "1.2",
      .choices = versions,
      .help = "the oldest TLS version that is spoken" },
    { 0 },
};

const struct conf_object tls_service_object = {
    .name = "service TLS",
    .size = sizeof(struct tls_client_settings),
    .fields = service_fields,
    .help = "TLS to a service. The server's certificate is always verified, and its name or its SPIFFE ID.",
};

const struct conf_object tls_client_object = {
    .name = "outgoing TLS",
    .size = sizeof(struct tls_client_settings),
    .fields = service_fields + SERVICE_FIELDS,
    .help = "TLS of outgoing connections. The server's certificate and name are always verified.",
};

static bool copy_text(struct slice *text, struct arena *arena)
{
    *text = arena_copy(arena, *text);
    return text->ptr != NULL;
}

/* The key comes last: where anything else fails, there is none in the arena. */
struct tls_client_settings *tls_client_settings_copy(const struct tls_client_settings *settings,
                                                     struct arena *arena)
{
    struct tls_client_settings *copy = arena_alloc(arena, sizeof *copy);
    if (copy == NULL) {
        return NULL;
    }
    *copy = *settings;
    bool copied = copy_text(&copy->ca, arena) && copy_text(&copy->server_name, arena) &&
                  copy_text(&copy->cert, arena) && copy_text(&copy->key, arena) &&
                  conf_strings_copy(&copy->spiffe_ids, arena) &&
                  copy_text(&copy->spiffe_trust_domain, arena) && copy_text(&copy->ca_pem, arena) &&
                  copy_text(&copy->cert_pem, arena) && copy_text(&copy->key_pem, arena);
    return copied ? copy : NULL;
}

void tls_client_settings_wipe(struct tls_client_settings *copy)
{
    if (copy != NULL) {
        secret_wipe((void *)copy->key_pem.ptr, copy->key_pem.len); /* our own copy */
    }
}

bool tls_client_settings_equal(const struct tls_client_settings *a, const struct tls_client_settings *b)
{
    if (a == NULL || b == NULL) {
        return a == b;
    }
    return slice_equal(a->ca_pem, b->ca_pem) && slice_equal(a->cert_pem, b->cert_pem) &&
           slice_equal(a->key_pem, b->key_pem) && slice_equal(a->server_name, b->server_name) &&
           slice_equal(a->spiffe_trust_domain, b->spiffe_trust_domain) &&
           conf_strings_equal(&a->spiffe_ids, &b->spiffe_ids) && a->min_version == b->min_version;
}
