#include "external/request.h"

#include "http/uri.h"
#include "relay/names.h"
#include "relay/value.h"

/* X-Forwarded-Method, -Proto, -Host, -Uri, -For, X-Original-Method, X-Original-URL, X-Request-Id, traceparent. */
#define OWN_HEADERS 9

static bool sends(const struct authorizer_settings *settings, const struct connection_names *connection,
                  const struct header *header)
{
    return external_names_hold(&settings->request_headers, header->name) &&
           !connection_names_hold(connection, header->name);
}

static enum deny_reason find_client_fields(const struct authorizer_settings *settings,
                                           const struct external_request *request, struct arena *arena,
                                           struct headers *out)
{
    struct connection_names connection;
    if (!connection_names_of(request->headers, &connection)) {
        return DENY_AUTHORIZATION_ERROR;
    }
    out->items = arena_alloc(arena, (request->headers->count + 1) * sizeof *out->items);
    out->capacity = request->headers->count;
    if (out->items == NULL) {
        return DENY_INTERNAL;
    }
    for (size_t i = 0; i < request->headers->count; i++) {
        const struct header *header = &request->headers->items[i];
        if (sends(settings, &connection, header)) {
            out->items[out->count++] = *header;
        }
    }
    return headers_count(out, HEADER_AUTHORIZATION) > 1 ? DENY_CREDENTIAL_REPEATED : DENY_NONE;
}

static enum deny_reason find_identity(const struct authorizer_settings *settings,
                                      const struct external_request *request, struct arena *arena,
                                      struct headers *out)
{
    const struct conf_pairs *pairs = &settings->identity_headers;
    out->capacity = pairs->count;
    out->items = arena_alloc(arena, (pairs->count + 1) * sizeof *out->items);
    if (out->items == NULL) {
        return DENY_INTERNAL;
    }
    for (size_t i = 0; i < pairs->count; i++) {
        struct slice value;
        struct error error = value_of(pairs->items[i].value, request->principal, arena, &value);
        if (failed(error)) {
            return error.kind == ERROR_MEMORY ? DENY_INTERNAL : DENY_AUTHORIZATION_ERROR;
        }
        if (value.len > 0) {
            (void)headers_add(out, header_id_of(pairs->items[i].name), pairs->items[i].name, value);
        }
    }
    return DENY_NONE;
}

enum deny_reason external_fields_of(const struct authorizer_settings *settings,
                                    const struct external_request *request, struct arena *arena,
                                    struct external_fields *ret_fields)
{
    struct external_fields fields = { .client = { .count = 0 } };
    enum deny_reason reason = find_client_fields(settings, request, arena, &fields.client);
    if (reason == DENY_NONE) {
        reason = find_identity(settings, request, arena, &fields.identity);
    }
    if (reason == DENY_NONE) {
        *ret_fields = fields;
    }
    return reason;
}

/* ---- the question ---- */

static struct slice uri_of(const struct external_request *request, struct arena *arena)
{
    return request->query.ptr == NULL ? request->path
                                      : ARENA_CONCAT(arena, request->path, SLICE("?"), request->query);
}

static bool set(struct headers *out, enum header_id id, struct slice name, struct slice value)
{
    return value.ptr != NULL && headers_add(out, id, name, value);
}

static struct slice proto_of(const struct external_request *request)
{
    return request->is_tls ? SLICE("https") : SLICE("http");
}

static bool set_client(const struct external_request *request, struct arena *arena, struct headers *out)
{
    char address[ADDRESS_TEXT_MAX];
    size_t len = address_format_peer(&request->client, address);
    return set(out, HEADER_X_FORWARDED_FOR, SLICE("X-Forwarded-For"),
               arena_copy(arena, slice_of(address, len))) &&
           set(out, HEADER_X_FORWARDED_PROTO, SLICE("X-Forwarded-Proto"), proto_of(request)) &&
           set(out, HEADER_X_REQUEST_ID, SLICE("X-Request-Id"), request->request_id) &&
           (request->traceparent.len == 0 ||
            set(out, HEADER_TRACEPARENT, SLICE("traceparent"), request->traceparent));
}

/* By Traefik's names, and by those that nginx's users have come to give to the same. */
static bool set_original(const struct external_request *request, struct slice host, struct arena *arena,
                         struct headers *out)
{
    struct slice uri = uri_of(request, arena);
    return set(out, HEADER_OTHER, SLICE("X-Forwarded-Method"), request->method) &&
           set(out, HEADER_X_FORWARDED_HOST, SLICE("X-Forwarded-Host"), host) &&
           set(out, HEADER_OTHER, SLICE("X-Forwarded-Uri"), uri) &&
           set(out, HEADER_OTHER, SLICE("X-Original-Method"), request->method) &&
           set(out, HEADER_X_ORIGINAL_URL, SLICE("X-Original-URL"),
               ARENA_CONCAT(arena, proto_of(request), SLICE("://"), host, uri));
}

static bool forward_auth(const struct authorizer_settings *settings, const struct external_request *request,
                         struct slice host, struct arena *arena, struct external_question *question)
{
    question->method = METHOD_GET;
    question->method_text = SLICE("GET");
    question->target = settings->target.len > 0 ? settings->target : SLICE("/");
    question->host = settings->authority;
    question->body = BODY_NONE;
    return set_original(request, host, arena, &question->headers);
}

static bool ext_authz(const struct authorizer_settings *settings, const struct external_request *request,
                      struct slice host, struct arena *arena, struct external_question *question)
{
    question->method = http_method_of(request->method);
    question->method_text = request->method;
    question->target = ARENA_CONCAT(arena, settings->target, uri_of(request, arena));
    question->host = host;
    question->body = BODY_LENGTH; /* Content-Length: 0, whatever the method */
    return question->target.ptr != NULL;
}

bool external_question_of(const struct authorizer_settings *settings, const struct external_request *request,
                          const struct external_fields *fields, struct arena *arena,
                          struct external_question *ret_question)
{
    struct headers *headers = &ret_question->headers;
    *ret_question = (struct external_question){ .method = METHOD_OTHER };
    headers->capacity = fields->client.count + fields->identity.count + OWN_HEADERS;
    headers->items = arena_alloc(arena, headers->capacity * sizeof *headers->items);
    struct slice host = uri_authority_text(request->host, request->port, arena);
    if (headers->items == NULL || host.ptr == NULL) {
        return false;
    }
    bool made = settings->contract == AUTHORIZER_EXT_AUTHZ
                    ? ext_authz(settings, request, host, arena, ret_question)
                    : forward_auth(settings, request, host, arena, ret_question);
    if (!made || !set_client(request, arena, headers)) {
        return false;
    }
    const struct headers *const parts[] = { &fields->client, &fields->identity };
    for (size_t i = 0; i < 2; i++) {
        for (size_t k = 0; k < parts[i]->count; k++) {
            const struct header *field = &parts[i]->items[k];
            (void)headers_add(headers, field->id, field->name, field->value); /* there is room */
        }
    }
    return true;
}
