#include "upstream/discovery/found.h"

#include "base/limits.h"

#include <stdlib.h>

/* One link alone has it: where clouds tell machines who they are, with the secrets to prove it. Some do it elsewhere. */
static const struct address_prefix secrets[] = {
    ADDRESS_PREFIX_V4(16, 169, 254),
    ADDRESS_PREFIX_V6(10, 0xfe, 0x80),
    ADDRESS_PREFIX_V6(128, 0xfd, 0x00, 0x0e, 0xc2, [14] = 0x02, 0x54), /* AWS */
    ADDRESS_PREFIX_V6(128, 0xfd, 0x20, 0x00, 0xce, [14] = 0x02, 0x54), /* Google */
    ADDRESS_PREFIX_V4(32, 168, 63, 129, 16),                           /* Azure */
    ADDRESS_PREFIX_V4(32, 100, 100, 100, 200),                         /* Alibaba */
    ADDRESS_PREFIX_V4(32, 192, 0, 0, 192),                             /* Oracle */
};

bool found_is_odd(const struct address *address)
{
    const struct address plain = address_within(address);
    const unsigned char *bytes = plain.bytes;
    bool odd = address_is_v4(&plain) ? bytes[12] == 0 || bytes[12] >= 224 : bytes[0] == 0xff;
    for (size_t i = 0; !odd && i < sizeof secrets / sizeof secrets[0]; i++) {
        odd = address_in_prefix(&plain, &secrets[i]);
    }
    return odd || address_is_unspecified(&plain);
}

struct found_endpoint found_at(const struct found_frame *frame, const struct address *address,
                               struct arena *memory)
{
    char text[ADDRESS_TEXT_MAX];
    address_format(address, text);
    return (struct found_endpoint){
        .url = arena_printf(memory, address_is_v4(address) ? "%s://%s:%u" : "%s://[%s]:%u", frame->scheme,
                            text, address->port),
        .host = frame->host,
        .weight = 1,
    };
}

uint32_t found_weight(uint32_t weight, uint32_t most)
{
    uint32_t scaled =
        most > ENDPOINT_WEIGHT_MAX ? (uint32_t)(weight * (uint64_t)ENDPOINT_WEIGHT_MAX / most) : weight;
    return scaled > 0 ? scaled : 1;
}

void found_scale_weights(struct found_endpoints *found)
{
    uint32_t most = 1;
    for (size_t i = 0; i < found->count; i++) {
        most = found->items[i].weight > most ? found->items[i].weight : most;
    }
    for (size_t i = 0; i < found->count; i++) {
        found->items[i].weight = found_weight(found->items[i].weight, most);
    }
}

/* Of two with one URL that of the better tier goes first, then the heavier, and so stays. */
static int compare(const void *a, const void *b)
{
    const struct found_endpoint *one = a, *other = b;
    int order = slice_compare(one->url, other->url);
    order = order != 0 ? order : one->tier - other->tier;
    if (order == 0) {
        order = one->weight == other->weight ? slice_compare(one->zone, other->zone)
                                             : (one->weight < other->weight) - (one->weight > other->weight);
    }
    return order;
}

void found_settle(struct found_endpoints *found)
{
    size_t kept = 0;
    if (found->count > 0) {
        qsort(found->items, found->count, sizeof *found->items, compare);
    }
    for (size_t i = 0; i < found->count; i++) {
        if (kept == 0 || !slice_equal(found->items[kept - 1].url, found->items[i].url)) {
            found->items[kept++] = found->items[i];
        }
    }
    found->count = kept;
}
