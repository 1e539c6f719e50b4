#include "auth/dpop_settings.h"

#include "auth/settings.h"
#include "base/clock.h"

const struct conf_choice dpop_mode_choices[] = {
    { "off", DPOP_OFF, "tokens that are bound to a key are refused" },
    { "allowed", DPOP_ALLOWED, "a bound token needs its proof; an unbound one is a Bearer token" },
    { "required", DPOP_REQUIRED, "every token must be bound to a key, and come with its proof" },
    { 0 },
};

/* A signature that everybody can verify: no HS algorithm. */
static const struct conf_choice algorithm_choices[] = {
    { "RS256", JWT_RS256, "RSA PKCS#1 v1.5 with SHA-256, of at most 4096 bits as all RSA keys here" },
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
    { 0 },
};

static const struct conf_choice nonce_choices[] = {
    { "after_start", DPOP_NONCES_AFTER_START,
      "only while a proof could be good that was used before this gateway remembered any" },
    { "required", DPOP_NONCES_REQUIRED, "always; the nonce's age counts then, and not iat" },
    { 0 },
};

static const struct conf_field dpop_fields[] = {
    { .name = "origins",
      .type = CONF_STRINGS,
      .flags = CONF_REQUIRED | CONF_NON_EMPTY,
      .offset = offsetof(struct dpop_settings, origins),
      .help = "How clients know this gateway, as in https://api.example.com: where the htu of their proofs "
              "must lead. Plain http only for loopback." },
    { .name = "algorithms",
      .type = CONF_FLAGS,
      .flags = CONF_NON_EMPTY,
      .offset = offsetof(struct dpop_settings, algorithms),
      .standard = "[ES256, EdDSA, Ed25519, PS256, RS256]",
      .choices = algorithm_choices,
      .help = "Signature algorithms of proofs; challenges name them." },
    { .name = "proof_lifetime",
      .type = CONF_DURATION,
      .offset = offsetof(struct dpop_settings, proof_lifetime),
      .standard = "60s",
      .minimum = NS_PER_S,
      .maximum = 600 * NS_PER_S,
      .help = "How long a proof is good, from its iat on." },
    { .name = "clock_skew",
      .type = CONF_DURATION,
      .offset = offsetof(struct dpop_settings, clock_skew),
      .standard = "30s",
      .minimum = 0,
      .maximum = 300 * NS_PER_S,
      .help = "How far ahead of our clock iat may be." },
    { .name = "nonces",
      .type = CONF_ENUM,
      .offset = offsetof(struct dpop_settings, nonces),
      .standard = "after_start",
      .choices = nonce_choices,
      .help = "When a proof must hold a nonce of ours." },
    { .name = "nonce_lifetime",
      .type = CONF_DURATION,
      .offset = offsetof(struct dpop_settings, nonce_lifetime),
      .standard = "5m",
      .minimum = 10 * NS_PER_S,
      .maximum = 3600 * NS_PER_S,
      .help = "How long a nonce is good at the most; a new one is told from half of it on." },
    { 0 },
};

const struct conf_object dpop_object = {
    .name = "dpop",
    .size = sizeof(struct dpop_settings),
    .fields = dpop_fields,
    .sequence = "origins",
    .help = "What proofs of possession are judged by, whoever issued the token (RFC 9449).",
};
