#include "http/websocket.h"

#include "base/encoding.h"

#include <assert.h>
#include <openssl/sha.h>

#define KEY_BYTES 16

static const struct slice key_name = SLICE_INIT("sec-websocket-key");
static const struct slice version_name = SLICE_INIT("sec-websocket-version");
static const struct slice accept_name = SLICE_INIT("sec-websocket-accept");
static const struct slice protocol_name = SLICE_INIT("sec-websocket-protocol");
static const struct slice extensions_name = SLICE_INIT("sec-websocket-extensions");

/* ---- fields ---- */

/* The next element of all fields of a name together, which make one list. `at`, `rest`: 0 and nothing at first. */
static bool next_element(const struct headers *headers, struct slice name, size_t *at, struct slice *rest,
                         struct slice *ret_element)
{
    while (!http_list_next(rest, ret_element)) {
        while (*at < headers->count && !slice_equal_nocase(headers->items[*at].name, name)) {
            ++*at;
        }
        if (*at == headers->count) {
            return false;
        }
        *rest = headers->items[(*at)++].value;
    }
    return true;
}

/* The one field of that name. False: none, or several, of which two readers could take two. */
static bool only_value(const struct headers *headers, struct slice name, struct slice *ret_value)
{
    size_t found = 0;
    for (size_t i = 0; i < headers->count; i++) {
        if (slice_equal_nocase(headers->items[i].name, name)) {
            *ret_value = headers->items[i].value;
            found++;
        }
    }
    return found == 1;
}

/* An extension without its parameters. */
static struct slice extension_name(struct slice element)
{
    ssize_t semicolon = slice_find(element, ';');
    return slice_trim(semicolon < 0 ? element : slice_part(element, 0, (size_t)semicolon));
}

static struct slice whole(struct slice element)
{
    return element;
}

/* Is `wanted` among what the request offers under `name`? */
static bool is_offered(const struct headers *offered, struct slice name, struct slice (*part)(struct slice),
                       struct slice wanted)
{
    size_t at = 0;
    struct slice rest = SLICE_NONE, element;
    while (next_element(offered, name, &at, &rest, &element)) {
        if (slice_equal(part(element), wanted)) {
            return true;
        }
    }
    return false;
}

/* Tokens, and few of them: each of the answer is looked for among these. */
static bool well_formed(const struct headers *headers, struct slice name, struct slice (*part)(struct slice))
{
    size_t at = 0, count = 0;
    struct slice rest = SLICE_NONE, element;
    while (next_element(headers, name, &at, &rest, &element)) {
        if (++count > WEBSOCKET_OFFERS_MAX || !http_token_valid(part(element))) {
            return false;
        }
    }
    return true;
}

/* ---- the request ---- */

static bool is_key(struct slice text)
{
    unsigned char bytes[BASE64_DECODED_MAX(WEBSOCKET_KEY_LENGTH)];
    return text.len == WEBSOCKET_KEY_LENGTH && base64_decode(text, bytes) == KEY_BYTES;
}

static const char *problem(const struct http_request *request)
{
    struct slice value;
    if (!only_value(&request->headers, header_name(HEADER_UPGRADE), &value) ||
        !slice_equal_nocase(value, SLICE("websocket"))) {
        return "Upgrade names more than websocket";
    }
    if (request->method != METHOD_GET) {
        return "the method is not GET";
    }
    if (!request->upgrade) {
        return "it is no HTTP/1.1 request without a body whose Connection says upgrade, and no open HTTP/2 "
               "stream";
    }
    if (!only_value(&request->headers, key_name, &value) || !is_key(value)) {
        return "Sec-WebSocket-Key is not 16 bytes in base64";
    }
    if (!well_formed(&request->headers, protocol_name, whole)) {
        return "Sec-WebSocket-Protocol is no short list of tokens";
    }
    if (!well_formed(&request->headers, extensions_name, extension_name)) {
        return "Sec-WebSocket-Extensions is no short list of extensions";
    }
    return NULL;
}

enum websocket_verdict websocket_check_request(const struct http_request *request, const char **ret_why)
{
    bool asked = false;
    for (size_t i = 0; i < request->headers.count && !asked; i++) {
        const struct header *header = &request->headers.items[i];
        asked = header->id == HEADER_UPGRADE && http_list_contains(header->value, SLICE("websocket"));
    }
    if (!asked) {
        return WEBSOCKET_NOT_ASKED;
    }
    const char *why = problem(request);
    struct slice version = SLICE_NONE;
    bool one_version = only_value(&request->headers, version_name, &version);
    if (why == NULL && !one_version) {
        why = "Sec-WebSocket-Version is missing or repeated";
    }
    if (why != NULL) {
        *ret_why = why;
        return WEBSOCKET_MALFORMED;
    }
    return slice_equal(version, SLICE("13")) ? WEBSOCKET_ASKED : WEBSOCKET_VERSION;
}

/* ---- the response ---- */

bool websocket_accept(struct slice key, char out[WEBSOCKET_ACCEPT_LENGTH])
{
    static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    unsigned char text[WEBSOCKET_KEY_LENGTH + sizeof guid - 1];
    unsigned char digest[SHA_DIGEST_LENGTH];
    if (key.len != WEBSOCKET_KEY_LENGTH) {
        return false;
    }
    memcpy(text, key.ptr, key.len);
    memcpy(text + key.len, guid, sizeof guid - 1);
    if (SHA1(text, sizeof text, digest) == NULL) {
        return false;
    }
    size_t length = base64_encode(digest, sizeof digest, out);
    assert(length == WEBSOCKET_ACCEPT_LENGTH);
    return length == WEBSOCKET_ACCEPT_LENGTH;
}

bool websocket_is_http1_field(struct slice name)
{
    return slice_equal_nocase(name, key_name) || slice_equal_nocase(name, accept_name);
}

static bool accepts(const struct http_request *request, const struct http_response *response)
{
    char wanted[WEBSOCKET_ACCEPT_LENGTH];
    struct slice key, accept;
    return only_value(&request->headers, key_name, &key) && websocket_accept(key, wanted) &&
           only_value(&response->headers, accept_name, &accept) &&
           slice_equal(accept, slice_of(wanted, sizeof wanted));
}

static bool says_upgrade(const struct headers *headers)
{
    struct slice value;
    if (!only_value(headers, header_name(HEADER_UPGRADE), &value) ||
        !slice_equal_nocase(value, SLICE("websocket"))) {
        return false;
    }
    for (size_t i = 0; i < headers->count; i++) {
        if (headers->items[i].id == HEADER_CONNECTION &&
            http_list_contains(headers->items[i].value, SLICE("upgrade"))) {
            return true;
        }
    }
    return false;
}

const char *websocket_check_response(const struct http_request *request, const struct http_response *response)
{
    if (!says_upgrade(&response->headers)) {
        return "101 that does not upgrade to websocket";
    }
    if (!accepts(request, response)) {
        return "101 with a wrong Sec-WebSocket-Accept";
    }
    struct slice protocol;
    bool has_protocol = headers_find_name(&response->headers, protocol_name) != NULL;
    if (has_protocol && (!only_value(&response->headers, protocol_name, &protocol) ||
                         !is_offered(&request->headers, protocol_name, whole, protocol))) {
        return "101 with a subprotocol that was not offered";
    }
    size_t at = 0;
    struct slice rest = SLICE_NONE, element;
    while (next_element(&response->headers, extensions_name, &at, &rest, &element)) {
        if (!is_offered(&request->headers, extensions_name, extension_name, extension_name(element))) {
            return "101 with an extension that was not offered";
        }
    }
    return NULL;
}

/* ---- frames ---- */

/* Bytes of the head, as far as its first ones tell (section 5.2). */
static size_t head_size(const uint8_t *head, size_t have)
{
    if (have < 2) {
        return 2;
    }
    unsigned int length = head[1] & 0x7f;
    size_t size = length == 126 ? 4 : length == 127 ? 10 : 2;
    return size + ((head[1] & 0x80) != 0 ? 4 : 0);
}

static void begin_payload(struct websocket_frames *frames, const uint8_t *head)
{
    unsigned int length = head[1] & 0x7f;
    size_t size = length == 126 ? 2 : length == 127 ? 8 : 0;
    frames->left = size == 0 ? length : 0;
    for (size_t i = 0; i < size; i++) {
        frames->left = frames->left << 8 | head[2 + i];
    }
    frames->have = 0;
    frames->closed = frames->closed || (head[0] & 0x0f) == 8;
    frames->lost = frames->left > INT64_MAX;
    frames->left = frames->lost ? 0 : frames->left;
}

/* A head that may come in pieces: the bytes of it in `data`. */
static size_t gather_head(struct websocket_frames *frames, struct slice data)
{
    size_t at = 0;
    size_t size = head_size(frames->head, frames->have);
    while (at < data.len && frames->have < size) {
        frames->head[frames->have++] = (uint8_t)data.ptr[at++];
        size = head_size(frames->head, frames->have);
    }
    if (frames->have == size) {
        begin_payload(frames, frames->head);
    }
    return at;
}

size_t websocket_frames_step(struct websocket_frames *frames, struct slice data)
{
    size_t at = 0;
    if (frames->lost) {
        return data.len;
    }
    if (frames->left == 0 && frames->have == 0 && data.len >= sizeof frames->head) {
        const uint8_t *head = (const uint8_t *)data.ptr; /* whole: the rule */
        at = head_size(head, 2);
        begin_payload(frames, head);
    } else if (frames->left == 0) {
        at = gather_head(frames, data);
    }
    size_t rest = data.len - at;
    size_t taken = frames->left < rest ? (size_t)frames->left : rest;
    frames->left -= taken;
    return at + taken;
}

void websocket_frames_follow(struct websocket_frames *frames, struct slice data)
{
    while (data.len > 0) {
        data = slice_from(data, websocket_frames_step(frames, data));
    }
}

bool websocket_frames_between(const struct websocket_frames *frames)
{
    return frames->left == 0 && frames->have == 0 && !frames->closed && !frames->lost;
}

size_t websocket_close_frame(unsigned int code, struct slice reason, const unsigned char *mask,
                             char out[WEBSOCKET_CLOSE_MAX])
{
    size_t length = 2 + reason.len, at = 0;
    assert(reason.len <= 60);
    out[at++] = (char)0x88; /* the last fragment; Close */
    out[at++] = (char)(length | (mask != NULL ? 0x80 : 0));
    if (mask != NULL) {
        memcpy(out + at, mask, 4);
        at += 4;
    }
    char *payload = out + at;
    payload[0] = (char)(code >> 8);
    payload[1] = (char)code;
    memcpy(payload + 2, reason.ptr, reason.len);
    for (size_t i = 0; mask != NULL && i < length; i++) {
        payload[i] = (char)(payload[i] ^ mask[i % 4]);
    }
    return at + length;
}
