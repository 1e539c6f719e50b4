#include "unit.h"

#include "base/arena.h"
#include "upstream/settings.h"

#define OWN "it is a listener of the gateway itself"
#define ODD "no service is at such an address"

static struct address at(const char *text, uint16_t port)
{
    struct address address;
    assert_true(address_parse(slice_from_string(text), &address));
    address.port = port;
    return address;
}

/* What is said of an endpoint that turns out to be at `address`, where the gateway listens at `listener`, port 8443. */
static const char *asked(enum guard_source source, const char *listener, const char *url, const char *address)
{
    const struct address own = at(listener, 8443), found = at(address, 0);
    const struct guard guard = { .source = source, .own = &own, .own_count = 1 };
    struct upstream_endpoint endpoint;
    struct arena arena;
    arena_init(&arena, 4096);
    assert_null(upstream_parse_endpoint(slice_from_string(url), &arena, &endpoint));
    const char *answer = guard_forbids(&guard, &endpoint, &found);
    arena_done(&arena);
    return answer;
}

static void assert_says(const char *answer, const char *expected)
{
    assert_string_equal(answer != NULL ? answer : "", expected);
}

static void listeners_are_no_services_by_whatever_name(void **state)
{
    (void)state;
    static const char url[] = "http://orders.test:8443";
    for (int source = GUARD_CONFIGURATION; source <= GUARD_REGISTRY; source++) {
        assert_says(asked(source, "127.0.0.1", url, "127.0.0.1"), OWN);
        assert_says(asked(source, "10.0.0.5", url, "10.0.0.5"), OWN);
        assert_says(asked(source, "0.0.0.0", url, "127.9.9.9"), OWN);
        assert_says(asked(source, "::", url, "::1"), OWN);
        assert_says(asked(source, "127.0.0.1", url, "127.0.0.2"), "");
        assert_says(asked(source, "0.0.0.0", url, "192.0.2.1"), "");
        assert_says(asked(source, "127.0.0.1", "http://orders.test:8444", "127.0.0.1"), "");
    }
}

/* A connection to it goes to loopback. */
static void nor_by_the_address_that_is_any(void **state)
{
    (void)state;
    static const char url[] = "http://orders.test:8443";
    assert_says(asked(GUARD_CONFIGURATION, "127.0.0.1", url, "0.0.0.0"), OWN);
    assert_says(asked(GUARD_CONFIGURATION, "0.0.0.0", url, "0.0.0.0"), OWN);
    assert_says(asked(GUARD_FILE, "::1", "http://[::]:8443", "::"), OWN);
    assert_says(asked(GUARD_CONFIGURATION, "10.0.0.5", url, "0.0.0.0"), "");
}

/* `check` has seen them, and proves where they lead. */
static void what_is_written_as_an_address_is_meant_so(void **state)
{
    (void)state;
    static const char *const urls[] = { "http://127.0.0.1:8443", "http://localhost:8443",
                                        "http://a.localhost:8443" };
    for (size_t i = 0; i < sizeof urls / sizeof urls[0]; i++) {
        assert_says(asked(GUARD_CONFIGURATION, "127.0.0.1", urls[i], "127.0.0.1"), "");
        assert_says(asked(GUARD_FILE, "127.0.0.1", urls[i], "127.0.0.1"), OWN);
        assert_says(asked(GUARD_REGISTRY, "127.0.0.1", urls[i], "127.0.0.1"), OWN);
    }
    assert_says(asked(GUARD_CONFIGURATION, "127.0.0.1", "http://localhost.test:8443", "127.0.0.1"), OWN);
}

/* Who may write the configuration may name them; who registers an instance may not. */
static void where_clouds_tell_secrets_no_registry_leads(void **state)
{
    (void)state;
    static const char *const urls[] = { "http://169.254.169.254:80", "http://orders.test:80" };
    for (size_t i = 0; i < sizeof urls / sizeof urls[0]; i++) {
        assert_says(asked(GUARD_REGISTRY, "127.0.0.1", urls[i], "169.254.169.254"), ODD);
        assert_says(asked(GUARD_REGISTRY, "127.0.0.1", urls[i], "64:ff9b::a9fe:a9fe"), ODD);
        assert_says(asked(GUARD_FILE, "127.0.0.1", urls[i], "169.254.169.254"), "");
        assert_says(asked(GUARD_CONFIGURATION, "127.0.0.1", urls[i], "169.254.169.254"), "");
    }
}

static void a_socket_at_a_path_has_no_address(void **state)
{
    (void)state;
    assert_says(asked(GUARD_CONFIGURATION, "0.0.0.0", "unix:/run/orders.sock", "::"), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(listeners_are_no_services_by_whatever_name),
        cmocka_unit_test(nor_by_the_address_that_is_any),
        cmocka_unit_test(what_is_written_as_an_address_is_meant_so),
        cmocka_unit_test(where_clouds_tell_secrets_no_registry_leads),
        cmocka_unit_test(a_socket_at_a_path_has_no_address),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
