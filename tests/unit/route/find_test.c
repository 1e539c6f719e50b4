#include "routes.h"

#define LINES(...) ((const char *const[]){ __VA_ARGS__, NULL })

static void test_hosts(void **state)
{
    (void)state;
    struct routes routes;
    routes_make(&routes, LINES("api.example.com /** GET", "*.example.com /** GET", "*.b.example.com /** GET",
                               "* /** GET"));
    assert_found(routes_find(&routes, "GET", "api.example.com", "/"), 0);
    assert_found(routes_find(&routes, "GET", "x.example.com", "/"), 1);
    assert_found(routes_find(&routes, "GET", "x.y.example.com", "/"), 1);
    assert_found(routes_find(&routes, "GET", "a.b.example.com", "/"), 2);
    assert_found(routes_find(&routes, "GET", "c.a.b.example.com", "/"), 2);
    /* A wildcard stands for at least one label. */
    assert_found(routes_find(&routes, "GET", "b.example.com", "/"), 1);
    assert_found(routes_find(&routes, "GET", "example.com", "/"), 3);
    assert_found(routes_find(&routes, "GET", "xexample.com", "/"), 3);
    assert_found(routes_find(&routes, "GET", "api.example.com.evil.org", "/"), 3);
    assert_found(routes_find(&routes, "GET", "::1", "/"), 3);
    assert_found(routes_find(&routes, "GET", "", "/"), 3);
    assert_true(route_serves_host(routes.table, 0, SLICE("anything")));
    routes_done(&routes);

    routes_make(&routes, LINES("api.example.com /** GET", "*.example.com /** GET"));
    assert_outcome(routes_find(&routes, "GET", "example.com", "/"), ROUTE_NO_HOST);
    assert_outcome(routes_find(&routes, "GET", ".example.com.", "/"), ROUTE_NO_HOST);
    assert_true(route_serves_host(routes.table, 0, SLICE("api.example.com")));
    assert_true(route_serves_host(routes.table, 0, SLICE("other.example.com")));
    assert_false(route_serves_host(routes.table, 0, SLICE("example.com")));
    routes_done(&routes);
}

/* The host decides before the path: what the exact host lacks is not looked for under a laxer one. */
static void test_the_best_host_decides(void **state)
{
    (void)state;
    struct routes routes;
    routes_make(&routes, LINES("api.example.com /orders GET", "*.example.com /public GET", "* /** GET"));
    assert_outcome(routes_find(&routes, "GET", "api.example.com", "/public"), ROUTE_NO_PATH);
    assert_outcome(routes_find(&routes, "GET", "x.example.com", "/orders"), ROUTE_NO_PATH);
    assert_found(routes_find(&routes, "GET", "x.example.com", "/public"), 1);
    routes_done(&routes);
}

static void test_precedence_of_segments(void **state)
{
    (void)state;
    struct routes routes;
    routes_make(&routes, LINES("a /x/y GET", "a /x/{v} GET", "a /x/** GET", "a /{w}/y GET", "a /** GET"));
    assert_found(routes_find(&routes, "GET", "a", "/x/y"), 0);
    assert_found(routes_find(&routes, "GET", "a", "/x/z"), 1);
    assert_found(routes_find(&routes, "GET", "a", "/x/y/z"), 2);
    assert_found(routes_find(&routes, "GET", "a", "/x"), 2);
    assert_found(routes_find(&routes, "GET", "a", "/x/"), 2);
    assert_found(routes_find(&routes, "GET", "a", "/q/y"), 3);
    assert_found(routes_find(&routes, "GET", "a", "/q/z"), 4);
    assert_found(routes_find(&routes, "GET", "a", "/"), 4);
    routes_done(&routes);
}

/* A branch that goes deeper at first and then fails gives way to the next best. */
static void test_backtracking(void **state)
{
    (void)state;
    struct routes routes;
    routes_make(&routes, LINES("a /x/y/z GET", "a /x/{a}/w GET", "a /{b}/y/q/{c} GET", "a /x/y/** POST",
                               "a /{d}/** GET"));
    assert_found(routes_find(&routes, "GET", "a", "/x/y/z"), 0);
    struct route_match match = routes_find(&routes, "GET", "a", "/x/n/w");
    assert_found(match, 1);
    assert_int_equal(match.variables.count, 1);
    assert_slice(match.variables.items[0].name, "a");
    assert_slice(match.variables.items[0].value, "n");
    /* /x/y/w: below the text y stands **, which is better from the left than {a}. */
    assert_outcome(routes_find(&routes, "GET", "a", "/x/y/w"), ROUTE_NO_METHOD);
    match = routes_find(&routes, "GET", "a", "/n/y/q/5");
    assert_found(match, 2);
    assert_int_equal(match.variables.count, 2);
    assert_slice(match.variables.items[0].value, "n");
    assert_slice(match.variables.items[1].name, "c");
    assert_slice(match.variables.items[1].value, "5");
    /* The values of a branch that failed do not stay. */
    match = routes_find(&routes, "GET", "a", "/n/y/q/5/6");
    assert_found(match, 4);
    assert_int_equal(match.variables.count, 1);
    assert_slice(match.variables.items[0].name, "d");
    assert_slice(match.variables.items[0].value, "n");
    match = routes_find(&routes, "GET", "a", "/x/n/v");
    assert_found(match, 4);
    assert_slice(match.variables.items[0].value, "x");
    routes_done(&routes);
}

static void test_slashes_count(void **state)
{
    (void)state;
    struct routes routes;
    routes_make(&routes, LINES("a /orders GET", "a /items/ GET", "a /both/** GET", "a /v/{id} GET"));
    assert_found(routes_find(&routes, "GET", "a", "/orders"), 0);
    assert_outcome(routes_find(&routes, "GET", "a", "/orders/"), ROUTE_NO_PATH);
    assert_found(routes_find(&routes, "GET", "a", "/items/"), 1);
    assert_outcome(routes_find(&routes, "GET", "a", "/items"), ROUTE_NO_PATH);
    assert_found(routes_find(&routes, "GET", "a", "/both"), 2);
    assert_found(routes_find(&routes, "GET", "a", "/both/"), 2);
    assert_found(routes_find(&routes, "GET", "a", "/both/x/y/"), 2);
    assert_outcome(routes_find(&routes, "GET", "a", "/bothx"), ROUTE_NO_PATH);
    /* A variable is never empty. */
    assert_outcome(routes_find(&routes, "GET", "a", "/v/"), ROUTE_NO_PATH);
    assert_outcome(routes_find(&routes, "GET", "a", "/v"), ROUTE_NO_PATH);
    assert_outcome(routes_find(&routes, "GET", "a", "/v/1/"), ROUTE_NO_PATH);
    assert_outcome(routes_find(&routes, "GET", "a", "/"), ROUTE_NO_PATH);
    assert_outcome(routes_find(&routes, "GET", "a", ""), ROUTE_NO_PATH);
    assert_outcome(routes_find(&routes, "OPTIONS", "a", "*"), ROUTE_NO_PATH);
    routes_done(&routes);
}

static void test_text_is_compared_byte_for_byte(void **state)
{
    (void)state;
    struct routes routes;
    routes_make(&routes, LINES("a /%41dmin GET", "a /caf%c3%a9 GET", "a /x%2fy GET", "a /{any}/z GET"));
    assert_found(routes_find(&routes, "GET", "a", "/Admin"), 0);
    assert_outcome(routes_find(&routes, "GET", "a", "/admin"), ROUTE_NO_PATH);
    assert_found(routes_find(&routes, "GET", "a", "/caf%C3%A9"), 1);
    /* An encoded slash is one segment, never two. */
    assert_found(routes_find(&routes, "GET", "a", "/x%2Fy"), 2);
    assert_outcome(routes_find(&routes, "GET", "a", "/x/y"), ROUTE_NO_PATH);
    struct route_match match = routes_find(&routes, "GET", "a", "/p%2Fq/z");
    assert_found(match, 3);
    assert_slice(match.variables.items[0].value, "p%2Fq");
    routes_done(&routes);
}

/* T35: a method that the best path lacks is refused, whatever stands above it. */
static void test_no_fall_through_by_method(void **state)
{
    (void)state;
    struct routes routes;
    routes_make(&routes,
                LINES("a /orders/admin/{id} GET", "a /orders/** GET,DELETE", "a /** DELETE", "* /** DELETE"));
    struct route_match match = routes_find(&routes, "DELETE", "a", "/orders/admin/1");
    assert_outcome(match, ROUTE_NO_METHOD);
    assert_slice(match.allow, "GET, HEAD");
    assert_int_equal(match.variables.count, 0);
    assert_found(routes_find(&routes, "GET", "a", "/orders/admin/1"), 0);
    assert_found(routes_find(&routes, "DELETE", "a", "/orders/1"), 1);
    assert_found(routes_find(&routes, "DELETE", "a", "/other"), 2);
    routes_done(&routes);
}

static void test_methods(void **state)
{
    (void)state;
    struct routes routes;
    routes_make(&routes, LINES("a /get GET", "a /get POST,PURGE", "a /all", "a /opt OPTIONS", "a /{x}/y PUT",
                               "a /{z}/y GET"));
    assert_found(routes_find(&routes, "GET", "a", "/get"), 0);
    assert_found(routes_find(&routes, "HEAD", "a", "/get"), 0);
    assert_found(routes_find(&routes, "POST", "a", "/get"), 1);
    assert_found(routes_find(&routes, "PURGE", "a", "/get"), 1);
    struct route_match match = routes_find(&routes, "OPTIONS", "a", "/get");
    assert_outcome(match, ROUTE_NO_METHOD);
    assert_slice(match.allow, "GET, HEAD, POST, PURGE");
    assert_outcome(routes_find(&routes, "get", "a", "/get"), ROUTE_NO_METHOD);
    assert_outcome(routes_find(&routes, "PURG", "a", "/get"), ROUTE_NO_METHOD);
    assert_slice(routes_find(&routes, "GET", "a", "/get").allow, "GET, HEAD");
    assert_slice(routes_find(&routes, "POST", "a", "/get").allow, "POST, PURGE");

    assert_found(routes_find(&routes, "ANYTHING", "a", "/all"), 2);
    assert_found(routes_find(&routes, "OPTIONS", "a", "/all"), 2);
    match = routes_find(&routes, "TRACE", "a", "/all");
    assert_outcome(match, ROUTE_NO_METHOD);
    assert_slice(match.allow, "GET, HEAD, POST, PUT, DELETE, OPTIONS, PATCH");
    assert_outcome(routes_find(&routes, "CONNECT", "a", "/all"), ROUTE_NO_METHOD);

    assert_found(routes_find(&routes, "OPTIONS", "a", "/opt"), 3);
    assert_outcome(routes_find(&routes, "GET", "a", "/opt"), ROUTE_NO_METHOD);

    /* One path, two names for its variable: each route sees its own. */
    match = routes_find(&routes, "PUT", "a", "/1/y");
    assert_found(match, 4);
    assert_slice(match.variables.items[0].name, "x");
    match = routes_find(&routes, "GET", "a", "/1/y");
    assert_found(match, 5);
    assert_slice(match.variables.items[0].name, "z");
    routes_done(&routes);
}

/* What stands on another listener only does not exist here: not as host, not as path, not as method. */
static void test_listeners(void **state)
{
    (void)state;
    struct routes routes;
    routes_init(&routes);
    routes_add_on(&routes, 1 << 0, "a /** GET");
    routes_add_on(&routes, 1 << 1, "a /admin GET");
    routes_add_on(&routes, 1 << 1, "internal /** GET");
    routes_add_on(&routes, 3, "*.b /x POST");
    routes_add_on(&routes, 1 << 1, "*.b /x PUT");
    routes_add_on(&routes, 1 << 1, "c.b /y GET");
    routes_add_on(&routes, UINT64_C(1) << 63, "last /** GET");
    assert_ok(routes_try(&routes));
    assert_found(routes_find_on(&routes, 0, "GET", "a", "/admin"), 0);
    assert_found(routes_find_on(&routes, 1, "GET", "a", "/admin"), 1);
    assert_outcome(routes_find_on(&routes, 1, "GET", "a", "/other"), ROUTE_NO_PATH);
    assert_outcome(routes_find_on(&routes, 0, "GET", "internal", "/"), ROUTE_NO_HOST);
    assert_found(routes_find_on(&routes, 1, "GET", "internal", "/"), 2);
    assert_slice(routes_find_on(&routes, 0, "GET", "z.b", "/x").allow, "POST");
    assert_slice(routes_find_on(&routes, 1, "GET", "z.b", "/x").allow, "POST, PUT");
    /* c.b is exact on listener 1 only; on 0 the wildcard serves it. */
    assert_found(routes_find_on(&routes, 0, "POST", "c.b", "/x"), 3);
    assert_outcome(routes_find_on(&routes, 1, "POST", "c.b", "/x"), ROUTE_NO_PATH);
    assert_found(routes_find_on(&routes, 63, "GET", "last", "/"), 6);
    assert_outcome(routes_find_on(&routes, 62, "GET", "last", "/"), ROUTE_NO_HOST);
    assert_outcome(routes_find_on(&routes, 64, "GET", "last", "/"), ROUTE_NO_HOST);
    assert_false(route_serves_host(routes.table, 0, SLICE("internal")));
    assert_true(route_serves_host(routes.table, 1, SLICE("internal")));
    assert_false(route_serves_host(routes.table, 200, SLICE("internal")));
    routes_done(&routes);
}

static void test_many_variables(void **state)
{
    (void)state;
    char pattern[256] = "a ", path[256] = "";
    for (int i = 0; i < ROUTE_VARIABLES_MAX; i++) {
        snprintf(pattern + strlen(pattern), sizeof pattern - strlen(pattern), "/{v%d}", i);
        snprintf(path + strlen(path), sizeof path - strlen(path), "/%d", i);
    }
    struct routes routes;
    routes_make(&routes, LINES(pattern));
    struct route_match match = routes_find(&routes, "GET", "a", path);
    assert_found(match, 0);
    assert_int_equal(match.variables.count, ROUTE_VARIABLES_MAX);
    assert_slice(match.variables.items[15].name, "v15");
    assert_slice(match.variables.items[15].value, "15");
    routes_done(&routes);
}

/* Long paths and hosts of many labels cost, but neither overflow nor match. */
static void test_hostile_lengths(void **state)
{
    (void)state;
    struct routes routes;
    routes_make(&routes, LINES("a /{x}/{y} GET", "a /f/** GET", "*.c.d.e /** GET"));
    char host[256], path[8000];
    for (size_t i = 0; i + 1 < sizeof path; i++) {
        path[i] = i % 2 == 0 ? '/' : 'f';
    }
    path[sizeof path - 1] = '\0';
    assert_found(routes_find(&routes, "GET", "a", path), 1);
    memcpy(path, "/g", 2);
    assert_outcome(routes_find(&routes, "GET", "a", path), ROUTE_NO_PATH);
    memset(path, '/', sizeof path - 1);
    assert_outcome(routes_find(&routes, "GET", "a", path), ROUTE_NO_PATH);
    for (size_t i = 0; i + 1 < sizeof host; i++) {
        host[i] = i % 2 == 0 ? 'x' : '.';
    }
    host[sizeof host - 1] = '\0';
    assert_outcome(routes_find(&routes, "GET", host, "/"), ROUTE_NO_HOST);
    memcpy(host + 249, ".c.d.e", 6);
    assert_found(routes_find(&routes, "GET", host, "/"), 2);
    memset(host, '.', sizeof host - 1);
    assert_outcome(routes_find(&routes, "GET", host, "/"), ROUTE_NO_HOST);
    routes_done(&routes);
}

/* Ten thousand routes: each is found, and its neighbours are not. */
static void test_scale(void **state)
{
    (void)state;
    enum {
        COUNT = 10000
    };
    struct arena arena;
    arena_init(&arena, 64 << 20);
    struct route_entry *entries = arena_calloc(&arena, COUNT, sizeof *entries);
    for (unsigned int i = 0; i < COUNT; i++) {
        entries[i] = (struct route_entry){
            .id = i,
            .host = arena_printf(&arena, i % 3 == 0 ? "h%u.example.com" : "*.w%u.example.com", i % 100),
            .path = arena_printf(&arena, i % 2 == 0 ? "/s/p%u/{id}" : "/s/p%u/**", i),
            .listeners = 1,
        };
    }
    struct route_table *table;
    size_t index, other;
    assert_ok(route_table_new(entries, COUNT, &arena, &table, &index, &other));
    for (unsigned int i = 0; i < COUNT; i++) {
        char host[64], path[64];
        snprintf(host, sizeof host, i % 3 == 0 ? "h%u.example.com" : "x.w%u.example.com", i % 100);
        snprintf(path, sizeof path, "/s/p%u/7", i);
        struct route_match match;
        route_find(table, 0, slice_from_string(host), slice_from_string(path), METHOD_GET, SLICE("GET"), NULL,
                   &match);
        assert_found(match, i);
        snprintf(path, sizeof path, "/s/p%u/7", i + 1);
        route_find(table, 0, slice_from_string(host), slice_from_string(path), METHOD_GET, SLICE("GET"), NULL,
                   &match);
        assert_outcome(match, ROUTE_NO_PATH);
    }
    arena_done(&arena);
}

/* Against the definition: every pattern that matches, the best by segments from the left. */
enum {
    RANDOM_ROUTES = 12
};

static int rank(char c)
{
    return c == '{' ? 1 : c == '*' ? 2 : 0;
}

static bool pattern_matches(const char *pattern, const char *path)
{
    while (*pattern == '/') {
        if (pattern[1] == '*') {
            return *path == '/' || *path == '\0';
        }
        if (*path != '/') {
            return false;
        }
        pattern++;
        path++;
        size_t own = strcspn(pattern, "/"), theirs = strcspn(path, "/");
        if (*pattern == '{' ? theirs == 0 : (own != theirs || memcmp(pattern, path, own) != 0)) {
            return false;
        }
        pattern += own;
        path += theirs;
    }
    return *path == '\0';
}

/* Both match one path, so texts at the same place are equal. */
static bool pattern_better(const char *a, const char *b)
{
    for (;; a++, b++) {
        if (*a == '\0' || *b == '\0') {
            return *b == '/' && *a == '\0';
        }
        int ranks[2] = { rank(a[1]), rank(b[1]) };
        if (ranks[0] != ranks[1]) {
            return ranks[0] < ranks[1];
        }
        a += 1 + strcspn(a + 1, "/") - 1;
        b += 1 + strcspn(b + 1, "/") - 1;
    }
}

static unsigned int next_random(unsigned int *seed)
{
    *seed = *seed * 1103515245u + 12345u;
    return *seed >> 16;
}

static void random_path(unsigned int *seed, bool is_pattern, char out[64])
{
    static const char *const segments[] = { "a", "b", "{v}" };
    size_t len = 0;
    unsigned int count = 1 + next_random(seed) % 4;
    for (unsigned int i = 0; i < count; i++) {
        unsigned int kind = next_random(seed) % (is_pattern ? 4 : 3);
        if (kind == 3 && i > 0) {
            len += (size_t)snprintf(out + len, 64 - len, "/**");
            break;
        }
        if (kind == 2 && is_pattern) {
            len += (size_t)snprintf(out + len, 64 - len, "/{v%u}", i);
        } else {
            len +=
                (size_t)snprintf(out + len, 64 - len, "/%s", kind == 2 || kind == 3 ? "c" : segments[kind]);
        }
    }
    if (next_random(seed) % 8 == 0 && out[len - 1] != '*') {
        snprintf(out + len, 64 - len, "/");
    }
}

static void test_against_the_definition(void **state)
{
    (void)state;
    unsigned int seed = 20260101;
    for (int round = 0; round < 400; round++) {
        char patterns[RANDOM_ROUTES][64];
        struct route_entry entries[RANDOM_ROUTES];
        struct arena arena;
        arena_init(&arena, 1 << 20);
        size_t count = 0;
        for (size_t i = 0; i < RANDOM_ROUTES; i++) {
            random_path(&seed, true, patterns[count]);
            bool known = false;
            for (size_t k = 0; k < count; k++) {
                known = known || strcmp(patterns[k], patterns[count]) == 0;
            }
            entries[count] = (struct route_entry){ .id = (unsigned int)count,
                                                   .host = SLICE("a"),
                                                   .path = slice_from_string(patterns[count]),
                                                   .listeners = 1 };
            count += !known;
        }
        struct route_table *table;
        size_t index, other;
        assert_ok(route_table_new(entries, count, &arena, &table, &index, &other));
        for (int k = 0; k < 60; k++) {
            char path[64];
            random_path(&seed, false, path);
            const char *best = NULL;
            for (size_t i = 0; i < count; i++) {
                if (pattern_matches(patterns[i], path) &&
                    (best == NULL || pattern_better(patterns[i], best))) {
                    best = patterns[i];
                }
            }
            struct route_match match;
            route_find(table, 0, SLICE("a"), slice_from_string(path), METHOD_GET, SLICE("GET"), NULL, &match);
            const char *found = match.outcome == ROUTE_FOUND ? patterns[match.id] : NULL;
            if (found != best) {
                fail_msg("%s: %s, not %s", path, found != NULL ? found : "none",
                         best != NULL ? best : "none");
            }
        }
        arena_done(&arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hosts),
        cmocka_unit_test(test_the_best_host_decides),
        cmocka_unit_test(test_precedence_of_segments),
        cmocka_unit_test(test_backtracking),
        cmocka_unit_test(test_slashes_count),
        cmocka_unit_test(test_text_is_compared_byte_for_byte),
        cmocka_unit_test(test_no_fall_through_by_method),
        cmocka_unit_test(test_methods),
        cmocka_unit_test(test_listeners),
        cmocka_unit_test(test_many_variables),
        cmocka_unit_test(test_hostile_lengths),
        cmocka_unit_test(test_scale),
        cmocka_unit_test(test_against_the_definition),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
