/* Passive health: leaves out for a while, on the control thread, the endpoints whose requests fail, and tells the workers by
 * marks (outlier/mark.h). Rules are those of outlier/ejection.h.
 *
 * Across configurations an endpoint keeps its mark and its state as long as its service has the name, and it the URL, and
 * requests are still counted. Everything is copied. */
#ifndef SALLYPORT_UPSTREAM_OUTLIER_DETECTOR_H
#define SALLYPORT_UPSTREAM_OUTLIER_DETECTOR_H

#include "base/buffer.h"
#include "base/error.h"
#include "net/loop.h"
#include "upstream/settings.h"

struct outlier_detector;

/* Slices are good during the call. */
struct outlier_event {
    struct slice service, endpoint;
    bool ejected;       /* else it is back */
    const char *reason; /* of an ejection */
    const char *detail; /* the same; safe to log */
    int64_t duration;   /* ns, the same */
    unsigned int times; /* the same: in a row */
};
typedef void outlier_callback(void *context, const struct outlier_event *event);

struct error outlier_detector_new(struct net_loop *loop, outlier_callback *callback, void *context,
                                  struct outlier_detector **ret_detector) MUST_CHECK;
/* Nobody counts any more. The loop must run one turn more before it is done. NULL is fine. */
void outlier_detector_free(struct outlier_detector *detector);

/* Before workers see a configuration: gives each endpoint whose requests are to be counted, or that may have joined
 * (`slow_start`), its mark. The settings hold references (snapshot_unref gives them back). On failure some may have theirs. */
struct error outlier_detector_mark(struct outlier_detector *detector, struct upstream_settings *upstreams,
                                   size_t count) MUST_CHECK;
/* The configuration is in force. On failure nothing has changed. */
struct error outlier_detector_set(struct outlier_detector *detector,
                                  const struct upstream_settings *upstreams, size_t count) MUST_CHECK;

/* For metrics_set_more; the detector as context. */
bool outlier_detector_render(const void *detector, struct buffer *out);

#endif
