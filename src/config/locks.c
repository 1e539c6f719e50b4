/* Locked policies: what stands above one may only tighten what it says. What it does not say is free; but a thing that it
 * does say (its `auth`, its `relay`) is locked as a whole, keys left at their defaults included. */
#include "config/internal.h"

static bool number_holds(const struct conf_field *field, int64_t locked, int64_t now)
{
    return now == locked || ((field->flags & CONF_LOWER) != 0 && now < locked) ||
           ((field->flags & CONF_HIGHER) != 0 && now > locked);
}

static bool is_subset(const struct conf_strings *small, const struct conf_strings *large)
{
    for (size_t i = 0; i < small->count; i++) {
        if (!conf_strings_contain(large, small->items[i])) {
            return false;
        }
    }
    return true;
}

/* An empty list often means "all": so an emptied one is no subset. */
static bool strings_hold(const struct conf_field *field, const struct conf_strings *locked,
                         const struct conf_strings *now)
{
    if (!is_subset(now, locked)) {
        return false;
    }
    if ((field->flags & CONF_SUBSET) != 0 && now->count > 0) {
        return true;
    }
    return is_subset(locked, now);
}

static bool pairs_hold(const struct conf_pairs *locked, const struct conf_pairs *now)
{
    if (locked->count != now->count) {
        return false;
    }
    for (size_t i = 0; i < locked->count; i++) {
        size_t k = 0;
        while (k < now->count && !slice_equal(now->items[k].name, locked->items[i].name)) {
            k++;
        }
        if (k == now->count || !slice_equal(now->items[k].value, locked->items[i].value)) {
            return false;
        }
    }
    return true;
}

static bool object_holds(const struct conf_object *object, const char *locked, const char *now);
static bool field_holds(const struct conf_field *field, const char *locked, const char *now);

static bool list_holds(const struct conf_field *field, const struct conf_list *locked,
                       const struct conf_list *now)
{
    size_t size = field->object->size;
    bool may_grow = (field->flags & CONF_ADDS) != 0;
    if (!may_grow && locked->count != now->count) {
        return false;
    }
    for (size_t i = 0; i < locked->count; i++) {
        const char *wanted = (const char *)locked->items + i * size;
        size_t k = may_grow ? 0 : i, end = may_grow ? now->count : i + 1;
        while (k < end && !object_holds(field->object, wanted, (const char *)now->items + k * size)) {
            k++;
        }
        if (k == end) {
            return false;
        }
    }
    return true;
}

static bool pointer_holds(const struct conf_object *object, const char *locked, const char *now)
{
    if (locked == NULL || now == NULL) {
        return locked == now;
    }
    return object_holds(object, locked, now);
}

static bool field_holds(const struct conf_field *field, const char *locked, const char *now)
{
    switch (field->type) {
    case CONF_BOOL:
        return number_holds(field, *(const bool *)locked, *(const bool *)now);
    case CONF_ENUM:
        return number_holds(field, *(const int *)locked, *(const int *)now);
    case CONF_INTEGER:
    case CONF_DURATION:
    case CONF_SIZE:
        return number_holds(field, *(const int64_t *)locked, *(const int64_t *)now);
    case CONF_FLAGS: {
        uint64_t was = *(const uint64_t *)locked, is = *(const uint64_t *)now;
        return was == is || ((field->flags & CONF_SUBSET) != 0 && (is & ~was) == 0);
    }
    case CONF_STRING:
    case CONF_SECRET:
    case CONF_FILE:
        return slice_equal(*(const struct slice *)locked, *(const struct slice *)now);
    case CONF_RATE: {
        const struct conf_rate *was = (const void *)locked, *is = (const void *)now;
        return was->count == is->count && was->window == is->window;
    }
    case CONF_STRINGS:
    case CONF_FILES:
        return strings_hold(field, (const void *)locked, (const void *)now);
    case CONF_PAIRS:
        return pairs_hold((const void *)locked, (const void *)now);
    case CONF_OBJECT:
        return pointer_holds(field->object, *(const char *const *)locked, *(const char *const *)now);
    case CONF_LIST:
    case CONF_MAP:
        return list_holds(field, (const void *)locked, (const void *)now);
    }
    return false;
}

static bool object_holds(const struct conf_object *object, const char *locked, const char *now)
{
    for (const struct conf_field *field = object->fields; field->name != NULL; field++) {
        if (!field_holds(field, locked + field->offset, now + field->offset)) {
            return false;
        }
    }
    return true;
}

static const char *what_is_tighter(const struct conf_field *field)
{
    bool is_number = field->type != CONF_ENUM && field->type != CONF_BOOL;
    if ((field->flags & (CONF_LOWER | CONF_HIGHER)) != 0 && !is_number) {
        return "only a stricter value may stand here";
    }
    if ((field->flags & CONF_LOWER) != 0) {
        return "only a smaller value may stand here";
    }
    if ((field->flags & CONF_HIGHER) != 0) {
        return "only a larger value may stand here";
    }
    if ((field->flags & CONF_SUBSET) != 0) {
        return "only part of its list may stand here";
    }
    return (field->flags & CONF_ADDS) != 0 ? "its entries may not be changed" : "it may not be changed";
}

struct lock {
    struct loader *loader;
    const struct layer_settings *policy;
    const struct conf_node *policy_node;
    const struct conf_node *route_node;
};

static void tell_field(const struct lock *lock, const struct conf_field *field, const char *locked,
                       const char *now, const struct conf_node *written, const struct conf_node *otherwise)
{
    if (field_holds(field, locked, now)) {
        return;
    }
    const struct conf_node *node = loader_node(lock->loader, now, otherwise);
    const char *was = field->type == CONF_OBJECT ? *(const char *const *)locked : NULL;
    const char *is = field->type == CONF_OBJECT ? *(const char *const *)now : NULL;
    if (was != NULL && is != NULL) { /* say which of its fields */
        for (const struct conf_field *inner = field->object->fields; inner->name != NULL; inner++) {
            tell_field(lock, inner, was + inner->offset, is + inner->offset,
                       loader_node(lock->loader, was + inner->offset, written), node);
        }
        return;
    }
    diagnostics_node(lock->loader->diagnostics, DIAGNOSTIC_ERROR, node,
                     "policy \"%.*s\" is locked and says %s at %.*s: %s", SLICE_ARG(lock->policy->name),
                     field->name, SLICE_ARG(conf_place_text(conf_node_place(written), lock->loader->arena)),
                     what_is_tighter(field));
}

static void check_lock(const struct lock *lock, const struct route_policy *now)
{
    const char *locked = (const char *)&lock->policy->policy;
    for (const struct conf_field *field = effective_object.fields; field->name != NULL; field++) {
        const struct conf_node *written = conf_node_get(lock->policy_node, slice_from_string(field->name));
        if (written != NULL) {
            tell_field(lock, field, locked + field->offset, (const char *)now + field->offset, written,
                       lock->route_node);
        }
    }
}

void check_locks(struct loader *loader, const struct route_settings *route, const struct route_source *source)
{
    for (size_t i = 0; i < source->layer_count; i++) {
        const struct layer *layer = &source->layers[i];
        if (layer->is_policy && layer->settings->locked) {
            const struct lock lock = { loader, layer->settings, layer->node, source->node };
            check_lock(&lock, &route->policy);
        }
    }
}
