/* How one map lies over another: overlays over files, layers over layers. */
#include "config/compose.h"
#include "config/reader.h"

/* Maps merge by key, everything else replaces. As deep as CONFIG_DEPTH_MAX. */
struct conf_node *compose_overlay(const struct conf_node *base, const struct conf_node *over,
                                  struct arena *arena)
{
    struct conf_node *both = conf_node_copy_map(base, over->count, arena);
    for (size_t i = 0; both != NULL && i < over->count; i++) {
        struct conf_node *entry = over->items[i];
        size_t at = 0;
        while (at < both->count && !slice_equal(both->items[at]->key, entry->key)) {
            at++;
        }
        if (at == both->count) {
            both->items[both->count++] = entry;
        } else if (both->items[at]->type != CONF_NODE_MAPPING || entry->type != CONF_NODE_MAPPING) {
            both->items[at] = entry;
        } else if ((both->items[at] = compose_overlay(both->items[at], entry, arena)) == NULL) {
            return NULL;
        }
    }
    return both;
}

/* Both lists, without items that are there already: a policy that is used twice counts once. */
static struct conf_node *add_items(const struct conf_node *below, const struct conf_node *layer,
                                   struct arena *arena)
{
    struct conf_node *both = conf_node_copy_map(below, layer->count, arena);
    if (both == NULL) {
        return NULL;
    }
    both->type = CONF_NODE_SEQUENCE;
    for (size_t i = 0; i < layer->count; i++) {
        size_t at = 0;
        while (at < below->count && below->items[at] != layer->items[i]) {
            at++;
        }
        if (at == below->count) {
            both->items[both->count++] = layer->items[i];
        }
    }
    return both;
}

static struct conf_node *merge_entry(const struct conf_node *below, struct conf_node *layer,
                                     const struct conf_field *field, struct arena *arena)
{
    if (below->type == CONF_NODE_MAPPING && layer->type == CONF_NODE_MAPPING) {
        if (field->type == CONF_OBJECT) {
            return compose_layer(below, layer, field->object, arena);
        }
        if (field->type == CONF_PAIRS) {
            return compose_overlay(below, layer, arena);
        }
    }
    if ((field->flags & CONF_ADDS) != 0 && below->type == CONF_NODE_SEQUENCE &&
        layer->type == CONF_NODE_SEQUENCE) {
        return add_items(below, layer, arena);
    }
    return layer;
}

struct conf_node *compose_layer(const struct conf_node *below, const struct conf_node *layer,
                                const struct conf_object *object, struct arena *arena)
{
    struct conf_node *both = conf_node_copy_map(below, layer->count, arena);
    for (size_t i = 0; both != NULL && i < layer->count; i++) {
        struct conf_node *entry = layer->items[i];
        const struct conf_field *field = conf_field_find(object, entry->key);
        if (field == NULL) {
            continue; /* told where the layer itself was read, or not for merging (`use`, `match`) */
        }
        size_t at = 0;
        while (at < both->count && !slice_equal(both->items[at]->key, entry->key)) {
            at++;
        }
        struct conf_node *merged =
            at < both->count ? merge_entry(both->items[at], entry, field, arena) : entry;
        if (merged == NULL) {
            return NULL;
        }
        both->items[at] = merged;
        both->count += at == both->count;
    }
    return both;
}
