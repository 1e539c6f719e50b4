/* The client's address out of hostile lists: whatever stands left of the hop that was found changes nothing, and without a
 * trusted peer nothing is believed. The first byte chooses the family; each further line is a field. */
#include <stdlib.h>

#include "relay/relay.h"

#define CHECK(condition)  \
    do {                  \
        if (!(condition)) \
            abort();      \
    } while (0)

#define FIELDS_MAX 8
#define FIELD_MAX  4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct address client_of(struct slice text, int source, const char *peer_text)
{
    struct header items[FIELDS_MAX];
    struct headers headers = { .items = items, .capacity = FIELDS_MAX };
    struct slice name = source == FORWARDED_RFC7239 ? SLICE("Forwarded") : SLICE("X-Forwarded-For");
    struct slice value;
    while (slice_next(&text, '\n', &value) &&
           headers_add(&headers, header_id_of(name), name, slice_trim(value))) {
    }
    struct address peer;
    struct address_prefix trusted;
    CHECK(address_parse(slice_from_string(peer_text), &peer));
    CHECK(address_prefix_parse(SLICE("10.0.0.0/8"), &trusted));
    return relay_client_address(&headers, &peer, source, &trusted, 1);
}

static bool same(struct address a, struct address b)
{
    return memcmp(a.bytes, b.bytes, sizeof a.bytes) == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 || size > FIELD_MAX) {
        return 0;
    }
    int source = data[0] % 2 == 0 ? FORWARDED_X_FORWARDED : FORWARDED_RFC7239;
    struct slice text = slice_of((const char *)data + 1, size - 1);
    struct address untrusted, prefixed, trusted = { 0 };
    CHECK(address_parse(SLICE("192.0.2.1"), &untrusted));
    CHECK(same(client_of(text, source, "192.0.2.1"), untrusted));
    struct address_prefix prefix;
    CHECK(address_prefix_parse(SLICE("10.0.0.0/8"), &prefix));
    trusted = client_of(text, source, "10.0.0.1");
    if (address_in_prefix(&trusted, &prefix)) {
        return 0; /* the walk came to its end, or to garbage: more on the left may lengthen it */
    }
    char longer[FIELD_MAX + 32] = "6.6.6.6, for=\"7.7.7.7;, ";
    size_t len = strlen(longer);
    memcpy(longer + len, text.ptr, text.len);
    prefixed = client_of(slice_of(longer, len + text.len), source, "10.0.0.1");
    CHECK(same(prefixed, trusted));
    return 0;
}
