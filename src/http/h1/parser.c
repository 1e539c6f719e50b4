#include "http/h1/parser.h"

#include <assert.h>
#include <stdlib.h>

#include "http/bytes.h"
#include "http/h1/lines.h"

static const char *const texts[] = {
    [H1_OK] = "no failure",
    [H1_BAD_REQUEST_LINE] = "malformed request line",
    [H1_BAD_METHOD] = "malformed method",
    [H1_BAD_TARGET] = "malformed request target",
    [H1_BAD_VERSION] = "unknown HTTP version",
    [H1_BAD_STATUS_LINE] = "malformed status line",
    [H1_BAD_HEADER_NAME] = "malformed header name",
    [H1_BAD_HEADER_VALUE] = "malformed header value",
    [H1_BAD_LINE_ENDING] = "line not ended by CR LF",
    [H1_OBS_FOLD] = "folded header line",
    [H1_BAD_CONTENT_LENGTH] = "bad Content-Length",
    [H1_BAD_TRANSFER_ENCODING] = "bad Transfer-Encoding",
    [H1_LENGTH_CONFLICT] = "Content-Length beside Transfer-Encoding",
    [H1_BAD_HOST] = "Host missing or repeated",
    [H1_HEAD_TOO_LARGE] = "head too large",
    [H1_TARGET_TOO_LONG] = "request target too long",
    [H1_TOO_MANY_HEADERS] = "too many header fields",
    [H1_BAD_CHUNK_SIZE] = "bad chunk size",
    [H1_BAD_CHUNK_EXTENSION] = "bad chunk extension",
    [H1_BAD_CHUNK_END] = "chunk data not followed by CR LF",
    [H1_BAD_TRAILER] = "bad trailer",
};

const char *h1_failure_text(enum h1_failure failure)
{
    size_t at = (size_t)failure;
    return at < sizeof texts / sizeof texts[0] ? texts[at] : "unknown failure";
}

/* The fields are left as they are: field_count says how many mean something, and clearing them costs more than the rest of
 * a small head. */
static void init(struct h1_parser *parser, const struct http_head_limits *limits)
{
    memset(parser, 0, offsetof(struct h1_parser, fields));
    const size_t behind = offsetof(struct h1_parser, content_length);
    memset((char *)parser + behind, 0, sizeof *parser - behind);
    parser->limits = http_head_limits_capped(limits);
}

void h1_parser_init_request(struct h1_parser *parser, const struct http_head_limits *limits)
{
    init(parser, limits);
}

void h1_parser_init_response(struct h1_parser *parser, const struct http_head_limits *limits,
                             enum http_method method)
{
    init(parser, limits);
    parser->response = true;
    parser->to_head = method == METHOD_HEAD;
    parser->to_connect = method == METHOD_CONNECT;
}

struct h1_parser *h1_parser_keep(const struct h1_parser *parser)
{
    struct h1_parser *copy = malloc(sizeof *copy);
    if (copy != NULL) {
        *copy = *parser;
    }
    return copy;
}

/* A request line may end here at the latest, its LF included. */
static size_t request_line_limit(const struct h1_parser *parser)
{
    return parser->line + HTTP_METHOD_MAX + sizeof " " - 1 + parser->limits.target_max +
           sizeof " HTTP/1.1\r\n" - 1;
}

/* Names what is wrong with a control character. The bytes before it on its line are looked at once more, once. */
static enum h1_failure control_failure(const struct h1_parser *parser, const char *data, size_t at)
{
    if (data[at] == '\r' || data[at] == '\n') {
        return H1_BAD_LINE_ENDING;
    }
    if (parser->at == H1_AT_START) {
        return parser->response ? H1_BAD_STATUS_LINE : H1_BAD_REQUEST_LINE;
    }
    bool in_value = memchr(data + parser->line, ':', at - parser->line) != NULL;
    return in_value ? H1_BAD_HEADER_VALUE : H1_BAD_HEADER_NAME;
}

/* Finds the end of the line that starts at parser->line: its CR is at `*ret_end`. Control characters are judged here, in
 * the order in which they come, before the rest of their line: so the verdict is the same however the bytes are split,
 * and an attack fails with its first bad byte. */
static enum h1_result find_line(struct h1_parser *parser, const char *data, size_t size, size_t *ret_end)
{
    size_t limit = parser->limits.head_max;
    enum h1_failure too_long = H1_HEAD_TOO_LARGE;
    if (parser->at == H1_AT_START && !parser->response && request_line_limit(parser) < limit) {
        limit = request_line_limit(parser);
        too_long = H1_TARGET_TOO_LONG;
    }
    size_t end = size < limit ? size : limit;
    assert(end >= parser->position);
    size_t at = http_find_control(data, parser->position, end);
    if (at + 1 < end && data[at] == '\r' && data[at + 1] == '\n') {
        *ret_end = at;
        return H1_DONE;
    }
    if (at >= end || (data[at] == '\r' && at + 1 == end)) {
        parser->position = (uint32_t)at;
        if (end == limit) {
            parser->failure = too_long;
            return H1_FAILED;
        }
        return H1_PARTIAL;
    }
    parser->failure = control_failure(parser, data, at);
    return H1_FAILED;
}

static enum h1_failure on_line(struct h1_parser *parser, const char *data, struct h1_span line)
{
    if (parser->at == H1_AT_FIELDS) {
        if (line.length == 0) {
            parser->at = H1_AT_END;
            return h1_head_end(parser);
        }
        return h1_field_line(parser, data, line);
    }
    if (parser->response) {
        parser->at = H1_AT_FIELDS;
        return h1_status_line(parser, data, line);
    }
    if (line.length == 0 && line.offset == 0) {
        return H1_OK;
    }
    parser->at = H1_AT_FIELDS;
    return h1_request_line(parser, data, line);
}

enum h1_result h1_parse(struct h1_parser *parser, const char *data, size_t size)
{
    if (parser->failure != H1_OK) {
        return H1_FAILED;
    }
    while (parser->at != H1_AT_END) {
        size_t end;
        enum h1_result found = find_line(parser, data, size, &end);
        if (found != H1_DONE) {
            return found;
        }
        struct h1_span line = { parser->line, (uint32_t)end - parser->line };
        parser->failure = on_line(parser, data, line);
        if (parser->failure != H1_OK) {
            return H1_FAILED;
        }
        parser->position = parser->line = (uint32_t)end + 2;
    }
    parser->head_length = parser->line;
    return H1_DONE;
}

static void take_headers(const struct h1_parser *parser, const char *data, struct header *items,
                         size_t capacity, struct headers *ret_headers)
{
    assert(parser->at == H1_AT_END && parser->failure == H1_OK && capacity >= parser->field_count);
    for (uint32_t i = 0; i < parser->field_count; i++) {
        const struct h1_field *field = &parser->fields[i];
        items[i] =
            (struct header){ h1_span_slice(data, field->name), h1_span_slice(data, field->value), field->id };
    }
    *ret_headers = (struct headers){ items, parser->field_count, capacity };
}

static bool keeps_alive(const struct h1_parser *parser)
{
    return !parser->connection_close && (parser->minor_version >= 1 || parser->connection_keep_alive);
}

void h1_take_request(const struct h1_parser *parser, const char *data, struct header *items, size_t capacity,
                     struct http_request *ret_request)
{
    take_headers(parser, data, items, capacity, &ret_request->headers);
    ret_request->method_text = h1_span_slice(data, parser->method);
    ret_request->method = http_method_of(ret_request->method_text);
    ret_request->target = h1_span_slice(data, parser->target);
    ret_request->body = parser->chunked                    ? BODY_CHUNKED
                        : parser->content_length_count > 0 ? BODY_LENGTH
                                                           : BODY_NONE;
    ret_request->content_length = parser->content_length;
    ret_request->minor_version = parser->minor_version;
    ret_request->keep_alive = keeps_alive(parser);
    bool has_body = parser->chunked || parser->content_length > 0;
    /* HTTP/1.0 knows neither (RFC 9110 sections 7.8 and 10.1.1). With a body, some would take what follows it for the
     * new protocol and some for a request: such an Upgrade is none. */
    ret_request->expect_continue = parser->expect_continue && has_body && parser->minor_version >= 1;
    ret_request->upgrade =
        parser->upgrade && parser->connection_upgrade && !has_body && parser->minor_version >= 1;
}

static enum http_body response_body(const struct h1_parser *parser)
{
    if (parser->to_head || parser->status < 200 || parser->status == 204 || parser->status == 304 ||
        (parser->to_connect && parser->status < 300)) {
        return BODY_NONE;
    }
    if (parser->chunked) {
        return BODY_CHUNKED;
    }
    return parser->content_length_count > 0 ? BODY_LENGTH : BODY_CLOSE;
}

void h1_take_response(const struct h1_parser *parser, const char *data, struct header *items, size_t capacity,
                      struct http_response *ret_response)
{
    take_headers(parser, data, items, capacity, &ret_response->headers);
    ret_response->status = parser->status;
    ret_response->reason = h1_span_slice(data, parser->reason);
    ret_response->body = response_body(parser);
    ret_response->content_length = parser->content_length;
    ret_response->minor_version = parser->minor_version;
    ret_response->upgrade = parser->status == 101;
    /* Behind 101 and behind the answer to CONNECT there is no HTTP any more. */
    bool tunnel = parser->status == 101 || (parser->to_connect && parser->status / 100 == 2);
    ret_response->keep_alive = keeps_alive(parser) && ret_response->body != BODY_CLOSE && !tunnel;
}
