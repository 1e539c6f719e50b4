#include "unit.h"

#include "auth/discovery.h"

static void the_metadata_lies_behind_the_path(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        { "https://idp.example.com", "https://idp.example.com/.well-known/openid-configuration" },
        { "https://idp.example.com/", "https://idp.example.com/.well-known/openid-configuration" },
        { "https://idp.example.com/realms/main",
          "https://idp.example.com/realms/main/.well-known/openid-configuration" },
        { "https://idp.example.com/t/v2.0/",
          "https://idp.example.com/t/v2.0/.well-known/openid-configuration" },
    };
    struct arena arena;
    arena_init(&arena, 65536);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_slice(discovery_url(&arena, slice_from_string(cases[i][0])), cases[i][1]);
    }
    arena_done(&arena);
}

static void metadata_is_of_the_issuer_or_none(void **state)
{
    (void)state;
    static const struct {
        const char *text, *why; /* NULL: good */
    } cases[] = {
        { "{\"issuer\":\"https://idp\",\"jwks_uri\":\"https://k/\"}", NULL },
        { "{\"a\":[{}],\"jwks_uri\":\"https:\\/\\/k\\/\",\"issuer\":\"https://idp\"}", NULL },
        { "{\"issuer\":\"https://idp/\",\"jwks_uri\":\"https://k/\"}", "another issuer" },
        { "{\"issuer\":\"HTTPS://idp\",\"jwks_uri\":\"https://k/\"}", "another issuer" },
        { "{\"issuer\":\"https://idp\\u0000\",\"jwks_uri\":\"https://k/\"}", "another issuer" },
        { "{\"issuer\":\"\",\"jwks_uri\":\"https://k/\"}", "another issuer" },
        { "{\"issuer\":[\"https://idp\"],\"jwks_uri\":\"https://k/\"}", "names no issuer" },
        { "{\"jwks_uri\":\"https://k/\"}", "names no issuer" },
        { "{\"issuer\":\"https://x\",\"issuer\":\"https://idp\",\"jwks_uri\":\"https://k/\"}", "not JSON" },
        { "{\"issuer\":\"https://idp\"}", "names no jwks_uri" },
        { "{\"issuer\":\"https://idp\",\"jwks_uri\":null}", "names no jwks_uri" },
        { "{\"issuer\":\"https://idp\",\"jwks_uri\":{\"keys\":[]}}", "names no jwks_uri" },
        { "[{\"issuer\":\"https://idp\"}]", "names no issuer" },
        { "\"https://idp\"", "names no issuer" },
        { "<html>", "not JSON" },
        { "", "not JSON" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct arena arena;
        struct slice uri = SLICE_NONE;
        arena_init(&arena, 65536);
        const char *wrong =
            discovery_read(slice_from_string(cases[i].text), SLICE("https://idp"), &arena, &uri);
        if ((wrong == NULL) != (cases[i].why == NULL) ||
            (wrong != NULL && strstr(wrong, cases[i].why) == NULL)) {
            fail_msg("%s: %s", cases[i].text, wrong != NULL ? wrong : "taken");
        }
        assert_slice(uri, wrong == NULL ? "https://k/" : "");
        arena_done(&arena);
    }
}

static void metadata_that_needs_too_much_room(void **state)
{
    (void)state;
    struct arena arena;
    struct slice uri;
    arena_init(&arena, 64);
    assert_string_equal(discovery_read(SLICE("{\"issuer\":\"https://idp\",\"jwks_uri\":\"https://k/\"}"),
                                       SLICE("https://idp"), &arena, &uri),
                        "the issuer's metadata is too complex");
    assert_null(discovery_url(&arena, SLICE("https://idp.example.com/realms/of/a/long/path")).ptr);
    arena_done(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_metadata_lies_behind_the_path),
        cmocka_unit_test(metadata_is_of_the_issuer_or_none),
        cmocka_unit_test(metadata_that_needs_too_much_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
