#include "net/proxy_protocol.h"

#include "base/limits.h"

/* ---- what both versions share ---- */

static enum proxy_protocol_result bad(struct proxy_protocol *header, const char *problem)
{
    header->problem = problem;
    return PROXY_PROTOCOL_BAD;
}

static enum proxy_protocol_result announce(struct proxy_protocol *header, const struct address *client)
{
    if (address_is_unspecified(client)) {
        return bad(header, "the address that it announces is none");
    }
    header->announced = true;
    header->client = *client;
    return PROXY_PROTOCOL_DONE;
}

/* ---- version 1: a line of text (section 2.1) ---- */

#define V1_MAX 107

static const struct slice v1_signature = SLICE_INIT("PROXY ");

/* An address of the family that the line names, without brackets. */
static bool parse_host(struct slice text, bool v6, struct address *ret_address)
{
    bool colon = slice_find(text, ':') >= 0;
    return colon == v6 && slice_find(text, '[') < 0 && address_parse(text, ret_address);
}

static bool parse_port(struct slice text, uint16_t *ret_port)
{
    uint64_t port;
    bool leading_zero = text.len > 1 && text.ptr[0] == '0';
    if (text.len > 5 || leading_zero || !slice_to_u64(text, &port) || port > UINT16_MAX) {
        return false;
    }
    *ret_port = (uint16_t)port;
    return true;
}

/* "TCP4 192.0.2.1 192.0.2.2 40000 443" */
static bool parse_endpoints(struct slice rest, struct address *ret_client)
{
    struct slice parts[5];
    for (size_t i = 0; i < 5; i++) {
        if (!slice_next(&rest, ' ', &parts[i])) {
            return false;
        }
    }
    bool v6 = slice_equal(parts[0], SLICE("TCP6"));
    struct address server;
    return rest.ptr == NULL && (v6 || slice_equal(parts[0], SLICE("TCP4"))) &&
           parse_host(parts[1], v6, ret_client) && parse_host(parts[2], v6, &server) &&
           parse_port(parts[3], &ret_client->port) && parse_port(parts[4], &server.port);
}

static bool is_unknown(struct slice rest)
{
    return slice_equal(rest, SLICE("UNKNOWN")) || slice_starts_with(rest, SLICE("UNKNOWN "));
}

static enum proxy_protocol_result parse_v1(struct slice data, struct proxy_protocol *header)
{
    ssize_t end = slice_find(slice_part(data, 0, data.len < V1_MAX ? data.len : V1_MAX), '\n');
    if (end < 0) {
        return data.len < V1_MAX ? PROXY_PROTOCOL_MORE : bad(header, "its line is too long");
    }
    header->size = (size_t)end + 1;
    if (data.ptr[end - 1] != '\r') {
        return bad(header, "its line does not end with CR LF");
    }
    struct slice rest = slice_part(data, v1_signature.len, (size_t)end - 1 - v1_signature.len);
    if (is_unknown(rest)) {
        return PROXY_PROTOCOL_DONE;
    }
    struct address client;
    if (!parse_endpoints(rest, &client)) {
        return bad(header, "its line is malformed");
    }
    return announce(header, &client);
}

/* ---- version 2: binary (section 2.2) ---- */

#define V2_FIXED     16
#define TLV_HEAD     3
#define TLV_CRC32C   0x03
#define CRC32C_BYTES 4

static const struct slice v2_signature = SLICE_INIT("\r\n\r\n\0\r\nQUIT\n");

enum v2_command {
    V2_LOCAL = 0,
    V2_PROXY = 1,
};

enum v2_kind {
    KIND_NO_ADDRESS, /* the socket's peer is meant */
    KIND_V4,
    KIND_V6,
    KIND_DATAGRAM,
};

/* All that are defined; others "must be rejected as invalid by receivers". */
static const struct v2_family {
    unsigned char code;
    unsigned char addresses; /* bytes */
    enum v2_kind kind;
} v2_families[] = {
    { 0x00, 0, KIND_NO_ADDRESS }, { 0x11, 12, KIND_V4 },       { 0x12, 12, KIND_DATAGRAM },
    { 0x21, 36, KIND_V6 },        { 0x22, 36, KIND_DATAGRAM }, { 0x31, 216, KIND_NO_ADDRESS },
    { 0x32, 216, KIND_DATAGRAM },
};

static unsigned int byte_at(struct slice data, size_t index)
{
    return (unsigned char)data.ptr[index];
}

static unsigned int u16_at(struct slice data, size_t index)
{
    return byte_at(data, index) << 8 | byte_at(data, index + 1);
}

static uint32_t u32_at(struct slice data, size_t index)
{
    return (uint32_t)u16_at(data, index) << 16 | u16_at(data, index + 2);
}

static const struct v2_family *find_family(unsigned int code)
{
    for (size_t i = 0; i < sizeof v2_families / sizeof *v2_families; i++) {
        if (v2_families[i].code == code) {
            return &v2_families[i];
        }
    }
    return NULL;
}

/* CRC-32C (RFC 9260, appendix A), by half bytes: headers are short and come once per connection. */
static uint32_t crc32c_add(uint32_t crc, unsigned int byte)
{
    static const uint32_t steps[16] = {
        0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3, 0x61c69362, 0x7198540d,
        0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9, 0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
    };
    crc ^= byte;
    crc = crc >> 4 ^ steps[crc & 15];
    return crc >> 4 ^ steps[crc & 15];
}

/* Over the whole header, with the checksum's own bytes as zero. */
static bool checksum_fits(struct slice header, size_t at)
{
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < header.len; i++) {
        bool own = i >= at && i < at + CRC32C_BYTES;
        crc = crc32c_add(crc, own ? 0 : byte_at(header, i));
    }
    return ~crc == u32_at(header, at);
}

enum tlv_result {
    TLV_GOOD,
    TLV_MALFORMED,
    TLV_WRONG_CHECKSUM,
};

/* Of all TLVs only the checksum is of interest; the rest may be any, but must fill the header exactly. */
static enum tlv_result check_tlvs(struct slice header, size_t at)
{
    bool checked = false;
    while (at < header.len) {
        if (header.len - at < TLV_HEAD || header.len - at - TLV_HEAD < u16_at(header, at + 1)) {
            return TLV_MALFORMED;
        }
        unsigned int type = byte_at(header, at);
        unsigned int size = u16_at(header, at + 1);
        at += TLV_HEAD;
        if (type == TLV_CRC32C) {
            if (size != CRC32C_BYTES || checked) {
                return TLV_MALFORMED;
            }
            if (!checksum_fits(header, at)) {
                return TLV_WRONG_CHECKSUM;
            }
            checked = true;
        }
        at += size;
    }
    return TLV_GOOD;
}

static enum proxy_protocol_result take_addresses(struct slice data, enum v2_kind kind,
                                                 struct proxy_protocol *header)
{
    struct address client = { 0 };
    switch (kind) {
    case KIND_NO_ADDRESS:
        return PROXY_PROTOCOL_DONE;
    case KIND_DATAGRAM:
        return bad(header, "it announces datagrams");
    case KIND_V4:
        client.bytes[10] = client.bytes[11] = 0xff;
        memcpy(client.bytes + 12, data.ptr + V2_FIXED, 4);
        client.port = (uint16_t)u16_at(data, V2_FIXED + 8);
        break;
    case KIND_V6:
        memcpy(client.bytes, data.ptr + V2_FIXED, 16);
        client.port = (uint16_t)u16_at(data, V2_FIXED + 32);
        break;
    }
    return announce(header, &client);
}

/* `data`: the header exactly. */
static enum proxy_protocol_result parse_block(struct slice data, struct proxy_protocol *header)
{
    bool local = (byte_at(data, 12) & 15) == V2_LOCAL;
    const struct v2_family *family = find_family(byte_at(data, 13));
    bool fits = family != NULL && data.len >= (size_t)V2_FIXED + family->addresses;
    enum tlv_result tlvs = fits ? check_tlvs(data, (size_t)V2_FIXED + family->addresses) : TLV_MALFORMED;
    if (tlvs == TLV_WRONG_CHECKSUM) {
        return bad(header, "its checksum is wrong");
    }
    if (local) {
        return PROXY_PROTOCOL_DONE;
    }
    if (family == NULL) {
        return bad(header, "its address family is unknown");
    }
    if (tlvs == TLV_MALFORMED) {
        return bad(header, "its length does not fit what it holds");
    }
    return take_addresses(data, family->kind, header);
}

static enum proxy_protocol_result parse_v2(struct slice data, struct proxy_protocol *header)
{
    if (data.len > 12 && byte_at(data, 12) >> 4 != 2) {
        return bad(header, "its version is unknown");
    }
    if (data.len > 12 && (byte_at(data, 12) & 15) > V2_PROXY) {
        return bad(header, "its command is unknown");
    }
    if (data.len < V2_FIXED) {
        return PROXY_PROTOCOL_MORE;
    }
    header->size = V2_FIXED + u16_at(data, 14);
    if (header->size > PROXY_HEADER_MAX) {
        return bad(header, "it is too long");
    }
    return data.len < header->size ? PROXY_PROTOCOL_MORE
                                   : parse_block(slice_part(data, 0, header->size), header);
}

/* ---- either ---- */

/* As far as `data` goes. */
static bool may_be(struct slice data, struct slice signature)
{
    size_t size = data.len < signature.len ? data.len : signature.len;
    return memcmp(data.ptr, signature.ptr, size) == 0;
}

enum proxy_protocol_result proxy_protocol_parse(struct slice data, struct proxy_protocol *ret_header)
{
    *ret_header = (struct proxy_protocol){ .size = 0 };
    if (data.len == 0) {
        return PROXY_PROTOCOL_MORE;
    }
    if (may_be(data, v2_signature)) {
        return parse_v2(data, ret_header);
    }
    if (may_be(data, v1_signature)) {
        return data.len < v1_signature.len ? PROXY_PROTOCOL_MORE : parse_v1(data, ret_header);
    }
    return bad(ret_header, "no PROXY protocol header came");
}
