/* Which fields, cookies and parameters tell who is calling, on any route of a configuration. */
#include "config/internal.h"

static bool holds_name(const struct conf_strings *names, struct slice name)
{
    for (size_t i = 0; i < names->count; i++) {
        if (slice_equal_nocase(names->items[i], name)) {
            return true;
        }
    }
    return false;
}

static void add_name(struct conf_strings *names, struct slice name)
{
    if (!holds_name(names, name)) {
        names->items[names->count++] = name;
    }
}

static void add_place(struct relay_credentials *credentials, const struct auth_place_settings *from)
{
    if (from == NULL) {
        return;
    }
    if (from->header.len > 0 && header_id_of(from->header) != HEADER_AUTHORIZATION) {
        add_name(&credentials->headers, from->header);
    }
    if (from->cookie.len > 0 && !conf_strings_contain(&credentials->cookies, from->cookie)) {
        credentials->cookies.items[credentials->cookies.count++] = from->cookie;
    }
    if (from->query.len > 0) {
        add_name(&credentials->queries, from->query);
    }
}

static void add_places(struct relay_credentials *credentials, const struct auth_settings *auth)
{
    if (auth != NULL) {
        add_place(credentials, auth->token_from);
        add_place(credentials, auth->key_from);
    }
}

/* A credential that is sent where none is asked for is one all the same: a browser sends its cookies to every path of a host. */
static struct error collect_credentials(const struct settings *settings, struct arena *arena,
                                        struct relay_credentials *credentials)
{
    struct conf_strings *const lists[] = { &credentials->headers, &credentials->cookies,
                                           &credentials->queries };
    size_t capacity = settings->api_keys_count + settings->issuer_count + 4 * settings->route_count + 1;
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        lists[i]->items = arena_calloc(arena, capacity, sizeof(struct slice));
        if (lists[i]->items == NULL) {
            return NO_MEMORY;
        }
    }
    for (size_t i = 0; i < settings->api_keys_count; i++) {
        add_name(&credentials->headers, settings->api_keys[i].header);
    }
    for (size_t i = 0; i < settings->issuer_count; i++) {
        add_place(credentials, settings->issuers[i].token_from);
    }
    for (size_t i = 0; i < settings->route_count; i++) {
        const struct auth_settings *auth = settings->routes[i].policy.auth;
        const struct auth_settings *candidate = auth != NULL ? auth->candidate : NULL;
        add_places(credentials, auth);
        add_places(credentials, candidate);
    }
    return OK;
}

/* A header that one route sets from identity, or an authorizer, is stripped on every route: an upstream that is shared trusts it
 * on all. And so is one that holds credentials. */
static struct error collect_headers(const struct settings *settings, struct arena *arena,
                                    const struct conf_strings *held, struct conf_strings *names)
{
    size_t capacity = held->count;
    for (size_t i = 0; i < settings->authorizer_count; i++) {
        capacity += settings->authorizers[i].upstream_headers.count;
    }
    for (size_t i = 0; i < settings->route_count; i++) {
        const struct relay_settings *relay = settings->routes[i].policy.relay;
        capacity += relay != NULL ? relay->headers.count : 0;
    }
    names->items = arena_calloc(arena, capacity + 1, sizeof(struct slice));
    if (names->items == NULL) {
        return NO_MEMORY;
    }
    for (size_t i = 0; i < held->count; i++) {
        add_name(names, held->items[i]);
    }
    for (size_t i = 0; i < settings->authorizer_count; i++) {
        const struct conf_strings *granted = &settings->authorizers[i].upstream_headers;
        for (size_t k = 0; k < granted->count; k++) {
            add_name(names, granted->items[k]);
        }
    }
    for (size_t i = 0; i < settings->route_count; i++) {
        const struct relay_settings *relay = settings->routes[i].policy.relay;
        for (size_t k = 0; relay != NULL && k < relay->headers.count; k++) {
            add_name(names, relay->headers.items[k].name);
        }
    }
    return OK;
}

struct error identity_collect(const struct settings *settings, struct arena *arena,
                              struct relay_credentials *credentials, struct conf_strings *headers)
{
    TRY(collect_credentials(settings, arena, credentials));
    return collect_headers(settings, arena, &credentials->headers, headers);
}
