/* Too much to do: which requests a worker still takes, so that those are answered in time. Worker's thread.
 *
 * What is ready is served in the order in which it became so. A request waits for its turn, and its answer again as long: both
 * together must stay under the queue deadline D. Turns that are long or full, one after the other for D, are a queue that
 * stands (a few alone are a hiccup, and empty by themselves; but where something was denied a moment ago, the first is enough).
 * Then each request is asked how long it has waited (the kernel knows): from D/4 on a growing part is denied, from D/2 on each.
 * Who is denied is told Retry-After, and its connection is not listened to until then: so denying costs little, and what it
 * leaves is work that is done.
 *
 * Who waited as told is listened to then. Who did not has a request there that is too old to be taken: while others wait for
 * more than D/4, and of every second one for a while after, it is left where it is, a few times; then it is denied, too, and
 * the next one is listened to where there is room. Without that, either the denials of those that never wait would eat up what
 * they leave, or all would come back together. */
#ifndef SALLYPORT_PIPELINE_OVERLOAD_H
#define SALLYPORT_PIPELINE_OVERLOAD_H

#include "config/settings.h"
#include "http/stream.h"
#include "net/loop.h"

struct overload {
    int64_t deadline;    /* ns; 0: everything is taken */
    int64_t retry_after; /* ns */
    int64_t owed;        /* parts of denials that have come together, in units of deadline/4 */
    int64_t alert_until; /* something was denied a moment ago; other workers read it */
    unsigned int over;   /* hold-offs that were over, of those that did not wait */
    int64_t waited;      /* the last one that was taken or denied while the queue stood */
    unsigned int turn;   /* who is held off in one moment must not come back in one moment */
};

/* A configuration's settings; the loop is told what a long turn is. */
void overload_set(struct overload *overload, struct net_loop *loop, const struct overload_settings *settings);

/* Any thread: has this worker denied something in the last seconds? */
static inline bool overload_is_alert(const struct overload *overload, int64_t now)
{
    return now < __atomic_load_n(&overload->alert_until, __ATOMIC_RELAXED);
}

/* Has there been too much to do for long enough? `now`: this moment, not the turn's. */
static inline bool overload_stands(const struct overload *overload, const struct net_loop *loop, int64_t now)
{
    return loop->long_since != INT64_MAX &&
           (now - loop->long_since >= overload->deadline || overload_is_alert(overload, now));
}

/* Of one that has waited for `waited` ns while the queue stands: must it go? */
bool overload_denies(struct overload *overload, int64_t waited);

/* May this request not be taken? The ns after which to come again, and its connection is being held off until then; 0: it
 * may. The first question of all; costs two comparisons while all is calm. */
int64_t overload_refuses(struct overload *overload, const struct net_loop *loop, struct http_stream *stream,
                         int64_t now);

/* A request is denied for another want: where too much is asked for here, too, its connection is held off for the ns returned;
 * else 0. */
int64_t overload_hold_off(struct overload *overload, const struct net_loop *loop, struct http_stream *stream,
                          int64_t now);

/* Its hold-off is over: ns for which it is held off once more, or 0. */
int64_t overload_holds_again(struct overload *overload, const struct net_loop *loop,
                             struct http_stream *stream, int64_t now);

#endif
