#include "unit.h"

#include "http/cookie.h"

static struct arena arena;

static int setup(void **state)
{
    (void)state;
    arena_init(&arena, 1 << 16);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_done(&arena);
    return 0;
}

static size_t find(const char *one, const char *two, struct slice *value)
{
    struct header items[] = { { SLICE_INIT("Cookie"), slice_from_string(one), HEADER_COOKIE },
                              { SLICE_INIT("X-Cookie"), SLICE_INIT("token=no"), HEADER_OTHER },
                              { SLICE_INIT("cookie"), slice_from_string(two), HEADER_COOKIE } };
    const struct headers headers = { .items = items, .count = two != NULL ? 3 : 2, .capacity = 3 };
    *value = SLICE_NONE;
    return cookie_find(&headers, SLICE("token"), value);
}

static void finds_by_name_and_nothing_else(void **state)
{
    (void)state;
    struct slice value;
    assert_int_equal(find("token=a.b", NULL, &value), 1);
    assert_slice(value, "a.b");
    assert_int_equal(find("x=1; token=a=b ;y=2", NULL, &value), 1);
    assert_slice(value, "a=b");
    assert_int_equal(find("x=1;token=", NULL, &value), 1);
    assert_slice(value, "");
    assert_int_equal(find("Token=a; tokens=b; xtoken=c; token; =token; x=token=d", NULL, &value), 0);
    assert_int_equal(find("", NULL, &value), 0);
    /* twin: twice is told, within a field and over several */
    assert_int_equal(find("token=a; token=b", NULL, &value), 2);
    assert_int_equal(find("token=a", "token=a", &value), 2);
    assert_int_equal(find("x=a", "token=a", &value), 1);
}

static struct slice without(const char *value)
{
    struct slice names[] = { SLICE_INIT("token"), SLICE_INIT("key") };
    const struct conf_strings list = { names, 2 };
    struct slice left;
    assert_true(cookie_without(slice_from_string(value), &list, &arena, &left));
    return left;
}

static void takes_out_what_is_named(void **state)
{
    (void)state;
    assert_slice(without("token=a"), "");
    assert_slice(without("token"), "");
    assert_slice(without("a=1; token=a; b=2"), "a=1; b=2");
    assert_slice(without("token=a; b=2"), "b=2");
    assert_slice(without("b=2; token=a"), "b=2");
    assert_slice(without("token=a;key=b;token=c; d=4; key=e"), "d=4");
    assert_slice(without(" token =a; b=2"), "b=2");
    /* twin: others stay as they are, byte for byte */
    const char *same = "Token=a; tokens=b;c=\"token=d\";; =e";
    struct slice left = without(same);
    assert_ptr_equal(left.ptr, same);
    assert_slice(left, same);
    assert_slice(without(""), "");
}

static void no_room_is_told(void **state)
{
    (void)state;
    struct arena none;
    struct slice name = SLICE("token"), left;
    const struct conf_strings list = { &name, 1 };
    arena_init(&none, 0);
    assert_false(cookie_without(SLICE("a=1; token=b"), &list, &none, &left));
    assert_true(cookie_without(SLICE("a=1"), &list, &none, &left));
    arena_done(&none);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_by_name_and_nothing_else),
        cmocka_unit_test(takes_out_what_is_named),
        cmocka_unit_test(no_room_is_told),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
