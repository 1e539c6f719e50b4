#include "net/address.h"

#include "base/limits.h"

#include <arpa/inet.h>
#include <assert.h>
#include <stddef.h>
#include <sys/un.h>

static const unsigned char v4_prefix[12] = { [10] = 0xff, [11] = 0xff };

bool address_is_v4(const struct address *address)
{
    return memcmp(address->bytes, v4_prefix, sizeof v4_prefix) == 0;
}

static const unsigned char zero[16];

bool address_is_same(const struct address *a, const struct address *b)
{
    return memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

bool address_is_none(const struct address *address)
{
    return memcmp(address->bytes, zero, sizeof zero) == 0;
}

bool address_is_loopback(const struct address *address)
{
    static const unsigned char v6[16] = { [15] = 1 };
    return address_is_v4(address) ? address->bytes[12] == 127 : memcmp(address->bytes, v6, sizeof v6) == 0;
}

bool address_is_unspecified(const struct address *address)
{
    return address_is_v4(address) ? memcmp(address->bytes + 12, zero, 4) == 0 : address_is_none(address);
}

static void set_v4(struct address *address, const void *four_bytes)
{
    memcpy(address->bytes, v4_prefix, sizeof v4_prefix);
    memcpy(address->bytes + 12, four_bytes, 4);
}

bool address_from_sockaddr(const struct sockaddr *from, struct address *ret_address)
{
    if (from->sa_family == AF_INET) {
        struct sockaddr_in v4;
        memcpy(&v4, from, sizeof v4);
        set_v4(ret_address, &v4.sin_addr);
        ret_address->port = ntohs(v4.sin_port);
        return true;
    }
    if (from->sa_family == AF_INET6) {
        struct sockaddr_in6 v6;
        memcpy(&v6, from, sizeof v6);
        memcpy(ret_address->bytes, &v6.sin6_addr, sizeof ret_address->bytes);
        ret_address->port = ntohs(v6.sin6_port);
        return true;
    }
    return false;
}

socklen_t address_to_sockaddr(const struct address *address, struct sockaddr_storage *out)
{
    memset(out, 0, sizeof *out);
    if (address_is_v4(address)) {
        struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(address->port) };
        memcpy(&v4.sin_addr, address->bytes + 12, 4);
        memcpy(out, &v4, sizeof v4);
        return sizeof v4;
    }
    struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons(address->port) };
    memcpy(&v6.sin6_addr, address->bytes, sizeof address->bytes);
    memcpy(out, &v6, sizeof v6);
    return sizeof v6;
}

socklen_t address_path_to_sockaddr(struct slice path, struct sockaddr_storage *out)
{
    struct sockaddr_un local = { .sun_family = AF_UNIX };
    _Static_assert(sizeof local.sun_path > UNIX_PATH_MAX, "a path and its NUL fit");
    assert(path.len <= UNIX_PATH_MAX);
    memset(out, 0, sizeof *out);
    memcpy(local.sun_path, path.ptr, path.len);
    memcpy(out, &local, sizeof local);
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + path.len + 1);
}

bool address_parse(struct slice text, struct address *ret_address)
{
    bool bracketed =
        text.len >= 2 && slice_starts_with(text, SLICE("[")) && slice_ends_with(text, SLICE("]"));
    if (bracketed) {
        text = slice_part(text, 1, text.len - 2);
    }
    char string[ADDRESS_TEXT_MAX];
    if (text.len == 0 || text.len >= sizeof string || slice_find(text, '\0') >= 0) {
        return false;
    }
    memcpy(string, text.ptr, text.len);
    string[text.len] = '\0';
    struct address parsed = { .port = 0 };
    struct in_addr v4;
    if (!bracketed && inet_pton(AF_INET, string, &v4) == 1) {
        set_v4(&parsed, &v4);
    } else if (inet_pton(AF_INET6, string, parsed.bytes) != 1) {
        return false;
    }
    *ret_address = parsed;
    return true;
}

/* True where all bits from `bits` on are zero. */
static bool rest_is_zero(const struct address *address, unsigned int bits)
{
    for (unsigned int i = bits / 8; i < sizeof address->bytes; i++) {
        unsigned int rest = i == bits / 8 ? 0xffu >> (bits % 8) : 0xffu;
        if ((address->bytes[i] & rest) != 0) {
            return false;
        }
    }
    return true;
}

bool address_prefix_parse(struct slice text, struct address_prefix *ret_prefix)
{
    struct address_prefix parsed = { .bits = 128 };
    ssize_t slash = slice_find(text, '/');
    struct slice host = slash < 0 ? text : slice_part(text, 0, (size_t)slash);
    if (!address_parse(host, &parsed.address)) {
        return false;
    }
    if (slash >= 0) {
        bool dotted = slice_find(host, ':') < 0;
        struct slice number = slice_from(text, (size_t)slash + 1);
        uint64_t bits;
        bool leading_zero = number.len > 1 && slice_starts_with(number, SLICE("0"));
        if (leading_zero || !slice_to_u64(number, &bits) || bits > (dotted ? 32 : 128)) {
            return false;
        }
        parsed.bits = (unsigned int)bits + (dotted ? 96 : 0);
    }
    if (!rest_is_zero(&parsed.address, parsed.bits)) {
        return false;
    }
    *ret_prefix = parsed;
    return true;
}

struct address_prefix address_prefix_none(void)
{
    return (struct address_prefix){ .bits = 128 };
}

bool address_in_prefix(const struct address *address, const struct address_prefix *prefix)
{
    if (prefix->bits < 128 && address_is_none(address)) {
        return false;
    }
    unsigned int whole = prefix->bits / 8;
    unsigned int rest = prefix->bits % 8;
    if (memcmp(address->bytes, prefix->address.bytes, whole) != 0) {
        return false;
    }
    return rest == 0 || ((address->bytes[whole] ^ prefix->address.bytes[whole]) >> (8 - rest)) == 0;
}

/* What is not public among IPv4 addresses and in 2000::/3, beside which no IPv6 address is given out (RFC 4291 section 2.4). */
static const struct address_prefix special[] = {
    ADDRESS_PREFIX_V4(8, 0),                       /* this network */
    ADDRESS_PREFIX_V4(8, 10),                      /* private */
    ADDRESS_PREFIX_V4(10, 100, 64),                /* shared by a provider's customers */
    ADDRESS_PREFIX_V4(8, 127),                     /* loopback */
    ADDRESS_PREFIX_V4(16, 169, 254),               /* one link: where clouds tell machines their secrets */
    ADDRESS_PREFIX_V4(12, 172, 16),                /* private */
    ADDRESS_PREFIX_V4(24, 192, 0, 0),              /* protocol assignments */
    ADDRESS_PREFIX_V4(24, 192, 0, 2),              /* documentation */
    ADDRESS_PREFIX_V4(24, 192, 88, 99),            /* 6to4 relays, of old */
    ADDRESS_PREFIX_V4(16, 192, 168),               /* private */
    ADDRESS_PREFIX_V4(15, 198, 18),                /* benchmarks */
    ADDRESS_PREFIX_V4(24, 198, 51, 100),           /* documentation */
    ADDRESS_PREFIX_V4(24, 203, 0, 113),            /* documentation */
    ADDRESS_PREFIX_V4(4, 224),                     /* multicast */
    ADDRESS_PREFIX_V4(4, 240),                     /* later; broadcast */
    ADDRESS_PREFIX_V6(23, 0x20, 0x01),             /* protocol assignments: Teredo, ORCHID, benchmarks */
    ADDRESS_PREFIX_V6(32, 0x20, 0x01, 0x0d, 0xb8), /* documentation */
    ADDRESS_PREFIX_V6(16, 0x20, 0x02),             /* 6to4: leads to any IPv4 address */
    ADDRESS_PREFIX_V6(20, 0x3f, 0xff),             /* documentation */
};

struct address address_within(const struct address *address)
{
    static const struct address_prefix nat64 = ADDRESS_PREFIX_V6(96, 0x00, 0x64, 0xff, 0x9b);
    struct address within = *address;
    if (address_in_prefix(address, &nat64)) {
        set_v4(&within, address->bytes + 12);
    }
    return within;
}

bool address_is_public(const struct address *address)
{
    static const struct address_prefix global = ADDRESS_PREFIX_V6(3, 0x20);
    const struct address within = address_within(address);
    for (size_t i = 0; i < sizeof special / sizeof special[0]; i++) {
        if (address_in_prefix(&within, &special[i])) {
            return false;
        }
    }
    return address_is_v4(&within) || address_in_prefix(&within, &global);
}

/* Written for every request, where inet_ntop's printf would be felt. */
static size_t format_v4(const unsigned char bytes[4], char *out)
{
    char *at = out;
    for (size_t i = 0; i < 4; i++) {
        unsigned int byte = bytes[i];
        if (byte >= 100) {
            *at++ = (char)('0' + byte / 100);
        }
        if (byte >= 10) {
            *at++ = (char)('0' + byte / 10 % 10);
        }
        *at++ = (char)('0' + byte % 10);
        *at++ = i < 3 ? '.' : '\0';
    }
    return (size_t)(at - out) - 1;
}

size_t address_format(const struct address *address, char out[ADDRESS_TEXT_MAX])
{
    if (address_is_v4(address)) {
        return format_v4(address->bytes + 12, out);
    }
    const char *text = inet_ntop(AF_INET6, address->bytes, out, ADDRESS_TEXT_MAX);
    if (text == NULL) { /* not possible: the buffer holds every address */
        out[0] = '\0';
        return 0;
    }
    return strlen(out);
}

size_t address_format_peer(const struct address *address, char out[ADDRESS_TEXT_MAX])
{
    static const char unknown[] = "unknown";
    if (address_is_none(address)) {
        memcpy(out, unknown, sizeof unknown);
        return sizeof unknown - 1;
    }
    return address_format(address, out);
}

struct address address_network(const struct address *address)
{
    struct address network = *address;
    network.port = 0;
    if (!address_is_v4(address)) {
        memset(network.bytes + 8, 0, 8);
    }
    return network;
}
