#include "config/files.h"

#include "base/secret.h"
#include "config/record.h"

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

struct error record_files_new(enum source source, struct config_files **ret_files)
{
    struct config_files *files = calloc(1, sizeof *files);
    if (files == NULL) {
        return FAIL(ERROR_MEMORY, "no memory for the configuration's files");
    }
    files->source = source;
    files->last = &files->first;
    for (int kind = 0; kind < RECORD_KINDS; kind++) {
        map_init(&files->maps[kind]);
    }
    *ret_files = files;
    return OK;
}

struct error config_files_new(struct config_files **ret_files)
{
    return record_files_new(SOURCE_SYSTEM, ret_files);
}

struct error config_files_new_memory(struct config_files **ret_files)
{
    return record_files_new(SOURCE_MEMORY, ret_files);
}

void record_free_value(const struct config_files *files, struct slice value)
{
    if (files->source != SOURCE_BUNDLE && value.ptr != NULL) {
        secret_wipe((void *)(uintptr_t)value.ptr, value.len);
        free((void *)(uintptr_t)value.ptr);
    }
}

void config_files_free(struct config_files *files)
{
    if (files == NULL) {
        return;
    }
    while (files->first != NULL) {
        struct record *record = files->first;
        files->first = record->next;
        record_free_value(files, record->value);
        free(record);
    }
    while (files->watches != NULL) {
        struct watch *watch = files->watches;
        files->watches = watch->next;
        free(watch);
    }
    for (int kind = 0; kind < RECORD_KINDS; kind++) {
        map_done(&files->maps[kind]);
    }
    if (files->mapping != NULL) {
        munmap(files->mapping, files->mapping_size);
    }
    free(files);
}

struct record *record_find(const struct config_files *files, enum record_kind kind, struct slice key)
{
    return map_get(&files->maps[kind], key);
}

struct error record_add(struct config_files *files, const struct record *draft, struct record **ret_record)
{
    size_t held = 0;
    if (files->count >= CONFIG_FILES_MAX || __builtin_add_overflow(files->held, draft->value.len, &held) ||
        held > BUNDLE_MAX) {
        return FAIL(ERROR_LIMIT, "the configuration names too many files or too large ones");
    }
    struct record *record = malloc(sizeof *record + draft->key.len + 1);
    if (record == NULL) {
        return FAIL(ERROR_MEMORY, "no memory for the configuration's files");
    }
    *record = *draft;
    record->next = NULL;
    char *key = (char *)(record + 1);
    if (draft->key.len > 0) {
        memcpy(key, draft->key.ptr, draft->key.len);
    }
    key[draft->key.len] = '\0';
    record->key.ptr = key;
    if (!map_put(&files->maps[draft->kind], record->key, record)) {
        free(record);
        return FAIL(ERROR_MEMORY, "no memory for the configuration's files");
    }
    *files->last = record;
    files->last = &record->next;
    files->count++;
    files->held = held;
    if (ret_record != NULL) {
        *ret_record = record;
    }
    return OK;
}

static struct error add_copy(struct config_files *files, enum record_kind kind, struct slice key,
                             struct slice text)
{
    if (record_find(files, kind, key) != NULL) {
        return FAIL(ERROR_STATE, "already recorded");
    }
    char *copy = malloc(text.len + 1);
    if (copy == NULL) {
        return FAIL(ERROR_MEMORY, "no memory for a preset");
    }
    if (text.len > 0) {
        memcpy(copy, text.ptr, text.len);
    }
    struct error error =
        record_add(files, &(struct record){ .kind = kind, .key = key, .value = { copy, text.len } }, NULL);
    if (failed(error)) {
        free(copy);
    }
    return error;
}

struct error config_files_preset(struct config_files *files, struct slice path, struct slice text)
{
    return add_copy(files, RECORD_FILE, path, text);
}

struct error config_files_preset_environment(struct config_files *files, struct slice name,
                                             struct slice value)
{
    return add_copy(files, RECORD_ENVIRONMENT, name, value);
}

char *record_path(struct slice text)
{
    if (text.len == 0 || text.len >= PATH_MAX || memchr(text.ptr, '\0', text.len) != NULL) {
        errno = text.len >= PATH_MAX ? ENAMETOOLONG : ENOENT;
        return NULL;
    }
    return strndup(text.ptr, text.len);
}

static struct fingerprint fingerprint_of(const struct stat *status)
{
    return (struct fingerprint){ status->st_dev, status->st_ino, status->st_size, status->st_mtim };
}

static bool same_fingerprint(const struct fingerprint *a, const struct fingerprint *b)
{
    return a->device == b->device && a->inode == b->inode && a->size == b->size &&
           a->changed.tv_sec == b->changed.tv_sec && a->changed.tv_nsec == b->changed.tv_nsec;
}

/* Reads to the end. Old copies are wiped, not only freed: the text may be a key. */
static struct error read_all(int fd, size_t expected, size_t maximum, struct slice *ret_text)
{
    size_t capacity =
        (expected < maximum ? expected : maximum) + 1; /* the one more sees the end, or one too many */
    size_t size = 0;
    char *text = malloc(capacity);
    struct error error = text == NULL ? FAIL(ERROR_MEMORY, "no memory for a file") : OK;
    while (!failed(error)) {
        ssize_t got = read(fd, text + size, capacity - size);
        if (got == 0) {
            *ret_text = slice_of(text, size);
            return OK;
        }
        if (got < 0) {
            error = errno == EINTR ? OK : FAIL_ERRNO("cannot read the file");
            continue;
        }
        size += (size_t)got;
        if (size > maximum) {
            error = FAIL(ERROR_LIMIT, "the file is too large");
        } else if (size == capacity) {
            size_t larger = capacity > maximum / 2 ? maximum + 1 : capacity * 2;
            char *moved = malloc(larger);
            if (moved == NULL) {
                error = FAIL(ERROR_MEMORY, "no memory for a file");
                continue;
            }
            memcpy(moved, text, size);
            secret_wipe(text, size);
            free(text);
            text = moved;
            capacity = larger;
        }
    }
    if (text != NULL) {
        secret_wipe(text, size);
        free(text);
    }
    return error;
}

static struct error read_opened(int fd, size_t maximum, struct record *draft)
{
    struct stat status;
    if (fstat(fd, &status) != 0) {
        return FAIL_ERRNO("cannot read the file");
    }
    if (!S_ISREG(status.st_mode)) {
        return FAIL_NUMBER(ERROR_SYSTEM, S_ISDIR(status.st_mode) ? EISDIR : EINVAL, "not a regular file");
    }
    /* Taken before reading: a change meanwhile then shows as a change. */
    draft->fingerprint = fingerprint_of(&status);
    return read_all(fd, (size_t)status.st_size, maximum, &draft->value);
}

static struct error read_system(struct slice path, size_t maximum, struct record *draft)
{
    char *name = record_path(path);
    if (name == NULL) {
        return FAIL_ERRNO("cannot read the file");
    }
    /* Non-blocking, so that opening a FIFO cannot hang; no effect on regular files. */
    int fd = open(name, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    struct error error = fd < 0 ? FAIL_ERRNO("cannot read the file") : read_opened(fd, maximum, draft);
    if (fd >= 0) {
        close(fd);
    }
    free(name);
    return error;
}

static struct error from_record(const struct record *record, size_t maximum, struct slice *ret_text)
{
    if (record->number != 0) {
        return FAIL_NUMBER(ERROR_SYSTEM, record->number, "cannot read the file");
    }
    if (record->value.len > maximum) {
        return FAIL(ERROR_LIMIT, "the file is too large");
    }
    *ret_text = record->value;
    return OK;
}

struct error config_files_read(struct config_files *files, struct slice path, size_t maximum,
                               struct slice *ret_text)
{
    const struct record *known = record_find(files, RECORD_FILE, path);
    if (known != NULL) {
        return from_record(known, maximum, ret_text);
    }
    if (files->source != SOURCE_SYSTEM) {
        return FAIL_NUMBER(ERROR_SYSTEM, ENOENT, "cannot read the file");
    }
    struct record draft = { .kind = RECORD_FILE, .key = path };
    struct error error = read_system(path, maximum, &draft);
    if (failed(error) && error.kind != ERROR_SYSTEM) {
        return error;
    }
    /* A failure is recorded too: the second look must not see another world than the first. */
    draft.number = error.number;
    struct error full = record_add(files, &draft, NULL);
    if (failed(full)) {
        record_free_value(files, draft.value);
        return full;
    }
    if (!failed(error)) {
        *ret_text = draft.value;
    }
    return error;
}
static const char *look_up(struct slice name)
{
    char text[256];
    if (name.len == 0 || name.len >= sizeof text || memchr(name.ptr, '\0', name.len) != NULL) {
        return NULL;
    }
    memcpy(text, name.ptr, name.len);
    text[name.len] = '\0';
    return getenv(text); /* NOLINT(concurrency-mt-unsafe): nothing sets the environment */
}

bool config_files_environment(struct config_files *files, struct slice name, struct slice *ret_value)
{
    struct record *record = record_find(files, RECORD_ENVIRONMENT, name);
    if (record == NULL && files->source == SOURCE_SYSTEM) {
        const char *value = look_up(name);
        struct record draft = { .kind = RECORD_ENVIRONMENT,
                                .key = name,
                                .number = value == NULL ? ENOENT : 0 };
        char *copy = value != NULL ? strdup(value) : NULL;
        draft.value = slice_from_string(copy);
        /* Without memory it counts as not set: a secret that is missing is an error of the configuration. */
        if ((value != NULL && copy == NULL) || failed(record_add(files, &draft, &record))) {
            record_free_value(files, draft.value);
            return false;
        }
    }
    if (record == NULL || record->number != 0) {
        return false;
    }
    *ret_value = record->value;
    return true;
}
static struct fingerprint look_at(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 ? fingerprint_of(&status) : (struct fingerprint){ 0 };
}

void config_files_watch(struct config_files *files, struct slice path)
{
    if (files->source != SOURCE_SYSTEM || path.len == 0) {
        return;
    }
    struct watch *watch = malloc(sizeof *watch + path.len + 1);
    if (watch == NULL) {
        return; /* a reload by hand still takes the change up */
    }
    char *copy = (char *)(watch + 1);
    memcpy(copy, path.ptr, path.len);
    copy[path.len] = '\0';
    const struct record *known = record_find(files, RECORD_FILE, path);
    watch->path = copy;
    watch->fingerprint = known != NULL ? known->fingerprint : look_at(copy);
    watch->next = files->watches;
    files->watches = watch;
}

bool config_files_changed(const struct config_files *files)
{
    for (const struct watch *watch = files->watches; watch != NULL; watch = watch->next) {
        struct fingerprint now = look_at(watch->path);
        if (!same_fingerprint(&now, &watch->fingerprint)) {
            return true;
        }
    }
    return false;
}
