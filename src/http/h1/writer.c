#include "http/h1/writer.h"

#include "base/decimal.h"
#include "http/bytes.h"

/* Bytes that the fields take at the most. */
static size_t fields_max(const struct headers *headers)
{
    size_t size = 0;
    for (size_t i = 0; headers != NULL && i < headers->count; i++) {
        size += headers->items[i].name.len + headers->items[i].value.len + sizeof ": \r\n" - 1;
    }
    return size;
}

/* Two moves that may overlap, for the lengths that nearly all names and values have: a call of memcpy for each would be a
 * good part of what a head costs. */
static inline char *put(char *at, struct slice text)
{
    size_t len = text.len;
    if (len >= 8 && len <= 16) {
        memcpy(at, text.ptr, 8);
        memcpy(at + len - 8, text.ptr + len - 8, 8);
    } else if (len > 16 && len <= 32) {
        memcpy(at, text.ptr, 16);
        memcpy(at + len - 16, text.ptr + len - 16, 16);
    } else if (len >= 4 && len < 8) {
        memcpy(at, text.ptr, 4);
        memcpy(at + len - 4, text.ptr + len - 4, 4);
    } else if (len > 0) {
        memcpy(at, text.ptr, len);
    }
    return at + len;
}

/* NULL where a field is not valid: then nothing is committed. Whatever made the list, a CR or LF in it must not become a
 * line of its own: that is response splitting, or a second request. Names are looked up again, for a field must not frame
 * the message because somebody gave it the wrong number. */
static char *put_fields(char *at, const struct headers *headers, bool request)
{
    for (size_t i = 0; headers != NULL && i < headers->count; i++) {
        const struct header *header = &headers->items[i];
        enum header_id id = header_id_of(header->name);
        /* A name that we know is a token. */
        if ((id == HEADER_OTHER && !http_token_valid(header->name)) ||
            !http_field_value_valid(header->value)) {
            return NULL;
        }
        if (!header_is_of_frame(id) && (id != HEADER_HOST || !request)) {
            at = put(at, header->name);
            at = put(at, SLICE(": "));
            at = put(at, header->value);
            at = put(at, SLICE("\r\n"));
        }
    }
    return at;
}

/* The longest that put_framing writes. */
#define FRAMING_MAX                                                                                         \
    (sizeof "Content-Length: \r\nConnection: keep-alive\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" + \
     DECIMAL_MAX)

static char *put_framing(char *at, const struct h1_framing *framing, bool may_have_body)
{
    if (may_have_body && framing->body == BODY_LENGTH) {
        at = put(at, SLICE("Content-Length: "));
        at = decimal_put(at, framing->content_length);
        at = put(at, SLICE("\r\n"));
    } else if (may_have_body && framing->body == BODY_CHUNKED) {
        at = put(at, SLICE("Transfer-Encoding: chunked\r\n"));
    }
    if (framing->close) {
        at = put(at, SLICE("Connection: close\r\n"));
    } else if (framing->keep_alive) {
        at = put(at, SLICE("Connection: keep-alive\r\n"));
    }
    if (framing->upgrade) {
        at = put(at, SLICE("Upgrade: websocket\r\nConnection: Upgrade\r\n"));
    }
    return at;
}

/* Ends the head at `at` and makes it part of the buffer; false for the NULL of put_fields. */
static bool commit(struct buffer *out, char *at)
{
    if (at == NULL) {
        return false;
    }
    at = put(at, SLICE("\r\n"));
    buffer_commit(out, (size_t)(at - (out->data + out->end)));
    return true;
}

bool h1_write_request(struct buffer *out, struct slice method, struct slice target, struct slice host,
                      const struct headers *headers, const struct h1_framing *framing)
{
    if (!http_token_valid(method) || !http_all(target, HTTP_BYTE_VISIBLE) ||
        !http_all(host, HTTP_BYTE_VISIBLE) || framing->body == BODY_CLOSE || framing->body == BODY_TUNNEL) {
        return false;
    }
    size_t size = method.len + target.len + host.len + fields_max(headers) + FRAMING_MAX +
                  sizeof "  HTTP/1.1\r\nHost: \r\n\r\n";
    if (!buffer_reserve(out, size)) {
        return false;
    }
    char *at = out->data + out->end;
    at = put(at, method);
    at = put(at, SLICE(" "));
    at = put(at, target);
    at = put(at, SLICE(" HTTP/1.1\r\nHost: "));
    at = put(at, host);
    at = put(at, SLICE("\r\n"));
    at = put_framing(at, framing, true);
    return commit(out, put_fields(at, headers, true));
}

/* The status line at the end of the buffer, with room for all that follows it; NULL where there is none. */
static char *begin_response(struct buffer *out, unsigned int status, const struct headers *headers)
{
    struct slice phrase = http_reason_phrase(status);
    if (!buffer_reserve(out, phrase.len + fields_max(headers) + FRAMING_MAX + DECIMAL_MAX +
                                 sizeof "HTTP/1.1  \r\n\r\n")) {
        return NULL;
    }
    char *at = put(out->data + out->end, SLICE("HTTP/1.1 "));
    at = decimal_put(at, status);
    at = put(at, SLICE(" "));
    at = put(at, phrase);
    return put(at, SLICE("\r\n"));
}

bool h1_write_response(struct buffer *out, unsigned int status, const struct headers *headers,
                       const struct h1_framing *framing)
{
    bool may_have_body = status != 204;
    bool has_body = framing->body == BODY_CHUNKED || framing->body == BODY_CLOSE ||
                    (framing->body == BODY_LENGTH && framing->content_length > 0);
    bool final = framing->body == BODY_TUNNEL ? status == 101 : status >= 200 && status <= 599;
    if (!final || (!may_have_body && has_body)) {
        return false;
    }
    char *at = begin_response(out, status, headers);
    if (at == NULL) {
        return false;
    }
    at = put_framing(at, framing, may_have_body);
    return commit(out, put_fields(at, headers, false));
}

bool h1_write_informational(struct buffer *out, unsigned int status, const struct headers *headers)
{
    if (status < 100 || status > 199) {
        return false;
    }
    char *at = begin_response(out, status, headers);
    return at != NULL && commit(out, put_fields(at, headers, false));
}

size_t h1_chunk_header(uint64_t size, char *out)
{
    static const char digits[] = "0123456789abcdef";
    size_t length = 0;
    int shift = 60;
    while (shift > 0 && size >> shift == 0) {
        shift -= 4;
    }
    for (; shift >= 0; shift -= 4) {
        out[length++] = digits[(size >> shift) & 15];
    }
    out[length++] = '\r';
    out[length++] = '\n';
    return length;
}

bool h1_write_last_chunk(struct buffer *out, const struct headers *trailers)
{
    if (!buffer_reserve(out, fields_max(trailers) + sizeof "0\r\n\r\n")) {
        return false;
    }
    char *at = put(out->data + out->end, SLICE("0\r\n"));
    return commit(out, put_fields(at, trailers, true));
}
