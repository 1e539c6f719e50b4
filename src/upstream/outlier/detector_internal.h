/* The detector from within: shared by detector.c and render.c. */
#ifndef SALLYPORT_UPSTREAM_OUTLIER_DETECTOR_INTERNAL_H
#define SALLYPORT_UPSTREAM_OUTLIER_DETECTOR_INTERNAL_H

#include "upstream/outlier/detector.h"
#include "upstream/outlier/ejection.h"

struct outlier_target {
    struct slice url;
    struct outlier_mark *mark; /* a reference */
    uint64_t well, failed;     /* that the mark had when the interval began */
    uint64_t ejections[EJECTION_REASONS];
};

struct outlier_service {
    struct outlier_service *next;
    struct outlier_settings settings; /* interval 0: requests are not counted, endpoints only join */
    int64_t interval_at;              /* ns: its end */
    size_t count;
    struct ejection *states; /* by target */
    struct outlier_target *targets;
    struct slice name;
    char *texts; /* the name, and all URLs */
};

struct outlier_detector {
    struct outlier_bell bell; /* first */
    outlier_callback *callback;
    void *context;
    uv_timer_t timer;
    struct outlier_service *services;
};

#endif
