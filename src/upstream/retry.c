#include "upstream/retry.h"

#include "base/clock.h"

#define HUNDRED       100
#define BACKOFF_TIMES 10

static const struct conf_choice retry_events[] = {
#define RETRY_CHOICE(id, name, help) { name, RETRY_ON_##id, help },
    RETRY_EVENTS(RETRY_CHOICE)
#undef RETRY_CHOICE
        { 0 },
};

static const struct conf_field retry_fields[] = {
    { .name = "on",
      .type = CONF_FLAGS,
      .flags = CONF_TYPICAL | CONF_NON_EMPTY,
      .offset = offsetof(struct retry_settings, on),
      .choices = retry_events,
      .example = "[connect, 503]",
      .help = "After what: failures, and statuses of responses. Default: connect, reset, 503." },
    { .name = "attempts",
      .type = CONF_INTEGER,
      .flags = CONF_TYPICAL,
      .offset = offsetof(struct retry_settings, attempts),
      .standard = "1",
      .minimum = 1,
      .maximum = 10,
      .example = "2",
      .help = "How often it is sent again." },
    { .name = "try_timeout",
      .type = CONF_DURATION,
      .offset = offsetof(struct retry_settings, try_timeout),
      .minimum = NS_PER_MS,
      .maximum = 3600 * NS_PER_S,
      .example = "1s",
      .help = "How long each try may take until the response's head; `timeout` is for all of them together. "
              "Default: what is "
              "left of that." },
    { .name = "backoff",
      .type = CONF_DURATION,
      .offset = offsetof(struct retry_settings, backoff),
      .standard = "25ms",
      .minimum = 0,
      .maximum = 60 * NS_PER_S,
      .help = "What is waited at most before the first further try, by chance; twice as much before each "
              "further one, ten times at "
              "most." },
    { .name = "methods",
      .type = CONF_STRINGS,
      .flags = CONF_NON_EMPTY,
      .offset = offsetof(struct retry_settings, methods),
      .help = "Which requests. Default: GET, HEAD, PUT, DELETE, OPTIONS; of others, like POST, the service "
              "must bear to see one "
              "twice." },
    { 0 },
};

const struct conf_object retry_object = {
    .name = "retry",
    .size = sizeof(struct retry_settings),
    .fields = retry_fields,
    .sequence = "on",
    .help = "When a request is sent again, beyond what is always safe: before a byte of a response has left, "
            "and while "
            "nothing of its body has gone. Each draws on the upstream's `retry_budget`.",
};

bool retry_is_idempotent(enum http_method method)
{
    static const bool idempotent[METHOD_COUNT] = {
        [METHOD_GET] = true,    [METHOD_HEAD] = true,    [METHOD_PUT] = true,
        [METHOD_DELETE] = true, [METHOD_OPTIONS] = true,
    };
    return idempotent[method];
}

/* Methods are case-sensitive: "get" is no method that anybody sends. */
static bool is_lower_case(struct slice method)
{
    for (size_t i = 0; i < method.len; i++) {
        if (method.ptr[i] >= 'a' && method.ptr[i] <= 'z') {
            return true;
        }
    }
    return false;
}

const char *retry_check(const struct retry_settings *settings, int64_t timeout)
{
    if (settings->try_timeout >= timeout) {
        return "try_timeout must be less than the route's timeout, which is for all tries together";
    }
    bool on_timeout = (settings->on & UINT64_C(1) << RETRY_ON_TIMEOUT) != 0;
    if (on_timeout && settings->try_timeout == 0) {
        return "with `on: timeout` there must be a try_timeout: else the first try uses up the route's "
               "timeout";
    }
    for (size_t i = 0; i < settings->methods.count; i++) {
        enum http_method method = http_method_of(settings->methods.items[i]);
        if (method == METHOD_CONNECT || !http_token_valid(settings->methods.items[i])) {
            return "methods are names like GET and PUT, and CONNECT is never sent again";
        }
        if (is_lower_case(settings->methods.items[i])) {
            return "methods are written in upper case: others would never be sent again";
        }
    }
    return NULL;
}

bool retry_allows(const struct retry_settings *settings, enum retry_event event, enum http_method method,
                  struct slice method_text)
{
    const uint64_t standard =
        UINT64_C(1) << RETRY_ON_CONNECT | UINT64_C(1) << RETRY_ON_RESET | UINT64_C(1) << RETRY_ON_503;
    uint64_t on = settings->on != 0 ? settings->on : standard;
    if (event >= RETRY_EVENT_COUNT || (on & UINT64_C(1) << event) == 0) {
        return false;
    }
    return settings->methods.count > 0 ? conf_strings_contain(&settings->methods, method_text)
                                       : retry_is_idempotent(method);
}

enum retry_event retry_event_of(unsigned int status)
{
    switch (status) {
    case 500:
        return RETRY_ON_500;
    case 502:
        return RETRY_ON_502;
    case 503:
        return RETRY_ON_503;
    case 504:
        return RETRY_ON_504;
    default:
        return RETRY_EVENT_COUNT;
    }
}

int64_t retry_delay(const struct retry_settings *settings, unsigned int number, uint64_t random)
{
    int64_t most = settings->backoff;
    for (unsigned int i = 1; i < number && most < BACKOFF_TIMES * settings->backoff; i++) {
        most *= 2;
    }
    most = most < BACKOFF_TIMES * settings->backoff ? most : BACKOFF_TIMES * settings->backoff;
    return most > 0 ? (int64_t)(random % (uint64_t)most) : 0;
}

void retry_budget_init(struct retry_budget *budget, int64_t percent)
{
    budget->left = percent > 0 ? RETRY_RESERVE * HUNDRED : 0;
}

void retry_budget_pay_in(struct retry_budget *budget, int64_t percent)
{
    if (budget->left < RETRY_SAVED * HUNDRED) {
        budget->left += percent;
    }
}

bool retry_budget_take(struct retry_budget *budget)
{
    if (budget->left < HUNDRED) {
        return false;
    }
    budget->left -= HUNDRED;
    return true;
}
