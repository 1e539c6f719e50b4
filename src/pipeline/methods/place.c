/* Where the methods that read a request find their credential in it. */
#include "pipeline/method.h"

#include "route/origin.h"

/* A browser sends a cookie whatever page asks it to: that it is there says nothing of who wants this done. */
static bool may_use_cookie(struct exchange *exchange)
{
    const struct route_policy *policy = exchange_policy(exchange);
    const struct origin_request request = {
        .headers = &exchange->input.headers,
        .method = exchange->request.method,
        .host = exchange->request.host,
        .port = exchange->request.port,
        .is_tls = exchange->stream->connection->is_tls,
    };
    return origin_may_use_cookie(&request, policy->cors, exchange->asks_tunnel ? policy->websocket : NULL,
                                 &exchange->arena);
}

enum deny_reason method_find(struct exchange *exchange, const struct auth_use *use,
                             struct credential *ret_credential)
{
    enum deny_reason reason =
        credential_find(&use->places, &exchange->input.headers, exchange->request.query, ret_credential);
    if (reason != DENY_NONE || ret_credential->place == NULL) {
        return reason;
    }
    exchange->is_private = exchange->is_private || ret_credential->place->kind == AUTH_PLACE_QUERY;
    return ret_credential->place->kind != AUTH_PLACE_COOKIE || may_use_cookie(exchange) ? DENY_NONE
                                                                                        : DENY_COOKIE_ORIGIN;
}
