/* What listeners, issuers and upstreams of the same name, and the gateway itself, differ in: it touches every route that
 * uses them. */
#include "base/secret.h"
#include "config/difference.h"

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
    difference_fields(difference, subject, "", &tls_server_object, was, is, told);
}

/* What it tells, it tells without a route. False: it has routes, which say who may call by it. */
static bool tell_status(struct difference *difference, const void *listener, bool gains)
{
    const struct listener_settings *it = listener;
    if (it->status) {
        tell_either(difference, arena_printf(&difference->arena, "listener %.*s", SLICE_ARG(it->name)), gains,
                    "tells the metrics to whoever reaches it now", "tells the metrics to nobody any more");
    }
    return it->status;
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
    if (was->status != is->status) {
        tell_status(difference, is->status ? is : was, is->status);
    }
    difference_limits(difference, subject, &was->limits, &is->limits);
    difference_strings(difference, subject, CHANGE_GAINS, &is->trusted_proxies, &was->trusted_proxies,
                       "the proxy", "is believed now about its clients' addresses");
    difference_strings(difference, subject, CHANGE_LOSES, &was->trusted_proxies, &is->trusted_proxies,
                       "the proxy", "is not believed any more about its clients' addresses");
    compare_server(difference, subject, was->tls, is->tls);
    static const char *const told[] = { "exposure",        "plaintext", "status", "limits",
                                        "trusted_proxies", "tls",       NULL };
    difference_fields(difference, subject, "", &listener_object, was, is, told);
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
    difference_longer(difference, subject, "the longest lifetime of a token", was->max_token_lifetime,
                      is->max_token_lifetime);
    difference_longer(difference, subject, "the tolerated clock skew", was->clock_skew, is->clock_skew);
    if (!secret_equal(was->secret, is->secret) || !slice_equal(was->jwks_text, is->jwks_text)) {
        difference_tell(difference, CHANGE_OTHER, subject, "tokens are verified with other keys now");
    }
    static const char *const told[] = { "issuer",     "audiences",   "required_claims",
                                        "algorithms", "token_types", "max_token_lifetime",
                                        "clock_skew", "secret",      "dpop",
                                        NULL };
    difference_fields(difference, subject, "", &issuer_object, was, is, told);
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
    difference_longer(difference, subject, "the lifetime of a proof", was->proof_lifetime,
                      is->proof_lifetime);
    difference_longer(difference, subject, "the tolerated clock skew", was->clock_skew, is->clock_skew);
    difference_longer(difference, subject, "the lifetime of a nonce", was->nonce_lifetime,
                      is->nonce_lifetime);
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
    difference_longer(difference, subject, "the time that a revocation may go unnoticed",
                      was->cache + was->stale, is->cache + is->stale);
    difference_longer(difference, subject, "the tolerated clock skew", was->clock_skew, is->clock_skew);
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
    difference_fields(difference, subject, "", &introspection_object, was, is, told);
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
    difference_fields(difference, subject, "", &client_certificate_object, (const char *)was,
                      (const char *)is, told);
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
    difference_fields(difference, subject, "", &basic_object, was, is, told);
}

static void compare_upstream(struct difference *difference, const void *before, const void *after)
{
    const struct upstream_settings *was = before, *is = after;
    struct slice subject = arena_printf(&difference->arena, "upstream %.*s", SLICE_ARG(is->name));
    static const char *const told[] = { NULL };
    difference_fields(difference, subject, "", &upstream_object, was, is, told);
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
    difference_fields(difference, subject, "", &authorizer_object, was, is, told);
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
    difference_fields(difference, subject, "", &resource_object, was, is, told);
}

/* Lists of things with names: those that stand in both are compared, the others named. */
#define LIST(member, counter, what, compare, alone)                            \
    {                                                                          \
        offsetof(struct settings, member), offsetof(struct settings, counter), \
            sizeof *((struct settings *)0)->member, what, compare, alone       \
    }

static const struct list {
    size_t items, count, size;
    const char *what;
    void (*compare)(struct difference *difference, const void *before, const void *after);
    bool (*alone)(struct difference *difference, const void *one, bool is_after); /* may be NULL */
} lists[] = {
    LIST(listeners, listener_count, "listener", compare_listener, tell_status),
    LIST(issuers, issuer_count, "issuer", compare_issuer, NULL),
    LIST(introspection, introspection_count, "introspection", compare_introspection, NULL),
    LIST(api_keys, api_keys_count, "API keys", difference_keys, NULL),
    LIST(client_certificates, client_certificate_count, "client certificates", compare_certificates, NULL),
    LIST(authorizers, authorizer_count, "authorizer", compare_authorizer, NULL),
    LIST(resources, resource_count, "resource", compare_resource, NULL),
    LIST(basic, basic_count, "Basic users", compare_basic, NULL),
    LIST(upstreams, upstream_count, "upstream", compare_upstream, NULL),
};

static const char *items_of(const struct settings *settings, const struct list *list)
{
    return *(const char *const *)((const char *)settings + list->items);
}

static size_t count_of(const struct settings *settings, const struct list *list)
{
    return *(const size_t *)((const char *)settings + list->count);
}

/* Of each of `some`: its like among `others`, or that there is none. Who may call by it stands with the routes. */
static void compare_each(struct difference *difference, const struct list *list, const struct settings *some,
                         const struct settings *others, bool is_after)
{
    for (size_t i = 0; i < count_of(some, list); i++) {
        const char *one = items_of(some, list) + i * list->size;
        const struct slice *name = (const struct slice *)one; /* they begin with it */
        const void *other = settings_find(items_of(others, list), count_of(others, list), list->size, *name);
        if (other == NULL && (list->alone == NULL || !list->alone(difference, one, is_after))) {
            difference_tell(difference, CHANGE_OTHER,
                            arena_printf(&difference->arena, "%s %.*s", list->what, SLICE_ARG(*name)),
                            is_after ? "is new" : "is not there any more");
        } else if (other != NULL && is_after) {
            list->compare(difference, other, one);
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
        if (config_is_of_gateway(field) && !difference_is_among(told, field->name)) {
            difference_field(difference, subject, "", field, was, is);
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
        compare_each(difference, &lists[i], after, before, true);
        compare_each(difference, &lists[i], before, after, false);
    }
    if (before->dpop != NULL && after->dpop != NULL) {
        compare_dpop(difference, before->dpop, after->dpop);
    }
    compare_admin(difference, before->admin, after->admin);
    compare_gateway(difference, before, after);
}
