/* Sources, within the room. */
#ifndef SALLYPORT_UPSTREAM_DISCOVERY_INTERNAL_H
#define SALLYPORT_UPSTREAM_DISCOVERY_INTERNAL_H

#include "upstream/discovery/discovery.h"
#include "upstream/discovery/file.h"

#define SOURCE_REASON_MAX 256

struct file_look;  /* under way in the thread pool */
struct dns_lookup; /* under way */
struct watched;    /* what is known of a server that tells changes */

/* Where one upstream's endpoints come from. */
struct discovery_source {
    struct discovery *discovery;
    struct discovery_source *next;
    struct arena memory;                /* of `upstream` and `settings` */
    struct slice upstream;              /* name */
    struct discovery_settings settings; /* copied */
    struct arena *found_memory;         /* of `found`; NULL: nothing was found yet */
    struct found_endpoints found;       /* the last good ones */
    bool given;                         /* a configuration has `found`: changes are told from then on */
    bool wanted;                        /* by the configuration in force */
    int64_t due;                        /* ns, monotonic; INT64_MAX: a look is under way, or none is wanted */
    bool failing;
    char reason[SOURCE_REASON_MAX]; /* why, where it is failing */
    uint64_t looks_good, looks_failed;
    struct file_stamp stamp;
    struct file_look *look;
    struct dns_lookup *lookup;
    unsigned int empties;    /* answers in a row that there is nothing */
    struct watched *watched; /* of Consul and Kubernetes */
};

struct discovery {
    struct net_loop *loop;
    discovery_callback *callback;
    void (*changed)(void *context);
    void *context;
    uv_timer_t timer;
    struct discovery_source *sources;
    struct fetcher *fetcher;        /* NULL: nothing is watched yet */
    void (*settled)(void *context); /* who waits for first answers; NULL: nobody */
    int64_t patience_ends;          /* ns, monotonic: of those */
};

/* ---- source.c ---- */

struct discovery_source *source_new(struct discovery *discovery, const struct upstream_settings *upstream);
void source_free(struct discovery_source *source);
bool source_is_of(const struct discovery_source *source, const struct upstream_settings *upstream);
/* Something was found: takes `memory`, of which it is. False: it is to be told again. */
bool source_take(struct discovery_source *source, struct arena *memory, const struct found_endpoints *found);
void source_fail(struct discovery_source *source, const char *reason);
/* All is well, and nothing else was found. */
void source_recover(struct discovery_source *source);
/* Is it believed that there is nothing? `firm`: who says so must know; else it is when said three times in a row. */
bool source_believes(struct discovery_source *source, const struct found_endpoints *found, bool firm);
/* An arena for what is found; NULL: no memory. */
struct arena *source_memory_new(void);
void source_memory_free(struct arena *memory);

/* ---- look.c ---- */

/* Reads the file here and now. */
void source_look_now(struct discovery_source *source);
/* In the thread pool. */
void source_look(struct discovery_source *source);
/* The one under way is forgotten. */
void source_forget_look(struct discovery_source *source);

/* ---- dns.c ---- */

/* Asks the name servers. */
void source_ask(struct discovery_source *source);
void source_forget_lookup(struct discovery_source *source);

/* ---- watch.c ---- */

/* It is due: asks, or publishes what was told. */
void source_watch(struct discovery_source *source);
void source_forget_watch(struct discovery_source *source);

/* ---- discovery.c ---- */

/* A look is over, well or not. */

void discovery_looked(struct discovery *discovery);
void discovery_schedule(struct discovery *discovery);

#endif
