/* What `check` prints: the gateway, listeners, issuers, upstreams, and the effective policy of each route, every value with
 * where it comes from. */
#include "base/limits.h"
#include "config/print.h"
#include "config/units.h"

#include <inttypes.h>

#define TEXT_MAX (1024 * 1024) /* bytes of one value */

struct printer {
    const struct config *config;
    struct print_block block;
    struct arena arena;
    struct slice self;           /* the owner whose block it is: "route orders.read" */
    struct buffer value, origin; /* of the next line */
    struct buffer *out;
};

static const struct conf_node *written(const struct printer *printer, const void *field)
{
    return places_field(&printer->config->places->fields, field);
}

static void add_line(struct printer *printer, const char *name, const struct conf_node *node)
{
    print_origin(node, printer->self, &printer->origin);
    print_block_add(&printer->block, name, &printer->value, &printer->origin);
}

static void add_field(struct printer *printer, const struct conf_field *field, const char *value)
{
    if (print_is_empty(field, value)) {
        return;
    }
    print_value(printer->config, field, value, &printer->value);
    add_line(printer, field->name, written(printer, value));
}

/* A listener, issuer or upstream: its name, then every field. */
static void print_thing(struct printer *printer, const struct conf_object *object, const char *thing)
{
    printer->self =
        arena_printf(&printer->arena, "%s %.*s", object->name, SLICE_ARG(*(const struct slice *)thing));
    buffer_printf(printer->out, "%.*s\n", SLICE_ARG(printer->self));
    for (const struct conf_field *field = object->fields; field->name != NULL; field++) {
        add_field(printer, field, thing + field->offset);
    }
    print_block_flush(&printer->block, printer->out);
    buffer_append_char(printer->out, '\n');
}

/* What the configuration says of no single thing. Values are those in force, places those of what was read. */
static void print_gateway(struct printer *printer)
{
    const char *input = (const char *)&printer->config->places->input;
    const char *settings = (const char *)&printer->config->settings;
    printer->self = SLICE("gateway");
    buffer_append(printer->out, SLICE("gateway\n"));
    for (const struct conf_field *field = config_object.fields; field->name != NULL; field++) {
        if (!config_is_of_gateway(field) || strcmp(field->name, "blocks") == 0 ||
            print_is_empty(field, settings + field->offset)) {
            continue;
        }
        print_value(printer->config, field, settings + field->offset, &printer->value);
        add_line(printer, field->name, written(printer, input + field->offset));
    }
    print_block_flush(&printer->block, printer->out);
    buffer_append_char(printer->out, '\n');
}

/* ---- routes ---- */

static void add_strings(struct printer *printer, const char *name, const struct conf_strings *strings,
                        const char *when_empty, const struct conf_node *otherwise)
{
    for (size_t i = 0; i < strings->count; i++) {
        buffer_printf(&printer->value, "%s%.*s", i > 0 ? " " : "", SLICE_ARG(strings->items[i]));
    }
    if (strings->count == 0) {
        buffer_append(&printer->value, slice_from_string(when_empty));
    }
    const struct conf_node *node = strings->count > 0 ? written(printer, &strings->items[0]) : NULL;
    add_line(printer, name, node != NULL ? node : otherwise);
}

static void add_listeners(struct printer *printer, const struct route_policy *policy)
{
    const struct settings *settings = &printer->config->settings;
    for (size_t i = 0; i < policy->listeners.count; i++) {
        struct slice name = policy->listeners.items[i];
        const struct listener_settings *listener =
            settings_find(settings->listeners, settings->listener_count, sizeof *listener, name);
        buffer_printf(&printer->value, "%s%.*s (%s)", i > 0 ? ", " : "", SLICE_ARG(name),
                      listener != NULL && listener->exposure == EXPOSURE_INTERNAL ? "internal" : "external");
    }
    add_line(printer, "listeners", written(printer, &policy->listeners));
}

static void add_auth(struct printer *printer, const struct route_policy *policy)
{
    const struct auth_settings *auth = policy->auth;
    if (auth == NULL) {
        return;
    }
    print_auth(auth, &printer->value);
    add_line(printer, "auth", written(printer, &policy->auth));
    if (auth->candidate != NULL) {
        print_auth(auth->candidate, &printer->value);
        print_shadow(&auth->candidate->shadow, &printer->value);
        add_line(printer, "auth candidate", written(printer, &auth->candidate));
    }
}

static void add_scopes(struct printer *printer, const char *what, struct scope_settings *const *scopes,
                       const struct conf_node *otherwise)
{
    if (*scopes != NULL) {
        const struct conf_node *at = written(printer, scopes);
        print_scopes(what, *scopes, &printer->value);
        add_line(printer, "authorize", at != NULL ? at : otherwise);
    }
}

static void add_authorize(struct printer *printer, const struct route_policy *policy)
{
    const struct authorize_settings *authorize = policy->authorize;
    if (authorize == NULL) {
        return;
    }
    const struct conf_node *node = written(printer, &policy->authorize);
    if (authorize->any_caller) {
        buffer_append(&printer->value, SLICE("any caller"));
        add_line(printer, "authorize", node);
    }
    add_scopes(printer, "scope", &authorize->scopes, node);
    add_scopes(printer, "role", &authorize->roles, node);
    if (authorize->external.len > 0) {
        buffer_printf(&printer->value, "the authorizer %.*s lets it pass", SLICE_ARG(authorize->external));
        add_line(printer, "authorize", node);
    }
    const struct claim_settings *rules = authorize->claims.items;
    for (size_t i = 0; i < authorize->claims.count; i++) {
        print_claim(&rules[i], &printer->value);
        add_line(printer, "authorize", places_object(&printer->config->places->fields, &rules[i]));
    }
    if (print_caller(authorize, &printer->value)) {
        add_line(printer, "authorize", node);
    }
    const struct deny_settings *denied = authorize->deny.items;
    for (size_t i = 0; i < authorize->deny.count; i++) {
        buffer_append(&printer->value, SLICE("deny where "));
        print_deny(&denied[i], &printer->value);
        add_line(printer, "authorize", places_object(&printer->config->places->fields, &denied[i]));
    }
}

static void add_limits(struct printer *printer, const struct conf_list *list)
{
    const struct limit_settings *limits = list->items;
    for (size_t i = 0; i < list->count; i++) {
        const struct limit_settings *limit = &limits[i];
        struct buffer *value = &printer->value;
        print_limit(limit, value);
        if (limit->limit.count > 0) {
            buffer_printf(value, ": never more than %" PRId64 " in any ", limit->limit.count);
            units_print_duration(limit->limit.window, value);
            buffer_printf(value, "; may refuse up to 1/%d early", LIMIT_SUBWINDOWS);
        } else {
            buffer_printf(value, ": at most %" PRId64 " + %" PRId64 " in any ", limit->burst,
                          limit->rate.count);
            units_print_duration(limit->rate.window, value);
        }
        add_line(printer, "limits", places_object(&printer->config->places->fields, limit));
    }
}

static const struct conf_node *match_node(const struct route_source *source)
{
    const struct conf_node *own = conf_node_get(source->node, SLICE("match"));
    return own != NULL ? own : source->node;
}

static void add_conditions(struct printer *printer, const struct match_settings *match,
                           const struct conf_node *node)
{
    print_conditions(match, &printer->value);
    if (buffer_length(&printer->value) == 0) {
        return;
    }
    if (match->priority != 0) {
        buffer_printf(&printer->value, "; priority %" PRId64, match->priority);
    }
    add_line(printer, "where", node);
}

/* What it changes: the admin API, which goes to no upstream. */
static void add_admin(struct printer *printer, const struct route_settings *route)
{
    const struct admin_settings *admin = printer->config->settings.admin;
    if (!route->admin || admin == NULL) {
        return;
    }
    buffer_append(&printer->value, SLICE("the admin API: "));
    for (size_t i = 0; i < admin->api_keys.count; i++) {
        buffer_printf(&printer->value, "%s%.*s", i > 0 ? ", " : "API keys of ",
                      SLICE_ARG(admin->api_keys.items[i]));
    }
    if (admin->blocks) {
        buffer_printf(&printer->value, "%sblocks", admin->api_keys.count > 0 ? "; " : "");
    }
    add_line(printer, "serves", written(printer, &admin->api_keys));
}

static void print_route(struct printer *printer, const struct route_settings *route,
                        const struct route_source *source)
{
    const struct route_policy *policy = &route->policy;
    printer->self = arena_printf(&printer->arena, "route %.*s", SLICE_ARG(route->name));
    buffer_append(printer->out, printer->self);
    if (route->team.len > 0) {
        buffer_printf(printer->out, " (team %.*s)", SLICE_ARG(route->team));
    }
    buffer_append_char(printer->out, '\n');
    add_strings(printer, "hosts", &route->match.host, "", match_node(source));
    add_strings(printer, "paths", &route->match.path, "", match_node(source));
    add_strings(printer, "methods", &route->match.methods, "all but CONNECT and TRACE", NULL);
    add_conditions(printer, &route->match, match_node(source));
    add_admin(printer, route);
    add_listeners(printer, policy);
    add_auth(printer, policy);
    add_authorize(printer, policy);
    add_limits(printer, &policy->limits);
    static const char *const shown_otherwise[] = { "listeners", "auth", "authorize", "limits", "exposure" };
    for (const struct conf_field *field = effective_object.fields; field->name != NULL; field++) {
        bool shown = policy->split != NULL && strcmp(field->name, "upstream") == 0;
        for (size_t i = 0; i < sizeof shown_otherwise / sizeof *shown_otherwise; i++) {
            shown = shown || strcmp(field->name, shown_otherwise[i]) == 0;
        }
        if (!shown) {
            add_field(printer, field, (const char *)policy + field->offset);
        }
    }
    print_block_flush(&printer->block, printer->out);
    buffer_append_char(printer->out, '\n');
}

void config_print_effective(const struct config *config, struct buffer *out)
{
    const struct settings *settings = &config->settings;
    struct printer printer = { .config = config, .out = out };
    arena_init(&printer.arena, CONFIG_ARENA_MAX);
    print_block_init(&printer.block);
    buffer_init(&printer.value, TEXT_MAX);
    buffer_init(&printer.origin, TEXT_MAX);
    print_gateway(&printer);
    for (size_t i = 0; i < settings->listener_count; i++) {
        print_thing(&printer, &listener_object, (const char *)&settings->listeners[i]);
    }
    for (size_t i = 0; i < settings->issuer_count; i++) {
        print_thing(&printer, &issuer_object, (const char *)&settings->issuers[i]);
    }
    if (settings->blocks != NULL) {
        print_thing(&printer, &blocks_object, (const char *)settings->blocks);
    }
    for (size_t i = 0; i < settings->introspection_count; i++) {
        print_thing(&printer, &introspection_object, (const char *)&settings->introspection[i]);
    }
    for (size_t i = 0; i < settings->api_keys_count; i++) {
        print_thing(&printer, &api_keys_object, (const char *)&settings->api_keys[i]);
    }
    for (size_t i = 0; i < settings->basic_count; i++) {
        print_thing(&printer, &basic_object, (const char *)&settings->basic[i]);
    }
    for (size_t i = 0; i < settings->client_certificate_count; i++) {
        print_thing(&printer, &client_certificate_object, (const char *)&settings->client_certificates[i]);
    }
    for (size_t i = 0; i < settings->authorizer_count; i++) {
        print_thing(&printer, &authorizer_object, (const char *)&settings->authorizers[i]);
    }
    for (size_t i = 0; i < settings->resource_count; i++) {
        print_thing(&printer, &resource_object, (const char *)&settings->resources[i]);
    }
    for (size_t i = 0; i < settings->upstream_count; i++) {
        print_thing(&printer, &upstream_object, (const char *)&settings->upstreams[i]);
    }
    for (size_t i = 0; i < settings->route_count; i++) {
        print_route(&printer, &settings->routes[i], &config->places->routes[i]);
    }
    print_block_done(&printer.block);
    arena_done(&printer.arena);
    buffer_done(&printer.value);
    buffer_done(&printer.origin);
}
