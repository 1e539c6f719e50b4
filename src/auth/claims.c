#include "auth/claims.h"

#include "auth/dpop_settings.h"
#include "auth/jwk_thumbprint.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/secret.h"

#define DATE_MAX INT64_C(253402300799) /* the last second of the year 9999 */

/* A NumericDate (RFC 7519 section 2): an integer, or a number with a fraction, which then counts against the token: rounded
 * down for exp, up for the others. False where it is there and cannot be a date. */
static bool read_date(const struct json *payload, struct slice name, bool up, bool *ret_has,
                      int64_t *ret_date)
{
    const struct json *value = json_get(payload, name);
    if (value == NULL) {
        return true;
    }
    if (value->type != JSON_NUMBER) {
        return false;
    }
    /* Milliseconds and what would overflow in sums are far outside. */
    if (!(value->number >= 0 && value->number <= (double)DATE_MAX)) {
        return false;
    }
    int64_t whole = (int64_t)value->number;
    *ret_has = true;
    *ret_date = up && (double)whole < value->number ? whole + 1 : whole;
    return true;
}

/* False where it is there and no string. */
static bool read_text(const struct json *payload, struct slice name, struct slice *ret_text)
{
    return json_get(payload, name) == NULL || json_get_string(payload, name, ret_text);
}

static bool is_strings(const struct json *value)
{
    if (value->type == JSON_STRING) {
        return true;
    }
    if (value->type != JSON_ARRAY) {
        return false;
    }
    for (size_t i = 0; i < value->count; i++) {
        if (value->items[i].type != JSON_STRING) {
            return false;
        }
    }
    return true;
}

static bool read_registered(const struct json *payload, struct claims *out)
{
    const struct json *scope = json_get(payload, SLICE("scope"));
    out->audience = json_get(payload, SLICE("aud"));
    struct slice authorized = SLICE("");
    if (!read_date(payload, SLICE("exp"), false, &out->has_expires, &out->expires) ||
        !read_date(payload, SLICE("nbf"), true, &out->has_not_before, &out->not_before) ||
        !read_date(payload, SLICE("iat"), true, &out->has_issued, &out->issued) ||
        !read_text(payload, SLICE("sub"), &out->subject) ||
        !read_text(payload, SLICE("client_id"), &out->client_id) ||
        !read_text(payload, SLICE("azp"), &authorized)) {
        return false;
    }
    if (slice_is_empty(out->client_id)) {
        out->client_id = authorized;
    }
    return (out->audience == NULL || is_strings(out->audience)) && (scope == NULL || is_strings(scope)) &&
           claims_scopes(payload, NULL, 0) <= JWT_SCOPES_MAX;
}

static bool is_one_of(struct slice text, const struct slice *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (slice_equal_nocase(text, list[i])) {
            return true;
        }
    }
    return false;
}

/* Marks that an access token does not bear (RFC 8725 section 3.12): claims of ID tokens (OpenID Connect Core sections 2,
 * 3.3.2.11; FAPI) and of security events such as logout tokens, and the names by which issuers tell their tokens apart. */
static bool is_other_kind(const struct json *payload)
{
    static const struct slice foreign[] = { SLICE_INIT("nonce"), SLICE_INIT("at_hash"), SLICE_INIT("c_hash"),
                                            SLICE_INIT("s_hash"), SLICE_INIT("events") };
    static const struct slice labels[] = { SLICE_INIT("typ"), SLICE_INIT("token_use"),
                                           SLICE_INIT("token_type") };
    static const struct slice kinds[] = {
        SLICE_INIT("id"),           SLICE_INIT("id_token"),
        SLICE_INIT("refresh"),      SLICE_INIT("refresh_token"),
        SLICE_INIT("offline"),      SLICE_INIT("logout"),
        SLICE_INIT("logout_token"), SLICE_INIT("logout+jwt"),
        SLICE_INIT("userinfo"),
    };
    for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++) {
        if (json_get(payload, foreign[i]) != NULL) {
            return true;
        }
    }
    for (size_t i = 0; i < sizeof labels / sizeof *labels; i++) {
        const struct json *label = json_get(payload, labels[i]);
        if (label != NULL &&
            (label->type != JSON_STRING || is_one_of(label->text, kinds, sizeof kinds / sizeof *kinds))) {
            return true;
        }
    }
    return false;
}

/* A media type, whose prefix may be left out (RFC 7515 section 4.1.9). */
static int read_typ(const struct jws *jws)
{
    static const struct slice prefix = SLICE_INIT("application/");
    if (!jws->has_typ) {
        return JWT_TYP_ABSENT;
    }
    struct slice typ = jws->typ;
    if (slice_equal_nocase(slice_part(typ, 0, prefix.len), prefix)) {
        typ = slice_from(typ, prefix.len);
    }
    if (slice_equal_nocase(typ, SLICE("at+jwt"))) {
        return JWT_TYP_AT_JWT;
    }
    return slice_equal_nocase(typ, SLICE("JWT")) ? JWT_TYP_JWT : CLAIMS_TYP_OTHER;
}

/* cnf (RFC 7800): the thumbprint of a client certificate (RFC 8705 section 3.1), which the connection proves, or of a key (RFC 9449
 * section 6.1), which the request does. A second member could name what nobody asked for, so either must stand alone. */
enum claims_binding claims_binding(const struct json *payload, unsigned char thumbprint[32])
{
    const struct json *cnf = json_get(payload, SLICE("cnf"));
    if (cnf == NULL) {
        return CLAIMS_UNBOUND;
    }
    struct slice text;
    if (cnf->type != JSON_OBJECT || cnf->count != 1) {
        return CLAIMS_BOUND_OTHER;
    }
    if (json_get_string(cnf, SLICE("x5t#S256"), &text) && jwk_thumbprint_decode(text, thumbprint)) {
        return CLAIMS_BOUND_CERTIFICATE;
    }
    return json_get_string(cnf, SLICE("jkt"), &text) && jwk_thumbprint_decode(text, thumbprint)
               ? CLAIMS_BOUND_KEY
               : CLAIMS_BOUND_OTHER;
}

void claims_read(const struct jws *jws, const struct json *payload, struct claims *out)
{
    *out = (struct claims){
        .payload = payload,
        .algorithm = jws->algorithm,
        .typ = read_typ(jws),
        .wrong_kind = is_other_kind(payload),
        .issuer = SLICE(""),
        .subject = SLICE(""),
        .client_id = SLICE(""),
    };
    /* Before all else: it selects who judges the rest. */
    bool has_issuer = read_text(payload, SLICE("iss"), &out->issuer);
    out->wrong_type = !read_registered(payload, out) || !has_issuer;
    out->binding = claims_binding(payload, out->thumbprint);
}

void claims_read_payload(const struct json *payload, struct claims *out)
{
    const struct jws none = { .algorithm = JWT_ALGORITHM_COUNT };
    claims_read(&none, payload, out);
}

static bool typ_allowed(int typ, uint64_t allowed)
{
    return typ != CLAIMS_TYP_OTHER && ((allowed >> typ) & 1) != 0;
}

static bool is_of(const struct claims *claims, const unsigned char *thumbprint)
{
    return thumbprint != NULL && secret_equal(slice_of((const char *)thumbprint, 32),
                                              slice_of((const char *)claims->thumbprint, 32));
}

static bool is_proven(const struct claims *claims, const unsigned char *client_thumbprint)
{
    return claims->binding == CLAIMS_UNBOUND ||
           (claims->binding == CLAIMS_BOUND_CERTIFICATE && is_of(claims, client_thumbprint));
}

/* A token that is bound to a key comes with the proof, and no other does (RFC 9449 section 7.1). */
enum deny_reason claims_check_binding(const struct claims *claims, int dpop,
                                      const unsigned char *client_thumbprint, const unsigned char *proof_key)
{
    bool is_bearer = proof_key == NULL;
    if (claims->binding == CLAIMS_BOUND_KEY && dpop != DPOP_OFF && !is_bearer) {
        return is_of(claims, proof_key) ? DENY_NONE : DENY_DPOP_OTHER_KEY;
    }
    if (!is_proven(claims, client_thumbprint)) {
        return DENY_TOKEN_BOUND;
    }
    return is_bearer && dpop != DPOP_REQUIRED ? DENY_NONE : DENY_TOKEN_UNBOUND;
}

static bool is_meant_for(const struct json *audience, struct slice name)
{
    if (audience->type == JSON_STRING) {
        return slice_equal(audience->text, name);
    }
    for (size_t i = 0; i < audience->count; i++) {
        if (slice_equal(audience->items[i].text, name)) {
            return true;
        }
    }
    return false;
}

bool claims_have_audience(const struct claims *claims, const struct conf_strings *accepted)
{
    for (size_t i = 0; claims->audience != NULL && i < accepted->count; i++) {
        if (is_meant_for(claims->audience, accepted->items[i])) {
            return true;
        }
    }
    return false;
}

bool claims_have_all(const struct claims *claims, const struct conf_strings *required)
{
    for (size_t i = 0; i < required->count; i++) {
        if (json_get(claims->payload, required->items[i]) == NULL) {
            return false;
        }
    }
    return true;
}

static enum deny_reason check_times(const struct claims *claims, const struct issuer_settings *settings,
                                    int64_t now)
{
    int64_t skew = settings->clock_skew / NS_PER_S;
    int64_t lifetime = settings->max_token_lifetime / NS_PER_S;
    if (!claims->has_expires) {
        return DENY_TOKEN_LIFETIME;
    }
    if (now >= claims->expires + skew) {
        return DENY_TOKEN_EXPIRED;
    }
    if ((claims->has_not_before && claims->not_before > now + skew) ||
        (claims->has_issued && claims->issued > now + skew)) {
        return DENY_TOKEN_NOT_YET;
    }
    return claims->expires - (claims->has_issued ? claims->issued : now) > lifetime ? DENY_TOKEN_LIFETIME
                                                                                    : DENY_NONE;
}

enum deny_reason claims_check(const struct claims *claims, const struct issuer_settings *settings,
                              const struct jwt_request *request)
{
    if (!slice_equal(claims->issuer, settings->issuer)) {
        return DENY_TOKEN_ISSUER;
    }
    if (((settings->algorithms >> claims->algorithm) & 1) == 0) {
        return DENY_TOKEN_ALGORITHM;
    }
    if (claims->wrong_kind || !typ_allowed(claims->typ, settings->token_types)) {
        return DENY_TOKEN_KIND;
    }
    if (claims->wrong_type || !claims_have_all(claims, &settings->required_claims)) {
        return DENY_TOKEN_CLAIM;
    }
    if (!claims_have_audience(claims, &settings->audiences)) {
        return DENY_TOKEN_AUDIENCE;
    }
    enum deny_reason reason = check_times(claims, settings, request->now);
    return reason == DENY_NONE
               ? claims_check_binding(claims, settings->dpop, request->client_thumbprint, request->proof_key)
               : reason;
}

/* Where to put scopes, and how many there were. */
struct scopes {
    struct slice *items;
    size_t capacity, count;
};

static void add_scope(struct scopes *scopes, struct slice scope)
{
    if (slice_is_empty(scope)) {
        return;
    }
    if (scopes->count < scopes->capacity) {
        scopes->items[scopes->count] = scope;
    }
    scopes->count++;
}

static void add_words(struct scopes *scopes, struct slice text)
{
    struct slice word;
    while (slice_next(&text, ' ', &word)) {
        add_scope(scopes, word);
    }
}

static void add_items(struct scopes *scopes, const struct json *value)
{
    if (value == NULL || value->type != JSON_ARRAY) {
        return;
    }
    for (size_t i = 0; i < value->count; i++) {
        if (value->items[i].type == JSON_STRING) {
            add_scope(scopes, value->items[i].text);
        }
    }
}

size_t claims_scopes(const struct json *payload, struct slice *scopes, size_t capacity)
{
    static const struct slice lists[] = { SLICE_INIT("scope"), SLICE_INIT("scp") };
    struct scopes found = { .items = scopes, .capacity = capacity };
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        const struct json *list = json_get(payload, lists[i]);
        if (list != NULL && list->type == JSON_STRING) {
            add_words(&found, list->text);
        }
        add_items(&found, list);
    }
    add_items(&found, json_get(payload, SLICE("roles")));
    return found.count;
}

size_t claims_roles(const struct json *payload, struct slice path, struct slice *roles, size_t capacity)
{
    struct scopes found = { .items = roles, .capacity = capacity };
    const struct json *value = slice_is_empty(path) ? NULL : principal_claim_in(payload, path);
    if (value != NULL && value->type == JSON_STRING) {
        add_scope(&found, value->text);
    }
    add_items(&found, value);
    return found.count;
}
