/* What `authorize` may hold. */
#include "authorize/authorize.h"

#include "base/clock.h"

static const struct conf_field scope_fields[] = {
    { .name = "all",
      .type = CONF_STRINGS,
      .flags = CONF_NON_EMPTY,
      .offset = offsetof(struct scope_settings, all),
      .help = "Scopes that the caller must have, every one of them." },
    { .name = "any",
      .type = CONF_STRINGS,
      .flags = CONF_NON_EMPTY | CONF_SUBSET,
      .offset = offsetof(struct scope_settings, any),
      .help = "Scopes of which the caller must have at least one." },
    { 0 },
};

static const struct conf_object scope_object = {
    .name = "scopes",
    .size = sizeof(struct scope_settings),
    .fields = scope_fields,
    .scalar = "all",
    .sequence = "all",
    .help = "Scopes, from the token's scope, scp and roles. A bare list means all of them.",
};

static const struct conf_field role_fields[] = {
    { .name = "all",
      .type = CONF_STRINGS,
      .flags = CONF_NON_EMPTY,
      .offset = offsetof(struct scope_settings, all),
      .help = "Roles that the caller must have, every one of them." },
    { .name = "any",
      .type = CONF_STRINGS,
      .flags = CONF_NON_EMPTY | CONF_SUBSET,
      .offset = offsetof(struct scope_settings, any),
      .help = "Roles of which the caller must have at least one." },
    { 0 },
};

static const struct conf_object role_object = {
    .name = "roles",
    .size = sizeof(struct scope_settings),
    .fields = role_fields,
    .scalar = "all",
    .sequence = "all",
    .help = "Roles, from the claim that the issuer's roles_claim names. A bare list means all of them.",
};

static const struct conf_field claim_fields[] = {
    { .name = "claim",
      .type = CONF_STRING,
      .flags = CONF_REQUIRED | CONF_NON_EMPTY,
      .offset = offsetof(struct claim_settings, claim),
      .help = "The claim: a name, a path with dots, or [\"a name with dots\"]." },
    { .name = "equals",
      .type = CONF_STRING,
      .offset = offsetof(struct claim_settings, equals),
      .help = "The claim is exactly this text, number or boolean." },
    { .name = "one_of",
      .type = CONF_STRINGS,
      .flags = CONF_NON_EMPTY | CONF_SUBSET,
      .offset = offsetof(struct claim_settings, one_of),
      .help = "The claim is exactly one of these." },
    { .name = "path_variable",
      .type = CONF_STRING,
      .flags = CONF_NON_EMPTY,
      .offset = offsetof(struct claim_settings, path_variable),
      .help = "The claim is exactly the value of this {variable} of the path." },
    { .name = "contains",
      .type = CONF_STRING,
      .offset = offsetof(struct claim_settings, contains),
      .help = "The claim is an array that holds this value." },
    { .name = "query",
      .type = CONF_STRING,
      .flags = CONF_NON_EMPTY,
      .offset = offsetof(struct claim_settings, query),
      .help = "The claim is exactly the value of the query parameter of this name, which must stand there "
              "once and be clear to whoever reads it." },
    { .name = "header",
      .type = CONF_STRING,
      .flags = CONF_NON_EMPTY | CONF_NAMES,
      .offset = offsetof(struct claim_settings, header),
      .help = "The claim is exactly the value of the header of this name, which must stand there once and be "
              "no list." },
    { .name = "at_least",
      .type = CONF_STRING,
      .offset = offsetof(struct claim_settings, at_least),
      .help = "The claim is a number (no text) that is this or more, whatever its digits." },
    { .name = "at_most",
      .type = CONF_STRING,
      .offset = offsetof(struct claim_settings, at_most),
      .help = "The claim is a number that is this or less; may stand beside at_least." },
    { 0 },
};

static const struct conf_object claim_object = {
    .name = "claim rule",
    .size = sizeof(struct claim_settings),
    .fields = claim_fields,
    .help =
        "One demand on a claim, by exactly one of equals, one_of, path_variable, contains, query, header, "
        "or a range (at_least, at_most).",
};

static const struct conf_field deny_fields[] = {
    { .name = "claim",
      .type = CONF_STRING,
      .flags = CONF_NON_EMPTY,
      .offset = offsetof(struct deny_settings, claim),
      .help = "The claim: a name, a path with dots, or [\"a name with dots\"]. Of an array every element "
              "counts; an object is denied." },
    { .name = "header",
      .type = CONF_STRING,
      .flags = CONF_NON_EMPTY | CONF_NAMES,
      .offset = offsetof(struct deny_settings, header),
      .help =
          "The request header. Every field of the name and every element of a list counts, without case." },
    { .name = "equals",
      .type = CONF_STRING,
      .flags = CONF_NON_EMPTY,
      .offset = offsetof(struct deny_settings, equals),
      .help = "It is exactly this." },
    { .name = "one_of",
      .type = CONF_STRINGS,
      .flags = CONF_NON_EMPTY,
      .offset = offsetof(struct deny_settings, one_of),
      .help = "It is exactly one of these." },
    { .name = "contains",
      .type = CONF_STRING,
      .flags = CONF_NON_EMPTY,
      .offset = offsetof(struct deny_settings, contains),
      .help = "This stands anywhere in it." },
    { 0 },
};

static const struct conf_object deny_object = {
    .name = "deny rule",
    .size = sizeof(struct deny_settings),
    .fields = deny_fields,
    .help = "Who is denied whatever else holds: a claim or a header, and exactly one of equals, one_of, "
            "contains. What cannot be judged is denied.",
};

static const struct conf_choice kind_choices[] = {
    { "user", CALLER_USER, "a token behind which somebody's login stands, or a password" },
    { "service", CALLER_SERVICE,
      "a token that a client got for itself: without a subject, with its client as the subject, or by the "
      "issuer's "
      "service_tokens" },
    { "api_key", CALLER_API_KEY, "an API key" },
    { "certificate", CALLER_CERTIFICATE, "a client certificate" },
    { "external", CALLER_EXTERNAL, "whoever an external authorizer says" },
    { 0 },
};

static const struct conf_field authorize_fields[] = {
    { .name = "any_caller",
      .type = CONF_BOOL,
      .flags = CONF_LOWER,
      .offset = offsetof(struct authorize_settings, any_caller),
      .standard = "false",
      .help = "Lets in every caller that authenticated; written `authorize: any_caller`." },
    { .name = "scopes",
      .type = CONF_OBJECT,
      .flags = CONF_TYPICAL,
      .example = "[read_orders]",
      .offset = offsetof(struct authorize_settings, scopes),
      .object = &scope_object,
      .help = "Scopes that the caller must have: a list means all of them, or all and any." },
    { .name = "roles",
      .type = CONF_OBJECT,
      .offset = offsetof(struct authorize_settings, roles),
      .object = &role_object,
      .help = "Roles that the caller must have: a list means all of them, or all and any." },
    { .name = "external",
      .type = CONF_STRING,
      .flags = CONF_NON_EMPTY,
      .offset = offsetof(struct authorize_settings, external),
      .help = "Name of the authorizer that must let the request pass, asked once all else holds." },
    { .name = "claims",
      .type = CONF_LIST,
      .flags = CONF_NON_EMPTY,
      .offset = offsetof(struct authorize_settings, claims),
      .object = &claim_object,
      .help = "Rules on claims; every one must hold." },
    { .name = "deny",
      .type = CONF_LIST,
      .flags = CONF_NON_EMPTY | CONF_ADDS,
      .offset = offsetof(struct authorize_settings, deny),
      .object = &deny_object,
      .help = "Rules on claims and headers, any of which denies the request; those of all layers count." },
    { .name = "kinds",
      .type = CONF_FLAGS,
      .flags = CONF_NON_EMPTY | CONF_SUBSET,
      .offset = offsetof(struct authorize_settings, kinds),
      .choices = kind_choices,
      .help = "What the caller must be, one of these; default: whatever it is." },
    { .name = "acr",
      .type = CONF_STRINGS,
      .flags = CONF_NON_EMPTY | CONF_SUBSET,
      .offset = offsetof(struct authorize_settings, acr),
      .help = "How the caller must have logged in: the token's acr is one of these. Else it is asked to, by "
              "a challenge "
              "(RFC 9470)." },
    { .name = "amr",
      .type = CONF_STRINGS,
      .flags = CONF_NON_EMPTY,
      .offset = offsetof(struct authorize_settings, amr),
      .help =
          "By what the caller must have logged in: the token's amr holds all of these, as in mfa or hwk (RFC "
          "8176)." },
    { .name = "max_age",
      .type = CONF_DURATION,
      .offset = offsetof(struct authorize_settings, max_age),
      .minimum = NS_PER_S,
      .maximum = INT64_C(366) * 86400 * NS_PER_S,
      .help = "How long ago the caller may have logged in, by the token's auth_time. Else it is asked to, by "
              "a challenge "
              "(RFC 9470)." },
    SHADOW_FIELDS(struct authorize_settings, shadow),
    { 0 },
};

const struct conf_object authorize_object = {
    .name = "authorize",
    .size = sizeof(struct authorize_settings),
    .fields = authorize_fields,
    .scalar = "any_caller",
    .help = "What an authenticated caller must have: all that is given here must hold. `any_caller` demands "
            "nothing.",
};
