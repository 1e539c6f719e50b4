/* What `issuers` and `auth` may hold. */
#include "auth/settings.h"

#include "auth/dpop_settings.h"
#include "base/clock.h"

static const struct conf_choice algorithm_choices[] = {
    { "RS256", JWT_RS256, "RSA PKCS#1 v1.5 with SHA-256" },
    { "RS384", JWT_RS384, "RSA PKCS#1 v1.5 with SHA-384" },
    { "RS512", JWT_RS512, "RSA PKCS#1 v1.5 with SHA-512" },
    { "PS256", JWT_PS256, "RSA-PSS with SHA-256" },
    { "PS384", JWT_PS384, "RSA-PSS with SHA-384" },
    { "PS512", JWT_PS512, "RSA-PSS with SHA-512" },
    { "ES256", JWT_ES256, "ECDSA on P-256 with SHA-256" },
    { "ES384", JWT_ES384, "ECDSA on P-384 with SHA-384; verified in the thread pool" },
    { "ES512", JWT_ES512, "ECDSA on P-521 with SHA-512; verified in the thread pool" },
    { "EdDSA", JWT_EDDSA, "Ed25519 by the name of RFC 8037" },
    { "Ed25519", JWT_ED25519, "Ed25519 by the name of RFC 9864" },
    { "HS256", JWT_HS256, "HMAC with SHA-256; needs secret, of 32 bytes or more" },
    { "HS384", JWT_HS384, "HMAC with SHA-384; needs secret, of 48 bytes or more" },
    { "HS512", JWT_HS512, "HMAC with SHA-512; needs secret, of 64 bytes or more" },
    { 0 },
};

static const struct conf_choice typ_choices[] = {
    { "at+jwt", JWT_TYP_AT_JWT, "typ is at+jwt or application/at+jwt (RFC 9068)" },
    { "JWT", JWT_TYP_JWT, "typ is JWT" },
    { "absent", JWT_TYP_ABSENT, "the token has no typ" },
    { 0 },
};

#define SECONDS_MAX(seconds) (INT64_C(seconds) * NS_PER_S)
#define DAY_S                86400

static const struct conf_field issuer_fields[] = {
    { .name = "issuer",
      .type = CONF_STRING,
      .flags = CONF_REQUIRED | CONF_NON_EMPTY,
      .offset = offsetof(struct issuer_settings, issuer),
      .example = "https://idp.example.com",
      .help = "The exact iss of its tokens. Where neither jwks_file, jwks_url nor secret is given, an https "
              "URL (http to loopback), and keys are discovered there: OpenID Connect Discovery 1.0." },
    { .name = "audiences",
      .type = CONF_STRINGS,
      .flags = CONF_REQUIRED | CONF_NON_EMPTY | CONF_SUBSET,
      .offset = offsetof(struct issuer_settings, audiences),
      .example = "[orders]",
      .help = "Who the tokens must be meant for: at least one of these must stand in aud." },
    { .name = "algorithms",
      .type = CONF_FLAGS,
      .flags = CONF_NON_EMPTY | CONF_SUBSET,
      .offset = offsetof(struct issuer_settings, algorithms),
      .standard = "[RS256, PS256, ES256, EdDSA, Ed25519]",
      .choices = algorithm_choices,
      .help = "Signature algorithms that are accepted; the key must fit as well." },
    { .name = "token_types",
      .type = CONF_FLAGS,
      .flags = CONF_NON_EMPTY | CONF_SUBSET,
      .offset = offsetof(struct issuer_settings, token_types),
      .standard = "[at+jwt, JWT, absent]",
      .choices = typ_choices,
      .help = "Values of the header typ that mark access tokens of this issuer." },
    { .name = "jwks_file",
      .type = CONF_FILE,
      .flags = CONF_NON_EMPTY,
      .offset = offsetof(struct issuer_settings, jwks_file),
      .help = "Keys from a file with a JSON Web Key Set; read again when it changes." },
    { .name = "jwks_url",
      .type = CONF_STRING,
      .flags = CONF_NON_EMPTY,
      .offset = offsetof(struct issuer_settings, jwks_url),
      .help = "Keys from an https URL with a JSON Web Key Set; plain http only to loopback." },
    { .name = "jwks_tls",
      .type = CONF_OBJECT,
      .offset = offsetof(struct issuer_settings, jwks_tls),
      .object = &tls_client_object,
      .help = "TLS of the connections to jwks_url, or to the issuer and the jwks_uri that it names." },
    { .name = "secret",
      .type = CONF_SECRET,
      .flags = CONF_NON_EMPTY,
      .offset = offsetof(struct issuer_settings, secret),
      .help = "The shared secret of HS256, HS384 and HS512." },
    { .name = "required_claims",
      .type = CONF_STRINGS,
      .flags = CONF_NON_EMPTY,
      .offset = offsetof(struct issuer_settings, required_claims),
      .help = "Claims that every token must have, whatever their value." },
    { .name = "token_from",
      .type = CONF_OBJECT,
      .offset = offsetof(struct issuer_settings, token_from),
      .object = &auth_token_from_object,
      .help =
          "Where in a request its tokens stand, unless a route's auth says so; default: in Authorization." },
    { .name = "service_tokens",
      .type = CONF_OBJECT,
      .offset = offsetof(struct issuer_settings, service_tokens),
      .object = &service_tokens_object,
      .help = "By what claim tokens are known that a client got for itself: what authorize.kinds calls "
              "service." },
    { .name = "roles_claim",
      .type = CONF_STRING,
      .flags = CONF_NON_EMPTY,
      .offset = offsetof(struct issuer_settings, roles_claim),
      .standard = "roles",
      .help = "The claim that holds the caller's roles, an array of texts or one text: a name "
              "(cognito:groups), a path with dots (realm_access.roles), or [\"a name with dots\"]." },
    { .name = "dpop",
      .type = CONF_ENUM,
      .flags = CONF_HIGHER,
      .offset = offsetof(struct issuer_settings, dpop),
      .standard = "off",
      .choices = dpop_mode_choices,
      .help = "Whether its tokens may be bound to a key of the client (DPoP), or must: see docs/dpop.md." },
    { .name = "clock_skew",
      .type = CONF_DURATION,
      .flags = CONF_LOWER,
      .offset = offsetof(struct issuer_settings, clock_skew),
      .standard = "30s",
      .minimum = 0,
      .maximum = SECONDS_MAX(600),
      .help = "How far the issuer's clock may differ from ours, in exp, nbf and iat." },
    { .name = "max_token_lifetime",
      .type = CONF_DURATION,
      .flags = CONF_LOWER,
      .offset = offsetof(struct issuer_settings, max_token_lifetime),
      .standard = "24h",
      .minimum = SECONDS_MAX(1),
      .maximum = SECONDS_MAX(366 * DAY_S),
      .help =
          "The longest time from iat (from now, where it is absent) to exp; one hour or less is advised." },
    { .name = "jwks_refresh",
      .type = CONF_DURATION,
      .offset = offsetof(struct issuer_settings, jwks_refresh),
      .standard = "5m",
      .minimum = SECONDS_MAX(1),
      .maximum = SECONDS_MAX(7 * DAY_S),
      .help = "How often keys are fetched from jwks_url, or discovered anew." },
    { .name = "jwks_unknown_kid_interval",
      .type = CONF_DURATION,
      .offset = offsetof(struct issuer_settings, jwks_unknown_kid_interval),
      .standard = "10s",
      .minimum = SECONDS_MAX(1),
      .maximum = SECONDS_MAX(DAY_S),
      .help = "The least time between two fetches that tokens with an unknown key cause." },
    { .name = "jwks_timeout",
      .type = CONF_DURATION,
      .offset = offsetof(struct issuer_settings, jwks_timeout),
      .standard = "5s",
      .minimum = NS_PER_MS,
      .maximum = SECONDS_MAX(60),
      .help = "How long one fetch may take: of keys, or of the issuer's metadata." },
    { .name = "jwks_stale",
      .type = CONF_DURATION,
      .offset = offsetof(struct issuer_settings, jwks_stale),
      .standard = "1h",
      .minimum = 0,
      .maximum = SECONDS_MAX(30 * DAY_S),
      .help = "How long the last keys stay good while fetches fail; 0s: for ever." },
    { 0 },
};

const struct conf_object issuer_object = {
    .name = "issuer",
    .size = sizeof(struct issuer_settings),
    .fields = issuer_fields,
    .help = "Somebody who issues JWT access tokens: who it is, for whom its tokens are meant, and the keys "
            "that they "
            "are verified with (jwks_file, jwks_url, secret, or none of them: keys are discovered).",
};

static const struct conf_choice mode_choices[] = {
    { "required", AUTH_REQUIRED, "requests without a valid credential are denied" },
    { "optional", AUTH_OPTIONAL, "without a credential the caller is anonymous; a wrong one is denied" },
    { "none", AUTH_NONE, "a public route; written `auth: none`" },
    { 0 },
};

const struct auth_method_info auth_method_infos[AUTH_METHOD_COUNT] = {
#define AUTH_METHOD_ROW(id, key_, kind_, proof_) \
    [AUTH_##id] = { .key = (key_), .kind = (kind_), .proof = (proof_) },
    AUTH_METHODS(AUTH_METHOD_ROW)
#undef AUTH_METHOD_ROW
};

/* What every way may name, whatever it stands in. */
#define WAY_FIELDS(TYPE, MEMBER)                                                                             \
    { .name = "jwt",                                                                                         \
      .type = CONF_STRINGS,                                                                                  \
      .flags = CONF_TYPICAL | CONF_NON_EMPTY | CONF_SUBSET,                                                  \
      .offset = offsetof(TYPE, MEMBER[AUTH_JWT]),                                                            \
      .example = "main",                                                                                     \
      .help = "Names of the issuers whose Bearer tokens are accepted." },                                    \
        { .name = "introspection",                                                                           \
          .type = CONF_STRINGS,                                                                              \
          .flags = CONF_NON_EMPTY | CONF_SUBSET,                                                             \
          .offset = offsetof(TYPE, MEMBER[AUTH_INTROSPECTION]),                                              \
          .help = "Name of the endpoint in introspection that Bearer tokens are asked about: all of "        \
                  "them, or beside jwt those that are no JWTs." },                                           \
        { .name = "api_key",                                                                                 \
          .type = CONF_STRINGS,                                                                              \
          .flags = CONF_NON_EMPTY | CONF_SUBSET,                                                             \
          .offset = offsetof(TYPE, MEMBER[AUTH_API_KEY]),                                                    \
          .help = "Names of the sets in api_keys whose keys are accepted." },                                \
        { .name = "basic",                                                                                   \
          .type = CONF_STRINGS,                                                                              \
          .flags = CONF_NON_EMPTY | CONF_SUBSET,                                                             \
          .offset = offsetof(TYPE, MEMBER[AUTH_BASIC]),                                                      \
          .help = "Names of the sets in basic whose users are accepted, by name and password." },            \
        { .name = "certificate",                                                                             \
          .type = CONF_STRINGS,                                                                              \
          .flags = CONF_NON_EMPTY | CONF_SUBSET,                                                             \
          .offset = offsetof(TYPE, MEMBER[AUTH_CERTIFICATE]),                                                \
          .help = "Names of client_certificates: whose certificates are accepted, as verified by the TLS "   \
                  "handshake." },                                                                            \
    {                                                                                                        \
        .name = "external", .type = CONF_STRINGS, .flags = CONF_NON_EMPTY | CONF_SUBSET,                     \
        .offset = offsetof(TYPE, MEMBER[AUTH_EXTERNAL]),                                                     \
        .help = "Name of the authorizer that says who is calling; asked last, where nothing else is enough." \
    }

static const struct conf_field way_fields[] = {
    WAY_FIELDS(struct auth_way_settings, names),
    { 0 },
};

static const struct conf_object way_object = {
    .name = "way",
    .size = sizeof(struct auth_way_settings),
    .fields = way_fields,
    .help = "One way to prove who is calling: exactly one of its keys is given.",
};

static const struct conf_field any_fields[] = {
    WAY_FIELDS(struct auth_entry_settings, way.names),
    { .name = "all_of",
      .type = CONF_LIST,
      .flags = CONF_NON_EMPTY,
      .offset = offsetof(struct auth_entry_settings, inner),
      .object = &way_object,
      .help = "Ways that count together only." },
    { 0 },
};

const struct conf_object auth_any_object = {
    .name = "alternative",
    .size = sizeof(struct auth_entry_settings),
    .fields = any_fields,
    .help = "One of several alternatives: exactly one of its keys is given.",
};

static const struct conf_field all_fields[] = {
    WAY_FIELDS(struct auth_entry_settings, way.names),
    { .name = "any_of",
      .type = CONF_LIST,
      .flags = CONF_NON_EMPTY,
      .offset = offsetof(struct auth_entry_settings, inner),
      .object = &way_object,
      .help = "Ways of which any is enough." },
    { 0 },
};

const struct conf_object auth_all_object = {
    .name = "demand",
    .size = sizeof(struct auth_entry_settings),
    .fields = all_fields,
    .help = "One of several demands that must all be met: exactly one of its keys is given.",
};

/* What `auth` and its candidate both may say. */
#define MODE_FIELD(choices_)                                                                           \
    {                                                                                                  \
        .name = "mode", .type = CONF_ENUM, .flags = CONF_LOWER,                                        \
        .offset = offsetof(struct auth_settings, mode), .standard = "required", .choices = (choices_), \
        .help = "Whether a credential must be there."                                                  \
    }
#define LIST_FIELDS                                                                                      \
    { .name = "any_of",                                                                                  \
      .type = CONF_LIST,                                                                                 \
      .flags = CONF_NON_EMPTY,                                                                           \
      .offset = offsetof(struct auth_settings, any_of),                                                  \
      .object = &auth_any_object,                                                                        \
      .help = "Alternatives, of which one must be proven. What is sent of any must be right; the first " \
              "listed that is proven is the caller." },                                                  \
    {                                                                                                    \
        .name = "all_of", .type = CONF_LIST, .flags = CONF_NON_EMPTY,                                    \
        .offset = offsetof(struct auth_settings, all_of), .object = &auth_all_object,                    \
        .help = "Demands that must all be met; the first listed is the caller."                          \
    }
#define PLACE_FIELDS                                                                                 \
    { .name = "token_from",                                                                          \
      .type = CONF_OBJECT,                                                                           \
      .offset = offsetof(struct auth_settings, token_from),                                          \
      .object = &auth_token_from_object,                                                             \
      .help = "Where in a request tokens stand, instead of where their issuers say." },              \
    {                                                                                                \
        .name = "key_from", .type = CONF_OBJECT, .offset = offsetof(struct auth_settings, key_from), \
        .object = &auth_key_from_object,                                                             \
        .help = "Where in a request API keys stand, instead of in the header of their set."          \
    }

static const struct conf_choice candidate_mode_choices[] = {
    { "required", AUTH_REQUIRED, "requests without a valid credential would be denied" },
    { "optional", AUTH_OPTIONAL,
      "without a credential the caller would be anonymous; a wrong one would be denied" },
    { 0 },
};

static const struct conf_field candidate_fields[] = {
    { .name = "until",
      .type = CONF_STRING,
      .flags = CONF_REQUIRED | CONF_NON_EMPTY,
      .offset = offsetof(struct auth_settings, shadow.until),
      .help =
          "From when on it is not judged any more, as in 2027-01-31 (UTC) or 2027-01-31T12:00:00Z. What is "
          "enforced stays so." },
    MODE_FIELD(candidate_mode_choices),
    WAY_FIELDS(struct auth_settings, way.names),
    LIST_FIELDS,
    PLACE_FIELDS,
    { 0 },
};

const struct conf_object auth_candidate_object = {
    .name = "candidate",
    .size = sizeof(struct auth_settings),
    .fields = candidate_fields,
    .help = "Ways to prove who is calling that are tried out beside those that are enforced: logged and "
            "counted is "
            "what they would decide otherwise, and the request goes on as ever. See docs/authentication.md.",
};

static const struct conf_field auth_fields[] = {
    MODE_FIELD(mode_choices),
    WAY_FIELDS(struct auth_settings, way.names),
    LIST_FIELDS,
    { .name = "realm",
      .type = CONF_STRING,
      .flags = CONF_NON_EMPTY,
      .offset = offsetof(struct auth_settings, realm),
      .help = "The realm that challenges name." },
    { .name = "resource",
      .type = CONF_STRING,
      .flags = CONF_NON_EMPTY,
      .offset = offsetof(struct auth_settings, resource),
      .help = "One of resources: the protected resource whose document challenges point at (RFC 9728)." },
    PLACE_FIELDS,
    { .name = "candidate",
      .type = CONF_OBJECT,
      .offset = offsetof(struct auth_settings, candidate),
      .object = &auth_candidate_object,
      .help = "Other ways, tried out beside these: what they would decide is told, and decides nothing." },
    { 0 },
};

const struct conf_object auth_object = {
    .name = "auth",
    .size = sizeof(struct auth_settings),
    .fields = auth_fields,
    .scalar = "mode",
    .help = "Who may call: ways to prove it, of which any is enough, or a list (any_of, all_of) of them, "
            "nested once; or "
            "`none` for a public route.",
};
