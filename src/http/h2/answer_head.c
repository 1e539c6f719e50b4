#include "http/h2/answer_head.h"

void h2_answer_init(struct h2_answer_head *head)
{
    *head = (struct h2_answer_head){ 0 };
    h2_field_list_init(&head->fields, HTTP_HEAD_MAX);
}

void h2_answer_done(struct h2_answer_head *head)
{
    h2_field_list_done(&head->fields);
}

void h2_answer_begin(struct h2_answer_head *head, enum h2_answer_part part)
{
    head->part = part;
    head->wrong = NULL;
    head->decoded = 0;
    head->status = 0;
    head->has_length = false;
    head->content_length = 0;
    h2_field_list_clear(&head->fields);
}

/* Three digits, from 100 to 599. */
static unsigned int parse_status(struct slice value)
{
    unsigned int status = 0;
    for (size_t i = 0; i < value.len; i++) {
        if (!ascii_is_digit(value.ptr[i])) {
            return 0;
        }
        status = status * 10 + (unsigned int)(value.ptr[i] - '0');
    }
    return value.len == 3 && status >= 100 && status <= 599 ? status : 0;
}

static const char *take_pseudo(struct h2_answer_head *head, struct slice name, struct slice value)
{
    if (head->part == H2_ANSWER_TRAILERS) {
        return "a pseudo-header in trailers";
    }
    if (!slice_equal(name, SLICE(":status"))) {
        return "a pseudo-header that answers do not have";
    }
    if (head->status != 0) {
        return "two statuses";
    }
    if (head->fields.count > 0) {
        return "a pseudo-header behind a field";
    }
    head->status = parse_status(value);
    return head->status == 0 ? "malformed status" : NULL;
}

static const char *take_length(struct h2_answer_head *head, struct slice value)
{
    uint64_t length;
    if (head->has_length || !slice_to_u64(value, &length) || length > INT64_MAX) {
        return "malformed or repeated Content-Length";
    }
    head->has_length = true;
    head->content_length = length;
    return NULL;
}

static bool is_field_name(struct slice name)
{
    for (size_t i = 0; i < name.len; i++) {
        if (name.ptr[i] >= 'A' && name.ptr[i] <= 'Z') {
            return false;
        }
    }
    return http_token_valid(name);
}

/* What only HTTP/1.1 has (section 8.2.2), and names that a client's HTTP/1.1 might take for what frames a message. */
static const char *check_name(struct slice name, enum header_id id)
{
    if (!is_field_name(name)) {
        return "malformed field name";
    }
    switch (id) {
    case HEADER_CONNECTION:
    case HEADER_KEEP_ALIVE:
    case HEADER_PROXY_CONNECTION:
    case HEADER_TRANSFER_ENCODING:
    case HEADER_UPGRADE:
        return "a connection-specific field";
    case HEADER_OTHER:
        return http_spells_framing(name) ? "malformed field name" : NULL;
    default:
        return NULL;
    }
}

static const char *take_field(struct h2_answer_head *head, struct slice name, struct slice value)
{
    if (name.len > 0 && name.ptr[0] == ':') {
        return take_pseudo(head, name, value);
    }
    enum header_id id = header_id_of(name);
    const char *wrong = check_name(name, id);
    if (wrong == NULL && !http_field_value_valid(value)) {
        wrong = "malformed field value";
    }
    if (wrong == NULL && head->part == H2_ANSWER_TRAILERS && !http_may_be_trailer(id, name)) {
        wrong = "a field that may not stand in trailers";
    }
    if (wrong == NULL && id == HEADER_CONTENT_LENGTH) {
        wrong = take_length(head, value);
    }
    if (wrong == NULL && !h2_field_list_add(&head->fields, name, value)) {
        wrong = head->fields.count == HTTP_HEADERS_MAX ? "too many fields" : "response head too large";
    }
    return wrong;
}

void h2_answer_field(struct h2_answer_head *head, struct slice name, struct slice value)
{
    /* Four bytes more, as HTTP/1.1 would have them: colon, space, CRLF. So a flood of empty fields counts. */
    head->decoded += name.len + value.len + 4;
    if (head->wrong != NULL) {
        return;
    }
    size_t most = head->part == H2_ANSWER_TRAILERS ? HTTP_TRAILERS_MAX : HTTP_HEAD_MAX;
    head->wrong = head->decoded > most ? "response head too large" : take_field(head, name, value);
}

static bool has_no_body(unsigned int status, enum http_method method)
{
    return method == METHOD_HEAD || status < 200 || status == 204 || status == 304;
}

static enum http_body body_of(const struct h2_answer_head *head, bool ends, enum http_method method)
{
    if (has_no_body(head->status, method)) {
        return BODY_NONE;
    }
    return head->has_length || ends ? BODY_LENGTH : BODY_CHUNKED;
}

static const char *check_head(const struct h2_answer_head *head, bool ends, enum http_method method)
{
    if (head->wrong != NULL) {
        return head->wrong;
    }
    if (head->status == 0) {
        return "no status";
    }
    if (head->status == 101) {
        return "101, which HTTP/2 does not have";
    }
    if (head->status < 200 && ends) {
        return "the stream ended with an informational response";
    }
    /* Some would read them and some not (RFC 9110 section 8.6): refused, so that nobody's reading matters. */
    if (head->has_length && (head->status < 200 || head->status == 204)) {
        return "malformed or repeated Content-Length";
    }
    if (ends && head->content_length > 0 && !has_no_body(head->status, method)) {
        return "the body is shorter than its Content-Length";
    }
    return NULL;
}

const char *h2_answer_take(struct h2_answer_head *head, bool ends, enum http_method method,
                           struct header *items, struct http_response *ret_response)
{
    head->wrong = check_head(head, ends, method);
    if (head->wrong != NULL) {
        return head->wrong;
    }
    *ret_response = (struct http_response){
        .status = head->status,
        .body = body_of(head, ends, method),
        .content_length = head->content_length,
        .minor_version = 2,
        .keep_alive = true,
    };
    h2_field_list_take(&head->fields, items, &ret_response->headers);
    return NULL;
}

const char *h2_answer_take_trailers(struct h2_answer_head *head, bool ends, struct header *items,
                                    struct headers *ret_trailers)
{
    if (head->wrong == NULL && !ends) {
        head->wrong = "a second head";
    }
    if (head->wrong == NULL) {
        h2_field_list_take(&head->fields, items, ret_trailers);
    }
    return head->wrong;
}
