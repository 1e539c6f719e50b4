#include "unit.h"

#include "base/limits.h"
#include "net/proxy_protocol.h"

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"

static enum proxy_protocol_result parse(const char *data, size_t size, struct proxy_protocol *header)
{
    return proxy_protocol_parse(slice_of(data, size), header);
}

static void assert_client(const struct proxy_protocol *header, const char *address, unsigned int port)
{
    char text[ADDRESS_TEXT_MAX];
    address_format(&header->client, text);
    assert_true(header->announced);
    assert_string_equal(text, address);
    assert_int_equal(header->client.port, port);
}

static void assert_bad(const char *data, size_t size)
{
    struct proxy_protocol header;
    if (parse(data, size, &header) != PROXY_PROTOCOL_BAD) {
        fail_msg("taken: %.*s", (int)size, data);
    }
    assert_non_null(header.problem);
}

/* Each part of a header waits for the rest; what follows a header is not its. */
static void assert_whole(const char *data, size_t size, const char *address, unsigned int port)
{
    struct proxy_protocol header;
    char longer[PROXY_HEADER_MAX + 64];
    for (size_t part = 0; part < size; part++) {
        assert_int_equal(parse(data, part, &header), PROXY_PROTOCOL_MORE);
    }
    memcpy(longer, data, size);
    memcpy(longer + size, "GET / HTTP/1.1\r\n", 16);
    for (size_t more = 0; more <= 16; more += 16) {
        assert_int_equal(parse(longer, size + more, &header), PROXY_PROTOCOL_DONE);
        assert_int_equal(header.size, size);
        if (address == NULL) {
            assert_false(header.announced);
        } else {
            assert_client(&header, address, port);
        }
    }
}

/* ---- version 1 ---- */

static void lines_that_announce(void **state)
{
    (void)state;
    static const struct {
        const char *line, *address;
        unsigned int port;
    } cases[] = {
        { "PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\n", "192.0.2.1", 56324 },
        { "PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n", "255.255.255.255", 65535 },
        { "PROXY TCP4 192.0.2.1 198.51.100.2 0 0\r\n", "192.0.2.1", 0 },
        { "PROXY TCP6 2001:db8::1 2001:db8::2 56324 443\r\n", "2001:db8::1", 56324 },
        { "PROXY TCP6 ::ffff:192.0.2.1 ::1 1 2\r\n", "192.0.2.1", 1 },
        { "PROXY UNKNOWN\r\n", NULL, 0 },
        { "PROXY UNKNOWN ffff:f...f:ffff whatever 1\r\n", NULL, 0 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_whole(cases[i].line, strlen(cases[i].line), cases[i].address, cases[i].port);
    }
}

static void lines_that_are_none(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "GET / HTTP/1.1\r\n",
        "PROXX",
        "proxy TCP4 192.0.2.1 198.51.100.2 1 2\r\n",
        " PROXY TCP4 192.0.2.1 198.51.100.2 1 2\r\n",
        "PROXY \n",
        "PROXY \r\n",
        "PROXY  TCP4 192.0.2.1 198.51.100.2 1 2\r\n",
        "PROXY TCP4\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.2 1\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.2 1 2\n",
        "PROXY TCP4 192.0.2.1 198.51.100.2 1 2 \r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.2 1 2 3\r\n",
        "PROXY TCP4 192.0.2.1  198.51.100.2 1 2\r\n",
        "PROXY TCP4 192.0.2.1\t198.51.100.2 1 2\r\n",
        "PROXY TCP4 192.0.2.01 198.51.100.2 1 2\r\n",
        "PROXY TCP4 192.0.2 198.51.100.2 1 2\r\n",
        "PROXY TCP4 192.0.2.256 198.51.100.2 1 2\r\n",
        "PROXY TCP4 2001:db8::1 2001:db8::2 1 2\r\n",
        "PROXY TCP4 ::ffff:192.0.2.1 ::ffff:192.0.2.2 1 2\r\n",
        "PROXY TCP6 192.0.2.1 198.51.100.2 1 2\r\n",
        "PROXY TCP6 [2001:db8::1] 2001:db8::2 1 2\r\n",
        "PROXY TCP6 2001:db8::1%lo 2001:db8::2 1 2\r\n",
        "PROXY TCP4 192.0.2.1 nonsense 1 2\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.2 65536 2\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.2 1 65536\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.2 01 2\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.2 -1 2\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.2 +1 2\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.2  2\r\n",
        "PROXY TCP4 0.0.0.0 198.51.100.2 1 2\r\n",
        "PROXY TCP6 :: 2001:db8::2 1 2\r\n",
        "PROXY UDP4 192.0.2.1 198.51.100.2 1 2\r\n",
        "PROXY TCP5 192.0.2.1 198.51.100.2 1 2\r\n",
        "PROXY UNKNOWNS\r\n",
        "PROXY unknown\r\n",
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_bad(cases[i], strlen(cases[i]));
    }
    assert_bad("PROXY TCP4 192.0.2.1\0 198.51.100.2 1 2\r\n", 40);
}

static void a_line_has_107_bytes_at_most(void **state)
{
    (void)state;
    char line[200] = "PROXY UNKNOWN ";
    memset(line + 14, 'x', sizeof line - 14);
    memcpy(line + 105, "\r\n", 2);
    assert_whole(line, 107, NULL, 0);
    memcpy(line + 105, "x\r\n", 3);
    struct proxy_protocol header;
    assert_int_equal(parse(line, 106, &header), PROXY_PROTOCOL_MORE);
    assert_bad(line, 107);
    assert_bad(line, 108);
}

/* ---- version 2 ---- */

struct built {
    unsigned char bytes[PROXY_HEADER_MAX + 64];
    size_t size;
};

static struct built begin(unsigned char command, unsigned char family)
{
    struct built built = { .size = 16 };
    memcpy(built.bytes, SIGNATURE, 12);
    built.bytes[12] = command;
    built.bytes[13] = family;
    return built;
}

static void put(struct built *built, const void *bytes, size_t size)
{
    memcpy(built->bytes + built->size, bytes, size);
    built->size += size;
}

static void put_tlv(struct built *built, unsigned char type, const void *value, size_t size)
{
    unsigned char head[3] = { type, (unsigned char)(size >> 8), (unsigned char)size };
    put(built, head, sizeof head);
    put(built, value, size);
}

static void finish(struct built *built)
{
    built->bytes[14] = (unsigned char)((built->size - 16) >> 8);
    built->bytes[15] = (unsigned char)(built->size - 16);
}

/* Bit by bit, as the standard writes it: another way than the parser's. */
static void put_checksum(struct built *built)
{
    put_tlv(built, 3, "\0\0\0\0", 4);
    size_t at = built->size - 4;
    finish(built);
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < built->size; i++) {
        crc ^= built->bytes[i];
        for (int bit = 0; bit < 8; bit++) {
            crc = (crc & 1) != 0 ? crc >> 1 ^ 0x82f63b78 : crc >> 1;
        }
    }
    for (size_t i = 0; i < 4; i++) {
        built->bytes[at + i] = (unsigned char)(~crc >> (24 - 8 * i));
    }
}

static struct built v4(unsigned char command)
{
    struct built built = begin(command, 0x11);
    put(&built, "\xc0\x00\x02\x01\xc6\x33\x64\x02\xdc\x04\x01\xbb", 12);
    finish(&built);
    return built;
}

static void assert_built_bad(const struct built *built)
{
    assert_bad((const char *)built->bytes, built->size);
}

static void assert_built_whole(const struct built *built, const char *address, unsigned int port)
{
    assert_whole((const char *)built->bytes, built->size, address, port);
}

static void binary_headers_announce(void **state)
{
    (void)state;
    struct built built = v4(0x21);
    assert_built_whole(&built, "192.0.2.1", 56324);
    built = begin(0x21, 0x21);
    put(&built, "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1", 16);
    put(&built, "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\2", 16);
    put(&built, "\xdc\x04\x01\xbb", 4);
    finish(&built);
    assert_built_whole(&built, "2001:db8::1", 56324);
}

static void local_and_no_address_mean_the_peer(void **state)
{
    (void)state;
    struct built built = begin(0x20, 0x00);
    finish(&built);
    assert_built_whole(&built, NULL, 0);
    built = v4(0x20);
    assert_built_whole(&built, NULL, 0);
    /* Its block is to be discarded, whatever is in it. */
    built = begin(0x20, 0x11);
    put(&built, "\1\2\3", 3);
    finish(&built);
    assert_built_whole(&built, NULL, 0);
    built = begin(0x20, 0xff);
    finish(&built);
    assert_built_whole(&built, NULL, 0);
    built = begin(0x21, 0x00);
    put_tlv(&built, 4, "abc", 3);
    finish(&built);
    assert_built_whole(&built, NULL, 0);
    char paths[216] = "/run/client.sock";
    built = begin(0x21, 0x31);
    put(&built, paths, sizeof paths);
    finish(&built);
    assert_built_whole(&built, NULL, 0);
}

static void tlvs_are_skipped(void **state)
{
    (void)state;
    char value[1000] = { 0 };
    struct built built = v4(0x21);
    put_tlv(&built, 1, "http/1.1", 8);
    put_tlv(&built, 2, "", 0);
    put_tlv(&built, 0xee, value, sizeof value);
    finish(&built);
    assert_built_whole(&built, "192.0.2.1", 56324);
}

static void a_checksum_is_verified(void **state)
{
    (void)state;
    struct built built = v4(0x21);
    put_tlv(&built, 1, "http/1.1", 8);
    put_checksum(&built);
    assert_built_whole(&built, "192.0.2.1", 56324);
    /* A flipped bit anywhere shows, in the TLV's own head as another TLV or a wrong length. */
    for (size_t at = 16; at < built.size; at++) {
        struct built other = built;
        other.bytes[at] ^= 1;
        struct proxy_protocol header;
        enum proxy_protocol_result result = parse((char *)other.bytes, other.size, &header);
        assert_true(result == PROXY_PROTOCOL_BAD || at == built.size - 7);
    }
    /* LOCAL too, which was PROXY. */
    built.bytes[12] = 0x20;
    assert_built_bad(&built);
    built = v4(0x20);
    put_checksum(&built);
    assert_built_whole(&built, NULL, 0);
}

static void binary_headers_that_are_none(void **state)
{
    (void)state;
    static const unsigned char commands[] = { 0x11, 0x31, 0x01, 0x22, 0x2f };
    for (size_t i = 0; i < sizeof commands; i++) {
        struct built built = v4(commands[i]);
        assert_built_bad(&built);
        assert_bad((char *)built.bytes, 13); /* known at once */
    }
    static const unsigned char families[] = { 0x01, 0x02, 0x10, 0x13, 0x12, 0x22, 0x32, 0x33, 0x41, 0xff };
    for (size_t i = 0; i < sizeof families; i++) {
        struct built built = begin(0x21, families[i]);
        char block[216] = "\1\1\1\1";
        put(&built, block, sizeof block);
        finish(&built);
        assert_built_bad(&built);
    }
    struct built built = begin(0x21, 0x11);
    put(&built, "\1\2\3\4\1\2\3\4\1\2\3", 11);
    finish(&built);
    assert_built_bad(&built); /* an address cut off */
    built = v4(0x21);
    put(&built, "\1\0", 2);
    finish(&built);
    assert_built_bad(&built); /* a TLV's head cut off */
    built = v4(0x21);
    put(&built, "\1\0\5abcd", 7);
    finish(&built);
    assert_built_bad(&built); /* a value cut off */
    built = v4(0x21);
    put_tlv(&built, 3, "abc", 3);
    finish(&built);
    assert_built_bad(&built); /* a checksum of another size */
    built = v4(0x21);
    put_checksum(&built);
    size_t once = built.size;
    put(&built, built.bytes + once - 7, 7);
    finish(&built);
    assert_built_bad(&built); /* two of them */
    built = begin(0x21, 0x11);
    put(&built, "\0\0\0\0\xc6\x33\x64\x02\xdc\x04\x01\xbb", 12);
    finish(&built);
    assert_built_bad(&built); /* nobody */
    assert_bad(SIGNATURE "x", 13);
    assert_bad("\r\n\r\n\r\n", 6);
}

static void a_binary_header_has_a_bound(void **state)
{
    (void)state;
    char value[PROXY_HEADER_MAX] = { 0 };
    struct built built = v4(0x21);
    put_tlv(&built, 0xee, value, PROXY_HEADER_MAX - built.size - 3);
    finish(&built);
    assert_int_equal(built.size, PROXY_HEADER_MAX);
    assert_built_whole(&built, "192.0.2.1", 56324);
    built = v4(0x21);
    put_tlv(&built, 0xee, value, PROXY_HEADER_MAX - built.size - 2);
    finish(&built);
    assert_bad((char *)built.bytes, 16); /* its length is enough to know */
    memset(built.bytes + 14, 0xff, 2);
    assert_bad((char *)built.bytes, 16);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_that_announce),
        cmocka_unit_test(lines_that_are_none),
        cmocka_unit_test(a_line_has_107_bytes_at_most),
        cmocka_unit_test(binary_headers_announce),
        cmocka_unit_test(local_and_no_address_mean_the_peer),
        cmocka_unit_test(tlvs_are_skipped),
        cmocka_unit_test(a_checksum_is_verified),
        cmocka_unit_test(binary_headers_that_are_none),
        cmocka_unit_test(a_binary_header_has_a_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
