/* Within the room: what files.c, glob.c and bundle.c share. */
#ifndef SALLYPORT_CONFIG_RECORD_H
#define SALLYPORT_CONFIG_RECORD_H

#include "base/limits.h"
#include "base/map.h"
#include "config/files.h"

#include <time.h>

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

struct error record_files_new(enum source source, struct config_files **ret_files) MUST_CHECK;

/* NULL where it is not recorded. */
struct record *record_find(const struct config_files *files, enum record_kind kind, struct slice key);

/* Takes draft->value (malloc'd, but for SOURCE_BUNDLE), on success only; the key is copied. `ret_record` may be NULL. */
struct error record_add(struct config_files *files, const struct record *draft,
                        struct record **ret_record) MUST_CHECK;

/* Wipes and frees: private keys and secrets are among the values. */
void record_free_value(const struct config_files *files, struct slice value);

/* A NUL-terminated copy on the heap; NULL with errno where there can be none. */
char *record_path(struct slice text);

#endif
