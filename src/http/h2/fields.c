#include "http/h2/fields.h"

#include "base/decimal.h"
#include "http/websocket.h"

#include <assert.h>

static uint8_t flags_of(enum header_id id, struct slice name)
{
    const uint8_t ours = NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE;
    switch (id) {
    case HEADER_AUTHORIZATION:
    case HEADER_COOKIE:
    case HEADER_DPOP:
    case HEADER_SET_COOKIE:
    case HEADER_LOCATION:
    case HEADER_RETRY_AFTER:
    case HEADER_TRACEPARENT:
    case HEADER_TRACESTATE:
    case HEADER_X_REQUEST_ID:
        return ours | NGHTTP2_NV_FLAG_NO_INDEX;
    case HEADER_OTHER:
        return slice_equal(name, SLICE("ratelimit")) || slice_equal(name, SLICE("etag"))
                   ? ours | NGHTTP2_NV_FLAG_NO_INDEX
                   : ours;
    default:
        return ours;
    }
}

struct writer {
    nghttp2_nv *item;
    char *text;
};

static struct slice put_text(struct writer *writer, struct slice text)
{
    char *at = writer->text;
    if (text.len > 0) {
        memcpy(at, text.ptr, text.len);
    }
    writer->text += text.len;
    return slice_of(at, text.len);
}

static void put_item(struct writer *writer, struct slice name, struct slice value, uint8_t flags)
{
    *writer->item++ = (nghttp2_nv){ (uint8_t *)name.ptr, (uint8_t *)value.ptr, name.len, value.len, flags };
}

/* Names are looked up again: a field must not frame the message because somebody gave it the wrong number. */
static bool put_field(struct writer *writer, const struct header *header)
{
    enum header_id id = header_id_of(header->name);
    if (id == HEADER_OTHER && websocket_is_http1_field(header->name)) {
        return true;
    }
    if ((id == HEADER_OTHER && !http_token_valid(header->name)) || !http_field_value_valid(header->value)) {
        return false;
    }
    if (header_is_of_frame(id) || id == HEADER_HOST) {
        return true;
    }
    struct slice name = header_name(id);
    if (id == HEADER_OTHER) {
        char *at = writer->text;
        for (size_t i = 0; i < header->name.len; i++) {
            at[i] = ascii_lower(header->name.ptr[i]);
        }
        writer->text += header->name.len;
        name = slice_of(at, header->name.len);
    }
    put_item(writer, name, put_text(writer, header->value), flags_of(id, name));
    return true;
}

/* Bytes that the text takes at the most. */
static size_t text_max(const struct h2_own_field *own, size_t own_count, const struct headers *headers)
{
    size_t size = DECIMAL_MAX;
    for (size_t i = 0; i < own_count; i++) {
        size += own[i].value.len;
    }
    for (size_t i = 0; headers != NULL && i < headers->count; i++) {
        size += headers->items[i].name.len + headers->items[i].value.len;
    }
    return size;
}

bool h2_write_fields(struct buffer *out, const struct h2_own_field *own, size_t own_count,
                     const struct headers *headers, const uint64_t *length, size_t *ret_count)
{
    size_t most = own_count + (headers != NULL ? headers->count : 0) + 1;
    size_t size = most * sizeof(nghttp2_nv) + text_max(own, own_count, headers);
    buffer_clear(out);
    if (!buffer_reserve(out, size)) {
        return false;
    }
    nghttp2_nv *items = (nghttp2_nv *)(void *)out->data;
    struct writer writer = { items, out->data + most * sizeof(nghttp2_nv) };
    for (size_t i = 0; i < own_count; i++) {
        put_item(&writer, own[i].name, put_text(&writer, own[i].value),
                 NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE);
    }
    if (length != NULL) {
        char *at = writer.text;
        writer.text = decimal_put(at, *length);
        put_item(&writer, header_name(HEADER_CONTENT_LENGTH), slice_of(at, (size_t)(writer.text - at)),
                 flags_of(HEADER_CONTENT_LENGTH, SLICE("")));
    }
    for (size_t i = 0; headers != NULL && i < headers->count; i++) {
        if (!put_field(&writer, &headers->items[i])) {
            return false;
        }
    }
    *ret_count = (size_t)(writer.item - items);
    buffer_commit(out, (size_t)(writer.text - out->data));
    return true;
}

bool h2_write_response(struct buffer *out, const struct http_response *response, size_t *ret_count)
{
    unsigned int status = response->status;
    bool final = status >= 200 && status != 204;
    bool has_body = response->body == BODY_CHUNKED || response->body == BODY_CLOSE ||
                    (response->body == BODY_LENGTH && response->content_length > 0);
    if (status < 100 || status > 599 || status == 101 || (!final && has_body)) {
        return false;
    }
    const char digits[3] = { (char)('0' + status / 100), (char)('0' + status / 10 % 10),
                             (char)('0' + status % 10) };
    const struct h2_own_field status_field = { SLICE(":status"), slice_of(digits, sizeof digits) };
    const uint64_t *length = final && response->body == BODY_LENGTH ? &response->content_length : NULL;
    return h2_write_fields(out, &status_field, 1, &response->headers, length, ret_count);
}
