/* What every unit test includes: cmocka with the headers that it wants before it, and slices for assertions. */
#ifndef SALLYPORT_TESTS_UNIT_H
#define SALLYPORT_TESTS_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/slice.h"

/* What a test says goes out line by line, whatever it is written to: so it is there when the test aborts. */
static void __attribute__((constructor)) speak_in_lines(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
}

#define assert_ok(expression)                                                               \
    do {                                                                                    \
        struct error assert_error_ = (expression);                                          \
        if (failed(assert_error_)) {                                                        \
            fail_msg("%s: %s (%s)", #expression, assert_error_.what, assert_error_.source); \
        }                                                                                   \
    } while (0)

#define assert_fails(expression, kind_) assert_int_equal((expression).kind, (kind_))

#define assert_slice(actual, expected)                                                              \
    do {                                                                                            \
        struct slice assert_actual_ = (actual);                                                     \
        struct slice assert_expected_ = slice_from_string(expected);                                \
        if (!slice_equal(assert_actual_, assert_expected_)) {                                       \
            fail_msg("%s is \"%.*s\", not \"%s\"", #actual, SLICE_ARG(assert_actual_), (expected)); \
        }                                                                                           \
    } while (0)

/* A path under the public test data, or NULL where it is absent: then the test calls skip() after printing why. */
static inline const char *suite_path(const char *name, char out[4096])
{
    const char *root = getenv("SALLYPORT_SUITES");
    if (root == NULL) {
        root = getenv("SALLYPORT_SUITES_DEFAULT");
    }
    if (root == NULL) {
        return NULL;
    }
    snprintf(out, 4096, "%s/%s", root, name);
    FILE *there = fopen(out, "r");
    if (there == NULL) {
        printf("suite not present: %s\n", name);
        return NULL;
    }
    fclose(there);
    return out;
}

/* A file as malloc'd text, or NULL. */
static inline char *read_file(const char *path, size_t *ret_size)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        return NULL;
    }
    size_t size = 0, capacity = 4096;
    char *text = malloc(capacity + 1);
    size_t got;
    while (text != NULL && (got = fread(text + size, 1, capacity - size, file)) > 0) {
        size += got;
        if (size == capacity) {
            capacity *= 2;
            text = realloc(text, capacity + 1);
        }
    }
    fclose(file);
    if (text != NULL) {
        text[size] = '\0';
        *ret_size = size;
    }
    return text;
}

#endif
