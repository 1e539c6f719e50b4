#include "http/websocket.h"

#include "http/h1/parser.h"
#include "unit.h"

#define KEY    "dGhlIHNhbXBsZSBub25jZQ=="
#define ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

static const struct http_head_limits limits = { HTTP_HEAD_MAX, HTTP_TARGET_MAX, HTTP_HEADERS_MAX };

struct head {
    struct h1_parser parser;
    struct header items[HTTP_HEADERS_MAX];
    struct http_request request;
    struct http_response response;
};

static void take_request(struct head *head, const char *text)
{
    h1_parser_init_request(&head->parser, &limits);
    assert_int_equal(h1_parse(&head->parser, text, strlen(text)), H1_DONE);
    h1_take_request(&head->parser, text, head->items, HTTP_HEADERS_MAX, &head->request);
}

static void take_response(struct head *head, const char *text)
{
    h1_parser_init_response(&head->parser, &limits, METHOD_GET);
    assert_int_equal(h1_parse(&head->parser, text, strlen(text)), H1_DONE);
    h1_take_response(&head->parser, text, head->items, HTTP_HEADERS_MAX, &head->response);
}

#define REQUEST(line, upgrade, connection, key, version, more) \
    line "\r\nHost: example.com\r\n" upgrade "\r\n" connection "\r\n" key "\r\n" version "\r\n" more "\r\n"
#define GET             "GET /chat HTTP/1.1"
#define UPGRADE         "Upgrade: websocket"
#define CONNECTION      "Connection: Upgrade"
#define ONE_KEY         "Sec-WebSocket-Key: " KEY
#define VERSION         "Sec-WebSocket-Version: 13"
#define PROTOCOLS(x)    "Sec-WebSocket-Protocol: " x "\r\n"
#define EXTENSIONS(x)   "Sec-WebSocket-Extensions: " x "\r\n"
#define HANDSHAKE(more) REQUEST(GET, UPGRADE, CONNECTION, ONE_KEY, VERSION, more)

static void judges_requests(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum websocket_verdict verdict;
    } cases[] = {
        { HANDSHAKE(""), WEBSOCKET_ASKED },
        { HANDSHAKE("Content-Length: 0\r\n"), WEBSOCKET_ASKED },
        { HANDSHAKE(PROTOCOLS("chat, superchat")), WEBSOCKET_ASKED },
        { HANDSHAKE(PROTOCOLS("chat") PROTOCOLS("superchat")), WEBSOCKET_ASKED },
        { HANDSHAKE(EXTENSIONS("permessage-deflate; client_max_window_bits, x; a=\"b,c\"")),
          WEBSOCKET_ASKED },
        { REQUEST(GET, "Upgrade: WebSocket", "Connection: keep-alive, UPGRADE", ONE_KEY, VERSION, ""),
          WEBSOCKET_ASKED },
        { "GET / HTTP/1.1\r\nHost: example.com\r\n\r\n", WEBSOCKET_NOT_ASKED },
        { "GET / HTTP/1.1\r\nHost: example.com\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n",
          WEBSOCKET_NOT_ASKED },
        { REQUEST(GET, "X: y", CONNECTION, ONE_KEY, VERSION, ""), WEBSOCKET_NOT_ASKED },
        { REQUEST(GET, "Upgrade: websockets", CONNECTION, ONE_KEY, VERSION, ""), WEBSOCKET_NOT_ASKED },
        { REQUEST(GET, UPGRADE, CONNECTION, ONE_KEY, "Sec-WebSocket-Version: 8", ""), WEBSOCKET_VERSION },
        { REQUEST(GET, UPGRADE, CONNECTION, ONE_KEY, "Sec-WebSocket-Version: 13, 8", ""), WEBSOCKET_VERSION },
        { REQUEST(GET, UPGRADE, CONNECTION, ONE_KEY, "X: y", ""), WEBSOCKET_MALFORMED },
        { REQUEST(GET, UPGRADE, CONNECTION, ONE_KEY, VERSION, VERSION "\r\n"), WEBSOCKET_MALFORMED },
        { REQUEST("PUT / HTTP/1.1", UPGRADE, CONNECTION, ONE_KEY, VERSION, ""), WEBSOCKET_MALFORMED },
        { REQUEST("GET / HTTP/1.0", UPGRADE, CONNECTION, ONE_KEY, VERSION, ""), WEBSOCKET_MALFORMED },
        { REQUEST(GET, UPGRADE, "Connection: close", ONE_KEY, VERSION, ""), WEBSOCKET_MALFORMED },
        { REQUEST(GET, "Upgrade: websocket, h2c", CONNECTION, ONE_KEY, VERSION, ""), WEBSOCKET_MALFORMED },
        { REQUEST(GET, UPGRADE "\r\nUpgrade: h2c", CONNECTION, ONE_KEY, VERSION, ""), WEBSOCKET_MALFORMED },
        { HANDSHAKE("Content-Length: 5\r\n"), WEBSOCKET_MALFORMED },
        { HANDSHAKE("Transfer-Encoding: chunked\r\n"), WEBSOCKET_MALFORMED },
        { REQUEST(GET, UPGRADE, CONNECTION, "X: y", VERSION, ""), WEBSOCKET_MALFORMED },
        { REQUEST(GET, UPGRADE, CONNECTION, "Sec-WebSocket-Key: AAAA", VERSION, ""), WEBSOCKET_MALFORMED },
        { REQUEST(GET, UPGRADE, CONNECTION, "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAAAA", VERSION, ""),
          WEBSOCKET_MALFORMED }, /* 18 bytes */
        { REQUEST(GET, UPGRADE, CONNECTION, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZR==", VERSION, ""),
          WEBSOCKET_MALFORMED }, /* a second spelling */
        { HANDSHAKE(ONE_KEY "\r\n"), WEBSOCKET_MALFORMED },
        { HANDSHAKE(PROTOCOLS("a b")), WEBSOCKET_MALFORMED },
        { HANDSHAKE(EXTENSIONS("a b; c")), WEBSOCKET_MALFORMED },
        { HANDSHAKE(EXTENSIONS("; c")), WEBSOCKET_MALFORMED },
        { HANDSHAKE(PROTOCOLS("a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a")),
          WEBSOCKET_MALFORMED }, /* 33 */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct head head;
        const char *why = NULL;
        take_request(&head, cases[i].text);
        if (websocket_check_request(&head.request, &why) != cases[i].verdict) {
            fail_msg("%s", cases[i].text);
        }
        assert_int_equal(why != NULL, cases[i].verdict == WEBSOCKET_MALFORMED);
    }
}

static void computes_the_accept_of_the_rfc(void **state)
{
    (void)state;
    char out[WEBSOCKET_ACCEPT_LENGTH];
    assert_true(websocket_accept(SLICE(KEY), out));
    assert_memory_equal(out, ACCEPT, sizeof out);
    assert_false(websocket_accept(SLICE("short"), out));
}

#define SWITCHES(upgrade, connection, more) \
    "HTTP/1.1 101 Switching Protocols\r\n" upgrade "\r\n" connection "\r\n" more "\r\n"
#define ACCEPTS "Sec-WebSocket-Accept: " ACCEPT "\r\n"

static void judges_responses(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool grants;
    } cases[] = {
        { SWITCHES(UPGRADE, CONNECTION, ACCEPTS), true },
        { SWITCHES("Upgrade: WebSocket", "Connection: keep-alive, upgrade", ACCEPTS), true },
        { SWITCHES(UPGRADE, CONNECTION, ACCEPTS PROTOCOLS("b")), true },
        { SWITCHES(UPGRADE, CONNECTION, ACCEPTS EXTENSIONS("x; y=1, permessage-deflate")), true },
        { SWITCHES("X: y", CONNECTION, ACCEPTS), false },
        { SWITCHES("Upgrade: h2c", CONNECTION, ACCEPTS), false },
        { SWITCHES(UPGRADE, "Connection: close", ACCEPTS), false },
        { SWITCHES(UPGRADE, CONNECTION, ""), false },
        { SWITCHES(UPGRADE, CONNECTION, ACCEPTS ACCEPTS), false },
        { SWITCHES(UPGRADE, CONNECTION, "Sec-WebSocket-Accept: S3PPLMBITXAQ9KYGZZHZRBK+XOO=\r\n"), false },
        { SWITCHES(UPGRADE, CONNECTION, ACCEPTS PROTOCOLS("c")), false },
        { SWITCHES(UPGRADE, CONNECTION, ACCEPTS PROTOCOLS("B")), false },
        { SWITCHES(UPGRADE, CONNECTION, ACCEPTS PROTOCOLS("a, b")), false },
        { SWITCHES(UPGRADE, CONNECTION, ACCEPTS PROTOCOLS("a") PROTOCOLS("b")), false },
        { SWITCHES(UPGRADE, CONNECTION, ACCEPTS PROTOCOLS("")), false },
        { SWITCHES(UPGRADE, CONNECTION, ACCEPTS EXTENSIONS("permessage-deflate, z")), false },
    };
    struct head asked;
    take_request(&asked, HANDSHAKE(PROTOCOLS("a, b") EXTENSIONS("permessage-deflate") EXTENSIONS("x")));
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct head head;
        take_response(&head, cases[i].text);
        if ((websocket_check_response(&asked.request, &head.response) == NULL) != cases[i].grants) {
            fail_msg("%s", cases[i].text);
        }
    }
}

/* ---- frames ---- */

static size_t put_frame(char *out, unsigned int opcode, uint64_t size, bool masked)
{
    size_t at = 0, bytes = size < 126 ? 0 : size < 65536 ? 2 : 8;
    out[at++] = (char)(0x80 | opcode);
    out[at++] = (char)((bytes == 0 ? size : bytes == 2 ? 126 : 127) | (masked ? 0x80 : 0));
    for (size_t i = bytes; i-- > 0;) {
        out[at++] = (char)(size >> (8 * i));
    }
    memset(out + at, 'm', masked ? 4 : 0);
    return at + (masked ? 4 : 0);
}

static void finds_the_ends_of_frames(void **state)
{
    (void)state;
    static const uint64_t sizes[] = { 0, 1, 125, 126, 127, 65535, 65536, 70000 };
    static char data[80000];
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        for (int masked = 0; masked < 2; masked++) {
            size_t size = put_frame(data, 2, sizes[i], masked != 0) + (size_t)sizes[i];
            for (size_t step = 1; step <= size; step = step * 3 + 1) {
                struct websocket_frames frames = { 0 };
                assert_true(websocket_frames_between(&frames));
                for (size_t at = 0; at < size; at += step) {
                    size_t length = size - at < step ? size - at : step;
                    websocket_frames_follow(&frames, slice_of(data + at, length));
                    assert_int_equal(websocket_frames_between(&frames), at + length == size);
                }
            }
        }
    }
}

static void stops_at_the_end_of_a_frame(void **state)
{
    (void)state;
    char data[64];
    struct websocket_frames frames = { 0 };
    size_t first = put_frame(data, 1, 5, false) + 5;
    size_t second = put_frame(data + first, 1, 3, false) + 3;
    assert_int_equal(websocket_frames_step(&frames, slice_of(data, first + second)), first);
    assert_true(websocket_frames_between(&frames));
    assert_int_equal(websocket_frames_step(&frames, slice_of(data + first, 1)), 1);
    assert_false(websocket_frames_between(&frames));
    assert_int_equal(websocket_frames_step(&frames, slice_of(data + first + 1, second - 1)), second - 1);
    assert_true(websocket_frames_between(&frames));
}

static void nothing_may_follow_a_close_frame_or_nonsense(void **state)
{
    (void)state;
    char data[64] = { 0 };
    struct websocket_frames frames = { 0 };
    websocket_frames_follow(&frames, slice_of(data, put_frame(data, 8, 2, false) + 2));
    assert_true(frames.closed);
    assert_false(websocket_frames_between(&frames));
    frames = (struct websocket_frames){ 0 };
    websocket_frames_follow(&frames, slice_of(data, put_frame(data, 2, UINT64_C(1) << 63, false)));
    assert_true(frames.lost);
    websocket_frames_follow(&frames, SLICE("whatever"));
    assert_false(websocket_frames_between(&frames));
}

static void writes_close_frames(void **state)
{
    (void)state;
    char out[WEBSOCKET_CLOSE_MAX];
    size_t size = websocket_close_frame(WEBSOCKET_GOING_AWAY, SLICE("bye"), NULL, out);
    assert_int_equal(size, 7);
    assert_memory_equal(out,
                        "\x88\x05\x03\xe9"
                        "bye",
                        7);
    static const unsigned char mask[4] = { 1, 2, 3, 4 };
    size = websocket_close_frame(WEBSOCKET_POLICY_VIOLATION, SLICE("no"), mask, out);
    assert_int_equal(size, 10);
    assert_memory_equal(out, "\x88\x84\x01\x02\x03\x04", 6);
    assert_int_equal(out[6] ^ 1, 0x03);
    assert_int_equal((unsigned char)(out[7] ^ 2), 0xf0);
    assert_int_equal(out[8] ^ 3, 'n');
    assert_int_equal(out[9] ^ 4, 'o');
    struct websocket_frames frames = { 0 };
    websocket_frames_follow(&frames, slice_of(out, size));
    assert_true(frames.closed);
    assert_int_equal(frames.left + frames.have, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(judges_requests),
        cmocka_unit_test(computes_the_accept_of_the_rfc),
        cmocka_unit_test(judges_responses),
        cmocka_unit_test(finds_the_ends_of_frames),
        cmocka_unit_test(stops_at_the_end_of_a_frame),
        cmocka_unit_test(nothing_may_follow_a_close_frame_or_nonsense),
        cmocka_unit_test(writes_close_frames),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
