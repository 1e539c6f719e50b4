#include "http/uri.h"
#include "unit.h"

/* The text and the room for the answer are exactly as long as they say, so that sanitizers see a byte too many. */
static void check(const char *file, int line, struct slice text, const char *expected, unsigned int port)
{
    char *copy = malloc(text.len > 0 ? text.len : 1), *out = malloc(text.len > 0 ? text.len : 1);
    assert_non_null(copy);
    assert_non_null(out);
    memcpy(copy, text.len > 0 ? text.ptr : "", text.len);
    struct uri_authority authority = { .port = 7 };
    enum uri_result result = uri_parse_authority(slice_of(copy, text.len), out, &authority);
    free(copy);
    bool right = expected == NULL
                     ? result == URI_BAD_HOST && authority.host.ptr == NULL && authority.port == 7
                     : result == URI_OK && authority.port == port &&
                           slice_equal(authority.host, slice_from_string(expected)) &&
                           authority.is_ipv6 == (text.ptr[0] == '[');
    if (!right) {
        fail_msg("%s:%d: \"%.*s\" is \"%.*s\" port %u", file, line, SLICE_ARG(text),
                 SLICE_ARG(authority.host), authority.port);
    }
    free(out);
}

#define assert_authority(text, host, port) check(__FILE__, __LINE__, SLICE(text), (host), (port))
#define assert_no_authority(text)          check(__FILE__, __LINE__, SLICE(text), NULL, 0)

static void test_names(void **state)
{
    (void)state;
    assert_authority("api.example.com", "api.example.com", 0);
    assert_authority("API.Example.COM:8443", "api.example.com", 8443);
    assert_authority("api.example.com.", "api.example.com", 0);
    assert_authority("api.example.com.:80", "api.example.com", 80);
    assert_authority("a", "a", 0);
    assert_authority("order_service:9001", "order_service", 9001);
    assert_authority("xn--bcher-kva.example", "xn--bcher-kva.example", 0);
    assert_authority("1a.2b", "1a.2b", 0);
    assert_no_authority("");
    assert_no_authority(".");
    assert_no_authority("..");
    assert_no_authority(".example.com");
    assert_no_authority("api..example.com");
    assert_no_authority("example.com..");
    assert_no_authority("user@example.com");
    assert_no_authority("example.com/");
    assert_no_authority("example.com?");
    assert_no_authority("ex ample.com");
    assert_no_authority("example.com,evil.com");
    assert_no_authority("ex%61mple.com");
    assert_no_authority("example.com\0.evil.com");
    assert_no_authority("b\xc3\xbc"
                        "cher.example");
    assert_no_authority("example.com\t");
}

static void test_ports(void **state)
{
    (void)state;
    assert_authority("a:1", "a", 1);
    assert_authority("a:65535", "a", 65535);
    assert_authority("a:00080", "a", 80);
    assert_authority("a:", "a", 0);
    assert_no_authority("a:0");
    assert_no_authority("a:65536");
    assert_no_authority("a:000080");
    assert_no_authority("a:-1");
    assert_no_authority("a:+1");
    assert_no_authority("a:8 0");
    assert_no_authority("a:80:80");
    assert_no_authority(":80");
    assert_no_authority("a:8080x");
}

/* Spellings of 127.0.0.1 that resolvers know: only the plain one passes. */
static void test_ipv4(void **state)
{
    (void)state;
    assert_authority("127.0.0.1", "127.0.0.1", 0);
    assert_authority("127.0.0.1:80", "127.0.0.1", 80);
    assert_authority("255.255.255.255.", "255.255.255.255", 0);
    assert_no_authority("127.1");
    assert_no_authority("2130706433");
    assert_no_authority("0177.0.0.1");
    assert_no_authority("127.0.0.01");
    assert_no_authority("256.0.0.1");
    assert_no_authority("1.2.3.4.5");
    assert_no_authority("api.1");
    assert_no_authority("1.2.3.1000");
}

static void test_ipv6(void **state)
{
    (void)state;
    assert_authority("[::1]", "::1", 0);
    assert_authority("[::1]:443", "::1", 443);
    assert_authority("[2001:DB8::A]", "2001:db8::a", 0);
    assert_authority("[2001:0db8:0000:0000:0000:0000:0000:0001]", "2001:db8::1", 0);
    assert_authority("[0:0:0:0:0:0:0:0]", "::", 0);
    assert_authority("[::]", "::", 0);
    assert_authority("[1:0:0:2:0:0:0:3]", "1:0:0:2::3", 0);
    assert_authority("[1:0:0:2:3:0:0:4]", "1::2:3:0:0:4", 0);
    assert_authority("[1::2:3:4:5:6:7]", "1:0:2:3:4:5:6:7", 0);
    assert_authority("[1:2:3:4:5:6::]", "1:2:3:4:5:6::", 0);
    assert_authority("[::ffff:127.0.0.1]", "::ffff:7f00:1", 0);
    assert_authority("[::1.1.1.1]", "::101:101", 0);
    assert_authority("[::255.255.255.255]", "::ffff:ffff", 0);
    assert_authority("[ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255]",
                     "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 0);
    assert_no_authority("[]");
    assert_no_authority("[");
    assert_no_authority("[::1");
    assert_no_authority("::1");
    assert_no_authority("[::1]x");
    assert_authority("[::1]:", "::1", 0);
    assert_no_authority("[::1%eth0]");
    assert_no_authority("[::1%25eth0]");
    assert_no_authority("[v1.x]");
    assert_no_authority("[127.0.0.1]");
    assert_no_authority("[:::1]");
    assert_no_authority("[1:2:3:4:5:6:7:8:9]");
    assert_no_authority("[::1\0]");
    assert_no_authority("[0000000000000000000000000000000000000000000000001::]");
}

static void test_lengths(void **state)
{
    (void)state;
    char text[300], out[300];
    struct uri_authority authority;
    /* Four labels of 63 with three dots are 255. */
    memset(text, 'a', sizeof text);
    text[63] = text[127] = text[191] = '.';
    assert_int_equal(uri_parse_authority(slice_of(text, 255), out, &authority), URI_OK);
    assert_int_equal(authority.host.len, 255);
    memcpy(text + 255, ":65535", 6);
    assert_int_equal(uri_parse_authority(slice_of(text, 261), out, &authority), URI_OK);
    memset(text + 255, 'a', 6);
    assert_int_equal(uri_parse_authority(slice_of(text, 256), out, &authority), URI_BAD_HOST);
    assert_int_equal(uri_parse_authority(slice_of(text, 300), out, &authority), URI_BAD_HOST);
    text[63] = 'a';
    assert_int_equal(uri_parse_authority(slice_of(text, 100), out, &authority), URI_BAD_HOST);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names), cmocka_unit_test(test_ports),   cmocka_unit_test(test_ipv4),
        cmocka_unit_test(test_ipv6),  cmocka_unit_test(test_lengths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
