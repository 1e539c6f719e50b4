#include "pipeline/affinity.h"

#include "http/cookie.h"

static struct slice header_of(const struct exchange *exchange, struct slice name)
{
    const struct header *header = headers_find_name(&exchange->input.headers, name);
    return header != NULL ? header->value : SLICE_NONE;
}

static struct slice cookie_of(const struct exchange *exchange, struct slice name)
{
    struct slice value = SLICE_NONE;
    return cookie_find(&exchange->input.headers, name, &value) > 0 ? value : SLICE_NONE;
}

/* Text that is empty is no key: what has none is not to meet at one endpoint. */
bool affinity_key(const struct exchange *exchange, const struct balance_source *source, uint64_t *ret_key)
{
    unsigned char caller[PRINCIPAL_KEY_SIZE];
    struct address network = address_network(&exchange->client);
    struct slice text = slice_of((const char *)network.bytes, sizeof network.bytes);
    if (source->by == BALANCE_BY_HEADER) {
        text = header_of(exchange, source->name);
    } else if (source->by == BALANCE_BY_COOKIE) {
        text = cookie_of(exchange, source->name);
    } else if (source->by == BALANCE_BY_CALLER && principal_caller_key(&exchange->principal, caller)) {
        text = slice_of((const char *)caller, sizeof caller);
    }
    *ret_key = text.len > 0 ? balance_key(text) : 0;
    return text.len > 0;
}

void affinity_set(struct exchange *exchange)
{
    const struct settings *settings = exchange->snapshot->snapshot->settings;
    const struct upstream_settings *upstream = &settings->upstreams[exchange->upstream];
    exchange->ticket.keyed = upstream->balance == BALANCE_HASH &&
                             affinity_key(exchange, &upstream->hash_source, &exchange->ticket.key);
}

/* By whom it is proven to be, a request can be placed only then. */
static bool is_by_caller(const struct split_settings *settings)
{
    return settings->sticky.len > 0 && settings->source.by == BALANCE_BY_CALLER;
}

static void choose(struct exchange *exchange, const struct split_settings *settings)
{
    struct split *split = exchange->route->split;
    uint64_t key;
    exchange->upstream = settings->sticky.len > 0 && affinity_key(exchange, &settings->source, &key)
                             ? split_of(split, key)
                             : split_next(split);
}

bool affinity_choose_early(struct exchange *exchange)
{
    const struct split_settings *settings = exchange_policy(exchange)->split;
    exchange->upstream = exchange->route->upstream;
    if (settings == NULL) {
        return true;
    }
    if (is_by_caller(settings)) {
        return false;
    }
    choose(exchange, settings);
    return true;
}

void affinity_choose_late(struct exchange *exchange)
{
    const struct split_settings *settings = exchange_policy(exchange)->split;
    if (settings != NULL && is_by_caller(settings)) {
        choose(exchange, settings);
    }
}
