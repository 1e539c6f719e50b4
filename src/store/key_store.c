#include "store/key_store.h"

#include "base/encoding.h"
#include "base/random.h"
#include "store/key_store_kind.h"

struct error key_store_open(const struct key_store_options *options, struct key_store **ret_store)
{
    const struct key_store_kind *kind = options->place != NULL ? &postgres_key_store : &sqlite_key_store;
    TRY(kind->open(options, ret_store));
    (*ret_store)->kind = kind;
    return OK;
}

void key_store_close(struct key_store *store)
{
    if (store != NULL) {
        store->kind->close(store);
    }
}

bool key_store_is_current(const struct key_store *store)
{
    return store->kind->is_current(store);
}

struct error key_store_find(struct key_store *store, const unsigned char digest[KEY_RECORD_DIGEST],
                            key_store_visit *visit, void *context, bool *ret_found)
{
    return store->kind->find(store, digest, visit, context, ret_found);
}

struct error key_store_get(struct key_store *store, struct slice id, key_store_visit *visit, void *context,
                           bool *ret_found)
{
    return store->kind->get(store, id, visit, context, ret_found);
}

struct error key_store_list(struct key_store *store, struct slice consumer, key_store_visit *visit,
                            void *context)
{
    return store->kind->list(store, consumer, visit, context);
}

struct error key_store_list_after(struct key_store *store, struct slice consumer, uint64_t after,
                                  key_store_visit *visit, void *context)
{
    return store->kind->list_after(store, consumer, after, visit, context);
}

struct error key_store_look(struct key_store *store, struct key_store_state *out)
{
    return store->kind->look(store, out);
}

struct error key_store_changes(struct key_store *store, uint64_t sequence, key_store_visit *visit,
                               void *context)
{
    return store->kind->changes(store, sequence, visit, context);
}

struct error key_store_add(struct key_store *store, const struct key_record *records, size_t count)
{
    return store->kind->add(store, records, count);
}

struct error key_store_rotate(struct key_store *store, struct slice id, int64_t now, int64_t expires,
                              const struct key_record *successor)
{
    return store->kind->rotate(store, id, now, expires, successor);
}

struct error key_store_revoke(struct key_store *store, struct slice id, int64_t when)
{
    return store->kind->revoke(store, id, when);
}

struct error key_store_expire(struct key_store *store, struct slice id, int64_t when)
{
    return store->kind->expire(store, id, when);
}

void key_store_touch(struct key_store *store, uint64_t number, const unsigned char digest[KEY_RECORD_DIGEST],
                     int64_t when)
{
    if (store->kind->touch != NULL) {
        store->kind->touch(store, number, digest, when);
    }
}

struct error key_store_find_any(struct key_store *store, const unsigned char (*digests)[KEY_RECORD_DIGEST],
                                size_t count, key_store_visit *visit, void *context)
{
    return store->kind->find_any(store, digests, count, visit, context);
}

struct error key_store_note_uses(struct key_store *store, const struct key_use *uses, size_t count)
{
    return store->kind->note_uses(store, uses, count);
}

int key_store_fd(const struct key_store *store)
{
    return store->kind->fd(store);
}

struct error key_store_hear(struct key_store *store, bool *ret_changed)
{
    return store->kind->hear(store, ret_changed);
}

void key_id_make(char out[KEY_ID_SIZE])
{
    unsigned char bytes[KEY_ID_SIZE / 2];
    random_bytes(bytes, sizeof bytes);
    hex_encode(bytes, sizeof bytes, out);
}
