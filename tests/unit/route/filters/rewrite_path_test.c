#include "filters.h"

#include "base/clock.h"

static struct filter_settings rewriting(struct filtering *f, const char *pattern, const char *replacement)
{
    struct rewrite_settings *settings = arena_calloc(&f->arena, 1, sizeof *settings);
    *settings = (struct rewrite_settings){ slice_from_string(pattern), slice_from_string(replacement) };
    return (struct filter_settings){ .rewrite_path = settings };
}

static void becomes(struct filtering *f, const char *pattern, const char *replacement, const char *path,
                    const char *expected)
{
    f->filters.count = 0;
    filtering_add(f, rewriting(f, pattern, replacement));
    assert_path(f, path, expected);
}

static void rewrites(void **state)
{
    struct filtering *f = *state;
    becomes(f, "^/red/?(?<segment>.*)", "/${segment}", "/red/blue", "/blue");
    becomes(f, "^/api/(v[0-9]+)/(.*)", "/$2/$1", "/api/v2/orders/1", "/orders/1/v2");
    becomes(f, "/a", "/$$", "/a/a", "/$/a");
    becomes(f, "/(x)?b", "/z$1", "/b", "/z");
    becomes(f, "/b", "/z", "/a/b", "/a/b"); /* tried at the beginning only */
    becomes(f, "(?i)^/API/", "/", "/Api/x", "/x");
    becomes(f, "^/a(?<rest>/.*)?", "${rest}", "/a/b", "/b");
    becomes(f, "^/a(?<rest>/.*)?", "${rest}", "/a", "/"); /* nothing is left */
    becomes(f, "^/a/\\Kb", "c", "/a/b/d", "/a/c/d");
    becomes(f, "^/([^/]+)/([^/]+)", "/$2/$1", "/%C3%A4/b", "/b/%C3%A4");
}

static void patterns_are_checked(void **state)
{
    struct filtering *f = *state;
    assert_filter_refused(f, rewriting(f, "^/(a", "/"),
                          "not a regular expression: missing closing parenthesis");
    assert_filter_refused(f, rewriting(f, "^/(a)", "/$2"), "no group \"2\"");
    assert_filter_refused(f, rewriting(f, "^/(a)", "/$0"), "no group \"0\"");
    assert_filter_refused(f, rewriting(f, "^/(a)", "/${b}"), "no group \"b\"");
    assert_filter_refused(f, rewriting(f, "^/(a)", "/$"), "no group \"\"");
    assert_filter_refused(f, rewriting(f, "^/(a)", "/\\1"), "is written $1 or ${name}");
    assert_filter_refused(f, rewriting(f, "^/(?<a>a)", "/{a}"), "is written $1 or ${name}");
    assert_filter_refused(f, rewriting(f, "^/(a)", "/$1/../b"), "dot segment");
    assert_filter_refused(f, rewriting(f, "^/(a)", "/$1?b=c"), "no query");
    assert_filter_refused(f, rewriting(f, "^/(a)", "/$1%2F"), "encoded slash");
    assert_filter_refused(f, rewriting(f, "^/(a)", "/$1%00"), "control");
    assert_filter_refused(f, rewriting(f, "^/(a)", "//$1"), "empty segment");
    assert_filter_refused(f, rewriting(f, "^/a/(.*)", "b/$1"), "so with a slash: \"/b/$1\"");
    assert_filter_refused(f, rewriting(f, "^/a/(.*)", "$$/$1"), "with a slash");
    assert_filter_refused(f, rewriting(f, "(*UTF)^/(a)", "/$1"), "not a regular expression");
    assert_filter_refused(f, rewriting(f, "^/\\C", "/"), "not a regular expression");
}

static void refuses(struct filtering *f, const char *pattern, const char *replacement, const char *path,
                    const char *says)
{
    f->filters.count = 0;
    filtering_add(f, rewriting(f, pattern, replacement));
    assert_int_equal(filtering_run(f, path), DENY_REWRITE_PATH);
    if (strstr(f->run.detail.ptr, says) == NULL) {
        fail_msg("\"%s\" lacks \"%s\"", f->run.detail.ptr, says);
    }
}

/* Pieces of a canonical path, put together anew. */
static void what_is_not_canonical_is_refused(void **state)
{
    struct filtering *f = *state;
    refuses(f, "^/(.)a(.)", "/$1$2", "/.a./etc", "dot segment");
    refuses(f, "^/(.)a(.).*", "/x/$1$2", "/.a.", "dot segment");
    refuses(f, "^/(%25)x(.*)", "/$1$2", "/%25x2E", "double encoding");
    refuses(f, "^/(%2)0(.*)", "/$1$2", "/%20F", "encoded slash");
    refuses(f, "^/(%2)0(.*)", "/$1$2", "/%20E", "dot segment"); /* "%2E" is "." */
    refuses(f, "^/(%2)0(.*)", "/$1$2", "/%20B", "canonical");   /* "%2B" is "+" */
    refuses(f, "^/a", "/", "/a/b", "empty segment");
    refuses(f, "^/a/(b)", "$1", "/a/b", "does not begin with a slash");
    refuses(f, "^/(%)20(.*)", "/$1$2", "/%200A", "control");
}

static void what_backtracks_is_refused_in_time(void **state)
{
    struct filtering *f = *state;
    static char path[HTTP_TARGET_MAX + 1];
    memset(path, 'a', sizeof path - 1);
    path[0] = '/';
    path[sizeof path - 2] = '!';
    static const char *const patterns[] = { "^/(a+)+$", "^/(a|aa)+$", "^/(a|a?)+$", "^/(.*a){12}$",
                                            "^/([a-z]+)*$" };
    for (size_t i = 0; i < sizeof patterns / sizeof patterns[0]; i++) {
        f->filters.count = 0;
        filtering_add(f, rewriting(f, patterns[i], "/$1"));
        int64_t before = clock_monotonic_ns();
        assert_int_equal(filtering_run(f, path), DENY_REWRITE_LIMIT);
        assert_true(clock_monotonic_ns() - before < 250 * NS_PER_MS);
        assert_non_null(strstr(f->run.detail.ptr, "backtracks"));
    }
    /* And the next request is none the worse; nor is an honest pattern over a long path. */
    becomes(f, "^/(a+)+$", "/x$1", "/aaa", "/xaaa");
    becomes(f, "^/.*!$", "/x", path, "/x");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FILTERING_TEST(rewrites),
        FILTERING_TEST(patterns_are_checked),
        FILTERING_TEST(what_is_not_canonical_is_refused),
        FILTERING_TEST(what_backtracks_is_refused_in_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
