/* What metrics tell about ejections. */
#include "observe/metrics.h"
#include "upstream/outlier/detector_internal.h"

static bool put_labels(struct buffer *out, const char *name, const struct outlier_service *service,
                       const struct outlier_target *target)
{
    return buffer_printf(out, "%s{service=\"", name) && metrics_put_label(out, service->name) &&
           buffer_append(out, SLICE("\",endpoint=\"")) && metrics_put_label(out, target->url);
}

static bool put_ejected(struct buffer *out, const char *name, const struct outlier_service *service,
                        size_t index)
{
    return put_labels(out, name, service, &service->targets[index]) &&
           buffer_printf(out, "\"} %d\n", service->states[index].ejected ? 1 : 0);
}

static bool put_ejections(struct buffer *out, const char *name, const struct outlier_service *service,
                          size_t index)
{
    const struct outlier_target *target = &service->targets[index];
    for (size_t i = 0; i < EJECTION_REASONS; i++) {
        if (target->ejections[i] > 0 &&
            (!put_labels(out, name, service, target) ||
             !buffer_printf(out, "\",reason=\"%s\"} %llu\n", ejection_reason_names[i],
                            (unsigned long long)target->ejections[i]))) {
            return false;
        }
    }
    return true;
}

static const struct family {
    const char *name, *type, *help;
    bool (*put)(struct buffer *out, const char *name, const struct outlier_service *service, size_t index);
} families[] = {
    { "sallyport_upstream_ejected", "gauge",
      "1: the endpoint gets no requests for a while, since requests to it failed", put_ejected },
    { "sallyport_upstream_ejections_total", "counter", "Times that an endpoint was ejected, by why",
      put_ejections },
};

static bool put_family(const struct family *family, const struct outlier_detector *detector,
                       struct buffer *out)
{
    for (const struct outlier_service *service = detector->services; service != NULL;
         service = service->next) {
        for (size_t i = 0; service->settings.interval > 0 && i < service->count; i++) {
            if (!family->put(out, family->name, service, i)) {
                return false;
            }
        }
    }
    return true;
}

bool outlier_detector_render(const void *context, struct buffer *out)
{
    const struct outlier_detector *detector = context;
    for (size_t i = 0; detector->services != NULL && i < sizeof families / sizeof families[0]; i++) {
        if (!metrics_put_head(out, slice_from_string(families[i].name), families[i].type, families[i].help) ||
            !put_family(&families[i], detector, out)) {
            return false;
        }
    }
    return true;
}
