/* Which route served a request before, and which one serves it after. */
#include "differing.h"

static void routes_come_and_go(void **state)
{
    (void)state;
    assert_differs(
        ONE(USER),
        BASE "routes:\n"
             "  r: { match: { host: h.example, path: /r, methods: [POST, GET] }, upstream: svc, " USER " }\n"
             "  new: { match: { host: h.example, path: /new }, upstream: svc, auth: none, " LIMITS " }\n",
        "Gains access\n"
        "  GET, HEAD h.example/r on public (external), route r: callers with a token of main and all scopes "
        "of "
        "[a, b] may call it now; there was no such route\n"
        "  every method h.example/new on public (external), route new: ANYBODY may call it now; there was no "
        "such "
        "route\n");
    assert_differs(
        ONE("auth: none, " LIMITS),
        BASE "routes: { r: { match: { host: h.example, path: /r, methods: [GET] }, upstream: svc, " USER
             " } }\n",
        "Gains access\n"
        "  GET, HEAD h.example/r on public (external), route r: callers with a token of main and all scopes "
        "of "
        "[a, b] may call it now; there was no such route\n"
        "\n"
        "Loses access\n"
        "  POST h.example/r on public (external), route r: ANYBODY could call it; there is no such route any "
        "more\n");
}

/* A route that goes leaves its requests to a wider one: that is who gains, not only who loses. */
static void wider_routes_take_over(void **state)
{
    (void)state;
#define WIDE                                                                                             \
    "wide: { match: { host: \"*.example\", path: /** }, upstream: svc, auth: { jwt: main }, authorize: " \
    "any_caller, " LIMITS " }"
#define NARROW                                                                                              \
    "narrow: { match: { host: h.example, path: /admin, methods: [GET] }, upstream: svc, auth: { jwt: main " \
    "}, authorize: { scopes: [admin] }, " LIMITS " }"
    assert_differs(
        BASE "routes: { " WIDE ", " NARROW " }\n", BASE "routes: { " WIDE " }\n",
        "Gains access\n"
        "  every method h.example/** on public (external), route wide: callers with a token of main may call "
        "it "
        "now; there was no such route\n"
        "  GET, HEAD h.example/admin on public (external), route wide: scope admin is not needed any more\n"
        "  GET, HEAD h.example/admin on public (external), route wide: every authenticated caller may call "
        "it now\n"
        "  other methods h.example/admin on public (external), route wide: callers with a token of main may "
        "call "
        "it now; there was no such route\n");
    assert_differs(
        BASE "routes: { " WIDE " }\n", BASE "routes: { " WIDE ", " NARROW " }\n",
        "Loses access\n"
        "  GET, HEAD h.example/admin on public (external), route narrow: scope admin is needed now\n"
        "  other methods h.example/admin on public (external), route wide: callers with a token of main "
        "could call "
        "it; there is no such route any more\n"
        "  every method h.example/** on public (external), route wide: callers with a token of main could "
        "call "
        "it; there is no such route any more\n");
}

#define AT(name, host, path, auth) \
    name ": { match: { host: \"" host "\", path: " path " }, upstream: svc, auth: " auth ", " LIMITS " }"
#define TOKEN "{ jwt: main }, authorize: any_caller"

/* A host that exists is asked alone: what stands under a wildcard does not serve its other paths. */
static void hosts_come_and_go(void **state)
{
    (void)state;
    assert_differs(
        BASE
        "routes: { " AT("wide", "*.example", "/**", "none") ", " AT("own", "a.example", "/x", "none") " }\n",
        BASE "routes: { " AT("wide", "*.example", "/**", "none") " }\n",
        "Gains access\n"
        "  every method a.example/** on public (external), route wide: ANYBODY may call it now; there was no "
        "such route\n");
    assert_differs(
        BASE
        "routes: { " AT("wide", "*.example", "/**", "none") ", " AT("own", "a.example", "/x", "none") " }\n",
        BASE "routes: { " AT("wide", "*.example", "/**", "none") ", " AT(
            "own", "a.example", "/x", "none") ", " AT("other", "a.example", "/y", "none") " }\n",
        "Gains access\n"
        "  every method a.example/y on public (external), route other: ANYBODY may call it now; there was no "
        "such route\n");
    /* Under any host but that one nothing has changed. */
    assert_differs(BASE "routes: { " AT("wide", "*.example", "/**", "none") ", " AT("own", "a.example", "/**",
                                                                                    "none") " }\n",
                   BASE "routes: { " AT("wide", "*.example", "/**", "none") " }\n", "The same access.\n");
}

/* A path that exists is asked alone, whatever methods it takes: the others are 405, and no wider path's. */
static void paths_come_and_go(void **state)
{
    (void)state;
#define GETS(name, host, path)                                                                               \
    name ": { match: { host: " host ", path: " path ", methods: [GET] }, upstream: svc, auth: none, " LIMITS \
         " }"
    assert_differs(
        BASE "routes: { " AT("wide", "h.example", "/**", "none") ", " GETS("own", "h.example", "/x") " }\n",
        BASE "routes: { " AT("wide", "h.example", "/**", "none") " }\n",
        "Gains access\n"
        "  other methods h.example/x on public (external), route wide: ANYBODY may call it now; there was "
        "no such route\n");
    assert_differs(
        BASE "routes: { " AT("wide", "h.example", "/**", "none") " }\n",
        BASE "routes: { " AT("wide", "h.example", "/**", "none") ", " GETS("own", "h.example", "/x") " }\n",
        "Loses access\n"
        "  other methods h.example/x on public (external), route wide: ANYBODY could call it; there is no "
        "such route any more\n");
    /* What two paths share goes from the one to the other, though neither takes all of the other's. */
    assert_differs(
        BASE "routes: { " AT("late", "h.example", "\"/{a}/b\"", "none") " }\n",
        BASE "routes: { " AT("late", "h.example", "\"/{a}/b\"", "none") ", " AT("early", "h.example",
                                                                                "\"/a/{b}\"", TOKEN) " }\n",
        "Gains access\n"
        "  every method h.example/a/{b} on public (external), route early: callers with a token of main may "
        "call "
        "it now; there was no such route\n"
        "\n"
        "Loses access\n"
        "  every method h.example/a/b on public (external), route early: was public; now only callers with a "
        "token of main may call it\n");
}

/* Of two paths that take a request the one with the earlier text does, wherever it stands in the file. */
static void the_path_that_is_found_is_compared(void **state)
{
    (void)state;
#define TWO AT("late", "h.example", "\"/{a}/b\"", "none") ", " AT("early", "h.example", "\"/a/{b}\"", TOKEN)
    assert_differs(
        BASE "routes: { " TWO " }\n",
        BASE "routes: { " TWO ", " AT("new", "h.example", "/a/b", "none") " }\n",
        "Gains access\n"
        "  every method h.example/a/b on public (external), route new: PUBLIC now: anybody may call "
        "it, before only callers with a token of main\n");
    assert_differs(BASE "routes: { " TWO " }\n",
                   BASE "routes: { " TWO ", " AT("new", "h.example", "/a/b", TOKEN) " }\n",
                   "The same access.\n");
}

/* The first of two conditions that both hold decides. */
static void tells_of_another_order_of_conditions(void **state)
{
    (void)state;
#define OFFICE(priority)                                                                                     \
    BASE "routes:\n  open: { match: { host: h.example, path: /r, addresses: [10.0.0.0/8] }, upstream: svc, " \
         "auth: "                                                                                            \
         "none, " LIMITS                                                                                     \
         " }\n  lab: { match: { host: h.example, path: /r, addresses: [10.1.0.0/16], priority: " priority    \
         " }, upstream: svc, " USER " }\n"
    assert_differs(OFFICE("1"), OFFICE("-1"),
                   "Other changes\n"
                   "  every method h.example/r where from [10.1.0.0/16] on public (external), route lab: its "
                   "priority is -1, was 1: it may be asked before others of its path now, or behind them\n");
}

/* On two hosts; the path of the last route is another one. */
static void print_many(struct buffer *out, const char *last)
{
    enum {
        ROUTES = 4000
    };
    buffer_append(out, SLICE(BASE "routes:\n"));
    for (int i = 0; i < ROUTES; i++) {
        buffer_printf(
            out,
            "  r%d: { match: { host: [a.example, b.example], path: \"/s%d/{id}/x\" }, upstream: svc, "
            "auth: { jwt: main }, authorize: any_caller, " LIMITS " }\n",
            i, i);
    }
    buffer_printf(
        out,
        "  last: { match: { host: [a.example, b.example], path: \"%s\" }, upstream: svc, auth: none, " LIMITS
        " }\n",
        last);
    buffer_append_char(out, '\0');
}

static void many_routes_are_compared_by_their_places(void **state)
{
    (void)state;
    struct buffer before, after;
    buffer_init(&before, 4 * 1024 * 1024);
    buffer_init(&after, 4 * 1024 * 1024);
    print_many(&before, "/s7/{id}/y");
    print_many(&after, "/{any}/1/x");
    assert_differs(before.data, before.data, "The same access.\n");
    assert_differs(before.data, after.data,
                   "Gains access\n"
                   "  every method a.example/{any}/1/x on public (external), route last: ANYBODY may call it "
                   "now; there was no such route\n"
                   "  every method b.example/{any}/1/x on public (external), route last: ANYBODY may call it "
                   "now; there was no such route\n"
                   "\n"
                   "Loses access\n"
                   "  every method a.example/s7/{id}/y on public (external), route last: ANYBODY could call "
                   "it; there is no such route any more\n"
                   "  every method b.example/s7/{id}/y on public (external), route last: ANYBODY could call "
                   "it; there is no such route any more\n");
    buffer_done(&before);
    buffer_done(&after);
}

/* A wildcard serves what has no host of its own, the longest of them first. */
static void the_longest_wildcard_is_compared(void **state)
{
    (void)state;
#define WILD                      \
    AT("any", "*", "/**", "none") \
    ", " AT("wide", "*.example", "/**", "none") ", " AT("near", "*.a.example", "/**", TOKEN)
    assert_differs(BASE "routes: { " WILD " }\n",
                   BASE "routes: { " WILD ", " AT("own", "x.y.a.example", "/**", TOKEN) " }\n",
                   "The same access.\n");
    assert_differs(BASE "routes: { " WILD " }\n",
                   BASE "routes: { " WILD ", " AT("own", "x.b.example", "/**", TOKEN) " }\n",
                   "Loses access\n"
                   "  every method x.b.example/** on public (external), route own: was public; now only "
                   "callers with a token of main may call it\n");
    assert_differs(BASE "routes: { " WILD " }\n",
                   BASE "routes: { " WILD ", " AT("own", "other", "/**", TOKEN) " }\n",
                   "Loses access\n"
                   "  every method other/** on public (external), route own: was public; now only "
                   "callers with a token of main may call it\n");
}

/* Behind a variable, at a rest, and at the end of a path; however it is escaped. */
static void the_end_of_a_path_is_found(void **state)
{
    (void)state;
#define ENDS                                       \
    AT("one", "h.example", "\"/{a}/b/**\"", TOKEN) \
    ", " AT("two", "h.example", "\"/a/{b}/d\"", TOKEN) ", " AT("rest", "h.example", "/**", "none")
#define WITH(path, auth) BASE "routes: { " ENDS ", " AT("new", "h.example", path, auth) " }\n"
    static const char *const tokens[] = { WITH("/x/b/c/e", TOKEN), WITH("/x/%62/c", TOKEN),
                                          WITH("/x/b", TOKEN),     WITH("/a/b/d", TOKEN),
                                          WITH("/a/b/c", TOKEN),   WITH("\"/x/b/{c}/e\"", TOKEN) };
    for (size_t i = 0; i < sizeof tokens / sizeof tokens[0]; i++) {
        assert_differs(BASE "routes: { " ENDS " }\n", tokens[i], "The same access.\n");
    }
    static const char *const open[] = { WITH("/x/c", "none"), WITH("/a", "none"), WITH("/a/c", "none"),
                                        WITH("/a/c/", "none"), WITH("/a/c/d/e", "none") };
    for (size_t i = 0; i < sizeof open / sizeof open[0]; i++) {
        assert_differs(BASE "routes: { " ENDS " }\n", open[i], "The same access.\n");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(routes_come_and_go),
        cmocka_unit_test(wider_routes_take_over),
        cmocka_unit_test(hosts_come_and_go),
        cmocka_unit_test(paths_come_and_go),
        cmocka_unit_test(the_path_that_is_found_is_compared),
        cmocka_unit_test(tells_of_another_order_of_conditions),
        cmocka_unit_test(many_routes_are_compared_by_their_places),
        cmocka_unit_test(the_longest_wildcard_is_compared),
        cmocka_unit_test(the_end_of_a_path_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
