/* What the gateway answers itself: redirects to https, CORS preflights, documents of protected resources. And what it tells browsers
 * in every answer. */
#include "pipeline/stage.h"

#include "http/query.h"
#include "pipeline/resources.h"
#include "route/cors.h"

#define CORS_FIELDS_MAX 12

/* Does any TLS listener serve the host? A redirect to wherever the client says would be an open one. */
static bool is_configured_host(const struct exchange *exchange)
{
    const struct snapshot *snapshot = exchange->snapshot->snapshot;
    for (size_t i = 0; i < snapshot->settings->listener_count; i++) {
        if (snapshot->settings->listeners[i].tls != NULL &&
            route_serves_host(snapshot->table, (unsigned int)i, exchange->request.host)) {
            return true;
        }
    }
    return false;
}

/* A credential on a plain connection has leaked already: better that its owner learns it now. */
static bool carries_credential(const struct exchange *exchange)
{
    const struct headers *headers = &exchange->input.headers;
    const struct relay_credentials *places = &exchange->snapshot->snapshot->credentials;
    for (size_t i = 0; i < places->headers.count; i++) {
        if (headers_find_name(headers, places->headers.items[i]) != NULL) {
            return true;
        }
    }
    for (size_t i = 0; i < places->queries.count; i++) {
        if (query_find(exchange->request.query, places->queries.items[i]).count > 0) {
            return true;
        }
    }
    return headers_find(headers, HEADER_AUTHORIZATION) != NULL ||
           headers_find(headers, HEADER_COOKIE) != NULL ||
           headers_find(headers, HEADER_PROXY_AUTHORIZATION) != NULL ||
           headers_find(headers, HEADER_DPOP) != NULL;
}

static enum stage_verdict redirect(struct exchange *exchange)
{
    const struct canonical_request *request = &exchange->request;
    if (request->method != METHOD_GET && request->method != METHOD_HEAD) {
        return stage_deny(exchange, DENY_PLAINTEXT, SLICE("the method is not safe to redirect"));
    }
    if (carries_credential(exchange)) {
        return stage_deny(exchange, DENY_PLAINTEXT, SLICE("a credential was sent in the clear"));
    }
    if (exchange->path_needs != 0 || !is_configured_host(exchange)) {
        return stage_deny(exchange, DENY_PLAINTEXT, SLICE("the host is not served"));
    }
    int64_t port = exchange->listener_settings->https_port;
    bool is_ipv6 = slice_find(request->host, ':') >= 0;
    struct slice suffix = port == 443 ? SLICE("") : arena_printf(&exchange->arena, ":%lld", (long long)port);
    struct slice location = arena_printf(&exchange->arena, "https://%s%.*s%s%.*s%.*s%s%.*s",
                                         is_ipv6 ? "[" : "", SLICE_ARG(request->host), is_ipv6 ? "]" : "",
                                         SLICE_ARG(suffix), SLICE_ARG(request->path),
                                         request->query.ptr != NULL ? "?" : "", SLICE_ARG(request->query));
    if (!stage_add_header(exchange, HEADER_LOCATION, location)) {
        return stage_deny(exchange, DENY_INTERNAL, SLICE("the redirect could not be written"));
    }
    exchange_answer(exchange, 308, SLICE(""));
    return STAGE_RESPONDED;
}

static enum stage_verdict preflight(struct exchange *exchange)
{
    struct header items[CORS_FIELDS_MAX];
    struct headers scratch = { .items = items, .capacity = CORS_FIELDS_MAX };
    if (!cors_preflight(exchange_policy(exchange)->cors, &exchange->input.headers, exchange->match.allow,
                        &exchange->arena, &scratch)) {
        return stage_deny(exchange, DENY_CORS_ORIGIN, SLICE_NONE);
    }
    for (size_t i = 0; i < scratch.count; i++) {
        if (!headers_add(&exchange->response.headers, items[i].id, items[i].name, items[i].value)) {
            return stage_deny(exchange, DENY_INTERNAL, SLICE("too many response fields"));
        }
    }
    exchange_answer(exchange, 204, SLICE(""));
    return STAGE_RESPONDED;
}

static bool is_answered_preflight(const struct exchange *exchange)
{
    return exchange->route != NULL && exchange_policy(exchange)->cors != NULL &&
           cors_is_preflight(exchange->request.method, &exchange->input.headers);
}

static enum stage_verdict answer_locally(struct exchange *exchange)
{
    if (exchange->listener_settings->redirect_to_https) {
        return redirect(exchange);
    }
    if (exchange->resource != NULL) {
        return resource_answer(exchange);
    }
    return is_answered_preflight(exchange) ? preflight(exchange) : STAGE_NEXT;
}

static void add_cors(struct exchange *exchange)
{
    if (exchange->route == NULL || exchange_policy(exchange)->cors == NULL ||
        is_answered_preflight(exchange)) {
        return;
    }
    if (!cors_decorate(exchange_policy(exchange)->cors, &exchange->input.headers, &exchange->arena,
                       &exchange->response.headers)) {
        metrics_add(exchange->worker->metrics, METRIC_STAGE_ERRORS, 1);
    }
}

/* Calls are no pages. */
static void add_secure_headers(struct exchange *exchange)
{
    const struct secure_headers_settings *settings =
        exchange->route != NULL && !exchange->is_grpc ? exchange_policy(exchange)->secure_headers : NULL;
    if (settings != NULL && !secure_headers_decorate(settings, exchange->stream->connection->is_tls,
                                                     &exchange->response.headers)) {
        metrics_add(exchange->worker->metrics, METRIC_STAGE_ERRORS, 1);
    }
}

static void decorate(struct exchange *exchange)
{
    add_cors(exchange);
    add_secure_headers(exchange);
}

const struct stage stage_local = {
    .name = "local",
    .on_request = answer_locally,
    .on_response = decorate,
};
