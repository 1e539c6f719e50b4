#include "pipeline/affinity.h"

#include "http/cookie.h"

/* Text that is empty is no key: what has none is not to meet at one endpoint. */
static bool take(struct exchange *exchange, struct slice text)
{
    exchange->ticket.keyed = text.len > 0;
    exchange->ticket.key = text.len > 0 ? balance_key(text) : 0;
    return exchange->ticket.keyed;
}

static void take_address(struct exchange *exchange)
{
    struct address network = address_network(&exchange->client);
    take(exchange, slice_of((const char *)network.bytes, sizeof network.bytes));
}

static void take_caller(struct exchange *exchange)
{
    unsigned char key[PRINCIPAL_KEY_SIZE];
    if (!principal_caller_key(&exchange->principal, key) ||
        !take(exchange, slice_of((const char *)key, sizeof key))) {
        take_address(exchange);
    }
}

static void take_header(struct exchange *exchange, struct slice name)
{
    const struct header *header = headers_find_name(&exchange->input.headers, name);
    take(exchange, header != NULL ? header->value : SLICE_NONE);
}

static void take_cookie(struct exchange *exchange, struct slice name)
{
    struct slice value = SLICE_NONE;
    size_t count = cookie_find(&exchange->input.headers, name, &value);
    take(exchange, count > 0 ? value : SLICE_NONE);
}

void affinity_set(struct exchange *exchange)
{
    const struct settings *settings = exchange->snapshot->snapshot->settings;
    const struct upstream_settings *upstream = &settings->upstreams[exchange->route->upstream];
    if (upstream->balance != BALANCE_HASH) {
        return;
    }
    switch (upstream->hash_source.by) {
    case BALANCE_BY_CALLER:
        take_caller(exchange);
        break;
    case BALANCE_BY_ADDRESS:
        take_address(exchange);
        break;
    case BALANCE_BY_HEADER:
        take_header(exchange, upstream->hash_source.name);
        break;
    case BALANCE_BY_COOKIE:
        take_cookie(exchange, upstream->hash_source.name);
        break;
    }
}
