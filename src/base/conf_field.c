#include "base/conf_field.h"

#include "base/arena.h"

bool conf_strings_equal(const struct conf_strings *a, const struct conf_strings *b)
{
    bool same = a->count == b->count;
    for (size_t i = 0; same && i < a->count; i++) {
        same = slice_equal(a->items[i], b->items[i]);
    }
    return same;
}

bool conf_strings_copy(struct conf_strings *strings, struct arena *arena)
{
    const struct slice *written = strings->items;
    strings->items = arena_calloc(arena, strings->count + 1, sizeof(struct slice));
    bool copied = strings->items != NULL;
    for (size_t i = 0; copied && i < strings->count; i++) {
        strings->items[i] = arena_copy(arena, written[i]);
        copied = strings->items[i].ptr != NULL;
    }
    return copied;
}
