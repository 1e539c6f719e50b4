#include "filters.h"

static void strips(void **state)
{
    struct filtering *f = *state;
    filtering_add(f, (struct filter_settings){ .strip_prefix = 2 });
    assert_path(f, "/api/v1/orders/1", "/orders/1");
    assert_path(f, "/api/v1/", "/");
    assert_path(f, "/api/v1", "/");
    assert_path(f, "/api", "/");
    assert_path(f, "/", "/");
    assert_path(f, "/a%20b/%C3%A4/c", "/c");
}

static void tells_what_it_strips(void **state)
{
    struct filtering *f = *state;
    filtering_field(f, "X-Forwarded-Host", "api.example.com");
    filtering_add(f, (struct filter_settings){ .strip_prefix = 1 });
    filtering_add(f, (struct filter_settings){ .strip_prefix = 1 });
    filtering_add(f, (struct filter_settings){ .prefix_path = SLICE_INIT("/own") });
    filtering_add(f, (struct filter_settings){ .strip_prefix = 2 }); /* this one's, and a segment more */
    assert_path(f, "/tenant/api/v1/orders", "/orders");
    assert_fields(f, "X-Forwarded-Host: api.example.com|X-Forwarded-Prefix: /tenant/api");
    assert_int_equal(filter_request_fields(f->chain), 3);
    assert_path(f, "/tenant/", "/");
    assert_fields(f, "X-Forwarded-Host: api.example.com|X-Forwarded-Prefix: /tenant");
    f->headers.count = 1;
    assert_path(f, "/", "/");
    assert_fields(f, "X-Forwarded-Host: api.example.com"); /* nothing has gone */
    f->headers.capacity = 1;
    assert_int_equal(filtering_run(f, "/tenant/api"),
                     DENY_INTERNAL); /* relay leaves room for what filters add */
}

static void puts_in_front(void **state)
{
    struct filtering *f = *state;
    filtering_add(f, (struct filter_settings){ .prefix_path = SLICE_INIT("/internal") });
    assert_path(f, "/orders", "/internal/orders");
    assert_path(f, "/", "/internal/");
    assert_filter_refused(f, (struct filter_settings){ .prefix_path = SLICE_INIT("internal") },
                          "begins with");
    assert_filter_refused(f, (struct filter_settings){ .prefix_path = SLICE_INIT("/internal/") },
                          "leave the one");
    assert_filter_refused(f, (struct filter_settings){ .prefix_path = SLICE_INIT("/a/../b") }, "dot segment");
    assert_filter_refused(f, (struct filter_settings){ .prefix_path = SLICE_INIT("/a?b") }, "no query");
    assert_filter_refused(f, (struct filter_settings){ .prefix_path = SLICE_INIT("/a#b") }, "fragment");
    assert_filter_refused(f, (struct filter_settings){ .prefix_path = SLICE_INIT("/a b") }, "may not stand");
    assert_filter_refused(f, (struct filter_settings){ .prefix_path = SLICE_INIT("/%61") },
                          "canonical form: /a");
}

static void sets(void **state)
{
    struct filtering *f = *state;
    f->paths[0] = SLICE("/{tenant}/orders/{id}");
    filtering_variable(f, "tenant", "acme");
    filtering_variable(f, "id", "a+%C3%A4");
    filtering_add(f, (struct filter_settings){ .set_path = SLICE_INIT("/v2/{id}/of/{tenant}/x{id}") });
    assert_path(f, "/acme/orders/a+%C3%A4", "/v2/a+%C3%A4/of/acme/xa+%C3%A4");
    /* Another path of the route orders them differently. */
    f->paths[1] = SLICE("/o/{id}/{tenant}");
    f->match.path.count = 2;
    f->variables.count = 0;
    filtering_variable(f, "id", "7");
    filtering_variable(f, "tenant", "acme");
    assert_path(f, "/o/7/acme", "/v2/7/of/acme/x7");
}

static void set_path_is_checked(void **state)
{
    struct filtering *f = *state;
    f->paths[0] = SLICE("/{a}/{b}");
    assert_filter_refused(f, (struct filter_settings){ .set_path = SLICE_INIT("/{c}") },
                          "the path \"/{a}/{b}\" has no variable {c}");
    assert_filter_refused(f, (struct filter_settings){ .set_path = SLICE_INIT("/{a") },
                          "\"{\" without \"}\"");
    assert_filter_refused(f, (struct filter_settings){ .set_path = SLICE_INIT("{a}") }, "begins with");
    assert_filter_refused(f, (struct filter_settings){ .set_path = SLICE_INIT("/{a}?x=1") }, "no query");
    assert_filter_refused(f, (struct filter_settings){ .set_path = SLICE_INIT("/{a}/../{b}") },
                          "dot segment");
    assert_filter_refused(f, (struct filter_settings){ .set_path = SLICE_INIT("/{a}//{b}") },
                          "empty segment");
    assert_filter_refused(f, (struct filter_settings){ .set_path = SLICE_INIT("/{a}%2F{b}") },
                          "encoded slash");
    f->run.path_allows = URI_ALLOW_ENCODED_SLASH; /* of the route: said by name */
    f->filters.count = 0;
    filtering_variable(f, "a", "group");
    filtering_variable(f, "b", "project");
    filtering_add(f, (struct filter_settings){ .set_path = SLICE_INIT("/{a}%2F{b}") });
    assert_path(f, "/group/project", "/group%2Fproject");
}

/* Two harmless segments make a dot segment, an escape or a double encoding together. */
static void what_variables_make_together_is_refused(void **state)
{
    static const struct {
        const char *a, *b, *says;
    } cases[] = {
        { ".", ".", "dot segment" }, /* as a caller whose variables are not canonical would give them */
        { "%25", "2F", "double encoding" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct filtering *f = *state;
        f->filters.count = f->variables.count = 0;
        f->paths[0] = SLICE("/{a}/{b}");
        filtering_variable(f, "a", cases[i].a);
        filtering_variable(f, "b", cases[i].b);
        filtering_add(f, (struct filter_settings){ .set_path = SLICE_INIT("/x/{a}{b}") });
        assert_int_equal(filtering_run(f, "/a/b"), DENY_REWRITE_PATH);
        assert_non_null(strstr(f->run.detail.ptr, cases[i].says));
    }
}

static void runs_in_order(void **state)
{
    struct filtering *f = *state;
    filtering_add(f, (struct filter_settings){ .strip_prefix = 1 });
    filtering_add(f, (struct filter_settings){ .prefix_path = SLICE_INIT("/v1") });
    filtering_add(f, (struct filter_settings){ .prefix_path = SLICE_INIT("/api") });
    assert_path(f, "/public/orders", "/api/v1/orders");
}

static void the_result_has_a_longest_length(void **state)
{
    struct filtering *f = *state;
    static char path[HTTP_TARGET_MAX + 1];
    memset(path, 'a', sizeof path - 1);
    path[0] = '/';
    assert_int_equal(filtering_run(f, path), DENY_NONE);
    filtering_add(f, (struct filter_settings){ .prefix_path = SLICE_INIT("/x") });
    assert_int_equal(filtering_run(f, path), DENY_REWRITE_PATH);
    assert_slice(f->run.detail, "a request target that is too long");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FILTERING_TEST(strips),
        FILTERING_TEST(tells_what_it_strips),
        FILTERING_TEST(puts_in_front),
        FILTERING_TEST(sets),
        FILTERING_TEST(set_path_is_checked),
        FILTERING_TEST(what_variables_make_together_is_refused),
        FILTERING_TEST(runs_in_order),
        FILTERING_TEST(the_result_has_a_longest_length),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
