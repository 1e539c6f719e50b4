#include "relay/names.h"
#include "relay/relay.h"
#include "relay/value.h"

#include "http/cookie.h"
#include "http/query.h"
#include "http/uri.h"

/* X-Forwarded-For, -Proto, -Host, X-Request-Id, traceparent, Via, Authorization. */
#define OWN_HEADERS 7

static bool is_identity(const struct relay_request *request, struct slice name)
{
    if (name_is_among(name, request->identity_headers)) {
        return true;
    }
    for (size_t i = 0; request->settings != NULL && i < request->settings->headers.count; i++) {
        if (name_same(name, request->settings->headers.items[i].name)) {
            return true;
        }
    }
    return false;
}

/* The trace's own id, 32 hexadecimal digits behind the version (Trace Context section 3.2.2). */
static struct slice trace_id(struct slice traceparent)
{
    return traceparent.len >= 35 ? slice_part(traceparent, 3, 32) : SLICE_NONE;
}

/* tracestate belongs to a traceparent: beside another trace it is someone else's. */
static bool same_trace(const struct relay_request *request)
{
    const struct header *theirs = headers_find(&request->input->headers, HEADER_TRACEPARENT);
    struct slice ours = trace_id(request->traceparent);
    return theirs != NULL && ours.len > 0 && slice_equal(trace_id(theirs->value), ours);
}

static bool passes(const struct relay_request *request, const struct header *header,
                   const struct connection_names *connection)
{
    if (!name_spelling_passes(request->settings, header->name) ||
        (name_classes(header->id, header->name) & NAME_DROPPED_FROM_REQUEST) != 0) {
        return false;
    }
    if (header->id == HEADER_TRACESTATE && !same_trace(request)) {
        return false;
    }
    return !connection_names_hold(connection, header->name) && !is_identity(request, header->name);
}

static struct error set(struct headers *out, enum header_id id, struct slice name, struct slice value)
{
    if (value.ptr == NULL || !headers_add(out, id, name, value)) {
        return FAIL(ERROR_MEMORY, "no memory for the upstream's headers");
    }
    return OK;
}

static struct error set_forwarded(const struct relay_request *request, struct arena *arena,
                                  struct headers *out)
{
    char address[ADDRESS_TEXT_MAX];
    size_t len = address_format_peer(&request->client, address);
    TRY(set(out, HEADER_X_FORWARDED_FOR, SLICE("X-Forwarded-For"),
            arena_copy(arena, slice_of(address, len))));
    TRY(set(out, HEADER_X_FORWARDED_PROTO, SLICE("X-Forwarded-Proto"),
            request->is_tls ? SLICE("https") : SLICE("http")));
    return set(out, HEADER_X_FORWARDED_HOST, SLICE("X-Forwarded-Host"),
               uri_authority_text(request->host, request->port, arena));
}

/* RFC 9110 section 7.6.3: the protocol by which the message was received, and who we are. */
static struct error set_via(const struct relay_request *request, struct headers *out)
{
    static const struct slice values[] = { SLICE_INIT("1.0 sallyport"), SLICE_INIT("1.1 sallyport"),
                                           SLICE_INIT("2 sallyport") };
    int version = request->input->minor_version;
    return set(out, HEADER_VIA, SLICE("Via"), values[version >= 0 && version <= 2 ? version : 1]);
}

static struct error set_token(const struct relay_request *request, struct arena *arena, struct headers *out)
{
    bool bound = request->principal == NULL || request->principal->kind == PRINCIPAL_ANONYMOUS ||
                 request->principal->bound;
    bool granted = request->granted != NULL && headers_find(request->granted, HEADER_AUTHORIZATION) != NULL;
    if (request->settings == NULL || request->settings->token != RELAY_FORWARD || request->token.len == 0 ||
        bound || granted) {
        return OK;
    }
    return set(out, HEADER_AUTHORIZATION, SLICE("Authorization"),
               ARENA_CONCAT(arena, SLICE("Bearer "), request->token));
}

static struct error set_identity(const struct relay_request *request, struct arena *arena,
                                 struct headers *out)
{
    for (size_t i = 0; request->settings != NULL && i < request->settings->headers.count; i++) {
        const struct conf_pair *pair = &request->settings->headers.items[i];
        struct slice value;
        TRY(value_of(pair->value, request->principal, arena, &value));
        if (value.len > 0) {
            TRY(set(out, header_id_of(pair->name), pair->name, value));
        }
    }
    return OK;
}

/* The client's own of these names have been dropped: they are among identity_headers. */
static struct error set_granted(const struct relay_request *request, struct headers *out)
{
    for (size_t i = 0; request->granted != NULL && i < request->granted->count; i++) {
        const struct header *field = &request->granted->items[i];
        TRY(set(out, field->id, field->name, field->value));
    }
    return OK;
}

/* A page whose address held a credential tells it to whatever it links to. */
static bool tells_credential(const struct relay_credentials *credentials, struct slice referer)
{
    ssize_t mark = slice_find(referer, '?');
    struct slice query = mark >= 0 ? slice_from(referer, (size_t)mark + 1) : SLICE_NONE;
    for (size_t i = 0; mark >= 0 && i < credentials->queries.count; i++) {
        if (query_find(query, credentials->queries.items[i]).count > 0) {
            return true;
        }
    }
    return false;
}

/* The field as it goes on; ptr NULL: not at all. */
static struct error without_credentials(const struct relay_credentials *credentials,
                                        const struct header *header, struct arena *arena,
                                        struct slice *ret_value)
{
    *ret_value = header->value;
    if (header->id == HEADER_COOKIE) {
        if (!cookie_without(header->value, &credentials->cookies, arena, ret_value)) {
            return FAIL(ERROR_MEMORY, "no memory for the upstream's headers");
        }
        if (ret_value->len == 0 && header->value.len > 0) {
            *ret_value = SLICE_NONE;
        }
    } else if (credentials->queries.count > 0 && slice_equal_nocase(header->name, SLICE("referer")) &&
               tells_credential(credentials, header->value)) {
        *ret_value = SLICE_NONE;
    }
    return OK;
}

static struct error pass_header(const struct relay_request *request, const struct header *header,
                                struct arena *arena, struct headers *out)
{
    struct slice value = header->value;
    if (request->credentials != NULL) {
        TRY(without_credentials(request->credentials, header, arena, &value));
        if (value.ptr == NULL && header->value.ptr != NULL) {
            return OK;
        }
    }
    return set(out, header->id, header->name, value);
}

struct error relay_build_request(const struct relay_request *request, struct arena *arena,
                                 struct headers *out)
{
    const struct headers *input = &request->input->headers;
    struct connection_names connection;
    if (!connection_names_of(input, &connection)) {
        return FAIL(ERROR_LIMIT, "Connection lists too many names");
    }
    size_t pairs = request->settings != NULL ? request->settings->headers.count : 0;
    struct headers list = { .capacity = input->count + pairs + OWN_HEADERS + request->spare };
    list.capacity += request->granted != NULL ? request->granted->count : 0;
    list.items = arena_alloc(arena, list.capacity * sizeof *list.items);
    if (list.items == NULL) {
        return FAIL(ERROR_MEMORY, "no memory for the upstream's headers");
    }
    for (size_t i = 0; i < input->count; i++) {
        const struct header *header = &input->items[i];
        if (passes(request, header, &connection)) {
            TRY(pass_header(request, header, arena, &list));
        }
    }
    TRY(set_forwarded(request, arena, &list));
    TRY(set(&list, HEADER_X_REQUEST_ID, SLICE("X-Request-Id"), request->request_id));
    if (request->traceparent.len > 0) {
        TRY(set(&list, HEADER_TRACEPARENT, SLICE("traceparent"), request->traceparent));
    }
    TRY(set_via(request, &list));
    TRY(set_token(request, arena, &list));
    TRY(set_identity(request, arena, &list));
    TRY(set_granted(request, &list));
    *out = list;
    return OK;
}
