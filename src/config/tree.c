#include "config/tree.h"

#include "base/limits.h"

#define SHOWN_MAX 60 /* bytes of a value that a message repeats */

struct conf_node *conf_node_get(const struct conf_node *map, struct slice key)
{
    if (map == NULL || map->type != CONF_NODE_MAPPING) {
        return NULL;
    }
    for (size_t i = 0; i < map->count; i++) {
        if (slice_equal(map->items[i]->key, key)) {
            return map->items[i];
        }
    }
    return NULL;
}

struct conf_place conf_node_place(const struct conf_node *node)
{
    return node->key_place.source != NULL ? node->key_place : node->place;
}

struct slice conf_node_path(const struct conf_node *node, struct arena *arena)
{
    const struct conf_node *chain[CONFIG_DEPTH_MAX + 1];
    size_t depth = 0;
    for (; node != NULL && depth < CONFIG_DEPTH_MAX + 1; node = node->parent) {
        chain[depth++] = node;
    }
    struct slice path = SLICE("");
    while (depth-- > 0) {
        const struct conf_node *step = chain[depth];
        if (step->key.ptr != NULL) {
            path = arena_printf(arena, "%.*s%s%.*s", SLICE_ARG(path), path.len > 0 ? "." : "",
                                SLICE_ARG(step->key));
        } else if (step->parent != NULL) {
            path = arena_printf(arena, "%.*s[%zu]", SLICE_ARG(path), step->index);
        }
        if (path.ptr == NULL) {
            return SLICE("");
        }
    }
    return path;
}

struct slice conf_node_describe(const struct conf_node *node, struct arena *arena)
{
    switch (node->type) {
    case CONF_NODE_SEQUENCE:
        return SLICE("a list");
    case CONF_NODE_MAPPING:
        return SLICE("a map");
    case CONF_NODE_NULL:
        return SLICE("nothing");
    case CONF_NODE_SCALAR:
        break;
    }
    if (node->text.len == 0) {
        return SLICE("an empty text");
    }
    size_t shown = node->text.len;
    if (shown > SHOWN_MAX) {
        shown = SHOWN_MAX;
        while (shown > 0 && ((unsigned char)node->text.ptr[shown] & 0xc0) == 0x80) {
            shown--; /* not in the middle of a character */
        }
    }
    struct slice text =
        arena_printf(arena, "\"%.*s%s\"", (int)shown, node->text.ptr, shown < node->text.len ? "…" : "");
    return text.ptr != NULL ? text : SLICE("a text");
}

struct conf_node *conf_node_copy_map(const struct conf_node *map, size_t room, struct arena *arena)
{
    struct conf_node *copy = arena_calloc(arena, 1, sizeof *copy);
    size_t count = map != NULL ? map->count : 0;
    struct conf_node **items = arena_calloc(arena, count + room + 1, sizeof(struct conf_node *));
    if (copy == NULL || items == NULL) {
        return NULL;
    }
    if (map != NULL) {
        *copy = *map;
        if (count > 0) {
            memcpy(items, map->items, count * sizeof(struct conf_node *));
        }
    }
    copy->type = CONF_NODE_MAPPING;
    copy->items = items;
    return copy;
}

void conf_node_own(struct conf_node *node, const struct conf_owner *owner)
{
    node->owner = owner;
    for (size_t i = 0; i < node->count; i++) {
        conf_node_own(node->items[i], owner); /* as deep as CONFIG_DEPTH_MAX */
    }
}

struct slice conf_place_text(struct conf_place place, struct arena *arena)
{
    if (place.source == NULL) {
        return SLICE("default");
    }
    struct slice text = arena_printf(arena, "%.*s:%u", SLICE_ARG(place.source->path), place.line);
    return text.ptr != NULL ? text : place.source->path;
}
