#include "route/websocket.h"

#include "unit.h"

static struct conf_strings list(struct slice *items, const char *text)
{
    struct conf_strings out = { items, 0 };
    struct slice rest = slice_from_string(text), part;
    while (rest.len > 0 && slice_next(&rest, ' ', &part)) {
        items[out.count++] = part;
    }
    return out;
}

static void decides_by_origin(void **state)
{
    (void)state;
    static const struct {
        const char *listed, *origin, *host;
        uint16_t port;
        bool is_tls, allowed;
    } cases[] = {
        { "", NULL, "example.com", 0, true, true },
        { "", "https://example.com", "example.com", 0, true, true },
        { "", "https://example.com", "example.com", 443, true, true },
        { "", "https://example.com:8443", "example.com", 8443, true, true },
        { "", "https://[2001:db8::1]", "2001:db8::1", 0, true, true },
        { "", "https://example.com", "example.com", 8443, true, false },
        { "", "https://example.com:8443", "example.com", 0, true, false },
        { "", "http://example.com", "example.com", 0, true, false },
        { "", "http://example.com", "example.com", 0, false, true },
        { "", "https://example.com", "example.com", 0, false, true },
        { "", "http://example.com:80", "example.com", 80, false, false }, /* no browser writes it */
        { "", "http://example.com", "example.com", 80, false, true },
        { "", "http://example.com:8080", "example.com", 8080, false, true },
        { "", "https://EXAMPLE.com", "example.com", 0, true, false },
        { "", "https://example.com.evil", "example.com", 0, true, false },
        { "", "https://evil", "example.com", 0, true, false },
        { "", "null", "example.com", 0, true, false },
        { "", "null", "null", 0, true, false },
        { "", "", "example.com", 0, true, false },
        { "https://app.example", "https://app.example", "example.com", 0, true, true },
        { "https://app.example", "https://app.example:444", "example.com", 0, true, false },
        { "https://app.example", "null", "example.com", 0, true, false },
        { "*", "https://evil", "example.com", 0, true, true },
        { "*", "null", "example.com", 0, true, true },
        { "https://app.example", "*", "example.com", 0, true, false },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct arena arena;
        struct slice items[4];
        struct header storage[2];
        struct headers request = { storage, 0, 2 };
        struct websocket_settings settings = { .origins = list(items, cases[i].listed) };
        arena_init(&arena, 4096);
        if (cases[i].origin != NULL) {
            assert_true(
                headers_add(&request, HEADER_ORIGIN, SLICE("Origin"), slice_from_string(cases[i].origin)));
        }
        bool allowed = websocket_origin_allowed(&settings, &request, slice_from_string(cases[i].host),
                                                cases[i].port, cases[i].is_tls, &arena);
        if (allowed != cases[i].allowed) {
            fail_msg("%zu: %s at %s", i, cases[i].origin, cases[i].host);
        }
        arena_done(&arena);
    }
}

static void two_origins_are_none(void **state)
{
    (void)state;
    struct arena arena;
    struct header storage[2];
    struct headers request = { storage, 0, 2 };
    struct websocket_settings settings = { 0 };
    arena_init(&arena, 4096);
    for (int i = 0; i < 2; i++) {
        assert_true(headers_add(&request, HEADER_ORIGIN, SLICE("Origin"), SLICE("https://example.com")));
    }
    assert_false(websocket_origin_allowed(&settings, &request, SLICE("example.com"), 0, true, &arena));
    arena_done(&arena);
}

static void checks_settings(void **state)
{
    (void)state;
    static const struct {
        const char *listed;
        bool good;
    } cases[] = {
        { "", true },
        { "*", true },
        { "https://a.example http://b.example:81", true },
        { "null", false },
        { "a.example", false },
        { "https://a.example/", false },
        { "https://A.example", false },
        { "https://*.example", false },
        { "https://a.example:443", false },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct slice items[4];
        struct websocket_settings settings = { .origins = list(items, cases[i].listed) };
        if ((websocket_check_settings(&settings) == NULL) != cases[i].good) {
            fail_msg("%s", cases[i].listed);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decides_by_origin),
        cmocka_unit_test(two_origins_are_none),
        cmocka_unit_test(checks_settings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
