/* JSONTestSuite: every text that must be accepted or refused, and what we do with those that are free. */
#include "unit.h"

#include <dirent.h>

#include "base/limits.h"
#include "json/json.h"

/* Texts that RFC 8259 lets a reader accept and we refuse on purpose. */
static const struct {
    const char *name, *why;
} stricter[] = {
    { "y_object_duplicated_key.json", "a name that stands twice means to each reader what it likes" },
    { "y_object_duplicated_key_and_value.json", "the same" },
};

/* Free texts that we accept: everything else that is free we refuse (broken UTF-8 and UTF-16, lone surrogates, byte order
 * marks, numbers out of range, 500 levels). */
static const char *const free_and_accepted[] = {
    "i_number_double_huge_neg_exp.json", /* rounds to zero */
    "i_number_real_underflow.json",
    "i_number_too_big_neg_int.json", /* held as a double and as written */
    "i_number_too_big_pos_int.json",
    "i_number_very_big_negative_int.json",
};

static bool expected(const char *name)
{
    for (size_t i = 0; i < sizeof stricter / sizeof *stricter; i++) {
        if (strcmp(name, stricter[i].name) == 0) {
            return false;
        }
    }
    for (size_t i = 0; i < sizeof free_and_accepted / sizeof *free_and_accepted; i++) {
        if (strcmp(name, free_and_accepted[i]) == 0) {
            return true;
        }
    }
    return name[0] == 'y';
}

static bool accepts(const char *path)
{
    size_t size = 0;
    char *text = read_file(path, &size);
    assert_non_null(text);
    /* An allocation of the exact size, so that a sanitizer sees a read beyond it. */
    char *exact = malloc(size > 0 ? size : 1);
    memcpy(exact, text, size);
    struct arena arena;
    arena_init(&arena, 16 * 1024 * 1024);
    struct json *value;
    bool accepted = !failed(json_parse(slice_of(exact, size), JSON_DEPTH_MAX, &arena, &value, NULL));
    arena_done(&arena);
    free(exact);
    free(text);
    return accepted;
}

static void json_test_suite(void **state)
{
    (void)state;
    char path[4096];
    if (suite_path("jsontestsuite/test_parsing", path) == NULL) {
        skip();
    }
    DIR *directory = opendir(path);
    assert_non_null(directory);
    int count = 0, wrong = 0;
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        if (entry->d_name[0] == '.') {
            continue;
        }
        char file[8192];
        snprintf(file, sizeof file, "%s/%s", path, entry->d_name);
        bool accepted = accepts(file);
        count++;
        if (accepted != expected(entry->d_name)) {
            printf("%s: %s\n", entry->d_name, accepted ? "accepted" : "refused");
            wrong++;
        }
    }
    closedir(directory);
    assert_int_equal(wrong, 0);
    assert_true(count >= 318);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_test_suite),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
