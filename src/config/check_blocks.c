/* Blocks: reads the file of them, and checks what its table cannot say. */
#include "base/clock.h"
#include "base/limits.h"
#include "base/map.h"
#include "config/internal.h"

/* ---- what a block can hit ---- */

/* By its name here, or by its iss; else its text is nobody's. */
static const struct issuer_settings *find_issuer(const struct settings *settings, struct slice text)
{
    const struct issuer_settings *named =
        settings_find(settings->issuers, settings->issuer_count, sizeof *named, text);
    for (size_t i = 0; named == NULL && i < settings->issuer_count; i++) {
        named = slice_equal(settings->issuers[i].issuer, text) ? &settings->issuers[i] : NULL;
    }
    return named;
}

static bool is_within(const struct address_prefix *inner, const struct address_prefix *outer)
{
    return inner->bits >= outer->bits && address_in_prefix(&inner->address, outer);
}

static bool is_exempt(const struct blocks_settings *blocks, const struct address_prefix *prefix)
{
    for (size_t i = 0; blocks->exempt_prefixes != NULL && i < blocks->exempt.count; i++) {
        if (is_within(prefix, &blocks->exempt_prefixes[i])) {
            return true;
        }
    }
    return false;
}

static bool is_of_token(enum block_kind kind)
{
    return kind == BLOCK_JTI || kind == BLOCK_SID || kind == BLOCK_SUB;
}

const char *config_block_target(const struct settings *settings, enum block_kind kind, struct slice issuer,
                                struct slice value, struct block_target *out)
{
    if (is_of_token(kind) && issuer.len > 0) {
        const struct issuer_settings *known = find_issuer(settings, issuer);
        if (known == NULL) {
            return "has an issuer that is none of `issuers`, neither by its name nor by its iss";
        }
        issuer = known->issuer;
    }
    const char *problem = block_target_read(kind, issuer, value, out);
    if (problem != NULL) {
        return problem;
    }
    if (kind == BLOCK_ROUTE &&
        settings_find(settings->routes, settings->route_count, sizeof *settings->routes, value) == NULL) {
        return "is no route: `sallyport check` lists them by their full names, as in group.route";
    }
    if (kind == BLOCK_ADDRESS && settings->blocks != NULL && is_exempt(settings->blocks, &out->prefix)) {
        return "is exempt by blocks.exempt: the block would have no effect";
    }
    return NULL;
}

/* ---- the file ---- */

static const char *read_entry(struct loader *loader, struct block_entry_settings *entry)
{
    struct block_target target;
    const char *problem = config_block_target(loader->settings, (enum block_kind)entry->kind, entry->issuer,
                                              entry->value, &target);
    if (problem != NULL) {
        return problem;
    }
    entry->record = (struct block_record){
        .kind = block_kind_infos[entry->kind].name,
        .issuer = target.issuer,
        .value = arena_copy(loader->arena, target.value),
        .reason = entry->reason,
        .by = entry->by,
    };
    if (!slice_equal(entry->expires, SLICE("never")) &&
        !clock_parse_date(entry->expires, &entry->record.expires)) {
        return "expires is written 2027-01-31 or 2027-01-31T12:00:00Z, or never";
    }
    if (!block_text_valid(entry->reason) || !block_text_valid(entry->by)) {
        return "reason and by are one line of 512 bytes at the most";
    }
    return NULL;
}

static bool is_complete(const struct block_entry_settings *entry)
{
    return entry->value.len > 0 && entry->expires.len > 0 && entry->reason.len > 0;
}

/* The same twice: one of them would be removed, and nothing would change. */
static struct error check_unique(struct loader *loader, struct map *seen,
                                 const struct block_entry_settings *entry, const struct conf_node *node)
{
    const struct block_record *record = &entry->record;
    struct slice key = arena_printf(loader->arena, "%.*s\n%.*s\n%.*s", SLICE_ARG(record->kind),
                                    SLICE_ARG(record->issuer), SLICE_ARG(record->value));
    if (key.ptr == NULL || record->value.ptr == NULL) {
        return NO_MEMORY;
    }
    const struct block_entry_settings *other = map_get(seen, key);
    if (other != NULL) {
        diagnostics_node(loader->diagnostics, DIAGNOSTIC_ERROR, node, "blocks the same as \"%.*s\"",
                         SLICE_ARG(other->name));
        return OK;
    }
    return map_put(seen, key, (void *)(uintptr_t)entry) ? OK : NO_MEMORY;
}

static struct error check_entries(struct loader *loader, const struct conf_list *entries, struct map *seen)
{
    int64_t now = clock_real_ns() / NS_PER_S;
    for (size_t i = 0; i < entries->count; i++) {
        struct block_entry_settings *entry = &((struct block_entry_settings *)entries->items)[i];
        const struct conf_node *node = loader_object(loader, entry);
        if (!is_complete(entry)) {
            continue; /* what is missing has been told by the reader */
        }
        const char *problem = read_entry(loader, entry);
        if (problem != NULL) {
            diagnostics_node(loader->diagnostics, DIAGNOSTIC_ERROR, node, "%s", problem);
            continue;
        }
        if (entry->record.expires > 0 && entry->record.expires <= now) {
            diagnostics_node(loader->diagnostics, DIAGNOSTIC_WARNING, node, "has expired: it can be deleted");
        }
        TRY(check_unique(loader, seen, entry, node));
    }
    return OK;
}

static struct error read_file(struct loader *loader, struct blocks_settings *blocks)
{
    struct conf_node *root;
    struct block_file_settings file = { 0 };
    TRY(loader_read_root(loader, &blocks->file, loader_object(loader, blocks), &root));
    if (root != NULL) {
        TRY(conf_read(&loader->reader, &block_file_object, root, &file));
    }
    blocks->entries = file.blocks;
    config_files_watch(loader->files, blocks->file);
    if (file.blocks.count > BLOCKS_MAX) {
        tell(loader, &blocks->file, loader_object(loader, blocks), "more than %d blocks", BLOCKS_MAX);
        return OK;
    }
    struct map seen;
    map_init(&seen);
    struct error error = check_entries(loader, &file.blocks, &seen);
    map_done(&seen);
    return error;
}

static struct error read_exempt(struct loader *loader, struct blocks_settings *blocks)
{
    const struct conf_node *node = loader_object(loader, blocks);
    size_t count = blocks->exempt.count;
    struct address_prefix *prefixes = arena_calloc(loader->arena, count + 1, sizeof *prefixes);
    if (prefixes == NULL) {
        return NO_MEMORY;
    }
    if (count > BLOCK_EXEMPT_MAX) {
        tell(loader, &blocks->exempt, node, "at most %d exempt networks", BLOCK_EXEMPT_MAX);
        return OK;
    }
    for (size_t i = 0; i < count; i++) {
        const struct slice *text = &blocks->exempt.items[i];
        if (!address_prefix_parse(*text, &prefixes[i])) {
            prefixes[i] = address_prefix_none();
            tell(loader, text, node, "an address or a network is wanted here, not \"%.*s\"",
                 SLICE_ARG(*text));
        }
    }
    blocks->exempt_prefixes = prefixes;
    return OK;
}

struct error check_blocks(struct loader *loader)
{
    struct blocks_settings *blocks = loader->settings->blocks;
    if (blocks == NULL) {
        return OK;
    }
    if (slice_is_empty(blocks->store) && slice_is_empty(blocks->file)) {
        diagnostics_node(loader->diagnostics, DIAGNOSTIC_ERROR, loader_object(loader, blocks),
                         "names neither a store nor a file: nothing could be blocked");
        return OK;
    }
    TRY(read_exempt(loader, blocks));
    return slice_is_empty(blocks->file) ? OK : read_file(loader, blocks);
}
