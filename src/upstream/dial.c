#include "upstream/dial.h"

static socklen_t way_to(const struct upstream_endpoint *endpoint, const struct address *address,
                        struct sockaddr_storage *out)
{
    if (endpoint->path.len > 0) {
        return address_path_to_sockaddr(endpoint->path, out);
    }
    struct address at = *address;
    at.port = endpoint->port;
    return address_to_sockaddr(&at, out);
}

struct error upstream_dial(const struct guard *guard, const struct upstream_endpoint *endpoint,
                           const struct address *address, const struct http_client_settings *settings,
                           struct http_client **ret_client)
{
    const char *forbidden = guard_forbids(guard, endpoint, address);
    if (forbidden != NULL) {
        return FAIL(ERROR_VALUE, forbidden);
    }
    struct sockaddr_storage way;
    socklen_t size = way_to(endpoint, address, &way);
    return http_client_open(settings, (struct sockaddr *)&way, size, ret_client);
}
