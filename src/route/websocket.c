#include "route/websocket.h"

#include "base/clock.h"
#include "route/cors.h"
#include "route/origin.h"

static const struct conf_field websocket_fields[] = {
    { .name = "origins",
      .type = CONF_STRINGS,
      .flags = CONF_TYPICAL | CONF_SUBSET,
      .offset = offsetof(struct websocket_settings, origins),
      .example = "[https://shop.example.com]",
      .help = "Origins, besides that of the request's own host, whose pages may open one, exactly as "
              "browsers send them, or "
              "\"*\"." },
    { .name = "idle_timeout",
      .type = CONF_DURATION,
      .flags = CONF_LOWER,
      .offset = offsetof(struct websocket_settings, idle_timeout),
      .standard = "5m",
      .minimum = 100 * NS_PER_MS,
      .maximum = 86400 * NS_PER_S,
      .help = "How long nothing may pass either way." },
    { 0 },
};

const struct conf_object websocket_object = {
    .name = "websocket",
    .size = sizeof(struct websocket_settings),
    .fields = websocket_fields,
    .sequence = "origins",
    .help = "Makes WebSocket connections of handshakes (RFC 6455). Without it Upgrade is removed, and a "
            "handshake is an ordinary "
            "request.",
};

bool websocket_origin_allowed(const struct websocket_settings *settings, const struct headers *request,
                              struct slice host, uint16_t port, bool is_tls, struct arena *arena)
{
    size_t count = headers_count(request, HEADER_ORIGIN);
    if (count == 0 || conf_strings_contain(&settings->origins, SLICE("*"))) {
        return true;
    }
    struct slice origin = headers_find(request, HEADER_ORIGIN)->value;
    if (count > 1 || slice_equal(origin, SLICE("null"))) {
        return false;
    }
    const struct origin_request page = { .headers = request, .host = host, .port = port, .is_tls = is_tls };
    return conf_strings_contain(&settings->origins, origin) || origin_is_own(&page, origin, arena);
}

const char *websocket_check_settings(const struct websocket_settings *settings)
{
    for (size_t i = 0; i < settings->origins.count; i++) {
        struct slice origin = settings->origins.items[i];
        const char *problem = slice_equal(origin, SLICE("*")) ? NULL : cors_origin_problem(origin);
        if (problem != NULL) {
            return problem;
        }
    }
    return NULL;
}
