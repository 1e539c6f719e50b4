/* What the parts of this room share while a configuration is loaded, and keep for printing it. Private to src/config. */
#ifndef SALLYPORT_CONFIG_INTERNAL_H
#define SALLYPORT_CONFIG_INTERNAL_H

#include "config/config.h"
#include "config/diagnostics.h"
#include "config/places.h"
#include "config/reader.h"
#include "config/tables.h"
#include "tls/tls.h"

/* The layers of one route, weakest first. */
#define LAYERS_MAX 64

struct layer {
    const struct layer_settings *settings; /* as read by itself */
    const struct conf_node *node;
    bool is_policy;
};

/* Beside settings.routes, by the same index. */
struct route_source {
    const struct layer_settings *route, *group; /* group: NULL at top level */
    const struct conf_node *node, *group_node;
    const struct conf_node *merged; /* the effective policy's map; NULL: nothing was said */
    struct layer layers[LAYERS_MAX];
    size_t layer_count;
    const struct team_settings *team; /* NULL: none, or none that exists */
};

struct config_places {
    struct diagnostics diagnostics;
    struct places fields;
    struct conf_node *root;
    struct input_settings input;
    struct route_source *routes;
};

/* One load under way. */
struct loader {
    struct config *config;
    struct arena *arena;
    struct settings *settings;
    struct config_places *places;
    struct diagnostics *diagnostics;
    struct config_files *files;
    struct conf_reader reader;
};

#define NO_MEMORY FAIL(ERROR_MEMORY, "no memory for the configuration")

/* An error about the value of a field, or about `otherwise` where the field was not written. */
#define tell(loader, field, otherwise, ...)                                                                \
    diagnostics_node((loader)->diagnostics, DIAGNOSTIC_ERROR, loader_node((loader), (field), (otherwise)), \
                     __VA_ARGS__)
#define warn(loader, field, otherwise, ...)                                                                  \
    diagnostics_node((loader)->diagnostics, DIAGNOSTIC_WARNING, loader_node((loader), (field), (otherwise)), \
                     __VA_ARGS__)

static inline const struct conf_node *loader_node(const struct loader *loader, const void *field,
                                                  const struct conf_node *otherwise)
{
    const struct conf_node *node = places_field(&loader->places->fields, field);
    return node != NULL ? node : otherwise;
}

/* The node of a struct of a list or map. */
static inline const struct conf_node *loader_object(const struct loader *loader, const void *object)
{
    return places_object(&loader->places->fields, object);
}

/* By name, in a list of structs of `size` that begin with their name; NULL where there is none. */
void *settings_find(const void *items, size_t count, size_t size, struct slice name);
/* The same, and tells `there is no KIND "NAME"; did you mean …` about `node`. */
void *loader_find(struct loader *loader, const struct conf_node *node, const char *kind, const void *items,
                  size_t count, size_t size, struct slice name);

/* The steps of config_load, in their order. All tell what is wrong and fail for want of memory only. */
struct error load_routes(struct loader *loader) MUST_CHECK;     /* expand.c: layers, match, names */
struct error load_files(struct loader *loader) MUST_CHECK;      /* contents.c: certificates, keys, key sets */
struct error check_listeners(struct loader *loader) MUST_CHECK; /* check_listeners.c */
struct error check_confinement(struct loader *loader) MUST_CHECK; /* check_confinement.c */
struct error check_services(struct loader *loader) MUST_CHECK;    /* check_services.c: issuers, upstreams */
void check_policies(struct loader *loader);                       /* check_policies.c */
struct error check_routes(struct loader *loader) MUST_CHECK;      /* check_routes.c */
struct error check_table(struct loader *loader) MUST_CHECK;       /* check_table.c: ambiguity */
void check_team(struct loader *loader, const struct route_settings *route,
                const struct route_source *source); /* check_teams.c */

/* A file that TLS settings name, and the word by which src/tls speaks of it. */
struct tls_file {
    const char *word;
    const struct slice *path; /* the field */
};

/* check_tls.c: an error of src/tls, at the first field that it speaks of (else at `node`), with the files' names. */
void check_tls_tell(struct loader *loader, const struct conf_node *node, struct error error,
                    const struct tls_file *files, size_t count);

/* Its number was wrong, and that was told: there is nothing to check. */
bool limit_is_broken(const struct limit_settings *limit, const struct conf_node *node);

/* Has the locked policy been loosened by what stands above it? locks.c */
void check_locks(struct loader *loader, const struct route_settings *route,
                 const struct route_source *source);

/* What one entry of the route table is: a route under one host and one path. For check_table and snapshot_new. */
struct error route_entries_new(const struct settings *settings, struct arena *arena,
                               struct route_entry **ret_entries, size_t *ret_count) MUST_CHECK;

/* `a` covers `b`: whatever matches `b` matches `a`. Hosts and paths as in route/route.h. */
bool host_covers(struct slice a, struct slice b);
bool path_covers(struct slice a, struct slice b);

#endif
