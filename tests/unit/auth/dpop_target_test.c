#include "auth/dpop_target.h"

#include "http/uri.h"
#include "unit.h"

static struct arena arena;

static int start(void **state)
{
    (void)state;
    arena_init(&arena, 1024 * 1024);
    return 0;
}

static int end(void **state)
{
    (void)state;
    arena_done(&arena);
    return 0;
}

static void origins_that_a_configuration_may_hold(void **state)
{
    (void)state;
    static const struct {
        const char *text, *host;
        bool is_tls;
        uint16_t port;
    } cases[] = {
        { "https://api.example.com", "api.example.com", true, 443 },
        { "HTTPS://API.Example.com:443/", "api.example.com", true, 443 },
        { "https://api.example.com:8443", "api.example.com", true, 8443 },
        { "http://localhost:8080", "localhost", false, 8080 },
        { "http://127.0.0.1", "127.0.0.1", false, 80 },
        { "http://[::1]:1234", "::1", false, 1234 },
        { "https://[2001:DB8::1]", "2001:db8::1", true, 443 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct dpop_origin origin;
        assert_null(dpop_origin_parse(slice_from_string(cases[i].text), &arena, &origin));
        assert_slice(origin.host, cases[i].host);
        assert_int_equal(origin.is_tls, cases[i].is_tls);
        assert_int_equal(origin.port, cases[i].port);
    }
}

static void origins_that_are_none(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "api.example.com",
        "//api.example.com",
        "ftp://api.example.com",
        "https://",
        "https:///x",
        "https://a b",
        "https://user@api.example.com",
        "*",
        "https://*.example.com",
        "https://api.example.com/x",
        "https://api.example.com?x",
        "https://api.example.com:0",
        "https://api.example.com#",
        "http://api.example.com",
        "http://localhost.example.com",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct dpop_origin origin;
        if (dpop_origin_parse(slice_from_string(texts[i]), &arena, &origin) == NULL) {
            fail_msg("\"%s\" was taken", texts[i]);
        }
    }
}

static const struct dpop_origin origins[] = {
    { true, SLICE_INIT("api.example.com"), 443 },
    { true, SLICE_INIT("partner.example.com"), 8443 },
};

static bool matches(const char *htu, const char *host, uint16_t port, const char *path)
{
    struct dpop_target target = { .origins = origins,
                                  .origin_count = 2,
                                  .host = slice_from_string(host),
                                  .port = port,
                                  .path = slice_from_string(path) };
    return dpop_target_matches(&target, slice_from_string(htu), &arena);
}

static void htu_by_its_canonical_form(void **state)
{
    (void)state;
    static const struct {
        const char *htu, *path;
        bool good;
    } cases[] = {
        { "https://api.example.com/a/b", "/a/b", true },
        { "https://api.example.com/a/b?c=d#e", "/a/b", true },
        { "https://api.example.com/a/b#e?c", "/a/b", true },
        { "https://API.EXAMPLE.COM:443/a/b", "/a/b", true },
        { "https://api.example.com./a/b", "/a/b", true },
        { "https://api.example.com/%61/b", "/a/b", true },
        { "https://api.example.com/a%7e", "/a~", true },
        { "https://api.example.com", "/", true },
        { "https://api.example.com?x", "/", true },
        { "https://api.example.com/a/b/", "/a/b", false },
        { "https://api.example.com/a", "/a/b", false },
        { "https://api.example.com/A/b", "/a/b", false },
        { "https://api.example.com/x/../a/b", "/a/b", false },
        { "https://api.example.com//a/b", "/a/b", false },
        { "https://api.example.com/a%2Fb", "/a/b", false },
        { "https://api.example.com/a/b%00", "/a/b", false },
        { "https://api.example.com:444/a/b", "/a/b", false },
        { "http://api.example.com/a/b", "/a/b", false },
        { "wss://api.example.com/a/b", "/a/b", false },
        { "https://evil.example/a/b", "/a/b", false },
        { "https://api.example.com@evil.example/a/b", "/a/b", false },
        { "https://evil.example#@api.example.com/a/b", "/a/b", false },
        { "/a/b", "/a/b", false },
        { "", "/", false },
        { "https://", "/", false },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (matches(cases[i].htu, "api.example.com", 0, cases[i].path) != cases[i].good) {
            fail_msg("\"%s\" for %s is not %d", cases[i].htu, cases[i].path, cases[i].good);
        }
    }
}

/* Behind a proxy the request may name a host that nobody outside knows. */
static void a_proof_for_one_host_is_none_for_another(void **state)
{
    (void)state;
    assert_true(matches("https://partner.example.com:8443/a", "partner.example.com", 8443, "/a"));
    assert_false(matches("https://partner.example.com:8443/a", "api.example.com", 0, "/a"));
    assert_false(matches("https://partner.example.com:8443/a", "api.example.com", 443, "/a"));
    assert_false(matches("https://api.example.com/a", "partner.example.com", 8443, "/a"));
    assert_true(matches("https://api.example.com/a", "gateway.internal", 0, "/a"));
    assert_true(matches("https://partner.example.com:8443/a", "gateway.internal", 8080, "/a"));
    assert_false(matches("https://gateway.internal/a", "gateway.internal", 0, "/a"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(origins_that_a_configuration_may_hold, start, end),
        cmocka_unit_test_setup_teardown(origins_that_are_none, start, end),
        cmocka_unit_test_setup_teardown(htu_by_its_canonical_form, start, end),
        cmocka_unit_test_setup_teardown(a_proof_for_one_host_is_none_for_another, start, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
