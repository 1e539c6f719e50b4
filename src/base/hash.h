/* SipHash-1-3 (Aumasson, Bernstein) under a key drawn at process start, for hash tables of client-controlled keys.
 * Not a MAC: for tags use OpenSSL. Any thread. */
#ifndef SALLYPORT_BASE_HASH_H
#define SALLYPORT_BASE_HASH_H

#include "base/slice.h"

struct hash_key {
    uint64_t words[2];
};

/* 64-bit keyed hash. */
uint64_t hash_keyed(const struct hash_key *key, const void *data, size_t size);

/* Of the eight bytes of `word`, the lowest first, and the data behind them. */
uint64_t hash_keyed_behind(const struct hash_key *key, uint64_t word, const void *data, size_t size);

/* Under the process's own key, drawn from the system's random generator before the first use. */
uint64_t hash_bytes(const void *data, size_t size);

#endif
