/* Does it ask to become a tunnel, and may it? Only where the route has tunnels: elsewhere Upgrade is a field like any other that is
 * not passed on, and what follows the request is the next one. */
#include "pipeline/stage.h"

#include "http/websocket.h"

/* Over HTTP/2 nothing else has the field. It is no ordinary request anywhere: its client takes any 2xx for a tunnel. */
static bool is_extended_connect(const struct http_request *request)
{
    return request->minor_version == 2 && headers_find(&request->headers, HEADER_UPGRADE) != NULL;
}

static enum stage_verdict check_handshake(struct exchange *exchange)
{
    const struct websocket_settings *settings = exchange_policy(exchange)->websocket;
    if (settings == NULL) {
        return is_extended_connect(&exchange->input)
                   ? stage_deny(exchange, DENY_METHOD_NOT_IMPLEMENTED, SLICE_NONE)
                   : STAGE_NEXT;
    }
    const char *why = NULL;
    switch (websocket_check_request(&exchange->input, &why)) {
    case WEBSOCKET_NOT_ASKED:
        return STAGE_NEXT;
    case WEBSOCKET_MALFORMED:
        return stage_deny(exchange, DENY_WEBSOCKET_HANDSHAKE, slice_from_string(why));
    case WEBSOCKET_VERSION:
        return stage_deny(exchange, DENY_WEBSOCKET_VERSION, SLICE_NONE);
    case WEBSOCKET_ASKED:
        break;
    }
    if (!websocket_origin_allowed(settings, &exchange->input.headers, exchange->request.host,
                                  exchange->request.port, exchange->stream->connection->is_tls,
                                  &exchange->arena)) {
        return stage_deny(exchange, DENY_WEBSOCKET_ORIGIN, SLICE_NONE);
    }
    exchange->asks_tunnel = true;
    return STAGE_NEXT;
}

const struct stage stage_tunnel = {
    .name = "tunnel",
    .on_request = check_handshake,
};
