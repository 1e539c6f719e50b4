/* What a kind of store gives: one row per kind, and nothing else knows which it is. Private to src/store. */
#ifndef SALLYPORT_STORE_KEY_STORE_KIND_H
#define SALLYPORT_STORE_KEY_STORE_KIND_H

#include "store/key_store.h"

struct key_store_kind {
    const char *name;
    struct error (*open)(const struct key_store_options *options, struct key_store **ret_store);
    void (*close)(struct key_store *store);
    bool (*is_current)(const struct key_store *store);
    struct error (*find)(struct key_store *store, const unsigned char digest[KEY_RECORD_DIGEST],
                         key_store_visit *visit, void *context, bool *ret_found);
    struct error (*get)(struct key_store *store, struct slice id, key_store_visit *visit, void *context,
                        bool *ret_found);
    struct error (*list)(struct key_store *store, struct slice consumer, key_store_visit *visit,
                         void *context);
    struct error (*list_after)(struct key_store *store, struct slice consumer, uint64_t after,
                               key_store_visit *visit, void *context);
    struct error (*look)(struct key_store *store, struct key_store_state *out);
    struct error (*changes)(struct key_store *store, uint64_t sequence, key_store_visit *visit,
                            void *context);
    struct error (*add)(struct key_store *store, const struct key_record *records, size_t count);
    struct error (*rotate)(struct key_store *store, struct slice id, int64_t now, int64_t expires,
                           const struct key_record *successor);
    struct error (*revoke)(struct key_store *store, struct slice id, int64_t when);
    struct error (*expire)(struct key_store *store, struct slice id, int64_t when);
    void (*touch)(struct key_store *store, uint64_t number, const unsigned char digest[KEY_RECORD_DIGEST],
                  int64_t when);
    /* Of databases; NULL in files. */
    struct error (*find_any)(struct key_store *store, const unsigned char (*digests)[KEY_RECORD_DIGEST],
                             size_t count, key_store_visit *visit, void *context);
    struct error (*note_uses)(struct key_store *store, const struct key_use *uses, size_t count);
    int (*fd)(const struct key_store *store);
    struct error (*hear)(struct key_store *store, bool *ret_changed);
};

/* The first member of every kind's own struct. */
struct key_store {
    const struct key_store_kind *kind;
};

extern const struct key_store_kind sqlite_key_store;
extern const struct key_store_kind postgres_key_store;

#endif
