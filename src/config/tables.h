/* The field tables that belong to the configuration itself; those of the rooms hang below them. */
#ifndef SALLYPORT_CONFIG_TABLES_H
#define SALLYPORT_CONFIG_TABLES_H

#include "config/settings.h"

#include <assert.h>

/* What one layer says: `defaults`, a policy, a group or a route. Layers are merged into a route's effective policy. */
struct layer_settings {
    struct slice name;
    struct conf_strings use; /* policies that stand below the layer's own keys */
    bool locked;             /* of a policy: layers above may only tighten it */
    struct slice team;       /* of a group */
    struct match_settings *match;
    struct conf_list routes; /* of a group: struct layer_settings */
    struct route_policy policy;
};

/* What the routes of a team may do. */
struct team_settings {
    struct slice name;
    struct conf_strings hosts, paths, policies;
    bool public_routes;
};

/* A whole configuration, as written. */
struct input_settings {
    struct settings settings; /* the plain values; the lists below are moved into it */
    struct conf_strings include;
    struct slice team;
    struct conf_list listeners;           /* of struct listener_settings */
    struct conf_list issuers;             /* of struct issuer_settings */
    struct conf_list introspection;       /* of struct introspection_settings */
    struct conf_list api_keys;            /* of struct api_keys_settings */
    struct conf_list basic;               /* of struct basic_settings */
    struct conf_list client_certificates; /* of struct client_certificate_settings */
    struct conf_list authorizers;         /* of struct authorizer_settings */
    struct conf_list resources;           /* of struct resource_settings */
    struct conf_list upstreams;           /* of struct upstream_settings */
    struct layer_settings *defaults;
    struct conf_list policies, groups, routes; /* of struct layer_settings */
    struct conf_list teams;                    /* of struct team_settings */
};

extern const struct conf_object config_object; /* the root: everything is below it */
extern const struct conf_object confinement_object;
extern const struct conf_object shutdown_object;
extern const struct conf_object overload_object;
extern const struct conf_object admin_object;

/* tables_listeners.c */
extern const struct conf_object listener_object;
extern const struct conf_object timeouts_object;
extern const struct conf_choice exposure_choices[]; /* of listeners and of routes */

/* tables_layers.c */
extern const struct conf_object defaults_object;
extern const struct conf_object policy_object;
extern const struct conf_object group_object;
extern const struct conf_object route_object;
extern const struct conf_object team_object;
/* Only what layers share: a route's effective policy, into struct route_policy. */
extern const struct conf_object effective_object;

/* Whether a field of the root stands in struct settings, at the same offset. Else it is a list of things with names, or is
 * used up by the load. */
static inline bool config_is_of_gateway(const struct conf_field *field)
{
    static_assert(offsetof(struct input_settings, settings) == 0, "an offset of one is that of the other");
    return field->offset < sizeof(struct settings);
}

#endif
