#include "route/error_page.h"
#include "unit.h"

struct paged {
    struct arena arena;
    struct error_page_settings pages[3];
    struct conf_list list;
    struct slice names[4];
    struct header fields[2];
    struct headers request;
    struct error_page_facts facts;
};

static int setup(void **state)
{
    struct paged *p = calloc(1, sizeof *p);
    arena_init(&p->arena, 1 << 20);
    p->list = (struct conf_list){ p->pages, 0 };
    p->request = (struct headers){ p->fields, 0, 2 };
    p->facts = (struct error_page_facts){ 404, SLICE("Not found"), SLICE("not_found"), SLICE("abc") };
    *state = p;
    return 0;
}

static int teardown(void **state)
{
    struct paged *p = *state;
    arena_done(&p->arena);
    free(p);
    return 0;
}

static struct error_page_settings *add(struct paged *p, int type, const char *text)
{
    struct error_page_settings *page = &p->pages[p->list.count++];
    *page = (struct error_page_settings){ .type = type, .text = slice_from_string(text) };
    return page;
}

static struct error compile(struct paged *p, struct error_page_settings *page)
{
    const void *wrong = NULL;
    return error_page_compile(page, &p->arena, &wrong);
}

static const struct error_page_settings *found(struct paged *p, const char *accept)
{
    p->request.count = 0;
    if (accept != NULL) {
        headers_add(&p->request, HEADER_ACCEPT, SLICE("Accept"), slice_from_string(accept));
    }
    return error_page_find(&p->list, &p->facts, &p->request);
}

static void fills_in(void **state)
{
    struct paged *p = *state;
    struct error_page_settings *page =
        add(p, ERROR_PAGE_HTML, "<style>a { b: c }</style>{{status}} {{ title }}/{{code}}{{request_id}}}");
    assert_ok(compile(p, page));
    assert_slice(error_page_fill(page, &p->facts, &p->arena),
                 "<style>a { b: c }</style>404 Not found/not_foundabc}");
    assert_slice(error_page_content_type(page), "text/html; charset=utf-8");
}

static void escapes_for_its_type(void **state)
{
    struct paged *p = *state;
    p->facts.title = SLICE("<b>\"&'\\\x01");
    static const char *const expected[] = { [ERROR_PAGE_HTML] = "&lt;b&gt;&quot;&amp;&#39;\\",
                                            [ERROR_PAGE_TEXT] = "<b>\"&'\\",
                                            [ERROR_PAGE_JSON] = "<b>\\\"&'\\\\" };
    for (int type = ERROR_PAGE_HTML; type <= ERROR_PAGE_JSON; type++) {
        struct error_page_settings *page = add(p, type, "{{title}}");
        assert_ok(compile(p, page));
        assert_slice(error_page_fill(page, &p->facts, &p->arena), expected[type]);
    }
}

static void is_for_who_asks_for_it(void **state)
{
    struct paged *p = *state;
    struct error_page_settings *html = add(p, ERROR_PAGE_HTML, "a");
    struct error_page_settings *json = add(p, ERROR_PAGE_JSON, "b");
    assert_null(found(p, NULL));
    assert_null(found(p, "*/*"));
    assert_null(found(p, "application/problem+json"));
    assert_null(found(p, "text/html;q=0.5, application/problem+json"));
    assert_null(found(p, "text/html;q=0"));
    assert_ptr_equal(found(p, "text/html,application/xhtml+xml,*/*;q=0.8"), html);
    assert_ptr_equal(found(p, "text/*"), html);
    assert_ptr_equal(found(p, "application/json"), json);
}

static void is_for_what_it_says(void **state)
{
    struct paged *p = *state;
    struct error_page_settings *page = add(p, ERROR_PAGE_HTML, "a");
    p->names[0] = SLICE("404");
    p->names[1] = SLICE("5xx");
    page->statuses = (struct conf_strings){ p->names, 2 };
    assert_ok(compile(p, page));
    static const struct {
        unsigned int status;
        bool fits;
    } cases[] = { { 404, true }, { 403, false }, { 500, true }, { 504, true }, { 400, false } };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        p->facts.status = cases[i].status;
        assert_int_equal(found(p, "text/html") != NULL, cases[i].fits);
    }
    p->names[2] = SLICE("forbidden");
    *page = (struct error_page_settings){ .codes = { p->names + 2, 1 }, .text = SLICE("a") };
    assert_ok(compile(p, page));
    assert_null(found(p, "text/html"));
    p->facts.code = SLICE("forbidden");
    assert_ptr_equal(found(p, "text/html"), page);
}

static void says_what_is_wrong(void **state)
{
    struct paged *p = *state;
    static const char *const texts[] = { "{{statu}}", "{{status}", "{{", "a{{ }}", "\xff" };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        p->list.count = 0;
        assert_fails(compile(p, add(p, ERROR_PAGE_HTML, texts[i])), ERROR_VALUE);
    }
    static const char *const statuses[] = { "200", "4x", "4xy", "xxx", "40", "600" };
    for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++) {
        p->list.count = 0;
        struct error_page_settings *page = add(p, ERROR_PAGE_HTML, "a");
        p->names[0] = slice_from_string(statuses[i]);
        page->statuses = (struct conf_strings){ p->names, 1 };
        assert_fails(compile(p, page), ERROR_VALUE);
    }
    p->list.count = 0;
    struct error_page_settings *page = add(p, ERROR_PAGE_HTML, "a");
    p->names[0] = SLICE("no_such_code");
    page->codes = (struct conf_strings){ p->names, 1 };
    assert_fails(compile(p, page), ERROR_VALUE);
    p->names[0] = SLICE("no_route"); /* of the log */
    struct error error = compile(p, page);
    assert_fails(error, ERROR_VALUE);
    assert_non_null(strstr(error.what, "what callers are told is \"not_found\""));
}

#define PAGE_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        PAGE_TEST(fills_in),
        PAGE_TEST(escapes_for_its_type),
        PAGE_TEST(is_for_who_asks_for_it),
        PAGE_TEST(is_for_what_it_says),
        PAGE_TEST(says_what_is_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
