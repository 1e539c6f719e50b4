/* Frames that carry nothing, which cost their receiver more than their sender (CVE-2019-9511 to -9518): so many at once, more
 * as time goes, and more for what was sent that a peer may have something to say to. What an honest peer sends stays far
 * below. All but DATA with a byte in it count, those of types that nobody knows, too, of which nghttp2 tells nothing: so they
 * are counted in the bytes as they come. And data for a stream that is over, which no window holds back: as many as an honest
 * peer may have sent before it heard of that. One per connection; zeroed at first. Pure, header only. */
#ifndef SALLYPORT_HTTP_H2_FRAME_BUDGET_H
#define SALLYPORT_HTTP_H2_FRAME_BUDGET_H

#include "base/clock.h"
#include "base/limits.h"
#include "base/slice.h"
#include "http/h2/frame.h"

struct h2_frame_budget {
    int64_t left;
    int64_t at;         /* ns: when `left` was counted last; 0: never */
    int64_t stray_left; /* bytes of DATA that nobody may come to take */
    /* where in a frame the bytes end that have come */
    unsigned char head[H2_FRAME_HEAD];
    size_t head_size;
    size_t payload_left;
};

static inline void h2_frame_budget_earn(struct h2_frame_budget *budget, int64_t frames)
{
    budget->left += frames;
    if (budget->left > HTTP2_EMPTY_FRAMES_MAX) {
        budget->left = HTTP2_EMPTY_FRAMES_MAX;
    }
}

static inline void h2_frame_budget_refill(struct h2_frame_budget *budget, int64_t now)
{
    if (budget->at == 0) {
        budget->left = HTTP2_EMPTY_FRAMES_MAX;
        budget->stray_left += HTTP2_STRAY_DATA_MAX;
        budget->at = now;
    }
    int64_t earned = (now - budget->at) / (NS_PER_S / HTTP2_EMPTY_FRAMES_RATE);
    if (earned > 0) {
        budget->at = now;
        h2_frame_budget_earn(budget, earned);
    }
}

/* A stream may bring so many bytes; so many that came were somebody's. */
static inline void h2_frame_budget_expect(struct h2_frame_budget *budget, int64_t bytes)
{
    budget->stray_left += bytes;
}

/* The frame whose head is complete. */
static inline void h2_frame_budget_charge(struct h2_frame_budget *budget)
{
    const unsigned char *head = budget->head;
    budget->payload_left = (size_t)head[0] << 16 | (size_t)head[1] << 8 | head[2];
    budget->head_size = 0;
    bool carries = head[3] == 0 && budget->payload_left > 0; /* type DATA */
    budget->left -= carries ? 0 : 1;
    budget->stray_left -= carries ? (int64_t)budget->payload_left : 0;
}

/* The next bytes of the connection. False: too many such frames, or too much of such data, begin in them. */
static inline bool h2_frame_budget_read(struct h2_frame_budget *budget, int64_t now, struct slice data)
{
    size_t at = 0;
    h2_frame_budget_refill(budget, now);
    while (at < data.len && budget->left >= 0 && budget->stray_left >= 0) {
        if (budget->payload_left > 0) {
            size_t size = budget->payload_left < data.len - at ? budget->payload_left : data.len - at;
            budget->payload_left -= size;
            at += size;
            continue;
        }
        budget->head[budget->head_size++] = (unsigned char)data.ptr[at++];
        if (budget->head_size == H2_FRAME_HEAD) {
            h2_frame_budget_charge(budget);
        }
    }
    return budget->left >= 0 && budget->stray_left >= 0;
}

#endif
