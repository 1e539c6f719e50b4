#include "http/bytes.h"
#include "http/h1/lines.h"

static inline enum h1_failure split_field(const char *data, struct h1_span line, struct h1_field *ret_field)
{
    size_t begin = line.offset, end = begin + line.length;
    if (data[begin] == ' ' || data[begin] == '\t') {
        return H1_OBS_FOLD;
    }
    const char *found = memchr(data + begin, ':', line.length);
    if (found == NULL) {
        return H1_BAD_HEADER_NAME;
    }
    size_t colon = (size_t)(found - data);
    struct slice name = { data + begin, colon - begin };
    enum header_id id = header_id_of(name);
    /* A name that we know is a token. */
    if (id == HEADER_OTHER && (!http_token_valid(name) || http_spells_framing(name))) {
        return H1_BAD_HEADER_NAME;
    }
    size_t value = colon + 1;
    while (value < end && (data[value] == ' ' || data[value] == '\t')) {
        value++;
    }
    while (end > value && (data[end - 1] == ' ' || data[end - 1] == '\t')) {
        end--;
    }
    ret_field->name = (struct h1_span){ (uint32_t)begin, (uint32_t)(colon - begin) };
    ret_field->value = (struct h1_span){ (uint32_t)value, (uint32_t)(end - value) };
    ret_field->id = id;
    return H1_OK;
}

enum h1_failure h1_split_field(const char *data, struct h1_span line, struct h1_field *ret_field)
{
    return split_field(data, line, ret_field);
}

/* Responses that never have a body, whose framing fields would be read by some and not by others (RFC 9110 section 8.6,
 * RFC 9112 section 6.1): refused, so that nobody's reading matters. */
static bool response_forbids_framing(const struct h1_parser *parser)
{
    return parser->response &&
           (parser->status < 200 || parser->status == 204 || (parser->to_connect && parser->status < 300));
}

static enum h1_failure on_content_length(struct h1_parser *parser, struct slice value)
{
    uint64_t length;
    if (parser->content_length_count++ > 0 || !slice_to_u64(value, &length) || length > INT64_MAX ||
        response_forbids_framing(parser)) {
        return H1_BAD_CONTENT_LENGTH;
    }
    if (parser->transfer_encoding_count > 0) {
        return H1_LENGTH_CONFLICT;
    }
    parser->content_length = length;
    return H1_OK;
}

static enum h1_failure on_transfer_encoding(struct h1_parser *parser, struct slice value)
{
    if (parser->transfer_encoding_count++ > 0 || parser->minor_version < 1 ||
        !http_equals(value, SLICE("chunked")) || response_forbids_framing(parser)) {
        return H1_BAD_TRANSFER_ENCODING;
    }
    if (parser->content_length_count > 0) {
        return H1_LENGTH_CONFLICT;
    }
    parser->chunked = true;
    return H1_OK;
}

/* False for what is no token: the next reader may split it differently, and then other fields would be hop-by-hop there. */
static bool on_connection_option(struct h1_parser *parser, struct slice option)
{
    if (http_equals(option, SLICE("keep-alive"))) {
        parser->connection_keep_alive = true;
    } else if (http_equals(option, SLICE("close"))) {
        parser->connection_close = true;
    } else if (http_equals(option, SLICE("upgrade"))) {
        parser->connection_upgrade = true;
    } else {
        return http_token_valid(option);
    }
    return true;
}

static enum h1_failure on_connection(struct h1_parser *parser, struct slice value)
{
    /* One option is the rule. */
    if (on_connection_option(parser, value)) {
        return H1_OK;
    }
    struct slice option;
    while (http_list_next(&value, &option)) {
        if (!on_connection_option(parser, option)) {
            return H1_BAD_HEADER_VALUE;
        }
    }
    return H1_OK;
}

enum h1_failure h1_field_line(struct h1_parser *parser, const char *data, struct h1_span line)
{
    if (parser->field_count >= parser->limits.fields_max) {
        return H1_TOO_MANY_HEADERS;
    }
    struct h1_field *field = &parser->fields[parser->field_count];
    enum h1_failure failure = split_field(data, line, field);
    if (failure != H1_OK) {
        return failure;
    }
    parser->field_count++;
    struct slice value = h1_span_slice(data, field->value);
    switch (field->id) {
    case HEADER_CONTENT_LENGTH:
        return on_content_length(parser, value);
    case HEADER_TRANSFER_ENCODING:
        return on_transfer_encoding(parser, value);
    case HEADER_CONNECTION:
        return on_connection(parser, value);
    case HEADER_HOST:
        return parser->host_count++ > 0 && !parser->response ? H1_BAD_HOST : H1_OK;
    case HEADER_UPGRADE:
        parser->upgrade = true;
        return H1_OK;
    case HEADER_EXPECT:
        parser->expect_continue |= http_equals(value, SLICE("100-continue"));
        return H1_OK;
    default:
        return H1_OK;
    }
}

enum h1_failure h1_head_end(const struct h1_parser *parser)
{
    if (!parser->response && parser->minor_version >= 1 && parser->host_count != 1) {
        return H1_BAD_HOST;
    }
    return H1_OK;
}
