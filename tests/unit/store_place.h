/* A directory for the files of one test, and a key store in it. */
#ifndef SALLYPORT_TESTS_UNIT_STORE_PLACE_H
#define SALLYPORT_TESTS_UNIT_STORE_PLACE_H

#include "store/key_store.h"
#include "unit.h"

#include <ftw.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

static char the_directory[64];
static char the_path[128];

static inline int remove_entry(const char *path, const struct stat *status, int type, struct FTW *at)
{
    (void)status;
    (void)type;
    (void)at;
    return remove(path);
}

static inline int make_directory(void **state)
{
    (void)state;
    strcpy(the_directory, "/tmp/sallyport-store-XXXXXX"); /* NOLINT: it fits */
    assert_non_null(mkdtemp(the_directory));
    chmod(the_directory, 0755);
    snprintf(the_path, sizeof the_path, "%s/keys.sqlite", the_directory);
    return 0;
}

static inline int remove_directory(void **state)
{
    (void)state;
    return nftw(the_directory, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

static inline struct error open_as(enum key_store_access access, int busy_ms, struct key_store **ret_store)
{
    struct key_store_options options = {
        .path = the_path, .access = access, .group = (gid_t)-1, .busy_ms = busy_ms, .used_fd = -1
    };
    return key_store_open(&options, ret_store);
}

static inline struct key_store *open_store(enum key_store_access access)
{
    struct key_store *store = NULL;
    assert_ok(open_as(access, 2000, &store));
    return store;
}

#endif
