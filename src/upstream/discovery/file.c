#include "upstream/discovery/file.h"

#include "base/limits.h"
#include "json/json.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#define DEPTH_MAX 2

/* ---- reading ---- */

static struct file_stamp stamp_of(const struct stat *facts)
{
    return (struct file_stamp){ facts->st_dev, facts->st_ino, facts->st_size, facts->st_mtim };
}

static bool is_same(const struct file_stamp *a, const struct file_stamp *b)
{
    return a->device == b->device && a->number == b->number && a->size == b->size &&
           a->changed.tv_sec == b->changed.tv_sec && a->changed.tv_nsec == b->changed.tv_nsec;
}

static struct error read_whole(int fd, char **ret_text, size_t *ret_len)
{
    size_t len = 0;
    ssize_t got = 0;
    char *text = malloc(ENDPOINT_FILE_MAX + 1);
    if (text == NULL) {
        return FAIL(ERROR_MEMORY, "no memory for a file of endpoints");
    }
    while (len <= ENDPOINT_FILE_MAX && (got = read(fd, text + len, ENDPOINT_FILE_MAX + 1 - len)) > 0) {
        len += (size_t)got;
    }
    if (got < 0 || len > ENDPOINT_FILE_MAX) {
        struct error error = got < 0 ? FAIL_ERRNO("the file cannot be read")
                                     : FAIL(ERROR_LIMIT, "the file has more than 1 MiB");
        free(text);
        return error;
    }
    *ret_text = text;
    *ret_len = len;
    return OK;
}

static struct error read_changed(int fd, struct file_stamp *stamp, char **ret_text, size_t *ret_len)
{
    struct stat facts;
    if (fstat(fd, &facts) != 0) {
        return FAIL_ERRNO("the file cannot be read");
    }
    if (!S_ISREG(facts.st_mode)) {
        return FAIL(ERROR_VALUE, "it is no regular file");
    }
    struct file_stamp now = stamp_of(&facts);
    if (is_same(stamp, &now)) {
        *ret_text = NULL;
        *ret_len = 0;
        return OK;
    }
    TRY(read_whole(fd, ret_text, ret_len));
    *stamp = now;
    return OK;
}

struct error endpoint_file_read(const char *path, struct file_stamp *stamp, char **ret_text, size_t *ret_len)
{
    /* A pipe of that name must not hold us up. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        return FAIL_ERRNO("the file cannot be opened");
    }
    struct error error = read_changed(fd, stamp, ret_text, ret_len);
    close(fd);
    return error;
}

/* ---- parsing ---- */

static const char *take_member(const struct json_member *member, struct found_endpoint *endpoint)
{
    const struct json *value = &member->value;
    if (slice_equal(member->name, SLICE("url"))) {
        endpoint->url = value->text;
        return value->type == JSON_STRING ? NULL : "`url` is a string";
    }
    if (slice_equal(member->name, SLICE("zone"))) {
        endpoint->zone = value->text;
        return value->type == JSON_STRING ? NULL : "`zone` is a string";
    }
    if (slice_equal(member->name, SLICE("weight"))) {
        bool is_weight = value->type == JSON_NUMBER && value->is_integer && value->integer >= 1 &&
                         value->integer <= ENDPOINT_WEIGHT_MAX;
        endpoint->weight = is_weight ? (uint32_t)value->integer : 1;
        return is_weight ? NULL : "`weight` is a number from 1 to 1000";
    }
    return "an endpoint has `url`, `weight` and `zone`, and nothing else";
}

static const char *take_item(const struct json *item, struct found_endpoint *endpoint)
{
    const char *problem = NULL;
    endpoint->weight = 1;
    if (item->type == JSON_STRING) {
        endpoint->url = item->text;
    } else if (item->type == JSON_OBJECT) {
        for (size_t i = 0; problem == NULL && i < item->count; i++) {
            problem = take_member(&item->members[i], endpoint);
        }
    } else {
        return "an endpoint is a URL, or an object with `url`";
    }
    return problem == NULL && endpoint->url.len == 0 ? "`url` is missing" : problem;
}

struct error endpoint_file_parse(struct slice text, struct arena *arena, struct found_endpoints *ret_found,
                                 size_t *ret_at)
{
    struct json *list = NULL;
    *ret_at = 0;
    TRY(json_parse(text, DEPTH_MAX, arena, &list, NULL));
    if (list->type != JSON_ARRAY) {
        return FAIL(ERROR_VALUE, "a list of endpoints is wanted");
    }
    if (list->count > ENDPOINTS_MAX) {
        return FAIL(ERROR_VALUE, "a service has at most 1024 endpoints");
    }
    struct found_endpoints found = { .items = arena_calloc(arena, list->count + 1, sizeof *found.items),
                                     .count = list->count };
    if (found.items == NULL) {
        return FAIL(ERROR_MEMORY, "no memory for endpoints");
    }
    for (size_t i = 0; i < list->count; i++) {
        const char *problem = take_item(&list->items[i], &found.items[i]);
        *ret_at = i + 1;
        if (problem != NULL) {
            return FAIL(ERROR_VALUE, problem);
        }
    }
    *ret_at = 0;
    *ret_found = found;
    return OK;
}
