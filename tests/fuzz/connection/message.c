#include "connection/message.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* A place in the bytes, and whether they ran out there. */
struct reading {
    struct slice bytes;
    size_t at;
};

enum line {
    LINE_WHOLE,
    LINE_CUT,
    LINE_BAD
};

/* Up to CRLF; a CR or LF alone is none. */
static enum line take_line(struct reading *reading, struct slice *ret_line)
{
    for (size_t i = reading->at; i < reading->bytes.len; i++) {
        char c = reading->bytes.ptr[i];
        if (c == '\n' || c == '\0') {
            return LINE_BAD;
        }
        if (c == '\r') {
            if (i + 1 == reading->bytes.len) {
                break;
            }
            if (reading->bytes.ptr[i + 1] != '\n') {
                return LINE_BAD;
            }
            *ret_line = slice_of(reading->bytes.ptr + reading->at, i - reading->at);
            reading->at = i + 2;
            return LINE_WHOLE;
        }
    }
    reading->at = reading->bytes.len;
    return LINE_CUT;
}

static bool is_token(struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (c <= ' ' || c >= 0x7f || strchr("\"(),/:;<=>?@[\\]{}", c) != NULL) {
            return false;
        }
    }
    return text.len > 0;
}

static struct slice trimmed(struct slice text)
{
    while (text.len > 0 && (text.ptr[0] == ' ' || text.ptr[0] == '\t')) {
        text.ptr++;
        text.len--;
    }
    while (text.len > 0 && (text.ptr[text.len - 1] == ' ' || text.ptr[text.len - 1] == '\t')) {
        text.len--;
    }
    return text;
}

static enum line take_fields(struct reading *reading, struct message_field *fields, size_t *count)
{
    *count = 0;
    for (;;) {
        struct slice line;
        enum line result = take_line(reading, &line);
        if (result != LINE_WHOLE || line.len == 0) {
            return result;
        }
        const char *colon = memchr(line.ptr, ':', line.len);
        struct slice name = slice_of(line.ptr, colon != NULL ? (size_t)(colon - line.ptr) : 0);
        if (!is_token(name) || *count == MESSAGE_FIELDS_MAX) {
            return LINE_BAD;
        }
        fields[(*count)++] =
            (struct message_field){ name, trimmed(slice_of(colon + 1, line.len - name.len - 1)) };
    }
}

struct slice message_field(const struct message *message, const char *name, size_t *ret_count)
{
    struct slice value = SLICE_NONE;
    *ret_count = 0;
    for (size_t i = 0; i < message->field_count; i++) {
        struct slice own = message->fields[i].name;
        if (own.len == strlen(name) && strncasecmp(own.ptr, name, own.len) == 0) {
            value = message->fields[i].value;
            ++*ret_count;
        }
    }
    return value;
}

static bool read_number(struct slice text, uint64_t *ret_number)
{
    *ret_number = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9' || i == 18) {
            return false;
        }
        *ret_number = *ret_number * 10 + (uint64_t)(text.ptr[i] - '0');
    }
    return text.len > 0;
}

/* RFC 9112 section 6.3. False: ambiguous. */
static bool find_framing(struct message *message, bool is_response, uint64_t *ret_length)
{
    size_t lengths, codings;
    struct slice length = message_field(message, "content-length", &lengths);
    struct slice coding = message_field(message, "transfer-encoding", &codings);
    message->framing = is_response ? FRAMING_CLOSE : FRAMING_NONE;
    if (lengths + codings == 0) {
        return true;
    }
    if (lengths + codings > 1) {
        return false;
    }
    if (codings == 1) {
        message->framing = FRAMING_CHUNKED;
        return message->minor_version == 1 && coding.len == 7 && strncasecmp(coding.ptr, "chunked", 7) == 0;
    }
    message->framing = FRAMING_LENGTH;
    return read_number(length, ret_length);
}

static void add_body(struct message *message, struct reading *reading, size_t size)
{
    message->body = realloc(message->body, message->body_size + size + 1);
    if (message->body == NULL) {
        abort();
    }
    if (size > 0) {
        memcpy(message->body + message->body_size, reading->bytes.ptr + reading->at, size);
    }
    message->body_size += size;
    reading->at += size;
}

static enum message_end read_length(struct message *message, struct reading *reading, uint64_t length)
{
    size_t left = reading->bytes.len - reading->at;
    add_body(message, reading, length < left ? (size_t)length : left);
    return length <= left ? MESSAGE_WHOLE : MESSAGE_CUT;
}

static bool read_hex(struct slice text, uint64_t *ret_number)
{
    *ret_number = 0;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        int digit = c >= '0' && c <= '9'                 ? c - '0'
                    : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10
                                                         : -1;
        if (digit < 0 || i == 15) {
            return false;
        }
        *ret_number = *ret_number * 16 + (uint64_t)digit;
    }
    return text.len > 0;
}

static const enum message_end ends[] = {
    [LINE_WHOLE] = MESSAGE_WHOLE, [LINE_CUT] = MESSAGE_CUT, [LINE_BAD] = MESSAGE_BAD
};

static enum message_end read_chunks(struct message *message, struct reading *reading)
{
    for (;;) {
        struct slice line;
        uint64_t size;
        enum line result = take_line(reading, &line);
        if (result != LINE_WHOLE) {
            return ends[result];
        }
        const char *semicolon = memchr(line.ptr, ';', line.len);
        struct slice digits =
            slice_of(line.ptr, semicolon != NULL ? (size_t)(semicolon - line.ptr) : line.len);
        if (!read_hex(trimmed(digits), &size)) {
            return MESSAGE_BAD;
        }
        if (size == 0) {
            struct message_field trailers[MESSAGE_FIELDS_MAX];
            return ends[take_fields(reading, trailers, &message->trailer_count)];
        }
        if (read_length(message, reading, size) == MESSAGE_CUT) {
            return MESSAGE_CUT;
        }
        size_t left = reading->bytes.len - reading->at;
        left = left < 2 ? left : 2;
        if (left > 0 && memcmp(reading->bytes.ptr + reading->at, "\r\n", left) != 0) {
            return MESSAGE_BAD;
        }
        reading->at += left;
        if (left < 2) {
            return MESSAGE_CUT;
        }
    }
}

static enum message_end read_body(struct message *message, struct reading *reading, uint64_t length,
                                  bool ended)
{
    add_body(message, reading, 0);
    switch (message->framing) {
    case FRAMING_NONE:
        return MESSAGE_WHOLE;
    case FRAMING_LENGTH:
        return read_length(message, reading, length);
    case FRAMING_CHUNKED:
        return read_chunks(message, reading);
    case FRAMING_CLOSE:
    default:
        (void)read_length(message, reading, reading->bytes.len - reading->at);
        return ended ? MESSAGE_WHOLE : MESSAGE_CUT;
    }
}

static bool take_version(struct slice text, struct message *message)
{
    bool good =
        text.len == 8 && memcmp(text.ptr, "HTTP/1.", 7) == 0 && (text.ptr[7] == '0' || text.ptr[7] == '1');
    message->minor_version = good ? (unsigned int)(text.ptr[7] - '0') : 0;
    return good;
}

static bool take_request_line(struct slice line, struct message *message)
{
    const char *first = memchr(line.ptr, ' ', line.len);
    const char *last = memrchr(line.ptr, ' ', line.len);
    if (first == NULL || first == last) {
        return false;
    }
    message->method = slice_of(line.ptr, (size_t)(first - line.ptr));
    message->target = slice_of(first + 1, (size_t)(last - first - 1));
    return is_token(message->method) && message->target.len > 0 &&
           memchr(message->target.ptr, ' ', message->target.len) == NULL &&
           take_version(slice_of(last + 1, line.len - (size_t)(last + 1 - line.ptr)), message);
}

static bool take_status_line(struct slice line, struct message *message)
{
    uint64_t status;
    if (line.len < 13 || line.ptr[8] != ' ' || line.ptr[12] != ' ' ||
        !take_version(slice_part(line, 0, 8), message) || !read_number(slice_part(line, 9, 3), &status) ||
        status < 100 || status > 599) {
        return false;
    }
    message->status = (unsigned int)status;
    return true;
}

void message_read_request(struct slice bytes, struct message *ret_message)
{
    struct message *message = ret_message;
    struct reading reading = { .bytes = bytes };
    struct slice line;
    uint64_t length = 0;
    *message = (struct message){ .end = MESSAGE_CUT };
    if (bytes.len >= 2 && memcmp(bytes.ptr, "\r\n", 2) == 0) {
        reading.at = 2; /* RFC 9112 section 2.2: one empty line is forgiven */
    }
    enum line result = take_line(&reading, &line);
    if (result == LINE_WHOLE && !take_request_line(line, message)) {
        result = LINE_BAD;
    }
    if (result == LINE_WHOLE) {
        result = take_fields(&reading, message->fields, &message->field_count);
    }
    message->end = ends[result];
    if (result == LINE_WHOLE && !find_framing(message, false, &length)) {
        message->end = MESSAGE_BAD;
    }
    if (message->end == MESSAGE_WHOLE) {
        message->has_head = true;
        message->end = read_body(message, &reading, length, false);
    }
    message->size = reading.at;
}

void message_read_response(struct slice bytes, struct slice method, bool ended, struct message *ret_message)
{
    struct message *message = ret_message;
    struct reading reading = { .bytes = bytes };
    struct slice line;
    uint64_t length = 0;
    *message = (struct message){ .end = MESSAGE_CUT };
    enum line result = take_line(&reading, &line);
    if (result == LINE_WHOLE && !take_status_line(line, message)) {
        result = LINE_BAD;
    }
    if (result == LINE_WHOLE) {
        result = take_fields(&reading, message->fields, &message->field_count);
    }
    message->end = ends[result];
    if (result == LINE_WHOLE && !find_framing(message, true, &length)) {
        message->end = MESSAGE_BAD;
    }
    if (message->end == MESSAGE_WHOLE) {
        bool bodiless = slice_equal(method, SLICE("HEAD")) || message->status < 200 ||
                        message->status == 204 || message->status == 304;
        message->framing = bodiless ? FRAMING_NONE : message->framing;
        message->has_head = true;
        message->end = read_body(message, &reading, length, ended);
    }
    message->size = reading.at;
}

void message_done(struct message *message)
{
    free(message->body);
    message->body = NULL;
}
