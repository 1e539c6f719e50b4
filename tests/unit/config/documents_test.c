#include "unit.h"

#include "config/documents.h"
#include "json/json.h"

/* A small language of its own, with everything that a table can say. */
static const struct conf_choice balances[] = { { "round_robin", 0, "one after the other" },
                                               { "1.2", 1, NULL },
                                               { NULL, 0, NULL } };

extern const struct conf_object circle_object;

static const struct conf_field limit_fields[] = {
    { "rate", CONF_RATE, CONF_REQUIRED, 0, NULL, 1, 1000, NULL, NULL, "so many per time" },
    { "by", CONF_STRING, CONF_NON_EMPTY, 0, "address", 0, 0, NULL, NULL, "address | caller" },
    { 0 },
};
static const struct conf_object limit_like = { "limit", 1, limit_fields, NULL, NULL, "A limit." };

static const struct conf_field auth_fields[] = {
    { "mode", CONF_ENUM, 0, 0, "round_robin", 0, 0, balances, NULL, "How" },
    { "jwt", CONF_STRINGS, CONF_SUBSET, 0, NULL, 0, 0, NULL, NULL, "issuers" },
    { "open", CONF_BOOL, 0, 0, "false", 0, 0, NULL, NULL, "to all" },
    { 0 },
};
static const struct conf_object auth_like = { "Auth of a route", 1, auth_fields, "mode", "jwt", "Who." };
static const struct conf_object flag_like = { "flag", 1, auth_fields, "open", NULL, NULL };

static const struct conf_field group_fields[] = {
    { "groups", CONF_MAP, 0, 0, NULL, 0, 0, NULL, &circle_object, "in a circle" },
    { "limits", CONF_LIST, CONF_ADDS | CONF_NON_EMPTY, 0, NULL, 0, 0, NULL, &limit_like, "limits" },
    { "auth", CONF_OBJECT, 0, 0, NULL, 0, 0, NULL, &auth_like, "who" },
    { "flag", CONF_OBJECT, 0, 0, NULL, 0, 0, NULL, &flag_like, "flag" },
    { "timeout", CONF_DURATION, CONF_LOWER | CONF_FIXED, 0, "15s", 1000000, INT64_C(3600000000000), NULL,
      NULL, "how long" },
    { "body", CONF_SIZE, 0, 0, "1MiB", 0, 1 << 30, NULL, NULL, "how much" },
    { "port", CONF_INTEGER, 0, 0, "443", 0, 65535, NULL, NULL, "where" },
    { "secret", CONF_SECRET, 0, 0, NULL, 0, 0, NULL, NULL, "hidden" },
    { "ca", CONF_FILE, 0, 0, NULL, 0, 0, NULL, NULL, "file" },
    { "kinds", CONF_FLAGS, 0, 0, "[round_robin, \"1.2\"]", 0, 0, balances, NULL, "kinds" },
    { "headers", CONF_PAIRS, 0, 0, NULL, 0, 0, NULL, NULL, "headers" },
    { 0 },
};
const struct conf_object circle_object = { "group", 1, group_fields, NULL, NULL, "Things." };

static void assert_contains(struct slice text, const char *part)
{
    if (!slice_contains(text, slice_from_string(part))) {
        fail_msg("\"%s\" is not in:\n%.*s", part, SLICE_ARG(text));
    }
}

static void test_objects_are_found_once_even_in_circles(void **state)
{
    (void)state;
    struct object_list list;
    object_list_collect(&list, &circle_object);
    assert_int_equal(list.count, 4);
    assert_ptr_equal(list.items[0], &circle_object);
    assert_ptr_equal(list.items[1], &limit_like);
    assert_ptr_equal(list.items[2], &auth_like);
}

static void test_reference(void **state)
{
    (void)state;
    struct buffer out;
    buffer_init(&out, 1 << 20);
    reference_write(&circle_object, &out);
    struct slice text = buffer_slice(&out);
    assert_contains(text, "\n## Auth of a route\n\nWho.\n\nStands in `auth` of [group](#group).\n");
    assert_contains(text, "A single value in its place sets `mode`.");
    assert_contains(text, "A list in its place sets `jwt`.");
    assert_contains(text, "| `groups` | map of names to [group](#group) | none | In a circle. |");
    assert_contains(text, "| `limits` | list of [limit](#limit), not empty | none | Limits. Adds to what "
                          "farther layers give. |");
    assert_contains(text, "| `timeout` | duration, 1ms to 1h | `15s` | How long. Tighter is lower. A change "
                          "takes a restart. |");
    assert_contains(text, "| `body` | size, 0B to 1GiB | `1MiB` | How much. |");
    assert_contains(text, "| `rate` | rate, 1 to 1000 | **required** | So many per time. |");
    assert_contains(text, "Address \\| caller.");
    assert_contains(text, "| `mode` | `round_robin`, `1.2` | `round_robin` | How. |");
    assert_contains(text, "* `mode: round_robin`: one after the other\n");
    assert_false(slice_contains(text, SLICE("\n\n\n")));
    buffer_done(&out);
}

static const struct json *look(const struct json *from, const char *path)
{
    struct slice rest = slice_from_string(path), name;
    while (from != NULL && slice_next(&rest, ' ', &name)) {
        uint64_t index;
        bool numbered = from->type == JSON_ARRAY && slice_to_u64(name, &index) && index < from->count;
        from = numbered ? &from->items[index] : json_get(from, name);
        if (from == NULL) {
            fail_msg("nothing at \"%.*s\" of \"%s\"", SLICE_ARG(name), path);
        }
    }
    return from;
}

static void test_schema(void **state)
{
    (void)state;
    struct buffer out;
    struct arena arena;
    struct json *schema;
    arena_init(&arena, 1 << 22);
    buffer_init(&out, 1 << 20);
    schema_write(&circle_object, &out);
    assert_ok(json_parse(buffer_slice(&out), 32, &arena, &schema, NULL));
#define AT(path)      look(schema, path)
#define TEXT_AT(path) look(schema, path)->text
    assert_slice(TEXT_AT("$schema"), "https://json-schema.org/draft/2020-12/schema");
    assert_slice(TEXT_AT("properties groups additionalProperties $ref"), "#/$defs/group");
    assert_slice(TEXT_AT("properties limits items $ref"), "#/$defs/limit");
    assert_slice(TEXT_AT("properties timeout description"), "how long");
    assert_slice(TEXT_AT("properties timeout default"), "15s");
    assert_slice(TEXT_AT("properties secret pattern"), "^\\$\\{(env|file):[^{}]+\\}$");
    assert_slice(TEXT_AT("properties kinds default 1"), "1.2");
    assert_slice(TEXT_AT("$defs limit required 0"), "rate");
    /* A bare value, a flag by its own name, and a bare list. */
    assert_slice(TEXT_AT("$defs auth-of-a-route anyOf 1 anyOf 0 const"), "round_robin");
    assert_slice(TEXT_AT("$defs auth-of-a-route anyOf 2 anyOf 1 type"), "array");
    assert_slice(TEXT_AT("$defs flag anyOf 1 const"), "open");
    assert_non_null(AT("$defs auth-of-a-route anyOf 0 additionalProperties"));
    buffer_done(&out);
    arena_done(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_objects_are_found_once_even_in_circles),
        cmocka_unit_test(test_reference),
        cmocka_unit_test(test_schema),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
