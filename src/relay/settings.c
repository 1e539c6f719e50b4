/* What `relay` may hold. */
#include "relay/names.h"
#include "relay/relay.h"
#include "relay/value.h"

static const struct conf_choice token_choices[] = {
    { "strip", RELAY_STRIP, "No credential of the client goes on." },
    { "forward", RELAY_FORWARD,
      "The verified token goes on, unless it is bound to a key of the client (cnf)." },
    { 0 },
};

static const struct conf_field relay_fields[] = {
    { .name = "token",
      .type = CONF_ENUM,
      .flags = CONF_LOWER,
      .offset = offsetof(struct relay_settings, token),
      .standard = "strip",
      .choices = token_choices,
      .help = "What becomes of the caller's token." },
    { .name = "headers",
      .type = CONF_PAIRS,
      .offset = offsetof(struct relay_settings, headers),
      .help =
          "Headers for the upstream: claims.NAME, subject, issuer, client_id, scopes, roles or 'text'. The "
          "client's own "
          "headers of these names are stripped on every route." },
    { .name = "trailers",
      .type = CONF_BOOL,
      .flags = CONF_LOWER,
      .offset = offsetof(struct relay_settings, trailers),
      .standard = "false",
      .help = "Passes trailers on, without identity and what must not stand in trailers." },
    { .name = "underscores",
      .type = CONF_BOOL,
      .flags = CONF_LOWER,
      .offset = offsetof(struct relay_settings, underscores),
      .standard = "false",
      .help = "Lets header names with \"_\" pass; many servers take X_Name for X-Name." },
    { 0 },
};

const struct conf_object relay_object = {
    .name = "relay",
    .size = sizeof(struct relay_settings),
    .fields = relay_fields,
    .help = "What the upstream learns of the caller. Without it every credential is stripped and nothing is "
            "added.",
};

static const char *name_problem(const struct relay_settings *settings, size_t index)
{
    struct slice name = settings->headers.items[index].name;
    if (!http_token_valid(name)) {
        return "not a header name";
    }
    if (slice_find(name, '_') >= 0) {
        return "header names with \"_\" are ambiguous: write \"-\"";
    }
    if ((name_classes(header_id_of(name), name) & (NAME_DROPPED_FROM_REQUEST | NAME_FIXED)) != 0) {
        return "this header is the protocol's or the gateway's own and cannot be set";
    }
    for (size_t i = 0; i < index; i++) {
        if (name_same(settings->headers.items[i].name, name)) {
            return "the same header is set twice";
        }
    }
    return NULL;
}

const char *relay_check_settings(const struct relay_settings *settings, size_t *ret_pair)
{
    for (size_t i = 0; i < settings->headers.count; i++) {
        const char *problem = name_problem(settings, i);
        if (problem == NULL) {
            problem = value_expression_problem(settings->headers.items[i].value);
        }
        if (problem != NULL) {
            *ret_pair = i;
            return problem;
        }
    }
    return NULL;
}
