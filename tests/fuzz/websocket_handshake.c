/* A request, behind it a response, behind it frames: what is a handshake is one to the letter, what grants it does, and where a frame
 * ends does not depend on how its bytes came. */
#include "h1_heads.h"

#include "base/encoding.h"
#include "http/websocket.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static size_t fields_named(const struct headers *headers, struct slice name)
{
    size_t count = 0;
    for (size_t i = 0; i < headers->count; i++) {
        count += slice_equal_nocase(headers->items[i].name, name) ? 1 : 0;
    }
    return count;
}

static void check_asked(const struct http_request *request)
{
    char key[BASE64_DECODED_MAX(WEBSOCKET_KEY_LENGTH)];
    CHECK(request->method == METHOD_GET && request->upgrade && request->minor_version == 1);
    CHECK(request->body == BODY_NONE || (request->body == BODY_LENGTH && request->content_length == 0));
    CHECK(headers_count(&request->headers, HEADER_UPGRADE) == 1);
    CHECK(fields_named(&request->headers, SLICE("sec-websocket-key")) == 1);
    CHECK(fields_named(&request->headers, SLICE("sec-websocket-version")) == 1);
    CHECK(base64_decode(headers_find_name(&request->headers, SLICE("sec-websocket-key"))->value, key) == 16);
}

/* With our own fields in place of the upstream's, whatever else it said. */
static void check_granted(const struct http_request *request, const struct http_response *response)
{
    char accept[WEBSOCKET_ACCEPT_LENGTH];
    CHECK(websocket_accept(headers_find_name(&request->headers, SLICE("sec-websocket-key"))->value, accept));
    const struct header *said = headers_find_name(&response->headers, SLICE("sec-websocket-accept"));
    CHECK(said != NULL && slice_equal(said->value, slice_of(accept, sizeof accept)));
    CHECK(fields_named(&response->headers, SLICE("sec-websocket-protocol")) <=
          fields_named(&request->headers, SLICE("sec-websocket-protocol")));
}

static void check_frames(struct slice data)
{
    struct websocket_frames whole = { 0 }, pieces = { 0 }, steps = { 0 };
    websocket_frames_follow(&whole, data);
    for (size_t at = 0; at < data.len;) {
        size_t length = 1 + (unsigned char)data.ptr[at] % 7;
        length = length < data.len - at ? length : data.len - at;
        websocket_frames_follow(&pieces, slice_part(data, at, length));
        at += length;
    }
    for (size_t at = 0; at < data.len;) {
        size_t taken = websocket_frames_step(&steps, slice_from(data, at));
        at += taken;
        CHECK(taken > 0 && at <= data.len);
        CHECK(at == data.len || steps.lost || (steps.left == 0 && steps.have == 0));
    }
    CHECK(whole.left == pieces.left && whole.have == pieces.have && whole.closed == pieces.closed &&
          whole.lost == pieces.lost);
    CHECK(whole.left == steps.left && whole.have == steps.have && whole.closed == steps.closed);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct slice data = { (const char *)bytes, size };
    struct h1_parser parser;
    struct header items[HTTP_HEADERS_MAX], answered[HTTP_HEADERS_MAX];
    struct http_request request;
    struct http_response response;
    const char *why = NULL;
    check_frames(data);
    h1_parser_init_request(&parser, &fuzz_limits);
    if (h1_parse(&parser, data.ptr, data.len) != H1_DONE) {
        return 0;
    }
    h1_take_request(&parser, data.ptr, items, HTTP_HEADERS_MAX, &request);
    size_t length = parser.head_length;
    enum websocket_verdict verdict = websocket_check_request(&request, &why);
    CHECK((why != NULL) == (verdict == WEBSOCKET_MALFORMED));
    if (verdict != WEBSOCKET_ASKED) {
        return 0;
    }
    check_asked(&request);
    data = slice_from(data, length);
    h1_parser_init_response(&parser, &fuzz_limits, METHOD_GET);
    if (h1_parse(&parser, data.ptr, data.len) != H1_DONE) {
        return 0;
    }
    h1_take_response(&parser, data.ptr, answered, HTTP_HEADERS_MAX, &response);
    if (response.status == 101 && websocket_check_response(&request, &response) == NULL) {
        check_granted(&request, &response);
    }
    return 0;
}
