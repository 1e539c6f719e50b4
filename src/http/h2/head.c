#include "http/h2/head.h"

#include "base/encoding.h"
#include "base/random.h"
#include "http/bytes.h"
#include "http/websocket.h"

#include <assert.h>

/* What a field takes in HTTP/1.1 beside its name and value. */
#define FIELD_EXTRA (sizeof ": \r\n" - 1)

static const char *const texts[] = {
    [H2_HEAD_OK] = "no failure",
    [H2_HEAD_BAD_NAME] = "malformed header name",
    [H2_HEAD_BAD_VALUE] = "malformed header value",
    [H2_HEAD_BAD_PSEUDO] = "pseudo-header unknown, repeated, missing or empty",
    [H2_HEAD_LATE_PSEUDO] = "pseudo-header behind a header, or in trailers",
    [H2_HEAD_CONNECTION_FIELD] = "connection-specific header",
    [H2_HEAD_BAD_METHOD] = "malformed method",
    [H2_HEAD_BAD_SCHEME] = "scheme neither http nor https",
    [H2_HEAD_BAD_STATUS] = "malformed status, or 101",
    [H2_HEAD_LAST_INFORMATIONAL] = "the stream ended with an informational response",
    [H2_HEAD_BAD_CONTENT_LENGTH] = "bad Content-Length",
    [H2_HEAD_TWO_HOSTS] = ":authority and Host differ, or Host repeated",
    [H2_HEAD_BAD_TRAILER] = "bad trailer",
    [H2_HEAD_BAD_TARGET] = "malformed request target",
    [H2_HEAD_NO_HOST] = "neither :authority nor Host",
    [H2_HEAD_UNKNOWN_PROTOCOL] = ":protocol other than websocket",
    [H2_HEAD_TARGET_TOO_LONG] = "request target too long",
    [H2_HEAD_TOO_LARGE] = "head too large",
    [H2_HEAD_TOO_MANY_HEADERS] = "too many header fields",
};

const char *h2_head_failure_text(enum h2_head_failure failure)
{
    size_t at = (size_t)failure;
    return at < sizeof texts / sizeof texts[0] ? texts[at] : "unknown failure";
}

void h2_head_init(struct h2_head *head, enum h2_head_kind kind, const struct http_head_limits *limits)
{
    memset(head, 0, offsetof(struct h2_head, fields));
    head->kind = kind;
    head->limits = http_head_limits_capped(limits);
}

/* What is malformed is told before what is too much: an attack must not hide behind an answer. */
static void fail(struct h2_head *head, enum h2_head_failure failure)
{
    if (head->failure == H2_HEAD_OK ||
        (h2_head_is_malformed(failure) && !h2_head_is_malformed(head->failure))) {
        head->failure = failure;
    }
}

/* ptr NULL: no room, which is a failure. */
static struct slice keep(struct h2_head *head, struct slice text)
{
    if (text.len > sizeof head->text - head->size) {
        fail(head, H2_HEAD_TOO_LARGE);
        return SLICE_NONE;
    }
    char *at = head->text + head->size;
    if (text.len > 0) {
        memcpy(at, text.ptr, text.len);
    }
    head->size += text.len;
    return slice_of(at, text.len);
}

/* ---- pseudo-headers ---- */

static void set_pseudo(struct h2_head *head, struct slice *pseudo, struct slice value)
{
    if (pseudo->ptr != NULL || value.len == 0) {
        fail(head, H2_HEAD_BAD_PSEUDO);
        return;
    }
    *pseudo = keep(head, value);
}

static void on_path(struct h2_head *head, struct slice value)
{
    if (head->path.ptr != NULL || value.len == 0) {
        fail(head, H2_HEAD_BAD_PSEUDO);
    } else if (value.len > head->limits.target_max) {
        fail(head, H2_HEAD_TARGET_TOO_LONG);
        head->path = SLICE("/"); /* it has come */
    } else {
        head->path = keep(head, value);
    }
}

static void on_status(struct h2_head *head, struct slice value)
{
    uint64_t status;
    if (head->status != 0) {
        fail(head, H2_HEAD_BAD_PSEUDO);
    } else if (value.len != 3 || !slice_to_u64(value, &status) || status < 100 || status > 599 ||
               status == 101) {
        fail(head, H2_HEAD_BAD_STATUS);
    } else {
        head->status = (unsigned int)status;
    }
}

static void on_pseudo(struct h2_head *head, struct slice name, struct slice value)
{
    bool request = head->kind == H2_HEAD_REQUEST;
    if (head->ordinary || head->kind == H2_HEAD_TRAILERS) {
        fail(head, H2_HEAD_LATE_PSEUDO);
    } else if (!http_field_value_valid(value)) {
        fail(head, H2_HEAD_BAD_VALUE);
    } else if (request && slice_equal(name, SLICE(":method"))) {
        set_pseudo(head, &head->method, value);
    } else if (request && slice_equal(name, SLICE(":scheme"))) {
        set_pseudo(head, &head->scheme, value);
    } else if (request && slice_equal(name, SLICE(":authority"))) {
        set_pseudo(head, &head->authority, value);
    } else if (request && slice_equal(name, SLICE(":path"))) {
        on_path(head, value);
    } else if (request && slice_equal(name, SLICE(":protocol"))) {
        set_pseudo(head, &head->protocol, value);
    } else if (head->kind == H2_HEAD_RESPONSE && slice_equal(name, SLICE(":status"))) {
        on_status(head, value);
    } else {
        fail(head, H2_HEAD_BAD_PSEUDO);
    }
}

/* ---- fields ---- */

static void on_content_length(struct h2_head *head, struct slice value)
{
    if (head->content_length_count++ > 0 || !slice_to_u64(value, &head->content_length) ||
        head->content_length > INT64_MAX) {
        fail(head, H2_HEAD_BAD_CONTENT_LENGTH);
    }
}

/* Is it one that must not be kept as it is, whatever the message? */
static void check_field(struct h2_head *head, enum header_id id, struct slice name, struct slice value)
{
    if (head->kind == H2_HEAD_TRAILERS && !http_may_be_trailer(id, name)) {
        fail(head, H2_HEAD_BAD_TRAILER);
        return;
    }
    switch (id) {
    case HEADER_CONNECTION:
    case HEADER_KEEP_ALIVE:
    case HEADER_PROXY_CONNECTION:
    case HEADER_TRANSFER_ENCODING:
    case HEADER_UPGRADE:
        fail(head, H2_HEAD_CONNECTION_FIELD);
        break;
    case HEADER_TE:
        if (head->kind == H2_HEAD_RESPONSE || !slice_equal_nocase(value, SLICE("trailers"))) {
            fail(head, H2_HEAD_CONNECTION_FIELD);
        }
        break;
    case HEADER_CONTENT_LENGTH:
        on_content_length(head, value);
        break;
    case HEADER_EXPECT:
        head->expect_continue |= http_equals(value, SLICE("100-continue"));
        break;
    default:
        break;
    }
}

/* Crumbs become one field again: the next one behind the last where that is at the end of the text, else behind a copy. */
static void join_crumb(struct h2_head *head, struct slice value)
{
    struct slice *joined = &head->cookie->value;
    if (joined->len == 0 || value.len == 0) {
        /* An empty crumb leaves no separator: a value does not end with white space. */
        *joined = value.len > 0 ? keep(head, value) : *joined;
        return;
    }
    if (joined->ptr + joined->len != head->text + head->size) {
        struct slice copy = keep(head, *joined);
        if (copy.ptr == NULL) {
            return;
        }
        *joined = copy;
    }
    struct slice separator = keep(head, SLICE("; "));
    struct slice crumb = keep(head, value);
    joined->len += separator.len + crumb.len;
}

static void add_field(struct h2_head *head, enum header_id id, struct slice name, struct slice value)
{
    if (head->protocol.ptr != NULL && websocket_is_http1_field(name)) {
        return; /* the key that goes upstream is ours */
    }
    if (id == HEADER_COOKIE && head->kind == H2_HEAD_REQUEST && head->cookie != NULL) {
        join_crumb(head, value);
        return;
    }
    if (id == HEADER_HOST && head->kind == H2_HEAD_REQUEST && head->host != NULL) {
        fail(head, H2_HEAD_TWO_HOSTS);
        return;
    }
    if (head->field_count >= head->limits.fields_max) {
        fail(head, H2_HEAD_TOO_MANY_HEADERS);
        return;
    }
    struct header *field = &head->fields[head->field_count];
    field->name = keep(head, name);
    field->value = keep(head, value);
    field->id = id;
    if (field->value.ptr == NULL) {
        return;
    }
    head->field_count++;
    if (id == HEADER_COOKIE && head->cookie == NULL) {
        head->cookie = field;
    } else if (id == HEADER_HOST) {
        head->host = field;
    }
}

/* Upper case is malformed here (section 8.2.1): a token whose letters are all lower-case ones. */
static bool name_is_valid(struct slice name)
{
    for (size_t i = 0; i < name.len; i++) {
        if (!http_byte_is(name.ptr[i], HTTP_BYTE_TOKEN) || (name.ptr[i] >= 'A' && name.ptr[i] <= 'Z')) {
            return false;
        }
    }
    return name.len > 0;
}

void h2_head_field(struct h2_head *head, struct slice name, struct slice value)
{
    head->decoded += name.len + value.len + FIELD_EXTRA;
    if (h2_head_is_malformed(head->failure)) {
        return;
    }
    head->counted += name.len + value.len + FIELD_EXTRA;
    if (head->counted > head->limits.head_max) {
        fail(head, H2_HEAD_TOO_LARGE); /* what is malformed behind it is still looked for */
    }
    if (name.len > 0 && name.ptr[0] == ':') {
        on_pseudo(head, name, value);
        return;
    }
    head->ordinary = true;
    enum header_id id = header_id_of(name);
    if (!name_is_valid(name) || (id == HEADER_OTHER && http_spells_framing(name))) {
        fail(head, H2_HEAD_BAD_NAME);
    } else if (!http_field_value_valid(value)) {
        fail(head, H2_HEAD_BAD_VALUE);
    } else {
        check_field(head, id, name, value);
        if (head->failure == H2_HEAD_OK) {
            add_field(head, id, name, value);
        }
    }
}

/* ---- the end ---- */

/* A field that is none of the client's. */
static void put_own(struct h2_head *head, enum header_id id, struct slice name, struct slice value)
{
    struct slice kept = keep(head, name);
    if (head->field_count >= head->limits.fields_max) {
        fail(head, H2_HEAD_TOO_MANY_HEADERS);
    } else if (kept.ptr != NULL && value.ptr != NULL) {
        head->fields[head->field_count++] = (struct header){ kept, value, id };
    }
}

/* Host comes from :authority; where both are there they must be the same text but for case (section 8.3.1). */
static void end_host(struct h2_head *head)
{
    if (head->authority.ptr == NULL && head->host == NULL) {
        fail(head, H2_HEAD_NO_HOST);
    } else if (head->authority.ptr == NULL) {
        head->authority = head->host->value;
    } else if (head->host != NULL) {
        if (!slice_equal_nocase(head->authority, head->host->value)) {
            fail(head, H2_HEAD_TWO_HOSTS);
        }
    } else {
        put_own(head, HEADER_HOST, SLICE("host"), head->authority);
    }
}

/* An extended CONNECT becomes the handshake that HTTP/1.1 has for it. */
static void end_handshake(struct h2_head *head)
{
    if (!slice_equal(head->protocol, SLICE("websocket"))) {
        fail(head, H2_HEAD_UNKNOWN_PROTOCOL);
        return;
    }
    unsigned char bytes[16];
    char key[BASE64_ENCODED_MAX(sizeof bytes)];
    random_bytes(bytes, sizeof bytes);
    head->method = keep(head, SLICE("GET"));
    put_own(head, HEADER_UPGRADE, SLICE("upgrade"), keep(head, SLICE("websocket")));
    put_own(head, HEADER_OTHER, SLICE("sec-websocket-key"),
            keep(head, slice_of(key, base64_encode(bytes, sizeof bytes, key))));
}

static bool is_http(struct slice scheme)
{
    return slice_equal_nocase(scheme, SLICE("https")) || slice_equal_nocase(scheme, SLICE("http"));
}

static void end_request(struct h2_head *head)
{
    if (head->method.ptr == NULL) {
        fail(head, H2_HEAD_BAD_PSEUDO);
        return;
    }
    if (!http_token_valid(head->method) || head->method.len > HTTP_METHOD_MAX) {
        fail(head, H2_HEAD_BAD_METHOD);
        return;
    }
    bool connect = slice_equal(head->method, SLICE("CONNECT"));
    bool extended = head->protocol.ptr != NULL;
    if (extended && (!connect || head->authority.ptr == NULL)) {
        fail(head, H2_HEAD_BAD_PSEUDO); /* RFC 8441 section 4 */
        return;
    }
    if (extended && head->content_length_count > 0) {
        fail(head, H2_HEAD_BAD_CONTENT_LENGTH);
        return;
    }
    if (connect && !extended) {
        /* section 8.5: an authority and nothing else. */
        if (head->authority.ptr == NULL || head->scheme.ptr != NULL || head->path.ptr != NULL) {
            fail(head, H2_HEAD_BAD_PSEUDO);
            return;
        }
        head->path = head->authority;
    } else if (head->scheme.ptr == NULL || head->path.ptr == NULL) {
        fail(head, H2_HEAD_BAD_PSEUDO);
        return;
    } else if (!is_http(head->scheme)) {
        fail(head, H2_HEAD_BAD_SCHEME);
        return;
    } else if (head->path.ptr[0] != '/' && !slice_equal(head->path, SLICE("*"))) {
        fail(head, H2_HEAD_BAD_TARGET);
    }
    if (!http_all(head->path, HTTP_BYTE_VISIBLE)) {
        fail(head, H2_HEAD_BAD_TARGET);
    }
    end_host(head);
    if (extended) {
        end_handshake(head);
    }
}

static bool forbids_length(const struct h2_head *head)
{
    return head->kind == H2_HEAD_RESPONSE && (head->status < 200 || head->status == 204);
}

enum h2_head_failure h2_head_end(struct h2_head *head, bool ends)
{
    if (h2_head_is_malformed(head->failure)) {
        return head->failure;
    }
    if (head->kind == H2_HEAD_REQUEST) {
        end_request(head);
        if (ends && head->content_length > 0) {
            fail(head, H2_HEAD_BAD_CONTENT_LENGTH);
        }
    } else if (head->kind == H2_HEAD_RESPONSE && head->status == 0) {
        fail(head, H2_HEAD_BAD_PSEUDO);
    } else if (head->kind == H2_HEAD_RESPONSE && head->status < 200 && ends) {
        fail(head, H2_HEAD_LAST_INFORMATIONAL);
    } else if (head->content_length_count > 0 && forbids_length(head)) {
        fail(head, H2_HEAD_BAD_CONTENT_LENGTH);
    }
    return head->failure;
}

static struct headers headers_of(struct h2_head *head)
{
    assert(head->failure == H2_HEAD_OK);
    return (struct headers){ head->fields, head->field_count, HTTP_HEADERS_MAX };
}

/* `at_end`: what there is where the stream ends with the head. */
static enum http_body body_of(const struct h2_head *head, bool ends, enum http_body at_end)
{
    if (head->content_length_count > 0) {
        return BODY_LENGTH;
    }
    return ends ? at_end : BODY_CHUNKED;
}

void h2_take_request(struct h2_head *head, bool ends, struct http_request *ret_request)
{
    bool extended = head->protocol.ptr != NULL;
    *ret_request = (struct http_request){
        .method = http_method_of(head->method),
        .method_text = head->method,
        .target = head->path,
        .headers = headers_of(head),
        .body = extended ? BODY_NONE : body_of(head, ends, BODY_NONE),
        .content_length = head->content_length,
        .minor_version = 2,
        .keep_alive = true,
        .expect_continue = head->expect_continue && !ends && !extended,
        .upgrade = extended && !ends,
    };
}

void h2_take_response(struct h2_head *head, bool ends, enum http_method method,
                      struct http_response *ret_response)
{
    bool none = method == METHOD_HEAD || head->status < 200 || head->status == 204 || head->status == 304;
    *ret_response = (struct http_response){
        .status = head->status,
        .headers = headers_of(head),
        .body = none ? BODY_NONE : body_of(head, ends, BODY_LENGTH),
        .content_length = head->content_length,
        .minor_version = 2,
        .keep_alive = true,
    };
}

void h2_take_trailers(struct h2_head *head, struct headers *ret_trailers)
{
    *ret_trailers = headers_of(head);
}
