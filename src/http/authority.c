/* Host and port of uri.h: one spelling of each host, so that two readers and two rules see the same one. */
#include <arpa/inet.h>
#include <stdio.h>

#include "base/limits.h"
#include "http/bytes.h"
#include "http/uri.h"

#define LABEL_MAX       63 /* RFC 1035 section 2.3.4 */
#define IPV6_GROUPS     8
#define PORT_DIGITS_MAX 5

/* ":" [ digits ]; nothing behind the colon is no port (RFC 3986 section 3.2.3). */
static bool parse_port(struct slice text, uint16_t *ret_port)
{
    uint64_t port = 0;
    if (text.len > 1 && (text.len > PORT_DIGITS_MAX + 1 || !slice_to_u64(slice_from(text, 1), &port) ||
                         port == 0 || port > UINT16_MAX)) {
        return false;
    }
    if (text.len > 0 && text.ptr[0] != ':') {
        return false;
    }
    *ret_port = (uint16_t)port;
    return true;
}

/* The longest run of at least two zero groups, the first of the longest (RFC 5952 section 4.2). */
static void find_zeros(const uint16_t groups[IPV6_GROUPS], int *ret_begin, int *ret_end)
{
    *ret_begin = *ret_end = -1;
    for (int i = 0; i < IPV6_GROUPS; i++) {
        int end = i;
        while (end < IPV6_GROUPS && groups[end] == 0) {
            end++;
        }
        if (end - i >= 2 && end - i > *ret_end - *ret_begin) {
            *ret_begin = i;
            *ret_end = end;
        }
        i = end > i ? end - 1 : i;
    }
}

static size_t put_group(uint16_t group, char *out)
{
    size_t length = 0;
    for (int shift = 12; shift >= 0; shift -= 4) {
        if (length > 0 || shift == 0 || group >> shift != 0) {
            out[length++] = "0123456789abcdef"[(group >> shift) & 15];
        }
    }
    return length;
}

/* Lower case, zeros left out, no dotted quad: never longer than "[...]" of any other spelling. */
static size_t put_ipv6(const unsigned char bytes[16], char *out)
{
    uint16_t groups[IPV6_GROUPS];
    for (int i = 0; i < IPV6_GROUPS; i++) {
        groups[i] = (uint16_t)(bytes[2 * i] << 8 | bytes[2 * i + 1]);
    }
    int zeros, zeros_end;
    find_zeros(groups, &zeros, &zeros_end);
    size_t length = 0;
    for (int i = 0; i < IPV6_GROUPS; i++) {
        if (i == zeros) {
            out[length++] = ':';
            out[length++] = ':';
            i = zeros_end - 1;
            continue;
        }
        if (i > 0 && i != zeros_end) {
            out[length++] = ':';
        }
        length += put_group(groups[i], out + length);
    }
    return length;
}

static enum uri_result parse_ipv6(struct slice text, char *out, struct uri_authority *ret_authority)
{
    ssize_t end = slice_find(text, ']');
    char address[INET6_ADDRSTRLEN];
    unsigned char bytes[16];
    uint16_t port;
    if (end < 2 || (size_t)end - 1 >= sizeof address) {
        return URI_BAD_HOST;
    }
    memcpy(address, text.ptr + 1, (size_t)end - 1);
    address[end - 1] = '\0';
    if (memchr(address, '\0', (size_t)end - 1) != NULL || inet_pton(AF_INET6, address, bytes) != 1 ||
        !parse_port(slice_from(text, (size_t)end + 1), &port)) {
        return URI_BAD_HOST;
    }
    *ret_authority = (struct uri_authority){ { out, put_ipv6(bytes, out) }, port, true };
    return URI_OK;
}

static bool all_digits(struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (!ascii_is_digit(text.ptr[i])) {
            return false;
        }
    }
    return text.len > 0;
}

/* Four numbers of 0 to 255 without leading zeros. */
static bool is_dotted_quad(struct slice host)
{
    struct slice part;
    int parts = 0;
    while (slice_next(&host, '.', &part)) {
        uint64_t value;
        if (part.len > 3 || (part.len > 1 && part.ptr[0] == '0') || !slice_to_u64(part, &value) ||
            value > 255) {
            return false;
        }
        parts++;
    }
    return parts == 4;
}

/* A host whose last label is a number is an IPv4 address to most resolvers: "127.1" and "2130706433" too. Only the one
 * plain spelling passes. */
static bool host_valid(struct slice host)
{
    struct slice rest = host, label = SLICE_NONE;
    while (slice_next(&rest, '.', &label)) {
        if (label.len == 0 || label.len > LABEL_MAX) {
            return false;
        }
    }
    return host.len <= HTTP_HOST_MAX && (!all_digits(label) || is_dotted_quad(host));
}

struct slice uri_authority_text(struct slice host, uint16_t port, struct arena *arena)
{
    bool is_ipv6 = slice_find(host, ':') >= 0;
    if (port == 0 && !is_ipv6) {
        return host;
    }
    char text[sizeof ":65535"] = "";
    int len = port != 0 ? snprintf(text, sizeof text, ":%u", (unsigned int)port) : 0;
    return ARENA_CONCAT(arena, is_ipv6 ? SLICE("[") : SLICE(""), host, is_ipv6 ? SLICE("]") : SLICE(""),
                        slice_of(text, (size_t)len));
}

enum uri_result uri_parse_authority(struct slice text, char *out, struct uri_authority *ret_authority)
{
    if (text.len > URI_AUTHORITY_MAX) {
        return URI_BAD_HOST;
    }
    if (text.len > 0 && text.ptr[0] == '[') {
        return parse_ipv6(text, out, ret_authority);
    }
    size_t end = http_skip(text.ptr, 0, text.len, HTTP_BYTE_HOST);
    uint16_t port;
    if (!parse_port(slice_from(text, end), &port)) {
        return URI_BAD_HOST;
    }
    struct slice host = { out, end };
    if (host.len > 1 && text.ptr[end - 1] == '.') {
        host.len--;
    }
    for (size_t i = 0; i < host.len; i++) {
        out[i] = ascii_lower(text.ptr[i]);
    }
    if (host.len == 0 || !host_valid(host)) {
        return URI_BAD_HOST;
    }
    *ret_authority = (struct uri_authority){ host, port, false };
    return URI_OK;
}
