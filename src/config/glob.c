#include "config/record.h"

#include <fnmatch.h>
#include <glob.h>
#include <stdlib.h>

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
    char *name = record_path(pattern);
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
    char *name = record_path(pattern);
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
    struct error error = record_add(files, &draft, ret_record);
    if (failed(error)) {
        record_free_value(files, draft.value);
    }
    return error;
}

struct error config_files_glob(struct config_files *files, struct slice pattern, struct arena *arena,
                               struct slice **ret_paths, size_t *ret_count)
{
    struct record *record = record_find(files, RECORD_GLOB, pattern);
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
