#include "base/encoding.h"
#include "http/bytes.h"
#include "http/h1/lines.h"

enum {
    AT_SIZE,
    AT_EXTENSION_NAME_FIRST,
    AT_EXTENSION_NAME,
    AT_EXTENSION_VALUE_FIRST,
    AT_EXTENSION_TOKEN,
    AT_EXTENSION_QUOTED,
    AT_EXTENSION_ESCAPED,
    AT_EXTENSION_QUOTE_CLOSED,
    AT_SIZE_LF,
    AT_DATA,
    AT_DATA_CR,
    AT_DATA_LF,
    AT_TRAILERS,
    AT_END,
};

#define CHUNK_DIGITS_MAX 16

void h1_chunked_init(struct h1_chunked *chunked)
{
    *chunked = (struct h1_chunked){ .state = AT_SIZE };
}

static enum h1_failure on_size_byte(struct h1_chunked *chunked, char c)
{
    int digit = hex_digit(c);
    if (digit >= 0) {
        /* 63 bits: so that no sum of sizes that fit overflows a signed counter. */
        if (++chunked->digits > CHUNK_DIGITS_MAX || chunked->left > (INT64_MAX >> 4)) {
            return H1_BAD_CHUNK_SIZE;
        }
        chunked->left = chunked->left << 4 | (unsigned int)digit;
        return H1_OK;
    }
    if (chunked->digits == 0) {
        return H1_BAD_CHUNK_SIZE;
    }
    if (c == ';') {
        chunked->state = AT_EXTENSION_NAME_FIRST;
        return H1_OK;
    }
    if (c == '\r') {
        chunked->state = AT_SIZE_LF;
        return H1_OK;
    }
    return H1_BAD_CHUNK_SIZE;
}

/* Between two extensions, or behind the last one. */
static enum h1_failure on_extension_end(struct h1_chunked *chunked, char c)
{
    if (c == ';') {
        chunked->state = AT_EXTENSION_NAME_FIRST;
        return H1_OK;
    }
    if (c == '\r') {
        chunked->state = AT_SIZE_LF;
        return H1_OK;
    }
    return H1_BAD_CHUNK_EXTENSION;
}

/* chunk-ext = *( ";" token [ "=" ( token / quoted-string ) ] ). A reader that skips extensions unseen takes a bare LF or a
 * quote in them for something else than we do: so they are read by their grammar. */
static enum h1_failure on_extension_byte(struct h1_chunked *chunked, char c)
{
    bool token = http_byte_is(c, HTTP_BYTE_TOKEN);
    switch (chunked->state) {
    case AT_EXTENSION_NAME_FIRST:
        chunked->state = AT_EXTENSION_NAME;
        return token ? H1_OK : H1_BAD_CHUNK_EXTENSION;
    case AT_EXTENSION_NAME:
        if (c == '=') {
            chunked->state = AT_EXTENSION_VALUE_FIRST;
            return H1_OK;
        }
        return token ? H1_OK : on_extension_end(chunked, c);
    case AT_EXTENSION_VALUE_FIRST:
        chunked->state = c == '"' ? AT_EXTENSION_QUOTED : AT_EXTENSION_TOKEN;
        return token || c == '"' ? H1_OK : H1_BAD_CHUNK_EXTENSION;
    case AT_EXTENSION_TOKEN:
        return token ? H1_OK : on_extension_end(chunked, c);
    case AT_EXTENSION_QUOTED:
        if (c == '"' || c == '\\') {
            chunked->state = c == '"' ? AT_EXTENSION_QUOTE_CLOSED : AT_EXTENSION_ESCAPED;
            return H1_OK;
        }
        return http_byte_is(c, HTTP_BYTE_QUOTED) ? H1_OK : H1_BAD_CHUNK_EXTENSION;
    case AT_EXTENSION_ESCAPED:
        chunked->state = AT_EXTENSION_QUOTED;
        return http_byte_is(c, HTTP_BYTE_TEXT) ? H1_OK : H1_BAD_CHUNK_EXTENSION;
    default:
        return on_extension_end(chunked, c);
    }
}

static enum h1_failure on_size_lf(struct h1_chunked *chunked, char c)
{
    if (c != '\n') {
        return chunked->line_length > chunked->digits + 1 ? H1_BAD_CHUNK_EXTENSION : H1_BAD_CHUNK_SIZE;
    }
    chunked->state = chunked->left > 0 ? AT_DATA : AT_TRAILERS;
    chunked->digits = 0;
    chunked->line_length = chunked->line_start = 0;
    return H1_OK;
}

static enum h1_failure on_size_line_byte(struct h1_chunked *chunked, char c)
{
    if (chunked->state == AT_SIZE_LF) {
        return on_size_lf(chunked, c);
    }
    chunked->line_length++;
    if (chunked->state == AT_SIZE) {
        return on_size_byte(chunked, c);
    }
    if (chunked->line_length > HTTP_CHUNK_LINE_MAX ||
        ++chunked->extension_bytes > HTTP_CHUNK_EXTENSIONS_MAX) {
        return H1_BAD_CHUNK_EXTENSION;
    }
    return on_extension_byte(chunked, c);
}

/* CRLF behind the data of a chunk. Nothing else may stand there: a reader that skipped it would be led to another size. */
static enum h1_failure on_data_end_byte(struct h1_chunked *chunked, char c)
{
    bool at_cr = chunked->state == AT_DATA_CR;
    chunked->state = at_cr ? AT_DATA_LF : AT_SIZE;
    return c == (at_cr ? '\r' : '\n') ? H1_OK : H1_BAD_CHUNK_END;
}

/* Looks at the trailer section, whose first byte is data[0], from where it stood. */
static enum h1_result parse_trailer_section(struct h1_chunked *chunked, const char *data, size_t size,
                                            size_t *ret_length)
{
    size_t end = size < HTTP_TRAILERS_MAX ? size : HTTP_TRAILERS_MAX;
    size_t at = chunked->line_length;
    for (;;) {
        at = http_find_control(data, at, end);
        if (at >= end || (data[at] == '\r' && at + 1 == end)) {
            chunked->line_length = (uint32_t)at;
            return end < HTTP_TRAILERS_MAX ? H1_PARTIAL : H1_FAILED;
        }
        if (data[at] != '\r' || data[at + 1] != '\n') {
            return H1_FAILED;
        }
        struct h1_span line = { chunked->line_start, (uint32_t)at - chunked->line_start };
        at += 2;
        chunked->line_start = (uint32_t)at;
        if (line.length == 0) {
            *ret_length = at;
            return H1_DONE;
        }
        struct h1_field field;
        if (h1_split_field(data, line, &field) != H1_OK) {
            return H1_FAILED;
        }
    }
}

static enum h1_result fail(struct h1_chunked *chunked, enum h1_failure failure)
{
    chunked->failure = failure;
    return H1_FAILED;
}

/* Consumes bytes of size lines and chunk ends until data or trailers begin, or none are left. */
static enum h1_failure skip_framing(struct h1_chunked *chunked, const char *data, size_t size, size_t *ret_at)
{
    size_t at = 0;
    enum h1_failure failure = H1_OK;
    while (at < size && failure == H1_OK && chunked->state != AT_DATA && chunked->state != AT_TRAILERS) {
        bool in_line = chunked->state < AT_DATA;
        failure = in_line ? on_size_line_byte(chunked, data[at]) : on_data_end_byte(chunked, data[at]);
        at++;
    }
    *ret_at = at;
    return failure;
}

enum h1_result h1_chunked_parse(struct h1_chunked *chunked, const char *data, size_t size,
                                size_t *ret_consumed, struct slice *ret_data, struct slice *ret_trailers)
{
    *ret_consumed = 0;
    *ret_data = *ret_trailers = SLICE_NONE;
    if (chunked->failure != H1_OK || chunked->state == AT_END) {
        return chunked->failure != H1_OK ? H1_FAILED : H1_DONE;
    }
    size_t at;
    enum h1_failure failure = skip_framing(chunked, data, size, &at);
    if (failure != H1_OK) {
        return fail(chunked, failure);
    }
    *ret_consumed = at;
    if (at == size) {
        return H1_PARTIAL;
    }
    if (chunked->state == AT_DATA) {
        size_t length = size - at < chunked->left ? size - at : (size_t)chunked->left;
        chunked->left -= length;
        if (chunked->left == 0) {
            chunked->state = AT_DATA_CR;
        }
        *ret_data = (struct slice){ data + at, length };
        *ret_consumed = at + length;
        return H1_PARTIAL;
    }
    size_t length;
    enum h1_result result = parse_trailer_section(chunked, data + at, size - at, &length);
    if (result == H1_FAILED) {
        return fail(chunked, H1_BAD_TRAILER);
    }
    if (result == H1_DONE) {
        chunked->state = AT_END;
        *ret_trailers = (struct slice){ data + at, length };
        *ret_consumed = at + length;
    }
    return result;
}

bool h1_parse_trailers(struct slice text, struct headers *out)
{
    size_t at = 0;
    while (at < text.len) {
        size_t end = http_find_control(text.ptr, at, text.len);
        if (end + 1 >= text.len || text.ptr[end] != '\r' || text.ptr[end + 1] != '\n') {
            return false;
        }
        if (end == at) {
            return end + 2 == text.len;
        }
        struct h1_field field;
        struct h1_span line = { (uint32_t)at, (uint32_t)(end - at) };
        if (h1_split_field(text.ptr, line, &field) != H1_OK) {
            return false;
        }
        struct slice name = h1_span_slice(text.ptr, field.name);
        if (!http_may_be_trailer(field.id, name) ||
            !headers_add(out, field.id, name, h1_span_slice(text.ptr, field.value))) {
            return false;
        }
        at = end + 2;
    }
    return false;
}
