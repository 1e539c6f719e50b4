#include "pipeline/overload.h"

#include "base/clock.h"

/* How long after a denial the next one needs no queue that has stood for long. */
#define ALERT (4 * NS_PER_S)
/* Hold-offs last between one and two times Retry-After, in so many steps. */
#define SPREAD 16

void overload_set(struct overload *overload, struct net_loop *loop, const struct overload_settings *settings)
{
    overload->deadline = settings->queue_deadline;
    overload->retry_after = settings->retry_after;
    overload->owed = 0;
    loop->long_turn = settings->queue_deadline > 0 ? settings->queue_deadline / 4 : INT64_MAX;
    if (settings->queue_deadline == 0) {
        loop->long_since = INT64_MAX;
    }
}

bool overload_denies(struct overload *overload, int64_t waited)
{
    int64_t quarter = overload->deadline / 4;
    if (waited >= 2 * quarter) {
        return true;
    }
    if (waited <= quarter) {
        return false;
    }
    /* Evenly spread, not drawn by lot: the part of the way from D/4 to D/2 is the part of the requests. */
    overload->owed += waited - quarter;
    if (overload->owed < quarter) {
        return false;
    }
    overload->owed -= quarter;
    return true;
}

/* Where the kernel does not tell: a turn's first events have waited as long as the turn before lasted, its last ones as
 * long as this one. */
static int64_t waited(const struct net_loop *loop, struct http_stream *stream, int64_t now)
{
    int64_t known = stream->ops->waited(stream);
    if (known >= 0) {
        return known;
    }
    int64_t elapsed = now - loop->turn_began;
    return elapsed > loop->last_turn ? elapsed : loop->last_turn;
}

/* Evenly spread over between one and two times retry_after, and twice as long for one that did not wait the last time. */
static int64_t hold_off(struct overload *overload, struct http_stream *stream)
{
    int64_t duration = overload->retry_after + overload->retry_after / SPREAD * overload->turn;
    overload->turn = (overload->turn + 7) % SPREAD;
    duration = stream->held_off ? 2 * duration : duration;
    stream->ops->hold_off(stream, duration);
    return duration;
}

int64_t overload_refuses(struct overload *overload, const struct net_loop *loop, struct http_stream *stream,
                         int64_t now)
{
    bool stands = overload_stands(overload, loop, now);
    if ((!stands && !stream->held_off) || overload->deadline == 0) {
        return 0;
    }
    int64_t time = waited(loop, stream, now);
    if (!stands) {
        /* One that came before Retry-After was over has waited, too. But all is calm: the next one is listened to. */
        return time >= overload->deadline / 2 ? overload->retry_after : 0;
    }
    if (!overload_denies(overload, time)) {
        return 0;
    }
    __atomic_store_n(&overload->alert_until, now + ALERT, __ATOMIC_RELAXED);
    return hold_off(overload, stream);
}
