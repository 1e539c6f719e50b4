#include "http/grpc.h"

#include "pipeline/deny_reasons.h"
#include "unit.h"

static bool is_call(enum http_method method, int version, const char *first, const char *second)
{
    struct header items[2];
    struct headers headers = { .items = items, .capacity = 2 };
    const char *const types[] = { first, second };
    for (size_t i = 0; i < 2; i++) {
        if (types[i] != NULL) {
            headers_add(&headers, HEADER_CONTENT_TYPE, SLICE("content-type"), slice_from_string(types[i]));
        }
    }
    const struct http_request request = { .method = method, .minor_version = version, .headers = headers };
    return grpc_is_call(&request);
}

static void knows_calls(void **state)
{
    (void)state;
    static const char *const yes[] = {
        "application/grpc",       "Application/GRPC",
        "application/grpc+proto", "application/grpc;charset=utf-8",
        "application/grpc ; x=y", "application/grpc+json; x=y",
    };
    static const char *const no[] = {
        "",
        "application/grp",
        "application/grpc-web",
        "application/grpc-web+proto",
        "application/grpcx",
        "application/grpc, application/json",
        "application/grpc json",
        "application/json; application/grpc",
    };
    for (size_t i = 0; i < sizeof yes / sizeof yes[0]; i++) {
        assert_true(is_call(METHOD_POST, 2, yes[i], NULL));
    }
    for (size_t i = 0; i < sizeof no / sizeof no[0]; i++) {
        assert_false(is_call(METHOD_POST, 2, no[i], NULL));
    }
}

static void nothing_else_is_a_call(void **state)
{
    (void)state;
    assert_false(is_call(METHOD_GET, 2, "application/grpc", NULL));
    assert_false(is_call(METHOD_OPTIONS, 2, "application/grpc", NULL));
    assert_false(is_call(METHOD_POST, 1, "application/grpc", NULL));
    assert_false(is_call(METHOD_POST, 2, NULL, NULL));
    assert_false(is_call(METHOD_POST, 2, "application/grpc", "application/grpc"));
}

/* Titles and public codes go into grpc-message as they are. */
static void what_callers_are_told_needs_no_percent_encoding(void **state)
{
    (void)state;
    for (unsigned int i = DENY_NONE + 1; i < DENY_REASON_COUNT; i++) {
        const char *const texts[] = { deny_infos[i].title, deny_infos[i].public_code };
        for (size_t t = 0; t < 2; t++) {
            for (const char *c = texts[t]; *c != '\0'; c++) {
                assert_true(*c >= ' ' && *c <= '~' && *c != '%');
            }
        }
        assert_in_range(deny_infos[i].grpc, 1, 16); /* never OK */
    }
}

static void timeouts_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t ns; /* -1: refused */
    } rows[] = {
        { "0n", 0 },
        { "1n", 1 },
        { "1u", 1000 },
        { "1m", 1000000 },
        { "1S", 1000000000 },
        { "1M", 60000000000 },
        { "1H", 3600000000000 },
        { "00000250m", 250000000 },
        { "99999999n", 99999999 },
        { "99999999S", 99999999000000000 },
        { "876000H", GRPC_TIMEOUT_MAX },
        { "876001H", GRPC_TIMEOUT_MAX },
        { "99999999M", GRPC_TIMEOUT_MAX }, /* of 190 years */
        { "99999999H", GRPC_TIMEOUT_MAX }, /* more than 64 bits of ns */
        { "", -1 },
        { "S", -1 },
        { "1", -1 },
        { "12345678", -1 },
        { "100000000n", -1 },
        { "000000001S", -1 },
        { "1s", -1 },
        { "1h", -1 },
        { "1N", -1 },
        { "1ms", -1 },
        { "1 S", -1 },
        { "+1S", -1 },
        { "-1S", -1 },
        { "1.5S", -1 },
        { "0x1S", -1 },
        { "1S,2S", -1 },
        { "\xd9\xa1S", -1 }, /* a digit, but not ASCII's */
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int64_t ns = -1;
        assert_int_equal(grpc_timeout_parse(slice_from_string(rows[i].text), &ns), rows[i].ns >= 0);
        assert_int_equal(ns, rows[i].ns);
    }
    int64_t ns = -1;
    assert_false(grpc_timeout_parse(slice_of("1\0S", 3), &ns));
    assert_false(grpc_timeout_parse(slice_of("1S\0", 3), &ns));
}

static void timeouts_are_written(void **state)
{
    (void)state;
    static const struct {
        int64_t ns;
        const char *text;
    } rows[] = {
        { 1, "1n" },
        { 99999999, "99999999n" },
        { 100000000, "100000u" },
        { 100000999, "100000u" },
        { 4999800123, "4999800u" },
        { INT64_C(100000000) * 1000, "100000m" },
        { INT64_C(100000000) * 1000000, "100000S" },
        { INT64_C(100000000) * 1000000000, "1666666M" },
        { GRPC_TIMEOUT_MAX, "52560000M" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char out[GRPC_TIMEOUT_SIZE];
        struct slice text = grpc_timeout_text(rows[i].ns, out);
        assert_int_equal(text.len, strlen(rows[i].text));
        assert_memory_equal(text.ptr, rows[i].text, text.len);
    }
}

static const char *timeout_of(const char *first, const char *second, int64_t *ret_ns)
{
    struct header items[3];
    struct headers headers = { .items = items, .capacity = 3 };
    headers_add(&headers, HEADER_TE, SLICE("te"), SLICE("trailers"));
    const char *const values[] = { first, second };
    for (size_t i = 0; i < 2; i++) {
        if (values[i] != NULL) {
            headers_add(&headers, HEADER_OTHER, SLICE("grpc-timeout"), slice_from_string(values[i]));
        }
    }
    return grpc_timeout_of(&headers, ret_ns);
}

static void a_call_has_one_timeout_or_none(void **state)
{
    (void)state;
    int64_t ns = 7;
    assert_null(timeout_of(NULL, NULL, &ns));
    assert_int_equal(ns, GRPC_NO_TIMEOUT);
    assert_null(timeout_of("2S", NULL, &ns));
    assert_int_equal(ns, 2000000000);
    ns = 7;
    assert_non_null(timeout_of("2S", "2S", &ns));
    assert_non_null(timeout_of("2s", NULL, &ns));
    assert_non_null(timeout_of("", NULL, &ns));
    assert_int_equal(ns, 7);
}

static int32_t status_of(const char *value)
{
    struct header items[2];
    struct headers headers = { .items = items, .capacity = 2 };
    headers_add(&headers, HEADER_OTHER, SLICE("grpc-message"), SLICE("3"));
    if (value != NULL) {
        headers_add(&headers, HEADER_OTHER, SLICE("grpc-status"), slice_from_string(value));
    }
    return grpc_status_of(&headers);
}

static void a_status_is_a_number(void **state)
{
    (void)state;
    assert_int_equal(status_of("0"), 0);
    assert_int_equal(status_of("16"), 16);
    assert_int_equal(status_of("004"), 4);
    assert_int_equal(status_of("99999999"), 99999999);
    static const char *const none[] = { NULL, "", "OK", "-1", "+1", "1 ", "1,2", "100000000", "0x1" };
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++) {
        assert_int_equal(status_of(none[i]), GRPC_NO_STATUS);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(knows_calls),
        cmocka_unit_test(nothing_else_is_a_call),
        cmocka_unit_test(timeouts_are_read),
        cmocka_unit_test(timeouts_are_written),
        cmocka_unit_test(a_call_has_one_timeout_or_none),
        cmocka_unit_test(a_status_is_a_number),
        cmocka_unit_test(what_callers_are_told_needs_no_percent_encoding),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
