/* The checker from within: shared by checker.c (configurations, life), schedule.c (what is asked when, and what comes of it)
 * and render.c. */
#ifndef SALLYPORT_UPSTREAM_HEALTH_CHECKER_INTERNAL_H
#define SALLYPORT_UPSTREAM_HEALTH_CHECKER_INTERNAL_H

#include "base/arena.h"
#include "upstream/health/checker.h"
#include "upstream/health/probe.h"
#include "upstream/health/tally.h"
#include "upstream/resolve.h"

/* An address of an endpoint. */
struct health_spot {
    struct health_probe probe; /* first */
    struct health_target *target;
    struct health_spot *next;
    struct health_server server;
    struct health_tally tally;
    uint64_t key;     /* as marks know it; 0: the endpoint's only one */
    int64_t next_at;  /* of its next check */
    int64_t asked_at; /* of the one under way, or the last */
    int64_t seen_at;  /* when the name stood for it last */
    bool current;     /* the name stands for it now */
};

/* An endpoint. */
struct health_target {
    struct health_service *service;
    struct health_target *next;
    struct arena memory;
    struct upstream_endpoint endpoint; /* own copy */
    struct slice authority;
    struct health_mark *mark; /* a reference */
    struct health_spot *spots;
    struct resolved names;
    struct health_tally naming; /* while the name stands for none */
    int64_t name_at;            /* when to look at the name next; INT64_MAX: it is none */
    bool unhealthy;
    uint64_t counts[HEALTH_OUTCOME_COUNT];
};

struct health_service {
    struct health_checker *checker;
    struct health_service *next;
    struct arena memory;
    struct slice name;
    struct health_question question; /* own copy */
    struct address *own;             /* of its guard */
    uint64_t tls_digest;             /* of all that its TLS settings say */
    struct health_target *targets;
    bool unhealthy; /* all of them are */
};

struct health_checker {
    struct net_loop *loop;
    struct metrics_worker *metrics;
    health_callback *callback;
    void *context;
    uv_timer_t timer;
    struct health_service *services;
    bool stopped;
};

/* ---- schedule.c ---- */

/* An endpoint that is new: its first spot, or its name, is looked at soon. */
bool health_target_begin(struct health_target *target) MUST_CHECK;
/* Its probes and look-up are over. */
void health_target_stop(struct health_target *target);
/* And its spots are gone. */
void health_target_end(struct health_target *target);
/* Nothing waits longer than the service's interval, which may have become shorter. */
void health_target_hasten(struct health_target *target);
/* Sets the timer to what is due next. */
void health_schedule(struct health_checker *checker);
/* Does what is due. */
void health_on_timer(uv_timer_t *timer);
/* Whether all endpoints are unhealthy, anew; true: that has changed. */
bool health_service_update(struct health_service *service);

#endif
