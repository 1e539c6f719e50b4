#include "reading.h"

#include "base/limits.h"

#define AT(line, column) "dir/c.yaml:" #line ":" #column ": error: "

static void every_node_knows_its_place(void **state)
{
    (void)state;
    struct reading reading;
    reading_init(&reading, SLICE("# comment\n"
                                 "a: 1\n"
                                 "b: [x, \"y z\"]\n"
                                 "c:\n"
                                 "  d:\n"
                                 "  e: { f: 'it''s' }\n"
                                 "g:\n"
                                 "  - h\n"
                                 "  - i: null\n"));
    assert_diagnostics(&reading, "");
    const struct conf_node *a = conf_node_get(reading.root, SLICE("a"));
    assert_int_equal(a->type, CONF_NODE_SCALAR);
    assert_slice(a->text, "1");
    assert_true(a->plain);
    assert_int_equal(a->key_place.line, 2);
    assert_int_equal(a->key_place.column, 1);
    assert_int_equal(a->place.column, 4);
    const struct conf_node *b = conf_node_get(reading.root, SLICE("b"));
    assert_int_equal(b->count, 2);
    assert_slice(b->items[1]->text, "y z");
    assert_false(b->items[1]->plain);
    assert_int_equal(b->items[1]->place.line, 3);
    assert_int_equal(b->items[1]->place.column, 8);
    const struct conf_node *c = conf_node_get(reading.root, SLICE("c"));
    assert_int_equal(conf_node_get(c, SLICE("d"))->type, CONF_NODE_NULL);
    const struct conf_node *f = conf_node_get(conf_node_get(c, SLICE("e")), SLICE("f"));
    assert_slice(f->text, "it's");
    assert_slice(conf_node_path(f, &reading.arena), "c.e.f");
    const struct conf_node *g = conf_node_get(reading.root, SLICE("g"));
    assert_slice(conf_node_path(conf_node_get(g->items[1], SLICE("i")), &reading.arena), "g[1].i");
    assert_int_equal(conf_node_get(g->items[1], SLICE("i"))->type, CONF_NODE_NULL);
    assert_null(conf_node_get(reading.root, SLICE("z")));
    reading_done(&reading);
}

static void syntax_errors_say_where(void **state)
{
    (void)state;
    assert_refused(SLICE("a:\n\tb: 1\n"),
                   AT(2, 1) "YAML syntax: tab character may not be used as indentation\n");
    assert_refused(SLICE("a: 1\n b: 2\n"), AT(1, 4) "YAML syntax: invalid multiline plain key\n");
    assert_refused(SLICE("a: [1, 2\n"), AT(2, 1) "YAML syntax: flow sequence without a closing bracket\n");
    assert_refused(
        SLICE("a: { b: /c/{d} }\n"),
        AT(1, 12) "YAML syntax: missing comma in flow mapping; between braces and brackets a text that "
                  "holds one stands in quotes, as in \"/orders/{id}\"\n");
    assert_refused(SLICE("a: \"x\n"), AT(1, 5) "YAML syntax: double-quoted scalar without closing quote\n");
    assert_refused(SLICE("a: @b\n"), AT(1, 4) "YAML syntax: plain scalar cannot start with '@'\n");
    assert_refused(SLICE("a: b: c\n"),
                   AT(1, 5) "YAML syntax: invalid nested block mapping on the same line\n");
}

static void what_attacks_use_is_refused(void **state)
{
    (void)state;
    assert_refused(
        SLICE("a: &x 1\nb: 2\n"),
        AT(1, 5) "anchors and aliases are not supported; share settings by policies and \"use\"\n");
    assert_refused(
        SLICE("a: 1\nb: *a\n"),
        AT(2, 5) "anchors and aliases are not supported; share settings by policies and \"use\"\n");
    assert_refused(
        SLICE("b: &y [1]\n"),
        AT(1, 5) "anchors and aliases are not supported; share settings by policies and \"use\"\n");
    assert_refused(
        SLICE("a:\n  <<: { b: 1 }\n"),
        AT(2, 3) "merge keys (\"<<\") are not supported; share settings by policies and \"use\"\n");
    assert_refused(SLICE("a: !!str 1\n"),
                   AT(1, 4) "tags are not supported: each setting has one type of its own\n");
    assert_refused(SLICE("a: !!map { b: 1 }\n"),
                   AT(1, 4) "tags are not supported: each setting has one type of its own\n");
    assert_refused(SLICE("a: 1\n---\nb: 2\n"),
                   AT(2, 1) "a second document (\"---\") in one file is not supported; use include\n");
    assert_refused(SLICE("? [a]\n: b\n"), AT(1, 3) "a key must be a text, not a list\n");
    assert_refused(SLICE("? {a: 1}\n: b\n"), AT(1, 3) "a key must be a text, not a map\n");
    assert_refused(SLICE(": b\n"), AT(1, 1) "a key is missing in front of \":\"\n");
    assert_refused(SLICE("\"a\\nb\": 1\n"), AT(1, 1) "a key must not hold control characters\n");
}

static void duplicate_keys_are_told_all_at_once(void **state)
{
    (void)state;
    assert_refused(
        SLICE("a: 1\nb: { c: 1, c: 2 }\na: 2\n\"a\": 3\n"),
        AT(2, 12) "b.c: is given twice in one map; the first is at line 2\n" AT(
            3,
            1) "a: is given twice in one map; the first is at line 1\n" AT(4,
                                                                           1) "a: is given twice in one map; "
                                                                              "the first is at line 1\n");
}

static void bytes_that_are_no_text_are_refused(void **state)
{
    (void)state;
    assert_refused(SLICE("a: 1\nb: \xff\n"), AT(2, 1) "this line is not valid UTF-8\n");
    assert_refused(SLICE("a: \xc0\xaf\n"), AT(1, 1) "this line is not valid UTF-8\n");
    assert_refused(SLICE("a: \xed\xa0\x80"), AT(1, 1) "this line is not valid UTF-8\n");
    assert_refused(SLICE("a: x\0y\n"),
                   AT(1, 5) "a control character (0x00) must not stand in a configuration\n");
    assert_refused(SLICE("a: 1\nb: \x1b[2J\n"),
                   AT(2, 4) "a control character (0x1b) must not stand in a configuration\n");
    struct reading reading;
    reading_init(&reading, SLICE("\xef\xbb\xbf"
                                 "a: \"\xc3\xbc\"\r\n"));
    assert_diagnostics(&reading, "");
    assert_slice(conf_node_get(reading.root, SLICE("a"))->text, "\xc3\xbc");
    reading_done(&reading);
}

static void a_file_is_a_map(void **state)
{
    (void)state;
    assert_refused(SLICE(""), AT(1, 1) "the file is empty\n");
    assert_refused(SLICE("# nothing\n"), AT(1, 1) "the file is empty\n");
    assert_refused(SLICE("---\n"), AT(1, 1) "the file is empty\n");
    assert_refused(SLICE("- a\n"), AT(1, 1) "a map of settings is wanted here, not a list\n");
    assert_refused(SLICE("just text\n"), AT(1, 1) "a map of settings is wanted here, not a text\n");
}

static void nesting_ends_somewhere(void **state)
{
    (void)state;
    static char text[100000];
    memset(text, '[', sizeof text);
    memcpy(text, "a: ", 3);
    assert_refused(slice_of(text, sizeof text), AT(1, 35) "nested too deeply: more than 32 levels\n");
    /* The deepest that is allowed. */
    char good[256];
    size_t length = (size_t)snprintf(good, sizeof good, "a: ");
    memset(good + length, '[', CONFIG_DEPTH_MAX - 1);
    memset(good + length + CONFIG_DEPTH_MAX - 1, ']', CONFIG_DEPTH_MAX - 1);
    struct reading reading;
    reading_init(&reading, slice_of(good, length + 2 * (CONFIG_DEPTH_MAX - 1)));
    assert_diagnostics(&reading, "");
    reading_done(&reading);
}

static void many_keys_are_read(void **state)
{
    (void)state;
    struct buffer text;
    buffer_init(&text, 1024 * 1024);
    for (int i = 0; i < 5000; i++) {
        buffer_printf(&text, "key%d: %d\n", i, i);
    }
    struct reading reading;
    reading_init(&reading, buffer_slice(&text));
    assert_diagnostics(&reading, "");
    assert_int_equal(reading.root->count, 5000);
    assert_slice(conf_node_get(reading.root, SLICE("key4999"))->text, "4999");
    reading_done(&reading);
    buffer_done(&text);
}

static void scalars_are_what_the_core_schema_says(void **state)
{
    (void)state;
    static const struct {
        const char *text, *kind; /* NULL: a text */
    } cases[] = {
        { "true", "a boolean" }, { "FALSE", "a boolean" }, { "tRUE", NULL },        { "yes", NULL },
        { "", "nothing" },       { "~", "nothing" },       { "Null", "nothing" },   { "nul", NULL },
        { "0", "a number" },     { "-12", "a number" },    { "+12", "a number" },   { "0o17", "a number" },
        { "0x1F", "a number" },  { "1.5", "a number" },    { ".5", "a number" },    { "5.", "a number" },
        { "1e3", "a number" },   { "1.5E-3", "a number" }, { "-.inf", "a number" }, { ".NaN", "a number" },
        { "0o8", NULL },         { "0x", NULL },           { ".", NULL },           { "-", NULL },
        { "1e", NULL },          { "1e+", NULL },          { "e3", NULL },          { ".e3", NULL },
        { "1.2.3", NULL },       { "1.2.3.4", NULL },      { "12a", NULL },         { "1_000", NULL },
        { "12:30", NULL },       { "orders.test", NULL },  { "/", NULL },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *kind = yaml_takes_for(slice_from_string(cases[i].text));
        if ((kind == NULL) != (cases[i].kind == NULL) || (kind != NULL && strcmp(kind, cases[i].kind) != 0)) {
            fail_msg("%s: %s", cases[i].text, kind != NULL ? kind : "a text");
        }
    }
    assert_null(yaml_takes_for(SLICE("1\0")));
}

static void memory_is_capped(void **state)
{
    (void)state;
    struct arena arena;
    struct diagnostics diagnostics;
    struct conf_source source = { .path = SLICE("c.yaml"), .directory = SLICE("") };
    struct conf_node *root = NULL;
    arena_init(&arena, 4096);
    diagnostics_init(&diagnostics, &arena);
    struct buffer text;
    buffer_init(&text, 1024 * 1024);
    for (int i = 0; i < 1000; i++) {
        buffer_printf(&text, "key%d: %d\n", i, i);
    }
    assert_fails(yaml_parse(buffer_slice(&text), &source, &diagnostics, &root), ERROR_MEMORY);
    buffer_done(&text);
    arena_done(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_node_knows_its_place),
        cmocka_unit_test(syntax_errors_say_where),
        cmocka_unit_test(what_attacks_use_is_refused),
        cmocka_unit_test(duplicate_keys_are_told_all_at_once),
        cmocka_unit_test(bytes_that_are_no_text_are_refused),
        cmocka_unit_test(a_file_is_a_map),
        cmocka_unit_test(nesting_ends_somewhere),
        cmocka_unit_test(many_keys_are_read),
        cmocka_unit_test(scalars_are_what_the_core_schema_says),
        cmocka_unit_test(memory_is_capped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
