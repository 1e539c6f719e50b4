#include "unit.h"

#include "admin/when.h"

#define NOW INT64_C(1800000000)

static void times_are_as_people_say_them(void **state)
{
    (void)state;
    int64_t when = -1;
    assert_true(when_parse(SLICE("never"), NOW, &when));
    assert_int_equal(when, 0);
    assert_true(when_parse(SLICE("now"), NOW, &when));
    assert_int_equal(when, NOW);
    assert_true(when_parse(SLICE("2d"), NOW, &when));
    assert_int_equal(when, NOW + 2 * 86400);
    assert_true(when_parse(SLICE("1970-01-02"), NOW, &when));
    assert_int_equal(when, 86400);
    assert_false(when_parse(SLICE("soon"), NOW, &when));
    assert_false(when_parse(SLICE("2027-02-30"), NOW, &when));
}

static void an_end_lies_ahead(void **state)
{
    (void)state;
    int64_t when = -1;
    assert_true(when_parse_end(SLICE("never"), NOW, &when));
    assert_int_equal(when, 0);
    assert_true(when_parse_end(SLICE("1s"), NOW, &when));
    assert_int_equal(when, NOW + 1);
    assert_false(when_parse_end(SLICE("now"), NOW, &when));
    assert_false(when_parse_end(SLICE("0s"), NOW, &when));
    assert_false(when_parse_end(SLICE("1970-01-02"), NOW, &when));
    assert_false(when_parse_end(SLICE("1970-01-01"), NOW, &when)); /* 0 is never */
    assert_false(when_parse_end(SLICE("soon"), NOW, &when));
}

/* To the end of the calendar: a key may be made for longer than nanoseconds can count. */
static void times_are_shown_to_the_second(void **state)
{
    (void)state;
    static const struct {
        const char *text, *shown;
    } cases[] = {
        { "never", "-" },
        { "2027-01-31", "2027-01-31T00:00:00Z" },
        { "2262-04-12T00:00:00Z", "2262-04-12T00:00:00Z" },
        { "3000-01-01", "3000-01-01T00:00:00Z" },
        { "9999-12-31T23:59:59Z", "9999-12-31T23:59:59Z" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[WHEN_TEXT];
        int64_t when = -1;
        assert_true(when_parse(slice_from_string(cases[i].text), NOW, &when));
        assert_slice(when_text(when, text), cases[i].shown);
    }
}

static void never_is_null(void **state)
{
    (void)state;
    struct buffer out;
    struct json_writer json;
    buffer_init(&out, 256);
    json_writer_init(&json, &out);
    json_object_begin(&json);
    when_write_json(&json, SLICE("created"), 86400);
    when_write_json(&json, SLICE("expires"), 0);
    json_object_end(&json);
    assert_slice(buffer_slice(&out), "{\"created\":\"1970-01-02T00:00:00Z\",\"expires\":null}");
    buffer_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_are_as_people_say_them),
        cmocka_unit_test(an_end_lies_ahead),
        cmocka_unit_test(times_are_shown_to_the_second),
        cmocka_unit_test(never_is_null),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
