#include "unit.h"

#include "base/arena.h"
#include "base/limits.h"
#include "upstream/settings.h"

static struct arena arena;

static int set_up(void **state)
{
    (void)state;
    arena_init(&arena, 65536);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_done(&arena);
    return 0;
}

static void test_endpoints(void **state)
{
    (void)state;
    static const struct {
        const char *url, *host;
        unsigned int port;
        bool tls, is_address;
    } cases[] = {
        { "http://orders:8080", "orders", 8080, false, false },
        { "https://Orders.Example.COM", "orders.example.com", 443, true, false },
        { "http://orders", "orders", 80, false, false },
        { "https://127.0.0.1:9001", "127.0.0.1", 9001, true, true },
        { "https://[2001:DB8::1]:9001", "2001:db8::1", 9001, true, true },
        { "https://[::1]", "::1", 443, true, true },
        { "http://my_service-1:65535", "my_service-1", 65535, false, false },
        { "http://3proxy:1", "3proxy", 1, false, false },
        { "h2c://orders", "orders", 80, false, false },
        { "h2c://127.0.0.1:50051", "127.0.0.1", 50051, false, true },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct upstream_endpoint endpoint;
        const char *wrong = upstream_parse_endpoint(slice_from_string(cases[i].url), &arena, &endpoint);
        if (wrong != NULL) {
            fail_msg("%s: %s", cases[i].url, wrong);
        }
        assert_slice(endpoint.url, cases[i].url);
        assert_slice(endpoint.host, cases[i].host);
        assert_int_equal(endpoint.port, cases[i].port);
        assert_int_equal(endpoint.tls, cases[i].tls);
        assert_int_equal(endpoint.h2c, slice_starts_with(endpoint.url, SLICE("h2c://")));
        assert_int_equal(endpoint.is_address, cases[i].is_address);
        assert_true(!endpoint.is_address || endpoint.address.port == cases[i].port);
    }
}

static void test_paths(void **state)
{
    (void)state;
    struct upstream_endpoint endpoint;
    char longest[8 + UNIX_PATH_MAX] = "unix:/";
    memset(longest + 6, 'x', UNIX_PATH_MAX - 1);
    const char *const cases[] = { "unix:/run/orders.sock", "unix:/run/a:b", longest };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_null(upstream_parse_endpoint(slice_from_string(cases[i]), &arena, &endpoint));
        assert_slice(endpoint.url, cases[i]);
        assert_slice(endpoint.path, cases[i] + strlen("unix:"));
        assert_false(endpoint.tls);
        assert_true(endpoint.is_address); /* nothing to look up */
        assert_int_equal(endpoint.port, 0);
    }
    longest[5 + UNIX_PATH_MAX] = 'x';
    assert_non_null(upstream_parse_endpoint(slice_from_string(longest), &arena, &endpoint));
}

static void test_refuses_what_is_no_endpoint(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "",
        "orders:8080",
        "ftp://orders",
        "HTTPS://orders",
        "http://",
        "http://:80",
        "http://orders/",
        "http://orders/path",
        "http://orders?x=1",
        "http://orders#x",
        "http://user:secret@orders",
        "http://orders:0",
        "http://orders:65536",
        "http://orders:",
        "http://orders:80:80",
        "http://or ders",
        "http://orders\r\nX: y",
        "http://-orders",
        "http://orders-",
        "http://orders..example",
        "http://orders.example.",
        "http://[::1",
        "http://[::1]80",
        "http://[orders]",
        "http://[127.0.0.1]",
        "http://::1",
        "http://127.1",
        "http://0x7f000001",
        "http://2130706433",
        "http://1.2.3.4.5",
        "http://127.0.0.1%",
        "unix:",
        "unix:run/orders.sock",
        "unix://run/orders.sock",
        "unix:@orders",
        "https+unix:/run/orders.sock",
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct upstream_endpoint endpoint = { .port = 7 };
        if (upstream_parse_endpoint(slice_from_string(cases[i]), &arena, &endpoint) == NULL) {
            fail_msg("%s is taken for an endpoint", cases[i]);
        }
        assert_int_equal(endpoint.port, 7);
    }
    struct upstream_endpoint endpoint;
    assert_non_null(upstream_parse_endpoint(SLICE("http://orders\0.evil.test"), &arena, &endpoint));
    assert_non_null(upstream_parse_endpoint(SLICE("unix:/run/a\0b"), &arena, &endpoint));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_endpoints, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_paths, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_refuses_what_is_no_endpoint, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
