/* How long an endpoint takes to begin its answers: a mean that forgets by time, and believes what is worse at once (peak EWMA,
 * as Finagle has it). Integers only, no division. Pure; one owner. */
#ifndef SALLYPORT_UPSTREAM_BALANCE_LATENCY_H
#define SALLYPORT_UPSTREAM_BALANCE_LATENCY_H

#include <stdint.h>

#define LATENCY_HALF_SHIFT 32                 /* half of it is forgotten in 2^32 ns, 4.3 s */
#define LATENCY_MAX        (INT64_C(1) << 40) /* ns, 18 minutes: what is longer counts as this */

struct latency {   /* zeroed: nothing is known */
    uint64_t mean; /* ns */
    int64_t at;    /* ns, monotonic: as of when */
};

/* What is left of `value`, at most 2^40, after `elapsed` ns: halves, and straight lines between them. */
static inline uint64_t latency_fade(uint64_t value, int64_t elapsed)
{
    uint64_t halves = (uint64_t)elapsed >> LATENCY_HALF_SHIFT;
    if (elapsed <= 0 || halves > 40) {
        return elapsed <= 0 ? value : 0;
    }
    uint64_t rest = ((uint64_t)elapsed & 0xFFFFFFFF) >> 16;
    value >>= halves;
    return value - ((value * rest) >> 17);
}

/* As of `now`: one that was not asked for a while is worth another try. */
static inline uint64_t latency_at(const struct latency *latency, int64_t now)
{
    return latency_fade(latency->mean, now - latency->at);
}

static inline void latency_note(struct latency *latency, int64_t took, int64_t now)
{
    uint64_t sample = took < 1000 ? 1000 : (uint64_t)(took < LATENCY_MAX ? took : LATENCY_MAX);
    const uint64_t whole = 1 << 24;
    uint64_t left = latency_fade(whole, now - latency->at);
    if (latency->mean == 0 || sample > latency->mean) {
        latency->mean = sample;
        latency->at = now;
    } else if (left < whole) { /* else it is too soon to forget anything: time adds up */
        unsigned __int128 sum =
            (unsigned __int128)latency->mean * left + (unsigned __int128)sample * (whole - left);
        latency->mean = (uint64_t)(sum >> 24);
        latency->at = now - ((now - latency->at) & 0xFFFF); /* fading counts in parts of 2^16 ns */
    }
}

#endif
