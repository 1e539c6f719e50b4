/* Who is blocked by the file, and who is not any more; what is kept elsewhere is no matter of the configuration. */
#include "config/difference.h"

static const struct blocks_settings none = { .entries = { NULL, 0 } };

static const struct blocks_settings *blocks_of(const struct config *config)
{
    return config->settings.blocks != NULL ? config->settings.blocks : &none;
}

static bool is_same(const struct block_record *a, const struct block_record *b)
{
    return slice_equal(a->kind, b->kind) && slice_equal(a->issuer, b->issuer) &&
           slice_equal(a->value, b->value) && a->expires == b->expires;
}

static bool is_among(const struct blocks_settings *blocks, const struct block_record *record)
{
    const struct block_entry_settings *entries = blocks->entries.items;
    for (size_t i = 0; i < blocks->entries.count; i++) {
        if (is_same(&entries[i].record, record)) {
            return true;
        }
    }
    return false;
}

/* Blocks of `some` that `others` has not. */
static void tell_entries(struct difference *difference, const struct blocks_settings *some,
                         const struct blocks_settings *others, enum change kind, const char *verb)
{
    const struct block_entry_settings *entries = some->entries.items;
    for (size_t i = 0; i < some->entries.count; i++) {
        const struct block_record *record = &entries[i].record;
        if (!is_among(others, record)) {
            difference_tell(difference, kind, SLICE("blocks"), "%.*s %.*s%s%.*s %s, until %.*s (%.*s)",
                            SLICE_ARG(record->kind), SLICE_ARG(record->value),
                            record->issuer.len > 0 ? " of " : "", SLICE_ARG(record->issuer), verb,
                            SLICE_ARG(entries[i].expires), SLICE_ARG(entries[i].name));
        }
    }
}

void difference_blocks(struct difference *difference)
{
    const struct blocks_settings *before = blocks_of(difference->before),
                                 *after = blocks_of(difference->after);
    tell_entries(difference, after, before, CHANGE_LOSES, "is blocked now");
    tell_entries(difference, before, after, CHANGE_GAINS, "was blocked, and is not so any more");
    difference_strings(difference, SLICE("blocks"), CHANGE_OTHER, &after->exempt, &before->exempt,
                       "addresses in", "are exempt from blocks now");
    difference_strings(difference, SLICE("blocks"), CHANGE_OTHER, &before->exempt, &after->exempt,
                       "addresses in", "are not exempt from blocks any more");
    if (before->store.len > 0 && after->store.len == 0) {
        difference_tell(difference, CHANGE_GAINS, SLICE("blocks"),
                        "what the store blocks is not blocked any more: there is no store");
    } else if (!slice_equal(before->store, after->store)) {
        difference_tell(difference, CHANGE_OTHER, SLICE("blocks"), "the store is %.*s, was %.*s",
                        SLICE_ARG(after->store),
                        SLICE_ARG(before->store.len > 0 ? before->store : SLICE("none")));
    }
}
