/* A set of API keys for tests, kept in a store of its own or in its settings. */
#ifndef SALLYPORT_TESTS_UNIT_AUTH_KEYS_H
#define SALLYPORT_TESTS_UNIT_AUTH_KEYS_H

#include "auth/api_key.h"
#include "auth/api_key_checker.h"
#include "base/clock.h"
#include "store_place.h"
#include "unit.h"

#include <fcntl.h>

#define PEPPER     "0123456789abcdef0123456789abcdef"
#define OLD_PEPPER "fedcba9876543210fedcba9876543210"

/* A key as its consumer has it, and as it is stored. */
struct made_key {
    char text[API_KEY_MAX];
    size_t len;
    char id[KEY_ID_SIZE];
    struct key_record record;
};

static inline struct slice key_text(const struct made_key *key)
{
    return slice_of(key->text, key->len);
}

static inline void make_key(struct made_key *key, const char *pepper)
{
    struct api_pepper made;
    memset(key, 0, sizeof *key);
    key->len = api_key_make(SLICE("sallyport"), key->text);
    key_id_make(key->id);
    key->record = (struct key_record){
        .id = slice_of(key->id, sizeof key->id),
        .pepper_id = SLICE("p1"),
        .consumer = SLICE("acme"),
        .description = SLICE(""),
        .scopes = SLICE("write read read"),
        .tags = SLICE("gold eu"),
        .replaces = SLICE(""),
        .created = 1000,
    };
    assert_true(api_pepper_init(&made, slice_from_string(pepper)));
    assert_true(api_key_digest(&made, key_text(key), key->record.digest));
}

static inline void store_key(struct key_store *store, struct made_key *key)
{
    make_key(key, PEPPER);
    assert_ok(key_store_add(store, &key->record, 1));
}

#endif
