#include "messages.h"

static struct address address(const char *text)
{
    struct address out;
    if (!address_parse(slice_from_string(text), &out)) {
        fail_msg("%s is no address", text);
    }
    return out;
}

/* Trusted are 10.0.0.0/8 and 2001:db8:1::/48. Fields are given by '|'. */
static void check_client(const char *file, int line, int source, const char *peer, const char *fields_text,
                         const char *expected)
{
    struct address_prefix trusted[2];
    assert_true(address_prefix_parse(SLICE("10.0.0.0/8"), &trusted[0]));
    assert_true(address_prefix_parse(SLICE("2001:db8:1::/48"), &trusted[1]));
    struct fields fields;
    fields_init(&fields);
    fields_add(&fields, "X-Other", "9.9.9.9");
    struct slice rest = slice_from_string(fields_text), value;
    while (rest.ptr != NULL && slice_next(&rest, '|', &value)) {
        struct slice name = source == FORWARDED_RFC7239 ? SLICE("Forwarded") : SLICE("X-Forwarded-For");
        assert_true(headers_add(&fields.list, header_id_of(name), name, value));
        name = source == FORWARDED_RFC7239 ? SLICE("X-Forwarded-For") : SLICE("Forwarded");
        assert_true(headers_add(&fields.list, header_id_of(name), name, SLICE("for=8.8.8.8")));
    }
    struct address from = address(peer), to = address(expected);
    from.port = 1234;
    struct address client = relay_client_address(&fields.list, &from, source, trusted, 2);
    if (memcmp(client.bytes, to.bytes, 16) != 0) {
        char text[ADDRESS_TEXT_MAX];
        address_format(&client, text);
        fail_msg("%s:%d: \"%s\" gives %s, not %s", file, line, fields_text != NULL ? fields_text : "", text,
                 expected);
    }
}

#define assert_x(fields, expected) \
    check_client(__FILE__, __LINE__, FORWARDED_X_FORWARDED, "10.0.0.1", (fields), (expected))
#define assert_f(fields, expected) \
    check_client(__FILE__, __LINE__, FORWARDED_RFC7239, "10.0.0.1", (fields), (expected))

static void test_who_is_believed(void **state)
{
    (void)state;
    /* T11: an untrusted peer says what it likes. */
    check_client(__FILE__, __LINE__, FORWARDED_X_FORWARDED, "192.0.2.9", "1.2.3.4", "192.0.2.9");
    check_client(__FILE__, __LINE__, FORWARDED_RFC7239, "192.0.2.9", "for=1.2.3.4", "192.0.2.9");
    check_client(__FILE__, __LINE__, FORWARDED_NONE, "10.0.0.1", "1.2.3.4", "10.0.0.1");
    check_client(__FILE__, __LINE__, FORWARDED_X_FORWARDED, "10.0.0.1", NULL, "10.0.0.1");
    check_client(__FILE__, __LINE__, FORWARDED_X_FORWARDED, "2001:db8:1::5", "1.2.3.4", "1.2.3.4");
    check_client(__FILE__, __LINE__, FORWARDED_X_FORWARDED, "2001:db8:2::5", "1.2.3.4", "2001:db8:2::5");
    struct fields fields;
    fields_init(&fields);
    fields_add(&fields, "X-Forwarded-For", "1.2.3.4");
    struct address peer = address("10.0.0.1");
    peer.port = 77;
    struct address client = relay_client_address(&fields.list, &peer, FORWARDED_X_FORWARDED, NULL, 0);
    assert_memory_equal(client.bytes, peer.bytes, 16);
    assert_int_equal(client.port, 77);
}

/* Nobody is "::": neither a client nor a hop that could be trusted as the peer of a Unix socket is. */
static void test_no_address(void **state)
{
    (void)state;
    struct fields fields;
    struct address none = { .port = 0 };
    struct address_prefix trusted[2] = { address_prefix_none() };
    assert_true(address_prefix_parse(SLICE("10.0.0.0/8"), &trusted[1]));
    fields_init(&fields);
    fields_add(&fields, "X-Forwarded-For", "6.6.6.6, ::, 10.0.0.9");
    struct address client = relay_client_address(&fields.list, &none, FORWARDED_X_FORWARDED, trusted, 2);
    struct address proxy = address("10.0.0.9");
    assert_true(address_is_same(&client, &proxy));
    client = relay_client_address(&fields.list, &none, FORWARDED_X_FORWARDED, trusted + 1, 1);
    assert_true(address_is_none(&client)); /* not trusted: as it is */
    fields_init(&fields);
    fields_add(&fields, "Forwarded", "for=6.6.6.6, for=\"[::]\"");
    client = relay_client_address(&fields.list, &none, FORWARDED_RFC7239, trusted, 2);
    assert_true(address_is_none(&client));
    fields_add(&fields, "Forwarded", "for=7.7.7.7");
    client = relay_client_address(&fields.list, &none, FORWARDED_RFC7239, trusted, 2);
    struct address hop = address("7.7.7.7");
    assert_true(address_is_same(&client, &hop));
}

static void test_x_forwarded_for(void **state)
{
    (void)state;
    assert_x("1.2.3.4", "1.2.3.4");
    assert_x("  1.2.3.4\t", "1.2.3.4");
    assert_x("6.6.6.6, 1.2.3.4", "1.2.3.4");
    assert_x("6.6.6.6, 1.2.3.4, 10.1.1.1", "1.2.3.4");
    assert_x("6.6.6.6,1.2.3.4,10.1.1.1,10.2.2.2", "1.2.3.4");
    assert_x("10.3.3.3, 10.2.2.2", "10.3.3.3");
    /* Several fields are one list. */
    assert_x("6.6.6.6|1.2.3.4", "1.2.3.4");
    assert_x("1.2.3.4|10.2.2.2", "1.2.3.4");
    assert_x("1.2.3.4, 10.1.1.1|10.2.2.2", "1.2.3.4");
    assert_x("2001:db8::1", "2001:db8::1");
    assert_x("[2001:db8::1]", "2001:db8::1");
    assert_x("[2001:db8::1]:443", "2001:db8::1");
    assert_x("1.2.3.4:5678", "1.2.3.4");
    assert_x("2001:db8:1::7, 10.0.0.9", "2001:db8:1::7");
    assert_x("::ffff:1.2.3.4", "1.2.3.4");
    assert_x("6.6.6.6, ::ffff:10.0.0.7", "6.6.6.6");
}

/* Garbage ends the walk at the last good hop, and what is left of it is never believed. */
static void test_x_forwarded_for_garbage(void **state)
{
    (void)state;
    static const char *const garbage[] = {
        "",
        "unknown",
        "_hidden",
        "1.2.3",
        "1.2.3.4.5",
        "256.1.1.1",
        "1.2.3.4:",
        "1.2.3.4:99999",
        "1.2.3.4:x",
        "1.2.3.4 5",
        "[2001:db8::1",
        "2001:db8::1]",
        "[2001:db8::1]x",
        "[2001:db8::1]:",
        "2001:db8::1:443:zzz",
        "fe80::1%eth0",
        "\"1.2.3.4\"",
        "for=1.2.3.4",
        "0x7f.1",
        "01.2.3.4",
        "localhost",
        "1.2.3.4\\",
    };
    for (size_t i = 0; i < sizeof garbage / sizeof garbage[0]; i++) {
        char text[128];
        assert_x(garbage[i], "10.0.0.1");
        snprintf(text, sizeof text, "1.2.3.4, %s", garbage[i]);
        assert_x(text, "10.0.0.1");
        snprintf(text, sizeof text, "%s, 10.5.5.5", garbage[i]);
        assert_x(text, "10.5.5.5");
        snprintf(text, sizeof text, "1.2.3.4|%s|10.5.5.5", garbage[i]);
        assert_x(text, "10.5.5.5");
        /* Left of an untrusted hop nothing matters. */
        snprintf(text, sizeof text, "%s, 1.2.3.4, 10.5.5.5", garbage[i]);
        assert_x(text, "1.2.3.4");
    }
}

static void test_forwarded(void **state)
{
    (void)state;
    assert_f("for=1.2.3.4", "1.2.3.4");
    assert_f("For=1.2.3.4;proto=https;by=10.0.0.1", "1.2.3.4");
    assert_f("proto=https; for=1.2.3.4 ;host=a.example", "1.2.3.4");
    assert_f("for=\"1.2.3.4\"", "1.2.3.4");
    assert_f("for=\"1.2.3.4:5678\"", "1.2.3.4");
    assert_f("for=\"1.2.3.4:_port\"", "1.2.3.4");
    assert_f("for=\"[2001:db8::1]\"", "2001:db8::1");
    assert_f("for=\"[2001:db8::1]:443\"", "2001:db8::1");
    assert_f("for=6.6.6.6, for=1.2.3.4", "1.2.3.4");
    assert_f("for=1.2.3.4, for=10.2.2.2;host=\"a,b;c\"", "1.2.3.4");
    assert_f("for=1.2.3.4|for=10.2.2.2", "1.2.3.4");
    assert_f("for=10.3.3.3, for=10.2.2.2", "10.3.3.3");
}

static void test_forwarded_garbage(void **state)
{
    (void)state;
    static const char *const garbage[] = {
        "",
        "for",
        "for=",
        "for=unknown",
        "for=_hidden",
        "for=\"_hidden:80\"",
        "proto=https",
        "1.2.3.4",
        "for=1.2.3.4;for=5.6.7.8",
        "for=[2001:db8::1]",
        "for=2001:db8::1",
        "for=\"2001:db8::1\"",
        "for=\"1.2.3.4",
        "for=1.2.3.4\"",
        "for=\"1.2\\.3.4\"",
        "for=1.2.3.4;",
        "for=1.2.3.4;;proto=http",
        "for =1.2.3.4",
        "for= 1.2.3.4",
        "for=1.2.3.4 x",
        "=1.2.3.4",
        "for=\"1.2.3.4:\"",
        "for=1.2.3.4:80",
        "for=\"1.2.3.4:_\"",
        "for=\"\"",
    };
    for (size_t i = 0; i < sizeof garbage / sizeof garbage[0]; i++) {
        char text[160];
        assert_f(garbage[i], "10.0.0.1");
        snprintf(text, sizeof text, "%s|for=10.5.5.5", garbage[i]);
        assert_f(text, "10.5.5.5");
        snprintf(text, sizeof text, "%s|for=1.2.3.4, for=10.5.5.5", garbage[i]);
        assert_f(text, "1.2.3.4");
    }
}

/* An open quote from the client cannot swallow what the proxy appended to the same field. */
static void test_forwarded_open_quote(void **state)
{
    (void)state;
    assert_f("for=\"6.6.6.6, for=1.2.3.4", "1.2.3.4");
    assert_f("for=6.6.6.6;host=\"x, for=1.2.3.4, for=10.1.1.1", "1.2.3.4");
    assert_f("\", for=1.2.3.4", "1.2.3.4");
    assert_f("for=\"6.6.6.6\\\", for=1.2.3.4", "1.2.3.4");
    /* It may spoil its own walk, never choose its end. */
    assert_f("for=9.9.9.9, for=\"x, for=\"[2001:db8::1]\"", "2001:db8::1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_address),
        cmocka_unit_test(test_who_is_believed),
        cmocka_unit_test(test_x_forwarded_for),
        cmocka_unit_test(test_x_forwarded_for_garbage),
        cmocka_unit_test(test_forwarded),
        cmocka_unit_test(test_forwarded_garbage),
        cmocka_unit_test(test_forwarded_open_quote),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
