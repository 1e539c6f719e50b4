/* The table's inside, shared by build and find. One tree of segments per host; the text edges of all trees stand in one
 * hash table keyed by parent and text, so that a node with ten thousand children costs what a node with one does. */
#ifndef SALLYPORT_ROUTE_TABLE_H
#define SALLYPORT_ROUTE_TABLE_H

#include "base/hash.h"
#include "base/map.h"
#include "route/conditions.h"

/* A route at the end of a path. */
struct target {
    struct target *next;
    unsigned int id;
    size_t index; /* among the entries, for diagnostics */
    uint64_t listeners;
    uint32_t methods;           /* 1 << enum http_method; METHOD_OTHER: every other token */
    const struct slice *others; /* tokens that are listed by name */
    size_t other_count;
    const struct slice *names; /* of its variables */
    size_t name_count;
    struct slice allow;
    const struct match_settings *match;        /* of the entry, while the table is built */
    const struct route_conditions *conditions; /* NULL: none */
};

/* What a listener's Allow field says; listeners that say the same share one. */
struct allow {
    struct allow *next;
    uint64_t listeners;
    struct slice text;
};

/* A path that exists. */
struct leaf {
    struct leaf *next;      /* of all leaves of the table */
    struct target *targets; /* in the order in which they are asked */
    uint64_t listeners;     /* of any of its targets */
    struct allow *allows;
};

struct node {
    const struct node *parent;
    struct slice text;
    struct node *variable;
    struct leaf *end;  /* the path ends here */
    struct leaf *rest; /* ** here */
    bool has_texts;
    uint64_t listeners; /* of any path below */
};

struct route_host {
    struct node *root;
};

struct edge {
    uint64_t hash;
    struct node *node; /* NULL: empty */
};

struct route_table {
    struct map exact;     /* name -> struct route_host */
    struct map wildcards; /* what follows "*." -> struct route_host */
    struct route_host *any;
    size_t
        wildcard_labels; /* most labels of a wildcard, so that a host of 127 labels is not looked up 127 times */
    struct edge *edges;
    size_t mask;
    struct leaf *leaves;
};

static inline uint64_t edge_hash(const struct node *parent, struct slice text)
{
    uint64_t hash =
        hash_bytes(text.ptr, text.len) ^ ((uint64_t)(uintptr_t)parent * UINT64_C(0x9e3779b97f4a7c15));
    return hash ^ (hash >> 32);
}

/* The edge of that text, or the empty one where it would go; there always is one. */
static inline struct edge *edge_locate(const struct route_table *table, const struct node *parent,
                                       struct slice text, uint64_t hash)
{
    for (size_t i = hash & table->mask;; i = (i + 1) & table->mask) {
        struct edge *edge = &table->edges[i];
        if (edge->node == NULL ||
            (edge->hash == hash && edge->node->parent == parent && slice_equal(edge->node->text, text))) {
            return edge;
        }
    }
}

#endif
