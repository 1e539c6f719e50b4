/* Rules that are tried out: a date that has passed is told, for the file says one thing and the gateway does another. */
#include "base/clock.h"
#include "config/internal.h"

#define DAY_S     INT64_C(86400)
#define DAYS_SOON 7 /* before the date of a candidate that is told */

void check_shadow(struct loader *loader, const struct shadow_settings *shadow,
                  const struct conf_node *otherwise)
{
    if (shadow->mode == SHADOW_OBSERVE && shadow->until_at != 0 &&
        !shadow_observes(shadow, clock_real_ns() / NS_PER_S)) {
        warn(loader, &shadow->until, otherwise,
             "this date has passed: the rule is enforced, whatever mode says; take mode and until out");
    }
}

void check_candidate_date(struct loader *loader, const struct shadow_settings *shadow,
                          const struct conf_node *otherwise)
{
    int64_t left = shadow->until_at - clock_real_ns() / NS_PER_S;
    if (shadow->until_at != 0 && left <= 0) {
        warn(loader, &shadow->until, otherwise,
             "this date has passed: the candidate is not judged any more, and what is enforced stays so; put "
             "its ways in the place of the enforced ones, or take it out");
    } else if (shadow->until_at != 0 && left < DAYS_SOON * DAY_S) {
        warn(loader, &shadow->until, otherwise,
             "in less than %d days the candidate is not judged any more: put its ways in the place of the "
             "enforced ones, or say a later date",
             DAYS_SOON);
    }
}
