#include "block/stored.h"

#include "base/arena.h"
#include "base/limits.h"

#include <stdio.h>
#include <stdlib.h>

struct block_stored {
    struct block_store_state state;
    struct arena arena; /* of the texts */
    struct block_record *records;
    size_t count, room;
    bool short_of_memory, too_many;
};

static bool make_room(struct block_stored *stored)
{
    if (stored->count < stored->room) {
        return true;
    }
    size_t room = stored->room > 0 ? 2 * stored->room : 16;
    struct block_record *records = realloc(stored->records, room * sizeof *records);
    if (records == NULL) {
        return false;
    }
    stored->records = records;
    stored->room = room;
    return true;
}

static bool keep(void *context, const struct block_record *record)
{
    struct block_stored *stored = context;
    stored->too_many = stored->count == BLOCKS_MAX;
    stored->short_of_memory = !stored->too_many && !make_room(stored);
    if (stored->too_many || stored->short_of_memory) {
        return false;
    }
    struct block_record copy = *record;
    copy.kind = arena_copy(&stored->arena, record->kind);
    copy.issuer = arena_copy(&stored->arena, record->issuer);
    copy.value = arena_copy(&stored->arena, record->value);
    copy.reason = arena_copy(&stored->arena, record->reason);
    copy.by = arena_copy(&stored->arena, record->by);
    copy.removed_by = copy.removal_reason = SLICE("");
    stored->short_of_memory = copy.kind.ptr == NULL || copy.issuer.ptr == NULL || copy.value.ptr == NULL ||
                              copy.reason.ptr == NULL || copy.by.ptr == NULL;
    stored->records[stored->count++] = copy;
    return !stored->short_of_memory;
}

static struct error read_all(struct block_store *store, struct block_stored *stored)
{
    /* First: what changes between the two is read, and looked at again. */
    TRY(block_store_look(store, &stored->state));
    TRY(block_store_list(store, false, keep, stored));
    if (stored->too_many) {
        return FAIL(ERROR_LIMIT, "the block store holds more than it may");
    }
    return stored->short_of_memory ? FAIL(ERROR_MEMORY, "no memory for blocks") : OK;
}

struct error block_stored_read(struct block_store *store, struct block_stored **ret_stored)
{
    struct block_stored *stored = calloc(1, sizeof *stored);
    if (stored == NULL) {
        return FAIL(ERROR_MEMORY, "no memory for blocks");
    }
    arena_init(&stored->arena, BLOCKS_MEMORY_MAX);
    struct error error = read_all(store, stored);
    if (failed(error)) {
        block_stored_free(stored);
        return error;
    }
    *ret_stored = stored;
    return OK;
}

void block_stored_free(struct block_stored *stored)
{
    if (stored != NULL) {
        arena_done(&stored->arena);
        free(stored->records);
        free(stored);
    }
}

const struct block_store_state *block_stored_state(const struct block_stored *stored)
{
    return &stored->state;
}

size_t block_stored_count(const struct block_stored *stored)
{
    return stored->count;
}

/* ---- the set ---- */

static struct error add_stored(struct block_set *set, const struct block_stored *stored, int64_t now)
{
    for (size_t i = 0; i < stored->count; i++) {
        char name[24];
        int size = snprintf(name, sizeof name, "%llu", (unsigned long long)stored->records[i].number);
        TRY(block_set_add(set, &stored->records[i], slice_of(name, (size_t)size), BLOCK_OF_STORE, now));
    }
    return OK;
}

static struct error add_configured(struct block_set *set, const struct blocks_settings *settings, int64_t now)
{
    const struct block_entry_settings *entries = settings->entries.items;
    for (size_t i = 0; i < settings->entries.count; i++) {
        TRY(block_set_add(set, &entries[i].record, entries[i].name, BLOCK_OF_FILE, now));
    }
    for (size_t i = 0; settings->exempt_prefixes != NULL && i < settings->exempt.count; i++) {
        TRY(block_set_exempt(set, &settings->exempt_prefixes[i]));
    }
    return OK;
}

struct error block_set_compile(const struct block_stored *stored, const struct blocks_settings *settings,
                               int64_t now, struct block_set **ret_set)
{
    struct block_set *set;
    TRY(block_set_new(&set));
    struct error error = stored != NULL ? add_stored(set, stored, now) : OK;
    error = failed(error) || settings == NULL ? error : add_configured(set, settings, now);
    error = failed(error) ? error : block_set_seal(set);
    if (failed(error)) {
        block_set_unref(set);
        return error;
    }
    *ret_set = set;
    return OK;
}
