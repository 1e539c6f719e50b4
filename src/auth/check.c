/* What must fit together in the settings beyond what the tables say. */
#include "auth/principal.h"
#include "auth/settings.h"
#include "auth/url.h"

#define ALGORITHM_BIT(id) (UINT64_C(1) << JWT_##id)
#define HMAC_BITS         (ALGORITHM_BIT(HS256) | ALGORITHM_BIT(HS384) | ALGORITHM_BIT(HS512))

/* RFC 7518 section 3.2: a key of the size of the hash output, or larger. */
static const char *check_secret(const struct issuer_settings *settings)
{
    bool given = !slice_is_empty(settings->secret);
    if (given && (settings->algorithms & HMAC_BITS) == 0) {
        return "secret is given, and no HS algorithm is allowed";
    }
    if (!given && (settings->algorithms & HMAC_BITS) != 0) {
        return "an HS algorithm is allowed, and secret is missing";
    }
    if (!given) {
        return NULL;
    }
    if ((settings->algorithms & ALGORITHM_BIT(HS512)) != 0 && settings->secret.len < 64) {
        return "secret is shorter than the 64 bytes that HS512 needs";
    }
    if ((settings->algorithms & ALGORITHM_BIT(HS384)) != 0 && settings->secret.len < 48) {
        return "secret is shorter than the 48 bytes that HS384 needs";
    }
    return settings->secret.len < 32 ? "secret is shorter than the 32 bytes that HS256 needs" : NULL;
}

static const char *const jwks_url_problems[] = {
    [URL_CHARACTER] = "jwks_url holds white space or a control character",
    [URL_SCHEME] = "jwks_url is no https URL",
    [URL_HOST] = "jwks_url names no host",
    [URL_USER] = "jwks_url holds user information",
    [URL_PLAIN] = "jwks_url is plain http to something other than loopback",
};

#define NO_DISCOVERY(what) \
    "no keys: jwks_file or jwks_url is missing, and they cannot be discovered: issuer " what
static const char *const issuer_problems[] = {
    [URL_CHARACTER] = NO_DISCOVERY("holds white space or a control character"),
    [URL_SCHEME] = NO_DISCOVERY("is no https URL"),
    [URL_HOST] = NO_DISCOVERY("names no host"),
    [URL_USER] = NO_DISCOVERY("holds user information"),
    [URL_PLAIN] = NO_DISCOVERY("is plain http to something other than loopback"),
    [URL_QUERY] = NO_DISCOVERY("has a query or a fragment"),
};

bool issuer_discovers_keys(const struct issuer_settings *settings)
{
    return slice_is_empty(settings->jwks_file) && slice_is_empty(settings->jwks_text) &&
           slice_is_empty(settings->jwks_url) && slice_is_empty(settings->secret) &&
           (settings->algorithms & ~HMAC_BITS) != 0;
}

bool issuer_fetches_keys(const struct issuer_settings *settings)
{
    return !slice_is_empty(settings->jwks_url) || issuer_discovers_keys(settings);
}

static const char *check_fetched(const struct issuer_settings *settings)
{
    if (!slice_is_empty(settings->jwks_url)) {
        return jwks_url_problems[url_check(settings->jwks_url)];
    }
    if (!issuer_discovers_keys(settings)) {
        return settings->jwks_tls != NULL ? "jwks_tls is given, and no keys are fetched" : NULL;
    }
    bool has_query = slice_find(settings->issuer, '?') >= 0 || slice_find(settings->issuer, '#') >= 0;
    enum url_problem problem = url_check(settings->issuer);
    if (problem == URL_GOOD && has_query) {
        problem = URL_QUERY;
    }
    if (problem == URL_GOOD && settings->jwks_tls != NULL &&
        !slice_is_empty(settings->jwks_tls->server_name)) {
        return "jwks_tls.server_name is for one host, and discovery asks two: jwks_url is missing";
    }
    return issuer_problems[problem];
}

const char *issuer_check_settings(const struct issuer_settings *settings)
{
    if (slice_is_empty(settings->issuer)) {
        return "issuer is missing";
    }
    if (settings->audiences.count == 0) {
        return "audiences is missing: tokens for anybody would be accepted";
    }
    bool has_file = !slice_is_empty(settings->jwks_file) || !slice_is_empty(settings->jwks_text);
    bool has_url = !slice_is_empty(settings->jwks_url);
    if (has_file && has_url) {
        return "jwks_file and jwks_url exclude each other";
    }
    bool asymmetric = (settings->algorithms & ~HMAC_BITS) != 0;
    if (asymmetric && !has_file && !has_url && !slice_is_empty(settings->secret)) {
        return "no keys: jwks_file or jwks_url is missing";
    }
    if (!slice_is_empty(settings->roles_claim) && !principal_claim_path_valid(settings->roles_claim)) {
        return "roles_claim is no claim: write a name, names joined by dots, or [\"name with dots\"]";
    }
    const char *problem =
        settings->service_tokens != NULL ? service_tokens_check(settings->service_tokens) : NULL;
    problem = problem == NULL ? check_secret(settings) : problem;
    return problem == NULL ? check_fetched(settings) : problem;
}

static size_t count_methods(const struct auth_way_settings *way)
{
    size_t count = 0;
    for (int method = 0; method < AUTH_METHOD_COUNT; method++) {
        count += way->names[method].count > 0;
    }
    return count;
}

const char *auth_check_way(const struct auth_way_settings *way)
{
    size_t count = count_methods(way);
    if (count == 0) {
        return "names no way: as in { jwt: ISSUER }";
    }
    return count > 1 ? "names more than one way: each is an entry of its own" : NULL;
}

const char *auth_check_entry(const struct auth_entry_settings *entry)
{
    if (entry->inner.count == 0) {
        return auth_check_way(&entry->way);
    }
    return count_methods(&entry->way) > 0 ? "names a way beside its list: each is an entry of its own" : NULL;
}

static bool names_external(const struct auth_settings *settings)
{
    const struct conf_list *const lists[] = { &settings->any_of, &settings->all_of };
    bool named = settings->way.names[AUTH_EXTERNAL].count > 0;
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        const struct auth_entry_settings *entry = lists[i]->items;
        for (size_t k = 0; k < lists[i]->count; k++) {
            const struct auth_way_settings *inner = entry[k].inner.items;
            named = named || entry[k].way.names[AUTH_EXTERNAL].count > 0;
            for (size_t m = 0; m < entry[k].inner.count; m++) {
                named = named || inner[m].names[AUTH_EXTERNAL].count > 0;
            }
        }
    }
    return named;
}

const char *auth_check_candidate(struct auth_settings *candidate)
{
    candidate->shadow.mode = SHADOW_OBSERVE;
    if (names_external(candidate)) {
        return "asks an external authorizer, which cannot tell that nothing depends on it: a candidate names "
               "other ways";
    }
    return slice_is_empty(candidate->shadow.until) ? NULL : shadow_check(&candidate->shadow);
}

const char *auth_check_settings(const struct auth_settings *settings)
{
    size_t forms =
        (count_methods(&settings->way) > 0) + (settings->any_of.count > 0) + (settings->all_of.count > 0);
    if (settings->mode == AUTH_NONE && settings->candidate != NULL) {
        return "is public, and a candidate stands beside ways that are enforced: it has nothing to be "
               "compared "
               "with";
    }
    if (settings->mode == AUTH_NONE) {
        return forms > 0 ? "contradicts itself: mode none lets everybody in, and the rest says who may"
                         : NULL;
    }
    if (forms == 0) {
        return "names no way to prove who is calling, as in { jwt: ISSUER } (a public route says `auth: "
               "none`)";
    }
    return forms > 1 ? "says more than one of ways, any_of and all_of (what policies say counts, too): put "
                       "them in one list"
                     : NULL;
}
