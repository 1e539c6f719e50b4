/* What the configuration says about endpoints that fail requests. Plain data; lives in the snapshot. */
#ifndef SALLYPORT_UPSTREAM_OUTLIER_SETTINGS_H
#define SALLYPORT_UPSTREAM_OUTLIER_SETTINGS_H

#include "base/conf_field.h"

struct outlier_settings {
    int64_t failures;     /* in a row; 5; 0: these do not count */
    int64_t success_gap;  /* percentage points; 0: this does not count */
    int64_t min_requests; /* in an interval, for success_gap; 100 */
    int64_t interval;     /* ns; 10 s */
    int64_t ejection;     /* ns, the first time; 30 s */
    int64_t max_ejection; /* ns; 5 min */
    int64_t max_ejected;  /* percent of the endpoints; 50 */
};

extern const struct conf_object outlier_object;

#endif
