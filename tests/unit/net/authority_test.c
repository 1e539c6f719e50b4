#include "unit.h"

#include "net/authority.h"

static void hosts_and_ports_are_split(void **state)
{
    (void)state;
    static const struct {
        const char *text, *host;
        unsigned int port; /* 9 where it is left alone */
    } cases[] = {
        { "a", "a", 9 },         { "a:1", "a", 1 },           { "10.0.0.1:65535", "10.0.0.1", 65535 },
        { "[::1]", "[::1]", 9 }, { "[::1]:80", "[::1]", 80 }, { "", "", 9 },
        { ":1", "", 1 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct slice host;
        uint16_t port = 9;
        assert_null(authority_split(slice_from_string(cases[i].text), &host, &port));
        assert_slice(host, cases[i].host);
        assert_int_equal(port, cases[i].port);
    }
}

static void anything_else_is_told(void **state)
{
    (void)state;
    static const char *const cases[] = { "a:",      "a:0",        "a:65536", "a:x",     "a:1:2",
                                         "::1",     "fd00::1:80", "[::1",    "[::1]80", "[::1]:",
                                         "[::1]:0", "a:-1",       "a:+1",    "a: 1" };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct slice host;
        uint16_t port = 9;
        if (authority_split(slice_from_string(cases[i]), &host, &port) == NULL) {
            fail_msg("%s passes", cases[i]);
        }
        assert_int_equal(port, 9);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hosts_and_ports_are_split),
        cmocka_unit_test(anything_else_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
