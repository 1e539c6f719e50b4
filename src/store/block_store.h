/* Where blocks are kept: who and what is refused, until when, why, and who said so. A file of SQLite of its own, for a gateway without
 * API keys needs it too.
 *
 * It may be written by several processes at once, and is read by gateways that may not write to it. Each change gives its row
 * the next sequence number of the store, so that who has seen all up to N learns what came after. What was removed or has
 * expired stays, to be told, for BLOCK_STORE_KEEP, and is dropped by a later change.
 *
 * A store that was opened belongs to one thread at a time, and blocks: never on a worker. Times are seconds since 1970; 0: never. */
#ifndef SALLYPORT_STORE_BLOCK_STORE_H
#define SALLYPORT_STORE_BLOCK_STORE_H

#include "base/error.h"
#include "base/slice.h"

#include <sys/types.h>

#define BLOCK_STORE_TEXT 512                   /* bytes of each of its texts */
#define BLOCK_STORE_KEEP (90 * INT64_C(86400)) /* seconds */

/* The store takes kind, issuer and value as they are: block/kind.h makes them what they are to be. */
struct block_record {
    uint64_t number;     /* given by the store, from 1, never again */
    uint64_t sequence;   /* of its last change; given by the store */
    struct slice kind;   /* a name of block/kind.h */
    struct slice issuer; /* whose value it is; empty: nobody's */
    struct slice value;
    struct slice reason; /* for operators */
    struct slice by;     /* who said so */
    int64_t created;
    int64_t expires;
    int64_t removed; /* and then by whom, and why */
    struct slice removed_by, removal_reason;
};

/* Slices are good during the call. False: enough. */
typedef bool block_store_visit(void *context, const struct block_record *record);

enum block_store_access {
    BLOCK_STORE_READ,
    BLOCK_STORE_WRITE,
    BLOCK_STORE_CREATE, /* and makes it where it is not there */
};

struct block_store_options {
    const char *path; /* of the file */
    enum block_store_access access;
    gid_t group;       /* of a file that is made, which it may read; (gid_t)-1: this process's */
    bool group_writes; /* and write: where the gateway itself changes blocks (the admin API) */
    int busy_ms;       /* how long to wait for another process that writes */
};

struct block_store;

/* What failed is told so that one can act on it: no file, no right to it, no block store, damaged, written by a newer version,
 * locked. */
struct error block_store_open(const struct block_store_options *options,
                              struct block_store **ret_store) MUST_CHECK;
void block_store_close(struct block_store *store);

/* Is the file still the one that was opened? Else it was moved away or replaced, and is to be opened anew. */
bool block_store_is_current(const struct block_store *store);

/* Where a store is. Another identity, or a sequence that is lower than before: another store, or an older state of this one. */
#define BLOCK_STORE_IDENTITY 32 /* characters */
struct block_store_state {
    char identity[BLOCK_STORE_IDENTITY]; /* drawn when it was made */
    uint64_t sequence;                   /* the last one given */
};
struct error block_store_look(struct block_store *store, struct block_store_state *out) MUST_CHECK;

/* Those that were not removed, expired ones included, in the order in which they were made; `all`: the others, too. */
struct error block_store_list(struct block_store *store, bool all, block_store_visit *visit,
                              void *context) MUST_CHECK;
/* What changed after `sequence`, in the order of the last changes: what is there, and what was removed. */
struct error block_store_changes(struct block_store *store, uint64_t sequence, block_store_visit *visit,
                                 void *context) MUST_CHECK;

/* Adds one, of which kind, issuer, value, reason, by, created and expires are read. One of the same kind, issuer and value gives
 * way to it. ERROR_LIMIT: there are as many as there may be (BLOCKS_MAX). */
struct error block_store_add(struct block_store *store, const struct block_record *record,
                             uint64_t *ret_number) MUST_CHECK;

/* Removes the one of this number (0: of this kind, issuer and value); removed, removed_by and removal_reason are read.
 * ERROR_VALUE with the number 0: there is none; of a store that is damaged it is another number. */
struct error block_store_remove(struct block_store *store, const struct block_record *record) MUST_CHECK;

#endif
