#include "loading.h"

#define LISTENER  "listeners: { public: { address: 127.0.0.1, port: 8080, plaintext: allow } }\n"
#define NO_ROUTES "c.yaml:1:1: warning: there are no routes: every request is answered 404\n"
#define SERVICES                                                                           \
    "issuers:\n"                                                                           \
    "  a: { issuer: a, audiences: [x], jwks_url: https://a.example/keys }\n"               \
    "  b: { issuer: b, audiences: [x], jwks_url: \"https://b.example:8444/keys?x=:1\" }\n" \
    "upstreams: { svc: { endpoints: [https://127.0.0.1:9001, https://one.example] } }\n"

static void told_of(const char *confinement, const char *expected)
{
    struct loading loading;
    char text[2048];
    loading_init(&loading);
    snprintf(text, sizeof text, "%s%sconfinement: %s\n", LISTENER, SERVICES, confinement);
    loading_file(&loading, "c.yaml", slice_from_string(text));
    assert_told(loading_load(&loading, NULL, 0), expected);
    loading_done(&loading);
}

static void what_the_configuration_needs_must_be_among_them(void **state)
{
    (void)state;
    told_of("{ connect_ports: [443, 8000-9001] }", NO_ROUTES);
    told_of("{ connect_ports: [443, 8444] }",
            NO_ROUTES "c.yaml:5:33: error: upstreams.svc.endpoints[0]: port 9001 is not among "
                      "confinement.connect_ports\n");
    told_of("{ connect_ports: 9001 }", NO_ROUTES
            "c.yaml:3:35: error: issuers.a.jwks_url: port 443 is not among confinement.connect_ports\n"
            "c.yaml:4:35: error: issuers.b.jwks_url: port 8444 is not among confinement.connect_ports\n"
            "c.yaml:5:57: error: upstreams.svc.endpoints[1]: port 443 is not among "
            "confinement.connect_ports\n");
}

static void an_issuer_that_is_asked_for_its_keys_is_among_them(void **state)
{
    (void)state;
    static const char *const ports[] = { "443", "8443" };
    for (size_t i = 0; i < 2; i++) {
        struct loading loading;
        char text[1024];
        loading_init(&loading);
        snprintf(text, sizeof text,
                 "%sissuers: { d: { issuer: \"https://d.example:8443/realm\", audiences: [x] } }\n"
                 "confinement: { connect_ports: [%s] }\n",
                 LISTENER, ports[i]);
        loading_file(&loading, "c.yaml", slice_from_string(text));
        assert_told(loading_load(&loading, NULL, 0),
                    i == 1 ? NO_ROUTES
                           : NO_ROUTES "c.yaml:2:17: error: issuers.d.issuer: port 8443 is not among "
                                       "confinement.connect_ports\n");
        loading_done(&loading);
    }
}

static void ports_are_ports(void **state)
{
    (void)state;
    static const char *const wrong[] = { "0", "65536", "9-8", "x", "1-", "\"-1\"", "\"1-2-3\"", "\"\"" };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct loading loading;
        char text[2048];
        loading_init(&loading);
        snprintf(text, sizeof text, "%sconfinement: { connect_ports: [%s] }\n", LISTENER, wrong[i]);
        loading_file(&loading, "c.yaml", slice_from_string(text));
        if (loading_load(&loading, NULL, 0)->error_count != 1) {
            fail_msg("%s", wrong[i]);
        }
        loading_done(&loading);
    }
}

static void name_servers_are_always_among_them(void **state)
{
    (void)state;
    struct loading loading;
    loading_init(&loading);
    loading_file(&loading, "c.yaml", SLICE(LISTENER "confinement: { connect_ports: [443, 8000-8099] }\n"));
    const struct confinement_settings *confinement = loading_load(&loading, NULL, 0)->settings.confinement;
    assert_int_equal(confinement->mode, CONFINEMENT_ENFORCE);
    assert_int_equal(confinement->port_count, 3);
    assert_int_equal(confinement->ports[1].first, 8000);
    assert_int_equal(confinement->ports[1].last, 8099);
    assert_int_equal(confinement->ports[2].first, 53);
    loading_done(&loading);
}

static void nothing_said_is_any_port(void **state)
{
    (void)state;
    struct loading loading;
    loading_init(&loading);
    loading_file(&loading, "c.yaml", SLICE(LISTENER "confinement: report\n"));
    const struct confinement_settings *confinement = loading_load(&loading, NULL, 0)->settings.confinement;
    assert_int_equal(confinement->mode, CONFINEMENT_REPORT);
    assert_null(confinement->ports);
    loading_done(&loading);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_configuration_needs_must_be_among_them),
        cmocka_unit_test(an_issuer_that_is_asked_for_its_keys_is_among_them),
        cmocka_unit_test(ports_are_ports),
        cmocka_unit_test(name_servers_are_always_among_them),
        cmocka_unit_test(nothing_said_is_any_port),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
