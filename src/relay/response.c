#include "relay/names.h"
#include "relay/relay.h"

bool relay_build_response(const struct http_response *response, bool hide_upstream, struct headers *out)
{
    const unsigned int dropped = NAME_HOP | NAME_RESPONSE | (hide_upstream ? NAME_BANNER : 0);
    struct connection_names connection;
    if (!connection_names_of(&response->headers, &connection)) {
        return false;
    }
    for (size_t i = 0; i < response->headers.count; i++) {
        const struct header *header = &response->headers.items[i];
        /* Expect and Host mean nothing here, and go with the other hop-by-hop fields. */
        if ((name_classes(header->id, header->name) & dropped) != 0 ||
            connection_names_hold(&connection, header->name)) {
            continue;
        }
        if (!headers_add(out, header->id, header->name, header->value)) {
            return false;
        }
    }
    return true;
}

bool relay_build_trailers(const struct headers *trailers, const struct conf_strings *identity_headers,
                          struct headers *out)
{
    for (size_t i = 0; i < trailers->count; i++) {
        const struct header *header = &trailers->items[i];
        unsigned int classes = name_classes(header->id, header->name);
        if ((classes & (NAME_DROPPED_FROM_REQUEST | NAME_RESPONSE | NAME_NO_TRAILER)) != 0 ||
            slice_find(header->name, '_') >= 0 || name_is_among(header->name, identity_headers)) {
            continue;
        }
        if (!headers_add(out, header->id, header->name, header->value)) {
            return false;
        }
    }
    return true;
}
