/* Asks the servers of services whether they are well, on the control thread, and tells the workers by marks (health/mark.h).
 *
 * Per address: a check each `interval` (a tenth earlier or later by chance), one at a time; what came of it goes through the
 * tally (health/tally.h). A name is looked up as workers do (upstream/resolve.h), and each address that it stands for is
 * checked; one that it stands for no longer is, for a minute more, since workers may still know it. A name that stands for
 * none counts as an endpoint that fails.
 *
 * Across configurations an endpoint keeps its state as long as its service asks the same question in the same way (what is
 * asked, protocol, TLS, host_header): see health_checker_mark. Else it is a new one. Everything is copied. */
#ifndef SALLYPORT_UPSTREAM_HEALTH_CHECKER_H
#define SALLYPORT_UPSTREAM_HEALTH_CHECKER_H

#include "base/buffer.h"
#include "base/error.h"
#include "net/loop.h"
#include "observe/metrics.h"
#include "upstream/settings.h"

struct health_checker;

/* An address has changed sides, or an endpoint whose name stands for none. Slices are good during the call. */
struct health_event {
    struct slice service, endpoint;
    struct slice address; /* empty: the endpoint has but one, or none */
    bool unhealthy;
    const char *outcome, *detail; /* of the check that decided; detail "" where there is nothing to tell */
    bool service_changed;         /* with it, the last healthy endpoint went, or the first one came */
};
/* Neither sets nor frees the checker. */
typedef void health_callback(void *context, const struct health_event *event);

/* `metrics`: for the connections that it makes. */
struct error health_checker_new(struct net_loop *loop, struct metrics_worker *metrics,
                                health_callback *callback, void *context,
                                struct health_checker **ret_checker) MUST_CHECK;
/* Cancels what is under way. The loop must run one turn more before it is done. NULL is fine. */
void health_checker_free(struct health_checker *checker);

/* Before workers see a configuration: gives each endpoint that is to be checked its mark, that of before where it keeps its
 * state. The settings hold references (snapshot_unref gives them back). On failure some may have theirs. */
struct error health_checker_mark(const struct health_checker *checker, struct upstream_settings *upstreams,
                                 size_t count) MUST_CHECK;
/* The configuration is in force: these endpoints, with their marks, are checked from now on, and no others. New ones at
 * once. On failure nothing has changed. */
struct error health_checker_set(struct health_checker *checker, const struct upstream_settings *upstreams,
                                size_t count) MUST_CHECK;
/* For ever: marks stay as they are. NULL is fine. */
void health_checker_stop(struct health_checker *checker);

/* For metrics_set_more; the checker as context. */
bool health_checker_render(const void *checker, struct buffer *out);

#endif
