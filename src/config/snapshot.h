/* A configuration in force: settings, and what is compiled from them. Immutable; shared by the workers.
 *
 * Each worker holds one count, for as long as any of its exchanges uses the snapshot; the workers count their own uses
 * among themselves. */
#ifndef SALLYPORT_CONFIG_SNAPSHOT_H
#define SALLYPORT_CONFIG_SNAPSHOT_H

#include "config/config.h"

/* A route, compiled: what the stages read. */
struct route {
    const struct route_settings *settings;
    unsigned int index;                           /* in snapshot->routes; the id in the route table */
    unsigned int upstream;                        /* index in settings->upstreams; of a split its first */
    unsigned int mirror_upstream;                 /* the same, of `mirror`, where there is one */
    unsigned int fallback_upstream;               /* the same, of `fallback`, where that is one */
    struct split *split;                          /* NULL: there is none */
    const struct authorizer_settings *authorizer; /* whom `authorize` asks; NULL: nobody */
    const struct limit_settings **client_limits;  /* by address, header, route: before authentication */
    size_t client_limit_count;
    const struct limit_settings **caller_limits; /* by caller, claim */
    size_t caller_limit_count;
    struct slice scope_text;             /* for insufficient_scope challenges */
    struct slice acr_text, max_age_text; /* for insufficient_user_authentication challenges; may be empty */
    struct slice resource_metadata;      /* URL of the document that challenges name; empty: none */
    unsigned int metrics_slot;           /* set by the gateway */
};

/* The document of a protected resource, and where it is served. */
struct served_resource {
    struct slice host, path; /* canonical */
    struct slice text;
    uint64_t listeners; /* bits by their index: those of the routes that name it */
};

struct snapshot {
    struct config *config;           /* owned */
    const struct settings *settings; /* of config */
    struct route *routes;
    size_t route_count;
    struct route_table *table;
    struct served_resource *resources;
    size_t resource_count;
    struct conf_strings
        identity_headers; /* every header name that any route sets from identity, and that holds credentials */
    struct relay_credentials credentials; /* what holds credentials on any route */
    unsigned int *authorizer_slots;       /* by authorizer: of metrics; set by the gateway */
    uint64_t generation;                  /* 1, 2, … in this process */
    int references;                       /* atomic */
};

/* Compiles a configuration without errors. Takes it, on success only. The snapshot has one reference. */
struct error snapshot_new(struct config *config, struct snapshot **ret_snapshot) MUST_CHECK;
/* check_resources.c: fills in `resources`, and what routes say of them. The routes are compiled. */
struct error snapshot_compile_resources(struct snapshot *snapshot) MUST_CHECK;
struct snapshot *snapshot_ref(struct snapshot *snapshot);
void snapshot_unref(struct snapshot *snapshot);

#endif
