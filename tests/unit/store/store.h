/* A directory for the files of one test, and a store in it. */
#ifndef SALLYPORT_TESTS_UNIT_STORE_H
#define SALLYPORT_TESTS_UNIT_STORE_H

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

/* Digests and ids that are spread as real ones are. */
static inline void number_digest(uint64_t number, unsigned char out[KEY_RECORD_DIGEST])
{
    for (size_t i = 0; i < KEY_RECORD_DIGEST / 8; i++) {
        uint64_t word = (number + 1) * 0x9e3779b97f4a7c15 + i * 0xbf58476d1ce4e5b9;
        word ^= word >> 31;
        word *= 0x94d049bb133111eb;
        word ^= word >> 29;
        memcpy(out + i * 8, &word, sizeof word);
    }
}

/* `id` has room for 17 bytes and lives as long as the record. */
static inline struct key_record number_record(uint64_t number, char id[17])
{
    snprintf(id, 17, "%016llx", (unsigned long long)number);
    struct key_record record = {
        .id = slice_of(id, 16),
        .pepper_id = SLICE("p1"),
        .consumer = SLICE("orders-batch"),
        .description = SLICE("nightly"),
        .scopes = SLICE("read write"),
        .tags = SLICE("gold"),
        .limit_count = 100,
        .limit_window = 60000000000,
        .created = 1000,
    };
    number_digest(number, record.digest);
    return record;
}

static inline void add_number(struct key_store *store, uint64_t number)
{
    char id[17];
    struct key_record record = number_record(number, id);
    assert_ok(key_store_add(store, &record, 1));
}

/* What a visit keeps; its texts are gone. */
struct seen {
    struct key_record last;
    char id[17], replaces[17];
    size_t count;
};

static inline bool see(void *context, const struct key_record *record)
{
    struct seen *seen = context;
    seen->last = *record;
    snprintf(seen->id, sizeof seen->id, "%.*s", SLICE_ARG(record->id));
    snprintf(seen->replaces, sizeof seen->replaces, "%.*s", SLICE_ARG(record->replaces));
    seen->count++;
    return true;
}

static inline bool find_number(struct key_store *store, uint64_t number, struct seen *seen)
{
    unsigned char digest[KEY_RECORD_DIGEST];
    bool found = false;
    number_digest(number, digest);
    *seen = (struct seen){ 0 };
    assert_ok(key_store_find(store, digest, see, seen, &found));
    assert_int_equal(found, seen->count == 1);
    return found;
}

#endif
