/* What `authorize` may hold. */
#include "authorize/authorize.h"

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
    { 0 },
};

static const struct conf_object claim_object = {
    .name = "claim rule",
    .size = sizeof(struct claim_settings),
    .fields = claim_fields,
    .help = "One demand on a claim, by exactly one of equals, one_of, path_variable, contains.",
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
      .offset = offsetof(struct authorize_settings, scopes),
      .object = &scope_object,
      .help = "Scopes that the caller must have: a list means all of them, or all and any." },
    { .name = "claims",
      .type = CONF_LIST,
      .flags = CONF_NON_EMPTY,
      .offset = offsetof(struct authorize_settings, claims),
      .object = &claim_object,
      .help = "Rules on claims; every one must hold." },
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
