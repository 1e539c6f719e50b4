#include "http/bytes.h"
#include "http/h1/lines.h"

#define VERSION_LENGTH 8 /* "HTTP/1.1" */

/* The minor version, or -1. A version above 1.1 is refused rather than read as 1.1: nobody speaks one, and who claims to
 * may frame by rules that we do not know. */
static int minor_version_of(struct slice text)
{
    if (text.len != VERSION_LENGTH || memcmp(text.ptr, "HTTP/1.", VERSION_LENGTH - 1) != 0) {
        return -1;
    }
    char minor = text.ptr[VERSION_LENGTH - 1];
    return minor == '0' || minor == '1' ? minor - '0' : -1;
}

enum h1_failure h1_request_line(struct h1_parser *parser, const char *data, struct h1_span line)
{
    size_t begin = line.offset, end = begin + line.length;
    size_t method_end = http_skip(data, begin, end, HTTP_BYTE_TOKEN);
    if (method_end == begin) {
        return H1_BAD_REQUEST_LINE;
    }
    if (method_end == end) {
        return H1_BAD_REQUEST_LINE; /* HTTP/0.9, or no HTTP at all */
    }
    if (data[method_end] != ' ' || method_end - begin > HTTP_METHOD_MAX) {
        return H1_BAD_METHOD;
    }
    size_t target = method_end + 1;
    size_t target_end = http_skip(data, target, end, HTTP_BYTE_VISIBLE);
    if (target_end == target || target_end == end) {
        return H1_BAD_REQUEST_LINE;
    }
    if (data[target_end] != ' ') {
        return H1_BAD_TARGET;
    }
    if (target_end - target > parser->limits.target_max) {
        return H1_TARGET_TOO_LONG;
    }
    struct slice version = { data + target_end + 1, end - target_end - 1 };
    int minor = minor_version_of(version);
    if (minor < 0) {
        return slice_find(version, ' ') >= 0 ? H1_BAD_REQUEST_LINE : H1_BAD_VERSION;
    }
    parser->method = (struct h1_span){ (uint32_t)begin, (uint32_t)(method_end - begin) };
    parser->target = (struct h1_span){ (uint32_t)target, (uint32_t)(target_end - target) };
    parser->minor_version = minor;
    return H1_OK;
}

enum h1_failure h1_status_line(struct h1_parser *parser, const char *data, struct h1_span line)
{
    struct slice text = h1_span_slice(data, line);
    if (!slice_starts_with(text, SLICE("HTTP/")) || text.len < VERSION_LENGTH) {
        return H1_BAD_STATUS_LINE;
    }
    int minor = minor_version_of(slice_part(text, 0, VERSION_LENGTH));
    if (minor < 0) {
        return H1_BAD_VERSION;
    }
    struct slice rest = slice_from(text, VERSION_LENGTH);
    if (rest.len < 4 || rest.ptr[0] != ' ' || !ascii_is_digit(rest.ptr[1]) || !ascii_is_digit(rest.ptr[2]) ||
        !ascii_is_digit(rest.ptr[3]) || (rest.len > 4 && rest.ptr[4] != ' ')) {
        return H1_BAD_STATUS_LINE;
    }
    unsigned int status = (unsigned int)(rest.ptr[1] - '0') * 100 + (unsigned int)(rest.ptr[2] - '0') * 10 +
                          (unsigned int)(rest.ptr[3] - '0');
    if (status < 100 || status > 599) {
        return H1_BAD_STATUS_LINE;
    }
    uint32_t reason = rest.len > 4 ? VERSION_LENGTH + 5 : VERSION_LENGTH + 4;
    parser->reason = (struct h1_span){ line.offset + reason, line.length - reason };
    parser->minor_version = minor;
    parser->status = status;
    return H1_OK;
}
