#include "route/pattern.h"
#include "route/table.h"

#define METHODS_ALL \
    (((UINT32_C(1) << METHOD_COUNT) - 1) & ~(UINT32_C(1) << METHOD_CONNECT | UINT32_C(1) << METHOD_TRACE))

static const struct slice method_names[METHOD_COUNT] = {
#define METHOD_NAME(id, text) [METHOD_##id] = SLICE_INIT(text),
    HTTP_METHODS(METHOD_NAME)
#undef METHOD_NAME
};

static const struct match_settings no_match;

static void free_maps(void *object)
{
    struct route_table *table = object;
    map_done(&table->exact);
    map_done(&table->wildcards);
}

static size_t count_segments(const struct route_entry *entries, size_t count)
{
    size_t segments = 0;
    for (size_t i = 0; i < count; i++) {
        struct slice rest = entries[i].path;
        struct segment segment;
        while (pattern_next(&rest, &segment)) {
            segments++;
        }
    }
    return segments;
}

static struct error make_edges(struct route_table *table, size_t most, struct arena *arena)
{
    size_t capacity = 16;
    while (capacity < 2 * most) {
        capacity *= 2;
    }
    table->edges = arena_calloc(arena, capacity, sizeof *table->edges);
    table->mask = capacity - 1;
    return table->edges != NULL ? OK : FAIL(ERROR_MEMORY, "no memory for the route table");
}

static size_t count_labels(struct slice name)
{
    size_t labels = 1;
    for (size_t i = 0; i < name.len; i++) {
        labels += name.ptr[i] == '.';
    }
    return labels;
}

static struct route_host *new_host(struct arena *arena)
{
    struct route_host *host = arena_calloc(arena, 1, sizeof *host);
    struct node *root = arena_calloc(arena, 1, sizeof *root);
    if (host == NULL || root == NULL) {
        return NULL;
    }
    host->root = root;
    return host;
}

static struct route_host *host_in_map(struct map *map, struct slice name, struct arena *arena)
{
    struct route_host *host = map_get(map, name);
    if (host != NULL) {
        return host;
    }
    struct slice key = arena_copy(arena, name);
    host = new_host(arena);
    return key.ptr != NULL && host != NULL && map_put(map, key, host) ? host : NULL;
}

static struct route_host *host_of(struct route_table *table, struct slice name, struct arena *arena)
{
    if (slice_equal(name, SLICE("*"))) {
        if (table->any == NULL) {
            table->any = new_host(arena);
        }
        return table->any;
    }
    if (!slice_starts_with(name, SLICE("*."))) {
        return host_in_map(&table->exact, name, arena);
    }
    struct slice suffix = slice_from(name, 2);
    size_t labels = count_labels(suffix);
    if (labels > table->wildcard_labels) {
        table->wildcard_labels = labels;
    }
    return host_in_map(&table->wildcards, suffix, arena);
}

static struct node *text_child(struct route_table *table, struct node *parent, struct slice written,
                               struct arena *arena)
{
    char out[HTTP_TARGET_MAX];
    struct slice text = SLICE("");
    if (written.len > 0 && pattern_canonical_text(written, out, &text) != NULL) {
        return NULL; /* route_pattern_problem has said no before */
    }
    uint64_t hash = edge_hash(parent, text);
    struct edge *edge = edge_locate(table, parent, text, hash);
    if (edge->node != NULL) {
        return edge->node;
    }
    struct node *node = arena_calloc(arena, 1, sizeof *node);
    struct slice copy = arena_copy(arena, text);
    if (node == NULL || copy.ptr == NULL) {
        return NULL;
    }
    node->parent = parent;
    node->text = copy;
    parent->has_texts = true;
    *edge = (struct edge){ hash, node };
    return node;
}

static struct leaf *leaf_at(struct route_table *table, struct leaf **place, struct arena *arena)
{
    if (*place == NULL) {
        struct leaf *leaf = arena_calloc(arena, 1, sizeof *leaf);
        if (leaf != NULL) {
            leaf->next = table->leaves;
            table->leaves = leaf;
        }
        *place = leaf;
    }
    return *place;
}

/* The leaf of a pattern, with all nodes on the way to it. NULL without memory. */
static struct leaf *leaf_of(struct route_table *table, struct node *node, struct slice pattern,
                            uint64_t listeners, struct arena *arena)
{
    struct slice rest = pattern;
    struct segment segment;
    while (pattern_next(&rest, &segment)) {
        node->listeners |= listeners;
        if (segment.kind == SEGMENT_REST) {
            return leaf_at(table, &node->rest, arena);
        }
        if (segment.kind == SEGMENT_TEXT) {
            node = text_child(table, node, segment.text, arena);
        } else {
            if (node->variable == NULL) {
                node->variable = arena_calloc(arena, 1, sizeof *node->variable);
            }
            node = node->variable;
        }
        if (node == NULL) {
            return NULL;
        }
    }
    node->listeners |= listeners;
    return leaf_at(table, &node->end, arena);
}

static struct error set_methods(struct target *target, const struct conf_strings *methods,
                                struct arena *arena)
{
    if (methods == NULL || methods->count == 0) {
        target->methods = METHODS_ALL;
        return OK;
    }
    struct slice *others = arena_calloc(arena, methods->count, sizeof *others);
    if (others == NULL) {
        return FAIL(ERROR_MEMORY, "no memory for the route table");
    }
    for (size_t i = 0; i < methods->count; i++) {
        struct slice text = methods->items[i];
        const char *problem = route_method_problem(text);
        if (problem != NULL) {
            return FAIL(ERROR_VALUE, problem);
        }
        enum http_method method = http_method_of(text);
        if (method != METHOD_OTHER) {
            target->methods |= UINT32_C(1) << method;
            continue;
        }
        others[target->other_count] = arena_copy(arena, text);
        if (others[target->other_count++].ptr == NULL) {
            return FAIL(ERROR_MEMORY, "no memory for the route table");
        }
    }
    if ((target->methods & UINT32_C(1) << METHOD_GET) != 0) {
        target->methods |= UINT32_C(1) << METHOD_HEAD;
    }
    target->others = others;
    return OK;
}

static struct error set_names(struct target *target, struct slice pattern, struct arena *arena)
{
    struct slice copy = arena_copy(arena, pattern);
    struct slice *names = arena_calloc(arena, ROUTE_VARIABLES_MAX, sizeof *names);
    if (copy.ptr == NULL || names == NULL) {
        return FAIL(ERROR_MEMORY, "no memory for the route table");
    }
    target->name_count = route_pattern_variables(copy, names, ROUTE_VARIABLES_MAX);
    target->names = names;
    return OK;
}

static bool shares_other(const struct target *a, const struct target *b)
{
    for (size_t i = 0; i < a->other_count; i++) {
        for (size_t j = 0; j < b->other_count; j++) {
            if (slice_equal(a->others[i], b->others[j])) {
                return true;
            }
        }
    }
    return false;
}

static bool methods_overlap(const struct target *a, const struct target *b)
{
    const uint32_t other = UINT32_C(1) << METHOD_OTHER;
    return (a->methods & b->methods) != 0 || ((a->methods & other) != 0 && b->other_count > 0) ||
           ((b->methods & other) != 0 && a->other_count > 0) || shares_other(a, b);
}

/* Which of two is asked first? The higher priority, then the more conditions. 0: nothing says. */
static int order_of(const struct target *a, const struct target *b)
{
    if (a->match->priority != b->match->priority) {
        return a->match->priority > b->match->priority ? -1 : 1;
    }
    size_t conditions = route_condition_count(a->match), others = route_condition_count(b->match);
    return conditions == others ? 0 : conditions > others ? -1 : 1;
}

/* No priority gives a route without conditions anything, but that another is never asked. */
static bool is_hidden(const struct target *a, const struct target *b)
{
    int order = order_of(a, b);
    return (order <= 0 && a->conditions == NULL) || (order >= 0 && b->conditions == NULL);
}

static const struct target *find_rival(const struct leaf *leaf, const struct target *target)
{
    for (const struct target *other = leaf->targets; other != NULL; other = other->next) {
        if ((other->listeners & target->listeners) != 0 && methods_overlap(other, target) &&
            (is_hidden(other, target) ||
             (order_of(other, target) == 0 && !route_conditions_exclude(other->match, target->match)))) {
            return other;
        }
    }
    return NULL;
}

static const char *entry_problem(const struct route_entry *entry)
{
    const char *problem = route_host_problem(entry->host);
    return problem != NULL ? problem : route_pattern_problem(entry->path);
}

static void insert(struct leaf *leaf, struct target *target)
{
    struct target **at = &leaf->targets;
    while (*at != NULL && order_of(*at, target) <= 0) {
        at = &(*at)->next;
    }
    target->next = *at;
    *at = target;
}

static struct error add_entry(struct route_table *table, const struct route_entry *entry, size_t index,
                              struct arena *arena, size_t *ret_other)
{
    const char *problem = entry_problem(entry);
    if (problem != NULL) {
        return FAIL(ERROR_VALUE, problem);
    }
    struct route_host *host = host_of(table, entry->host, arena);
    struct leaf *leaf =
        host != NULL ? leaf_of(table, host->root, entry->path, entry->listeners, arena) : NULL;
    struct target *target = arena_calloc(arena, 1, sizeof *target);
    if (leaf == NULL || target == NULL) {
        return FAIL(ERROR_MEMORY, "no memory for the route table");
    }
    target->id = entry->id;
    target->index = index;
    target->listeners = entry->listeners;
    target->match = entry->match != NULL ? entry->match : &no_match;
    if (route_condition_count(target->match) > 0) {
        TRY(route_conditions_new(target->match, arena, &target->conditions));
    }
    TRY(set_methods(target, entry->methods, arena));
    TRY(set_names(target, entry->path, arena));
    const struct target *rival = find_rival(leaf, target);
    if (rival != NULL) {
        *ret_other = rival->index;
        return FAIL(ERROR_VALUE, "ambiguous: the same host, path and method on the same listener");
    }
    leaf->listeners |= target->listeners;
    insert(leaf, target);
    return OK;
}

static void append(char *out, size_t *len, struct slice text)
{
    if (*len > 0) {
        out[(*len)++] = ',';
        out[(*len)++] = ' ';
    }
    memcpy(out + *len, text.ptr, text.len);
    *len += text.len;
}

static size_t allow_size(const struct target *first, uint64_t listeners)
{
    size_t size = 0;
    for (size_t method = 0; method < METHOD_COUNT; method++) {
        size += method_names[method].len + 2;
    }
    for (const struct target *target = first; target != NULL; target = target->next) {
        for (size_t i = 0; (target->listeners & listeners) != 0 && i < target->other_count; i++) {
            size += target->others[i].len + 2;
        }
    }
    return size;
}

/* The methods of the targets from `first` up to `end` that stand on any of the listeners. */
static struct slice allow_text(const struct target *first, const struct target *end, uint64_t listeners,
                               struct arena *arena)
{
    char *out = arena_alloc(arena, allow_size(first, listeners));
    if (out == NULL) {
        return SLICE_NONE;
    }
    uint32_t methods = 0;
    for (const struct target *target = first; target != end; target = target->next) {
        methods |= (target->listeners & listeners) != 0 ? target->methods : 0;
    }
    size_t len = 0;
    for (size_t method = METHOD_OTHER + 1; method < METHOD_COUNT; method++) {
        if ((methods & UINT32_C(1) << method) != 0) {
            append(out, &len, method_names[method]);
        }
    }
    for (const struct target *target = first; target != end; target = target->next) {
        for (size_t i = 0; (target->listeners & listeners) != 0 && i < target->other_count; i++) {
            append(out, &len, target->others[i]);
        }
    }
    return slice_of(out, len);
}

/* Adds a text for one listener, or the listener to the text that says the same. */
static bool add_allow(struct leaf *leaf, uint64_t listener, struct arena *arena)
{
    struct slice text = allow_text(leaf->targets, NULL, listener, arena);
    for (struct allow *allow = leaf->allows; allow != NULL; allow = allow->next) {
        if (slice_equal(allow->text, text)) {
            allow->listeners |= listener;
            return true;
        }
    }
    struct allow *allow = arena_calloc(arena, 1, sizeof *allow);
    if (allow == NULL || text.ptr == NULL) {
        return false;
    }
    *allow = (struct allow){ leaf->allows, listener, text };
    leaf->allows = allow;
    return true;
}

static bool finish_leaf(struct leaf *leaf, struct arena *arena)
{
    for (struct target *target = leaf->targets; target != NULL; target = target->next) {
        target->allow = allow_text(target, target->next, target->listeners, arena);
        if (target->allow.ptr == NULL && target->listeners != 0) {
            return false;
        }
    }
    for (uint64_t left = leaf->listeners; left != 0; left &= left - 1) {
        if (!add_allow(leaf, left & -left, arena)) {
            return false;
        }
    }
    return true;
}

struct error route_table_new(const struct route_entry *entries, size_t count, struct arena *arena,
                             struct route_table **ret_table, size_t *ret_index, size_t *ret_other)
{
    *ret_index = 0;
    *ret_other = 0;
    struct route_table *table = arena_calloc(arena, 1, sizeof *table);
    if (table == NULL || !arena_on_cleanup(arena, free_maps, table)) {
        return FAIL(ERROR_MEMORY, "no memory for the route table");
    }
    TRY(make_edges(table, count_segments(entries, count), arena));
    for (size_t i = 0; i < count; i++) {
        size_t other = i;
        struct error error = add_entry(table, &entries[i], i, arena, &other);
        if (failed(error)) {
            *ret_index = i;
            *ret_other = other;
            return error;
        }
    }
    for (struct leaf *leaf = table->leaves; leaf != NULL; leaf = leaf->next) {
        if (!finish_leaf(leaf, arena)) {
            return FAIL(ERROR_MEMORY, "no memory for the route table");
        }
    }
    *ret_table = table;
    return OK;
}
