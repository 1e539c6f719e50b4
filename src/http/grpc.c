#include "http/grpc.h"

static bool is_grpc_type(struct slice type)
{
    struct slice known = SLICE("application/grpc");
    if (type.len < known.len || !slice_equal_nocase(slice_part(type, 0, known.len), known)) {
        return false;
    }
    struct slice rest = slice_trim(slice_from(type, known.len));
    return rest.len == 0 || rest.ptr[0] == ';' || type.ptr[known.len] == '+';
}

bool grpc_is_call(const struct http_request *request)
{
    if (request->minor_version != 2 || request->method != METHOD_POST) {
        return false;
    }
    const struct header *found = NULL;
    for (size_t i = 0; i < request->headers.count; i++) {
        const struct header *header = &request->headers.items[i];
        if (header->id == HEADER_CONTENT_TYPE) {
            if (found != NULL) {
                return false;
            }
            found = header;
        }
    }
    return found != NULL && is_grpc_type(found->value);
}
