/* What listeners, issuers and upstreams of the same name differ in: it touches every route that uses them. */
#include "base/secret.h"
#include "config/difference.h"
#include "config/units.h"

#define VALUE_MAX 65536

static struct slice field_text(struct difference *difference, const struct conf_field *field,
                               const char *value)
{
    struct buffer text;
    buffer_init(&text, VALUE_MAX);
    if (!print_is_empty(field, value)) {
        print_value(NULL, field, value, &text);
    }
    struct slice copy = difference_take(difference, &text);
    buffer_done(&text);
    return copy.len > 0 ? copy : SLICE("not set");
}

static bool is_among(const char *const *names, const char *name)
{
    for (; *names != NULL; names++) {
        if (strcmp(*names, name) == 0) {
            return true;
        }
    }
    return false;
}

/* Every field that has no sentence of its own. */
static void compare_fields(struct difference *difference, struct slice subject,
                           const struct conf_object *object, const char *before, const char *after,
                           const char *const *told)
{
    for (const struct conf_field *field = object->fields; field->name != NULL; field++) {
        if (is_among(told, field->name)) {
            continue;
        }
        struct slice was = field_text(difference, field, before + field->offset);
        struct slice is = field_text(difference, field, after + field->offset);
        if (!slice_equal(was, is)) {
            difference_tell(difference, difference_kind(field->name), subject, "%s is %.*s, was %.*s",
                            field->name, SLICE_ARG(is), SLICE_ARG(was));
        }
    }
}

static void tell_either(struct difference *difference, struct slice subject, bool gains, const char *gain,
                        const char *loss)
{
    difference_tell(difference, gains ? CHANGE_GAINS : CHANGE_LOSES, subject, "%s", gains ? gain : loss);
}

/* ---- listeners ---- */

static void compare_server(struct difference *difference, struct slice subject,
                           const struct tls_server_settings *was, const struct tls_server_settings *is)
{
    if (was == NULL || is == NULL) {
        if (was != is) {
            difference_tell(difference, CHANGE_OTHER, subject,
                            is == NULL ? "serves WITHOUT TLS now" : "serves with TLS now");
        }
        return;
    }
    if (was->client_certificate != is->client_certificate) {
        tell_either(difference, subject, is->client_certificate < was->client_certificate,
                    "client certificates are less strictly demanded now",
                    "client certificates are demanded more strictly now");
    }
    if (!slice_equal(was->client_ca_pem, is->client_ca_pem)) {
        difference_tell(difference, CHANGE_OTHER, subject,
                        "client certificates are verified against other CAs now");
    }
    if (was->min_version != is->min_version) {
        tell_either(difference, subject, is->min_version < was->min_version,
                    "clients with TLS 1.2 may connect now", "clients need TLS 1.3 now");
    }
    static const char *const told[] = { "client_ca", "client_certificate", "min_version", NULL };
    compare_fields(difference, subject, &tls_server_object, (const char *)was, (const char *)is, told);
}

static void compare_listener(struct difference *difference, const struct listener_settings *was,
                             const struct listener_settings *is)
{
    struct slice subject = arena_printf(&difference->arena, "listener %.*s", SLICE_ARG(is->name));
    if (was->exposure != is->exposure) {
        tell_either(difference, subject, is->exposure == EXPOSURE_EXTERNAL,
                    "is EXTERNAL now; it was internal", "is internal now; it was external");
    }
    if (was->plaintext != is->plaintext) {
        tell_either(difference, subject, is->plaintext == PLAINTEXT_ALLOW, "takes requests WITHOUT TLS now",
                    "takes no requests without TLS any more");
    }
    difference_limits(difference, subject, &was->limits, &is->limits);
    difference_strings(difference, subject, CHANGE_GAINS, &is->trusted_proxies, &was->trusted_proxies,
                       "the proxy", "is believed now about its clients' addresses");
    difference_strings(difference, subject, CHANGE_LOSES, &was->trusted_proxies, &is->trusted_proxies,
                       "the proxy", "is not believed any more about its clients' addresses");
    compare_server(difference, subject, was->tls, is->tls);
    static const char *const told[] = { "exposure", "plaintext", "limits", "trusted_proxies", "tls", NULL };
    compare_fields(difference, subject, &listener_object, (const char *)was, (const char *)is, told);
}

/* ---- issuers ---- */

static void compare_flags(struct difference *difference, struct slice subject, const struct conf_field *field,
                          uint64_t was, uint64_t is, const char *what)
{
    for (const struct conf_choice *choice = field->choices; choice->name != NULL; choice++) {
        uint64_t bit = UINT64_C(1) << choice->value;
        if ((was & bit) != (is & bit)) {
            difference_tell(difference, (is & bit) != 0 ? CHANGE_GAINS : CHANGE_LOSES, subject,
                            "%s %s are %s", what, choice->name,
                            (is & bit) != 0 ? "accepted now" : "not accepted any more");
        }
    }
}

static void compare_longer(struct difference *difference, struct slice subject, const char *what, int64_t was,
                           int64_t is)
{
    if (was == is) {
        return;
    }
    struct buffer text;
    buffer_init(&text, VALUE_MAX);
    units_print_duration(is, &text);
    buffer_append(&text, SLICE(", was "));
    units_print_duration(was, &text);
    difference_tell(difference, is > was ? CHANGE_GAINS : CHANGE_LOSES, subject, "%s is %.*s", what,
                    SLICE_ARG(buffer_slice(&text)));
    buffer_done(&text);
}

static void compare_issuer(struct difference *difference, const struct issuer_settings *was,
                           const struct issuer_settings *is)
{
    struct slice subject = arena_printf(&difference->arena, "issuer %.*s", SLICE_ARG(is->name));
    if (!slice_equal(was->issuer, is->issuer)) {
        difference_tell(difference, CHANGE_GAINS, subject, "tokens of %.*s are accepted now",
                        SLICE_ARG(is->issuer));
        difference_tell(difference, CHANGE_LOSES, subject, "tokens of %.*s are not accepted any more",
                        SLICE_ARG(was->issuer));
    }
    difference_strings(difference, subject, CHANGE_GAINS, &is->audiences, &was->audiences,
                       "tokens for audience", "are accepted now");
    difference_strings(difference, subject, CHANGE_LOSES, &was->audiences, &is->audiences,
                       "tokens for audience", "are not accepted any more");
    difference_strings(difference, subject, CHANGE_GAINS, &was->required_claims, &is->required_claims,
                       "the claim", "is not required any more");
    difference_strings(difference, subject, CHANGE_LOSES, &is->required_claims, &was->required_claims,
                       "the claim", "is required now");
    compare_flags(difference, subject, conf_field_find(&issuer_object, SLICE("algorithms")), was->algorithms,
                  is->algorithms, "tokens signed with");
    compare_flags(difference, subject, conf_field_find(&issuer_object, SLICE("token_types")),
                  was->token_types, is->token_types, "tokens of type");
    compare_longer(difference, subject, "the longest lifetime of a token", was->max_token_lifetime,
                   is->max_token_lifetime);
    compare_longer(difference, subject, "the tolerated clock skew", was->clock_skew, is->clock_skew);
    if (!secret_equal(was->secret, is->secret) || !slice_equal(was->jwks_text, is->jwks_text)) {
        difference_tell(difference, CHANGE_OTHER, subject, "tokens are verified with other keys now");
    }
    static const char *const told[] = { "issuer",     "audiences",   "required_claims",
                                        "algorithms", "token_types", "max_token_lifetime",
                                        "clock_skew", "secret",      NULL };
    compare_fields(difference, subject, &issuer_object, (const char *)was, (const char *)is, told);
}

static void compare_upstream(struct difference *difference, const struct upstream_settings *was,
                             const struct upstream_settings *is)
{
    struct slice subject = arena_printf(&difference->arena, "upstream %.*s", SLICE_ARG(is->name));
    static const char *const told[] = { NULL };
    compare_fields(difference, subject, &upstream_object, (const char *)was, (const char *)is, told);
    if (was->tls != NULL && is->tls != NULL && !slice_equal(was->tls->ca_pem, is->tls->ca_pem)) {
        difference_tell(difference, CHANGE_OTHER, subject,
                        "its certificates are verified against other CAs now");
    }
}

void difference_things(struct difference *difference)
{
    const struct settings *before = &difference->before->settings, *after = &difference->after->settings;
    for (size_t i = 0; i < after->listener_count; i++) {
        const struct listener_settings *was =
            settings_find(before->listeners, before->listener_count, sizeof *was, after->listeners[i].name);
        if (was != NULL) {
            compare_listener(difference, was, &after->listeners[i]);
        }
    }
    for (size_t i = 0; i < after->issuer_count; i++) {
        const struct issuer_settings *was =
            settings_find(before->issuers, before->issuer_count, sizeof *was, after->issuers[i].name);
        if (was != NULL) {
            compare_issuer(difference, was, &after->issuers[i]);
        }
    }
    for (size_t i = 0; i < after->upstream_count; i++) {
        const struct upstream_settings *was =
            settings_find(before->upstreams, before->upstream_count, sizeof *was, after->upstreams[i].name);
        if (was != NULL) {
            compare_upstream(difference, was, &after->upstreams[i]);
        }
    }
}
