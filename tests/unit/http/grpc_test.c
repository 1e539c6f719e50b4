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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(knows_calls),
        cmocka_unit_test(nothing_else_is_a_call),
        cmocka_unit_test(what_callers_are_told_needs_no_percent_encoding),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
