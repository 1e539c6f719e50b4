#include "loading.h"

#include "auth/plan.h"

#define WAYS                                                                                         \
    "listeners: { public: { address: 127.0.0.1, port: 1, plaintext: allow, exposure: internal } }\n" \
    "issuers: { main: { issuer: m, audiences: [a], jwks_file: keys.json }, twin: { issuer: m, "      \
    "audiences: [b], jwks_file: keys.json }, other: { issuer: o, audiences: [a], jwks_file: "        \
    "keys.json } }\n"                                                                                \
    "api_keys: { shops: { store: keys.sqlite, peppers: { p: \"${file:pepper}\" } } }\n"              \
    "upstreams: { svc: { endpoints: [https://127.0.0.1:9001] } }\n"                                  \
    "defaults: { upstream: svc, authorize: any_caller, limits: [{ limit: 1/1s, by: address }] }\n"   \
    "routes:\n"
#define ROUTE(name, auth) "  " name ": { match: { host: h.example, path: /" name " }, auth: " auth " }\n"

static void sound_lists_are_taken(void **state)
{
    (void)state;
    struct loading loading;
    const struct config *config = load_text(
        &loading,
        WAYS ROUTE("a", "{ any_of: [{ jwt: main }, { all_of: [{ api_key: shops }, { jwt: other }] }] }")
            ROUTE("b", "{ all_of: [{ api_key: shops }, { any_of: [{ jwt: other }, { jwt: main }] }], mode: "
                       "optional }"));
    assert_told(config, "");
    for (size_t i = 0; i < config->settings.route_count; i++) {
        assert_non_null(config->settings.routes[i].policy.auth->plan);
    }
    assert_effective(config, "a token of main or (an API key of shops and a token of other)");
    assert_effective(
        config, "an API key of shops and (a token of other or a token of main), or none at all (optional)");
    loading_done(&loading);
}

static void what_is_wrong_in_a_list_is_told_there(void **state)
{
    (void)state;
    assert_text_tells(
        WAYS ROUTE("a", "{ any_of: [{ jwt: mian }] }") ROUTE("b", "{ any_of: [{}] }")
            ROUTE("c", "{ any_of: [{ jwt: main, all_of: [{ jwt: other }] }] }")
                ROUTE("d", "{ jwt: main, any_of: [{ jwt: other }] }")
                    ROUTE("e", "{ any_of: [{ jwt: main }], all_of: [{ jwt: main }] }")
                        ROUTE("f", "{ all_of: [{ any_of: [{ jwt: main }, {}] }] }")
                            ROUTE("g", "{ any_of: [{ jwt: main }, { jwt: twin }] }")
                                ROUTE("h", "{ mode: none, any_of: [{ jwt: main }] }")
                                    ROUTE("i", "{ any_of: [{ any_of: [{ jwt: main }] }] }")
                                        ROUTE("j", "{ all_of: [] }")
                                            ROUTE("k", "{ all_of: [{ jwt: main }, { jwt: other }] }"),
        "c.yaml:7:65: error: routes.a.auth.any_of[0].jwt: there is no issuer \"mian\"; did you mean "
        "\"main\"?\n"
        "c.yaml:8:63: error: routes.b.auth.any_of[0]: names no way: as in { jwt: ISSUER }\n"
        "c.yaml:9:63: error: routes.c.auth.any_of[0]: names a way beside its list: each is an entry of its "
        "own\n"
        "c.yaml:10:46: error: routes.d.auth: says more than one of ways, any_of and all_of (what policies "
        "say counts, too): put them in one list\n"
        "c.yaml:11:46: error: routes.e.auth: says more than one of ways, any_of and all_of (what policies "
        "say counts, too): put them in one list\n"
        "c.yaml:12:89: error: routes.f.auth.all_of[0].any_of[1]: names no way: as in { jwt: ISSUER }\n"
        "c.yaml:13:46: error: routes.g.auth: \"main\" and \"twin\" have the same iss: a token could be "
        "either's\n"
        "c.yaml:14:46: error: routes.h.auth: contradicts itself: mode none lets everybody in, and the rest "
        "says who may\n"
        "c.yaml:15:63: error: routes.i.auth.any_of[0]: names no way: as in { jwt: ISSUER }\n"
        "c.yaml:15:65: error: routes.i.auth.any_of[0].any_of: unknown key; did you mean \"all_of\"?\n"
        "c.yaml:16:54: error: routes.j.auth.all_of: must not be empty; a list of maps is wanted here\n"
        "c.yaml:17:46: error: routes.k.auth: demands two proofs by one method, and a request has one "
        "credential of each: it would never be met\n");
}

static void places_are_taken(void **state)
{
    (void)state;
    struct loading loading;
    const struct config *config = load_text(
        &loading, WAYS ROUTE("a", "{ jwt: main, token_from: { cookie: __Host-t, query: access_token } }")
                      ROUTE("b", "{ any_of: [{ jwt: main }, { api_key: shops }], key_from: { header: X-K, "
                                 "query: key }, token_from: { header: authorization } }"));
    assert_told(config, "");
    assert_effective(config,
                     "a token of main, tokens in the cookie __Host-t or the query parameter access_token");
    assert_effective(config, "keys in the header X-K or the query parameter key");
    const struct auth_plan *plan = route_of(config, "a")->policy.auth->plan;
    assert_int_equal(plan->uses[0].places.count, 2);
    loading_done(&loading);
}

static void wrong_places_are_told(void **state)
{
    (void)state;
    assert_text_tells(
        WAYS ROUTE("a", "{ jwt: main, token_from: {} }") ROUTE("b",
                                                               "{ jwt: main, token_from: { query: 'a[]' } }")
            ROUTE("c", "{ jwt: main, key_from: { query: key } }")
                ROUTE("d", "{ api_key: shops, token_from: { query: key } }") ROUTE(
                    "e", "{ any_of: [{ jwt: main }, { api_key: shops }], token_from: { cookie: __Host-x }, "
                         "key_from: { cookie: __Host-x } }")
                    ROUTE(
                        "f",
                        "{ any_of: [{ jwt: main }, { api_key: shops }], token_from: { header: x-api-key } }")
                        ROUTE("g", "{ jwt: main, token_from: { cookie: token } }")
                            ROUTE("h", "{ jwt: main, token_from: { header: Cookie } }"),
        "c.yaml:7:65: error: routes.a.auth.token_from: names no place: header, cookie or query is missing\n"
        "c.yaml:8:65: error: routes.b.auth.token_from: query is no plain name: letters, digits, _, - and .\n"
        "c.yaml:9:46: error: routes.c.auth: key_from is given, and no way of the route is api_key: take it "
        "out, or "
        "name one\n"
        "c.yaml:10:46: error: routes.d.auth: token_from is given, and no way of the route is jwt: take it "
        "out, or name "
        "one\n"
        "c.yaml:11:46: error: routes.e.auth: jwt and api_key are both looked for in the cookie __Host-x: "
        "what stands "
        "there could be either\n"
        "c.yaml:12:46: error: routes.f.auth: jwt and api_key are both looked for in the header x-api-key: "
        "what stands "
        "there could be either\n"
        "c.yaml:13:79: warning: routes.g.auth.token_from.cookie: any host of the same site may set the "
        "cookie "
        "\"token\", and so choose as whom a browser acts: browsers keep a name that begins with __Host- to "
        "this host\n"
        "c.yaml:14:65: error: routes.h.auth.token_from: header is one that means something else\n");
}

#define DEMAND(name, auth, authorize)                                                                       \
    "  " name ": { match: { host: h.example, path: /" name " }, auth: " auth ", authorize: " authorize " }" \
    "\n"

static void demands_that_nobody_meets_are_told(void **state)
{
    (void)state;
    assert_text_tells(
        WAYS DEMAND("a", "{ jwt: main }", "{ kinds: [user, api_key], acr: [gold], amr: [mfa], max_age: 5m }")
            DEMAND("b", "{ jwt: main }", "{ kinds: [api_key] }")
                DEMAND("c", "{ api_key: shops }", "{ kinds: [user, service] }")
                    DEMAND("d", "{ api_key: shops }", "{ max_age: 5m }")
                        DEMAND("e", "{ jwt: main }", "{ any_caller: true, acr: [gold] }")
                            DEMAND("f", "{ jwt: main }", "{ acr: ['a b'] }"),
        "c.yaml:8:67: error: routes.b.authorize: kinds lets nobody in: no way of the route's auth proves a "
        "caller of "
        "these kinds\n"
        "c.yaml:9:72: error: routes.c.authorize: kinds lets nobody in: no way of the route's auth proves a "
        "caller of "
        "these kinds\n"
        "c.yaml:10:72: error: routes.d.authorize: acr, amr and max_age are about logins that a token tells "
        "of, and the "
        "route's auth names no jwt\n"
        "c.yaml:11:67: error: routes.e.authorize: any_caller demands nothing: it does not go together with "
        "scopes, "
        "roles, claims, kinds, acr, amr or max_age\n"
        "c.yaml:12:67: error: routes.f.authorize: a value of acr is printable ASCII without space, quote and "
        "backslash\n");
}

static void resources_lead_somewhere(void **state)
{
    (void)state;
    assert_text_tells(
        WAYS ROUTE("a", "{ jwt: main, resource: shop }") ROUTE("b", "{ jwt: main, resource: shpo }")
            ROUTE("c", "{ api_key: shops, resource: shop }") ROUTE(
                "d",
                "{ jwt: main, resource: elsewhere }") "resources:\n"
                                                      "  shop: { resource: https://h.example/a, issuers: "
                                                      "[main] }\n"
                                                      "  wrong: { resource: http://h.example, issuers: "
                                                      "[mian] }\n"
                                                      "  elsewhere: { resource: https://x.example, issuers: "
                                                      "[main] }\n"
                                                      "  twin: { resource: https://h.example/a, issuers: "
                                                      "[main] }\n",
        "c.yaml:8:65: error: routes.b.auth.resource: there is no resource \"shpo\"; did you mean \"shop\"?\n"
        "c.yaml:9:70: error: routes.c.auth.resource: resource is about tokens, and no way of the route is "
        "jwt\n"
        "c.yaml:13:3: error: resources.wrong: resource is no https URL without query and fragment\n"
        "c.yaml:13:50: error: resources.wrong.issuers[0]: there is no issuer \"mian\"; did you mean "
        "\"main\"?\n"
        "c.yaml:14:16: error: resources.elsewhere.resource: route \"d\" names this resource and does not "
        "serve its "
        "host: clients would refuse the document\n"
        "c.yaml:15:3: error: resources.twin: has the identifier of \"shop\"\n"
        "c.yaml:15:3: warning: resources.twin: no route's auth names it: its document is not served, and no "
        "challenge "
        "says where it is\n");
}

static void what_is_tried_out_says_until_when(void **state)
{
    (void)state;
    struct loading loading;
    const struct config *config = load_text(
        &loading, WAYS DEMAND("a", "{ jwt: main }", "{ scopes: [x], mode: observe, until: 2999-01-31 }"));
    assert_told(config, "");
    assert_effective(config, "all of it only observed until 2999-01-31");
    loading_done(&loading);
    assert_text_tells(
        WAYS DEMAND("a", "{ jwt: main }", "{ scopes: [x], mode: observe }") DEMAND(
            "b", "{ jwt: main }",
            "{ scopes: [x], until: 2999-01-31 }") DEMAND("c", "{ jwt: main }",
                                                         "{ scopes: [x], mode: observe, until: soon }")
            DEMAND("d", "{ jwt: main }", "{ any_caller: true, mode: observe, until: 2999-01-31 }") DEMAND(
                "e", "{ jwt: main }",
                "{ scopes: [x], mode: observe, until: 2020-01-31 }") "  f: { match: { host: h.example, path: "
                                                                     "/f }, auth: { jwt: main }, limits: [{ "
                                                                     "limit: 1/1s, by: address, mode: "
                                                                     "observe }, { limit: 2/1s, by: address, "
                                                                     "mode: observe, until: 2020-01-31 }] "
                                                                     "}\n",
        "c.yaml:7:67: error: routes.a.authorize: mode: observe says until when, as in until: 2027-01-31; "
        "then it is "
        "enforced\n"
        "c.yaml:8:67: error: routes.b.authorize: until belongs to mode: observe, and it is enforced already\n"
        "c.yaml:9:67: error: routes.c.authorize: until is written 2027-01-31 or 2027-01-31T12:00:00Z\n"
        "c.yaml:10:67: error: routes.d.authorize: any_caller denies nobody: there is nothing to observe\n"
        "c.yaml:11:108: warning: routes.e.authorize.until: this date has passed: the rule is enforced, "
        "whatever mode "
        "says; take mode and until out\n"
        "c.yaml:12:76: error: routes.f.limits[0]: mode: observe says until when, as in until: 2027-01-31; "
        "then it is "
        "enforced\n"
        "c.yaml:12:164: warning: routes.f.limits[1].until: this date has passed: the rule is enforced, "
        "whatever mode "
        "says; take mode and until out\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sound_lists_are_taken),
        cmocka_unit_test(what_is_wrong_in_a_list_is_told_there),
        cmocka_unit_test(places_are_taken),
        cmocka_unit_test(wrong_places_are_told),
        cmocka_unit_test(demands_that_nobody_meets_are_told),
        cmocka_unit_test(resources_lead_somewhere),
        cmocka_unit_test(what_is_tried_out_says_until_when),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
