#include "arena.h"
#include "auth/resource.h"

#define RESOURCE(text)                                        \
    {                                                         \
        .name = SLICE_INIT("r"), .resource = SLICE_INIT(text) \
    }

static void identifiers_are_https_urls(void **state)
{
    (void)state;
    static const struct resource_settings good[] = { RESOURCE("https://a.example"),
                                                     RESOURCE("https://a.example/"),
                                                     RESOURCE("https://a.example:8443/b/c"),
                                                     RESOURCE("https://a.example/b/") };
    static const struct resource_settings bad[] = {
        RESOURCE("http://a.example"),
        RESOURCE("https://"),
        RESOURCE("https:///b"),
        RESOURCE("https://a.example?x"),
        RESOURCE("https://a.example#x"),
        RESOURCE("https://A.example"),
        RESOURCE("https://a.example/../b"),
        RESOURCE("https://a.example//b"),
        RESOURCE("https://u@a.example"),
        RESOURCE("https://a.example/\"x"),
        RESOURCE("a.example"),
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_null(resource_check(&good[i]));
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_non_null(resource_check(&bad[i]));
    }
    const struct resource_settings documented = { .resource = SLICE("https://a.example"),
                                                  .documentation = SLICE("javascript:x") };
    assert_non_null(resource_check(&documented));
}

static void the_document_stands_before_the_path(void **state)
{
    (void)state;
    static const struct {
        struct resource_settings resource;
        const char *host, *path, *url;
    } rows[] = {
        { RESOURCE("https://a.example"), "a.example", "/.well-known/oauth-protected-resource",
          "https://a.example/.well-known/oauth-protected-resource" },
        { RESOURCE("https://a.example/"), "a.example", "/.well-known/oauth-protected-resource",
          "https://a.example/.well-known/oauth-protected-resource" },
        { RESOURCE("https://a.example:8443/b/c"), "a.example", "/.well-known/oauth-protected-resource/b/c",
          "https://a.example:8443/.well-known/oauth-protected-resource/b/c" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_slice(resource_host(&rows[i].resource), rows[i].host);
        assert_slice(resource_path(&rows[i].resource, &arena), rows[i].path);
        assert_slice(resource_url(&rows[i].resource, &arena), rows[i].url);
    }
}

static void it_says_what_is_known(void **state)
{
    (void)state;
    struct resource_settings settings = RESOURCE("https://a.example");
    struct slice server = SLICE("https://idp.example/\"x"),
                 scopes[] = { SLICE_INIT("read"), SLICE_INIT("write") };
    const struct resource_facts facts = {
        .servers = &server, .server_count = 1, .by_header = true, .by_query = true
    };
    const struct resource_facts none = { .servers = &server, .server_count = 1 };
    struct slice text;
    assert_ok(resource_document(&settings, &none, &arena, &text));
    assert_slice(
        text,
        "{\"resource\":\"https://a.example\",\"authorization_servers\":[\"https://idp.example/\\\"x\"]}");
    settings.scopes = (struct conf_strings){ scopes, 2 };
    settings.title = SLICE("A");
    settings.documentation = SLICE("https://d.example");
    assert_ok(resource_document(&settings, &facts, &arena, &text));
    assert_slice(
        text, "{\"resource\":\"https://a.example\",\"authorization_servers\":[\"https://idp.example/\\\"x\"],"
              "\"scopes_supported\":[\"read\",\"write\"],\"bearer_methods_supported\":[\"header\",\"query\"],"
              "\"resource_name\":\"A\",\"resource_documentation\":\"https://d.example\"}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(identifiers_are_https_urls),
        cmocka_unit_test(the_document_stands_before_the_path),
        cmocka_unit_test(it_says_what_is_known),
    };
    return cmocka_run_group_tests(tests, arena_start, arena_finish);
}
