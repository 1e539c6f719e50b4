/* The shared table: a directory of fingerprints, in sets of WAYS, and a cell for each place in it. Shared by the files of
 * this room. Lock-free; any thread, any process that maps it. */
#ifndef SALLYPORT_LIMIT_TABLE_H
#define SALLYPORT_LIMIT_TABLE_H

#include "base/hash.h"
#include "limit/state.h"

/* 16 fingerprints are two cache lines, which a processor fetches together. */
#define WAYS 16

/* The low byte of a directory word: 0 where the entry stands, else the number of an attempt to make it. Nobody charges an
 * entry that is being made. The low bits of the hash choose the set, so that little of it is lost by this. */
#define ATTEMPT_MASK UINT64_C(0xff)

struct limiter {
    _Atomic uint64_t magic; /* written last */
    uint64_t size;          /* of the whole memory */
    uint64_t sets;          /* a power of two */
    struct hash_key key;    /* in the table, since it must live as long as the fingerprints */
    _Alignas(64) _Atomic uint64_t evicted;
    _Atomic uint64_t attempts;
    _Alignas(64) _Atomic uint64_t directory[];
};

static inline struct cell *table_cells(struct limiter *limiter)
{
    return (struct cell *)(void *)&limiter->directory[limiter->sets * WAYS];
}

/* The hash of a rule and a key: what the other two take. */
uint64_t table_hash(const struct limiter *limiter, uint64_t identity, const void *key, size_t key_size);

/* place->cell is NULL where the key has no entry. */
void table_find(struct limiter *limiter, uint64_t hash, struct place *ret_place);

/* Finds the entry or makes one, at the cost of another where the set is full. False after too many attempts that others
 * have crossed. */
bool table_take(struct limiter *limiter, uint64_t hash, int64_t now, struct place *ret_place);

#endif
