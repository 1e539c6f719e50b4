/* Records for a key store. */
#ifndef SALLYPORT_TESTS_UNIT_STORE_H
#define SALLYPORT_TESTS_UNIT_STORE_H

#include "store_place.h"

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
