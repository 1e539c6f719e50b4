/* Requests of one route shared out to several upstreams by weight: a canary. Its policy is one, whoever serves.
 *
 * Exact: of any `total` requests that one after the other take a turn, each upstream gets its weight, spread evenly over them; a
 * process has one count for all of its workers. Sticky: what has the same key always goes to the same upstream, as long as the weights
 * stay. Compiled into the snapshot; any thread. */
#ifndef SALLYPORT_UPSTREAM_SPLIT_H
#define SALLYPORT_UPSTREAM_SPLIT_H

#include "base/arena.h"
#include "base/conf_field.h"
#include "base/error.h"
#include "upstream/balance/settings.h"

#define SPLIT_WEIGHT_MAX 10000
#define SPLIT_SHARES_MAX 16

struct split_share {
    struct slice name; /* of the upstream */
    int64_t weight;
};

/* `split` of a route, in place of `upstream`. */
struct split_settings {
    struct conf_list weights;     /* of struct split_share */
    struct slice sticky;          /* empty: each request by itself */
    struct balance_source source; /* of `sticky`, filled in by split_check */
};

extern const struct conf_object split_object;

/* NULL, or what is wrong: a static text, and the setting that it is about. */
const char *split_check(struct split_settings *settings, const void **ret_where);

struct split;

/* `upstreams`: the number of each share's. */
struct error split_new(const struct split_settings *settings, const unsigned int *upstreams,
                       struct arena *arena, struct split **ret_split) MUST_CHECK;

/* The upstream whose turn it is. */
unsigned int split_next(struct split *split);
/* The one of a key (balance_key). */
unsigned int split_of(const struct split *split, uint64_t key);
/* All of them, for who wants to know of each; their number in *ret_count. */
const unsigned int *split_upstreams(const struct split *split, size_t *ret_count);

#endif
