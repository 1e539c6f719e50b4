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
    bool refuse_expired; /* see struct config_options */
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

/* check_auth.c: the settings of a plan's sources, by their names; NULL where a name leads nowhere. */
void settings_resolve(const struct settings *settings, struct auth_plan *plan);

/* The root of a YAML file of its own, which `path` of `owner` names; NULL where it cannot be read or is no YAML, which was told. */
struct error loader_read_root(struct loader *loader, const struct slice *path, const struct conf_node *owner,
                              struct conf_node **ret_root) MUST_CHECK;

/* The steps of config_load, in their order. All tell what is wrong and fail for want of memory only. */
struct error expand_admin(struct loader *loader) MUST_CHECK; /* admin.c: the routes of `admin` */
/* check_discovery.c: `endpoints: [dns+srv://…]` is `discover: dns+srv://…` */
struct error expand_discovery(struct loader *loader) MUST_CHECK;
/* How such a source is written; NULL: it is none. */
const char *discovery_example(struct slice url);
struct error load_routes(struct loader *loader) MUST_CHECK; /* expand.c: layers, match, names */
struct error load_files(struct loader *loader) MUST_CHECK;  /* contents.c: certificates, keys, key sets */
/* The bytes of the file that the field `path` of a struct at `owner` names, until the files are read again; or it is told why not. */
struct error load_read(struct loader *loader, const struct slice *path, const struct conf_node *owner,
                       size_t maximum, struct slice *out, bool *ret_read) MUST_CHECK;
/* One PEM file that the field `path` of a struct at `owner` names. */
struct error load_contents(struct loader *loader, const struct slice *path, const struct conf_node *owner,
                           struct slice *out) MUST_CHECK;
/* The same of any text, of at most `maximum` bytes. */
struct error load_file_text(struct loader *loader, const struct slice *path, const struct conf_node *owner,
                            size_t maximum, struct slice *out) MUST_CHECK;
struct error check_error_pages(struct loader *loader) MUST_CHECK; /* check_error_pages.c */
struct error check_listeners(struct loader *loader) MUST_CHECK;   /* check_listeners.c */
struct error check_confinement(struct loader *loader) MUST_CHECK; /* check_confinement.c */
struct error check_api_keys(struct loader *loader) MUST_CHECK;    /* check_api_keys.c */
struct error check_authorizers(struct loader *loader) MUST_CHECK; /* check_authorizers.c */
/* The same: what routes may say of them, in `auth` and beside it. */
void check_external_auth(struct loader *loader, const struct auth_settings *auth,
                         const struct conf_node *node);
void check_external_route(struct loader *loader, const struct route_settings *route,
                          const struct conf_node *node);
/* Does what is sent there stay on this machine? check_services.c */
bool check_stays_here(const struct upstream_endpoint *endpoint);
/* TLS to others, made for trial. check_client_tls.c */
struct error check_client_tls(struct loader *loader, const struct tls_client_settings *tls) MUST_CHECK;
struct error check_blocks(struct loader *loader) MUST_CHECK;   /* check_blocks.c */
struct error check_basic(struct loader *loader) MUST_CHECK;    /* check_basic.c */
void check_failure_budget(struct loader *loader);              /* check_basic.c */
struct error check_services(struct loader *loader) MUST_CHECK; /* check_services.c: issuers, upstreams */
/* check_discovery.c: what a pod knows of its cluster; before files are read. */
struct error fill_discovery(struct loader *loader) MUST_CHECK;
/* The same: by what upstreams' addresses are judged when they are connected to; after listeners and services. */
struct error fill_guards(struct loader *loader) MUST_CHECK;
/* The same: endpoints are written, or discovered. */
void check_discovery(struct loader *loader, struct upstream_settings *upstream);
/* check_balance.c */
struct error check_balance(struct loader *loader, struct upstream_settings *upstream) MUST_CHECK;
void check_health(struct loader *loader, struct upstream_settings *upstream); /* check_health.c */
struct error check_admin(struct loader *loader) MUST_CHECK; /* admin.c: its sets and listeners */
void check_admin_route(struct loader *loader, struct route_settings *route,
                       const struct conf_node *node);           /* admin.c */
void check_policies(struct loader *loader);                     /* check_policies.c */
struct error check_routes(struct loader *loader) MUST_CHECK;    /* check_routes.c */
struct error check_resources(struct loader *loader) MUST_CHECK; /* check_resources.c; after routes */
/* Warns of a date that has passed: the rule is enforced. check_shadow.c */
void check_shadow(struct loader *loader, const struct shadow_settings *shadow,
                  const struct conf_node *otherwise);
/* The same of a candidate: nothing is enforced then, and nothing is judged any more. It is told some days before, too. */
void check_candidate_date(struct loader *loader, const struct shadow_settings *shadow,
                          const struct conf_node *otherwise);
/* The resource that `auth`, written at `node`, names. */
void check_resource_name(struct loader *loader, const struct auth_settings *auth,
                         const struct conf_node *node);
/* check_auth.c: what `auth` says, written at `node`, and its plan. */
struct error check_auth(struct loader *loader, struct auth_settings *auth,
                        const struct conf_node *node) MUST_CHECK;
/* check_places.c: where a route's credentials stand, which fills in the plan's places; and an issuer's own `token_from`. */
struct auth_plan;
void check_places(struct loader *loader, const struct auth_settings *auth, struct auth_plan *plan,
                  const struct conf_node *node);
void check_place(struct loader *loader, struct auth_place_settings *const *field, bool in_issuer,
                 const struct conf_node *otherwise);
/* Every name in it leads somewhere. */
void check_auth_names(struct loader *loader, const struct auth_settings *auth, const struct conf_node *node);
/* A bare word that is no mode: it has been told, and what was meant is not known. */
bool auth_is_broken(const struct auth_settings *auth, const struct conf_node *node);
/* check_meanings.c: warns of what may be written and is most likely not meant. */
void check_meanings(struct loader *loader, const struct route_settings *route, const struct conf_node *node);

/* check_filters.c: fills in the route's chain. `identity`: names of identity_collect. */
struct error check_filters(struct loader *loader, struct route_settings *route, const struct conf_node *node,
                           const struct conf_strings *identity) MUST_CHECK;
/* identity.c: what holds credentials on any route, and every header name that one sets from identity or takes a credential from. */
struct error identity_collect(const struct settings *settings, struct arena *arena,
                              struct relay_credentials *credentials, struct conf_strings *headers) MUST_CHECK;
/* check_segments.c: what is kept inside is reached from nowhere else. */
void check_segments(struct loader *loader);
struct error check_table(struct loader *loader) MUST_CHECK; /* check_table.c: ambiguity */
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

/* What is told of a certificate that has expired, and whether it is to be shown to servers. */
struct tls_leaf_wanted {
    enum diagnostic_kind kind;
    const char *expired;
    bool client;
};

/* The same: dates and purpose of the leaf of `cert`, a field whose file holds `pem`. */
void check_tls_leaf(struct loader *loader, const struct slice *cert, struct slice pem,
                    const struct conf_node *node, const struct tls_leaf_wanted *wanted);

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
