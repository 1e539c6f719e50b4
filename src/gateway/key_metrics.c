#include "gateway/key_metrics.h"

#include "base/clock.h"
#include "observe/metrics.h"

static bool put_name(struct buffer *out, const char *name, const struct key_health *health)
{
    return buffer_printf(out, "%s{issuer=\"", name) && metrics_put_label(out, health->issuer_name) &&
           buffer_append(out, SLICE("\"} "));
}

static bool put_count(struct buffer *out, const char *name, const struct key_health *health, uint64_t count)
{
    return put_name(out, name, health) && buffer_printf(out, "%llu\n", (unsigned long long)count);
}

static bool put_has_keys(struct buffer *out, const char *name, const struct key_health *health)
{
    return put_count(out, name, health, health->has_keys ? 1 : 0);
}

static bool put_age(struct buffer *out, const char *name, const struct key_health *health)
{
    return !health->has_keys || (put_name(out, name, health) &&
                                 buffer_printf(out, "%.3f\n", (double)health->age / (double)NS_PER_S));
}

static bool put_fetches(struct buffer *out, const char *name, const struct key_health *health)
{
    return put_count(out, name, health, health->fetches);
}

static bool put_failures(struct buffer *out, const char *name, const struct key_health *health)
{
    return put_count(out, name, health, health->failures);
}

static bool put_unknown_kid_fetches(struct buffer *out, const char *name, const struct key_health *health)
{
    return put_count(out, name, health, health->unknown_kid_fetches);
}

static const struct family {
    const char *name, *type, *help;
    bool (*put)(struct buffer *out, const char *name, const struct key_health *health);
} families[] = {
    { "sallyport_issuer_has_keys", "gauge",
      "1: there are keys to verify the issuer's tokens with; 0: they are answered 503", put_has_keys },
    { "sallyport_issuer_keys_age_seconds", "gauge",
      "Time since the issuer's keys were fetched, while there are any", put_age },
    { "sallyport_issuer_fetches_total", "counter", "Key set documents fetched, by issuer", put_fetches },
    { "sallyport_issuer_fetch_failures_total", "counter",
      "Fetches of key set documents that failed, discovery included, by issuer", put_failures },
    { "sallyport_issuer_unknown_kid_fetches_total", "counter",
      "Fetches that tokens with an unknown key hastened, by issuer", put_unknown_kid_fetches },
};

struct rendering {
    const struct family *family;
    struct buffer *out;
    bool began, full;
};

static bool put_issuer(void *context, const struct key_health *health)
{
    struct rendering *rendering = context;
    const struct family *family = rendering->family;
    if (!rendering->began) {
        rendering->began = true;
        rendering->full =
            !metrics_put_head(rendering->out, slice_from_string(family->name), family->type, family->help);
    }
    rendering->full = rendering->full || !family->put(rendering->out, family->name, health);
    return !rendering->full;
}

bool key_metrics_render(const struct key_source *keys, struct buffer *out)
{
    for (size_t i = 0; i < sizeof families / sizeof families[0]; i++) {
        struct rendering rendering = { .family = &families[i], .out = out };
        key_source_tell(keys, put_issuer, &rendering);
        if (rendering.full) {
            return false;
        }
    }
    return true;
}
