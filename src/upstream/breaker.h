/* A circuit breaker: an upstream of whose requests too many fail gets none for a while.
 *
 * Closed, requests pass and their outcomes are counted over a sliding window. Where enough of enough have failed it opens: requests are
 * denied at once, which spares clients the wait, and the upstream the load. After a while it is half open: a few probes pass, and
 * nothing else; if all of them go well it closes, and if one does not it opens again. Probes that have told nothing for as long as it
 * was open, as a call that streams without end, keep nobody out: others pass in their place. One worker's, one thread; the caller's clock. */
#ifndef SALLYPORT_UPSTREAM_BREAKER_H
#define SALLYPORT_UPSTREAM_BREAKER_H

#include "base/conf_field.h"

#define BREAKER_PARTS 10 /* of the window: what is older than it goes in such parts */

/* `breaker` of an upstream. */
struct breaker_settings {
    int64_t failures; /* per cent of the requests in the window */
    int64_t minimum;  /* requests in the window, with fewer of which nothing is said */
    int64_t window;   /* ns */
    int64_t open;     /* ns for which it is open */
    int64_t probes;   /* that must go well */
};

extern const struct conf_object breaker_object;

enum breaker_state {
    BREAKER_CLOSED,
    BREAKER_OPEN,
    BREAKER_HALF_OPEN,
};

struct breaker {
    const struct breaker_settings *settings; /* NULL: it is always closed */
    enum breaker_state state;
    int64_t opened_at;
    int64_t part_began;
    unsigned int part; /* the current one */
    struct breaker_part {
        uint32_t all, failed;
    } parts[BREAKER_PARTS];
    uint32_t probes_out, probes_well; /* half open: under way, and gone well */
    uint32_t round;                   /* of probes: each time that it becomes half open is one */
    int64_t round_began;
};

void breaker_init(struct breaker *breaker, const struct breaker_settings *settings);

/* Would a request pass at `now`? Takes nothing. ns until one may in *ret_wait, where not. */
bool breaker_would_admit(const struct breaker *breaker, int64_t now, int64_t *ret_wait);

/* A request: does it pass? *ret_probe: of which round it is a probe, and breaker_note or breaker_forget must follow; 0: it is none. */
bool breaker_admit(struct breaker *breaker, int64_t now, uint32_t *ret_probe);

enum breaker_change {
    BREAKER_STAYS,
    BREAKER_OPENS,
    BREAKER_CLOSES,
};

/* What became of a request. */
enum breaker_change breaker_note(struct breaker *breaker, int64_t now, uint32_t probe, bool well);
/* A probe that told nothing: its client went away. */
void breaker_forget(struct breaker *breaker, uint32_t probe);

/* What is counted in the window, for the log. */
void breaker_count(const struct breaker *breaker, uint32_t *ret_all, uint32_t *ret_failed);

#endif
