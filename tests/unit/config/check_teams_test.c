#include "loading.h"

#include "config/internal.h"

static bool host(const char *a, const char *b)
{
    return host_covers(slice_from_string(a), slice_from_string(b));
}

static bool path(const char *a, const char *b)
{
    return path_covers(slice_from_string(a), slice_from_string(b));
}

static void hosts_cover_hosts(void **state)
{
    (void)state;
    assert_true(host("a.example", "A.example"));
    assert_true(host("*", "a.example"));
    assert_true(host("*", "*"));
    assert_true(host("*.example", "a.example"));
    assert_true(host("*.example", "b.a.example"));
    assert_true(host("*.example", "*.a.example"));
    assert_true(host("*.example", "*.example"));
    assert_false(host("*.example", "example"));
    assert_false(host("*.example", "aexample"));
    assert_false(host("*.example", ".example"));
    assert_false(host("*.example", "*"));
    assert_false(host("*.a.example", "*.example"));
    assert_false(host("a.example", "b.example"));
    assert_false(host("a.example", "*.example"));
}

static void paths_cover_paths(void **state)
{
    (void)state;
    assert_true(path("/**", "/"));
    assert_true(path("/**", "/a/{b}/**"));
    assert_true(path("/orders/**", "/orders"));
    assert_true(path("/orders/**", "/orders/"));
    assert_true(path("/orders/**", "/orders/{id}/x"));
    assert_true(path("/t/{x}/**", "/t/anything/more"));
    assert_true(path("/t/{x}", "/t/{y}"));
    assert_true(path("/a", "/a"));
    assert_false(path("/orders/**", "/ordersx"));
    assert_false(path("/orders/**", "/{any}/x"));
    assert_false(path("/orders/**", "/**"));
    assert_false(path("/orders", "/orders/x"));
    assert_false(path("/orders/x", "/orders"));
    assert_false(path("/t/{x}", "/t/**"));
    assert_false(path("/t/{x}", "/t/"));
    assert_false(path("/a/{x}/c", "/a/b/d"));
}

#define TEAM                                                                                               \
    "policies: { user: { auth: { jwt: main }, authorize: any_caller, limits: [{ limit: 1/1s, by: address " \
    "}] }, "                                                                                               \
    "house: { auth: { jwt: main } } }\n"                                                                   \
    "teams: { orders: { hosts: [api.example.com], paths: [/orders/**], policies: [user] } }\n"

static void a_team_stays_in_its_bounds(void **state)
{
    (void)state;
    struct loading loading;
    loading_init(&loading);
    loading_file(&loading, "c.yaml", SLICE("include: team.yaml\n" BASE TEAM));
    loading_file(
        &loading, "team.yaml",
        SLICE(
            "team: orders\n"
            "upstreams: { mine: { endpoints: [https://127.0.0.1:9002] } }\n"
            "groups:\n"
            "  g:\n"
            "    match: { host: api.example.com, path: /orders }\n"
            "    use: user\n"
            "    upstream: mine\n"
            "    routes: { a: { match: { path: / } }, b: { match: { path: /b/** } } }\n"
            "routes:\n"
            "  c: { match: { host: api.example.com, path: \"/orders/{id}\" }, use: user, upstream: svc }\n"));
    struct config *config = loading_load(&loading, NULL, 0);
    assert_told(config, "");
    assert_slice(route_of(config, "g.a")->team, "orders");
    assert_slice(route_of(config, "c")->team, "orders");
    assert_effective(config, "route g.a (team orders)\n");
    loading_done(&loading);
}

static void outside_of_its_bounds_it_is_refused(void **state)
{
    (void)state;
    struct loading loading;
    loading_init(&loading);
    loading_file(&loading, "c.yaml", SLICE("include: team.yaml\n" BASE TEAM));
    loading_file(
        &loading, "team.yaml",
        SLICE(
            "team: orders\n"
            "routes:\n"
            "  a: { match: { host: [api.example.com, \"*\"], path: /orders/a }, use: user, upstream: svc }\n"
            "  b: { match: { host: api.example.com, path: [/orders/b, /b] }, use: [user], upstream: svc }\n"
            "  c: { match: { host: api.example.com, path: /orders/c }, use: [user, house], upstream: svc }\n"
            "  d: { match: { host: api.example.com, path: /orders/d }, use: user, upstream: svc, auth: none "
            "}\n"
            "groups:\n"
            "  g:\n"
            "    use: house\n"
            "    upstream: svc\n"
            "    match: { path: / }\n"
            "    routes: { a: { match: { host: evil.example, path: /g }, authorize: any_caller, limits: [{ "
            "limit: 1/1s, by: "
            "address }] } }\n"));
    assert_told(loading_load(&loading, NULL, 0),
                "team.yaml:3:41: error: routes.a.match.host[1]: host \"*\" is not among those of team "
                "\"orders\" (c.yaml:6)\n"
                "team.yaml:4:58: error: routes.b.match.path[1]: path \"/b\" is not among those of team "
                "\"orders\" (c.yaml:6)\n"
                "team.yaml:5:71: error: routes.c.use[1]: policy \"house\" is not among those of team "
                "\"orders\" (c.yaml:6)\n"
                "team.yaml:6:85: error: routes.d.auth: team \"orders\" may have no public routes (c.yaml:6)\n"
                "team.yaml:9:5: error: groups.g.use: policy \"house\" is not among those of team \"orders\" "
                "(c.yaml:6)\n"
                "team.yaml:12:29: error: groups.g.routes.a.match.host: host \"evil.example\" is not among "
                "those of team "
                "\"orders\" (c.yaml:6)\n"
                "team.yaml:12:49: error: groups.g.routes.a.match.path: path \"/g\" is not among those of "
                "team \"orders\" "
                "(c.yaml:6)\n");
    loading_done(&loading);
}

static void a_teams_file_writes_no_house_rules(void **state)
{
    (void)state;
    struct loading loading;
    loading_init(&loading);
    loading_file(&loading, "c.yaml", SLICE("include: team.yaml\n" BASE TEAM));
    loading_file(&loading, "team.yaml",
                 SLICE("team: orders\n"
                       "include: [other.yaml]\n"
                       "teams: { orders: { hosts: [\"*\"], public_routes: true } }\n"
                       "policies: { user: { auth: none } }\n"
                       "defaults: { auth: none }\n"
                       "issuers: { evil: { issuer: e, audiences: [a], jwks_file: keys.json } }\n"
                       "listeners: { more: { port: 1, plaintext: allow } }\n"));
    assert_told(loading_load(&loading, NULL, 0),
                "c.yaml:1:1: warning: there are no routes: every request is answered 404\n"
                "team.yaml:2:1: error: include: a team's file holds groups, routes and upstreams only\n"
                "team.yaml:3:1: error: teams: a team's file holds groups, routes and upstreams only\n"
                "team.yaml:4:1: error: policies: a team's file holds groups, routes and upstreams only\n"
                "team.yaml:5:1: error: defaults: a team's file holds groups, routes and upstreams only\n"
                "team.yaml:6:1: error: issuers: a team's file holds groups, routes and upstreams only\n"
                "team.yaml:7:1: error: listeners: a team's file holds groups, routes and upstreams only\n");
    loading_done(&loading);
}

static void teams_by_name(void **state)
{
    (void)state;
    struct loading loading;
    loading_init(&loading);
    loading_file(
        &loading, "c.yaml",
        SLICE(
            "include: team.yaml\n" BASE TEAM "team: orders\n"
            "groups:\n"
            "  h: { team: order, match: { host: api.example.com, path: /orders }, use: user, upstream: svc, "
            "routes: { a: { match: { path: /h } } } }\n"
            "  i: { team: orders, match: { host: api.example.com, path: /x }, use: user, upstream: svc, "
            "routes: { a: { match: { path: /i } } } }\n"));
    loading_file(&loading, "team.yaml",
                 SLICE("team: orders\n"
                       "groups:\n"
                       "  g: { team: payments, match: { host: api.example.com, path: /orders }, use: user, "
                       "upstream: svc, routes: "
                       "{ a: { match: { path: /g } } } }\n"));
    assert_told(
        loading_load(&loading, NULL, 0),
        "c.yaml:7:1: error: team: stands at the top of included files only; a group here says its own team\n"
        "c.yaml:9:8: error: groups.h.team: there is no team \"order\"; did you mean \"orders\"?\n"
        "c.yaml:10:116: error: groups.i.routes.a.match.path: path \"/x/i\" is not among those of team "
        "\"orders\" "
        "(c.yaml:6)\n"
        "team.yaml:3:8: error: groups.g.team: the file is of team \"orders\" (team.yaml:1)\n");
    loading_done(&loading);
}

static void public_routes_where_the_team_may(void **state)
{
    (void)state;
    assert_good(BASE "teams: { t: { hosts: [\"*.example.com\"], public_routes: true } }\n"
                     "groups: { g: { team: t, match: { host: a.example.com, path: / }, upstream: svc, "
                     "routes: { r: { match: { path: "
                     "/** }, auth: none, limits: [{ limit: 1/1s, by: address }] } } } }\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hosts_cover_hosts),
        cmocka_unit_test(paths_cover_paths),
        cmocka_unit_test(a_team_stays_in_its_bounds),
        cmocka_unit_test(outside_of_its_bounds_it_is_refused),
        cmocka_unit_test(a_teams_file_writes_no_house_rules),
        cmocka_unit_test(teams_by_name),
        cmocka_unit_test(public_routes_where_the_team_may),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
