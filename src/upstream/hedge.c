#include "upstream/hedge.h"

#include "base/clock.h"

static const struct conf_field hedge_fields[] = {
    { .name = "after",
      .type = CONF_DURATION,
      .flags = CONF_REQUIRED,
      .offset = offsetof(struct hedge_settings, after),
      .minimum = NS_PER_MS,
      .maximum = 60 * NS_PER_S,
      .example = "100ms",
      .help = "How long the first server may take until the response's head before a second one is asked. "
              "About what 95 of a hundred requests need." },
    { .name = "methods",
      .type = CONF_STRINGS,
      .flags = CONF_NON_EMPTY,
      .offset = offsetof(struct hedge_settings, methods),
      .help = "Which requests: GET, HEAD, or both. Default: both." },
    { 0 },
};

const struct conf_object hedge_object = {
    .name = "hedge",
    .size = sizeof(struct hedge_settings),
    .fields = hedge_fields,
    .scalar = "after",
    .help = "When a second server of the upstream is asked, too. The first answer serves, and the other "
            "request is cancelled. Each draws on the upstream's `retry_budget`.",
};

static bool is_safe(enum http_method method)
{
    return method == METHOD_GET || method == METHOD_HEAD;
}

const char *hedge_check(const struct hedge_settings *settings, int64_t timeout, int64_t try_timeout)
{
    if (settings->after >= timeout) {
        return "after must be less than the route's timeout: nothing is asked any more when that is over";
    }
    if (try_timeout > 0 && settings->after >= try_timeout) {
        return "after must be less than the try_timeout of `retry`: the first try is given up by then";
    }
    for (size_t i = 0; i < settings->methods.count; i++) {
        if (!is_safe(http_method_of(settings->methods.items[i]))) {
            return "only GET and HEAD can be hedged: two servers are at work at once, and what the slower "
                   "one "
                   "has done stays done";
        }
    }
    return NULL;
}

bool hedge_allows(const struct hedge_settings *settings, enum http_method method, struct slice method_text)
{
    return is_safe(method) &&
           (settings->methods.count == 0 || conf_strings_contain(&settings->methods, method_text));
}
