/* Rules that are tried out: a date that has passed is told, for the file says one thing and the gateway does another. */
#include "base/clock.h"
#include "config/internal.h"

void check_shadow(struct loader *loader, const struct shadow_settings *shadow,
                  const struct conf_node *otherwise)
{
    if (shadow->mode == SHADOW_OBSERVE && shadow->until_at != 0 &&
        !shadow_observes(shadow, clock_real_ns() / NS_PER_S)) {
        warn(loader, &shadow->until, otherwise,
             "this date has passed: the rule is enforced, whatever mode says; take mode and until out");
    }
}
