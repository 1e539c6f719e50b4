#include "loading.h"

static void policies_that_nobody_uses_are_looked_at(void **state)
{
    (void)state;
    assert_text_tells(
        BASE "defaults: { listeners: [publc] }\n"
             "policies:\n"
             "  p: { upstream: svcs, auth: { jwt: [mein] }, limits: [{ limit: 1/1s, by: nonsense }] }\n",
        "c.yaml:1:1: warning: there are no routes: every request is answered 404\n"
        "c.yaml:4:25: error: defaults.listeners[0]: there is no listener \"publc\"; did you mean "
        "\"public\"?\n"
        "c.yaml:6:8: error: policies.p.upstream: there is no upstream \"svcs\"; did you mean \"svc\"?\n"
        "c.yaml:6:38: error: policies.p.auth.jwt[0]: there is no issuer \"mein\"; did you mean \"main\"?\n"
        "c.yaml:6:56: error: policies.p.limits[0]: `by` is address, caller, claims.NAME, header:NAME or "
        "route\n");
}

static void what_is_wrong_is_told_once(void **state)
{
    (void)state;
    assert_text_tells(
        BASE "policies: { p: { upstream: svcs, auth: none, limits: [{ by: address }] } }\n"
             "routes:\n"
             "  a: { match: { host: h, path: /a }, use: p }\n"
             "  b: { match: { host: h, path: /b }, use: p }\n",
        "c.yaml:4:18: error: policies.p.upstream: there is no upstream \"svcs\"; did you mean \"svc\"?\n"
        "c.yaml:4:55: error: policies.p.limits[0]: a limit says one of limit and rate\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(policies_that_nobody_uses_are_looked_at),
        cmocka_unit_test(what_is_wrong_is_told_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
