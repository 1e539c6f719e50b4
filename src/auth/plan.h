/* What a route's `auth` comes down to: which methods are tried, and which proofs are enough together. Made once, by config;
 * immutable, any thread. */
#ifndef SALLYPORT_AUTH_PLAN_H
#define SALLYPORT_AUTH_PLAN_H

#include "auth/place.h"
#include "auth/settings.h"
#include "base/arena.h"

/* Ways of one route, and alternatives that its lists multiply out to. */
#define AUTH_WAYS_MAX         16
#define AUTH_ALTERNATIVES_MAX 64

/* One whose proofs count. */
struct auth_source {
    const void *settings; /* filled in by config: by the method, struct issuer_settings and so on */
    uint32_t ways;        /* bits of the plan's: those that its proof is one of */
};

/* A method is tried once, however many ways name it: a request has one credential of it. */
struct auth_use {
    enum auth_method method;
    struct conf_strings names;   /* of all its ways, in their order, none twice */
    struct auth_source *sources; /* what each of them leads to */
    struct auth_places places;   /* of its credential, by auth_places_set; of a certificate: none */
};

struct auth_way {
    enum auth_method method;
    const struct conf_strings *names;
};

struct auth_plan {
    struct auth_use uses[AUTH_METHOD_COUNT]; /* in the order in which they are listed first */
    size_t use_count;
    struct auth_way ways[AUTH_WAYS_MAX];
    size_t way_count;
    uint32_t enough[AUTH_ALTERNATIVES_MAX]; /* bits of `ways` that are enough together */
    size_t enough_count;
};

/* The plan of settings that auth_check_settings and auth_check_entry find nothing wrong with, mode not none. NULL and a static
 * text in *ret_problem: too many ways, or no memory. */
struct auth_plan *auth_plan_new(const struct auth_settings *settings, struct arena *arena,
                                const char **ret_problem);

/* Of those whose proofs of this kind count the one with this name. NULL: it is none of them. */
const struct auth_source *auth_use_source(const struct auth_use *use, struct slice name);

/* Is it tried? Of no plan nothing is. */
bool auth_plan_uses(const struct auth_plan *plan, enum auth_method method);

/* Is no alternative without it? */
bool auth_plan_needs(const struct auth_plan *plan, enum auth_method method);

/* Are the ways that were proven enough? */
bool auth_plan_is_met(const struct auth_plan *plan, uint32_t proven);

#endif
