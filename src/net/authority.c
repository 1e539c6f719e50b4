#include "net/authority.h"

const char *authority_parse_port(struct slice text, uint16_t *ret_port)
{
    uint64_t port;
    if (!slice_to_u64(text, &port) || port == 0 || port > 65535) {
        return "the port is not a number from 1 to 65535";
    }
    *ret_port = (uint16_t)port;
    return NULL;
}

const char *authority_split(struct slice authority, struct slice *ret_host, uint16_t *ret_port)
{
    ssize_t colon;
    if (slice_starts_with(authority, SLICE("["))) {
        ssize_t bracket = slice_find(authority, ']');
        if (bracket < 0) {
            return "the address has no closing bracket";
        }
        *ret_host = slice_part(authority, 0, (size_t)bracket + 1);
        struct slice rest = slice_from(authority, (size_t)bracket + 1);
        if (rest.len == 0) {
            return NULL;
        }
        return rest.ptr[0] == ':' ? authority_parse_port(slice_from(rest, 1), ret_port)
                                  : "there is text behind the address";
    }
    colon = slice_find(authority, ':');
    *ret_host = colon < 0 ? authority : slice_part(authority, 0, (size_t)colon);
    return colon < 0 ? NULL : authority_parse_port(slice_from(authority, (size_t)colon + 1), ret_port);
}
