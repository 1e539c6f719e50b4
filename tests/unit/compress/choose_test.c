#include "compress/choose.h"
#include "unit.h"

#define BOTH (1U << COMPRESS_ZSTD | 1U << COMPRESS_GZIP)
#define NONE (-1)

static int chosen(const char *first, const char *second, uint64_t allowed)
{
    struct header items[2];
    struct headers headers = { items, 0, 2 };
    if (first != NULL) {
        headers_add(&headers, HEADER_OTHER, SLICE("accept-Encoding"), slice_from_string(first));
    }
    if (second != NULL) {
        headers_add(&headers, HEADER_OTHER, SLICE("Accept-Encoding"), slice_from_string(second));
    }
    return compress_choose(&headers, allowed);
}

static void is(const char *accept, int expected)
{
    int id = chosen(accept, NULL, BOTH);
    if (id != expected) {
        fail_msg("\"%s\": %d, not %d", accept != NULL ? accept : "", id, expected);
    }
}

static void the_client_has_its_way(void **state)
{
    (void)state;
    is(NULL, NONE);
    is("", NONE);
    is("gzip", COMPRESS_GZIP);
    is("GZip", COMPRESS_GZIP);
    is("x-gzip", COMPRESS_GZIP);
    is("zstd", COMPRESS_ZSTD);
    is("gzip, deflate, br, zstd", COMPRESS_ZSTD);
    is("gzip;q=1.0, zstd;q=0.9", COMPRESS_GZIP);
    is("gzip;q=0.001", COMPRESS_GZIP);
    is("deflate, br", NONE);
    is("gzipped, xgzip, gzip2", NONE);
    is("identity", NONE);
    is("identity, gzip;q=0.5", NONE);
    is("identity;q=0.5, gzip;q=0.5", COMPRESS_GZIP);
    is("identity;q=0, gzip;q=0.1", COMPRESS_GZIP);
    is("identity;q=0", NONE);
}

static void what_is_refused_is_not_used(void **state)
{
    (void)state;
    is("gzip;q=0", NONE);
    is("gzip;q=0.000, zstd", COMPRESS_ZSTD);
    is("gzip;q=0, *", NONE);
    is("gzip, gzip;q=0", NONE);
    is("gzip;q=0, gzip", NONE);
    is("x-gzip;q=0, gzip", NONE);
    is("*;q=0", NONE);
    is("*;q=0, gzip", COMPRESS_GZIP);
    is("gzip;q=x, zstd;q=2", NONE); /* malformed: not a yes */
}

/* A tool that says "*" has gzip, and need not have what is newer. */
static void any_is_what_all_have(void **state)
{
    (void)state;
    is("*", COMPRESS_GZIP);
    is("*;q=0.5, zstd;q=0.1", COMPRESS_GZIP);
    is("zstd, *;q=0.5", COMPRESS_ZSTD);
    assert_int_equal(chosen("*", NULL, 1U << COMPRESS_ZSTD), NONE);
}

static void the_route_has_a_say(void **state)
{
    (void)state;
    assert_int_equal(chosen("gzip, zstd", NULL, 1U << COMPRESS_GZIP), COMPRESS_GZIP);
    assert_int_equal(chosen("gzip", NULL, 1U << COMPRESS_ZSTD), NONE);
    assert_int_equal(chosen("gzip, zstd", NULL, 0), NONE);
}

static void several_fields_are_one_list(void **state)
{
    (void)state;
    assert_int_equal(chosen("br", "gzip", BOTH), COMPRESS_GZIP);
    assert_int_equal(chosen("gzip", "gzip;q=0", BOTH), NONE);
}

/* A list without end is not read without end. */
static void only_the_first_count(void **state)
{
    (void)state;
    char text[COMPRESS_CODINGS_MAX * 2 + 8] = "";
    for (int i = 0; i < COMPRESS_CODINGS_MAX; i++) {
        memcpy(text + (size_t)i * 2, "a,", 3);
    }
    memcpy(text + (size_t)COMPRESS_CODINGS_MAX * 2, "gzip", 5);
    is(text, NONE);
    is(text + 2, COMPRESS_GZIP);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_client_has_its_way),      cmocka_unit_test(what_is_refused_is_not_used),
        cmocka_unit_test(any_is_what_all_have),        cmocka_unit_test(the_route_has_a_say),
        cmocka_unit_test(several_fields_are_one_list), cmocka_unit_test(only_the_first_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
