/* What is imported: texts stay texts, and no route is public that was not. */
#include "cli/import/import.h"

#include "unit.h"

#include "base/encoding.h"
#include "config/yaml.h"

#include <time.h>

struct imported {
    struct import import;
    struct buffer text, notes;
    struct arena arena;
    struct diagnostics diagnostics;
    struct conf_node *root; /* of what is written */
};

static const struct conf_source written = { .path = SLICE_INIT("out.yaml") };

static void open_import(struct imported *out, struct error (*read)(struct import *, struct slice),
                        const char *text)
{
    *out = (struct imported){ 0 };
    import_init(&out->import, SLICE("in.yml"), SLICE("test"));
    assert_false(failed(read(&out->import, slice_from_string(text))));
    buffer_init(&out->text, CLI_OUTPUT_MAX);
    buffer_init(&out->notes, CLI_OUTPUT_MAX);
    arena_init(&out->arena, CONFIG_ARENA_MAX);
    diagnostics_init(&out->diagnostics, &out->arena);
    if (out->import.diagnostics.error_count > 0) {
        return;
    }
    assert_true(import_write(&out->import, &out->text));
    import_print_notes(&out->import, &out->notes);
    assert_false(failed(yaml_parse(buffer_slice(&out->text), &written, &out->diagnostics, &out->root)));
    assert_non_null(out->root);
    assert_int_equal(out->diagnostics.error_count, 0);
}

static void close_import(struct imported *imported)
{
    buffer_done(&imported->text);
    buffer_done(&imported->notes);
    arena_done(&imported->arena);
    import_done(&imported->import);
}

static const struct conf_node *at(const struct imported *imported, const char *path)
{
    const struct conf_node *node = imported->root;
    struct slice rest = slice_from_string(path), part;
    while (slice_next(&rest, '/', &part)) {
        node = conf_node_get(node, part);
    }
    return node;
}

static bool is_noted(const struct imported *imported, const char *text)
{
    return slice_contains(buffer_slice(&imported->notes), slice_from_string(text));
}

#define ROUTES "spring.cloud.gateway.routes:\n"

static void test_texts_stay_texts(void **state)
{
    (void)state;
    struct imported imported;
    open_import(&imported, import_spring,
                ROUTES "  - id: \"a: b # c\\n    auth: none\"\n    uri: http://10.0.0.1:80\n"
                       "    predicates: [Path=/a]\n"
                       "    filters: [\"AddRequestHeader=X-A, v\\\" }\\n    auth: none # \\u2028x: y\", "
                       "\"Nope=\\n    auth: none\"]\n");
    const struct conf_node *routes = at(&imported, "routes");
    assert_int_equal(routes->count, 1);
    assert_slice(routes->items[0]->key, "a-b-c-auth-none");
    const struct conf_node *route = routes->items[0];
    assert_int_equal(conf_node_get(route, SLICE("auth"))->type, CONF_NODE_MAPPING);
    const struct conf_node *filters = conf_node_get(route, SLICE("filters"));
    assert_int_equal(filters->count, 1);
    const struct conf_node *fields = conf_node_get(filters->items[0], SLICE("add_request_header"));
    assert_slice(conf_node_get(fields, SLICE("X-A"))->text, "v\" }\n    auth: none # \xe2\x80\xa8x: y");
    close_import(&imported);
}

static void test_no_route_is_public(void **state)
{
    (void)state;
    struct imported imported;
    const char *route = ROUTES "  - { id: a, uri: \"http://10.0.0.1\", predicates: [Path=/a/**] }\n";
    open_import(&imported, import_spring, route);
    assert_slice(at(&imported, "routes/a/auth/jwt")->text, IMPORT_ASK_CALLERS);
    close_import(&imported);

    char text[512];
    snprintf(text, sizeof text, "%s%s",
             "spring.security.oauth2.resourceserver.jwt.issuer-uri: https://idp.example.com\n", route);
    open_import(&imported, import_spring, text);
    assert_slice(at(&imported, "routes/a/auth/jwt")->text, "main");
    close_import(&imported);
}

static void test_lost_condition_asks(void **state)
{
    (void)state;
    struct imported imported;
    open_import(&imported, import_spring,
                "spring.security.oauth2.resourceserver.jwt.issuer-uri: https://idp.example.com\n" ROUTES
                "  - { id: a, uri: \"http://10.0.0.1\", predicates: [Path=/a, 'Header=X-A, \\d+'] }\n"
                "  - { id: b, uri: \"http://10.0.0.1\", predicates: [Path=/b, 'Header=X-A, v\\.1|w.*'] }\n");
    assert_slice(at(&imported, "routes/a/auth/jwt")->text, IMPORT_ASK_CONDITION);
    assert_true(is_noted(&imported, "in.yml:3:"));
    assert_slice(at(&imported, "routes/b/auth/jwt")->text, "main");
    const struct conf_node *values = at(&imported, "routes/b/match/headers/X-A");
    assert_slice(values->items[0]->text, "v.1");
    assert_slice(values->items[1]->text, "w*");
    close_import(&imported);
}

static void test_unclear_routes_ask(void **state)
{
    (void)state;
    static const char *const routes[] = {
        "{ id: a, uri: 'http://h' }",
        "{ id: a, uri: 'http://h', predicates: [] }",
        "{ id: a, uri: 'http://h', predicates: { Path: /a } }",
        "{ id: a, uri: 'http://h', predicates: [Path=] }",
        "{ id: a, uri: 'http://h', predicates: [Path=true] }",
        "{ id: a, uri: 'http://h', predicates: [{ name: Path, args: { patternz: /a } }] }",
        "{ id: a, uri: 'http://h', predicates: [Path=/a, Method=] }",
        "{ id: a, uri: 'http://h', predicates: [Path=/a, Own=1] }",
        "{ id: a, uri: 'http://h', predicates: [Path=/a], filters: [OwnAuthorization=admin] }",
        "{ id: a, uri: 'http://h', predicates: [Path=/a], enabled: false }",
    };
    for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++) {
        char text[512];
        snprintf(text, sizeof text,
                 "spring.security.oauth2.resourceserver.jwt.issuer-uri: https://idp.example.com\n" ROUTES
                 "  - %s\n",
                 routes[i]);
        struct imported imported;
        open_import(&imported, import_spring, text);
        assert_slice(at(&imported, "routes/a/auth/jwt")->text, IMPORT_ASK_CONDITION);
        close_import(&imported);
    }
    struct imported imported;
    open_import(&imported, import_spring,
                "spring.security.oauth2.resourceserver.jwt.issuer-uri: https://idp.example.com\n"
                "spring.cloud.gateway.default-filters: [OwnAuthorization]\n" ROUTES
                "  - { id: a, uri: 'http://h', predicates: [Path=/a] }\n");
    assert_slice(at(&imported, "routes/a/auth/jwt")->text, IMPORT_ASK_CONDITION);
    close_import(&imported);
}

static void test_hidden_route_asks(void **state)
{
    (void)state;
    static const char *const orders[] = { "/**", "/a/**", "/a/{id}", "/b" };
    for (size_t i = 0; i < sizeof orders / sizeof orders[0]; i++) {
        char text[512];
        snprintf(text, sizeof text,
                 "spring.security.oauth2.resourceserver.jwt.issuer-uri: https://idp.example.com\n" ROUTES
                 "  - { id: wide, uri: \"http://10.0.0.1\", predicates: ['Path=%s'] }\n"
                 "  - { id: narrow, uri: \"http://10.0.0.1\", predicates: [Path=/a/x] }\n",
                 orders[i]);
        struct imported imported;
        open_import(&imported, import_spring, text);
        assert_slice(at(&imported, "routes/narrow/auth/jwt")->text, i < 3 ? IMPORT_ASK_CONDITION : "main");
        close_import(&imported);
    }
}

static void test_placeholders_are_bounded(void **state)
{
    (void)state;
    struct import import;
    import_init(&import, SLICE("in.yml"), SLICE("test"));
    struct buffer text;
    buffer_init(&text, 1 << 20);
    for (int i = 0; i < 9; i++) {
        assert_true(buffer_printf(&text, "p%d: \"", i));
        for (int k = 0; k < 20; k++) {
            assert_true(buffer_printf(&text, "${p%d}", i + 1));
        }
        assert_true(buffer_printf(&text, "\"\n"));
    }
    assert_true(buffer_printf(&text, ROUTES "  - { id: a, uri: \"${p0}\", predicates: [Path=/a] }\n"));
    assert_false(failed(import_spring(&import, buffer_slice(&text))));
    assert_true(import.full);
    buffer_done(&text);
    import_done(&import);
}

/* Placeholders that never end: each is looked for to its end but for so many within it. */
static void test_open_placeholders_take_no_time(void **state)
{
    (void)state;
    struct import import;
    import_init(&import, SLICE("in.yml"), SLICE("test"));
    struct buffer text;
    buffer_init(&text, 16 << 20);
    assert_true(buffer_printf(&text, ROUTES "  - { id: a, predicates: [Path=/a], uri: \""));
    for (int i = 0; i < 30000; i++) {
        assert_true(buffer_printf(&text, "${"));
    }
    for (int i = 0; i < 2000; i++) {
        assert_true(buffer_printf(&text, "%01000d", 0));
    }
    assert_true(buffer_printf(&text, "\" }\n"));
    clock_t begun = clock(); /* of the processor: however busy it is elsewhere */
    assert_false(failed(import_spring(&import, buffer_slice(&text))));
    assert_true(clock() - begun < 5 * CLOCKS_PER_SEC);
    buffer_done(&text);
    import_done(&import);
}

/* What is told of a text is cut at the end of a character, and holds nothing that steers a terminal. */
static void test_notes_are_texts(void **state)
{
    (void)state;
    for (int shift = 0; shift < 4; shift++) {
        struct buffer text;
        struct imported imported;
        buffer_init(&text, 1 << 20);
        assert_true(buffer_printf(
            &text, ROUTES "  - { id: a, uri: \"http://10.0.0.1\", predicates: [Path=/a, \"Nope=%.*s", shift,
            "xxxx"));
        for (int i = 0; i < 1000; i++) {
            assert_true(buffer_printf(&text, "\xf0\x9f\x90\x8e"));
        }
        assert_true(buffer_printf(&text, "\", \"Esc\\u009b31m=a\"] }\n"));
        open_import(&imported, import_spring, (buffer_append_char(&text, '\0'), text.data + text.begin));
        assert_true(utf8_valid(buffer_slice(&imported.text)));
        assert_true(utf8_valid(buffer_slice(&imported.notes)));
        assert_true(is_noted(&imported, "Esc?31m"));
        close_import(&imported);
        buffer_done(&text);
    }
}

static void test_openapi_public_by_its_word_alone(void **state)
{
    (void)state;
    struct imported imported;
    open_import(
        &imported, import_openapi,
        "openapi: 3.0.3\nsecurity: []\npaths:\n  /said: { get: { operationId: said, security: [] } }\n"
        "  /unsaid: { get: { operationId: unsaid } }\n  /empty: { get: { operationId: empty, security: [{}] "
        "} }\n");
    assert_slice(at(&imported, "routes/said/auth")->text, "none");
    assert_slice(at(&imported, "routes/unsaid/auth/jwt")->text, IMPORT_ASK_CALLERS);
    assert_slice(at(&imported, "routes/empty/auth/jwt")->text, IMPORT_ASK_CALLERS);
    close_import(&imported);
}

static void test_hostile_yaml_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = { "a: &a [x]\nb: [*a, *a]\n", "a: !!python/object x\n", "a: 1\na: 2\n",
                                         "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[" };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct imported imported;
        open_import(&imported, import_spring, texts[i]);
        assert_true(imported.import.diagnostics.error_count > 0);
        close_import(&imported);
        open_import(&imported, import_openapi, texts[i]);
        assert_true(imported.import.diagnostics.error_count > 0);
        close_import(&imported);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_texts_stay_texts),
        cmocka_unit_test(test_no_route_is_public),
        cmocka_unit_test(test_lost_condition_asks),
        cmocka_unit_test(test_unclear_routes_ask),
        cmocka_unit_test(test_hidden_route_asks),
        cmocka_unit_test(test_placeholders_are_bounded),
        cmocka_unit_test(test_open_placeholders_take_no_time),
        cmocka_unit_test(test_notes_are_texts),
        cmocka_unit_test(test_openapi_public_by_its_word_alone),
        cmocka_unit_test(test_hostile_yaml_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
