/* What is imported: texts stay texts, and no route is public that was not. */
#include "importing.h"

#include "base/encoding.h"

#include <time.h>

static void test_texts_stay_texts(void **state)
{
    (void)state;
    struct imported imported;
    open_import(&imported, import_spring,
                ROUTES "  - id: \"a: b # c\\n    auth: none\"\n    uri: http://10.0.0.1:80\n"
                       "    predicates: [Path=/a]\n"
                       "    filters: [\"AddRequestHeader=X-A, v\\\" }    auth: none # \\u2028x: y\", "
                       "\"AddRequestHeader=X-B, v\\n    auth: none\", \"Nope=\\n    auth: none\"]\n");
    const struct conf_node *routes = at(&imported, "routes");
    assert_int_equal(routes->count, 1);
    assert_slice(routes->items[0]->key, "a-b-c-auth-none");
    const struct conf_node *route = routes->items[0];
    assert_int_equal(conf_node_get(route, SLICE("auth"))->type, CONF_NODE_MAPPING);
    const struct conf_node *filters = conf_node_get(route, SLICE("filters"));
    assert_int_equal(filters->count, 1);
    const struct conf_node *fields = conf_node_get(filters->items[0], SLICE("add_request_header"));
    assert_slice(conf_node_get(fields, SLICE("X-A"))->text, "v\" }    auth: none # \xe2\x80\xa8x: y");
    assert_true(is_noted(&imported, "X-B: the text must stand on one line"));
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

/* A secret of the file is repeated in no note. */
static void test_notes_hold_no_secrets(void **state)
{
    (void)state;
    static const char *const routes[] = {
        "{ id: a, uri: 'http://user:s3cr3t@h', predicates: [Path=/a] }",
        "{ id: a, uri: 'http://user:s3cr3t@h h/', predicates: [Path=/a] }",
        "{ id: a, uri: 'redis://:s3cr3t@h?x=s3cr3t#s3cr3t', predicates: [Path=/a] }",
        "{ id: a, uri: 'user:s3cr3t@h', predicates: [Path=/a] }",
        "{ id: a, uri: 'http://h', predicates: [Path=/a, 'Header=X-Key, s3cr3t[a]'] }",
        "{ id: a, uri: 'http://h', predicates: [Path=/a], filters: ['StripPrefix=1, s3cr3t'] }",
        "{ id: a, uri: 'http://h', predicates: [Path=/a], filters: ['OwnKey=s3cr3t'] }",
        "{ id: a, uri: 'http://h', predicates: [Path=/a], filters: [{ name: StripPrefix, args: { key: s3cr3t "
        "} }] }",
        "{ id: a, uri: 'http://h', predicates: [Path=/a], filters: [{ name: CircuitBreaker, args: { "
        "fallbackUri: "
        "'http://u:s3cr3t@h/x' } }] }",
        "{ id: a, uri: 'http://h', predicates: ['Path=/${P:s3cr3t}'], metadata: { key: s3cr3t } }",
    };
    for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++) {
        char text[512];
        snprintf(text, sizeof text, "server.ssl.key-store-password: s3cr3t\n" ROUTES "  - %s\n", routes[i]);
        struct imported imported;
        open_import(&imported, import_spring, text);
        assert_true(buffer_length(&imported.notes) > 0);
        assert_false(is_noted(&imported, "s3cr3t"));
        assert_int_equal(is_written(&imported, "s3cr3t"), i == 9); /* where it is the value itself */
        close_import(&imported);
    }
    struct imported imported;
    open_import(
        &imported, import_openapi,
        "openapi: 3.0.3\nservers: [{ url: 'https://u:s3cr3t@h/a' }, { url: 'https://u:s3cr3t@i/b' }]\n"
        "paths: { /x: { get: { operationId: x, security: [] } } }\n");
    assert_true(is_noted(&imported, "the server https://i/b"));
    assert_false(is_noted(&imported, "s3cr3t") || is_written(&imported, "s3cr3t"));
    close_import(&imported);
}

static void test_routes_and_upstreams_that_nothing_reaches(void **state)
{
    (void)state;
    struct imported imported;
    open_import(&imported, import_spring,
                ROUTES
                "  - { id: a, uri: 'http://h', predicates: [Path=/a], filters: ['RedirectTo=302, /b'] }\n"
                "  - { id: again, uri: 'http://i', predicates: [Path=/a] }\n"
                "  - { id: gone, uri: 'no://op', predicates: [Path=/gone], filters: [SetStatus=410] }\n"
                "  - { id: c, uri: 'forward:/c', predicates: ['Host=**.example.com'] }\n");
    assert_null(at(&imported, "upstreams"));
    assert_null(at(&imported, "routes/again"));
    assert_true(is_noted(&imported, "the route again, which stands behind a"));
    assert_true(is_noted(&imported, "an answer without an upstream"));
    assert_true(is_noted(&imported, "uri forward:/c: what Spring answered by itself"));
    const struct conf_node *hosts = at(&imported, "routes/c/match/host");
    assert_slice(hosts->items[0]->text, "example.com");
    assert_slice(hosts->items[1]->text, "*.example.com");
    close_import(&imported);
}

static void test_notes_say_what_to_do(void **state)
{
    (void)state;
    struct imported imported;
    open_import(&imported, import_spring,
                "server: { ssl: { key-store: x.p12 }, http2: { enabled: true } }\n"
                "spring.cloud.gateway: { discovery.locator.enabled: true, unheard: of }\n"
                "spring.security.oauth2.client.registration.x.client-secret: s3cr3t\n" ONE(
                    "JsonToGrpc=, SaveSession"));
    for (size_t i = 0; i < 6; i++) {
        static const char *const said[] = { "server.ssl.key-store: name certificate and key in PEM",
                                            "locator.enabled: no route is made by itself",
                                            "client-secret: nobody is logged in here",
                                            "JsonToGrpc: gRPC is passed on as gRPC",
                                            "SaveSession: there are no sessions",
                                            "unheard: there is none like it" };
        assert_true(is_noted(&imported, said[i]));
    }
    /* In the order of the file. */
    struct slice notes = buffer_slice(&imported.notes), line;
    unsigned int last = 0;
    while (slice_next(&notes, '\n', &line) && line.len > 0) {
        unsigned int number = (unsigned int)strtoul(line.ptr + sizeof "in.yml:" - 1, NULL, 10);
        assert_true(number >= last);
        last = number;
    }
    close_import(&imported);
}

/* A document for some places alone must not become what holds everywhere, however its names are put together. */
static void test_documents_of_profiles_stay_out(void **state)
{
    (void)state;
    static const char *const conditions[] = {
        "spring.config.activate.on-profile: dev",
        "spring: { config.activate.on-profile: dev }",
        "spring.config: { activate: { onProfile: dev } }",
        "spring: { config: { activate.on-cloud-platform: kubernetes } }",
        "spring: { profiles: dev }",
    };
    for (size_t i = 0; i < sizeof conditions / sizeof conditions[0]; i++) {
        char text[512];
        snprintf(text, sizeof text, "%s---\n%s\nserver.port: 9999\n", ONE("StripPrefix=1"), conditions[i]);
        struct imported imported;
        open_import(&imported, import_spring, text);
        assert_true(is_noted(&imported, "not carried over: the document of profile"));
        assert_false(is_written(&imported, "9999"));
        close_import(&imported);
    }
    struct imported imported; /* which profiles are active says nothing about a document */
    open_import(&imported, import_spring,
                ONE("StripPrefix=1") "---\nspring.profiles.active: dev\nserver.port: 9999\n");
    assert_true(is_written(&imported, "9999"));
    close_import(&imported);
}

static void test_a_group_is_no_placeholder(void **state)
{
    (void)state;
    struct imported imported;
    open_import(&imported, import_spring,
                ROUTES
                "  - id: a\n    uri: http://10.0.0.1\n    predicates: [Path=/a/**]\n    filters:\n"
                "    - RewritePath=/a/(?<rest>.*), /b/${rest}\n"
                "    - { name: RewritePath, args: { regexp: '/b/(?<all>.*)', replacement: '/c/${all}' } }\n"
                "    - RewritePath=/c/(?<x>.*), /d/${other}\n");
    assert_true(is_written(&imported, "replacement: \"/b/${rest}\""));
    assert_true(is_written(&imported, "replacement: \"/c/${all}\""));
    assert_false(is_noted(&imported, "${rest}") || is_noted(&imported, "${all}"));
    assert_true(is_noted(&imported, "the placeholder ${other}, which has no default"));
    close_import(&imported);
}

static void test_lists_in_expressions(void **state)
{
    (void)state;
    static const struct {
        const char *expression, *written; /* NULL: it is lost */
    } rows[] = {
        { "^(v1|v2)$", "[\"v1\", \"v2\"]" },
        { "(?:v1|w.*)", "[\"v1\", \"w*\"]" },
        { "^v1$|^v2$", "[\"v1\", \"v2\"]" },
        { "(a)|(b)", NULL },
        { "((a|b))", NULL },
        { "(a|b\\)", NULL },
        { "()", NULL },
        { "(a)?", NULL },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char text[512];
        snprintf(text, sizeof text,
                 ROUTES "  - { id: a, uri: 'http://h', predicates: [Path=/a, 'Header=X-V, %s'] }\n",
                 rows[i].expression);
        struct imported imported;
        open_import(&imported, import_spring, text);
        assert_true(rows[i].written == NULL || is_written(&imported, rows[i].written));
        assert_int_equal(is_noted(&imported, "the expression of Header X-V"), rows[i].written == NULL);
        close_import(&imported);
    }
}

/* Whatever `check` would refuse is told, and not written. */
static void test_conditions_that_there_are_not(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        { "Query=filter[name], a", "filter[name]: a condition's name has letters" },
        { "Header=Authorization, Bearer.*", "a credential decides by auth" },
        { "Header=Host, h.example", "match.host is for the host" },
        { "Cookie=a b, c", "Cookie a b: a condition's name" },
        { "Method=GE T", "Method: not a method" },
        { "Between=2027-01-02T00:00:00Z, 2027-01-01T00:00:00Z", "no time is both" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char text[512];
        snprintf(text, sizeof text,
                 ROUTES "  - { id: a, uri: 'http://10.0.0.1', predicates: [Path=/a, '%s'] }\n", rows[i][0]);
        struct imported imported;
        open_import(&imported, import_spring, text);
        assert_true(is_noted(&imported, rows[i][1]));
        assert_slice(at(&imported, "routes/a/auth/jwt")->text, IMPORT_ASK_CONDITION);
        const struct conf_node *match = at(&imported, "routes/a/match");
        assert_int_equal(match->count, 2); /* host and path */
        close_import(&imported);
    }
}

/* Whatever it is, `check` can read it. */
static void test_what_is_written_can_be_read(void **state)
{
    (void)state;
    char text[2048], name[81];
    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    snprintf(text, sizeof text,
             "spring.cloud.gateway.default-filters: [RewriteLocationResponseHeader]\n" ROUTES
             "  - { id: %s, uri: 'http://10.0.0.1', predicates: [Path=/a] }\n"
             "  - { id: %s, uri: 'ws://10.0.0.2', predicates: [Path=/b, Method=POST], metadata: { "
             "connect-timeout: 99999999 } }\n",
             name, name);
    struct imported imported;
    open_import(&imported, import_spring, text);
    assert_null(at(&imported, "defaults"));
    assert_true(is_written(&imported, "hide_upstream does so by itself"));
    const struct conf_node *routes = at(&imported, "routes");
    assert_int_equal(routes->count, 2);
    assert_true(routes->items[0]->key.len <= 64 && routes->items[1]->key.len <= 64);
    assert_false(is_written(&imported, "websocket:") || is_written(&imported, "connect_timeout:"));
    assert_true(is_noted(&imported, "their handshake is a GET"));
    assert_true(is_noted(&imported, "write \"connect_timeout\""));
    close_import(&imported);
}

static void test_nothing_is_dropped(void **state)
{
    (void)state;
    struct imported imported;
    open_import(
        &imported, import_spring,
        "spring.cloud.gateway.mvc.http-client.read-timeout: 3s\n" ONE("'AddRequestHeader=X-A, b, c'"));
    assert_true(is_noted(&imported, "value 3 of AddRequestHeader: there is none like it"));
    assert_true(is_written(&imported, "timeout: 3s"));
    close_import(&imported);
}

/* By the names that Spring has for them where they are written out, in any case, and with what Spring does not read. */
static void test_other_ways_to_write(void **state)
{
    (void)state;
    struct imported imported;
    open_import(
        &imported, import_spring,
        ROUTES
        "  - id: a\n    uri: lb://one:8080\n    predicates: [Path=/a, Method=get, { name: Weight, args: { "
        "weight.group: g, weight.weight: 8 } }]\n"
        "  - id: b\n    uri: lb://two\n    predicates: [Path=/a, Method=get, { name: Weight, args: { "
        "group: g, weight: 2 } }]\n");
    assert_true(is_written(&imported, "split: { weights: { one: 8, two: 2 } }"));
    assert_true(is_written(&imported, "methods: [\"GET\"]"));
    assert_true(is_written(&imported, "http://one:80\""));
    assert_false(is_written(&imported, IMPORT_ASK_CONDITION));
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
        cmocka_unit_test(test_notes_hold_no_secrets),
        cmocka_unit_test(test_routes_and_upstreams_that_nothing_reaches),
        cmocka_unit_test(test_notes_say_what_to_do),
        cmocka_unit_test(test_documents_of_profiles_stay_out),
        cmocka_unit_test(test_a_group_is_no_placeholder),
        cmocka_unit_test(test_lists_in_expressions),
        cmocka_unit_test(test_conditions_that_there_are_not),
        cmocka_unit_test(test_what_is_written_can_be_read),
        cmocka_unit_test(test_nothing_is_dropped),
        cmocka_unit_test(test_other_ways_to_write),
        cmocka_unit_test(test_hostile_yaml_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
