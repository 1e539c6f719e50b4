/* All blocks in force, compiled: what a worker asks for each request. Immutable once sealed; counted by whoever holds it, on any
 * thread. What is asked for costs one hash and one look-up, whatever number of blocks there is; where there are none of a kind,
 * one comparison. No lock, no allocation. */
#ifndef SALLYPORT_BLOCK_SET_H
#define SALLYPORT_BLOCK_SET_H

#include "base/error.h"
#include "block/kind.h"

/* A keyed fingerprint of 128 bits (SipHash under two keys of this process): two targets are one where their marks are. So what lives
 * long keeps its marks and no texts. */
struct block_mark {
    uint64_t words[2];
};

/* `value` as a request has it: of tokens and certificates the 32 bytes of the digest, of serial numbers as in tls/tls.h; not of
 * addresses. Pure. */
struct block_mark block_mark_of(enum block_kind kind, struct slice issuer, struct slice value);

enum block_origin {
    BLOCK_OF_STORE,
    BLOCK_OF_FILE,
};

struct block_entry {
    struct block_mark mark;
    enum block_kind kind;
    enum block_origin origin;
    struct slice name; /* its number in the store, or its name in the file */
    struct slice issuer, value, reason, by;
    int64_t expires; /* seconds since 1970; 0: never */
};

struct block_set;

/* Empty, held once, to be filled by its maker and sealed. */
struct error block_set_new(struct block_set **ret_set) MUST_CHECK;
/* Copies. Expired ones are left out. ERROR_VALUE: it is none that this program knows, ERROR_LIMIT: too many. */
struct error block_set_add(struct block_set *set, const struct block_record *record, struct slice name,
                           enum block_origin origin, int64_t now) MUST_CHECK;
/* An address in it is blocked by no address block. */
struct error block_set_exempt(struct block_set *set, const struct address_prefix *prefix) MUST_CHECK;
/* Of two that block the same, the one that holds for longer counts. */
struct error block_set_seal(struct block_set *set) MUST_CHECK;

struct block_set *block_set_ref(struct block_set *set);
void block_set_unref(struct block_set *set);

/* Of sealed ones, which may be NULL: none. */
bool block_set_has(const struct block_set *set, enum block_kind kind);
bool block_set_is_empty(const struct block_set *set);

/* The block in force that meets it, or NULL. `now`: seconds since 1970. */
const struct block_entry *block_set_find(const struct block_set *set, const struct block_mark *mark,
                                         int64_t now);
const struct block_entry *block_set_find_address(const struct block_set *set, const struct address *address,
                                                 int64_t now);

/* All of them, in no order; `*position` starts at 0, NULL ends. Expired ones are among them. */
const struct block_entry *block_set_next(const struct block_set *set, size_t *position);

static inline bool block_entry_holds(const struct block_entry *entry, int64_t now)
{
    return entry->expires == 0 || entry->expires > now;
}

#endif
