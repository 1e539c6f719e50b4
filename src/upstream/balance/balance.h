/* Which endpoint of a service gets the next request: one algorithm a file, one row each in a table. Knows endpoints by their
 * number alone, and no connection. Memory is taken when it is made; a choice takes none, and but for least_requests no choice
 * looks at all endpoints, unless those that it would choose may not be. One owner, one thread. */
#ifndef SALLYPORT_UPSTREAM_BALANCE_BALANCE_H
#define SALLYPORT_UPSTREAM_BALANCE_BALANCE_H

#include "base/error.h"
#include "upstream/balance/latency.h"
#include "upstream/balance/lottery.h"
#include "upstream/balance/maglev.h"
#include "upstream/balance/settings.h"
#include "upstream/balance/usable.h"

#define BALANCE_TRIES_MAX 16 /* endpoints that a request remembers to have tried */

/* An endpoint, as the choice sees it. */
struct balance_target {
    uint32_t active; /* requests that it serves, and tunnels */
    uint32_t weight; /* 1, unless the owner says otherwise; of BALANCE_WEIGHTED */
    struct latency latency;
    int64_t since; /* ns, monotonic: when it joined or came back; the owner's. 0: it was always there */
    bool healthy;  /* the owner's, as `weight` and `tier` */
    uint8_t tier;  /* 0 goes first: the gateway's zone, or the lowest priority */
    bool usable;   /* of those two */
};

/* What a choice is made for. */
struct balance_ask {
    int64_t now; /* ns, monotonic */
    bool keyed;  /* of BALANCE_HASH: it has a key, balance_key */
    uint64_t key;
    const uint16_t *tried; /* not these */
    size_t tried_count;
    /* May it take one more now? */
    bool (*has_room)(void *context, size_t index);
    void *context;
};

struct balancer;

struct balance_algorithm {
    /* An endpoint for which balance_may; BALANCE_NONE: there is none. */
    size_t (*pick)(struct balancer *balancer, const struct balance_ask *ask);
    /* An answer came, or failed, after `took` ns. NULL: nothing is learned from it. */
    void (*done)(struct balance_target *target, int64_t took, bool well, int64_t now);
    /* Others are usable now. NULL: nothing depends on it. */
    void (*refresh)(struct balancer *balancer);
};

#define BALANCE_NONE SIZE_MAX

struct balancer {
    const struct balance_algorithm *algorithm;
    struct balance_target *targets;
    size_t count;
    uint16_t *usable; /* numbers, ascending; never empty where there is an endpoint */
    size_t usable_count;
    size_t next;     /* in `usable`: whose turn it is */
    uint64_t active; /* of all targets */
    uint64_t random; /* state */
    struct usable_rules rules;
    int64_t slow_start;     /* ns in which one that joined or came back gets up to its share; 0: at once */
    int64_t ramps_end;      /* ns, monotonic: when the last of them has it */
    int64_t max_load;       /* of BALANCE_HASH: percent of the mean; 0: any */
    struct lottery lottery; /* of BALANCE_WEIGHTED, over `usable` */
    uint32_t *weights;      /* the same, while it is filled */
    const struct maglev *maglev; /* of BALANCE_HASH, over all targets; the settings' */
};

/* `maglev` of BALANCE_HASH must outlive it; else it is NULL. All are healthy, and of the weight 1. */
struct error balancer_init(struct balancer *balancer, enum upstream_balance balance,
                           const struct maglev *maglev, size_t count) MUST_CHECK;
/* Zeroed is fine. */
void balancer_done(struct balancer *balancer);

/* `healthy`, `tier` or weights of targets have changed, or the rules. */
void balancer_refresh(struct balancer *balancer);

/* One of the next tier, where all that are usable were tried. */
size_t balancer_pick_beyond(struct balancer *balancer, const struct balance_ask *ask);

static inline size_t balancer_pick(struct balancer *balancer, const struct balance_ask *ask)
{
    size_t index = balancer->algorithm->pick(balancer, ask);
    return index == BALANCE_NONE && ask->tried_count > 0 ? balancer_pick_beyond(balancer, ask) : index;
}

static inline void balancer_begin(struct balancer *balancer, size_t index)
{
    balancer->targets[index].active++;
    balancer->active++;
}

static inline void balancer_end(struct balancer *balancer, size_t index)
{
    balancer->targets[index].active--;
    balancer->active--;
}

static inline void balancer_note(struct balancer *balancer, size_t index, int64_t took, bool well,
                                 int64_t now)
{
    if (balancer->algorithm->done != NULL) {
        balancer->algorithm->done(&balancer->targets[index], took, well, now);
    }
}

/* The key of a text: the same in every process, on every machine, so that several gateways agree. Who chooses the text can
 * choose where it leads, as who repeats one could: it decides nothing but that. */
uint64_t balance_key(struct slice text);

/* ---- for algorithms ---- */

/* SplitMix64 (Steele, Lea, Flood): good enough to spread load, and no secret. */
static inline uint64_t balance_mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94D049BB133111EB);
    return x ^ (x >> 31);
}

static inline uint64_t balance_random(struct balancer *balancer)
{
    balancer->random += UINT64_C(0x9E3779B97F4A7C15);
    return balance_mix(balancer->random);
}

/* A 32-bit number to one below `count`. */
static inline size_t balance_below(uint32_t random, size_t count)
{
    return (size_t)(((uint64_t)random * count) >> 32);
}

/* A usable endpoint: may this request have it? */
bool balance_may(const struct balancer *balancer, const struct balance_ask *ask, size_t index);

/* One that is slowly started is passed over, as often as it is to be; `chance` is a number of 32 bits. */
bool balance_is_held(const struct balancer *balancer, const struct balance_ask *ask, size_t index,
                     uint32_t chance);
static inline bool balance_passes_over(struct balancer *balancer, const struct balance_ask *ask, size_t index)
{
    return ask->now < balancer->ramps_end &&
           balance_is_held(balancer, ask, index, (uint32_t)balance_random(balancer));
}

/* The first from `start` on, a place in `usable`, that the request may have: what is left where an algorithm's own choice may
 * not be. */
size_t balance_first(const struct balancer *balancer, const struct balance_ask *ask, size_t start);

/* One after the other: also what keys fall back to that are not there. */
size_t balance_turn(struct balancer *balancer, const struct balance_ask *ask);

extern const struct balance_algorithm balance_round_robin, balance_weighted, balance_least_requests,
    balance_p2c, balance_hash;

#endif
