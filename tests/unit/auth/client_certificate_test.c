#include "auth/client_certificate.h"
#include "unit.h"

static struct slice items[4][4];

static struct conf_strings strings(int row, const char *a, const char *b, const char *c)
{
    const char *const texts[] = { a, b, c };
    struct conf_strings out = { .items = items[row] };
    for (size_t i = 0; i < 3 && texts[i] != NULL; i++) {
        items[row][out.count++] = slice_from_string(texts[i]);
    }
    return out;
}

/* A certificate whose names all say something else. */
static struct tls_client_facts certificate(void)
{
    static const struct slice dns[] = { SLICE_INIT("web.example.com"), SLICE_INIT("api.example.com") };
    static const struct slice uris[] = { SLICE_INIT("spiffe://td/ns/prod/sa/web") };
    static const struct slice emails[] = { SLICE_INIT("ops@example.com") };
    return (struct tls_client_facts){ .thumbprint = { 0xab, 0xcd },
                                      .subject = SLICE("CN=web,O=Example"),
                                      .dns = { dns, 2 },
                                      .uris = { uris, 1 },
                                      .emails = { emails, 1 },
                                      .spiffe_id = uris[0] };
}

#define FINGERPRINT "abcd000000000000000000000000000000000000000000000000000000000000"

static void test_each_type_by_its_own_names(void **state)
{
    (void)state;
    static const char *const names[CERTIFICATE_IDENTITY_COUNT] = {
        [CERTIFICATE_SPIFFE] = "spiffe://td/ns/prod/sa/web", [CERTIFICATE_DNS] = "api.example.com",
        [CERTIFICATE_URI] = "spiffe://td/ns/prod/sa/web",    [CERTIFICATE_EMAIL] = "ops@example.com",
        [CERTIFICATE_SUBJECT] = "CN=web,O=Example",          [CERTIFICATE_FINGERPRINT] = FINGERPRINT,
    };
    const struct tls_client_facts facts = certificate();
    for (int identity = 0; identity < CERTIFICATE_IDENTITY_COUNT; identity++) {
        for (int named = 0; named < CERTIFICATE_IDENTITY_COUNT; named++) {
            struct client_certificate_settings settings = { .identity = identity,
                                                            .allow = strings(0, names[named], NULL, NULL) };
            struct slice id;
            enum certificate_outcome outcome = client_certificate_identify(&settings, &facts, &id);
            if (strcmp(names[identity], names[named]) == 0) {
                assert_int_equal(outcome, CERTIFICATE_IDENTIFIED);
                assert_slice(id, names[named]);
            } else {
                assert_int_equal(outcome, CERTIFICATE_UNKNOWN);
            }
        }
    }
}

/* The same text under another type is another name. */
static void test_types_never_mix(void **state)
{
    (void)state;
    static const struct slice uri[] = { SLICE_INIT("spiffe://td/a") };
    const struct tls_client_facts facts = { .subject = uri[0], .dns = { uri, 1 }, .emails = { uri, 1 } };
    struct client_certificate_settings settings = { .identity = CERTIFICATE_SPIFFE,
                                                    .allow = strings(0, "spiffe://td/a", NULL, NULL) };
    struct slice id = SLICE_NONE;
    assert_int_equal(client_certificate_identify(&settings, &facts, &id), CERTIFICATE_NAMELESS);
    settings.identity = CERTIFICATE_URI;
    assert_int_equal(client_certificate_identify(&settings, &facts, &id), CERTIFICATE_NAMELESS);
    assert_null(id.ptr);
}

static void check_match(int identity, const char *pattern, const char *name, bool matches)
{
    struct slice text = slice_from_string(name);
    struct tls_client_facts facts = {
        .subject = text, .dns = { &text, 1 }, .uris = { &text, 1 }, .emails = { &text, 1 }, .spiffe_id = text
    };
    struct client_certificate_settings settings = { .identity = identity,
                                                    .allow = strings(0, pattern, NULL, NULL) };
    struct slice id;
    bool found = client_certificate_identify(&settings, &facts, &id) == CERTIFICATE_IDENTIFIED;
    if (found != matches) {
        fail_msg("\"%s\" %s \"%s\"", pattern, found ? "lets in" : "does not let in", name);
    }
    if (found) {
        assert_slice(id, name);
    }
}

static void test_patterns(void **state)
{
    (void)state;
    static const struct {
        int identity;
        const char *pattern, *name;
        bool matches;
    } cases[] = {
        { CERTIFICATE_DNS, "*.example.com", "a.example.com", true },
        { CERTIFICATE_DNS, "*.example.com", "example.com", false },
        { CERTIFICATE_DNS, "*.example.com", "a.b.example.com", false },
        { CERTIFICATE_DNS, "*.example.com", "aexample.com", false },
        { CERTIFICATE_DNS, "*.example.com", "a.example.com.evil.test", false },
        { CERTIFICATE_DNS, "a.example.com", "b.example.com", false },
        { CERTIFICATE_SPIFFE, "spiffe://td/ns/*", "spiffe://td/ns/a", true },
        { CERTIFICATE_SPIFFE, "spiffe://td/ns/*", "spiffe://td/ns", false },
        { CERTIFICATE_SPIFFE, "spiffe://td/ns/*", "spiffe://td/ns/a/b", false },
        { CERTIFICATE_SPIFFE, "spiffe://td/ns/*", "spiffe://td/nsx/a", false },
        { CERTIFICATE_SPIFFE, "spiffe://td/ns/*", "spiffe://td2/ns/a", false },
        { CERTIFICATE_SPIFFE, "spiffe://td/ns/*/sa/*", "spiffe://td/ns/a/sa/b", true },
        { CERTIFICATE_SPIFFE, "spiffe://td/ns/*/sa/*", "spiffe://td/ns/a/sb/b", false },
        { CERTIFICATE_SPIFFE, "spiffe://td/*", "spiffe://td/a", true },
        { CERTIFICATE_URI, "https://h/a/*", "https://h/a/b", true },
        { CERTIFICATE_URI, "https://h/a/*", "https://h/a/", false },
        { CERTIFICATE_URI, "https://h/a/*", "https://h/a/..", false },
        { CERTIFICATE_URI, "https://h/a/*", "https://h/a/b?c", false },
        { CERTIFICATE_URI, "https://h/a/*", "https://h/a/b#c", false },
        { CERTIFICATE_URI, "https://h/a/*", "https://h/a/b%2fc", false },
        { CERTIFICATE_URI, "https://h/a/*", "https://h/a/*", false },
        { CERTIFICATE_URI, "https://h/a/*", "https://evil/https://h/a/b", false },
        { CERTIFICATE_URI, "urn:a:b", "urn:a:b", true },
        { CERTIFICATE_URI, "https://h/A", "https://h/a", false },
        { CERTIFICATE_EMAIL, "*@example.com", "a@example.com", true },
        { CERTIFICATE_EMAIL, "*@example.com", "a@b.example.com", false },
        { CERTIFICATE_EMAIL, "*@example.com", "a@example.com.evil.test", false },
        { CERTIFICATE_EMAIL, "a@example.com", "A@example.com", false },
        { CERTIFICATE_SUBJECT, "CN=*", "CN=a", false },
        { CERTIFICATE_SUBJECT, "CN=*", "CN=*", true },
        { CERTIFICATE_SUBJECT, "CN=a", "CN=a,O=b", false },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        check_match(cases[i].identity, cases[i].pattern, cases[i].name, cases[i].matches);
    }
}

static void test_exactly_one_name(void **state)
{
    (void)state;
    struct tls_client_facts facts = certificate();
    struct client_certificate_settings settings = {
        .identity = CERTIFICATE_DNS, .allow = strings(0, "api.example.com", "other.example.com", NULL)
    };
    struct slice id = SLICE_NONE;
    assert_int_equal(client_certificate_identify(&settings, &facts, &id), CERTIFICATE_IDENTIFIED);
    assert_slice(id, "api.example.com");
    id = SLICE_NONE;
    settings.allow = strings(0, "*.example.com", NULL, NULL);
    assert_int_equal(client_certificate_identify(&settings, &facts, &id), CERTIFICATE_AMBIGUOUS);
    assert_null(id.ptr);
    static const struct slice twice[] = { SLICE_INIT("api.example.com"), SLICE_INIT("api.example.com") };
    facts.dns = (struct tls_client_names){ twice, 2 };
    assert_int_equal(client_certificate_identify(&settings, &facts, &id), CERTIFICATE_IDENTIFIED);
    facts.dns.count = 0;
    assert_int_equal(client_certificate_identify(&settings, &facts, &id), CERTIFICATE_NAMELESS);
    for (int i = 0; i < CERTIFICATE_OUTCOMES; i++) {
        assert_non_null(client_certificate_outcome_text((enum certificate_outcome)i));
    }
}

static void test_trust_domains(void **state)
{
    (void)state;
    const struct tls_client_facts facts = certificate();
    struct client_certificate_settings settings = { .identity = CERTIFICATE_SPIFFE,
                                                    .trust_domains = strings(1, "td", NULL, NULL) };
    struct slice id;
    assert_int_equal(client_certificate_identify(&settings, &facts, &id), CERTIFICATE_IDENTIFIED);
    assert_slice(id, "spiffe://td/ns/prod/sa/web");
    settings.trust_domains = strings(1, "t", "td.example", NULL);
    assert_int_equal(client_certificate_identify(&settings, &facts, &id), CERTIFICATE_UNKNOWN);
    settings.allow = strings(0, "spiffe://td/ns/prod/sa/web", NULL, NULL);
    assert_int_equal(client_certificate_identify(&settings, &facts, &id), CERTIFICATE_UNKNOWN);
    settings.trust_domains = strings(1, "td", NULL, NULL);
    assert_int_equal(client_certificate_identify(&settings, &facts, &id), CERTIFICATE_IDENTIFIED);
    settings.allow = strings(0, "spiffe://td/ns/prod/sa/db", NULL, NULL);
    assert_int_equal(client_certificate_identify(&settings, &facts, &id), CERTIFICATE_UNKNOWN);
    /* Nothing named lets nobody in, whatever a check should have said. */
    const struct client_certificate_settings nothing = { .identity = CERTIFICATE_SPIFFE };
    assert_int_equal(client_certificate_identify(&nothing, &facts, &id), CERTIFICATE_UNKNOWN);
}

static void test_checks_of_patterns(void **state)
{
    (void)state;
    static const struct {
        int identity;
        const char *pattern;
        bool good;
    } cases[] = {
        { CERTIFICATE_DNS, "a.example.com", true },
        { CERTIFICATE_DNS, "*.example.com", true },
        { CERTIFICATE_DNS, "A.example.com", false },
        { CERTIFICATE_DNS, "*", false },
        { CERTIFICATE_DNS, "*.*.com", false },
        { CERTIFICATE_DNS, "a*.example.com", false },
        { CERTIFICATE_DNS, "a.*.com", false },
        { CERTIFICATE_DNS, "a.example.com.", false },
        { CERTIFICATE_DNS, "", false },
        { CERTIFICATE_SPIFFE, "spiffe://td/a", true },
        { CERTIFICATE_SPIFFE, "spiffe://td/*/b/*", true },
        { CERTIFICATE_SPIFFE, "spiffe://td", false },
        { CERTIFICATE_SPIFFE, "spiffe://*/a", false },
        { CERTIFICATE_SPIFFE, "spiffe://td/a*", false },
        { CERTIFICATE_SPIFFE, "spiffe://td/**", false },
        { CERTIFICATE_SPIFFE, "spiffe://td/a/", false },
        { CERTIFICATE_SPIFFE, "https://td/a", false },
        { CERTIFICATE_URI, "https://h/a/*", true },
        { CERTIFICATE_URI, "urn:a:b", true },
        { CERTIFICATE_URI, "urn:a:*", false },
        { CERTIFICATE_URI, "https://*/a", false },
        { CERTIFICATE_URI, "https://h?*", false },
        { CERTIFICATE_URI, "https://h/a?b=*", false },
        { CERTIFICATE_URI, "a.example.com", false },
        { CERTIFICATE_EMAIL, "a@example.com", true },
        { CERTIFICATE_EMAIL, "*@example.com", true },
        { CERTIFICATE_EMAIL, "a*@example.com", false },
        { CERTIFICATE_EMAIL, "*@*.com", false },
        { CERTIFICATE_EMAIL, "a@Example.com", false },
        { CERTIFICATE_SUBJECT, "CN=a,O=b", true },
        { CERTIFICATE_SUBJECT, "", false },
        { CERTIFICATE_SUBJECT, "CN=a\n", false },
        { CERTIFICATE_SUBJECT, "CN=b\xc3\xbc", false }, /* RFC2253 escapes it */
        { CERTIFICATE_FINGERPRINT, FINGERPRINT, true },
        { CERTIFICATE_FINGERPRINT, "AB" FINGERPRINT, false },
        { CERTIFICATE_FINGERPRINT, "ab:cd", false },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct client_certificate_settings settings = { .identity = cases[i].identity };
        const char *problem =
            client_certificate_check_pattern(&settings, slice_from_string(cases[i].pattern));
        if ((problem == NULL) != cases[i].good) {
            fail_msg("\"%s\": %s", cases[i].pattern, problem != NULL ? problem : "no problem");
        }
    }
}

static void test_checks_of_settings(void **state)
{
    (void)state;
    struct client_certificate_settings settings = { .identity = CERTIFICATE_SPIFFE };
    assert_non_null(strstr(client_certificate_check_settings(&settings), "allow or trust_domains"));
    settings.trust_domains = strings(1, "td", NULL, NULL);
    assert_null(client_certificate_check_settings(&settings));
    assert_null(client_certificate_check_pattern(&settings, SLICE("spiffe://td/a")));
    assert_non_null(client_certificate_check_pattern(&settings, SLICE("spiffe://other/a")));
    settings.identity = CERTIFICATE_DNS;
    assert_non_null(strstr(client_certificate_check_settings(&settings), "trust_domains"));
    settings.trust_domains.count = 0;
    assert_non_null(strstr(client_certificate_check_settings(&settings), "allow is missing"));
    assert_null(client_certificate_check_domain(SLICE("td.example_1")));
    assert_non_null(client_certificate_check_domain(SLICE("Td")));
    assert_non_null(client_certificate_check_domain(SLICE("spiffe://td")));
    assert_null(client_certificate_check_scope(SLICE("orders.read")));
    assert_non_null(client_certificate_check_scope(SLICE("a b")));
    assert_non_null(client_certificate_check_scope(SLICE("")));
}

static void test_scopes_are_sorted(void **state)
{
    (void)state;
    struct client_certificate_settings settings = { .scopes = strings(2, "write", "read", "write") };
    client_certificate_prepare(&settings);
    assert_int_equal(settings.scopes.count, 2);
    assert_slice(settings.scopes.items[0], "read");
    assert_slice(settings.scopes.items[1], "write");
    settings.scopes.count = 0;
    client_certificate_prepare(&settings);
    assert_int_equal(settings.scopes.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_type_by_its_own_names),
        cmocka_unit_test(test_types_never_mix),
        cmocka_unit_test(test_patterns),
        cmocka_unit_test(test_exactly_one_name),
        cmocka_unit_test(test_trust_domains),
        cmocka_unit_test(test_checks_of_patterns),
        cmocka_unit_test(test_checks_of_settings),
        cmocka_unit_test(test_scopes_are_sorted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
