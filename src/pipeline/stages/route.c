/* Which route: everything that follows is its policy. */
#include "pipeline/blocks.h"
#include "pipeline/stage.h"

#include "pipeline/resources.h"
#include "route/cors.h"

/* The policy of the handshake must be the policy of the host: else a client could shake hands under a lax host's rules and
 * then ask for a strict one's (RFC 9110 section 7.4, CVE-2022-23632). */
static bool is_misdirected(const struct exchange *exchange)
{
    const struct http_connection_facts *facts = exchange->stream->connection;
    if (!facts->is_tls) {
        return false;
    }
    const struct tls_server *tls = exchange->snapshot->tls[exchange->listener_settings->index];
    uint64_t policy = tls != NULL ? tls_policy_of_host(tls, exchange->request.host) : TLS_POLICY_NONE;
    return policy == TLS_POLICY_NONE || policy != facts->tls.policy;
}

/* A page whose own name was made to lead to the admin API sends that name (DNS rebinding): whatever the connection is, it is nobody's
 * whom this listener is for. */
static bool is_rebound(const struct exchange *exchange)
{
    const struct listener_settings *listener = exchange->listener_settings;
    return listener->admin &&
           !route_serves_host(exchange->snapshot->snapshot->table, listener->index, exchange->request.host);
}

static void find(struct exchange *exchange, enum http_method method, struct slice method_text,
                 const struct headers *headers)
{
    const struct route_facts facts = {
        .headers = headers,
        .query = exchange->request.query,
        .client = &exchange->client,
        .now = exchange->worker->loop.now_real,
    };
    route_find(exchange->snapshot->snapshot->table, exchange->listener_settings->index,
               exchange->request.host, exchange->request.path, method, method_text, &facts, &exchange->match);
}

static bool has_cors(const struct exchange *exchange)
{
    const struct route *route = &exchange->snapshot->snapshot->routes[exchange->match.id];
    return exchange->match.outcome == ROUTE_FOUND && route->settings->policy.cors != NULL;
}

/* A preflight asks about another method: its route is that method's, where that has CORS. */
static void find_route(struct exchange *exchange)
{
    const struct headers *headers = &exchange->input.headers;
    if (cors_is_preflight(exchange->request.method, headers)) {
        struct slice asked = headers_find(headers, HEADER_ACCESS_CONTROL_REQUEST_METHOD)->value;
        find(exchange, http_method_of(asked), asked, NULL);
        if (has_cors(exchange)) {
            return;
        }
    }
    find(exchange, exchange->request.method, exchange->request.method_text, headers);
}

static enum stage_verdict deny_outcome(struct exchange *exchange)
{
    switch (exchange->match.outcome) {
    case ROUTE_NO_METHOD:
        return stage_deny(exchange, DENY_METHOD_NOT_ALLOWED, SLICE_NONE);
    case ROUTE_NO_HOST:
        if (exchange->stream->connection->is_tls) {
            return stage_deny(exchange, DENY_MISDIRECTED, SLICE("no route of this listener names the host"));
        }
        return stage_deny(exchange, DENY_NO_ROUTE, SLICE("host"));
    case ROUTE_NO_CONDITION:
        return stage_deny(exchange, DENY_NO_ROUTE, SLICE("conditions"));
    default:
        return stage_deny(exchange, DENY_NO_ROUTE, SLICE("path"));
    }
}

static enum stage_verdict find_policy(struct exchange *exchange)
{
    if (exchange->listener_settings->redirect_to_https) {
        return STAGE_NEXT; /* it has no routes: stage_local answers all */
    }
    if (is_rebound(exchange)) {
        return stage_deny(exchange, DENY_ADMIN_HOST, SLICE_NONE);
    }
    if (is_misdirected(exchange)) {
        return stage_deny(exchange, DENY_MISDIRECTED, SLICE("the handshake was made under another policy"));
    }
    if (exchange->request.is_asterisk) {
        return stage_deny(exchange, DENY_NO_ROUTE, SLICE("OPTIONS *"));
    }
    if (resource_is_asked(exchange)) {
        return STAGE_NEXT; /* stage_local answers */
    }
    find_route(exchange);
    /* What a path needs is refused unless the route allows it by name; so it is where there is no route. */
    unsigned int allowed = 0;
    if (exchange->match.outcome == ROUTE_FOUND) {
        exchange->route = &exchange->snapshot->snapshot->routes[exchange->match.id];
        allowed = (unsigned int)exchange_policy(exchange)->path_allows;
    }
    if ((exchange->path_needs & ~allowed) != 0) {
        return stage_deny(exchange, DENY_BAD_PATH,
                          SLICE("an encoded slash or a parameter that the route does not allow"));
    }
    if (exchange->route == NULL) {
        return deny_outcome(exchange);
    }
    enum deny_reason reason = blocks_of_route(exchange);
    return reason == DENY_NONE ? STAGE_NEXT : stage_deny(exchange, reason, exchange->detail);
}

const struct stage stage_route = {
    .name = "route",
    .on_request = find_policy,
};
