/* What each host of a side serves, found by host and by path as the table of routes finds it. Private to src/config; one thread.
 * Texts and routes are borrowed from the configuration, all else is the arena's but the maps. */
#ifndef SALLYPORT_CONFIG_DIFFERENCE_SITES_H
#define SALLYPORT_CONFIG_DIFFERENCE_SITES_H

#include "base/map.h"
#include "config/internal.h"

/* A route for some methods of a host and path on a listener; or what serves them there. */
struct place_entry {
    struct place_entry *next; /* of the same path */
    struct slice host, path, listener;
    struct slice key;        /* of the path: the same for all that are one path to the table */
    struct slice conditions; /* as text; empty: none */
    uint64_t methods;
    const struct route_settings *route;
};

/* Where patterns part, or end. */
struct path_node {
    struct path_node *next, *children, **last_child;
    struct path_node *variable, *rest; /* those of the children; NULL: none */
    struct path_node *next_end;        /* the next of the site's paths */
    struct slice key, path;            /* path: of its first entry */
    struct place_entry *first, **last; /* the routes of the path that ends here; none: it only goes on */
};

/* A host on a listener. */
struct site {
    struct site *next;
    struct slice host, listener;
    struct map nodes; /* by key, and by each beginning of one that is whole segments */
    struct path_node root;
    struct path_node *first, **last; /* the paths, in the order of the file */
};

struct place_listener {
    struct place_listener *next;
    struct slice name;
    struct map sites; /* by host */
};

struct sites {
    struct arena *arena;
    struct place_listener *listeners;
    struct site *first, **last;
};

/* Borrows the arena. */
void sites_init(struct sites *sites, struct arena *arena);
void sites_done(struct sites *sites);

/* Takes a copy of the entry; its key must be of sites_key(). False: no memory. */
bool sites_add(struct sites *sites, const struct place_entry *entry) MUST_CHECK;

/* Names of variables count for nothing in it, nor does how a text is escaped. ptr NULL: no memory. */
struct slice sites_key(struct arena *arena, struct slice path);

/* This very host; and the one whose routes serve requests for it there. NULL: none. */
const struct site *sites_find(const struct sites *sites, struct slice host, struct slice listener);
const struct site *sites_serving(const struct sites *sites, struct slice host, struct slice listener);

/* Of a site, which may be NULL: the path of that key, and the one at which requests for it end, whatever routes there are. */
const struct path_node *site_path(const struct site *site, struct slice key);
const struct path_node *site_end(const struct site *site, struct slice key);

/* Calls visit for each path of the site that takes a request which `key` takes, too; false: one of them was false. */
bool site_each_meeting(const struct site *site, struct slice key,
                       bool (*visit)(void *context, const struct path_node *node), void *context) MUST_CHECK;

#endif
