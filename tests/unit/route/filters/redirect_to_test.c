#include "filters.h"

static struct filter_settings redirecting(struct filtering *f, const char *location, int status, bool keep)
{
    struct redirect_settings *settings = arena_calloc(&f->arena, 1, sizeof *settings);
    *settings = (struct redirect_settings){ slice_from_string(location), status, keep };
    return (struct filter_settings){ .redirect_to = settings };
}

static void leads_to(struct filtering *f, const char *location, const char *query, const char *expected)
{
    f->filters.count = 0;
    f->run.location = SLICE_NONE;
    f->run.query = slice_from_string(query);
    filtering_add(f, redirecting(f, location, 301, true));
    assert_int_equal(filtering_run(f, "/"), DENY_NONE);
    assert_slice(f->run.location, expected);
    assert_int_equal(f->run.status, 301);
    assert_true(filter_redirects(f->chain));
}

static void redirects(void **state)
{
    struct filtering *f = *state;
    f->paths[0] = SLICE("/{id}/{name}");
    filtering_variable(f, "id", "7&x=1");
    filtering_variable(f, "name", "%C3%A4");
    leads_to(f, "/new/{name}", NULL, "/new/%C3%A4");
    leads_to(f, "/new?a=b&id={id}", NULL, "/new?a=b&id=7%26x%3D1");
    leads_to(f, "/new?a=b", "c=d", "/new?a=b&c=d");
    leads_to(f, "/new", "c=d", "/new?c=d");
    leads_to(f, "https://www.example.com:8443/{name}", NULL, "https://www.example.com:8443/%C3%A4");
    leads_to(f, "http://example.com/", "", "http://example.com/");
    f->filters.count = 0;
    f->run.location = SLICE_NONE;
    f->run.query = SLICE("c=d");
    filtering_add(f, redirecting(f, "/new", 308, false));
    filtering_add(f, (struct filter_settings){ .strip_prefix = 9 }); /* not reached */
    assert_int_equal(filtering_run(f, "/"), DENY_NONE);
    assert_slice(f->run.location, "/new");
}

/* Whatever a client sends, it leads to no other host. */
static void no_client_says_where(void **state)
{
    struct filtering *f = *state;
    f->paths[0] = SLICE("/{a}/{b}");
    static const char *const wrong[] = { "https://{a}/",
                                         "https://example.com{a}/",
                                         "https://{a}.example.com/",
                                         "//example.com/",
                                         "example.com",
                                         "javascript:alert(1)",
                                         "https://example.com",
                                         "https://u@example.com/",
                                         "{a}",
                                         "https:///x",
                                         "/a/../b",
                                         "/a\\b",
                                         "/a#b",
                                         "/a?b c",
                                         "/a?b\r\nX: y" };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        f->filters.count = 0;
        filtering_add(f, redirecting(f, wrong[i], 302, false));
        if (!failed(filtering_compile(f))) {
            fail_msg("%s is taken", wrong[i]);
        }
    }
    static const char *const values[][2] = {
        { ".", "." }, { "", "/evil.example" }, { "%5C", "evil.example" }, { "", "" }
    };
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        f->filters.count = f->variables.count = 0;
        f->run.location = SLICE_NONE;
        filtering_variable(f, "a", values[i][0]);
        filtering_variable(f, "b", values[i][1]);
        filtering_add(f, redirecting(f, "/{a}{b}", 302, false));
        enum deny_reason reason = filtering_run(f, "/");
        if (i < 3) {
            assert_int_equal(reason, DENY_REWRITE_PATH);
            assert_null(f->run.location.ptr);
        } else {
            assert_slice(f->run.location, "/");
        }
    }
}

static void statuses_are_set(void **state)
{
    struct filtering *f = *state;
    filtering_add(f, (struct filter_settings){ .set_status = 404 });
    assert_ok(filtering_compile(f));
    f->run.status = 403;
    assert_int_equal(filter_response(f->chain, &f->run), DENY_NONE);
    assert_int_equal(f->run.status, 404);
    assert_false(filter_redirects(f->chain));
    assert_filter_refused(f, (struct filter_settings){ .set_status = 204 }, "no body");
    assert_filter_refused(f, (struct filter_settings){ .set_status = 304 }, "no body");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FILTERING_TEST(redirects),
        FILTERING_TEST(no_client_says_where),
        FILTERING_TEST(statuses_are_set),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
