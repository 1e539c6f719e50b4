/* Key sets on a disk (`jwks_cache`): each one that is fetched is kept, and one that an issuer has kept is taken where it has no keys
 * yet, as at a start while its provider is down. A file for each issuer, NAME.jwks, which auth/jwks_record.h describes.
 *
 * Whoever can write there makes tokens. So a record is taken only where nobody but this process's user, or root, can have
 * written it: the directory and the file are theirs, nobody else may write to them, and the file is a regular one of
 * one name. It is taken for no other issuer, no other key source, and no longer than `jwks_stale` after it was fetched.
 *
 * Control thread. Writing is the thread pool's, one record at a time, and each is whole or not there (written apart, synced,
 * renamed). Reading blocks: of a local disk, at a start or a reload. */
#ifndef SALLYPORT_GATEWAY_KEY_CACHE_H
#define SALLYPORT_GATEWAY_KEY_CACHE_H

#include "auth/key_source.h"
#include "base/error.h"
#include "net/loop.h"

struct key_cache;

struct error key_cache_new(struct net_loop *loop, struct key_cache **ret_cache) MUST_CHECK;
/* What is being written is written; what waits for that is not. The loop must run until it is. NULL is fine. */
void key_cache_free(struct key_cache *cache);

/* Where from now on; empty: nowhere. Copied. False: no memory, and nowhere. */
bool key_cache_set(struct key_cache *cache, struct slice directory);

/* A key set that was fetched just now. Copied. */
void key_cache_keep(struct key_cache *cache, const struct key_document *document);
/* Gives every issuer that has no keys those that were kept, and logs it: `keys_restored`, or why not: `keys_not_restored`. */
void key_cache_restore(struct key_cache *cache, struct key_source *keys);

#endif
