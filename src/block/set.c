#include "block/set.h"

#include "base/arena.h"
#include "base/hash.h"
#include "base/limits.h"
#include "base/random.h"

#include <stdatomic.h>
#include <stdlib.h>

#define BITS_MAX   129 /* lengths that a prefix may have */
#define EXEMPT_MAX 256

struct block_set {
    atomic_uint references;
    struct arena arena; /* of the texts */
    struct block_entry *entries;
    size_t count, room;
    uint32_t *table; /* index + 1 of an entry; 0: free. At most half of it is full */
    size_t mask;
    size_t of_kind[BLOCK_KIND_COUNT];
    unsigned char bits[BITS_MAX]; /* lengths of prefixes that there are */
    size_t bit_count;
    struct address_prefix exempt[EXEMPT_MAX];
    size_t exempt_count;
};

/* ---- marks ---- */

static struct hash_key mark_keys[2];

/* Before main, as the key of base/hash.c. */
__attribute__((constructor)) static void draw_mark_keys(void)
{
    random_bytes(mark_keys, sizeof mark_keys);
}

struct block_mark block_mark_of(enum block_kind kind, struct slice issuer, struct slice value)
{
    struct block_mark mark;
    for (size_t i = 0; i < 2; i++) {
        uint64_t word = (uint64_t)kind;
        if (issuer.len > 0) {
            word = hash_keyed_behind(&mark_keys[i], word, issuer.ptr, issuer.len);
        }
        mark.words[i] = hash_keyed_behind(&mark_keys[i], word, value.ptr, value.len);
    }
    return mark;
}

/* The first `bits` of it, and how many they are. */
static struct block_mark mark_of_prefix(const struct address *address, unsigned int bits)
{
    char value[sizeof address->bytes + 1] = { 0 };
    memcpy(value, address->bytes, bits / 8);
    if (bits % 8 != 0) {
        value[bits / 8] = (char)(address->bytes[bits / 8] & (0xff << (8 - bits % 8)));
    }
    value[sizeof value - 1] = (char)bits;
    return block_mark_of(BLOCK_ADDRESS, SLICE_NONE, slice_of(value, sizeof value));
}

static struct block_mark mark_of_target(const struct block_target *target)
{
    switch (target->kind) {
    case BLOCK_ADDRESS:
        return mark_of_prefix(&target->prefix.address, target->prefix.bits);
    case BLOCK_CERTIFICATE:
    case BLOCK_TOKEN:
        return block_mark_of(target->kind, target->issuer,
                             slice_of((const char *)target->digest, sizeof target->digest));
    default:
        return block_mark_of(target->kind, target->issuer, target->value);
    }
}

static bool is_same(const struct block_mark *a, const struct block_mark *b)
{
    return a->words[0] == b->words[0] && a->words[1] == b->words[1];
}

/* ---- making one ---- */

static const struct error no_memory = { ERROR_MEMORY, 0, "no memory for blocks", ERROR_SOURCE_HERE };

struct error block_set_new(struct block_set **ret_set)
{
    struct block_set *set = calloc(1, sizeof *set);
    if (set == NULL) {
        return no_memory;
    }
    atomic_init(&set->references, 1);
    arena_init(&set->arena, BLOCKS_MEMORY_MAX);
    *ret_set = set;
    return OK;
}

static struct error make_room(struct block_set *set)
{
    if (set->count < set->room) {
        return OK;
    }
    if (set->count >= 2 * BLOCKS_MAX) { /* of the store and of the file */
        return FAIL(ERROR_LIMIT, "too many blocks");
    }
    size_t room = set->room > 0 ? 2 * set->room : 16;
    struct block_entry *entries = realloc(set->entries, room * sizeof *entries);
    if (entries == NULL) {
        return no_memory;
    }
    set->entries = entries;
    set->room = room;
    return OK;
}

static void note_bits(struct block_set *set, unsigned int bits)
{
    for (size_t i = 0; i < set->bit_count; i++) {
        if (set->bits[i] == bits) {
            return;
        }
    }
    set->bits[set->bit_count++] = (unsigned char)bits;
}

struct error block_set_add(struct block_set *set, const struct block_record *record, struct slice name,
                           enum block_origin origin, int64_t now)
{
    enum block_kind kind;
    struct block_target target;
    if (!block_kind_find(record->kind, &kind) ||
        block_target_read(kind, record->issuer, record->value, &target) != NULL) {
        return FAIL(ERROR_VALUE, "a block that this version does not know");
    }
    if (record->expires > 0 && record->expires <= now) {
        return OK;
    }
    TRY(make_room(set));
    struct arena *arena = &set->arena;
    struct block_entry entry = {
        .mark = mark_of_target(&target),
        .kind = kind,
        .origin = origin,
        .name = arena_copy(arena, name),
        .issuer = arena_copy(arena, target.issuer),
        .value = arena_copy(arena, target.value),
        .reason = arena_copy(arena, record->reason),
        .by = arena_copy(arena, record->by),
        .expires = record->expires,
    };
    if (entry.name.ptr == NULL || entry.issuer.ptr == NULL || entry.value.ptr == NULL ||
        entry.reason.ptr == NULL || entry.by.ptr == NULL) {
        return no_memory;
    }
    if (kind == BLOCK_ADDRESS) {
        note_bits(set, target.prefix.bits);
    }
    set->entries[set->count++] = entry;
    return OK;
}

struct error block_set_exempt(struct block_set *set, const struct address_prefix *prefix)
{
    if (set->exempt_count == EXEMPT_MAX) {
        return FAIL(ERROR_LIMIT, "too many exempt networks");
    }
    set->exempt[set->exempt_count++] = *prefix;
    return OK;
}

static bool holds_longer(const struct block_entry *a, const struct block_entry *b)
{
    return b->expires != 0 && (a->expires == 0 || a->expires > b->expires);
}

static uint32_t *place_of(const struct block_set *set, const struct block_mark *mark)
{
    size_t at = mark->words[0] & set->mask;
    while (set->table[at] != 0 && !is_same(&set->entries[set->table[at] - 1].mark, mark)) {
        at = (at + 1) & set->mask;
    }
    return &set->table[at];
}

struct error block_set_seal(struct block_set *set)
{
    size_t size = 16;
    while (size < 2 * set->count) {
        size *= 2;
    }
    set->table = calloc(size, sizeof *set->table);
    if (set->table == NULL) {
        return no_memory;
    }
    set->mask = size - 1;
    size_t kept = 0;
    for (size_t i = 0; i < set->count; i++) {
        const struct block_entry entry = set->entries[i];
        uint32_t *place = place_of(set, &entry.mark);
        if (*place == 0) {
            set->entries[kept] = entry;
            *place = (uint32_t)++kept;
            set->of_kind[entry.kind]++;
        } else if (holds_longer(&entry, &set->entries[*place - 1])) {
            set->entries[*place - 1] = entry;
        }
    }
    set->count = kept;
    return OK;
}

struct block_set *block_set_ref(struct block_set *set)
{
    if (set != NULL) {
        atomic_fetch_add_explicit(&set->references, 1, memory_order_relaxed);
    }
    return set;
}

void block_set_unref(struct block_set *set)
{
    if (set == NULL || atomic_fetch_sub_explicit(&set->references, 1, memory_order_acq_rel) > 1) {
        return;
    }
    arena_done(&set->arena);
    free(set->entries);
    free(set->table);
    free(set);
}

/* ---- asking ---- */

bool block_set_has(const struct block_set *set, enum block_kind kind)
{
    return set != NULL && set->of_kind[kind] > 0;
}

bool block_set_is_empty(const struct block_set *set)
{
    return set == NULL || set->count == 0;
}

const struct block_entry *block_set_find(const struct block_set *set, const struct block_mark *mark,
                                         int64_t now)
{
    if (block_set_is_empty(set)) {
        return NULL;
    }
    uint32_t place = *place_of(set, mark);
    const struct block_entry *entry = place != 0 ? &set->entries[place - 1] : NULL;
    return entry != NULL && block_entry_holds(entry, now) ? entry : NULL;
}

static bool is_exempt(const struct block_set *set, const struct address *address)
{
    for (size_t i = 0; i < set->exempt_count; i++) {
        if (address_in_prefix(address, &set->exempt[i])) {
            return true;
        }
    }
    return false;
}

/* One look-up for each length of prefix that there is. */
const struct block_entry *block_set_find_address(const struct block_set *set, const struct address *address,
                                                 int64_t now)
{
    if (!block_set_has(set, BLOCK_ADDRESS) || address_is_none(address)) {
        return NULL;
    }
    for (size_t i = 0; i < set->bit_count; i++) {
        struct block_mark mark = mark_of_prefix(address, set->bits[i]);
        const struct block_entry *entry = block_set_find(set, &mark, now);
        if (entry != NULL && !is_exempt(set, address)) {
            return entry;
        }
    }
    return NULL;
}

const struct block_entry *block_set_next(const struct block_set *set, size_t *position)
{
    return set != NULL && *position < set->count ? &set->entries[(*position)++] : NULL;
}
