/* What an admin API must be, before there is one. */
#include "loading.h"

#define DIGEST "0000000000000000000000000000000000000000000000000000000000000001"
#define FIRST                                                                                               \
    "issuers: { main: { issuer: https://idp.example.com, audiences: [a], jwks_file: keys.json } }\n"        \
    "api_keys: { partners: { store: /var/lib/k.sqlite, peppers: { p1: \"${file:pepper}\" } }, listed: { "   \
    "keys: { a: { digest: \"" DIGEST                                                                        \
    "\", pepper: p1, consumer: c } }, header: X-L, prefix: list, peppers: { p1: \"${file:pepper}\" } } }\n" \
    "upstreams: { svc: { endpoints: [https://127.0.0.1:9001] } }\n"
#define LISTENERS(more)                                                           \
    "listeners: { public: { port: 8443, plaintext: allow, address: 127.0.0.1 }, " \
    "inside: { port: 9444, address: 127.0.0.1, exposure: internal, plaintext: allow }" more " }\n"
#define ADMIN(more)                                                                                       \
    "admin: { read: { scopes: [r] }, write: { scopes: [w] }, limits: [{ limit: 9/1s, by: address }]" more \
    " }\n"
#define GOOD ", listeners: inside, hosts: admin.internal, auth: { jwt: main }"

static void told_of(const char *listeners, const char *admin, const char *expected)
{
    struct loading loading;
    char text[4096];
    snprintf(text, sizeof text, "%s%s%s", FIRST, listeners, admin);
    assert_told(load_text(&loading, text), expected);
    loading_done(&loading);
}

static const struct route_settings *route(const struct settings *settings, const char *name)
{
    for (size_t i = 0; i < settings->route_count; i++) {
        if (slice_equal(settings->routes[i].name, slice_from_string(name))) {
            return &settings->routes[i];
        }
    }
    fail_msg("there is no route %s", name);
    return NULL;
}

static void it_becomes_two_routes(void **state)
{
    (void)state;
    struct loading loading;
    char text[4096];
    snprintf(text, sizeof text, "%s%s%s%s", FIRST, LISTENERS(""),
             "defaults: { cors: { origins: [https://a.example] }, upstream: svc, relay: { headers: { X-A: "
             "subject } }, timeout: 3s, mirror: { upstream: svc }, retry: { attempts: 1 }, compress: true, "
             "filters: "
             "[{ add_request_header: { X-B: b } }] }\n",
             ADMIN(GOOD));
    const struct config *config = load_text(&loading, text);
    assert_told(config, "");
    const struct settings *settings = &config->settings;
    assert_int_equal(settings->route_count, 2);
    const struct route_settings *read = route(settings, "admin.read"),
                                *write = route(settings, "admin.write");
    assert_true(read->admin && write->admin);
    assert_slice(read->match.path.items[0], "/v1/**");
    assert_slice(read->match.host.items[0], "admin.internal");
    assert_slice(read->match.methods.items[0], "GET");
    assert_slice(write->match.methods.items[0], "POST");
    assert_slice(read->policy.authorize->scopes->all.items[0], "r");
    assert_slice(write->policy.authorize->scopes->all.items[0], "w");
    assert_int_equal(read->policy.audit, AUDIT_DENIALS);
    assert_int_equal(write->policy.audit, AUDIT_ALL);
    assert_int_equal(read->policy.timeout, INT64_C(3000000000)); /* `defaults` hold */
    assert_null(read->policy.cors);                              /* and not for what it must not be */
    assert_null(write->policy.relay);
    assert_null(write->policy.mirror);
    assert_null(write->policy.retry);
    assert_null(read->policy.compress);
    assert_int_equal(read->policy.filters.count, 0);
    assert_int_equal(write->policy.upstream.len, 0);
    /* Its sets: those with a store, whose directories the process may write to. */
    assert_int_equal(settings->admin->api_keys.count, 1);
    assert_slice(settings->admin->api_keys.items[0], "partners");
    assert_int_equal(settings->confinement->write_paths.count, 1);
    assert_slice(settings->confinement->write_paths.items[0], "/var/lib/");
    loading_done(&loading);
}

static void without_it_nothing_is_written(void **state)
{
    (void)state;
    struct loading loading;
    const struct config *config = load_text(&loading, FIRST LISTENERS(""));
    assert_int_equal(config->settings.confinement->read_paths.count, 1);
    assert_int_equal(config->settings.confinement->write_paths.count, 0);
    loading_done(&loading);
}

static void it_stands_inside(void **state)
{
    (void)state;
    told_of(LISTENERS(""), ADMIN(", listeners: public, hosts: a, auth: { jwt: main }"),
            "c.yaml:5:97: error: admin.listeners: the admin API is for the inside: listener \"public\" "
            "needs exposure: internal\n");
    told_of(LISTENERS(", wide: { port: 9445, exposure: internal, plaintext: allow }"),
            ADMIN(", listeners: [inside, wide], hosts: a, auth: { jwt: main }"),
            "c.yaml:5:117: error: admin.listeners[1]: listener \"wide\" has no tls: without it the admin API "
            "is for loopback addresses and Unix sockets only\n");
    told_of(LISTENERS(", unix: { path: /run/admin.sock, exposure: internal, plaintext: allow }"),
            ADMIN(", listeners: [inside, unix], hosts: a, auth: { jwt: main }"), "");
    told_of(LISTENERS(", proxied: { port: 9445, address: \"::1\", exposure: internal, plaintext: allow, "
                      "forwarded: x_forwarded, trusted_proxies: [10.0.0.1] }"),
            ADMIN(", listeners: proxied, hosts: a, auth: { jwt: main }"),
            "c.yaml:5:97: error: admin.listeners: listener \"proxied\" stands behind a proxy: the admin API "
            "is asked directly, so that its audit log tells who asked from where\n");
    told_of(
        LISTENERS(", ops: { port: 9446, address: 127.0.0.1, exposure: internal, plaintext: allow, status: "
                  "true }"),
        ADMIN(", listeners: ops, hosts: a, auth: { jwt: main }"),
        "c.yaml:5:97: error: admin.listeners: listener \"ops\" serves no admin API: it is for status "
        "pages\n");
    told_of(
        LISTENERS(", moved: { port: 9446, address: 127.0.0.1, exposure: internal, redirect_to_https: true "
                  "}"),
        ADMIN(", listeners: moved, hosts: a, auth: { jwt: main }"),
        "c.yaml:5:97: error: admin.listeners: listener \"moved\" serves no admin API: it is for "
        "redirects\n");
    told_of(LISTENERS(""), ADMIN(", listeners: insid, hosts: a, auth: { jwt: main }"),
            "c.yaml:5:97: error: admin.listeners: there is no listener \"insid\"; did you mean "
            "\"inside\"?\n");
}

static void nothing_stands_beside_it(void **state)
{
    (void)state;
    told_of(LISTENERS(""),
            ADMIN(GOOD) "routes: { a: { match: { host: a.example.com, path: /** }, listeners: [public, "
                        "inside], upstream: svc, auth: none, limits: [{ limit: 9/1s, by: address }] } }\n",
            "c.yaml:6:79: error: routes.a.listeners[1]: listener \"inside\" serves the admin API, and "
            "nothing beside it\n");
    /* A route that names no listener has the other one. */
    told_of(LISTENERS(""),
            ADMIN(GOOD) "routes: { a: { match: { host: a.example.com, path: /** }, upstream: svc, auth: "
                        "none, limits: [{ limit: 9/1s, by: address }] } }\n",
            "");
    told_of(LISTENERS(""), ADMIN(GOOD) "groups: { admin: { routes: {} } }\n",
            "c.yaml:1:1: warning: there are no routes: every request is answered 404\n"
            "c.yaml:6:11: error: groups.admin: with `admin` no group can be called so: its routes are "
            "admin.read and admin.write\n"
            "c.yaml:6:20: error: groups.admin.routes: must not be empty; a map of names to maps is wanted "
            "here\n");
}

static void somebody_is_asked_who_they_are(void **state)
{
    (void)state;
    told_of(LISTENERS(""), ADMIN(", listeners: inside, hosts: a, auth: { jwt: main, mode: optional }"),
            "c.yaml:5:126: error: admin.auth: the admin API is never public: name an issuer, a set of API "
            "keys or client certificates\n");
    told_of(
        LISTENERS(""), ADMIN(", listeners: inside, hosts: a"),
        "c.yaml:1:1: warning: there are no routes: every request is answered 404\n"
        "c.yaml:5:1: error: admin: auth is missing: every admin needs it, as in \"auth: { jwt: main }\"\n");
    told_of(LISTENERS(""), ADMIN(", listeners: inside, hosts: \"*.internal\", auth: { jwt: main }"),
            "c.yaml:5:116: error: admin.hosts: a name is wanted here, as in admin.internal: a wildcard would "
            "let any page that knows the address in (DNS rebinding)\n");
}

/* Written there, or come by `defaults`. */
static void what_it_demands_is_enforced(void **state)
{
    (void)state;
    told_of(
        LISTENERS(""),
        "admin: { read: { scopes: [r] }, write: { scopes: [w], mode: observe, until: 2999-01-01 }, limits: "
        "[{ limit: 9/1s, by: address }]" GOOD " }\n",
        "c.yaml:5:55: error: admin.write.mode: what the admin API demands is enforced from the first day: "
        "else whoever proves to be anybody could make keys\n");
    told_of(LISTENERS(""), ADMIN(GOOD) "defaults: { authorize: { mode: observe, until: 2999-01-01 } }\n",
            "c.yaml:6:26: error: defaults.authorize.mode: what the admin API demands is enforced from the "
            "first day: else whoever proves to be anybody could make keys\n");
}

static void its_sets_have_stores(void **state)
{
    (void)state;
    told_of(LISTENERS(""), ADMIN(GOOD ", api_keys: [listed]"),
            "c.yaml:5:171: error: admin.api_keys[0]: set \"listed\" has no store: its keys are changed in "
            "the file\n");
    told_of(LISTENERS(""), ADMIN(GOOD ", api_keys: partner"),
            "c.yaml:5:160: error: admin.api_keys: there is no set of API keys \"partner\"; did you mean "
            "\"partners\"?\n");
}

static void sets_in_a_database_are_served_too(void **state)
{
    (void)state;
    struct loading loading;
    char text[4096];
    snprintf(text, sizeof text,
             "issuers: { main: { issuer: https://idp.example.com, audiences: [a], jwks_file: keys.json } }\n"
             "api_keys: { shared: { postgres: { host: 127.0.0.1, database: d, user: u }, peppers: { p1: "
             "\"${file:pepper}\" } } }\n%s%s",
             LISTENERS(""), ADMIN(GOOD));
    const struct config *config = load_text(&loading, text);
    assert_told(config, "");
    assert_int_equal(config->settings.admin->api_keys.count, 1);
    assert_slice(config->settings.admin->api_keys.items[0], "shared");
    assert_int_equal(config->settings.confinement->write_paths.count, 0);
    loading_done(&loading);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_becomes_two_routes),
        cmocka_unit_test(without_it_nothing_is_written),
        cmocka_unit_test(it_stands_inside),
        cmocka_unit_test(nothing_stands_beside_it),
        cmocka_unit_test(somebody_is_asked_who_they_are),
        cmocka_unit_test(what_it_demands_is_enforced),
        cmocka_unit_test(its_sets_have_stores),
        cmocka_unit_test(sets_in_a_database_are_served_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
