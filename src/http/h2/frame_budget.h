/* Frames that carry nothing, which cost their receiver more than their sender (CVE-2019-9511 to -9518): so many at once, more
 * as time goes, and more for what was sent that a peer may have something to say to. What an honest peer sends stays far
 * below. One per connection; zeroed at first. Pure, header only. */
#ifndef SALLYPORT_HTTP_H2_FRAME_BUDGET_H
#define SALLYPORT_HTTP_H2_FRAME_BUDGET_H

#include "base/clock.h"
#include "base/limits.h"

#include <stdbool.h>
#include <stddef.h>

struct h2_frame_budget {
    int64_t left;
    int64_t at; /* ns: when `left` was counted last; 0: never */
};

static inline void h2_frame_budget_earn(struct h2_frame_budget *budget, int64_t frames)
{
    budget->left += frames;
    if (budget->left > HTTP2_EMPTY_FRAMES_MAX) {
        budget->left = HTTP2_EMPTY_FRAMES_MAX;
    }
}

/* One more frame. False: there were too many. */
static inline bool h2_frame_budget_take(struct h2_frame_budget *budget, int64_t now)
{
    if (budget->at == 0) {
        budget->left = HTTP2_EMPTY_FRAMES_MAX;
        budget->at = now;
    }
    int64_t earned = (now - budget->at) / (NS_PER_S / HTTP2_EMPTY_FRAMES_RATE);
    if (earned > 0) {
        budget->at = now;
        h2_frame_budget_earn(budget, earned);
    }
    return budget->left-- > 0;
}

#endif
