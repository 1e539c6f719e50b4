#include "reading.h"

#include "base/clock.h"
#include "config/values.h"

enum colour {
    RED,
    GREEN,
};

struct inner {
    int mode;
    bool any;
    struct conf_strings names;
    int64_t needed;
};

struct item {
    struct slice name;
    int64_t number;
};

struct outer {
    bool flag;
    int64_t port, wait, size;
    struct slice text, secret, file;
    int colour;
    uint64_t colours;
    struct conf_rate rate;
    struct conf_strings strings, files;
    struct conf_pairs pairs;
    struct inner *inner, *other;
    struct conf_list list, map;
};

static const struct conf_choice colours[] = { { "red", RED, "" }, { "green", GREEN, "" }, { 0 } };

#define AT(type, member) .offset = offsetof(struct type, member), .help = "help"

static const struct conf_field inner_fields[] = {
    { "mode", CONF_ENUM, AT(inner, mode), .choices = colours, .standard = "green" },
    { "any", CONF_BOOL, AT(inner, any) },
    { "names", CONF_STRINGS, AT(inner, names) },
    { 0 },
};
static const struct conf_object inner_object = { "inner", sizeof(struct inner), inner_fields, "mode", "names",
                                                 "" };

static const struct conf_field other_fields[] = {
    { "any", CONF_BOOL, AT(inner, any) },
    { "needed", CONF_INTEGER, CONF_REQUIRED, AT(inner, needed), .standard = "7" },
    { 0 },
};
static const struct conf_object other_object = {
    "other", sizeof(struct inner), other_fields, "any", NULL, ""
};

static const struct conf_field item_fields[] = {
    { "number", CONF_INTEGER, CONF_REQUIRED, AT(item, number) },
    { 0 },
};
static const struct conf_object item_object = { "item", sizeof(struct item), item_fields, NULL, NULL, "" };

static const struct conf_field outer_fields[] = {
    { "flag", CONF_BOOL, AT(outer, flag) },
    { "port", CONF_INTEGER, AT(outer, port), .standard = "8443", .minimum = 1, .maximum = 65535 },
    { "wait", CONF_DURATION, AT(outer, wait), .standard = "15s", .minimum = NS_PER_MS,
      .maximum = 3600 * NS_PER_S },
    { "size", CONF_SIZE, AT(outer, size), .standard = "1MiB" },
    { "text", CONF_STRING, CONF_NON_EMPTY, AT(outer, text) },
    { "secret", CONF_SECRET, AT(outer, secret) },
    { "file", CONF_FILE, AT(outer, file) },
    { "colour", CONF_ENUM, AT(outer, colour), .choices = colours },
    { "colours", CONF_FLAGS, AT(outer, colours), .choices = colours, .standard = "[red, green]" },
    { "rate", CONF_RATE, AT(outer, rate), .minimum = 1, .maximum = 1000 },
    { "strings", CONF_STRINGS, CONF_NON_EMPTY, AT(outer, strings), .standard = "[/**]" },
    { "files", CONF_FILES, AT(outer, files) },
    { "pairs", CONF_PAIRS, AT(outer, pairs) },
    { "inner", CONF_OBJECT, AT(outer, inner), .object = &inner_object },
    { "other", CONF_OBJECT, AT(outer, other), .object = &other_object, .standard = "{}" },
    { "list", CONF_LIST, AT(outer, list), .object = &item_object },
    { "map", CONF_MAP, AT(outer, map), .object = &item_object },
    { 0 },
};
static const struct conf_object outer_object = {
    "outer", sizeof(struct outer), outer_fields, NULL, NULL, ""
};

struct naming {
    struct slice host, text;
    struct conf_strings headers;
    struct conf_pairs renamed;
};

static const struct conf_field naming_fields[] = {
    { "host", CONF_STRING, CONF_NAMES, AT(naming, host), .example = "api.example.com" },
    { "text", CONF_STRING, AT(naming, text) },
    { "headers", CONF_STRINGS, CONF_NAMES, AT(naming, headers), .standard = "[X-A]" },
    { "renamed", CONF_PAIRS, CONF_NAMES, AT(naming, renamed) },
    { 0 },
};
static const struct conf_object naming_object = { "naming", sizeof(struct naming), naming_fields, NULL, NULL,
                                                  "" };

static void read_object(struct reading *reading, struct config_files *files, const struct conf_object *object,
                        const char *text, void *out)
{
    reading_init(reading, slice_from_string(text));
    struct conf_reader reader = {
        .arena = &reading->arena,
        .diagnostics = &reading->diagnostics,
        .places = &reading->places,
        .files = files,
    };
    assert_non_null(reading->root);
    assert_ok(conf_read(&reader, object, reading->root, out));
}

static struct outer read_outer(struct reading *reading, struct config_files *files, const char *text)
{
    struct outer outer;
    memset(&outer, 0, sizeof outer);
    read_object(reading, files, &outer_object, text, &outer);
    return outer;
}

static void all_types_are_read(void **state)
{
    (void)state;
    struct reading reading;
    struct outer outer = read_outer(&reading, NULL,
                                    "flag: true\n"
                                    "port: 80\n"
                                    "wait: 250ms\n"
                                    "size: 64KiB\n"
                                    "text: hello world\n"
                                    "file: sub/x.pem\n"
                                    "colour: green\n"
                                    "colours: green\n"
                                    "rate: 100/1m\n"
                                    "strings: one\n"
                                    "files: [/abs.pem, ./rel.pem]\n"
                                    "pairs: { X-A: claims.sub, X-B: \"'text'\" }\n"
                                    "inner: { names: [a, b] }\n"
                                    "list: [{ number: 1 }, { number: 2 }]\n"
                                    "map: { first: { number: 3 } }\n");
    assert_diagnostics(&reading, "");
    assert_true(outer.flag);
    assert_int_equal(outer.port, 80);
    assert_int_equal(outer.wait, 250 * NS_PER_MS);
    assert_int_equal(outer.size, 65536);
    assert_slice(outer.text, "hello world");
    assert_slice(outer.file, "dir/sub/x.pem");
    assert_int_equal(outer.colour, GREEN);
    assert_int_equal(outer.colours, 1 << GREEN);
    assert_int_equal(outer.rate.count, 100);
    assert_int_equal(outer.strings.count, 1);
    assert_slice(outer.strings.items[0], "one");
    assert_slice(outer.files.items[0], "/abs.pem");
    assert_slice(outer.files.items[1], "dir/rel.pem");
    assert_slice(outer.pairs.items[1].name, "X-B");
    assert_slice(outer.pairs.items[1].value, "'text'");
    assert_int_equal(outer.inner->mode, GREEN); /* its default */
    assert_int_equal(outer.inner->names.count, 2);
    assert_int_equal(outer.other->needed, 7);
    assert_int_equal(((struct item *)outer.list.items)[1].number, 2);
    assert_slice(((struct item *)outer.map.items)[0].name, "first");
    reading_done(&reading);
}

static void defaults_are_read_as_if_written(void **state)
{
    (void)state;
    struct reading reading;
    struct outer outer = read_outer(&reading, NULL, "flag: false\n");
    assert_diagnostics(&reading, "");
    assert_int_equal(outer.port, 8443);
    assert_int_equal(outer.wait, 15 * NS_PER_S);
    assert_int_equal(outer.size, 1 << 20);
    assert_int_equal(outer.colours, (1 << RED) | (1 << GREEN));
    assert_int_equal(outer.strings.count, 1);
    assert_slice(outer.strings.items[0], "/**");
    assert_null(outer.inner);
    assert_non_null(outer.other);
    assert_null(places_field(&reading.places, &outer.port));
    reading_done(&reading);
}

static void shorthands_stand_for_objects(void **state)
{
    (void)state;
    struct reading reading;
    struct outer outer = read_outer(&reading, NULL, "inner: red\nother: any\n");
    assert_diagnostics(&reading,
                       "dir/c.yaml:2:1: error: other: needed is missing: every other needs it, as in "
                       "\"needed: 7\"\n");
    assert_int_equal(outer.inner->mode, RED);
    assert_true(outer.other->any); /* a bare word that names a boolean */
    reading_done(&reading);
    outer = read_outer(&reading, NULL, "inner: [a, b]\n");
    assert_diagnostics(&reading, "");
    assert_int_equal(outer.inner->mode, GREEN);
    assert_int_equal(outer.inner->names.count, 2);
    reading_done(&reading);
}

static void every_wrong_value_is_told_at_once(void **state)
{
    (void)state;
    struct reading reading;
    read_outer(&reading, NULL,
               "flag: yes\n"
               "port: eighty\n"
               "wait: 15\n"
               "size: 1MB\n"
               "text: \"\"\n"
               "file: [x]\n"
               "colour: geen\n"
               "colours: [red, blue]\n"
               "rate: 5000/1s\n"
               "strings: []\n"
               "pairs: [a]\n"
               "inner: { moed: red }\n"
               "list: { number: 1 }\n"
               "map: { first: {}, \"not good\": { number: 1 }, third: 3 }\n"
               "colr: red\n"
               "zzz: 1\n");
    assert_diagnostics(
        &reading,
        "dir/c.yaml:1:1: error: flag: true or false is wanted here, not \"yes\", as in \"flag: true\"\n"
        "dir/c.yaml:2:1: error: port: a whole number from 1 to 65535 is wanted here, not \"eighty\", as in "
        "\"port: 8443\"\n"
        "dir/c.yaml:3:1: error: wait: a duration with its unit (ms, s, m, h, d) from 1ms to 1h is wanted "
        "here, not "
        "\"15\", as in \"wait: 15s\"\n"
        "dir/c.yaml:4:1: error: size: a size with its unit (B, KiB, MiB, GiB) is wanted here, not \"1MB\", "
        "as in "
        "\"size: 1MiB\"\n"
        "dir/c.yaml:5:1: error: text: must not be empty; a text is wanted here\n"
        "dir/c.yaml:6:1: error: file: the path of a file is wanted here, not a list, as in \"file: "
        "name.pem\"\n"
        "dir/c.yaml:7:1: error: colour: one of red, green is wanted here, not \"geen\"; did you mean "
        "\"green\"?\n"
        "dir/c.yaml:8:16: error: colours[1]: one of red, green is wanted here, not \"blue\"\n"
        "dir/c.yaml:9:1: error: rate: a rate from 1 to 1000 per duration (ms, s, m, h, d) is wanted "
        "here, not \"5000/1s\", as "
        "in \"rate: 100/1m\"\n"
        "dir/c.yaml:10:1: error: strings: must not be empty; a text or a list of texts is wanted here\n"
        "dir/c.yaml:11:1: error: pairs: a map of names to texts is wanted here, not a list, as in \"pairs: { "
        "name: "
        "text }\"\n"
        "dir/c.yaml:12:10: error: inner.moed: unknown key; did you mean \"mode\"?\n"
        "dir/c.yaml:13:1: error: list: a list of maps is wanted here, not a map, as in \"list: [{ number: 10 "
        "}]\"\n"
        "dir/c.yaml:14:8: error: map.first: number is missing: every item needs it, as in \"number: 10\"\n"
        "dir/c.yaml:14:19: error: map.not good: a name has 1 to 64 letters, digits, \"-\", \"_\" and \".\"\n"
        "dir/c.yaml:14:46: error: map.third: a map is wanted here, not \"3\", as in \"third: { number: 10 "
        "}\"\n"
        "dir/c.yaml:15:1: error: colr: unknown key; did you mean \"colour\"?\n"
        "dir/c.yaml:16:1: error: zzz: unknown key; known here: flag, port, wait, size, text, secret, file, "
        "colour, "
        "colours, rate, strings, files, pairs, inner, other, list, map\n");
    reading_done(&reading);
}

static void nothing_is_no_value(void **state)
{
    (void)state;
    struct reading reading;
    struct outer outer = read_outer(&reading, NULL, "port:\ntext: ~\ninner: null\n");
    assert_diagnostics(
        &reading,
        "dir/c.yaml:1:1: error: port: a whole number from 1 to 65535 is wanted here, not nothing, as in "
        "\"port: 8443\"\n"
        "dir/c.yaml:2:1: error: text: a text is wanted here, not nothing, as in \"text: text\"\n"
        "dir/c.yaml:3:1: error: inner: a map or a single value is wanted here, not nothing, as in \"inner: "
        "green\"\n");
    assert_int_equal(outer.port, 8443); /* what is wrong leaves its default */
    reading_done(&reading);
}

static void names_are_no_booleans_and_no_numbers(void **state)
{
    (void)state;
    struct reading reading;
    struct naming naming = { 0 };
    read_object(
        &reading, NULL, &naming_object,
        "host: true\ntext: true\nheaders: [X-B, 12, 1e3]\nrenamed: { X-C: null, X-D: No, X-E: FALSE }\n",
        &naming);
    assert_diagnostics(
        &reading,
        "dir/c.yaml:1:1: error: host: a text is wanted here, not a boolean, as in \"host: api.example.com\"; "
        "if it is meant so, write it in quotes: 'true'\n"
        "dir/c.yaml:3:16: error: headers[1]: a text or a list of texts is wanted here, not a number, as in "
        "\"headers: [X-A]\"; if it is meant so, write it in quotes: '12'\n"
        "dir/c.yaml:3:20: error: headers[2]: a text or a list of texts is wanted here, not a number, as in "
        "\"headers: [X-A]\"; if it is meant so, write it in quotes: '1e3'\n"
        "dir/c.yaml:4:12: error: renamed.X-C: a text is wanted here, not nothing, as in \"X-C: text\"\n"
        "dir/c.yaml:4:32: error: renamed.X-E: a text is wanted here, not a boolean, as in \"X-E: text\"; if "
        "it is meant so, write it in quotes: 'FALSE'\n");
    assert_slice(naming.text, "true");
    assert_int_equal(naming.headers.count, 1);
    reading_done(&reading);
}

static void in_quotes_they_are_meant(void **state)
{
    (void)state;
    struct reading reading;
    struct naming naming = { 0 };
    read_object(
        &reading, NULL, &naming_object,
        "host: 'true'\nheaders: [\"12\", 1.2.3.4, 12a, yes]\nrenamed: { X-C: 'null', X-D: nullable }\n",
        &naming);
    assert_diagnostics(&reading, "");
    assert_slice(naming.host, "true");
    assert_slice(naming.headers.items[0], "12");
    assert_slice(naming.renamed.items[0].value, "null");
    reading_done(&reading);
}

static void texts_stand_on_one_line(void **state)
{
    (void)state;
    struct reading reading;
    read_outer(&reading, NULL, "text: \"a\\0b\"\nfile: |\n  x\n  y\nstrings: [\"${env:HOME}\"]\n");
    assert_diagnostics(&reading,
                       "dir/c.yaml:1:1: error: text: the text must stand on one line, without control "
                       "characters\n"
                       "dir/c.yaml:2:1: error: file: the text must stand on one line, without control "
                       "characters\n"
                       "dir/c.yaml:5:11: error: strings[0]: references such as ${env:NAME} are taken by "
                       "secrets only; write the value itself\n");
    reading_done(&reading);
}

static void secrets_come_by_reference_only(void **state)
{
    (void)state;
    struct config_files *files;
    struct reading reading;
    assert_ok(config_files_new_memory(&files));
    assert_ok(config_files_preset(files, SLICE("dir/key.txt"), SLICE("from file\n")));
    assert_ok(config_files_preset(files, SLICE("/abs/key.txt"), SLICE("no newline")));
    assert_ok(config_files_preset(files, SLICE("/empty"), SLICE("\n")));
    assert_ok(config_files_preset_environment(files, SLICE("KEY"), SLICE("from env")));

    assert_slice(read_outer(&reading, files, "secret: \"${env:KEY}\"\n").secret, "from env");
    assert_diagnostics(&reading, "");
    reading_done(&reading);
    assert_slice(read_outer(&reading, files, "secret: ${file:key.txt}\n").secret, "from file");
    reading_done(&reading);
    assert_slice(read_outer(&reading, files, "secret: ${file:/abs/key.txt}\n").secret, "no newline");
    reading_done(&reading);

    static const char *const written[] = { "secret: hunter2\n",
                                           "secret: x${env:KEY}\n",
                                           "secret: ${env:KEY}hunter2\n",
                                           "secret: ${env:}\n",
                                           "secret: [hunter2]\n",
                                           "secret: ${vault:hunter2}\n",
                                           "secret: ${env:KEY}${env:KEY}\n" };
    for (size_t i = 0; i < sizeof written / sizeof written[0]; i++) {
        struct outer outer = read_outer(&reading, files, written[i]);
        assert_int_equal(outer.secret.len, 0);
        assert_diagnostics(&reading, "dir/c.yaml:1:1: error: secret: a secret is not written here but named: "
                                     "${env:NAME} or ${file:/run/secrets/name}\n"); /* without its text */
        reading_done(&reading);
    }
    read_outer(&reading, files, "secret: ${env:ABSENT}\n");
    assert_diagnostics(&reading,
                       "dir/c.yaml:1:1: error: secret: the environment variable ABSENT is not set\n");
    reading_done(&reading);
    read_outer(&reading, files, "secret: ${file:/empty}\n");
    assert_diagnostics(&reading,
                       "dir/c.yaml:1:1: error: secret: the secret that ${file:/empty} names is empty\n");
    reading_done(&reading);
    read_outer(&reading, files, "secret: ${file:absent}\n");
    assert_int_equal(reading.diagnostics.error_count, 1);
    assert_true(slice_starts_with(reading.diagnostics.first->text, SLICE("secret: dir/absent: ")));
    reading_done(&reading);
    config_files_free(files);
}

static void fields_know_where_they_were_written(void **state)
{
    (void)state;
    struct reading reading;
    memset(&reading, 0, sizeof reading);
    struct outer *outer = calloc(1, sizeof *outer);
    reading_init(&reading, SLICE("port: 1\nstrings: [a, b]\nlist:\n  - number: 5\npairs: { X: y }\n"));
    struct conf_reader reader = { .arena = &reading.arena,
                                  .diagnostics = &reading.diagnostics,
                                  .places = &reading.places };
    assert_ok(conf_read(&reader, &outer_object, reading.root, outer));
    assert_int_equal(places_field(&reading.places, &outer->port)->key_place.line, 1);
    assert_int_equal(places_field(&reading.places, &outer->strings.items[1])->place.column, 14);
    struct item *item = outer->list.items;
    assert_int_equal(places_object(&reading.places, item)->place.line, 4);
    assert_int_equal(places_field(&reading.places, &item->number)->place.column, 13);
    assert_int_equal(places_field(&reading.places, &outer->pairs.items[0].value)->place.column, 13);
    assert_null(places_field(&reading.places, &outer->wait));
    reading_done(&reading);
    free(outer);
}

static void layers_need_not_be_whole(void **state)
{
    (void)state;
    struct reading reading;
    struct outer outer;
    memset(&outer, 0, sizeof outer);
    reading_init(&reading, SLICE("other: { any: true }\nlist: [{}]\n"));
    const struct conf_object *const layers[] = { &outer_object, NULL };
    struct conf_reader reader = { .arena = &reading.arena,
                                  .diagnostics = &reading.diagnostics,
                                  .places = &reading.places,
                                  .layers = layers };
    assert_ok(conf_read(&reader, &outer_object, reading.root, &outer));
    /* An item of a list stands for itself: it is no layer. */
    assert_diagnostics(&reading,
                       "dir/c.yaml:2:8: error: list[0]: number is missing: every item needs it, as in "
                       "\"number: 10\"\n");
    reading_done(&reading);
}

/* Whatever the arena's maximum is: read whole, or an error; never a part that looks like the whole. */
static void an_arena_that_is_full_is_an_error(void **state)
{
    (void)state;
    static const char text[] =
        "text: hello\nfile: x.pem\ncolours: [red]\nstrings: [a, b]\nfiles: [y.pem, z.pem]\n"
        "pairs: { X: a }\ninner: { names: [a] }\nlist: [{ number: 1 }]\n"
        "map: { first: { number: 3 } }\nunknown: 1\nport: nothing\n";
    struct reading reading;
    reading_init(&reading, slice_from_string(text));
    bool whole = false;
    for (size_t maximum = 0; !whole; maximum += 16) {
        struct arena arena;
        struct outer outer;
        struct diagnostics diagnostics;
        struct places places;
        arena_init(&arena, maximum);
        diagnostics_init(&diagnostics, &arena);
        places_init(&places, &arena);
        memset(&outer, 0, sizeof outer);
        struct conf_reader reader = { .arena = &arena, .diagnostics = &diagnostics, .places = &places };
        struct error error = conf_read(&reader, &outer_object, reading.root, &outer);
        whole =
            !failed(error) && diagnostics.error_count == 2 && outer.map.count == 1 && outer.pairs.count == 1;
        assert_true(whole || failed(error) || diagnostics.error_count > 0);
        (void)conf_node_copy_map(reading.root, 2, &arena);
        assert_true(conf_node_describe(reading.root->items[0], &arena).len > 0);
        assert_non_null(conf_node_path(reading.root->items[3]->items[1], &arena).ptr);
        arena_done(&arena);
        assert_true(maximum < 1024 * 1024);
    }
    reading_done(&reading);
}

static void long_values_are_shown_in_part(void **state)
{
    (void)state;
    struct reading reading;
    reading_init(
        &reading,
        SLICE("port: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\xc3\xa4\xc3\xb6\n"));
    struct slice shown = conf_node_describe(reading.root->items[0], &reading.arena);
    assert_slice(shown, "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\xe2\x80\xa6\"");
    assert_slice(conf_place_text((struct conf_place){ 0 }, &reading.arena), "default");
    reading_done(&reading);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_types_are_read),
        cmocka_unit_test(defaults_are_read_as_if_written),
        cmocka_unit_test(shorthands_stand_for_objects),
        cmocka_unit_test(every_wrong_value_is_told_at_once),
        cmocka_unit_test(nothing_is_no_value),
        cmocka_unit_test(names_are_no_booleans_and_no_numbers),
        cmocka_unit_test(in_quotes_they_are_meant),
        cmocka_unit_test(texts_stand_on_one_line),
        cmocka_unit_test(secrets_come_by_reference_only),
        cmocka_unit_test(fields_know_where_they_were_written),
        cmocka_unit_test(layers_need_not_be_whole),
        cmocka_unit_test(an_arena_that_is_full_is_an_error),
        cmocka_unit_test(long_values_are_shown_in_part),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
