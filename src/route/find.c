#include "route/pattern.h"
#include "route/table.h"

struct search {
    const struct route_table *table;
    uint64_t listener; /* its bit */
    struct slice values[ROUTE_VARIABLES_MAX];
    size_t value_count;
};

static const struct leaf *present(const struct leaf *leaf, uint64_t listener)
{
    return leaf != NULL && (leaf->listeners & listener) != 0 ? leaf : NULL;
}

/* The best path at or below `node`. Depth is bounded by the deepest pattern (ROUTE_SEGMENTS_MAX), visits by the number of
 * nodes; on the way back the values are those of the path that was found. */
static const struct leaf *search_below(struct search *search, const struct node *node, struct slice rest)
{
    if (node == NULL || (node->listeners & search->listener) == 0) {
        return NULL;
    }
    struct slice segment;
    if (!path_next(&rest, &segment)) {
        const struct leaf *end = present(node->end, search->listener);
        return end != NULL ? end : present(node->rest, search->listener);
    }
    if (node->has_texts) {
        struct edge *edge = edge_locate(search->table, node, segment, edge_hash(node, segment));
        const struct leaf *leaf = search_below(search, edge->node, rest);
        if (leaf != NULL) {
            return leaf;
        }
    }
    if (node->variable != NULL && segment.len > 0 && search->value_count < ROUTE_VARIABLES_MAX) {
        search->values[search->value_count++] = segment;
        const struct leaf *leaf = search_below(search, node->variable, rest);
        if (leaf != NULL) {
            return leaf;
        }
        search->value_count--;
    }
    return present(node->rest, search->listener);
}

static const struct node *root_on(const struct route_host *host, uint64_t listener)
{
    return host != NULL && (host->root->listeners & listener) != 0 ? host->root : NULL;
}

/* The suffixes behind each dot, the longest first. */
static const struct node *find_wildcard(const struct route_table *table, uint64_t listener, struct slice host)
{
    size_t labels = 0;
    for (size_t i = 0; i < host.len; i++) {
        labels += host.ptr[i] == '.';
    }
    struct slice suffix = host;
    for (ssize_t dot; labels > 0 && (dot = slice_find(suffix, '.')) >= 0; labels--) {
        suffix = slice_from(suffix, (size_t)dot + 1);
        if (labels > table->wildcard_labels) {
            continue;
        }
        const struct node *root = root_on(map_get(&table->wildcards, suffix), listener);
        if (root != NULL) {
            return root;
        }
    }
    return NULL;
}

static const struct node *find_host(const struct route_table *table, uint64_t listener, struct slice host)
{
    const struct node *root = root_on(map_get(&table->exact, host), listener);
    if (root == NULL && table->wildcard_labels > 0) {
        root = find_wildcard(table, listener, host);
    }
    return root != NULL ? root : root_on(table->any, listener);
}

static bool takes_method(const struct target *target, enum http_method method, struct slice text)
{
    if ((target->methods & UINT32_C(1) << method) != 0) {
        return true;
    }
    for (size_t i = 0; method == METHOD_OTHER && i < target->other_count; i++) {
        if (slice_equal(target->others[i], text)) {
            return true;
        }
    }
    return false;
}

static struct slice allow_on(const struct leaf *leaf, uint64_t listener)
{
    for (const struct allow *allow = leaf->allows; allow != NULL; allow = allow->next) {
        if ((allow->listeners & listener) != 0) {
            return allow->text;
        }
    }
    return SLICE_NONE;
}

static void found(const struct search *search, const struct target *target, struct route_match *out)
{
    out->outcome = ROUTE_FOUND;
    out->id = target->id;
    out->allow = target->allow;
    out->variables.count = target->name_count;
    for (size_t i = 0; i < target->name_count; i++) {
        out->variables.items[i] = (struct route_variable){ target->names[i], search->values[i] };
    }
}

static uint64_t listener_bit(unsigned int listener)
{
    return listener < 64 ? UINT64_C(1) << listener : 0;
}

void route_find(const struct route_table *table, unsigned int listener, struct slice host, struct slice path,
                enum http_method method, struct slice method_text, const struct route_facts *facts,
                struct route_match *out)
{
    out->outcome = ROUTE_NO_HOST;
    out->id = 0;
    out->variables.count = 0;
    out->allow = SLICE_NONE;
    struct search search = { .table = table, .listener = listener_bit(listener) };
    const struct node *root = find_host(table, search.listener, host);
    if (root == NULL) {
        return;
    }
    out->outcome = ROUTE_NO_PATH;
    if (path.len == 0 || path.ptr[0] != '/') {
        return;
    }
    const struct leaf *leaf = search_below(&search, root, path);
    if (leaf == NULL) {
        return;
    }
    out->outcome = ROUTE_NO_METHOD;
    for (const struct target *target = leaf->targets; target != NULL; target = target->next) {
        if ((target->listeners & search.listener) == 0 || !takes_method(target, method, method_text)) {
            continue;
        }
        if (target->conditions == NULL ||
            (facts != NULL && route_conditions_hold(target->conditions, facts))) {
            found(&search, target, out);
            return;
        }
        out->outcome = ROUTE_NO_CONDITION;
    }
    if (out->outcome == ROUTE_NO_METHOD) {
        out->allow = allow_on(leaf, search.listener);
    }
}

bool route_serves_host(const struct route_table *table, unsigned int listener, struct slice host)
{
    return find_host(table, listener_bit(listener), host) != NULL;
}
