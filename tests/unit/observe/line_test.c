#include "unit.h"

#include "base/encoding.h"
#include "observe/line.h"

static void escapes(const char *text, size_t size, const char *expected)
{
    /* At every place relative to the eight bytes that are looked at together. */
    for (size_t before = 0; before < 9; before++) {
        char input[128], wanted[256], out[256];
        memset(input, 'a', before);
        memcpy(input + before, text, size);
        snprintf(wanted, sizeof wanted, "%.*s%s", (int)before, "aaaaaaaaa", expected);
        char *end = line_escape(out, slice_of(input, before + size), sizeof out);
        assert_int_equal(end - out, strlen(wanted));
        assert_memory_equal(out, wanted, strlen(wanted));
    }
}

#define ESCAPES(text, expected) escapes(text, sizeof(text) - 1, expected)

static void text_is_escaped(void **state)
{
    (void)state;
    ESCAPES("", "");
    ESCAPES("plain text, more than eight bytes", "plain text, more than eight bytes");
    ESCAPES("say \"hi\"\\", "say \\\"hi\\\"\\\\");
    ESCAPES("a\nb\r\t\0c\x1f", "a\\u000ab\\u000d\\u0009\\u0000c\\u001f");
    ESCAPES("\x1b[31mred\x7f", "\\u001b[31mred\\u007f");
    ESCAPES("caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80", "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80");
    ESCAPES("\xc2\x9b"
            "31m",
            "\\u009b"
            "31m"); /* CSI as one character */
    ESCAPES("</script>", "</script>");
}

static void bytes_that_are_no_utf8_are_replaced(void **state)
{
    (void)state;
    ESCAPES("\xff", "\\ufffd");
    ESCAPES("a\x80z", "a\\ufffdz");
    ESCAPES("\xc0\xaf", "\\ufffd\\ufffd"); /* overlong / */
    ESCAPES("\xe0\x80\xaf", "\\ufffd\\ufffd\\ufffd");
    ESCAPES("\xed\xa0\x80", "\\ufffd\\ufffd\\ufffd"); /* a surrogate */
    ESCAPES("\xf4\x90\x80\x80", "\\ufffd\\ufffd\\ufffd\\ufffd");
    ESCAPES("\xe2\x82", "\\ufffd\\ufffd"); /* cut off */
    ESCAPES("\xc3", "\\ufffd");
    ESCAPES("\xc3\"", "\\ufffd\\\"");
}

/* Against the strict checker of base, for every pair and many triples of bytes. */
static void what_comes_out_is_utf8(void **state)
{
    (void)state;
    for (unsigned int code = 0; code < 0x1000000; code += code < 0x10000 ? 1 : 251) {
        char input[3] = { (char)(code >> 8), (char)code, (char)(code >> 16) };
        char out[64];
        char *end = line_escape(out, slice_of(input, 3), sizeof out);
        struct slice text = slice_of(out, (size_t)(end - out));
        assert_true(utf8_valid(text));
        for (size_t i = 0; i < text.len; i++) {
            assert_true((unsigned char)text.ptr[i] >= 0x20 && text.ptr[i] != 0x7f);
        }
        if (utf8_valid(slice_of(input, 3))) {
            assert_false(slice_contains(text, SLICE("\\ufffd")));
        }
    }
}

static void long_text_is_cut_at_a_character(void **state)
{
    (void)state;
    char input[200], out[64];
    for (size_t size = 0; size < sizeof input; size++) {
        for (size_t i = 0; i < size; i++) {
            input[i] = "\"\xc3\xa9x\x01"[i % 5];
        }
        for (size_t maximum = 16; maximum <= 40; maximum++) {
            memset(out, '#', sizeof out);
            char *end = line_escape(out, slice_of(input, size), maximum);
            assert_true((size_t)(end - out) <= maximum);
            assert_int_equal(*end, '#');
            assert_true(utf8_valid(slice_of(out, (size_t)(end - out))));
            if (size > 3 * maximum) {
                assert_true(slice_ends_with(slice_of(out, (size_t)(end - out)), SLICE("\xe2\x80\xa6")));
            }
        }
    }
}

static void times_and_numbers(void **state)
{
    (void)state;
    struct line_clock clock = { 0 };
    char out[64];
    static const struct {
        int64_t time;
        const char *text;
    } cases[] = {
        { 0, "\"1970-01-01T00:00:00.000Z\"" },
        { INT64_C(1767323045678999999), "\"2026-01-02T03:04:05.678Z\"" },
        { INT64_C(1767323045001000000), "\"2026-01-02T03:04:05.001Z\"" },
        { INT64_C(1767323046000000000), "\"2026-01-02T03:04:06.000Z\"" },
        { INT64_C(1767323045999000000), "\"2026-01-02T03:04:05.999Z\"" },
        { -5, "\"1970-01-01T00:00:00.000Z\"" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *end = line_time(out, cases[i].time, &clock);
        assert_slice(slice_of(out, (size_t)(end - out)), cases[i].text);
    }
}

/* Each length, with one quote anywhere or nowhere, into exactly as much room as it takes. */
static void each_length_is_escaped_within_its_room(void **state)
{
    (void)state;
    for (size_t len = 0; len <= 40; len++) {
        for (size_t quote = 0; quote <= len; quote++) {
            char text[41], expected[48], *room = malloc(len + 8);
            size_t size = 0;
            for (size_t i = 0; i < len; i++) {
                text[i] = i == quote ? '"' : (char)('a' + i % 26);
                if (i == quote) {
                    expected[size++] = '\\';
                }
                expected[size++] = text[i];
            }
            size_t maximum = size + 3; /* what a mark of a cut would take stays free */
            assert_non_null(room);
            memset(room, '#', len + 8);
            char *end = line_escape(room, slice_of(text, len), maximum);
            assert_int_equal(end - room, size);
            assert_memory_equal(room, expected, size);
            for (size_t i = size; i < len + 8; i++) {
                assert_int_equal(room[i], '#');
            }
            free(room);
        }
    }
}

static struct slice format(const struct log_record *record, char *out)
{
    struct line_clock clock = { 0 };
    return slice_of(out, (size_t)(line_record(out, record, &clock) - out));
}

static void a_record_has_the_documented_members(void **state)
{
    (void)state;
    char out[LINE_MAX_BODY];
    struct log_record record = {
        .time = INT64_C(1767323045678999999),
        .request_id = SLICE("r-1"),
        .trace_id = SLICE("4bf92f3577b34da6a3ce929d0e0e4736"),
        .listener = SLICE("public"),
        .route = SLICE("orders.read"),
        .upstream = SLICE("order-service"),
        .endpoint = SLICE("10.0.0.5:9001"),
        .upstream_protocol = SLICE("HTTP/2"),
        .client = { .bytes = { [10] = 0xff, 0xff, 192, 0, 2, 255 }, .port = 4711 },
        .method = SLICE("GET"),
        .host = SLICE("api.example.com"),
        .path = SLICE("/orders/1"),
        .minor_version = 1,
        .status = 401,
        .reason = DENY_TOKEN_EXPIRED,
        .detail = SLICE("main"),
        .issuer = SLICE("https://idp.example.com"),
        .subject = SLICE("alice"),
        .client_id = SLICE("web"),
        .received = 5,
        .sent = 123,
        .duration = 1234567,
        .upstream_duration = 45999,
        .tls_version = SLICE("TLSv1.3"),
        .user_agent = SLICE("curl/8"),
        .closed = SLICE("idle"),
        .aborted = true,
    };
    assert_slice(
        format(&record, out),
        "\"time\":\"2026-01-02T03:04:05.678Z\",\"request_id\":\"r-1\","
        "\"trace_id\":\"4bf92f3577b34da6a3ce929d0e0e4736\",\"listener\":\"public\",\"route\":\"orders.read\","
        "\"upstream\":\"order-service\",\"endpoint\":\"10.0.0.5:9001\","
        "\"upstream_protocol\":\"HTTP/2\",\"client\":\"192.0.2.255\","
        "\"method\":\"GET\",\"host\":\"api.example.com\",\"path\":\"/orders/1\",\"protocol\":\"HTTP/1.1\","
        "\"status\":401,\"reason\":\"token_expired\",\"detail\":\"main\","
        "\"issuer\":\"https://idp.example.com\",\"subject\":\"alice\",\"client_id\":\"web\",\"received\":5,"
        "\"sent\":123,\"duration_us\":1234,\"upstream_us\":45,\"tls\":\"TLSv1.3\",\"user_agent\":\"curl/8\","
        "\"closed\":\"idle\",\"aborted\":true");
}

static void empty_members_are_left_out(void **state)
{
    (void)state;
    char out[LINE_MAX_BODY];
    struct log_record record = { .minor_version = 2,
                                 .status = 204,
                                 .upstream_duration = -1,
                                 .duration = -7,
                                 .client = { .bytes = { 0x20, 1, 0xd, 0xb8, [15] = 1 } } };
    assert_slice(format(&record, out),
                 "\"time\":\"1970-01-01T00:00:00.000Z\",\"client\":\"2001:db8::1\",\"protocol\":\"HTTP/2\","
                 "\"status\":204,\"received\":0,\"sent\":0,\"duration_us\":0");
}

static void the_longest_record_fits(void **state)
{
    (void)state;
    static char hostile[65536];
    memset(hostile, 1, sizeof hostile); /* six bytes each, escaped */
    struct slice text = slice_of(hostile, sizeof hostile);
    char *out = malloc(LINE_MAX_BODY);
    struct log_record record = {
        .time = INT64_MAX / 2,
        .request_id = text,
        .trace_id = text,
        .listener = text,
        .route = text,
        .upstream = text,
        .endpoint = text,
        .upstream_protocol = text,
        .method = text,
        .host = text,
        .path = text,
        .minor_version = 1,
        .status = UINT32_MAX,
        .reason = DENY_CLIENT_CERTIFICATE_MISSING,
        .detail = text,
        .issuer = text,
        .subject = text,
        .client_id = text,
        .received = UINT64_MAX,
        .sent = UINT64_MAX,
        .duration = INT64_MAX,
        .upstream_duration = INT64_MAX,
        .tls_version = text,
        .user_agent = text,
        .closed = text,
        .aborted = true,
    };
    memset(record.client.bytes, 0xff, sizeof record.client.bytes);
    size_t size = format(&record, out).len;
    assert_true(size > 2048 && size <= LINE_MAX_BODY - 64);
    for (int reason = DENY_NONE + 1; reason < DENY_REASON_COUNT; reason++) {
        assert_true(strlen(deny_infos[reason].detail) < 32); /* never cut */
    }
    free(out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_escaped),
        cmocka_unit_test(bytes_that_are_no_utf8_are_replaced),
        cmocka_unit_test(what_comes_out_is_utf8),
        cmocka_unit_test(long_text_is_cut_at_a_character),
        cmocka_unit_test(times_and_numbers),
        cmocka_unit_test(each_length_is_escaped_within_its_room),
        cmocka_unit_test(a_record_has_the_documented_members),
        cmocka_unit_test(empty_members_are_left_out),
        cmocka_unit_test(the_longest_record_fits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
