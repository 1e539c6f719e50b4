#include "route/cors.h"

#include "base/clock.h"
#include "unit.h"

struct cors {
    struct arena arena;
    struct header storage[32], answer_storage[32];
    struct headers request, answer;
    struct cors_settings settings;
};

static struct conf_strings strings(struct arena *arena, const char *list)
{
    struct conf_strings out = { arena_calloc(arena, 16, sizeof(struct slice)), 0 };
    struct slice rest = slice_from_string(list);
    struct slice part;
    while (rest.len > 0 && slice_next(&rest, ' ', &part)) {
        out.items[out.count++] = part;
    }
    return out;
}

static void cors_init(struct cors *cors, const char *origins)
{
    memset(cors, 0, sizeof *cors);
    arena_init(&cors->arena, 1 << 16);
    cors->request = (struct headers){ cors->storage, 0, 32 };
    cors->answer = (struct headers){ cors->answer_storage, 0, 32 };
    cors->settings.origins = strings(&cors->arena, origins);
    cors->settings.max_age = 600 * NS_PER_S;
}

static void ask(struct cors *cors, const char *name, const char *value)
{
    struct slice text = slice_from_string(name);
    assert_true(headers_add(&cors->request, header_id_of(text), text, slice_from_string(value)));
}

static void upstream_says(struct cors *cors, const char *name, const char *value)
{
    struct slice text = slice_from_string(name);
    assert_true(headers_add(&cors->answer, header_id_of(text), text, slice_from_string(value)));
}

static bool preflight(struct cors *cors, const char *allow)
{
    cors->answer.count = 0;
    return cors_preflight(&cors->settings, &cors->request, slice_from_string(allow), &cors->arena,
                          &cors->answer);
}

static void decorate(struct cors *cors)
{
    assert_true(cors_decorate(&cors->settings, &cors->request, &cors->arena, &cors->answer));
}

static const char *value_of(const struct cors *cors, const char *name)
{
    static char out[4][256];
    static int at;
    const struct header *found = headers_find_name(&cors->answer, slice_from_string(name));
    if (found == NULL) {
        return NULL;
    }
    at = (at + 1) % 4;
    snprintf(out[at], sizeof out[at], "%.*s", SLICE_ARG(found->value));
    return out[at];
}

#define assert_field(cors, name, expected) assert_string_equal(value_of((cors), (name)), (expected))
#define assert_no_field(cors, name)        assert_null(value_of((cors), (name)))

static void test_what_a_preflight_is(void **state)
{
    (void)state;
    struct cors cors;
    cors_init(&cors, "https://app.example");
    assert_false(cors_is_preflight(METHOD_OPTIONS, &cors.request));
    ask(&cors, "Origin", "https://app.example");
    assert_false(cors_is_preflight(METHOD_OPTIONS, &cors.request));
    ask(&cors, "Access-Control-Request-Method", "PUT");
    assert_true(cors_is_preflight(METHOD_OPTIONS, &cors.request));
    assert_false(cors_is_preflight(METHOD_GET, &cors.request));
    arena_done(&cors.arena);
}

static void test_preflight_allowed(void **state)
{
    (void)state;
    struct cors cors;
    cors_init(&cors, "https://other.example https://app.example");
    cors.settings.headers = strings(&cors.arena, "Authorization X-Client");
    ask(&cors, "Origin", "https://app.example");
    ask(&cors, "Access-Control-Request-Method", "PUT");
    ask(&cors, "Access-Control-Request-Headers", "authorization,content-type, x-client");
    assert_true(preflight(&cors, "GET, HEAD, PUT"));
    assert_field(&cors, "Access-Control-Allow-Origin", "https://app.example");
    assert_field(&cors, "Access-Control-Allow-Methods", "GET, HEAD, PUT");
    assert_field(&cors, "Access-Control-Allow-Headers", "Authorization, X-Client");
    assert_field(&cors, "Access-Control-Max-Age", "600");
    assert_field(&cors, "Vary", "Origin, Access-Control-Request-Method, Access-Control-Request-Headers");
    assert_no_field(&cors, "Access-Control-Allow-Credentials");
    arena_done(&cors.arena);
}

static bool preflight_of(const char *origins, bool credentials, const char *origin, const char *method,
                         const char *headers)
{
    struct cors cors;
    cors_init(&cors, origins);
    cors.settings.credentials = credentials;
    cors.settings.headers = strings(&cors.arena, "X-Client");
    if (origin != NULL) {
        ask(&cors, "Origin", origin);
    }
    ask(&cors, "Access-Control-Request-Method", method);
    if (headers != NULL) {
        ask(&cors, "Access-Control-Request-Headers", headers);
    }
    bool allowed = preflight(&cors, "GET, HEAD, PUT");
    if (!allowed) {
        assert_int_equal(cors.answer.count, 1);
        assert_non_null(value_of(&cors, "Vary"));
    } else if (credentials) {
        assert_field(&cors, "Access-Control-Allow-Credentials", "true");
        assert_field(&cors, "Access-Control-Allow-Origin", origin);
    }
    arena_done(&cors.arena);
    return allowed;
}

static void test_preflight_origins(void **state)
{
    (void)state;
    static const char *const one = "https://app.example";
    assert_true(preflight_of(one, false, "https://app.example", "GET", NULL));
    assert_true(preflight_of(one, true, "https://app.example", "GET", NULL));
    static const char *const wrong[] = {
        "http://app.example",
        "https://app.example:8443",
        "https://App.example",
        "https://app.example/",
        "https://app.example.evil",
        "https://evil-app.example",
        "null",
        "",
        "*",
        "https://app.example https://app.example",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_false(preflight_of(one, false, wrong[i], "GET", NULL));
        assert_false(preflight_of("https://app.example *", true, wrong[i], "GET", NULL));
    }
    assert_false(preflight_of(one, false, NULL, "GET", NULL));
    assert_true(preflight_of("*", false, "https://anything", "GET", NULL));
    assert_true(preflight_of("*", false, "null", "GET", NULL));
    /* Settings that check refuses: still nobody gets in by them. */
    assert_false(preflight_of("*", true, "https://anything", "GET", NULL));
    assert_false(preflight_of("null", true, "null", "GET", NULL));
    assert_false(preflight_of("null", false, "null", "GET", NULL));
}

static void test_preflight_methods_and_headers(void **state)
{
    (void)state;
    static const char *const one = "https://app.example";
    assert_true(preflight_of(one, false, one, "PUT", "x-client"));
    assert_false(preflight_of(one, false, one, "put", NULL));
    assert_false(preflight_of(one, false, one, "DELETE", NULL));
    assert_false(preflight_of(one, false, one, "GET, PUT", NULL));
    assert_false(preflight_of(one, false, one, "", NULL));
    assert_false(preflight_of(one, false, one, "PUT", "authorization"));
    assert_false(preflight_of(one, false, one, "PUT", "x-client, x-other"));
    assert_false(preflight_of(one, false, one, "PUT", "x-client-2"));
    assert_false(preflight_of(one, false, one, "PUT", "\"x-client, x-other\""));
    assert_false(preflight_of(one, false, one, "PUT", "*"));
    assert_true(preflight_of(one, false, one, "PUT", "Content-Type,RANGE"));
    assert_true(preflight_of(one, false, one, "PUT", ""));
}

static void test_preflight_repeated_fields(void **state)
{
    (void)state;
    struct cors cors;
    cors_init(&cors, "https://app.example");
    ask(&cors, "Origin", "https://app.example");
    ask(&cors, "Access-Control-Request-Method", "GET");
    ask(&cors, "Access-Control-Request-Headers", "accept");
    assert_true(preflight(&cors, "GET"));
    ask(&cors, "Access-Control-Request-Headers", "x-other");
    assert_false(preflight(&cors, "GET"));
    cors.request.count--;
    ask(&cors, "Access-Control-Request-Method", "GET");
    assert_false(preflight(&cors, "GET"));
    cors.request.count--;
    ask(&cors, "Origin", "https://app.example");
    assert_false(preflight(&cors, "GET"));
    arena_done(&cors.arena);
}

static void test_preflight_with_own_methods(void **state)
{
    (void)state;
    struct cors cors;
    cors_init(&cors, "https://app.example");
    cors.settings.methods = strings(&cors.arena, "GET PATCH");
    cors.settings.max_age = 0;
    ask(&cors, "Origin", "https://app.example");
    ask(&cors, "Access-Control-Request-Method", "PATCH");
    assert_true(preflight(&cors, "GET, HEAD"));
    assert_field(&cors, "Access-Control-Allow-Methods", "GET, PATCH");
    assert_field(&cors, "Access-Control-Max-Age", "0");
    assert_no_field(&cors, "Access-Control-Allow-Headers");
    arena_done(&cors.arena);
}

static void test_preflight_without_room(void **state)
{
    (void)state;
    struct cors cors;
    cors_init(&cors, "https://app.example");
    ask(&cors, "Origin", "https://app.example");
    ask(&cors, "Access-Control-Request-Method", "GET");
    cors.answer.capacity = 2;
    assert_false(preflight(&cors, "GET"));
    assert_int_equal(cors.answer.count, 1);
    cors.answer.capacity = 0;
    assert_false(preflight(&cors, "GET"));
    assert_int_equal(cors.answer.count, 0);
    arena_done(&cors.arena);
}

static void test_decorate(void **state)
{
    (void)state;
    struct cors cors;
    cors_init(&cors, "https://app.example");
    cors.settings.credentials = true;
    cors.settings.expose = strings(&cors.arena, "ETag X-Total");
    ask(&cors, "Origin", "https://app.example");
    decorate(&cors);
    assert_field(&cors, "Access-Control-Allow-Origin", "https://app.example");
    assert_field(&cors, "Access-Control-Allow-Credentials", "true");
    assert_field(&cors, "Access-Control-Expose-Headers", "ETag, X-Total");
    assert_field(&cors, "Vary", "Origin");
    assert_int_equal(cors.answer.count, 4);
    arena_done(&cors.arena);
}

static void test_decorate_for_others(void **state)
{
    (void)state;
    struct cors cors;
    cors_init(&cors, "https://app.example");
    decorate(&cors);
    assert_int_equal(cors.answer.count, 1);
    assert_field(&cors, "Vary", "Origin");
    cors.answer.count = 0;
    ask(&cors, "Origin", "https://evil.example");
    decorate(&cors);
    assert_int_equal(cors.answer.count, 1);
    assert_field(&cors, "Vary", "Origin");
    arena_done(&cors.arena);
}

static void test_decorate_for_all(void **state)
{
    (void)state;
    struct cors cors;
    cors_init(&cors, "*");
    ask(&cors, "Origin", "https://any.example");
    decorate(&cors);
    assert_field(&cors, "Access-Control-Allow-Origin", "*");
    /* The answer is the same for everybody. */
    assert_no_field(&cors, "Vary");
    arena_done(&cors.arena);
}

/* What the upstream says about CORS does not stand beside what the route says. */
static void test_the_upstreams_fields_go(void **state)
{
    (void)state;
    struct cors cors;
    cors_init(&cors, "https://app.example");
    ask(&cors, "Origin", "https://evil.example");
    upstream_says(&cors, "access-control-allow-origin", "*");
    upstream_says(&cors, "Content-Type", "text/plain");
    upstream_says(&cors, "Access-Control-Allow-Credentials", "true");
    upstream_says(&cors, "Access-Control-Expose-Headers", "X-Secret");
    upstream_says(&cors, "Vary", "Accept-Encoding");
    decorate(&cors);
    assert_no_field(&cors, "Access-Control-Allow-Origin");
    assert_no_field(&cors, "Access-Control-Allow-Credentials");
    assert_no_field(&cors, "Access-Control-Expose-Headers");
    assert_field(&cors, "Content-Type", "text/plain");
    assert_int_equal(headers_count(&cors.answer, HEADER_VARY), 2);
    arena_done(&cors.arena);
}

static void test_vary_is_not_repeated(void **state)
{
    (void)state;
    static const char *const there[] = { "Origin", "accept, ORIGIN", "*" };
    for (size_t i = 0; i < 3; i++) {
        struct cors cors;
        cors_init(&cors, "https://app.example");
        upstream_says(&cors, "Vary", there[i]);
        decorate(&cors);
        assert_int_equal(headers_count(&cors.answer, HEADER_VARY), 1);
        arena_done(&cors.arena);
    }
}

static const char *problem_of(const char *origins, bool credentials, const char *methods, const char *headers)
{
    struct cors cors;
    cors_init(&cors, origins);
    cors.settings.credentials = credentials;
    cors.settings.methods = strings(&cors.arena, methods);
    cors.settings.headers = strings(&cors.arena, headers);
    const char *problem = cors_check_settings(&cors.settings);
    arena_done(&cors.arena);
    return problem;
}

static void test_settings(void **state)
{
    (void)state;
    static const char *const good[] = { "https://app.example",     "http://localhost:3000",
                                        "https://[::1]:8443",      "chrome-extension://abcdef",
                                        "https://a.b https://c.d", "*" };
    static const char *const bad[] = {
        "",
        "null",
        "https://app.example/",
        "https://app.example/path",
        "app.example",
        "https://",
        "https://App.example",
        "https://*.example",
        "https://app.example:443",
        "http://app.example:80",
        "https://app.example:0",
        "https://app.example:99999",
        "https://app.example:x",
        "https://app.example:",
        "https://user@app.example",
        "https://app.example?x",
        "https:app.example",
        "://app",
        "https://a\\b",
        "https://a,https://b",
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        if (problem_of(good[i], false, "", "") != NULL) {
            fail_msg("%s: %s", good[i], problem_of(good[i], false, "", ""));
        }
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (problem_of(bad[i], false, "", "") == NULL) {
            fail_msg("\"%s\": no problem", bad[i]);
        }
    }
    assert_non_null(problem_of("*", true, "", ""));
    assert_null(problem_of("https://a", true, "GET", "Authorization"));
    assert_non_null(problem_of("https://a", false, "*", ""));
    assert_non_null(problem_of("https://a", false, "get", ""));
    assert_non_null(problem_of("https://a", false, "GET", "*"));
    assert_non_null(problem_of("https://a", false, "GET", "a:b"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_a_preflight_is),
        cmocka_unit_test(test_preflight_allowed),
        cmocka_unit_test(test_preflight_origins),
        cmocka_unit_test(test_preflight_methods_and_headers),
        cmocka_unit_test(test_preflight_repeated_fields),
        cmocka_unit_test(test_preflight_with_own_methods),
        cmocka_unit_test(test_preflight_without_room),
        cmocka_unit_test(test_decorate),
        cmocka_unit_test(test_decorate_for_others),
        cmocka_unit_test(test_decorate_for_all),
        cmocka_unit_test(test_the_upstreams_fields_go),
        cmocka_unit_test(test_vary_is_not_repeated),
        cmocka_unit_test(test_settings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
