/* What listeners, issuers and upstreams of the same name, and the gateway itself, differ in: it touches every route that
 * uses them. */
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

static void compare_field(struct difference *difference, struct slice subject, const struct conf_field *field,
                          const char *before, const char *after)
{
    struct slice was = field_text(difference, field, before + field->offset);
    struct slice is = field_text(difference, field, after + field->offset);
    if (!slice_equal(was, is)) {
        difference_tell(difference, difference_kind(field->name), subject, "%s is %.*s, was %.*s",
                        field->name, SLICE_ARG(is), SLICE_ARG(was));
    }
}

void difference_fields(struct difference *difference, struct slice subject, const struct conf_object *object,
                       const char *before, const char *after, const char *const *told)
{
    for (const struct conf_field *field = object->fields; field->name != NULL; field++) {
        if (!is_among(told, field->name)) {
            compare_field(difference, subject, field, before, after);
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
    if ((was->crl.count > 0) != (is->crl.count > 0)) {
        tell_either(difference, subject, is->crl.count == 0, "revoked client certificates are accepted now",
                    "revoked client certificates are not accepted any more");
    }
    if (was->min_version != is->min_version) {
        tell_either(difference, subject, is->min_version < was->min_version,
                    "clients with TLS 1.2 may connect now", "clients need TLS 1.3 now");
    }
    static const char *const told[] = { "client_ca", "client_certificate", "min_version", NULL };
    difference_fields(difference, subject, &tls_server_object, (const char *)was, (const char *)is, told);
}

static void compare_listener(struct difference *difference, const void *before, const void *after)
{
    const struct listener_settings *was = before, *is = after;
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
    difference_fields(difference, subject, &listener_object, (const char *)was, (const char *)is, told);
}

/* What ordinary listeners serve is told of their routes; these have none. */
static void tell_status_listeners(struct difference *difference, const struct settings *some,
                                  const struct settings *others, bool gains)
{
    for (size_t i = 0; i < some->listener_count; i++) {
        const struct listener_settings *listener = &some->listeners[i];
        if (listener->status && settings_find(others->listeners, others->listener_count, sizeof *listener,
                                              listener->name) == NULL) {
            tell_either(
                difference, arena_printf(&difference->arena, "listener %.*s", SLICE_ARG(listener->name)),
                gains, "tells the metrics to whoever reaches it now", "tells the metrics to nobody any more");
        }
    }
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

static void compare_accepted(struct difference *difference, struct slice subject, const char *what, bool was,
                             bool is)
{
    if (was != is) {
        difference_tell(difference, is ? CHANGE_GAINS : CHANGE_LOSES, subject, "%s are %s", what,
                        is ? "accepted now" : "not accepted any more");
    }
}

static void compare_dpop_modes(struct difference *difference, struct slice subject, int was, int is)
{
    compare_accepted(difference, subject, "tokens that are bound to a key (DPoP)", was != DPOP_OFF,
                     is != DPOP_OFF);
    compare_accepted(difference, subject, "tokens that are not bound to a key (DPoP)", was != DPOP_REQUIRED,
                     is != DPOP_REQUIRED);
}

static void compare_audiences(struct difference *difference, struct slice subject,
                              const struct conf_strings *was, const struct conf_strings *is)
{
    difference_strings(difference, subject, CHANGE_GAINS, is, was, "tokens for audience", "are accepted now");
    difference_strings(difference, subject, CHANGE_LOSES, was, is, "tokens for audience",
                       "are not accepted any more");
}

static void compare_required_claims(struct difference *difference, struct slice subject,
                                    const struct conf_strings *was, const struct conf_strings *is)
{
    difference_strings(difference, subject, CHANGE_GAINS, was, is, "the claim", "is not required any more");
    difference_strings(difference, subject, CHANGE_LOSES, is, was, "the claim", "is required now");
}

static void compare_issuer(struct difference *difference, const void *before, const void *after)
{
    const struct issuer_settings *was = before, *is = after;
    struct slice subject = arena_printf(&difference->arena, "issuer %.*s", SLICE_ARG(is->name));
    if (!slice_equal(was->issuer, is->issuer)) {
        difference_tell(difference, CHANGE_GAINS, subject, "tokens of %.*s are accepted now",
                        SLICE_ARG(is->issuer));
        difference_tell(difference, CHANGE_LOSES, subject, "tokens of %.*s are not accepted any more",
                        SLICE_ARG(was->issuer));
    }
    compare_audiences(difference, subject, &was->audiences, &is->audiences);
    compare_required_claims(difference, subject, &was->required_claims, &is->required_claims);
    compare_flags(difference, subject, conf_field_find(&issuer_object, SLICE("algorithms")), was->algorithms,
                  is->algorithms, "tokens signed with");
    compare_flags(difference, subject, conf_field_find(&issuer_object, SLICE("token_types")),
                  was->token_types, is->token_types, "tokens of type");
    compare_dpop_modes(difference, subject, was->dpop, is->dpop);
    compare_longer(difference, subject, "the longest lifetime of a token", was->max_token_lifetime,
                   is->max_token_lifetime);
    compare_longer(difference, subject, "the tolerated clock skew", was->clock_skew, is->clock_skew);
    if (!secret_equal(was->secret, is->secret) || !slice_equal(was->jwks_text, is->jwks_text)) {
        difference_tell(difference, CHANGE_OTHER, subject, "tokens are verified with other keys now");
    }
    static const char *const told[] = { "issuer",     "audiences",   "required_claims",
                                        "algorithms", "token_types", "max_token_lifetime",
                                        "clock_skew", "secret",      "dpop",
                                        NULL };
    difference_fields(difference, subject, &issuer_object, (const char *)was, (const char *)is, told);
}

/* What all issuers' bound tokens are proven by; where one side has none, their own lines tell it. */
static void compare_dpop(struct difference *difference, const struct dpop_settings *was,
                         const struct dpop_settings *is)
{
    struct slice subject = SLICE("dpop");
    difference_strings(difference, subject, CHANGE_GAINS, &is->origins, &was->origins, "proofs for",
                       "are accepted now");
    difference_strings(difference, subject, CHANGE_LOSES, &was->origins, &is->origins, "proofs for",
                       "are not accepted any more");
    compare_flags(difference, subject, conf_field_find(&dpop_object, SLICE("algorithms")), was->algorithms,
                  is->algorithms, "proofs signed with");
    compare_longer(difference, subject, "the lifetime of a proof", was->proof_lifetime, is->proof_lifetime);
    compare_longer(difference, subject, "the tolerated clock skew", was->clock_skew, is->clock_skew);
    compare_longer(difference, subject, "the lifetime of a nonce", was->nonce_lifetime, is->nonce_lifetime);
    if (was->nonces != is->nonces) {
        bool required = is->nonces == DPOP_NONCES_REQUIRED;
        difference_tell(difference, required ? CHANGE_LOSES : CHANGE_GAINS, subject,
                        "proofs without a nonce are %s", required ? "not accepted any more" : "accepted now");
    }
}

static void compare_introspection(struct difference *difference, const void *before, const void *after)
{
    const struct introspection_settings *was = before, *is = after;
    struct slice subject = arena_printf(&difference->arena, "introspection %.*s", SLICE_ARG(is->name));
    if (!slice_equal(was->endpoint, is->endpoint)) {
        difference_tell(difference, CHANGE_GAINS, subject, "tokens that %.*s calls active are accepted now",
                        SLICE_ARG(is->endpoint));
        difference_tell(difference, CHANGE_LOSES, subject,
                        "tokens are not accepted any more for what %.*s says", SLICE_ARG(was->endpoint));
    }
    if (was->server_checks_audience != is->server_checks_audience) {
        difference_tell(difference, is->server_checks_audience ? CHANGE_GAINS : CHANGE_LOSES, subject,
                        is->server_checks_audience ? "tokens for any audience are accepted now"
                                                   : "tokens for any audience are not accepted any more");
    }
    compare_audiences(difference, subject, &was->audiences, &is->audiences);
    compare_required_claims(difference, subject, &was->required_claims, &is->required_claims);
    compare_dpop_modes(difference, subject, was->dpop, is->dpop);
    compare_longer(difference, subject, "the time that a revocation may go unnoticed",
                   was->cache + was->stale, is->cache + is->stale);
    compare_longer(difference, subject, "the tolerated clock skew", was->clock_skew, is->clock_skew);
    if (!secret_equal(was->client_secret, is->client_secret) ||
        !secret_equal(was->client_key_pem, is->client_key_pem)) {
        difference_tell(difference, CHANGE_OTHER, subject,
                        "the endpoint is asked with another credential now");
    }
    static const char *const told[] = { "endpoint",
                                        "audiences",
                                        "server_checks_audience",
                                        "required_claims",
                                        "clock_skew",
                                        "cache",
                                        "stale",
                                        "client_secret",
                                        "dpop",
                                        NULL };
    difference_fields(difference, subject, &introspection_object, (const char *)was, (const char *)is, told);
}

static void compare_certificates(struct difference *difference, const void *before, const void *after)
{
    const struct client_certificate_settings *was = before, *is = after;
    struct slice subject = arena_printf(&difference->arena, "client certificates %.*s", SLICE_ARG(is->name));
    difference_strings(difference, subject, CHANGE_GAINS, &is->allow, &was->allow, "the name",
                       "is let in now");
    difference_strings(difference, subject, CHANGE_LOSES, &was->allow, &is->allow, "the name",
                       "is not let in any more");
    difference_strings(difference, subject, CHANGE_GAINS, &is->trust_domains, &was->trust_domains,
                       "the trust domain", "is let in now");
    difference_strings(difference, subject, CHANGE_LOSES, &was->trust_domains, &is->trust_domains,
                       "the trust domain", "is not let in any more");
    difference_strings(difference, subject, CHANGE_GAINS, &is->scopes, &was->scopes, "the scope",
                       "is every caller's now");
    difference_strings(difference, subject, CHANGE_LOSES, &was->scopes, &is->scopes, "the scope",
                       "is no caller's any more");
    static const char *const told[] = { "allow", "trust_domains", "scopes", NULL };
    difference_fields(difference, subject, &client_certificate_object, (const char *)was, (const char *)is,
                      told);
}

static void compare_basic(struct difference *difference, const void *before, const void *after)
{
    const struct basic_settings *was = before, *is = after;
    struct slice subject = arena_printf(&difference->arena, "Basic users %.*s", SLICE_ARG(is->name));
    for (size_t i = 0; i < is->known_count; i++) {
        const struct basic_user *user = &is->known[i], *known = basic_find_user(was, user->name);
        if (known == NULL || (known->revoked && !user->revoked)) {
            difference_tell(difference, CHANGE_GAINS, subject, "the user \"%.*s\" is let in now",
                            SLICE_ARG(user->name));
        } else if (!known->revoked && user->revoked) {
            difference_tell(difference, CHANGE_LOSES, subject, "the user \"%.*s\" is not let in any more",
                            SLICE_ARG(user->name));
        } else if (memcmp(known->identity, user->identity, sizeof user->identity) != 0) {
            difference_tell(difference, CHANGE_OTHER, subject, "the user \"%.*s\" has another password now",
                            SLICE_ARG(user->name));
        }
    }
    for (size_t i = 0; i < was->known_count; i++) {
        if (basic_find_user(is, was->known[i].name) == NULL) {
            difference_tell(difference, CHANGE_LOSES, subject, "the user \"%.*s\" is not let in any more",
                            SLICE_ARG(was->known[i].name));
        }
    }
    static const char *const told[] = { "htpasswd", NULL };
    difference_fields(difference, subject, &basic_object, (const char *)was, (const char *)is, told);
}

static void compare_upstream(struct difference *difference, const void *before, const void *after)
{
    const struct upstream_settings *was = before, *is = after;
    struct slice subject = arena_printf(&difference->arena, "upstream %.*s", SLICE_ARG(is->name));
    static const char *const told[] = { NULL };
    difference_fields(difference, subject, &upstream_object, (const char *)was, (const char *)is, told);
    if (was->tls != NULL && is->tls != NULL && !slice_equal(was->tls->ca_pem, is->tls->ca_pem)) {
        difference_tell(difference, CHANGE_OTHER, subject,
                        "its certificates are verified against other CAs now");
    }
    if (was->tls != NULL && is->tls != NULL && was->tls->cert_pem.len > 0 && is->tls->cert_pem.len > 0 &&
        !slice_equal(was->tls->cert_pem, is->tls->cert_pem)) {
        difference_tell(difference, CHANGE_OTHER, subject, "it is shown another client certificate now");
    }
}

static void compare_authorizer(struct difference *difference, const void *before, const void *after)
{
    const struct authorizer_settings *was = before, *is = after;
    struct slice subject = arena_printf(&difference->arena, "authorizer %.*s", SLICE_ARG(is->name));
    static const char *const told[] = { NULL };
    difference_fields(difference, subject, &authorizer_object, (const char *)was, (const char *)is, told);
}

/* Who may use it is told of its routes. */
static void compare_admin(struct difference *difference, const struct admin_settings *was,
                          const struct admin_settings *is)
{
    static const struct conf_strings none;
    const struct conf_strings *before = was != NULL ? &was->api_keys : &none;
    const struct conf_strings *after = is != NULL ? &is->api_keys : &none;
    difference_strings(difference, SLICE("admin"), CHANGE_GAINS, after, before, "API keys of the set",
                       "can be changed by it now");
    difference_strings(difference, SLICE("admin"), CHANGE_LOSES, before, after, "API keys of the set",
                       "cannot be changed by it any more");
    bool had_blocks = was != NULL && was->blocks, has_blocks = is != NULL && is->blocks;
    if (had_blocks != has_blocks) {
        difference_tell(difference, has_blocks ? CHANGE_GAINS : CHANGE_LOSES, SLICE("admin"),
                        has_blocks ? "blocks can be added and removed by it now"
                                   : "blocks cannot be added and removed by it any more");
    }
}

/* Nobody gains or loses by what is only told. */
static void compare_resource(struct difference *difference, const void *before, const void *after)
{
    const struct resource_settings *was = before, *is = after;
    static const char *const told[] = { NULL };
    struct slice subject = arena_printf(&difference->arena, "resource %.*s", SLICE_ARG(is->name));
    difference_fields(difference, subject, &resource_object, (const char *)was, (const char *)is, told);
}

/* Lists of things with names: those that stand in both are compared. */
#define LIST(member, counter, compare)                                         \
    {                                                                          \
        offsetof(struct settings, member), offsetof(struct settings, counter), \
            sizeof *((struct settings *)0)->member, compare                    \
    }

static const struct list {
    size_t items, count, size;
    void (*compare)(struct difference *difference, const void *before, const void *after);
} lists[] = {
    LIST(listeners, listener_count, compare_listener),
    LIST(issuers, issuer_count, compare_issuer),
    LIST(introspection, introspection_count, compare_introspection),
    LIST(api_keys, api_keys_count, difference_api_keys),
    LIST(client_certificates, client_certificate_count, compare_certificates),
    LIST(authorizers, authorizer_count, compare_authorizer),
    LIST(resources, resource_count, compare_resource),
    LIST(basic, basic_count, compare_basic),
    LIST(upstreams, upstream_count, compare_upstream),
};

static const char *items_of(const struct settings *settings, const struct list *list)
{
    return *(const char *const *)((const char *)settings + list->items);
}

static size_t count_of(const struct settings *settings, const struct list *list)
{
    return *(const size_t *)((const char *)settings + list->count);
}

static void compare_list(struct difference *difference, const struct list *list)
{
    const struct settings *before = &difference->before->settings, *after = &difference->after->settings;
    for (size_t i = 0; i < count_of(after, list); i++) {
        const char *is = items_of(after, list) + i * list->size;
        const struct slice *name = (const struct slice *)is; /* they begin with it */
        const void *was = settings_find(items_of(before, list), count_of(before, list), list->size, *name);
        if (was != NULL) {
            list->compare(difference, was, is);
        }
    }
}

/* Of no single thing. A page's file may say something else under the same name. */
static void compare_gateway(struct difference *difference, const struct settings *was,
                            const struct settings *is)
{
    struct slice subject = SLICE("gateway");
    for (const struct conf_field *field = config_object.fields; field->name != NULL; field++) {
        static const char *const told[] = { "blocks", "admin", "dpop", NULL };
        if (config_is_of_gateway(field) && !is_among(told, field->name)) {
            compare_field(difference, subject, field, (const char *)was, (const char *)is);
        }
    }
    const struct error_page_settings *had = was->error_pages.items, *has = is->error_pages.items;
    for (size_t i = 0; i < was->error_pages.count && i < is->error_pages.count; i++) {
        if (slice_equal(had[i].file, has[i].file) && !slice_equal(had[i].text, has[i].text)) {
            difference_tell(difference, CHANGE_OTHER, subject, "the error page %.*s says something else now",
                            SLICE_ARG(has[i].file));
        }
    }
}

void difference_things(struct difference *difference)
{
    const struct settings *before = &difference->before->settings, *after = &difference->after->settings;
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        compare_list(difference, &lists[i]);
    }
    tell_status_listeners(difference, after, before, true);
    tell_status_listeners(difference, before, after, false);
    if (before->dpop != NULL && after->dpop != NULL) {
        compare_dpop(difference, before->dpop, after->dpop);
    }
    compare_admin(difference, before->admin, after->admin);
    compare_gateway(difference, before, after);
}
