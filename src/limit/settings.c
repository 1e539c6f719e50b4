/* What a limit may say. */
#include "auth/principal.h"
#include "base/clock.h"
#include "base/hash.h"
#include "http/headers.h"
#include "limit/state.h"

#define WINDOW_MIN (10 * NS_PER_MS)
#define WINDOW_MAX (30 * 24 * 3600 * NS_PER_S)
#define FULL_MAX   (365 * 24 * 3600 * NS_PER_S)
#define COUNT_MAX  (SLOTS * SLOT_COUNT_MAX)

static const struct conf_field limit_fields[] = {
    { .name = "name",
      .type = CONF_STRING,
      .flags = CONF_NON_EMPTY,
      .offset = offsetof(struct limit_settings, name),
      .help = "What RateLimit fields call it. Absent: made from kind and position, \"address-1\"." },
    { .name = "limit",
      .type = CONF_RATE,
      .flags = CONF_TYPICAL,
      .offset = offsetof(struct limit_settings, limit),
      .minimum = 1,
      .maximum = COUNT_MAX,
      .example = "100/1m",
      .help = "At most so many requests in any window of this length; one of limit and rate is given." },
    { .name = "rate",
      .type = CONF_RATE,
      .offset = offsetof(struct limit_settings, rate),
      .minimum = 1,
      .maximum = INT64_C(1000000000),
      .help = "So many requests per time in the long run, evenly spaced but for the burst." },
    { .name = "burst",
      .type = CONF_INTEGER,
      .offset = offsetof(struct limit_settings, burst),
      .minimum = 1,
      .maximum = INT64_C(1000000000),
      .help = "With rate: how many may come at once. Absent: the count of rate." },
    { .name = "by",
      .type = CONF_STRING,
      .flags = CONF_REQUIRED | CONF_NON_EMPTY,
      .offset = offsetof(struct limit_settings, by),
      .example = "address",
      .help = "What is counted by: address (IPv6 by /64), caller, claims.NAME, header:NAME (together with "
              "the address; a request that repeats the field is denied), "
              "or route (everybody together)." },
    SHADOW_FIELDS(struct limit_settings, shadow),
    { 0 },
};

const struct conf_object limit_object = {
    .name = "limit",
    .size = sizeof(struct limit_settings),
    .fields = limit_fields,
    .help = "A limit on requests. All limits of a request are checked, then all are charged, or none.",
};

#define NAMES(kind)                                                                                        \
    {                                                                                                      \
        kind "-1", kind "-2", kind "-3", kind "-4", kind "-5", kind "-6", kind "-7", kind "-8", kind "-9", \
            kind "-10", kind "-11", kind "-12", kind "-13", kind "-14", kind "-15", kind "-16"             \
    }
static const char *const default_names[][LIMIT_KEYS_MAX] = {
    [LIMIT_BY_ADDRESS] = NAMES("address"), [LIMIT_BY_CALLER] = NAMES("caller"),
    [LIMIT_BY_CLAIM] = NAMES("claim"),     [LIMIT_BY_HEADER] = NAMES("header"),
    [LIMIT_BY_ROUTE] = NAMES("route"),
};

static const char *parse_by(struct limit_settings *settings)
{
    struct slice by = settings->by;
    settings->argument = SLICE("");
    if (slice_equal(by, SLICE("address"))) {
        settings->kind = LIMIT_BY_ADDRESS;
    } else if (slice_equal(by, SLICE("caller"))) {
        settings->kind = LIMIT_BY_CALLER;
    } else if (slice_equal(by, SLICE("route"))) {
        settings->kind = LIMIT_BY_ROUTE;
    } else if (principal_claim_reference(by, &settings->argument)) {
        settings->kind = LIMIT_BY_CLAIM;
    } else if (slice_starts_with(by, SLICE("header:")) && http_token_valid(slice_from(by, 7))) {
        settings->kind = LIMIT_BY_HEADER;
        settings->argument = slice_from(by, 7);
    } else {
        return "`by` is address, caller, claims.NAME, header:NAME or route";
    }
    return NULL;
}

static const char *window_problem(const struct conf_rate *rate, int64_t count_max)
{
    if (rate->count < 1 || rate->count > count_max) {
        return "the count of a limit is out of range";
    }
    if (rate->window < WINDOW_MIN || rate->window > WINDOW_MAX) {
        return "the time of a limit is between 10ms and 30d";
    }
    return NULL;
}

static const char *rate_problem(struct limit_settings *settings)
{
    const char *problem = window_problem(&settings->rate, INT64_C(1000000000));
    if (problem != NULL) {
        return problem;
    }
    if (settings->rate.count > settings->rate.window) {
        return "a rate of more than one request per nanosecond is no limit";
    }
    if (settings->burst == 0) {
        settings->burst = settings->rate.count;
    }
    int64_t interval = (settings->rate.window + settings->rate.count - 1) / settings->rate.count;
    if (settings->burst < 1 || settings->burst > FULL_MAX / interval) {
        return "the burst would take more than a year to refill";
    }
    return NULL;
}

/* A structured-field string (RFC 9651 section 3.3.3). */
static bool name_valid(struct slice name)
{
    for (size_t i = 0; i < name.len; i++) {
        if (name.ptr[i] < ' ' || name.ptr[i] > '~') {
            return false;
        }
    }
    return name.len <= LIMIT_NAME_MAX;
}

/* The key is no secret: it only makes the identity the same everywhere. Keys of clients are hashed under the table's own. */
static uint64_t identity_of(const struct limit_settings *settings, struct slice owner)
{
    static const struct hash_key key = { { UINT64_C(0x6c696d69742d6964), UINT64_C(0x73616c6c79706f72) } };
    const uint64_t parts[] = {
        hash_keyed(&key, owner.ptr, owner.len),
        hash_keyed(&key, settings->name.ptr, settings->name.len),
        hash_keyed(&key, settings->by.ptr, settings->by.len),
        (uint64_t)settings->limit.count,
        (uint64_t)settings->limit.window,
        (uint64_t)settings->rate.count,
        (uint64_t)settings->rate.window,
        (uint64_t)settings->burst,
    };
    return hash_keyed(&key, parts, sizeof parts);
}

const char *limit_check_settings(struct limit_settings *settings, struct slice owner, unsigned int position)
{
    const char *untimely = shadow_check(&settings->shadow);
    if (untimely != NULL) {
        return untimely;
    }
    if (position >= LIMIT_KEYS_MAX) {
        return "more than 16 limits";
    }
    bool is_limit = settings->limit.count != 0 || settings->limit.window != 0;
    bool is_rate = settings->rate.count != 0 || settings->rate.window != 0;
    if (is_limit == is_rate) {
        return "a limit says one of limit and rate";
    }
    if (is_limit && settings->burst != 0) {
        return "burst goes with rate only";
    }
    const char *problem = is_limit ? window_problem(&settings->limit, COUNT_MAX) : rate_problem(settings);
    if (problem == NULL) {
        problem = parse_by(settings);
    }
    if (problem != NULL) {
        return problem;
    }
    if (!name_valid(settings->name)) {
        return "the name of a limit is at most 64 characters of printable ASCII";
    }
    if (settings->name.len == 0) {
        settings->name = slice_from_string(default_names[settings->kind][position]);
    }
    settings->identity = identity_of(settings, owner);
    return NULL;
}

const char *limit_make_own(struct conf_rate limit, struct limit_settings *out)
{
    *out = (struct limit_settings){ .name = SLICE("consumer"), .limit = limit, .by = SLICE("caller") };
    return limit_check_settings(out, SLICE("caller"), 0);
}
