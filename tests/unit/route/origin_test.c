#include "unit.h"

#include "route/origin.h"

static struct arena arena;

static int setup(void **state)
{
    (void)state;
    arena_init(&arena, 1 << 16);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_done(&arena);
    return 0;
}

static struct slice listed[] = { SLICE_INIT("https://app.example"), SLICE_INIT("*"), SLICE_INIT("null") };
static const struct cors_settings cors = { .origins = { listed, 3 }, .credentials = true };
static const struct cors_settings bare = { .origins = { listed, 3 } };
static const struct websocket_settings sockets = { .origins = { listed, 3 } }, own_sockets = { 0 };

/* `two`: a second field. */
static bool may(const char *origin, const char *two, enum http_method method,
                const struct cors_settings *settings, const struct websocket_settings *websocket)
{
    struct header items[] = { { SLICE_INIT("Host"), SLICE_INIT("api.example"), HEADER_HOST },
                              { SLICE_INIT("Origin"), slice_from_string(origin), HEADER_ORIGIN },
                              { SLICE_INIT("Origin"), slice_from_string(two), HEADER_ORIGIN } };
    const struct headers headers = { items, two != NULL ? 3 : origin != NULL ? 2 : 1, 3 };
    const struct origin_request request = {
        .headers = &headers, .method = method, .host = SLICE("api.example"), .is_tls = true
    };
    return origin_may_use_cookie(&request, settings, websocket, &arena);
}

static void safe_methods_may_from_anywhere(void **state)
{
    (void)state;
    static const enum http_method safe[] = { METHOD_GET, METHOD_HEAD, METHOD_OPTIONS };
    for (size_t i = 0; i < 3; i++) {
        assert_true(may("https://evil.example", NULL, safe[i], NULL, NULL));
        assert_true(may(NULL, NULL, safe[i], NULL, NULL));
    }
}

static void others_must_come_from_a_page_that_may(void **state)
{
    (void)state;
    static const enum http_method unsafe[] = { METHOD_POST, METHOD_PUT, METHOD_DELETE, METHOD_PATCH,
                                               METHOD_OTHER };
    static const char *const wrong[] = { "https://evil.example",
                                         "null",
                                         "",
                                         "*",
                                         "http://api.example",
                                         "https://api.example:8443",
                                         "https://api.example.evil",
                                         "https://API.example",
                                         "https://app.example" };
    for (size_t i = 0; i < sizeof unsafe / sizeof *unsafe; i++) {
        for (size_t k = 0; k < sizeof wrong / sizeof *wrong; k++) {
            assert_false(may(wrong[k], NULL, unsafe[i], NULL, NULL));
            assert_false(may(wrong[k], NULL, unsafe[i], &bare, NULL));
        }
        assert_false(may(NULL, NULL, unsafe[i], &cors, NULL));
        assert_false(may("https://api.example", "https://api.example", unsafe[i], &cors, NULL));
        assert_true(may("https://api.example", NULL, unsafe[i], NULL, NULL));
        assert_true(may("https://app.example", NULL, unsafe[i], &cors, NULL));
        assert_false(may("*", NULL, unsafe[i], &cors, NULL));
        assert_false(may("null", NULL, unsafe[i], &cors, NULL));
    }
}

static void handshakes_too_whatever_their_method(void **state)
{
    (void)state;
    assert_false(may("https://evil.example", NULL, METHOD_GET, NULL, &sockets));
    assert_false(may("null", NULL, METHOD_GET, NULL, &sockets));
    assert_false(may("*", NULL, METHOD_GET, NULL, &sockets));
    assert_false(may(NULL, NULL, METHOD_GET, NULL, &sockets));
    assert_false(may("https://app.example", NULL, METHOD_GET, NULL, &own_sockets));
    assert_true(may("https://app.example", NULL, METHOD_GET, NULL, &sockets));
    assert_true(may("https://api.example", NULL, METHOD_GET, NULL, &own_sockets));
}

static void ones_own_is_the_host_and_port_of_the_request(void **state)
{
    (void)state;
    const struct origin_request tls = { .host = SLICE("a.example"), .port = 8443, .is_tls = true };
    assert_true(origin_is_own(&tls, SLICE("https://a.example:8443"), &arena));
    assert_false(origin_is_own(&tls, SLICE("https://a.example"), &arena));
    assert_false(origin_is_own(&tls, SLICE("http://a.example:8443"), &arena));
    const struct origin_request plain = { .host = SLICE("a.example"), .port = 80 };
    assert_true(origin_is_own(&plain, SLICE("http://a.example"), &arena));
    const struct origin_request standard = { .host = SLICE("a.example"), .port = 443, .is_tls = true };
    assert_true(origin_is_own(&standard, SLICE("https://a.example"), &arena));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(safe_methods_may_from_anywhere),
        cmocka_unit_test(others_must_come_from_a_page_that_may),
        cmocka_unit_test(handshakes_too_whatever_their_method),
        cmocka_unit_test(ones_own_is_the_host_and_port_of_the_request),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
