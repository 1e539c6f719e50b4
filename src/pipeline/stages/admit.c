/* The first stage: may this be looked at at all? Makes the request canonical, once; everything later reads that. */
#include "http/date.h"
#include "net/address.h"
#include "pipeline/blocks.h"
#include "pipeline/limits.h"
#include "pipeline/stage.h"

#include "base/encoding.h"

static enum deny_reason reason_of(enum uri_result result)
{
    switch (result) {
    case URI_OK:
        return DENY_NONE;
    case URI_BAD_SYNTAX:
    case URI_BAD_FORM:
    case URI_FRAGMENT:
        return DENY_BAD_TARGET;
    case URI_TOO_LONG:
        return DENY_TARGET_TOO_LONG;
    case URI_BAD_HOST:
        return DENY_BAD_HOST;
    default:
        return DENY_BAD_PATH;
    }
}

static enum stage_verdict deny_uri(struct exchange *exchange, enum uri_result result)
{
    return stage_deny(exchange, reason_of(result), slice_from_string(uri_result_text(result)));
}

/* Host, or the target's authority; where both are there they must agree (RFC 9112 section 3.2.2 lets the target win, which
 * lets two readers see two hosts). */
static enum uri_result take_host(struct exchange *exchange, const struct uri_target *target)
{
    const struct header *field = headers_find(&exchange->input.headers, HEADER_HOST);
    struct slice named = field != NULL ? field->value : target->authority;
    if (slice_is_empty(named)) {
        return URI_BAD_HOST;
    }
    char *memory = arena_alloc(&exchange->arena, named.len + target->authority.len);
    struct uri_authority host;
    if (memory == NULL) {
        return URI_TOO_LONG;
    }
    enum uri_result result = uri_parse_authority(named, memory, &host);
    if (result != URI_OK) {
        return result;
    }
    if (target->form == URI_ABSOLUTE) {
        struct uri_authority other;
        result = uri_parse_authority(target->authority, memory + named.len, &other);
        if (result != URI_OK || !slice_equal(host.host, other.host) || host.port != other.port) {
            return URI_BAD_HOST;
        }
    }
    exchange->request.host = host.host;
    exchange->request.port = host.port;
    return URI_OK;
}

static enum uri_result take_path(struct exchange *exchange, const struct uri_target *target)
{
    exchange->request.query = target->query;
    if (uri_path_is_canonical(target->path)) {
        exchange->request.path = target->path;
        return URI_OK;
    }
    char *memory = arena_alloc(&exchange->arena, target->path.len);
    if (memory == NULL) {
        return URI_TOO_LONG;
    }
    /* The route decides whether it allows what the path needs; without a route nothing is allowed. */
    exchange->path_needs = uri_path_needs(target->path);
    return uri_canonical_path(target->path, exchange->path_needs, memory, &exchange->request.path);
}

static enum uri_result canonicalise(struct exchange *exchange)
{
    struct uri_target target;
    enum uri_result result = uri_parse_target(exchange->input.target, exchange->input.method, &target);
    if (result == URI_OK) {
        result = take_host(exchange, &target);
    }
    if (result != URI_OK) {
        return result;
    }
    exchange->request.method = exchange->input.method;
    exchange->request.method_text = exchange->input.method_text;
    if (target.form == URI_ASTERISK) {
        exchange->request.is_asterisk = true;
        exchange->request.path = SLICE("*");
        return URI_OK;
    }
    return take_path(exchange, &target);
}

/* Requests that are well-formed and that no gateway passes on. */
static enum deny_reason check_message(const struct http_request *input)
{
    if (input->method == METHOD_CONNECT || input->method == METHOD_TRACE) {
        return DENY_METHOD_NOT_IMPLEMENTED;
    }
    bool has_body = input->body == BODY_CHUNKED || (input->body == BODY_LENGTH && input->content_length > 0);
    if (headers_find(&input->headers, HEADER_UPGRADE) != NULL && has_body) {
        return DENY_UPGRADE_WITH_BODY;
    }
    for (size_t i = 0; i < input->headers.count; i++) {
        const struct header *header = &input->headers.items[i];
        if (header->id == HEADER_EXPECT && !slice_equal_nocase(header->value, SLICE("100-continue"))) {
            return DENY_EXPECTATION_UNKNOWN;
        }
    }
    return DENY_NONE;
}

/* A kept connection is its listener's by name, whatever that has become since. NULL: it might come today. */
static const char *stale_way(const struct http_connection_facts *facts,
                             const struct listener_settings *listener)
{
    if (facts->mark == EXPOSURE_EXTERNAL && listener->exposure == EXPOSURE_INTERNAL) {
        return "the connection came from outside, and the listener is an inner one by now";
    }
    return !facts->is_tls && listener->tls != NULL
               ? "the connection came without TLS, and the listener has it by now"
               : NULL;
}

/* What its handshake was judged by may have changed since. */
static enum deny_reason check_standing(const struct exchange *exchange, struct tls_facts *tls)
{
    const struct tls_server *server = exchange->snapshot->tls[exchange->listener_settings->index];
    if (server == NULL) {
        return DENY_NONE; /* a listener without TLS by now: the next stage refuses */
    }
    switch (tls_client_standing(tls, server, exchange->started_real / NS_PER_S)) {
    case TLS_CLIENT_GOOD:
        return DENY_NONE;
    case TLS_CLIENT_REVOKED:
        return DENY_CLIENT_CERTIFICATE_REVOKED;
    case TLS_CLIENT_LIST_EXPIRED:
        return DENY_CLIENT_CRL_EXPIRED;
    case TLS_CLIENT_UNVERIFIED:
        break;
    }
    return DENY_MISDIRECTED;
}

static enum deny_reason check_certificate(const struct exchange *exchange)
{
    struct http_connection_facts *facts = exchange->stream->connection;
    if (!facts->is_tls) {
        return DENY_NONE;
    }
    struct tls_facts *tls = &facts->tls;
    if (tls->client_mode == TLS_CLIENT_REQUIRED && tls->client == NULL) {
        return DENY_CLIENT_CERTIFICATE_MISSING;
    }
    if (tls->client != NULL && tls->client->not_after < exchange->started_real / NS_PER_S) {
        return DENY_CLIENT_CERTIFICATE_EXPIRED;
    }
    return tls->client != NULL ? check_standing(exchange, tls) : DENY_NONE;
}

/* Nothing makes the certificate of a connection good again, except a list that was only late. */
static enum stage_verdict deny_certificate(struct exchange *exchange, enum deny_reason reason)
{
    if (reason != DENY_CLIENT_CERTIFICATE_MISSING && reason != DENY_CLIENT_CRL_EXPIRED) {
        exchange->stream->ops->end_connection(exchange->stream);
    }
    return stage_deny(exchange, reason,
                      reason == DENY_MISDIRECTED
                          ? SLICE("the client's certificate does not verify by the CAs of today")
                          : SLICE_NONE);
}

static bool is_lower_hex(struct slice text)
{
    bool all_zero = true;
    for (size_t i = 0; i < text.len; i++) {
        if (hex_digit(text.ptr[i]) < 0 || (text.ptr[i] >= 'A' && text.ptr[i] <= 'F')) {
            return false;
        }
        all_zero = all_zero && text.ptr[i] == '0';
    }
    return !all_zero;
}

/* W3C Trace Context, section 3.2.2: passed on only where it is well-formed and there is one. */
static void take_trace(struct exchange *exchange)
{
    const struct headers *headers = &exchange->input.headers;
    const struct header *field = headers_find(headers, HEADER_TRACEPARENT);
    if (field == NULL || headers_count(headers, HEADER_TRACEPARENT) != 1 ||
        field->value.len != TRACEPARENT_LENGTH) {
        return;
    }
    struct slice text = field->value;
    bool shaped = text.ptr[0] == '0' && text.ptr[1] == '0' && text.ptr[2] == '-' && text.ptr[35] == '-' &&
                  text.ptr[52] == '-' && hex_digit(text.ptr[53]) >= 0 && hex_digit(text.ptr[54]) >= 0;
    if (shaped && is_lower_hex(slice_part(text, 3, 32)) && is_lower_hex(slice_part(text, 36, 16))) {
        exchange->traceparent = text;
    }
}

static enum stage_verdict check_listener_limits(struct exchange *exchange)
{
    const struct conf_list *limits = &exchange->listener_settings->limits;
    const struct limit_settings *rules[LIMIT_KEYS_MAX];
    for (size_t i = 0; i < limits->count && i < LIMIT_KEYS_MAX; i++) {
        rules[i] = &((const struct limit_settings *)limits->items)[i];
    }
    return limits_apply(exchange, rules, limits->count, DENY_RATE_LISTENER); /* too many: denied there */
}

static enum stage_verdict admit(struct exchange *exchange)
{
    const struct http_connection_facts *facts = exchange->stream->connection;
    exchange->audit_reserved = log_audit_reserve(exchange->worker->logs);
    if (!exchange->audit_reserved) {
        return stage_deny(exchange, DENY_AUDIT_FULL, SLICE_NONE);
    }
    struct worker *worker = exchange->worker;
    exchange->retry_after =
        overload_refuses(&worker->overload, &worker->loop, exchange->stream, exchange->started);
    if (exchange->retry_after > 0) {
        return stage_deny(exchange, DENY_OVERLOADED, SLICE_NONE);
    }
    const struct listener_settings *listener = exchange->listener_settings;
    if (listener == NULL) {
        return stage_deny(exchange, DENY_NO_ROUTE, SLICE("the listener is no longer configured"));
    }
    const char *stale = stale_way(facts, listener);
    if (stale != NULL) {
        exchange->stream->ops->end_connection(exchange->stream);
        return stage_deny(exchange, DENY_MISDIRECTED, slice_from_string(stale));
    }
    exchange->client = relay_client_address(&exchange->input.headers, &facts->peer, listener->forwarded,
                                            listener->trusted, listener->trusted_proxies.count);
    take_trace(exchange);
    enum deny_reason reason = blocks_of_client(exchange);
    if (reason != DENY_NONE) {
        if (blocks_refuse_peer(worker, listener, &facts->peer)) {
            exchange->stream->ops->end_connection(exchange->stream);
        }
        return stage_deny(exchange, reason, exchange->detail);
    }
    reason = check_message(&exchange->input);
    if (reason != DENY_NONE) {
        return stage_deny(exchange, reason, SLICE_NONE);
    }
    enum uri_result result = canonicalise(exchange);
    if (result != URI_OK) {
        return deny_uri(exchange, result);
    }
    reason = check_certificate(exchange);
    if (reason != DENY_NONE) {
        return deny_certificate(exchange, reason);
    }
    reason = blocks_of_certificate(exchange);
    if (reason != DENY_NONE) {
        exchange->stream->ops->end_connection(exchange->stream);
        return stage_deny(exchange, reason, exchange->detail);
    }
    return check_listener_limits(exchange);
}

static void add_common_fields(struct exchange *exchange)
{
    stage_add_header(exchange, HEADER_X_REQUEST_ID, exchange->request_id);
    if (headers_find(&exchange->response.headers, HEADER_DATE) == NULL) {
        stage_add_header(exchange, HEADER_DATE, http_date(exchange->started_real));
    }
    /* Whichever stage counted, and whoever answered. */
    if (!slice_is_empty(exchange->rate_state)) {
        headers_add(&exchange->response.headers, HEADER_OTHER, SLICE("ratelimit"), exchange->rate_state);
        headers_add(&exchange->response.headers, HEADER_OTHER, SLICE("ratelimit-policy"),
                    exchange->rate_policy);
    }
}

const struct stage stage_admit = {
    .name = "admit",
    .on_request = admit,
    .on_response = add_common_fields,
};
