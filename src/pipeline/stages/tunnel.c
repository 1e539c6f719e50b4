/* Does it ask to become a tunnel, and may it? Only where the route has tunnels: elsewhere Upgrade is a field like any other that is
 * not passed on, and what follows the request is the next one. */
#include "pipeline/stage.h"

#include "http/websocket.h"

static enum stage_verdict check_handshake(struct exchange *exchange)
{
    const struct websocket_settings *settings = exchange_policy(exchange)->websocket;
    if (settings == NULL) {
        return STAGE_NEXT;
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
