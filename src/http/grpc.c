#include "http/grpc.h"

#include "base/clock.h"

#define DIGITS_MAX    8
#define BELOW_NUMBERS 100000000 /* what 8 digits cannot write */

/* Finest first. */
static const struct {
    char letter;
    int64_t ns;
} units[] = {
    { 'n', 1 },        { 'u', NS_PER_US },     { 'm', NS_PER_MS },
    { 'S', NS_PER_S }, { 'M', 60 * NS_PER_S }, { 'H', 3600 * NS_PER_S },
};
#define UNITS (sizeof units / sizeof units[0])

bool grpc_is_type(struct slice type)
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
    return found != NULL && grpc_is_type(found->value);
}

/* 1 to 8 digits, nothing else. */
static bool read_digits(struct slice text, int32_t *ret_number)
{
    int32_t number = 0;
    if (text.len == 0 || text.len > DIGITS_MAX) {
        return false;
    }
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9') {
            return false;
        }
        number = number * 10 + (text.ptr[i] - '0');
    }
    *ret_number = number;
    return true;
}

bool grpc_timeout_parse(struct slice text, int64_t *ret_ns)
{
    int32_t number;
    if (text.len == 0 || !read_digits(slice_part(text, 0, text.len - 1), &number)) {
        return false;
    }
    for (size_t i = 0; i < UNITS; i++) {
        if (units[i].letter == text.ptr[text.len - 1]) {
            *ret_ns = number > GRPC_TIMEOUT_MAX / units[i].ns ? GRPC_TIMEOUT_MAX : number * units[i].ns;
            return true;
        }
    }
    return false;
}

const char *grpc_timeout_of(const struct headers *headers, int64_t *ret_ns)
{
    static const struct slice name = SLICE_INIT("grpc-timeout");
    const struct header *found = NULL;
    for (size_t i = 0; i < headers->count; i++) {
        const struct header *header = &headers->items[i];
        if (header->id != HEADER_OTHER || !slice_equal_nocase(header->name, name)) {
            continue;
        }
        if (found != NULL) {
            return "it stands there more than once";
        }
        found = header;
    }
    if (found == NULL) {
        *ret_ns = GRPC_NO_TIMEOUT;
        return NULL;
    }
    return grpc_timeout_parse(found->value, ret_ns) ? NULL
                                                    : "1 to 8 digits and one of H M S m u n are wanted";
}

struct slice grpc_timeout_text(int64_t ns, char out[GRPC_TIMEOUT_SIZE])
{
    size_t unit = 0;
    while (unit + 1 < UNITS && ns / units[unit].ns >= BELOW_NUMBERS) {
        unit++;
    }
    char *end = decimal_put(out, (uint64_t)(ns / units[unit].ns));
    *end++ = units[unit].letter;
    return slice_of(out, (size_t)(end - out));
}

int32_t grpc_status_of(const struct headers *fields)
{
    const struct header *field = headers_find_name(fields, SLICE("grpc-status"));
    int32_t number = GRPC_NO_STATUS;
    return field != NULL && read_digits(field->value, &number) ? number : GRPC_NO_STATUS;
}
