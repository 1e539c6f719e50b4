#include "loading.h"

/* Two listeners, one service, and what differs. */
#define WORLD                                                                                               \
    "listeners: { out: { address: 127.0.0.1, port: 1, plaintext: allow }, in: { address: 127.0.0.1, port: " \
    "2, "                                                                                                   \
    "plaintext: allow, exposure: internal } }\n"                                                            \
    "upstreams: { svc: { endpoints: [https://127.0.0.1:9001] }, alias: { endpoints: [https://10.0.0.1:1, "  \
    "https://127.0.0.1:9001] }, other: { endpoints: [https://127.0.0.1:9002] } }\n"                         \
    "defaults: { auth: none, limits: [{ limit: 1/1s, by: address }] }\n"                                    \
    "routes:\n"                                                                                             \
    "  admin: { match: { host: in.example, path: /admin/**, methods: [GET, POST] }, listeners: in, "        \
    "exposure: "                                                                                            \
    "internal, upstream: svc }\n"

static bool leaks(const char *routes)
{
    struct loading loading;
    char text[8192];
    snprintf(text, sizeof text, "%s%s", WORLD, routes);
    const struct config *config = load_text(&loading, text);
    struct buffer out;
    buffer_init(&out, 65536);
    config_print_diagnostics(config, &out);
    bool told =
        slice_contains(buffer_slice(&out), SLICE("leads by this route to what route \"admin\" keeps inside"));
    /* Nothing else may be wrong with it. */
    if ((config->error_count > 0) != told) {
        fail_msg("%s: %.*s", routes, SLICE_ARG(buffer_slice(&out)));
    }
    buffer_done(&out);
    loading_done(&loading);
    return told;
}

#define ROUTE(path, upstream, more)                                                                          \
    "  x: { match: { host: api.example, path: \"" path "\" }, listeners: out, upstream: " upstream more " }" \
    "\n"

static void the_same_place_by_another_way(void **state)
{
    (void)state;
    static const char *const leaking[] = {
        ROUTE("/**", "svc", ""),
        ROUTE("/admin/**", "svc", ""),
        ROUTE("/admin/users", "svc", ""),
        ROUTE("/admin", "svc", ""),
        ROUTE("/admin/", "svc", ""),
        ROUTE("/ADMIN/**", "svc", ""), /* many services know no case */
        ROUTE("/{any}", "svc", ""),
        ROUTE("/{any}/**", "svc", ""),
        ROUTE("/**", "alias", ""), /* another name of the same server */
        ROUTE("/api/**", "svc", ", filters: [{ strip_prefix: 1 }]"),
        ROUTE("/a/b/**", "svc", ", filters: [{ strip_prefix: 2 }, { prefix_path: /admin }]"),
        ROUTE("/users", "svc", ", filters: [{ prefix_path: /admin }]"),
        ROUTE("/x/{id}", "svc", ", filters: [{ set_path: \"/admin/{id}\" }]"),
        ROUTE("/x/{id}", "svc", ", filters: [{ set_path: \"/{id}\" }]"),
        ROUTE("/x/**", "svc",
              ", filters: [{ rewrite_path: { pattern: ^/x, to: /y } }]"), /* nobody can tell */
        ROUTE("/**", "other", ", fallback: svc"),
        ROUTE("/**", "other", ", mirror: svc"),
        ("  x: { match: { host: api.example, path: /** }, listeners: out, split: { weights: { other: 1, svc: "
         "1 } } }\n"),
        "  x: { match: { host: api.example, path: /** }, listeners: [in, out], upstream: svc }\n",
        "  x: { match: { host: api.example, path: /**, methods: [POST] }, listeners: out, upstream: svc }\n",
    };
    for (size_t i = 0; i < sizeof leaking / sizeof leaking[0]; i++) {
        if (!leaks(leaking[i])) {
            fail_msg("not told: %s", leaking[i]);
        }
    }
}

static void another_place(void **state)
{
    (void)state;
    static const char *const sound[] = {
        ROUTE("/orders/**", "svc", ""),
        ROUTE("/orders/admin/**", "svc", ""),
        ROUTE("/administrator", "svc", ""),
        ROUTE("/", "svc", ""),
        ROUTE("/**", "other", ""),
        ROUTE("/admin/**", "svc", ", filters: [{ prefix_path: /public }]"),
        ROUTE("/admin/**", "svc", ", filters: [{ set_path: /orders }]"),
        "  x: { match: { host: api.example, path: /**, methods: [DELETE] }, listeners: out, upstream: svc "
        "}\n",
        "  x: { match: { host: api.example, path: /** }, listeners: in, upstream: svc }\n",
        /* Said to be meant so. */
        ROUTE("/**", "svc", ", exposes: [admin]"),
        /* Those paths go elsewhere before. */
        ROUTE("/**", "svc",
              "") "  y: { match: { host: api.example, path: /admin/** }, listeners: out, upstream: other }\n",
    };
    for (size_t i = 0; i < sizeof sound / sizeof sound[0]; i++) {
        if (leaks(sound[i])) {
            fail_msg("told: %s", sound[i]);
        }
    }
    /* But not where they go elsewhere on some of the listener's hosts only, or some of the time. */
    assert_true(
        leaks("  x: { match: { host: [api.example, b.example], path: /** }, listeners: out, upstream: svc }\n"
              "  y: { match: { host: api.example, path: /admin/** }, listeners: out, upstream: other }\n"));
    assert_true(leaks(
        "  x: { match: { host: api.example, path: /** }, listeners: out, upstream: svc }\n"
        "  y: { match: { host: api.example, path: /admin/**, addresses: [10.0.0.0/8] }, listeners: out, "
        "upstream: other }\n"));
    assert_true(leaks(
        "  x: { match: { host: api.example, path: /** }, listeners: out, upstream: svc }\n"
        "  y: { match: { host: api.example, path: /admin/users }, listeners: out, upstream: other }\n"));
}

static void what_is_exposed_is_inner(void **state)
{
    (void)state;
    assert_text_tells(WORLD ROUTE("/orders", "svc", ", exposes: [admin, x, nobody]"),
                      "c.yaml:6:103: error: routes.x.exposes[1]: route \"x\" is not kept inside: it has no "
                      "exposure: internal\n"
                      "c.yaml:6:106: error: routes.x.exposes[2]: there is no route \"nobody\"\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_place_by_another_way),
        cmocka_unit_test(another_place),
        cmocka_unit_test(what_is_exposed_is_inner),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
