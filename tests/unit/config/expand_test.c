#include "loading.h"

static void layers_stand_in_their_order(void **state)
{
    (void)state;
    struct loading loading;
    struct config *config = load_text(
        &loading, BASE
        "defaults: { use: [p1], body: 2KiB, timeout: 2s, idle_timeout: 2s, audit: denials }\n"
        "policies:\n"
        "  p1: { body: 1KiB, timeout: 1s, idle_timeout: 1s, audit: all, exposure: internal, upstream: svc }\n"
        "  p2: { timeout: 3s, idle_timeout: 3s }\n"
        "  p3: { timeout: 4s, idle_timeout: 5s }\n"
        "  p4: { idle_timeout: 6s, upstream: svc }\n"
        "groups:\n"
        "  g:\n"
        "    match: { host: h.example, path: /g }\n"
        "    use: [p2, p3]\n"
        "    timeout: 5s\n"
        "    exposure: external\n"
        "    limits: [{ limit: 1/1s, by: address }]\n"
        "    auth: { jwt: main }\n"
        "    authorize: any_caller\n"
        "    routes:\n"
        "      r: { match: { path: / }, use: p4 }\n"
        "      s: { match: { path: /s }, use: p4, idle_timeout: 7s }\n");
    assert_told(config, "");
    const struct route_policy *r = &route_of(config, "g.r")->policy;
    assert_int_equal(r->body, 2048);            /* defaults' own above what they use */
    assert_int_equal(r->audit, AUDIT_DENIALS);  /* the same */
    assert_int_equal(r->timeout, 5 * NS_PER_S); /* the group's own above its policies */
    assert_int_equal(r->idle_timeout,
                     6 * NS_PER_S); /* the route's policy above the group's, the last one strongest */
    assert_int_equal(r->exposure, EXPOSURE_EXTERNAL);
    assert_int_equal(route_of(config, "g.s")->policy.idle_timeout, 7 * NS_PER_S);
    loading_done(&loading);
}

static void maps_merge_and_lists_replace_and_limits_add(void **state)
{
    (void)state;
    struct loading loading;
    struct config *config = load_text(
        &loading, BASE "policies:\n"
                       "  p:\n"
                       "    upstream: svc\n"
                       "    auth: { jwt: main, realm: house }\n"
                       "    authorize: { scopes: [a, b], claims: [{ claim: x, equals: y }], deny: [{ claim: "
                       "x, equals: z }] }\n"
                       "    relay: { token: forward, headers: { X-A: subject, X-B: issuer } }\n"
                       "    cors: { origins: [https://a.example, https://b.example], max_age: 1h }\n"
                       "    limits: [{ limit: 1/1s, by: address }, { limit: 2/1s, by: caller }]\n"
                       "routes:\n"
                       "  r:\n"
                       "    use: [p, p]\n"
                       "    match: { host: h.example, path: /r }\n"
                       "    auth: { mode: optional }\n"
                       "    authorize: { scopes: [c], deny: [{ header: X-Q, equals: q }] }\n"
                       "    relay: { headers: { X-B: \"'fixed'\", X-C: scopes } }\n"
                       "    cors: { origins: [https://c.example] }\n"
                       "    limits: [{ limit: 3/1s, by: route }]\n");
    assert_told(config, "");
    const struct route_policy *policy = &route_of(config, "r")->policy;
    assert_int_equal(policy->auth->mode, AUTH_OPTIONAL);
    assert_int_equal(policy->auth->way.names[AUTH_JWT].count, 1);
    assert_slice(policy->auth->realm, "house");
    assert_int_equal(policy->authorize->scopes->all.count, 1);
    assert_slice(policy->authorize->scopes->all.items[0], "c");
    assert_int_equal(policy->authorize->claims.count, 1);
    const struct deny_settings *denied = policy->authorize->deny.items;
    assert_int_equal(policy->authorize->deny.count, 2);
    assert_slice(denied[0].claim, "x");
    assert_slice(denied[1].header, "X-Q");
    assert_true(denied[0].sound && denied[1].sound);
    assert_int_equal(policy->relay->token, RELAY_FORWARD);
    assert_int_equal(policy->relay->headers.count, 3);
    assert_slice(policy->relay->headers.items[1].value, "'fixed'");
    assert_int_equal(policy->cors->origins.count, 1);
    assert_int_equal(policy->cors->max_age, 3600 * NS_PER_S);
    assert_int_equal(policy->limits.count, 3); /* a policy that is used twice counts once */
    loading_done(&loading);
}

/* `auth: none` above a map of issuers, and a map above `none`, replace: half of one and half of the other would be
 * something that nobody wrote. */
static void shorthands_replace(void **state)
{
    (void)state;
    struct loading loading;
    struct config *config = load_text(
        &loading,
        BASE "defaults: { auth: none, upstream: svc, limits: [{ limit: 1/1s, by: address }] }\n"
             "policies: { user: { auth: { jwt: main }, authorize: any_caller } }\n"
             "routes:\n"
             "  closed: { match: { host: h.example, path: /c }, use: user }\n"
             "  open: { match: { host: h.example, path: /o }, use: user, auth: none }\n"
             "  scoped: { match: { host: h.example, path: /s }, use: user, authorize: { scopes: [a] } }\n");
    assert_told(config, "");
    assert_int_equal(route_of(config, "closed")->policy.auth->mode, AUTH_REQUIRED);
    assert_int_equal(route_of(config, "open")->policy.auth->mode, AUTH_NONE);
    assert_int_equal(route_of(config, "open")->policy.auth->way.names[AUTH_JWT].count, 0);
    assert_false(route_of(config, "scoped")->policy.authorize->any_caller);
    loading_done(&loading);
}

static void matches_are_joined(void **state)
{
    (void)state;
    struct loading loading;
    struct config *config = load_text(
        &loading,
        BASE "defaults: { auth: none, upstream: svc, limits: [{ limit: 1/1s, by: address }] }\n"
             "groups:\n"
             "  g:\n"
             "    match: { host: [API.example.com, b.example], path: [/orders/, /old], methods: [GET] }\n"
             "    routes:\n"
             "      root: { match: { path: / } }\n"
             "      rest: { match: { path: /x/**, methods: [POST], host: other.example } }\n"
             "  all:\n"
             "    match: { host: c.example, path: / }\n"
             "    routes: { r: { match: { path: / } } }\n");
    assert_told(config, "");
    const struct match_settings *root = &route_of(config, "g.root")->match;
    assert_int_equal(root->host.count, 2);
    assert_slice(root->host.items[0], "api.example.com"); /* as requests are compared */
    assert_int_equal(root->path.count, 2);
    assert_slice(root->path.items[0], "/orders");
    assert_slice(root->path.items[1], "/old");
    assert_slice(root->methods.items[0], "GET");
    const struct match_settings *rest = &route_of(config, "g.rest")->match;
    assert_int_equal(rest->host.count, 1);
    assert_slice(rest->host.items[0], "other.example");
    assert_slice(rest->path.items[0], "/orders/x/**");
    assert_slice(rest->path.items[1], "/old/x/**");
    assert_slice(rest->methods.items[0], "POST");
    assert_slice(route_of(config, "all.r")->match.path.items[0], "/");
    loading_done(&loading);
}

static void matches_that_lack_or_break_something(void **state)
{
    (void)state;
    assert_text_tells(
        BASE
        "defaults: { auth: none, upstream: svc, limits: [{ limit: 1/1s, by: address }] }\n"
        "routes:\n"
        "  a: { match: { path: /a } }\n"
        "  b: { match: { host: h.example } }\n"
        "  c: { }\n"
        "  d: { match: { host: h.example, path: nope } }\n"
        "groups:\n"
        "  g: { match: { host: h.example, path: /g/** }, routes: { r: { match: { methods: [GET] } } } }\n",
        "c.yaml:6:3: error: routes.a: match.host is missing, as in \"match: { host: api.example.com, path: "
        "/orders/** }\"\n"
        "c.yaml:7:3: error: routes.b: match.path is missing, as in \"match: { path: /** }\" for everything\n"
        "c.yaml:8:3: error: routes.c: match.host is missing, as in \"match: { host: api.example.com, path: "
        "/orders/** }\"\n"
        "c.yaml:8:3: error: routes.c: match.path is missing, as in \"match: { path: /** }\" for everything\n"
        "c.yaml:9:34: error: routes.d.match.path: a path begins with \"/\"\n"
        "c.yaml:11:34: error: groups.g.match.path: the path of a group is a prefix: leave \"**\" to its "
        "routes\n"
        "c.yaml:11:59: error: groups.g.routes.r: match.path is missing, as in \"match: { path: /** }\" for "
        "everything "
        "below its group's path\n");
}

static void names_that_lead_nowhere(void **state)
{
    (void)state;
    assert_text_tells(
        BASE "policies: { user-api: { body: 1KiB } }\n"
             "defaults: { use: [base] }\n"
             "groups: { g: { use: user_api, match: { host: h.example, path: /g }, routes: { r: { use: "
             "[userapi], match: { path: / }, " WHOLE " } } } }\n"
             "routes: { g.r: { match: { host: h.example, path: /x }, " WHOLE " } }\n",
        "c.yaml:5:19: error: defaults.use[0]: there is no policy \"base\"\n"
        "c.yaml:6:16: error: groups.g.use: there is no policy \"user_api\"; did you mean \"user-api\"?\n"
        "c.yaml:6:90: error: groups.g.routes.r.use[0]: there is no policy \"userapi\"; did you mean "
        "\"user-api\"?\n"
        "c.yaml:7:11: error: routes.g.r: another route is called \"g.r\" too: c.yaml:6\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(layers_stand_in_their_order),
        cmocka_unit_test(maps_merge_and_lists_replace_and_limits_add),
        cmocka_unit_test(shorthands_replace),
        cmocka_unit_test(matches_are_joined),
        cmocka_unit_test(matches_that_lack_or_break_something),
        cmocka_unit_test(names_that_lead_nowhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
