#include "tls/client_name.h"

#include "base/limits.h"
#include "unit.h"

static void check(client_name_reader *read, const char *name, const char *spelling)
{
    char out[TLS_CLIENT_NAME_MAX + 1];
    struct slice text = slice_from_string(name);
    bool usable = read(text, out);
    if (usable != (spelling != NULL)) {
        fail_msg("\"%s\" is%s usable", name, usable ? "" : " not");
    }
    if (usable) {
        assert_slice(slice_of(out, text.len), spelling);
    }
}

#define CHECK_EACH(read, cases)                                    \
    for (size_t i = 0; i < sizeof(cases) / sizeof *(cases); i++) { \
        check(read, (cases)[i].name, (cases)[i].spelling);         \
    }

struct name_case {
    const char *name, *spelling; /* NULL: not usable */
};

static void test_host_names(void **state)
{
    (void)state;
    static const struct name_case cases[] = {
        { "a.example.com", "a.example.com" },
        { "A.Example.COM", "a.example.com" },
        { "localhost", "localhost" },
        { "_sip.xn--bcher-kva.example", "_sip.xn--bcher-kva.example" },
        { "", NULL },
        { "*.example.com", NULL }, /* it would be equal to a pattern */
        { "a.example.com.", NULL },
        { ".example.com", NULL },
        { "a..com", NULL },
        { "a b.com", NULL },
        { "a\n.com", NULL },
        { "b\xc3\xbc.example", NULL },
        { "spiffe://a/b", NULL },
        { "a@example.com", NULL },
    };
    CHECK_EACH(client_name_dns, cases);
    char name[300], out[300];
    memset(name, 'a', sizeof name);
    assert_true(client_name_dns(slice_of(name, 63), out));
    assert_false(client_name_dns(slice_of(name, 64), out));
    for (size_t i = 50; i < sizeof name; i += 51) {
        name[i] = '.';
    }
    assert_true(client_name_dns(slice_of(name, 253), out));
    assert_false(client_name_dns(slice_of(name, 254), out));
    assert_false(client_name_dns(slice_of("good.com\0.evil.com", 18), out));
}

static void test_uris(void **state)
{
    (void)state;
    static const struct name_case cases[] = {
        { "spiffe://td/ns/a", "spiffe://td/ns/a" },
        { "urn:uuid:1", "urn:uuid:1" },
        { "HTTPS://Example.com/%41?q#f", "HTTPS://Example.com/%41?q#f" }, /* as it stands */
        { "", NULL },
        { "a", NULL },
        { "a:", NULL },
        { ":a", NULL },
        { "/a:b", NULL },
        { "1a:b", NULL },
        { "a:b c", NULL },
        { "a:b\tc", NULL },
        { "a:b\x7f", NULL },
        { "a:b\"c", NULL },
        { "a:%4", NULL },
        { "a:%4g", NULL },
        { "a:\xc3\xbc", NULL },
        { "a.example.com", NULL },
        { "a@example.com", NULL },
    };
    CHECK_EACH(client_name_uri, cases);
    char name[TLS_CLIENT_NAME_MAX + 2], out[TLS_CLIENT_NAME_MAX + 2];
    memset(name, 'a', sizeof name);
    name[1] = ':';
    assert_true(client_name_uri(slice_of(name, TLS_CLIENT_NAME_MAX), out));
    assert_false(client_name_uri(slice_of(name, TLS_CLIENT_NAME_MAX + 1), out));
    assert_false(client_name_uri(slice_of("a:b\0c", 5), out));
}

static void test_mailboxes(void **state)
{
    (void)state;
    static const struct name_case cases[] = {
        { "User.One+x@Example.COM", "User.One+x@example.com" },
        { "a@b", "a@b" },
        { "", NULL },
        { "a", NULL },
        { "@b", NULL },
        { "a@", NULL },
        { "a@b@c", NULL },
        { "\"a b\"@c", NULL },
        { "a@[127.0.0.1]", NULL },
        { "a\r@b", NULL },
        { "a@b.", NULL },
    };
    CHECK_EACH(client_name_email, cases);
    char out[8];
    assert_false(client_name_email(slice_of("a@b\0c", 5), out));
}

static void check_spiffe(struct slice id, const char *domain)
{
    struct slice found;
    bool usable = client_name_spiffe(id, &found);
    if (usable != (domain != NULL)) {
        fail_msg("\"%.*s\" is%s a SPIFFE ID", SLICE_ARG(id), usable ? "" : " not");
    }
    if (usable) {
        assert_slice(found, domain);
    }
}

static void test_spiffe_ids(void **state)
{
    (void)state;
    static const struct name_case cases[] = {
        { "spiffe://example.org/a", "example.org" },
        { "spiffe://td_1.x-y/ns/prod/sa/Billing.v2_a-b", "td_1.x-y" },
        { "spiffe://example.org", NULL }, /* names the trust domain */
        { "spiffe://example.org/", NULL },
        { "spiffe://example.org/a/", NULL },
        { "spiffe://example.org//a", NULL },
        { "spiffe://example.org/a//b", NULL },
        { "spiffe://example.org/./a", NULL },
        { "spiffe://example.org/a/..", NULL },
        { "spiffe:///a", NULL },
        { "spiffe://Example.org/a", NULL },
        { "SPIFFE://example.org/a", NULL },
        { "spiffe://example.org:443/a", NULL },
        { "spiffe://user@example.org/a", NULL },
        { "spiffe://example.org/a?b", NULL },
        { "spiffe://example.org/a#b", NULL },
        { "spiffe://example.org?/a", NULL },
        { "spiffe://example.org/a%2fb", NULL },
        { "spiffe://example.org/a*", NULL },
        { "spiffe:example.org/a", NULL },
        { "https://example.org/a", NULL },
        { "", NULL },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        check_spiffe(slice_from_string(cases[i].name), cases[i].spelling);
    }
    check_spiffe(slice_of("spiffe://td/a\0b", 15), NULL);
    check_spiffe(slice_of("spiffe://td\0/a", 14), NULL);
    char id[2100];
    memset(id, 'a', sizeof id);
    memcpy(id, "spiffe://td/", 12);
    check_spiffe(slice_of(id, 2048), "td");
    check_spiffe(slice_of(id, 2049), NULL);
    memset(id + 9, 'a', 255);
    id[9 + 255] = '/';
    struct slice domain;
    assert_true(client_name_spiffe(slice_of(id, 300), &domain));
    assert_int_equal(domain.len, 255);
    id[9 + 255] = 'a';
    id[9 + 256] = '/';
    assert_false(client_name_spiffe(slice_of(id, 300), &domain));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_host_names),
        cmocka_unit_test(test_uris),
        cmocka_unit_test(test_mailboxes),
        cmocka_unit_test(test_spiffe_ids),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
