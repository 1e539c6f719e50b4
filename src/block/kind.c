#include "block/kind.h"

#include "base/encoding.h"

#include <stdio.h>

#define V4_WIDEST 8 /* bits: no emergency is larger */
#define V6_WIDEST 16

const struct block_kind_info block_kind_infos[BLOCK_KIND_COUNT] = {
#define BLOCK_KIND_INFO(id, name, has_issuer, reason, help) \
    [BLOCK_##id] = { SLICE_INIT(name), has_issuer, DENY_##reason, help },
    BLOCK_KINDS(BLOCK_KIND_INFO)
#undef BLOCK_KIND_INFO
};

bool block_kind_find(struct slice name, enum block_kind *ret_kind)
{
    for (int kind = 0; kind < BLOCK_KIND_COUNT; kind++) {
        if (slice_equal(block_kind_infos[kind].name, name)) {
            *ret_kind = (enum block_kind)kind;
            return true;
        }
    }
    return false;
}

bool block_text_valid(struct slice text)
{
    bool good = text.len > 0 && text.len <= BLOCK_STORE_TEXT;
    for (size_t i = 0; good && i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        good = c >= ' ' && c != 0x7f;
    }
    return good;
}

/* Lower-case digits without the colons that people copy along; false where there is anything else, or too much. */
static bool read_hex(struct slice text, struct block_target *out)
{
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == ':' && i > 0) {
            continue;
        }
        if (hex_digit(text.ptr[i]) < 0 || len == sizeof out->text) {
            return false;
        }
        out->text[len++] = ascii_lower(text.ptr[i]);
    }
    out->value = slice_of(out->text, len);
    return len > 0;
}

static const char *read_digest(struct slice value, struct block_target *out)
{
    static const struct slice prefix = SLICE_INIT("sha256:");
    value = slice_starts_with(value, prefix) ? slice_from(value, prefix.len) : value;
    if (!read_hex(value, out) || out->value.len != 2 * sizeof out->digest) {
        return "is no SHA-256: 64 hexadecimal characters are wanted";
    }
    for (size_t i = 0; i < sizeof out->digest; i++) {
        out->digest[i] = (unsigned char)(hex_digit(out->text[2 * i]) << 4 | hex_digit(out->text[2 * i + 1]));
    }
    return NULL;
}

/* As the facts of a client certificate have it (tls/tls.h): whole bytes, and none of them zero in front. */
static const char *read_serial(struct slice value, struct block_target *out)
{
    bool prefixed = slice_starts_with(value, SLICE("0x")) || slice_starts_with(value, SLICE("0X"));
    if (!read_hex(prefixed ? slice_from(value, 2) : value, out)) {
        return "is no serial number: hexadecimal characters are wanted, as `openssl x509 -noout -serial` "
               "prints them";
    }
    size_t zeros = 0;
    while (zeros < out->value.len && out->text[zeros] == '0') {
        zeros++;
    }
    size_t len = out->value.len - zeros, odd = len % 2;
    if (len == 0 || len + odd > sizeof out->text) {
        return "is no serial number of a certificate";
    }
    if (odd > zeros) {
        memmove(out->text + 1, out->text, len);
        out->text[0] = '0';
        zeros = 1;
    }
    out->value = slice_of(out->text + zeros - odd, len + odd);
    return NULL;
}

static bool holds(const struct address_prefix *prefix, struct slice text)
{
    struct address address;
    return address_parse(text, &address) && address_in_prefix(&address, prefix);
}

static const char *read_address(struct slice value, struct block_target *out)
{
    struct address_prefix *prefix = &out->prefix;
    if (!address_prefix_parse(value, prefix)) {
        return "is no address or network: 203.0.113.7, 203.0.113.0/24 or 2001:db8::/48 is wanted, without "
               "bits behind the prefix";
    }
    static const struct address_prefix loopback = { .address = { .bytes = { [10] = 0xff, 0xff, 127 } },
                                                    .bits = 104 };
    if (holds(prefix, SLICE("::1")) || holds(prefix, SLICE("127.0.0.1")) ||
        address_in_prefix(&prefix->address, &loopback)) {
        return "is or holds this machine itself (loopback), whose operator would lock himself out";
    }
    bool is_v4 = address_is_v4(&prefix->address) && prefix->bits >= 96;
    if (is_v4 ? prefix->bits < 96 + V4_WIDEST : prefix->bits < V6_WIDEST) {
        return "is wider than /8 (IPv4) or /16 (IPv6): block the routes, or stop the gateway";
    }
    if (address_is_unspecified(&prefix->address)) {
        return "is nobody's address";
    }
    char address[ADDRESS_TEXT_MAX];
    unsigned int bits = is_v4 ? prefix->bits - 96 : prefix->bits, all = is_v4 ? 32 : 128;
    address_format(&prefix->address, address);
    int size = bits == all ? snprintf(out->text, sizeof out->text, "%s", address)
                           : snprintf(out->text, sizeof out->text, "%s/%u", address, bits);
    out->value = slice_of(out->text, (size_t)size);
    return NULL;
}

const char *block_target_read(enum block_kind kind, struct slice issuer, struct slice value,
                              struct block_target *out)
{
    *out = (struct block_target){ .kind = kind, .issuer = issuer, .value = value };
    if (!block_text_valid(value)) {
        return "is no name: one line of 1 to 512 bytes is wanted";
    }
    if (block_kind_infos[kind].has_issuer && !block_text_valid(issuer)) {
        return "needs its issuer beside it";
    }
    if (!block_kind_infos[kind].has_issuer && issuer.len > 0) {
        return "has no issuer: leave it out";
    }
    switch (kind) {
    case BLOCK_ADDRESS:
        return read_address(value, out);
    case BLOCK_CERTIFICATE:
    case BLOCK_TOKEN:
        return read_digest(value, out);
    case BLOCK_SERIAL:
        return read_serial(value, out);
    default:
        return NULL;
    }
}
