#include "auth/client_certificate.h"

#include "auth/client_certificate_pattern.h"

#include "base/encoding.h"
#include "tls/client_name.h"

/* The names of a certificate that count by these settings, as a list. `one` keeps the list of a single one. */
static struct tls_client_names names_of(const struct client_certificate_settings *settings,
                                        const struct tls_client_facts *facts, struct slice *one)
{
    switch ((enum certificate_identity)settings->identity) {
    case CERTIFICATE_DNS:
        return facts->dns;
    case CERTIFICATE_URI:
        return facts->uris;
    case CERTIFICATE_EMAIL:
        return facts->emails;
    case CERTIFICATE_SPIFFE:
        *one = facts->spiffe_id;
        break;
    case CERTIFICATE_SUBJECT:
        *one = facts->subject;
        break;
    default:
        *one = SLICE("");
        break;
    }
    return (struct tls_client_names){ one, one->len > 0 ? 1 : 0 };
}

static bool is_of_trust_domains(const struct client_certificate_settings *settings, struct slice name)
{
    struct slice domain;
    return settings->identity != CERTIFICATE_SPIFFE || settings->trust_domains.count == 0 ||
           (client_name_spiffe(name, &domain) && conf_strings_contain(&settings->trust_domains, domain));
}

/* The pattern that lets it in; NULL: none. Trust domains without patterns let in all of theirs. */
static const struct slice *pattern_of(const struct client_certificate_settings *settings, struct slice name)
{
    static const struct slice any = SLICE_INIT("");
    const struct certificate_pattern *type = &certificate_patterns[settings->identity];
    if (!is_of_trust_domains(settings, name)) {
        return NULL;
    }
    if (settings->allow.count == 0) {
        return settings->identity == CERTIFICATE_SPIFFE && settings->trust_domains.count > 0 ? &any : NULL;
    }
    for (size_t i = 0; i < settings->allow.count; i++) {
        if (type->matches(settings->allow.items[i], name)) {
            return &settings->allow.items[i];
        }
    }
    return NULL;
}

/* Its text is nowhere but in the pattern that it is equal to. */
static enum certificate_outcome identify_fingerprint(const struct client_certificate_settings *settings,
                                                     const struct tls_client_facts *facts,
                                                     struct slice *ret_id)
{
    char text[CERTIFICATE_FINGERPRINT_LENGTH];
    hex_encode(facts->thumbprint, sizeof facts->thumbprint, text);
    const struct slice *pattern = pattern_of(settings, slice_of(text, sizeof text));
    if (pattern == NULL) {
        return CERTIFICATE_UNKNOWN;
    }
    *ret_id = *pattern;
    return CERTIFICATE_IDENTIFIED;
}

enum certificate_outcome client_certificate_identify(const struct client_certificate_settings *settings,
                                                     const struct tls_client_facts *facts,
                                                     struct slice *ret_id)
{
    if (settings->identity == CERTIFICATE_FINGERPRINT) {
        return identify_fingerprint(settings, facts, ret_id);
    }
    struct slice one, id = SLICE_NONE;
    struct tls_client_names names = names_of(settings, facts, &one);
    for (size_t i = 0; i < names.count; i++) {
        if (pattern_of(settings, names.items[i]) == NULL) {
            continue;
        }
        if (id.ptr != NULL && !slice_equal(id, names.items[i])) {
            return CERTIFICATE_AMBIGUOUS;
        }
        id = names.items[i];
    }
    if (id.ptr == NULL) {
        return names.count == 0 ? CERTIFICATE_NAMELESS : CERTIFICATE_UNKNOWN;
    }
    *ret_id = id;
    return CERTIFICATE_IDENTIFIED;
}

const char *client_certificate_outcome_text(enum certificate_outcome outcome)
{
    static const char *const texts[CERTIFICATE_OUTCOMES] = {
        [CERTIFICATE_IDENTIFIED] = "identified",
        [CERTIFICATE_NAMELESS] = "it has no usable name of the type that counts",
        [CERTIFICATE_UNKNOWN] = "none of its names is allowed",
        [CERTIFICATE_AMBIGUOUS] = "several of its names are allowed",
    };
    return texts[outcome];
}
