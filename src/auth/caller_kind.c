#include "auth/caller_kind.h"

static const struct conf_field service_fields[] = {
    { .name = "claim",
      .type = CONF_STRING,
      .flags = CONF_REQUIRED | CONF_NON_EMPTY,
      .offset = offsetof(struct service_tokens_settings, claim),
      .help = "The claim, as in gty (Auth0) or idtyp (Entra ID): a name, a path with dots, or [\"a name with "
              "dots\"]." },
    { .name = "equals",
      .type = CONF_STRING,
      .flags = CONF_NON_EMPTY,
      .offset = offsetof(struct service_tokens_settings, equals),
      .help = "Its value, as in client-credentials (Auth0) or app (Entra ID); default: whatever it is." },
    { 0 },
};

const struct conf_object service_tokens_object = {
    .name = "service tokens",
    .size = sizeof(struct service_tokens_settings),
    .fields = service_fields,
    .help = "The mark of tokens that a client got for itself, beside those without a subject, or whose "
            "subject is "
            "their client.",
};

/* A mark that cannot be judged marks: whoever is let in as a user must be one. */
static bool is_marked(const struct principal *principal, const struct service_tokens_settings *marks)
{
    const struct json *claim = principal_claim(principal, marks->claim);
    if (claim == NULL || claim->type == JSON_NULL) {
        return false;
    }
    return marks->equals.ptr == NULL || claim->type != JSON_STRING || slice_equal(claim->text, marks->equals);
}

enum caller_kind caller_kind_of(const struct principal *principal,
                                const struct service_tokens_settings *marks)
{
    switch (principal->kind) {
    case PRINCIPAL_API_KEY:
        return CALLER_API_KEY;
    case PRINCIPAL_CERTIFICATE:
        return CALLER_CERTIFICATE;
    case PRINCIPAL_EXTERNAL:
        return CALLER_EXTERNAL;
    case PRINCIPAL_BASIC:
        return CALLER_USER;
    case PRINCIPAL_ANONYMOUS:
    case PRINCIPAL_JWT:
    case PRINCIPAL_INTROSPECTION:
        break;
    }
    bool own = slice_is_empty(principal->subject) || slice_equal(principal->subject, principal->client_id);
    return own || (marks != NULL && is_marked(principal, marks)) ? CALLER_SERVICE : CALLER_USER;
}

const char *service_tokens_check(const struct service_tokens_settings *settings)
{
    return principal_claim_path_valid(settings->claim)
               ? NULL
               : "a claim is a name, names joined by dots, or [\"name with dots\"]";
}
