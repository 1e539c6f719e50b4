#include "unit.h"

#include "base/arena.h"
#include "upstream/discovery/settings.h"

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

static const char *parse(const char *from, struct discovery_settings *settings)
{
    *settings = (struct discovery_settings){ .from = slice_from_string(from) };
    return discovery_parse(settings, &arena);
}

static void sources_are_parsed(void **state)
{
    (void)state;
    struct discovery_settings settings;
    assert_null(parse("file:///etc/a.json", &settings));
    assert_int_equal(settings.kind, DISCOVERY_FILE);
    assert_slice(settings.path, "/etc/a.json");
    assert_null(parse("dns://Orders.Internal:9001", &settings));
    assert_int_equal(settings.kind, DISCOVERY_DNS);
    assert_slice(settings.name, "orders.internal");
    assert_slice(settings.identity, "orders.internal");
    assert_int_equal(settings.port, 9001);
    assert_null(parse("dns+srv://_https._tcp.orders.internal", &settings));
    assert_int_equal(settings.kind, DISCOVERY_SRV);
    assert_slice(settings.name, "_https._tcp.orders.internal");
    assert_slice(settings.identity, "orders.internal");
}

static void what_is_watched_is_parsed(void **state)
{
    (void)state;
    struct discovery_settings settings;
    assert_null(parse("consul+https://consul.internal/orders", &settings));
    assert_int_equal(settings.kind, DISCOVERY_CONSUL);
    assert_slice(settings.base, "https://consul.internal:8501");
    assert_slice(settings.service, "orders");
    assert_slice(settings.identity, "orders.service.consul");
    assert_null(parse("consul+http://[::1]:8500/orders", &settings));
    assert_slice(settings.base, "http://[::1]:8500");
    assert_null(parse("consul+http://[::1]/orders", &settings));
    assert_slice(settings.base, "http://[::1]:8500");
    assert_null(parse("consul+http://127.0.0.1/orders", &settings));
    assert_slice(settings.base, "http://127.0.0.1:8500");
    assert_null(parse("k8s://shop/orders:http", &settings));
    assert_int_equal(settings.kind, DISCOVERY_KUBERNETES);
    assert_slice(settings.space, "shop");
    assert_slice(settings.service, "orders");
    assert_slice(settings.port_name, "http");
    assert_slice(settings.identity, "orders.shop.svc");
    assert_null(parse("k8s://shop/orders", &settings));
    assert_int_equal(settings.port_name.len, 0);
    static const char *const bad[] = {
        "consul+https://",
        "consul+https://a",
        "consul+https://a/",
        "consul+https://a:0/b",
        "consul+https://a/b/c",
        "consul+https://u@a/b",
        "consul+http://10.0.0.1/b",
        "consul+http://consul.internal/b",
        "consul+https://[::1/b",
        "consul+https://::1/b",
        "consul+https://fd00::1:8501/b",
        "consul+https://::ffff:10.0.0.1:8501/b",
        "consul+https://[10.0.0.1]/b",
        "consul+http://[fd00::1]/b",
        "consul+https://10.1/b",
        "consul+https://a/b?c",
        "k8s://shop",
        "k8s://shop/orders:80",
        "k8s://shop/orders:",
        "k8s:///orders:http",
        "k8s://a.b/orders:http",
        "k8s://shop/a/b:http",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_non_null(parse(bad[i], &settings));
    }
}

static void anything_else_is_refused(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "",
        "file://a",
        "file:/a",
        "dns://a",
        "dns://a:0",
        "dns://a:65536",
        "dns://:1",
        "dns://10.0.0.1:1",
        "dns://a b:1",
        "dns://a..b:1",
        "dns://-a:1",
        "dns://127.1:1",
        "dns://a.0x7f000001:1",
        "dns+srv://",
        "dns+srv://_https._tcp",
        "dns+srv://a/b",
        "consul://a",
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct discovery_settings settings;
        assert_non_null(parse(cases[i], &settings));
    }
}

static void name_servers_are_addresses(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        unsigned int port; /* 0: refused */
    } cases[] = {
        { "10.0.0.2", 53 },         { "10.0.0.2:5353", 5353 }, { "fd00::2", 53 },   { "[fd00::2]", 53 },
        { "[fd00::2]:5353", 5353 }, { "ns.test", 0 },          { "10.0.0.2:0", 0 }, { "10.0.0.2:x", 0 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct slice text = slice_from_string(cases[i].text);
        struct discovery_settings settings = { .resolvers = { &text, 1 } };
        assert_int_equal(discovery_parse_resolver(&settings, 0) == NULL, cases[i].port != 0);
        assert_int_equal(settings.servers[0].port, cases[i].port);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(sources_are_parsed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_watched_is_parsed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(anything_else_is_refused, set_up, tear_down),
        cmocka_unit_test(name_servers_are_addresses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
