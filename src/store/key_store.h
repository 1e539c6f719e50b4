/* Where API keys are kept: their digests, whose they are and what they may do. Never a key itself.
 *
 * A store is one row of functions (store/key_store_kind.h): a file of SQLite, or a database of PostgreSQL that many gateways share.
 * It may be written by several processes at once
 * and is read by gateways that may not write to it. Each change of a key gives it the next sequence number of the store, so
 * that who has seen all up to N learns what came after; no key is ever deleted.
 *
 * A store that was opened belongs to one thread at a time, and blocks: never on a loop. Times are seconds since 1970; 0: never. */
#ifndef SALLYPORT_STORE_KEY_STORE_H
#define SALLYPORT_STORE_KEY_STORE_H

#include "base/error.h"
#include "base/slice.h"

#include <stdatomic.h>
#include <sys/types.h>

#define KEY_RECORD_DIGEST 32  /* bytes: HMAC-SHA-256 */
#define KEY_RECORD_TEXT   512 /* bytes of each of its texts */

struct key_record {
    uint64_t number;   /* given by the store, from 1, never again */
    uint64_t sequence; /* of its last change; given by the store */
    struct slice id;   /* what it is called in public: no part of the key */
    unsigned char digest[KEY_RECORD_DIGEST];
    struct slice pepper_id; /* which pepper the digest was made with */
    struct slice consumer;  /* who uses it */
    struct slice description;
    struct slice scopes, tags; /* names, each followed by one space but for the last */
    int64_t limit_count;       /* requests in any limit_window; 0: none of its own */
    int64_t limit_window;      /* ns */
    int64_t created;
    int64_t expires;
    int64_t revoked;
    int64_t superseded;    /* another took its place: a use of it from then on is to be reported */
    struct slice replaces; /* the id of the one whose place it took; empty: none */
    int64_t used;          /* about when it was last used; in what is read only */
};

/* Slices are good during the call. False: enough. */
typedef bool key_store_visit(void *context, const struct key_record *record);

enum key_store_access {
    KEY_STORE_READ,
    KEY_STORE_WRITE,
    KEY_STORE_CREATE, /* and makes it where it is not there */
};

struct postgres_place;

struct key_store_options {
    const char *path;                   /* of the file */
    const struct postgres_place *place; /* instead: of the database; it lives as long as the store */
    enum key_store_access access;
    gid_t group;       /* of a file that is made, which it may read; (gid_t)-1: this process's */
    bool group_writes; /* and write: where the gateway itself changes keys (the admin API) */
    int busy_ms;       /* how long to wait for another process that writes */
    int used_fd; /* where last uses are noted, open for reading and writing; -1: opened here, for reading */
    /* Of a database: */
    int answer_ms;    /* how long an answer is waited for; 0: as long as the place says */
    int64_t deadline; /* monotonic ns, of all that is done with it, opening included; 0: none */
    const atomic_bool
        *stop; /* waiting ends within a tenth of a second once it is true; NULL: nobody asks for that */
};

/* Behind a store's path: where last uses are noted. */
#define KEY_STORE_USED "-used"

struct key_store;

/* What failed is told so that one can act on it: no file, no right to it, no key store, damaged, written by a newer version,
 * locked. */
struct error key_store_open(const struct key_store_options *options, struct key_store **ret_store) MUST_CHECK;
void key_store_close(struct key_store *store);

/* Is the file still the one that was opened, is the connection sound? Else it is to be opened anew. */
bool key_store_is_current(const struct key_store *store);

/* The key with this digest, or this id. `*ret_found` is false, and nothing visited, where there is none. */
struct error key_store_find(struct key_store *store, const unsigned char digest[KEY_RECORD_DIGEST],
                            key_store_visit *visit, void *context, bool *ret_found) MUST_CHECK;
struct error key_store_get(struct key_store *store, struct slice id, key_store_visit *visit, void *context,
                           bool *ret_found) MUST_CHECK;

/* All keys in the order in which they were made; `consumer` empty: of all. */
struct error key_store_list(struct key_store *store, struct slice consumer, key_store_visit *visit,
                            void *context) MUST_CHECK;
/* The same from the first one whose number is above `after`: page by page. Of a database a few are asked for at a time. */
struct error key_store_list_after(struct key_store *store, struct slice consumer, uint64_t after,
                                  key_store_visit *visit, void *context) MUST_CHECK;

/* Where a store is. Another identity, or a sequence that is lower than before: another store, or an older state of this one, stands
 * here now, and what was known says nothing about it. */
#define KEY_STORE_IDENTITY 32 /* characters */
struct key_store_state {
    char identity[KEY_STORE_IDENTITY]; /* drawn when it was made */
    uint64_t sequence;                 /* the last one given */
};
struct error key_store_look(struct key_store *store, struct key_store_state *out) MUST_CHECK;
/* The keys that changed after `sequence`, in the order of their last changes; of a database the first 10000. */
struct error key_store_changes(struct key_store *store, uint64_t sequence, key_store_visit *visit,
                               void *context) MUST_CHECK;

/* What is asked for in vain is ERROR_VALUE with the number 0; of a store that is damaged it is another number.
 *
 * Adds keys, all or none. ERROR_VALUE: one of this id or digest is there already. */
struct error key_store_add(struct key_store *store, const struct key_record *records,
                           size_t count) MUST_CHECK;
/* Adds `successor` and ends the key `id`, at `expires` at the latest; both or neither. ERROR_VALUE: there is no such key, or it is revoked. */
struct error key_store_rotate(struct key_store *store, struct slice id, int64_t now, int64_t expires,
                              const struct key_record *successor) MUST_CHECK;
/* ERROR_VALUE: there is no such key. Revoking is for ever: one that is revoked already keeps its time. */
struct error key_store_revoke(struct key_store *store, struct slice id, int64_t when) MUST_CHECK;
struct error key_store_expire(struct key_store *store, struct slice id, int64_t when) MUST_CHECK;

/* Notes that a key was used; never blocks for another writer, and may be lost. Needs used_fd; of files only. */
void key_store_touch(struct key_store *store, uint64_t number, const unsigned char digest[KEY_RECORD_DIGEST],
                     int64_t when);

/* ---- databases only: asking takes a while, so that much is asked at once ---- */

#define KEY_STORE_BATCH 256  /* digests in a question */
#define KEY_STORE_USES  1024 /* uses in a note */

/* The keys that have one of these digests, in no order; which one, their own tells. */
struct error key_store_find_any(struct key_store *store, const unsigned char (*digests)[KEY_RECORD_DIGEST],
                                size_t count, key_store_visit *visit, void *context) MUST_CHECK;

struct key_use {
    uint64_t number;
    int64_t when;
};
struct error key_store_note_uses(struct key_store *store, const struct key_use *uses,
                                 size_t count) MUST_CHECK;

/* Readable when the database has something to say; it may be another one after any call. */
int key_store_fd(const struct key_store *store);
/* Reads that. `*ret_changed`: keys have changed. */
struct error key_store_hear(struct key_store *store, bool *ret_changed) MUST_CHECK;

/* A new id: 16 hexadecimal characters. */
#define KEY_ID_SIZE 16
void key_id_make(char out[KEY_ID_SIZE]);

#endif
