#include "pipeline/overload.h"

#include "base/clock.h"

/* How long after a denial the next one needs no queue that has stood for long. */
#define ALERT (4 * NS_PER_S)
/* Hold-offs last between one and two times Retry-After, in so many steps. */
#define SPREAD 16
/* How often one is made longer for a client that did not wait. */
#define HOLDS_MAX 5
/* At the end of the ramp one of so many is denied, before all are: those that go together come back together. */
#define RAMP_PART 4

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
    int64_t quarter = overload->deadline / 4, beyond = waited - quarter;
    if (beyond >= quarter) {
        return true;
    }
    if (beyond <= 0) {
        return false;
    }
    /* A part that grows as the square of how far it is beyond; each takes its connection along, so few are enough. Evenly
     * spread, not drawn by lot. */
    overload->owed += beyond * beyond / quarter / RAMP_PART;
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

/* Evenly spread over between one and two times retry_after. */
static int64_t next_hold_off(struct overload *overload)
{
    overload->turn = (overload->turn + 7) % SPREAD;
    return overload->retry_after + overload->retry_after / SPREAD * overload->turn;
}

static int64_t hold_off(struct overload *overload, struct http_stream *stream)
{
    int64_t duration = next_hold_off(overload);
    stream->ops->hold_off(stream, duration);
    return duration;
}

int64_t overload_hold_off(struct overload *overload, const struct net_loop *loop, struct http_stream *stream,
                          int64_t now)
{
    bool holds = overload->deadline > 0 && overload_stands(overload, loop, now);
    return holds ? hold_off(overload, stream) : 0;
}

/* Do requests wait for so long that some are denied? Whoever comes back may have to go again. */
static bool is_crowded(const struct overload *overload, bool stands)
{
    return stands && overload->waited > overload->deadline / 4;
}

int64_t overload_refuses(struct overload *overload, const struct net_loop *loop, struct http_stream *stream,
                         int64_t now)
{
    bool stands = overload_stands(overload, loop, now);
    if ((!stands && !stream->held_off && !stream->late) || overload->deadline == 0) {
        return 0;
    }
    int64_t time = waited(loop, stream, now);
    bool old = time >= overload->deadline / 2;
    if (stream->held_off && old) {
        /* It was sent before Retry-After was over, and is too old; but where there is room, the next one is listened to. */
        if (!is_crowded(overload, stands)) {
            return overload->retry_after;
        }
    } else if (!stream->late || !old) { /* else the queue stood before accept, however long turns are */
        if (!stands) {
            return 0;
        }
        overload->waited = time;
        if (!overload_denies(overload, time)) {
            return 0;
        }
    }
    __atomic_store_n(&overload->alert_until, now + ALERT, __ATOMIC_RELAXED);
    return hold_off(overload, stream);
}

int64_t overload_holds_again(struct overload *overload, const struct net_loop *loop,
                             struct http_stream *stream, int64_t now)
{
    if (overload->deadline == 0 || stream->holds >= HOLDS_MAX || !overload_is_alert(overload, now) ||
        stream->ops->unread(stream) < overload->deadline / 2) {
        return 0;
    }
    if (!is_crowded(overload, overload_stands(overload, loop, now)) && overload->over++ % 2 == 0) {
        return 0;
    }
    stream->holds++;
    return next_hold_off(overload);
}
