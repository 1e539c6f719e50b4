#include "unit.h"

#include "base/limits.h"
#include "json/json.h"
#include "json/writer.h"

static void places_commas(void **state)
{
    (void)state;
    struct buffer out;
    buffer_init(&out, 4096);
    struct json_writer writer;
    json_writer_init(&writer, &out);
    json_object_begin(&writer);
    json_member_string(&writer, SLICE("a"), SLICE("x"));
    json_member_integer(&writer, SLICE("b"), INT64_MIN);
    json_member_bool(&writer, SLICE("c"), true);
    json_name(&writer, SLICE("d"));
    json_array_begin(&writer);
    json_integer(&writer, 1);
    json_unsigned(&writer, UINT64_MAX);
    json_bool(&writer, false);
    json_null(&writer);
    json_array_begin(&writer);
    json_array_end(&writer);
    json_object_begin(&writer);
    json_object_end(&writer);
    json_array_end(&writer);
    json_name(&writer, SLICE("e"));
    json_raw(&writer, SLICE("[7]"));
    json_object_end(&writer);
    assert_false(writer.failed);
    assert_slice(buffer_slice(&out), "{\"a\":\"x\",\"b\":-9223372036854775808,\"c\":true,"
                                     "\"d\":[1,18446744073709551615,false,null,[],{}],\"e\":[7]}");
    buffer_done(&out);
}

static void assert_written(struct slice text, const char *expected)
{
    struct buffer out;
    buffer_init(&out, 4096);
    struct json_writer writer;
    json_writer_init(&writer, &out);
    json_string(&writer, text);
    assert_false(writer.failed);
    assert_slice(buffer_slice(&out), expected);
    buffer_done(&out);
}

/* A log line must stay one line, and one field one field, whatever a client sends. */
static void escapes_what_would_break_out(void **state)
{
    (void)state;
    assert_written(SLICE("a\"b\\c\nd\re\tf\bg\fh"), "\"a\\\"b\\\\c\\nd\\re\\tf\\bg\\fh\"");
    assert_written(SLICE("\0\x01\x1f\x7f"), "\"\\u0000\\u0001\\u001f\x7f\"");
    assert_written(SLICE("\xc3\xa9\xe2\x82\xac\xf0\x9d\x84\x9e"), "\"\xc3\xa9\xe2\x82\xac\xf0\x9d\x84\x9e\"");
    assert_written(SLICE(""), "\"\"");
}

static void replaces_each_bad_byte(void **state)
{
    (void)state;
    assert_written(SLICE("a\xff"
                         "b"),
                   "\"a\xef\xbf\xbd"
                   "b\"");
    assert_written(SLICE("\xc3"), "\"\xef\xbf\xbd\"");
    assert_written(SLICE("\xe2\x82"), "\"\xef\xbf\xbd\xef\xbf\xbd\"");
    assert_written(SLICE("\xc0\x80"), "\"\xef\xbf\xbd\xef\xbf\xbd\"");
    assert_written(SLICE("\xed\xa0\x80\""), "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\\\"\"");
    assert_written(SLICE("\xc3\""), "\"\xef\xbf\xbd\\\"\"");
}

static void remembers_a_full_buffer(void **state)
{
    (void)state;
    struct buffer out;
    buffer_init(&out, 8);
    struct json_writer writer;
    json_writer_init(&writer, &out);
    json_array_begin(&writer);
    json_string(&writer, SLICE("much too long"));
    json_integer(&writer, 1);
    json_array_end(&writer);
    assert_true(writer.failed);
    buffer_done(&out);
}

static void writes_what_was_read(void **state)
{
    (void)state;
    static const char text[] = "{\"a\":[1,2.50,1e2,-0,true,false,null,\"x\\ny\"],\"b\":{\"\":{}},\"c\":[]}";
    struct arena arena;
    arena_init(&arena, 65536);
    struct json *value;
    assert_ok(json_parse(slice_from_string(text), JSON_DEPTH_MAX, &arena, &value, NULL));
    struct buffer out;
    buffer_init(&out, 4096);
    struct json_writer writer;
    json_writer_init(&writer, &out);
    json_value(&writer, value);
    assert_slice(buffer_slice(&out), text);
    buffer_clear(&out);
    json_writer_init(&writer, &out);
    json_value(&writer, &(struct json){ .type = JSON_NUMBER, .number = 0.5 });
    json_value(&writer, &(struct json){ .type = JSON_NUMBER, .is_integer = true, .integer = -3 });
    assert_slice(buffer_slice(&out), "0.5,-3");
    buffer_done(&out);
    arena_done(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(places_commas),          cmocka_unit_test(escapes_what_would_break_out),
        cmocka_unit_test(replaces_each_bad_byte), cmocka_unit_test(remembers_a_full_buffer),
        cmocka_unit_test(writes_what_was_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
