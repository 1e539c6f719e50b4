/* Reads the lines of a public suite: flat JSON objects whose texts that matter are base64 or plain words. */
#ifndef SALLYPORT_TESTS_HTTP_SUITE_H
#define SALLYPORT_TESTS_HTTP_SUITE_H

#include "base/encoding.h"
#include "unit.h"

/* What follows `"key": ` on the line; empty where it is absent. A quote within a text is escaped there, so that no text can
 * pass for a key. */
static inline struct slice suite_value(struct slice line, const char *key)
{
    char wanted[64];
    int len = snprintf(wanted, sizeof wanted, "\"%s\": ", key);
    const char *at = memmem(line.ptr, line.len, wanted, (size_t)len);
    return at != NULL ? slice_from(line, (size_t)(at - line.ptr) + (size_t)len) : SLICE_NONE;
}

/* A string, as written between its quotes. */
static inline struct slice suite_string(struct slice line, const char *key)
{
    struct slice value = suite_value(line, key);
    if (!slice_starts_with(value, SLICE("\""))) {
        return SLICE_NONE;
    }
    size_t end = 1;
    while (end < value.len && value.ptr[end] != '"') {
        end += value.ptr[end] == '\\' ? 2 : 1;
    }
    return slice_part(value, 1, end - 1);
}

/* A base64 text, decoded; malloc'd. `ret_text->ptr` is NULL where the key is absent. */
static inline bool suite_bytes(struct slice line, const char *key, struct slice *ret_text)
{
    struct slice text = suite_string(line, key);
    if (text.ptr == NULL) {
        return false;
    }
    char *bytes = malloc(BASE64_DECODED_MAX(text.len));
    assert_non_null(bytes);
    ssize_t len = base64_decode(text, bytes);
    assert_true(len >= 0);
    *ret_text = slice_of(bytes, (size_t)len);
    return true;
}

/* Calls `visit` for each line. False where the suite is absent. */
static inline bool suite_each(const char *name, void (*visit)(struct slice line, void *state), void *state)
{
    char path[4096];
    size_t size;
    if (suite_path(name, path) == NULL) {
        return false;
    }
    char *text = read_file(path, &size);
    assert_non_null(text);
    struct slice rest = slice_of(text, size), line;
    while (slice_next(&rest, '\n', &line)) {
        if (line.len > 0) {
            visit(line, state);
        }
    }
    free(text);
    return true;
}

#endif
