/* Who of a service's endpoints is ejected, when and for how long: the rules, by numbers and a clock that is handed in. Pure; one
 * owner. As Envoy's outlier detection has it, but for the share of good answers, which is compared with that of the others, and
 * so says something of two endpoints, too. */
#ifndef SALLYPORT_UPSTREAM_OUTLIER_EJECTION_H
#define SALLYPORT_UPSTREAM_OUTLIER_EJECTION_H

#include "upstream/outlier/settings.h"

enum ejection_reason {
    EJECTION_FAILURES,    /* in a row */
    EJECTION_SUCCESS_GAP, /* its share of good answers */
    EJECTION_REASONS,
};

extern const char *const ejection_reason_names[EJECTION_REASONS];

/* One endpoint; zeroed: new. */
struct ejection {
    bool ejected;
    int64_t until;      /* ns, while it is */
    unsigned int times; /* in a row */
    /* requests of the interval */
    uint64_t well, failed;
};

/* May one more of them be? Of one alone never: that would change nothing. */
bool ejection_may(const struct ejection *endpoints, size_t count, const struct outlier_settings *settings);
/* It is, until `until`. */
void ejection_begin(struct ejection *endpoint, const struct outlier_settings *settings, int64_t now);
/* True: its time is over, and it is back. */
bool ejection_end(struct ejection *endpoint, int64_t now);

/* The interval is over: does the endpoint's share of good answers lie so far below that of the others? Shares are percent. */
bool ejection_lags(const struct ejection *endpoints, size_t count, size_t index,
                   const struct outlier_settings *settings, unsigned int *ret_share,
                   unsigned int *ret_others);
/* And the next one begins. */
void ejection_next_interval(struct ejection *endpoint);

#endif
