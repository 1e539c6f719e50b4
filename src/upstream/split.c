#include "upstream/split.h"

#include "upstream/balance/balance.h"

struct split {
    uint32_t turns; /* atomic */
    uint32_t total;
    uint32_t step; /* no divisor in common with the total: `total` steps come by each position once */
    size_t count;
    uint32_t ends[SPLIT_SHARES_MAX]; /* behind the last position of each */
    unsigned int upstreams[SPLIT_SHARES_MAX];
};

static const struct conf_field share_fields[] = {
    { .name = "weight",
      .type = CONF_INTEGER,
      .flags = CONF_REQUIRED,
      .offset = offsetof(struct split_share, weight),
      .minimum = 0,
      .maximum = SPLIT_WEIGHT_MAX,
      .help = "How many of the sum of all weights go there; 0: none." },
    { 0 },
};

static const struct conf_object share_object = {
    .name = "share",
    .size = sizeof(struct split_share),
    .fields = share_fields,
    .scalar = "weight",
    .help = "An upstream's share of a route's requests.",
};

static const struct conf_field split_fields[] = {
    { .name = "weights",
      .type = CONF_MAP,
      .flags = CONF_REQUIRED | CONF_NON_EMPTY,
      .offset = offsetof(struct split_settings, weights),
      .object = &share_object,
      .example = "{ orders-v1: 95, orders-v2: 5 }",
      .help = "Names of upstreams, and their weights." },
    { .name = "sticky",
      .type = CONF_STRING,
      .flags = CONF_NON_EMPTY,
      .offset = offsetof(struct split_settings, sticky),
      .help = "What stays with one upstream: caller, address, header:NAME or cookie:NAME. Default: each "
              "request takes its turn, and "
              "so does one without that header or cookie." },
    { 0 },
};

const struct conf_object split_object = {
    .name = "split",
    .size = sizeof(struct split_settings),
    .fields = split_fields,
    .help = "Shares out a route's requests to several upstreams by weight, in place of `upstream`: a canary. "
            "The policy is the "
            "route's, whoever serves.",
};

static uint32_t sum_of(const struct split_settings *settings)
{
    const struct split_share *shares = settings->weights.items;
    uint32_t sum = 0;
    for (size_t i = 0; i < settings->weights.count; i++) {
        sum += (uint32_t)shares[i].weight;
    }
    return sum;
}

const char *split_check(struct split_settings *settings, const void **ret_where)
{
    *ret_where = &settings->weights;
    if (settings->weights.count > SPLIT_SHARES_MAX) {
        return "16 upstreams at most";
    }
    if (settings->weights.count > 0 && sum_of(settings) == 0) {
        return "all weights are 0: nothing could be served";
    }
    *ret_where = &settings->sticky;
    return settings->sticky.len > 0 ? balance_source_parse(settings->sticky, &settings->source) : NULL;
}

static uint32_t common_divisor(uint32_t a, uint32_t b)
{
    while (b != 0) {
        uint32_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* Near the golden section, by which steps are spread the most evenly. */
static uint32_t step_of(uint32_t total)
{
    uint32_t step = (uint32_t)((uint64_t)total * 618 / 1000);
    while (step == 0 || common_divisor(step, total) != 1) {
        step++;
    }
    return step;
}

struct error split_new(const struct split_settings *settings, const unsigned int *upstreams,
                       struct arena *arena, struct split **ret_split)
{
    struct split *split = arena_calloc(arena, 1, sizeof *split);
    const struct split_share *shares = settings->weights.items;
    if (split == NULL) {
        return FAIL(ERROR_MEMORY, "no memory for the shares of a route");
    }
    for (size_t i = 0; i < settings->weights.count; i++) {
        split->total += (uint32_t)shares[i].weight;
        split->ends[split->count] = split->total;
        split->upstreams[split->count++] = upstreams[i];
    }
    split->step = step_of(split->total);
    *ret_split = split;
    return OK;
}

static unsigned int at(const struct split *split, uint32_t position)
{
    size_t i = 0;
    while (i + 1 < split->count && position >= split->ends[i]) {
        i++;
    }
    return split->upstreams[i];
}

unsigned int split_next(struct split *split)
{
    /* Where the count wraps around one round is cut short: once in four thousand million requests. */
    uint32_t turn = __atomic_fetch_add(&split->turns, 1, __ATOMIC_RELAXED);
    return at(split, (uint32_t)((uint64_t)(turn % split->total) * split->step % split->total));
}

unsigned int split_of(const struct split *split, uint64_t key)
{
    return at(split, (uint32_t)(balance_mix(key) % split->total));
}

const unsigned int *split_upstreams(const struct split *split, size_t *ret_count)
{
    *ret_count = split->count;
    return split->upstreams;
}
