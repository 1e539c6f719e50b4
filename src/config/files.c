#include "config/files.h"

#include "base/limits.h"
#include "base/map.h"
#include "base/secret.h"

#include <fcntl.h>
#include <fnmatch.h>
#include <glob.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* Texts of all files together. */
#define BUNDLE_MAX CONFIG_ARENA_MAX

enum record_kind {
    RECORD_FILE,        /* key: path; value: text; number: 0 or the errno of reading it */
    RECORD_GLOB,        /* key: pattern; value: the paths, each ended by a NUL; number: how many */
    RECORD_ENVIRONMENT, /* key: name; value; number: 0, or ENOENT where it is not set */
    RECORD_KINDS,
};

/* What tells that a file is another one. All zero: there was none. */
struct fingerprint {
    dev_t device;
    ino_t inode;
    off_t size;
    struct timespec changed;
};

struct record {
    struct record *next;
    enum record_kind kind;
    int number;
    struct slice key, value;
    struct fingerprint fingerprint;
};

struct watch {
    struct watch *next;
    const char *path;
    struct fingerprint fingerprint;
};

enum source {
    SOURCE_SYSTEM, /* files and environment */
    SOURCE_MEMORY, /* presets */
    SOURCE_BUNDLE, /* a mapping made by config_files_pack */
};

struct config_files {
    enum source source;
    struct record *first, **last; /* in order of their recording */
    size_t count;
    size_t held; /* bytes of all values */
    struct map maps[RECORD_KINDS];
    struct watch *watches;
    void *mapping;
    size_t mapping_size;
};

/* The bundle: a magic, then per record this header, the key and the value. Written and read by the same binary. */
static const char bundle_magic[8] = "SPbundle";

struct record_header {
    uint32_t kind;
    int32_t number;
    uint64_t key_size, value_size;
};

static struct error files_new(enum source source, struct config_files **ret_files)
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
    return files_new(SOURCE_SYSTEM, ret_files);
}

struct error config_files_new_memory(struct config_files **ret_files)
{
    return files_new(SOURCE_MEMORY, ret_files);
}

/* Private keys and secrets are among the values. */
static void free_value(const struct config_files *files, struct slice value)
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
        free_value(files, record->value);
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

static struct record *find(const struct config_files *files, enum record_kind kind, struct slice key)
{
    return map_get(&files->maps[kind], key);
}

/* Takes draft->value, on success only; the key is copied. */
static struct error add(struct config_files *files, const struct record *draft, struct record **ret_record)
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
    if (find(files, kind, key) != NULL) {
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
        add(files, &(struct record){ .kind = kind, .key = key, .value = { copy, text.len } }, NULL);
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

/* A NUL-terminated copy on the heap; NULL with errno where there can be none. */
static char *to_path(struct slice text)
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
    char *name = to_path(path);
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
    const struct record *known = find(files, RECORD_FILE, path);
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
    struct error full = add(files, &draft, NULL);
    if (failed(full)) {
        free_value(files, draft.value);
        return full;
    }
    if (!failed(error)) {
        *ret_text = draft.value;
    }
    return error;
}

/* Directories that are not there match nothing; one that may not be read is an error, since what it holds could be policy. */
static int on_glob_error(const char *path, int number)
{
    (void)path;
    return number != ENOENT && number != ENOTDIR;
}

static struct error join_paths(const glob_t *found, struct record *draft)
{
    size_t size = 0;
    for (size_t i = 0; i < found->gl_pathc; i++) {
        size += strlen(found->gl_pathv[i]) + 1;
    }
    char *joined = malloc(size + 1);
    if (joined == NULL) {
        return FAIL(ERROR_MEMORY, "no memory for file names");
    }
    char *end = joined;
    for (size_t i = 0; i < found->gl_pathc; i++) {
        end = stpcpy(end, found->gl_pathv[i]) + 1;
    }
    draft->value = slice_of(joined, size);
    draft->number = (int)found->gl_pathc;
    return OK;
}

static struct error glob_system(struct slice pattern, struct record *draft)
{
    char *name = to_path(pattern);
    if (name == NULL) {
        return FAIL_ERRNO("cannot look for files");
    }
    glob_t found = { 0 };
    errno = 0;
    int result = glob(name, 0, on_glob_error, &found); /* NOLINT(concurrency-mt-unsafe): one thread reads */
    struct error error;
    if (result == GLOB_ABORTED) {
        error = FAIL_NUMBER(ERROR_SYSTEM, errno != 0 ? errno : EACCES, "cannot look for files");
    } else if (result == GLOB_NOSPACE) {
        error = FAIL(ERROR_MEMORY, "no memory for file names");
    } else if (found.gl_pathc > CONFIG_FILES_MAX) {
        error = FAIL(ERROR_LIMIT, "the pattern matches too many files");
    } else {
        error = join_paths(&found, draft);
    }
    globfree(&found);
    free(name);
    return error;
}

static int compare_paths(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Over the presets, by the same rules. */
static struct error glob_memory(const struct config_files *files, struct slice pattern, struct record *draft)
{
    char *name = to_path(pattern);
    char **paths = calloc(files->count + 1, sizeof *paths);
    glob_t found = { .gl_pathv = paths };
    struct error error = FAIL(ERROR_MEMORY, "no memory for file names");
    if (name != NULL && paths != NULL) {
        for (const struct record *record = files->first; record != NULL; record = record->next) {
            if (record->kind == RECORD_FILE &&
                fnmatch(name, record->key.ptr, FNM_PATHNAME | FNM_PERIOD) == 0) {
                paths[found.gl_pathc++] = (char *)(uintptr_t)record->key.ptr;
            }
        }
        qsort(paths, found.gl_pathc, sizeof *paths, compare_paths);
        error = join_paths(&found, draft);
    }
    free(paths);
    free(name);
    return error;
}

static struct error record_glob(struct config_files *files, struct slice pattern, struct record **ret_record)
{
    struct record draft = { .kind = RECORD_GLOB, .key = pattern };
    if (files->source == SOURCE_SYSTEM) {
        TRY(glob_system(pattern, &draft));
    } else if (files->source == SOURCE_MEMORY) {
        TRY(glob_memory(files, pattern, &draft));
    }
    struct error error = add(files, &draft, ret_record);
    if (failed(error)) {
        free_value(files, draft.value);
    }
    return error;
}

struct error config_files_glob(struct config_files *files, struct slice pattern, struct arena *arena,
                               struct slice **ret_paths, size_t *ret_count)
{
    struct record *record = find(files, RECORD_GLOB, pattern);
    if (record == NULL) {
        TRY(record_glob(files, pattern, &record));
    }
    struct slice *paths = arena_calloc(arena, (size_t)record->number + 1, sizeof *paths);
    if (paths == NULL) {
        return FAIL(ERROR_MEMORY, "no memory for file names");
    }
    struct slice rest = record->value;
    size_t count = 0;
    while (rest.len > 0 && count < (size_t)record->number) {
        slice_next(&rest, '\0', &paths[count++]);
    }
    *ret_paths = paths;
    *ret_count = count;
    return OK;
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
    struct record *record = find(files, RECORD_ENVIRONMENT, name);
    if (record == NULL && files->source == SOURCE_SYSTEM) {
        const char *value = look_up(name);
        struct record draft = { .kind = RECORD_ENVIRONMENT,
                                .key = name,
                                .number = value == NULL ? ENOENT : 0 };
        char *copy = value != NULL ? strdup(value) : NULL;
        draft.value = slice_from_string(copy);
        /* Without memory it counts as not set: a secret that is missing is an error of the configuration. */
        if ((value != NULL && copy == NULL) || failed(add(files, &draft, &record))) {
            free_value(files, draft.value);
            return false;
        }
    }
    if (record == NULL || record->number != 0) {
        return false;
    }
    *ret_value = record->value;
    return true;
}

static struct error write_all(int fd, const void *bytes, size_t size)
{
    const char *at = bytes;
    while (size > 0) {
        ssize_t written = write(fd, at, size);
        if (written < 0 && errno != EINTR) {
            return FAIL_ERRNO("cannot write the configuration bundle");
        }
        if (written > 0) {
            at += written;
            size -= (size_t)written;
        }
    }
    return OK;
}

static struct error write_records(const struct config_files *files, int fd)
{
    TRY(write_all(fd, bundle_magic, sizeof bundle_magic));
    for (const struct record *record = files->first; record != NULL; record = record->next) {
        struct record_header header = { (uint32_t)record->kind, record->number, record->key.len,
                                        record->value.len };
        TRY(write_all(fd, &header, sizeof header));
        TRY(write_all(fd, record->key.ptr, record->key.len));
        TRY(write_all(fd, record->value.ptr, record->value.len));
    }
    if (fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) != 0) {
        return FAIL_ERRNO("cannot seal the configuration bundle");
    }
    return OK;
}

struct error config_files_pack(const struct config_files *files, int *ret_fd)
{
    int fd = memfd_create("sallyport-configuration", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0) {
        return FAIL_ERRNO("cannot make the configuration bundle");
    }
    struct error error = write_records(files, fd);
    if (failed(error)) {
        close(fd);
        return error;
    }
    *ret_fd = fd;
    return OK;
}

/* Takes `size` bytes off the front. */
static bool take(struct slice *rest, uint64_t size, struct slice *ret_part)
{
    if (size > rest->len) {
        return false;
    }
    *ret_part = slice_part(*rest, 0, size);
    *rest = slice_from(*rest, size);
    return true;
}

static struct error read_records(struct config_files *files, struct slice rest)
{
    struct slice part;
    if (!take(&rest, sizeof bundle_magic, &part) ||
        !slice_equal(part, slice_of(bundle_magic, sizeof bundle_magic))) {
        return FAIL(ERROR_SYNTAX, "not a configuration bundle");
    }
    while (rest.len > 0) {
        struct record_header header;
        struct record draft = { 0 };
        if (!take(&rest, sizeof header, &part)) {
            return FAIL(ERROR_SYNTAX, "the configuration bundle is cut off");
        }
        memcpy(&header, part.ptr, sizeof header);
        if (header.kind >= RECORD_KINDS || header.number < 0 || !take(&rest, header.key_size, &draft.key) ||
            !take(&rest, header.value_size, &draft.value)) {
            return FAIL(ERROR_SYNTAX, "the configuration bundle is cut off");
        }
        draft.kind = (enum record_kind)header.kind;
        draft.number = header.number;
        TRY(add(files, &draft, NULL));
    }
    return OK;
}

static struct error open_mapping(int fd, struct config_files *files)
{
    /* Without the seals, a writer could change the bytes after they were checked, or cut them off under the mapping. */
    int seals = fcntl(fd, F_GET_SEALS);
    if (seals < 0 || (seals & (F_SEAL_SHRINK | F_SEAL_WRITE)) != (F_SEAL_SHRINK | F_SEAL_WRITE)) {
        return FAIL(ERROR_VALUE, "the configuration bundle is not sealed");
    }
    struct stat status;
    if (fstat(fd, &status) != 0) {
        return FAIL_ERRNO("cannot read the configuration bundle");
    }
    void *mapping = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (mapping == MAP_FAILED) {
        return FAIL_ERRNO("cannot map the configuration bundle");
    }
    files->mapping = mapping;
    files->mapping_size = (size_t)status.st_size;
    return read_records(files, slice_of(mapping, files->mapping_size));
}

struct error config_files_open(int fd, struct config_files **ret_files)
{
    struct config_files *files = NULL;
    TRY(files_new(SOURCE_BUNDLE, &files));
    struct error error = open_mapping(fd, files);
    if (failed(error)) {
        config_files_free(files);
        return error;
    }
    *ret_files = files;
    return OK;
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
    const struct record *known = find(files, RECORD_FILE, path);
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
