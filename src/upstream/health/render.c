/* What metrics tell about checks. */
#include "upstream/health/checker_internal.h"

static bool put_labels(struct buffer *out, const char *name, const struct health_target *target)
{
    return buffer_printf(out, "%s{service=\"", name) && metrics_put_label(out, target->service->name) &&
           buffer_append(out, SLICE("\",endpoint=\"")) && metrics_put_label(out, target->endpoint.url);
}

static bool put_healthy(struct buffer *out, const char *name, const struct health_target *target)
{
    return put_labels(out, name, target) && buffer_printf(out, "\"} %d\n", target->unhealthy ? 0 : 1);
}

static bool put_addresses(struct buffer *out, const char *name, const struct health_target *target)
{
    for (const struct health_spot *spot = target->spots; spot != NULL; spot = spot->next) {
        char text[ADDRESS_TEXT_MAX];
        if (!spot->current || spot->key == 0) {
            continue;
        }
        address_format(&spot->server.address, text);
        if (!put_labels(out, name, target) ||
            !buffer_printf(out, "\",address=\"%s\"} %d\n", text, spot->tally.unhealthy ? 0 : 1)) {
            return false;
        }
    }
    return true;
}

static bool put_counts(struct buffer *out, const char *name, const struct health_target *target)
{
    for (size_t i = 0; i < HEALTH_OUTCOME_COUNT; i++) {
        if (target->counts[i] > 0 &&
            (!put_labels(out, name, target) ||
             !buffer_printf(out, "\",outcome=\"%s\"} %llu\n", health_outcome_names[i],
                            (unsigned long long)target->counts[i]))) {
            return false;
        }
    }
    return true;
}

static const struct family {
    const char *name, *type, *help;
    bool (*put)(struct buffer *out, const char *name, const struct health_target *target);
} families[] = {
    { "sallyport_upstream_healthy", "gauge",
      "1: the endpoint passes its health checks, and gets requests; 0: it does not", put_healthy },
    { "sallyport_upstream_address_healthy", "gauge",
      "The same of each address that an endpoint's name stands for", put_addresses },
    { "sallyport_health_checks_total", "counter", "Health checks that are over, by what came of them",
      put_counts },
};

bool health_checker_render(const void *context, struct buffer *out)
{
    const struct health_checker *checker = context;
    for (size_t i = 0; checker->services != NULL && i < sizeof families / sizeof families[0]; i++) {
        const struct family *family = &families[i];
        if (!metrics_put_head(out, slice_from_string(family->name), family->type, family->help)) {
            return false;
        }
        for (const struct health_service *service = checker->services; service != NULL;
             service = service->next) {
            for (const struct health_target *target = service->targets; target != NULL;
                 target = target->next) {
                if (!family->put(out, family->name, target)) {
                    return false;
                }
            }
        }
    }
    return true;
}
