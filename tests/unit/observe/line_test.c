#include "unit.h"

#include "observe/line.h"

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
        .grpc_status = 16,
        .reason = DENY_TOKEN_EXPIRED,
        .action = SLICE("keys.revoke"),
        .outcome = SLICE("refused"),
        .detail = SLICE("main"),
        .issuer = SLICE("https://idp.example.com"),
        .subject = SLICE("alice"),
        .client_id = SLICE("web"),
        .received = 5,
        .sent = 123,
        .coding = SLICE("zstd"),
        .plain = 456,
        .duration = 1234567,
        .hedge = SLICE("won"),
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
        "\"status\":401,\"grpc_status\":16,\"reason\":\"token_expired\",\"action\":\"keys.revoke\","
        "\"outcome\":\"refused\","
        "\"detail\":\"main\","
        "\"issuer\":\"https://idp.example.com\",\"subject\":\"alice\",\"client_id\":\"web\",\"received\":5,"
        "\"sent\":123,\"coding\":\"zstd\",\"plain\":456,\"duration_us\":1234,\"hedge\":\"won\",\"upstream_"
        "us\":45,"
        "\"tls\":\"TLSv1.3\",\"user_agent\":\"curl/8\","
        "\"closed\":\"idle\",\"aborted\":true");
}

static void empty_members_are_left_out(void **state)
{
    (void)state;
    char out[LINE_MAX_BODY];
    struct log_record record = { .minor_version = 2,
                                 .status = 204,
                                 .grpc_status = -1,
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
        .grpc_status = INT32_MAX,
        .reason = DENY_CLIENT_CERTIFICATE_MISSING,
        .action = text,
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
        .coding = text,
        .plain = UINT64_MAX,
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
        cmocka_unit_test(times_and_numbers),
        cmocka_unit_test(a_record_has_the_documented_members),
        cmocka_unit_test(empty_members_are_left_out),
        cmocka_unit_test(the_longest_record_fits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
