/* The shared table: entries in sets of WAYS, and a cell for each of them. Shared by the files of this room. Lock-free; any
 * thread, any process that maps it. */
#ifndef SALLYPORT_LIMIT_TABLE_H
#define SALLYPORT_LIMIT_TABLE_H

#include "base/hash.h"
#include "limit/state.h"

/* A set is four cache lines. A key has one of them where it is looked for, and put, first. */
#define WAYS          16
#define WAYS_PER_LINE 4

/* Counters of displacements by prefix. Prefixes that share one only become a crowd sooner: each still has its own count. */
#define CROWDS 1024

/* The low byte of a directory word: 0 where the entry stands, else the number of an attempt to make it. Nobody charges an
 * entry that is being made. The low bits of the hash choose the set, so that little of it is lost by this. */
#define ATTEMPT_MASK UINT64_C(0xff)

struct limiter {
    _Atomic uint64_t magic; /* written last */
    uint64_t size;          /* of the whole memory */
    uint64_t sets;          /* a power of two */
    struct hash_key key;    /* in the table, since it must live as long as the fingerprints */
    _Alignas(64) _Atomic uint64_t displaced;
    _Atomic uint64_t attempts;
    _Atomic uint64_t gathered;
    _Alignas(64) _Atomic uint64_t
        crowds[CROWDS]; /* GCRA: when the prefix's allowance of displacements is full again */
    _Alignas(64) struct entry entries[];
};

static inline struct cell *table_cells(struct limiter *limiter)
{
    return (struct cell *)(void *)&limiter->entries[limiter->sets * WAYS];
}

/* The hash of a rule and a key, as one text: what the others take. */
uint64_t table_hash(const struct limiter *limiter, uint64_t identity, const void *key, size_t key_size);

/* The counter of a prefix. */
_Atomic uint64_t *table_crowd(struct limiter *limiter, const void *prefix, size_t prefix_size);

/* Entries in use; goes through the whole table. */
size_t table_used(const struct limiter *limiter);

/* Begins to bring near what the key's entry is looked for in. */
void table_prefetch(const struct limiter *limiter, uint64_t hash);

/* place->entry is NULL where the key has none. */
void table_find(struct limiter *limiter, uint64_t hash, struct place *ret_place);

enum table_result {
    TABLE_TAKEN,
    TABLE_CROWDED, /* it would have to displace another, of which its crowd has displaced enough: nothing was made */
    TABLE_CROSSED, /* too many attempts that others have crossed */
};

/* Finds the entry or makes one, at the cost of another where the set is full. `crowd`: of the key's prefix, or NULL. */
enum table_result table_take(struct limiter *limiter, uint64_t hash, _Atomic uint64_t *crowd, int64_t now,
                             struct place *ret_place);

#endif
