/* The configuration's text as a tree in which everything knows its place.
 *
 * A tree is built once by yaml.h, composed by compose.h and then only read. Nodes live in one arena; merged maps are new
 * nodes that share the nodes below them, so a node's `parent` is where it was written, not where it counts. One thread. */
#ifndef SALLYPORT_CONFIG_TREE_H
#define SALLYPORT_CONFIG_TREE_H

#include "base/arena.h"

struct conf_node;

/* A file. */
struct conf_source {
    struct slice path;            /* as diagnostics show it */
    struct slice directory;       /* with its "/" at the end, or empty: what relative paths are relative to */
    unsigned int order;           /* main file, includes, overlays: in the order of reading */
    const struct conf_node *team; /* the file's `team`, or NULL */
};

struct conf_place {
    const struct conf_source *source;
    unsigned int line, column; /* from 1 */
};

/* What a value belongs to: "policy user-api", "group orders", "route orders.read", "defaults", "listener public". */
struct conf_owner {
    struct slice text;
};

enum conf_node_type {
    CONF_NODE_NULL, /* nothing, "~" or "null" without quotes */
    CONF_NODE_SCALAR,
    CONF_NODE_SEQUENCE,
    CONF_NODE_MAPPING,
};

struct conf_node {
    enum conf_node_type type;
    bool plain; /* a scalar without quotes */
    struct conf_place place;
    struct slice key; /* of an entry of a map */
    struct conf_place key_place;
    size_t index;                   /* of an item of a list */
    const struct conf_node *parent; /* as written; NULL for a file's root */
    const struct conf_owner *owner; /* NULL: the configuration itself */
    struct slice text;              /* of a scalar */
    struct conf_node **items;       /* of a list or map */
    size_t count;
};

/* The entry of a map; NULL where it is absent or `map` is NULL or no map. */
struct conf_node *conf_node_get(const struct conf_node *map, struct slice key);

/* Where to point for a node: its key, or its value where it has none. */
struct conf_place conf_node_place(const struct conf_node *node);

/* "routes.read.limits[0].by", as written; "" for a root. */
struct slice conf_node_path(const struct conf_node *node, struct arena *arena);

/* For messages: the quoted beginning of a scalar, or "a list", "a map", "nothing". Never for a secret. */
struct slice conf_node_describe(const struct conf_node *node, struct arena *arena);

/* A new map with the entries of `map` (NULL: none) and room for `room` more; its place, key and owner. NULL without memory. */
struct conf_node *conf_node_copy_map(const struct conf_node *map, size_t room, struct arena *arena);

/* Says whom a node and everything under it belong to. */
void conf_node_own(struct conf_node *node, const struct conf_owner *owner);

/* "FILE:LINE" of a place, for the text of messages about another place. */
struct slice conf_place_text(struct conf_place place, struct arena *arena);

#endif
