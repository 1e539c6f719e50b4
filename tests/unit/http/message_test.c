#include "http/message.h"
#include "unit.h"

static void test_methods(void **state)
{
    (void)state;
    assert_int_equal(http_method_of(SLICE("GET")), METHOD_GET);
    assert_int_equal(http_method_of(SLICE("OPTIONS")), METHOD_OPTIONS);
    assert_int_equal(http_method_of(SLICE("TRACE")), METHOD_TRACE);
    /* Case-sensitive: "get" is another method, and must not pass a rule for GET. */
    assert_int_equal(http_method_of(SLICE("get")), METHOD_OTHER);
    assert_int_equal(http_method_of(SLICE("GETX")), METHOD_OTHER);
    assert_int_equal(http_method_of(SLICE("GE")), METHOD_OTHER);
    assert_int_equal(http_method_of(SLICE("")), METHOD_OTHER);
}

static void test_reason_phrases(void **state)
{
    (void)state;
    assert_slice(http_reason_phrase(100), "Continue");
    assert_slice(http_reason_phrase(200), "OK");
    assert_slice(http_reason_phrase(421), "Misdirected Request");
    assert_slice(http_reason_phrase(511), "Network Authentication Required");
    assert_slice(http_reason_phrase(299), "");
    assert_slice(http_reason_phrase(0), "");
    assert_slice(http_reason_phrase(999), "");
    /* The table is searched by halves: every neighbour must be found. */
    size_t found = 0;
    for (unsigned int status = 0; status < 1000; status++) {
        found += http_reason_phrase(status).len > 0;
    }
    assert_int_equal(found, 60);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_methods),
        cmocka_unit_test(test_reason_phrases),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
