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

static bool tells(const char *text, const char *what)
{
    struct loading loading;
    const struct config *config = load_text(&loading, text);
    struct buffer out;
    buffer_init(&out, 65536);
    config_print_diagnostics(config, &out);
    bool told = slice_contains(buffer_slice(&out), slice_from_string(what));
    /* Nothing else may be wrong with it. */
    if ((config->error_count > 0) != told) {
        fail_msg("%s: %.*s", text, SLICE_ARG(buffer_slice(&out)));
    }
    buffer_done(&out);
    loading_done(&loading);
    return told;
}

static bool leaks(const char *routes)
{
    char text[8192];
    snprintf(text, sizeof text, "%s%s", WORLD, routes);
    return tells(text, "leads by this route to what route \"admin\" keeps inside");
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
        "  x: { match: { host: api.example, path: /**, methods: [HEAD] }, listeners: out, upstream: svc }\n",
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
    /* But not where another spelling passes by that route; */
    static const char *const allowed[] = { "parameters", "encoded_slash" };
    for (size_t i = 0; i < sizeof allowed / sizeof allowed[0]; i++) {
        char text[1024];
        snprintf(text, sizeof text,
                 "  x: { match: { host: api.example, path: /** }, listeners: out, upstream: svc, "
                 "path_allows: [%s] }\n"
                 "  y: { match: { host: api.example, path: /admin/** }, listeners: out, upstream: other }\n",
                 allowed[i]);
        assert_true(leaks(text));
    }
    /* nor where they go elsewhere on some of the listener's hosts only, or some of the time. */
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

/* The best host that exists decides: a route under a wildcard takes nothing from one under the name itself. */
static void a_wider_host_guards_nothing(void **state)
{
    (void)state;
    static const char *const wider[] = { "\"*.example\"", "\"*\"" };
    for (size_t i = 0; i < 2; i++) {
        char text[1024];
        snprintf(text, sizeof text,
                 "%s  y: { match: { host: %s, path: /admin/** }, listeners: out, upstream: other }\n",
                 ROUTE("/**", "svc", ""), wider[i]);
        assert_true(leaks(text));
    }
    assert_false(
        leaks("  x: { match: { host: \"*.example\", path: /** }, listeners: out, upstream: svc }\n"
              "  y: { match: { host: \"*.example\", path: /admin/** }, listeners: out, upstream: other }\n"));
}

static void a_path_in_another_spelling(void **state)
{
    (void)state;
    assert_true(leaks(ROUTE("/%61dmin/**", "svc", "")));
    assert_true(leaks(ROUTE("/admin;v=1/users", "svc", ", path_allows: [parameters]")));
    /* A service that decodes late sees two segments. */
    assert_true(leaks(ROUTE("/x/{id}", "svc",
                            ", path_allows: [encoded_slash], filters: [{ strip_prefix: 1 }, { set_path: "
                            "\"/ad{id}\" }]")));
    assert_true(leaks(ROUTE("/pub/{id}", "svc",
                            ", path_allows: [encoded_slash], filters: [{ strip_prefix: 1 "
                            "}, { prefix_path: /admin }]")));
    assert_false(leaks(ROUTE("/pub/{id}", "svc", ", path_allows: [encoded_slash]")));
}

/* What a service takes for the same path, the other route must take, too. */
static void both_ends_of_a_path(void **state)
{
    (void)state;
#define KEPT                                                                                                \
    "  kept: { match: { host: in.example, path: /keys }, listeners: in, exposure: internal, upstream: b } " \
    "\n"                                                                                                    \
    "  x: { match: { host: api.example, path: /** }, listeners: out, upstream: b }\n"
    struct {
        const char *paths;
        bool leaks;
    } cases[] = { { "/keys", true }, { "[/keys, /keys/]", false }, { "/keys/**", false } };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[2048];
        snprintf(text, sizeof text,
                 "listeners: { out: { address: 127.0.0.1, port: 1, plaintext: allow }, in: { address: "
                 "127.0.0.1, port: 2, plaintext: allow, exposure: internal } }\n"
                 "upstreams: { a: { endpoints: [https://127.0.0.1:9001] }, b: { endpoints: "
                 "[https://127.0.0.1:9002] } }\n"
                 "defaults: { auth: none, limits: [{ limit: 1/1s, by: address }] }\n"
                 "routes:\n" KEPT
                 "  y: { match: { host: api.example, path: %s }, listeners: out, upstream: a }\n",
                 cases[i].paths);
        assert_int_equal(tells(text, "what route \"kept\" keeps inside"), cases[i].leaks);
    }
}

static void the_same_service_by_another_name(void **state)
{
    (void)state;
#define TWO(first, second)                                                                                  \
    "listeners: { out: { address: 127.0.0.1, port: 1, plaintext: allow }, in: { address: 127.0.0.1, port: " \
    "2, plaintext: allow, exposure: internal } }\n"                                                         \
    "upstreams: { a: { " first " }, b: { " second " } }\n"                                                  \
    "defaults: { auth: none, limits: [{ limit: 1/1s, by: address }] }\n"                                    \
    "routes:\n"                                                                                             \
    "  kept: { match: { host: in.example, path: /keys }, listeners: in, exposure: internal, upstream: a "   \
    "}\n"                                                                                                   \
    "  x: { match: { host: api.example, path: /** }, listeners: out, upstream: b }\n"
    static const char kept[] = "what route \"kept\" keeps inside";
    assert_true(tells(TWO("endpoints: [\"https://[::1]:9\"]", "endpoints: [\"https://[0:0::1]:9\"]"), kept));
    assert_true(tells(TWO("discover: dns://orders.internal:9", "discover: dns://Orders.internal:9"), kept));
    assert_true(
        tells(TWO("discover: dns://orders.internal:9", "endpoints: [https://orders.internal:9]"), kept));
    assert_true(
        tells(TWO("endpoints: [https://orders.internal:9]", "discover: dns://orders.internal:9"), kept));
    assert_true(tells(TWO("discover: file:///run/e.json", "discover: file:///run/e.json"), kept));
    assert_true(tells(TWO("discover: file:///run/e.json", "discover: file:///run//e.json"), kept));
    assert_false(tells(TWO("discover: file:///run/e.json", "discover: file:///run/E.json"), kept));
    assert_true(tells(TWO("endpoints: [\"unix:/run/s.sock\"]", "endpoints: [\"unix:/run/./s.sock\"]"), kept));
    assert_false(tells(TWO("endpoints: [\"unix:/run/s.sock\"]", "endpoints: [\"unix:/run/t.sock\"]"), kept));
    assert_true(tells(
        TWO("discover: { from: \"k8s://prod/orders:http\", api: https://10.0.0.1:6443, token_file: /t }",
            "discover: { from: \"k8s://prod/orders\", api: https://10.0.0.1:6443, token_file: /t }"),
        kept));
    assert_false(tells(
        TWO("discover: { from: \"k8s://prod/orders:http\", api: https://10.0.0.1:6443, token_file: /t }",
            "discover: { from: \"k8s://prod/orders:admin\", api: https://10.0.0.1:6443, token_file: /t }"),
        kept));
    assert_true(tells(
        TWO("discover: consul+http://127.0.0.1/orders", "discover: consul+https://consul.internal/orders"),
        kept));
    assert_false(tells(
        TWO("discover: consul+http://127.0.0.1/orders", "discover: consul+http://127.0.0.1/users"), kept));
    assert_true(tells(
        TWO("discover: dns+srv://_http._tcp.a.internal", "discover: dns+srv://_HTTP._tcp.a.internal"), kept));
    /* What this machine has on one of its own addresses it mostly has on all. */
    assert_true(
        tells(TWO("endpoints: [\"http://localhost:9\"]", "endpoints: [\"http://127.0.0.1:9\"]"), kept));
    assert_true(tells(TWO("endpoints: [\"http://[::1]:9\"]", "endpoints: [\"http://127.0.0.1:9\"]"), kept));
    assert_true(
        tells(TWO("endpoints: [\"http://0.0.0.0:9\"]", "endpoints: [\"http://a.localhost:9\"]"), kept));
    assert_true(tells(TWO("discover: dns://localhost:9", "endpoints: [\"http://127.0.0.1:9\"]"), kept));
    assert_false(
        tells(TWO("endpoints: [\"http://localhost:9\"]", "endpoints: [\"http://127.0.0.1:8\"]"), kept));
    assert_false(
        tells(TWO("endpoints: [\"http://localhost:9\"]", "endpoints: [\"http://10.0.0.1:9\"]"), kept));
    assert_false(tells(TWO("discover: dns://orders.internal:9", "discover: dns://orders.internal:8"), kept));
    assert_false(
        tells(TWO("discover: dns://orders.internal:9", "endpoints: [https://users.internal:9]"), kept));
}

/* An upstream that is the gateway itself, at a listener that nobody outside may reach. */
static void no_way_back_in(void **state)
{
    (void)state;
    static const struct {
        const char *listener, *endpoint;
        bool leads;
    } cases[] = {
        { "address: 127.0.0.1, port: 2, exposure: internal", "http://127.0.0.1:2", true },
        { "address: 127.0.0.1, port: 2, exposure: internal", "http://localhost:2", true },
        { "address: 127.0.0.1, port: 2, exposure: internal", "http://127.0.0.1:3", false },
        { "address: 127.0.0.1, port: 2, exposure: internal", "http://127.0.0.2:2", false },
        { "address: 127.0.0.1, port: 2, exposure: internal", "http://in.LocalHost:2", true },
        { "address: 127.0.0.1, port: 2, exposure: internal", "http://notlocalhost:2", false },
        { "address: 127.0.0.1, port: 2, exposure: internal", "http://0.0.0.0:2", true },
        { "address: 127.0.0.1, port: 2, exposure: internal", "http://[::]:2", true },
        { "address: \"::1\", port: 2, exposure: internal", "http://[::]:2", true },
        { "address: 0.0.0.0, port: 2, exposure: internal", "http://0.0.0.0:2", true },
        { "address: 10.0.0.1, port: 2, exposure: internal", "http://0.0.0.0:2", false },
        { "address: 0.0.0.0, port: 2, exposure: internal", "http://10.0.0.1:2", false },
        { "address: 0.0.0.0, port: 2, exposure: internal", "http://127.0.0.7:2", true },
        { "address: \"::\", port: 2, exposure: internal", "http://[::1]:2", true },
        { "address: 0.0.0.0, port: 2, exposure: internal", "http://10.0.0.1:2", false },
        { "path: /run/in.sock, exposure: internal", "unix:/run/in.sock", true },
        { "path: /run/in.sock, exposure: internal", "unix:/run//./in.sock", true },
        { "path: /run/in.sock, exposure: internal", "unix:/run/x/../in.sock", true },
        { "path: /run/in.sock, exposure: internal", "unix:/run/other.sock", false },
        { "path: /run/in.sock, exposure: internal", "unix:/run/in.sock/x", false },
        { "address: 127.0.0.1, port: 2", "http://127.0.0.1:2", false }, /* external as well */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[2048];
        snprintf(text, sizeof text,
                 "listeners: { out: { address: 127.0.0.1, port: 1, plaintext: allow }, in: { %s, plaintext: "
                 "allow } }\n"
                 "upstreams: { back: { endpoints: [\"%s\"] } }\n"
                 "defaults: { auth: none, limits: [{ limit: 1/1s, by: address }] }\n"
                 "routes: { x: { match: { host: a.example, path: /** }, listeners: out, upstream: back } }\n",
                 cases[i].listener, cases[i].endpoint);
        assert_int_equal(tells(text, "is the gateway's own listener \"in\", which is internal"),
                         cases[i].leads);
    }
}

/* The same, where the name is looked up while the gateway runs. */
static void no_way_back_in_by_discovery(void **state)
{
    (void)state;
    static const struct {
        const char *from;
        bool leads;
    } cases[] = { { "dns://localhost:2", true },
                  { "dns://localhost:3", false },
                  { "dns://in.example:2", false } };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[2048];
        snprintf(
            text, sizeof text,
            "listeners: { out: { address: 127.0.0.1, port: 1, plaintext: allow }, in: { address: 127.0.0.1, "
            "port: 2, plaintext: allow, exposure: internal } }\n"
            "upstreams: { back: { discover: %s } }\n"
            "defaults: { auth: none, limits: [{ limit: 1/1s, by: address }] }\n"
            "routes: { x: { match: { host: a.example, path: /** }, listeners: out, upstream: back } }\n",
            cases[i].from);
        assert_int_equal(tells(text, "is the gateway's own listener \"in\", which is internal"),
                         cases[i].leads);
    }
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
        cmocka_unit_test(a_wider_host_guards_nothing),
        cmocka_unit_test(a_path_in_another_spelling),
        cmocka_unit_test(both_ends_of_a_path),
        cmocka_unit_test(the_same_service_by_another_name),
        cmocka_unit_test(no_way_back_in),
        cmocka_unit_test(no_way_back_in_by_discovery),
        cmocka_unit_test(what_is_exposed_is_inner),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
