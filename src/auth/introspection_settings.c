#include "auth/introspection_settings.h"

#include "auth/dpop_settings.h"
#include "auth/principal.h"
#include "auth/url.h"
#include "base/clock.h"

#define SECONDS(seconds) (INT64_C(seconds) * NS_PER_S)
#define FIELD(name_, type_, member) \
    .name = (name_), .type = (type_), .offset = offsetof(struct introspection_settings, member)

static const struct conf_choice authentication_choices[] = {
    { "client_secret_basic", CLIENT_SECRET_BASIC,
      "client_secret in Authorization: Basic (RFC 6749 section 2.3.1)" },
    { "client_secret_post", CLIENT_SECRET_POST, "client_secret in the form" },
    { "private_key_jwt", CLIENT_PRIVATE_KEY_JWT,
      "a short-lived JWT signed with client_key (RFC 7523): RS256, ES256 or EdDSA, as the key is" },
    { "tls_client_auth", CLIENT_TLS, "the certificate tls.cert (RFC 8705 section 2)" },
    { 0 },
};

static const struct conf_field fields[] = {
    { FIELD("endpoint", CONF_STRING, endpoint), .flags = CONF_REQUIRED | CONF_NON_EMPTY,
      .help = "The https URL where tokens are asked about; plain http only to loopback." },
    { FIELD("client_authentication", CONF_ENUM, client_authentication), .standard = "client_secret_basic",
      .choices = authentication_choices, .help = "How the gateway proves there who it is." },
    { FIELD("client_id", CONF_STRING, client_id), .flags = CONF_REQUIRED | CONF_NON_EMPTY,
      .help = "The gateway's own client_id at the authorization server." },
    { FIELD("client_secret", CONF_SECRET, client_secret), .flags = CONF_NON_EMPTY,
      .help = "Its secret, for client_secret_basic and client_secret_post." },
    { FIELD("client_key", CONF_FILE, client_key), .flags = CONF_NON_EMPTY,
      .help =
          "Its private key in PEM, not encrypted, for private_key_jwt: RSA of 2048 bits or more, P-256 or "
          "Ed25519." },
    { FIELD("client_key_id", CONF_STRING, client_key_id), .flags = CONF_NON_EMPTY,
      .help = "The kid that the authorization server knows client_key by; default: none is sent." },
    { FIELD("assertion_audience", CONF_STRING, assertion_audience), .flags = CONF_NON_EMPTY,
      .help = "The aud of private_key_jwt; default: issuer, and the endpoint where that is not given." },
    { FIELD("tls", CONF_OBJECT, tls), .object = &tls_client_object,
      .help = "TLS of the connections to the endpoint; cert and key are the gateway's own, for "
              "tls_client_auth." },
    { FIELD("issuer", CONF_STRING, issuer), .flags = CONF_NON_EMPTY,
      .help = "The exact iss that every answer must hold; default: it is not looked at." },
    { FIELD("audiences", CONF_STRINGS, audiences), .flags = CONF_NON_EMPTY | CONF_SUBSET,
      .help = "Who the tokens must be meant for: at least one of these must stand in the answer's aud." },
    { FIELD("server_checks_audience", CONF_BOOL, server_checks_audience), .standard = "false",
      .help =
          "Instead of audiences: the endpoint calls a token active only where it is meant for this client." },
    { FIELD("required_claims", CONF_STRINGS, required_claims), .flags = CONF_NON_EMPTY,
      .help = "Members that every answer about an active token must have, whatever their value." },
    { FIELD("roles_claim", CONF_STRING, roles_claim), .flags = CONF_NON_EMPTY, .standard = "roles",
      .help = "The member that holds the caller's roles, as in issuers." },
    { FIELD("dpop", CONF_ENUM, dpop), .flags = CONF_HIGHER, .standard = "off", .choices = dpop_mode_choices,
      .help = "Whether its tokens may be bound to a key of the client (DPoP), or must: see docs/dpop.md." },
    { FIELD("clock_skew", CONF_DURATION, clock_skew), .flags = CONF_LOWER, .standard = "30s", .minimum = 0,
      .maximum = SECONDS(600),
      .help = "How far the authorization server's clock may differ from ours, in exp, nbf and iat." },
    { FIELD("cache", CONF_DURATION, cache), .flags = CONF_LOWER, .standard = "30s", .minimum = 0,
      .maximum = SECONDS(3600),
      .help = "How long an active token is believed before it is asked about again, never beyond its exp: so "
              "long a revocation may go unnoticed. 0s: each request asks." },
    { FIELD("cache_inactive", CONF_DURATION, cache_inactive), .standard = "10s", .minimum = 0,
      .maximum = SECONDS(600),
      .help = "How long a token that is not active is refused before it is asked about again." },
    { FIELD("stale", CONF_DURATION, stale), .flags = CONF_LOWER, .standard = "0s", .minimum = 0,
      .maximum = SECONDS(86400),
      .help = "How much longer than cache a token that was active is believed while the endpoint cannot be "
              "asked, never beyond its exp. A revocation goes unnoticed for both together." },
    { FIELD("timeout", CONF_DURATION, timeout), .standard = "5s", .minimum = 10 * NS_PER_MS,
      .maximum = SECONDS(60),
      .help = "How long a request waits for the answer about its token, behind others included; then 503." },
    { FIELD("max_concurrent", CONF_INTEGER, max_concurrent), .standard = "32", .minimum = 1, .maximum = 1024,
      .help = "How many tokens are asked about at once, of all workers; others wait for their turn." },
    { 0 },
};

const struct conf_object introspection_object = {
    .name = "introspection endpoint",
    .size = sizeof(struct introspection_settings),
    .fields = fields,
    .help = "An endpoint of an authorization server that says whether a token is active and whose it is (RFC "
            "7662).",
};

static const char *const endpoint_problems[] = {
    [URL_CHARACTER] = "endpoint holds white space or a control character",
    [URL_SCHEME] = "endpoint is no https URL",
    [URL_HOST] = "endpoint names no host",
    [URL_USER] = "endpoint holds user information: write client_id and client_secret",
    [URL_PLAIN] =
        "endpoint is plain http to something other than loopback: tokens would be there for all to read",
};

/* What each way to prove who the gateway is needs, and what only another one would need. */
static const char *check_client(const struct introspection_settings *settings)
{
    bool secret = !slice_is_empty(settings->client_secret);
    bool key = !slice_is_empty(settings->client_key);
    bool assertion = settings->client_authentication == CLIENT_PRIVATE_KEY_JWT;
    bool certificate = settings->tls != NULL && !slice_is_empty(settings->tls->cert);
    if (!assertion &&
        (key || !slice_is_empty(settings->client_key_id) || !slice_is_empty(settings->assertion_audience))) {
        return "client_key, client_key_id and assertion_audience are for client_authentication: "
               "private_key_jwt";
    }
    switch (settings->client_authentication) {
    case CLIENT_SECRET_BASIC:
    case CLIENT_SECRET_POST:
        return secret ? NULL : "client_secret is missing: the endpoint must know who asks";
    case CLIENT_PRIVATE_KEY_JWT:
        if (!key) {
            return "client_key is missing: private_key_jwt is signed with it";
        }
        break;
    default:
        if (!certificate || !slice_starts_with(settings->endpoint, SLICE("https:"))) {
            return "tls_client_auth needs an https endpoint, tls.cert and tls.key";
        }
        break;
    }
    return secret ? "client_secret is given, and client_authentication does not use it" : NULL;
}

const char *introspection_check_settings(const struct introspection_settings *settings)
{
    enum url_problem problem = url_check(settings->endpoint);
    if (problem != URL_GOOD) {
        return endpoint_problems[problem];
    }
    if (slice_find(settings->endpoint, '#') >= 0) {
        return "endpoint has a fragment";
    }
    if (settings->audiences.count == 0 && !settings->server_checks_audience) {
        return "audiences is missing: tokens for anybody would be accepted (server_checks_audience: true, "
               "where "
               "the endpoint looks at it)";
    }
    if (settings->audiences.count > 0 && settings->server_checks_audience) {
        return "audiences and server_checks_audience exclude each other";
    }
    if (!slice_is_empty(settings->roles_claim) && !principal_claim_path_valid(settings->roles_claim)) {
        return "roles_claim is no claim: write a name, names joined by dots, or [\"name with dots\"]";
    }
    return check_client(settings);
}

struct oauth_identity introspection_client(const struct introspection_settings *settings)
{
    struct slice audience = settings->assertion_audience;
    if (slice_is_empty(audience)) {
        audience = slice_is_empty(settings->issuer) ? settings->endpoint : settings->issuer;
    }
    return (struct oauth_identity){
        .authentication = settings->client_authentication,
        .id = settings->client_id,
        .secret = settings->client_secret,
        .key_pem = settings->client_key_pem,
        .key_id = settings->client_key_id,
        .audience = audience,
    };
}
