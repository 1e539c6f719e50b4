/* What `client_certificates` may hold, and what must fit together in it. */
#include "auth/client_certificate_pattern.h"

#include "tls/client_name.h"

static const struct conf_choice identity_choices[] = {
    { "spiffe", CERTIFICATE_SPIFFE, "the SPIFFE ID: its only URI, of an X509-SVID" },
    { "dns", CERTIFICATE_DNS, "a DNS name among its subject alternative names" },
    { "uri", CERTIFICATE_URI, "a URI among its subject alternative names" },
    { "email", CERTIFICATE_EMAIL, "a mailbox among its subject alternative names" },
    { "subject", CERTIFICATE_SUBJECT, "its subject, as RFC 4514 writes it" },
    { "fingerprint", CERTIFICATE_FINGERPRINT, "the SHA-256 of the whole certificate" },
    { 0 },
};

static const struct conf_field fields[] = {
    { .name = "identity",
      .type = CONF_ENUM,
      .flags = CONF_REQUIRED,
      .offset = offsetof(struct client_certificate_settings, identity),
      .choices = identity_choices,
      .help = "Which of its names a certificate is known by. Names of other types never count." },
    { .name = "allow",
      .type = CONF_STRINGS,
      .flags = CONF_NON_EMPTY | CONF_SUBSET,
      .offset = offsetof(struct client_certificate_settings, allow),
      .help = "The names that are let in: exactly one name of a certificate must be among them. A `*` stands "
              "for one label (*.example.com), one path segment (spiffe://example.org/ns/*/sa/web) or any "
              "mailbox (*@example.com); never in a subject or fingerprint." },
    { .name = "trust_domains",
      .type = CONF_STRINGS,
      .flags = CONF_NON_EMPTY | CONF_SUBSET,
      .offset = offsetof(struct client_certificate_settings, trust_domains),
      .help = "Trust domains whose SPIFFE IDs are let in: all of them, or those that `allow` names." },
    { .name = "scopes",
      .type = CONF_STRINGS,
      .flags = CONF_NON_EMPTY | CONF_SUBSET,
      .offset = offsetof(struct client_certificate_settings, scopes),
      .help = "Scopes that every caller of these has, for `authorize`." },
    { 0 },
};

const struct conf_object client_certificate_object = {
    .name = "client certificate",
    .size = sizeof(struct client_certificate_settings),
    .fields = fields,
    .help =
        "Callers that prove who they are by the certificate of their connection: which name of it counts, "
        "and which names are let in. The listener's `client_ca` says whose certificates are believed.",
};

const char *client_certificate_check_settings(const struct client_certificate_settings *settings)
{
    bool spiffe = settings->identity == CERTIFICATE_SPIFFE;
    if (!spiffe && settings->trust_domains.count > 0) {
        return "trust_domains is given, and identity is not spiffe";
    }
    if (settings->allow.count == 0 && settings->trust_domains.count == 0) {
        return spiffe ? "allow or trust_domains is missing: nobody would be let in"
                      : "allow is missing: nobody would be let in";
    }
    return NULL;
}

/* A pattern of another trust domain would never let anybody in. */
static bool is_of_other_domain(const struct client_certificate_settings *settings, struct slice pattern)
{
    static const struct slice scheme = SLICE_INIT("spiffe://");
    struct slice rest = slice_from(pattern, scheme.len), domain;
    return settings->identity == CERTIFICATE_SPIFFE && settings->trust_domains.count > 0 &&
           slice_next(&rest, '/', &domain) && !conf_strings_contain(&settings->trust_domains, domain);
}

const char *client_certificate_check_pattern(const struct client_certificate_settings *settings,
                                             struct slice pattern)
{
    const char *problem = certificate_patterns[settings->identity].check(pattern);
    if (problem == NULL && is_of_other_domain(settings, pattern)) {
        return "its trust domain is none of trust_domains: it would let nobody in";
    }
    return problem;
}

const char *client_certificate_check_domain(struct slice domain)
{
    return client_name_trust_domain(domain)
               ? NULL
               : "a trust domain is wanted here: lower-case letters, digits, `.`, `-` and `_`";
}

const char *client_certificate_check_scope(struct slice scope)
{
    bool good = scope.len > 0;
    for (size_t i = 0; good && i < scope.len; i++) {
        char c = scope.ptr[i];
        good = c > ' ' && c < 0x7f && c != '"' && c != '\\';
    }
    return good ? NULL : "a scope is printable ASCII without space, quote and backslash";
}

void client_certificate_prepare(struct client_certificate_settings *settings)
{
    struct conf_strings *scopes = &settings->scopes;
    scopes->count = slices_sort(scopes->items, scopes->count);
}
