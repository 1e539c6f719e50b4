#include "unit.h"

#include "upstream/discovery/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static struct arena arena;

static int set_up(void **state)
{
    (void)state;
    arena_init(&arena, (size_t)1024 * 1024);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_done(&arena);
    return 0;
}

static void a_list_is_urls_and_objects(void **state)
{
    (void)state;
    struct found_endpoints found;
    size_t at;
    assert_ok(endpoint_file_parse(
        SLICE("[\"http://a:1\", {\"zone\": \"x\", \"url\": \"http://b:1\", \"weight\": 1000}]"), &arena,
        &found, &at));
    assert_int_equal(found.count, 2);
    assert_slice(found.items[0].url, "http://a:1");
    assert_int_equal(found.items[0].weight, 1);
    assert_slice(found.items[1].url, "http://b:1");
    assert_slice(found.items[1].zone, "x");
    assert_int_equal(found.items[1].weight, 1000);
    assert_ok(endpoint_file_parse(SLICE("[]"), &arena, &found, &at));
    assert_int_equal(found.count, 0);
}

static void anything_else_is_refused_whole(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum error_kind kind;
        size_t at;
    } cases[] = {
        { "", ERROR_SYNTAX, 0 },
        { "[\"http://a:1\"", ERROR_SYNTAX, 0 },
        { "{}", ERROR_VALUE, 0 },
        { "[\"http://a:1\", 1]", ERROR_VALUE, 2 },
        { "[\"\"]", ERROR_VALUE, 1 },
        { "[{}]", ERROR_VALUE, 1 },
        { "[{\"url\": 1}]", ERROR_VALUE, 1 },
        { "[{\"url\": \"http://a:1\", \"zone\": 1}]", ERROR_VALUE, 1 },
        { "[{\"url\": \"http://a:1\", \"weight\": 0}]", ERROR_VALUE, 1 },
        { "[{\"url\": \"http://a:1\", \"weight\": 1001}]", ERROR_VALUE, 1 },
        { "[{\"url\": \"http://a:1\", \"weight\": 1.5}]", ERROR_VALUE, 1 },
        { "[{\"url\": \"http://a:1\", \"wieght\": 1}]", ERROR_VALUE, 1 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct found_endpoints found;
        size_t at = 99;
        assert_fails(endpoint_file_parse(slice_from_string(cases[i].text), &arena, &found, &at),
                     cases[i].kind);
        assert_int_equal(at, cases[i].at);
    }
}

static void a_file_is_read_when_it_has_changed(void **state)
{
    (void)state;
    char path[] = "/tmp/endpoints-XXXXXX";
    struct file_stamp stamp = { 0 };
    char *text = NULL;
    size_t len = 0;
    int fd = mkstemp(path);
    assert_true(fd >= 0 && write(fd, "[]", 2) == 2);
    assert_ok(endpoint_file_read(path, &stamp, &text, &len));
    assert_int_equal(len, 2);
    free(text);
    assert_ok(endpoint_file_read(path, &stamp, &text, &len));
    assert_null(text);
    assert_true(write(fd, " ", 1) == 1);
    assert_ok(endpoint_file_read(path, &stamp, &text, &len));
    assert_int_equal(len, 3);
    free(text);
    assert_int_equal(ftruncate(fd, (off_t)ENDPOINT_FILE_MAX + 1), 0);
    assert_fails(endpoint_file_read(path, &stamp, &text, &len), ERROR_LIMIT);
    close(fd);
    unlink(path);
    assert_fails(endpoint_file_read(path, &stamp, &text, &len), ERROR_SYSTEM);
    assert_fails(endpoint_file_read("/tmp", &stamp, &text, &len), ERROR_VALUE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_list_is_urls_and_objects, set_up, tear_down),
        cmocka_unit_test_setup_teardown(anything_else_is_refused_whole, set_up, tear_down),
        cmocka_unit_test(a_file_is_read_when_it_has_changed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
