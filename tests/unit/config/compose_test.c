#include "loading.h"

#define ROUTE(name, path) name ": { match: { host: h.example, path: " path " }, " WHOLE " }"

static void included_files_are_joined(void **state)
{
    (void)state;
    struct loading loading;
    loading_init(&loading);
    loading_file(&loading, "c.yaml",
                 SLICE("include: [more.yaml, \"teams/*.yaml\"]\n" BASE "routes: { " ROUTE("a", "/a") " }\n"));
    loading_file(&loading, "more.yaml", SLICE("routes: { " ROUTE("b", "/b") " }\nworkers: 3\n"));
    loading_file(&loading, "teams/x.yaml", SLICE("routes: { " ROUTE("x", "/x") " }\n"));
    loading_file(&loading, "teams/y.yaml", SLICE("routes: { " ROUTE("y", "/y") " }\ninclude: sub/z.yaml\n"));
    loading_file(&loading, "teams/sub/z.yaml", SLICE("routes: { " ROUTE("z", "/z") " }\n"));
    struct config *config = loading_load(&loading, NULL, 0);
    assert_told(config, "");
    assert_int_equal(config->settings.route_count, 5);
    assert_int_equal(config->settings.workers, 3);
    route_of(config, "z"); /* relative to the file that includes it */
    loading_done(&loading);
}

static void the_same_name_in_two_files_is_an_error_that_names_both(void **state)
{
    (void)state;
    struct loading loading;
    loading_init(&loading);
    loading_file(&loading, "c.yaml",
                 SLICE("include: more.yaml\nworkers: 2\ndefaults: { body: 1KiB }\n" BASE
                       "routes: { " ROUTE("a", "/a") " }\n"));
    loading_file(&loading, "more.yaml",
                 SLICE("workers: 2\nroutes:\n  " ROUTE(
                     "a", "/b") "\ndefaults: { timeout: 1s }\n"
                                "upstreams: { svc: { endpoints: [https://127.0.0.1:1] } }\n"));
    assert_told(loading_load(&loading, NULL, 0),
                "more.yaml:1:1: error: workers: is defined twice: also at c.yaml:2\n"
                "more.yaml:3:3: error: routes.a: is defined twice: also at c.yaml:7\n"
                "more.yaml:4:1: error: defaults: is defined twice: also at c.yaml:3\n"
                "more.yaml:5:14: error: upstreams.svc: is defined twice: also at c.yaml:6\n");
    loading_done(&loading);
}

static void includes_that_lead_nowhere_or_back(void **state)
{
    (void)state;
    struct loading loading;
    loading_init(&loading);
    loading_file(&loading, "c.yaml",
                 SLICE("include: [absent.yaml, \"no/*.yaml\", c.yaml, more.yaml, [x]]\n" BASE));
    loading_file(&loading, "more.yaml", SLICE("include: [c.yaml]\n"));
    assert_told(
        loading_load(&loading, NULL, 0),
        "c.yaml:1:11: error: include[0]: absent.yaml: cannot read the file: No such file or directory\n"
        "c.yaml:1:24: warning: include[1]: no file matches no/*.yaml\n"
        "c.yaml:1:37: error: include[2]: c.yaml is included twice\n"
        "c.yaml:1:56: error: include[4]: a path or pattern is wanted here, not a list\n"
        "more.yaml:1:11: error: include[0]: c.yaml is included twice\n");
    loading_done(&loading);
}

static void files_that_include_each_other_end_somewhere(void **state)
{
    (void)state;
    struct loading loading;
    loading_init(&loading);
    loading_file(&loading, "c.yaml", SLICE("include: f0.yaml\n" BASE));
    for (int i = 0; i < 10; i++) {
        char path[16], text[64];
        snprintf(path, sizeof path, "f%d.yaml", i);
        snprintf(text, sizeof text, "include: f%d.yaml\n", i + 1);
        loading_file(&loading, path, slice_from_string(text));
    }
    assert_told(loading_load(&loading, NULL, 0),
                "f7.yaml:1:1: error: include: files include each other more than 8 levels deep\n");
    loading_done(&loading);
}

static void a_syntax_error_ends_it_and_is_all_that_is_told(void **state)
{
    (void)state;
    struct loading loading;
    loading_init(&loading);
    loading_file(&loading, "c.yaml", SLICE("include: more.yaml\nnonsense: 1\n"));
    loading_file(&loading, "more.yaml", SLICE("a: [\n"));
    assert_told(loading_load(&loading, NULL, 0),
                "more.yaml:2:1: error: YAML syntax: flow sequence without a closing bracket\n");
    loading_done(&loading);
    loading_init(&loading);
    assert_told(loading_load(&loading, NULL, 0),
                "error: c.yaml: cannot read the file: No such file or directory\n");
    loading_done(&loading);
}

static void overlays_lie_on_top(void **state)
{
    (void)state;
    struct loading loading;
    loading_init(&loading);
    loading_file(&loading, "c.yaml",
                 SLICE(BASE "routes: { " ROUTE(
                     "a", "/a") " }\n"
                                "policies: { p: { body: 1KiB, limits: [{ limit: 1/1s, by: address }] } }\n"));
    loading_file(&loading, "env/prod.yaml",
                 SLICE("listeners: { public: { port: 9999 } }\n"
                       "routes:\n  a: { use: [p], limits: [{ limit: 7/1s, by: route }], timeout: 3s }\n"
                       "policies: { p: { body: 2KiB } }\n"
                       "issuers: { main: { audiences: [prod] } }\n"));
    loading_file(&loading, "env/more.yaml", SLICE("routes: { a: { timeout: 4s } }\n"));
    const struct slice overlays[] = { SLICE("env/prod.yaml"), SLICE("env/more.yaml") };
    struct config *config = loading_load(&loading, overlays, 2);
    assert_told(config, "");
    assert_int_equal(config->settings.listeners[0].port, 9999);
    assert_slice(config->settings.listeners[0].address, "127.0.0.1"); /* kept */
    const struct route_policy *policy = &route_of(config, "a")->policy;
    assert_int_equal(policy->timeout, 4 * NS_PER_S);
    assert_int_equal(policy->body, 2048);
    /* The list of the route itself is replaced; the policy's still adds to it. */
    assert_int_equal(policy->limits.count, 2);
    const struct limit_settings *limits = policy->limits.items;
    assert_int_equal(limits[0].limit.count, 1);
    assert_int_equal(limits[1].limit.count, 7);
    assert_int_equal(config->settings.issuers[0].audiences.count, 1);
    assert_slice(config->settings.issuers[0].audiences.items[0], "prod");
    assert_effective(config, "← policy p (env/prod.yaml:4)");
    assert_effective(config, "← env/more.yaml:1");
    loading_done(&loading);
}

static void overlays_cannot_do_everything(void **state)
{
    (void)state;
    struct loading loading;
    loading_init(&loading);
    loading_file(&loading, "c.yaml", SLICE(BASE "routes: { " ROUTE("a", "/a") " }\n"));
    loading_file(&loading, "over.yaml", SLICE("include: x.yaml\nteam: t\nroutes: { a: { tiemout: 1s } }\n"));
    const struct slice overlays[] = { SLICE("over.yaml") };
    assert_told(loading_load(&loading, overlays, 1),
                "over.yaml:1:1: error: include: cannot stand in an overlay\n"
                "over.yaml:2:1: error: team: cannot stand in an overlay\n"
                "over.yaml:3:16: error: routes.a.tiemout: unknown key; did you mean \"timeout\"?\n");
    loading_done(&loading);
    loading_init(&loading);
    loading_file(&loading, "c.yaml", SLICE(BASE));
    const struct slice bad[] = { SLICE("c.yaml"), SLICE("absent.yaml") };
    assert_told(loading_load(&loading, bad, 2),
                "error: absent.yaml: cannot read the file: No such file or directory\n"
                "error: the overlay c.yaml is a file of the configuration already\n");
    loading_done(&loading);
}

static void paths_are_relative_to_their_file(void **state)
{
    (void)state;
    struct loading loading;
    loading_init(&loading);
    loading_file(&loading, "c.yaml",
                 SLICE("include: sub/i.yaml\n"
                       "listeners: { public: { address: 127.0.0.1, port: 80, plaintext: allow } }\n"));
    loading_file(&loading, "sub/i.yaml",
                 SLICE("issuers: { main: { issuer: i, audiences: [a], jwks_file: k.json } }\n"
                       "upstreams: { svc: { endpoints: [https://127.0.0.1:1] } }\n"
                       "logs: { access: { file: access.log }, audit: /var/log/audit.log }\n"
                       "routes: { " ROUTE("a", "/a") " }\n"));
    loading_file(&loading, "sub/k.json", SLICE(KEYS));
    struct config *config = loading_load(&loading, NULL, 0);
    assert_told(config, "");
    assert_slice(config->settings.issuers[0].jwks_file, "sub/k.json");
    assert_slice(config->settings.issuers[0].jwks_text, KEYS);
    assert_slice(config->settings.logs->access->file, "sub/access.log");
    assert_slice(config->settings.logs->audit->file, "/var/log/audit.log");
    loading_done(&loading);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(included_files_are_joined),
        cmocka_unit_test(the_same_name_in_two_files_is_an_error_that_names_both),
        cmocka_unit_test(includes_that_lead_nowhere_or_back),
        cmocka_unit_test(files_that_include_each_other_end_somewhere),
        cmocka_unit_test(a_syntax_error_ends_it_and_is_all_that_is_told),
        cmocka_unit_test(overlays_lie_on_top),
        cmocka_unit_test(overlays_cannot_do_everything),
        cmocka_unit_test(paths_are_relative_to_their_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
