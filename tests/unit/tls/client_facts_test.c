#include "base/limits.h"
#include "pair.h"
#include "pki.h"

static struct pki ca;
static struct tls_client_facts *facts;

static int make_ca(void **state)
{
    (void)state;
    pki_make(&ca, "Test CA", NULL, NULL, true, 30);
    return 0;
}

static int free_ca(void **state)
{
    (void)state;
    pki_done(&ca);
    return 0;
}

static int free_facts(void **state)
{
    (void)state;
    tls_client_facts_free(facts);
    facts = NULL;
    return 0;
}

static void sign(struct pki *one)
{
    assert_true(X509_sign(one->certificate, ca.key, EVP_sha256()) > 0);
}

static void read_and_free(struct pki *one)
{
    tls_client_facts_free(facts);
    facts = tls_client_facts_new(one->certificate);
    assert_non_null(facts);
    pki_done(one);
}

static void read_names(const char *alternatives)
{
    struct pki one;
    pki_make(&one, "one", alternatives, &ca, false, 30);
    read_and_free(&one);
}

/* Names as bytes, which no configuration of OpenSSL's would let through. */
static void add_raw(GENERAL_NAMES *names, int type, struct slice bytes)
{
    GENERAL_NAME *name = GENERAL_NAME_new();
    ASN1_IA5STRING *text = ASN1_IA5STRING_new();
    assert_int_equal(ASN1_STRING_set(text, bytes.ptr, (int)bytes.len), 1);
    GENERAL_NAME_set0_value(name, type, text);
    assert_true(sk_GENERAL_NAME_push(names, name) > 0);
}

static void read_raw(GENERAL_NAMES *names)
{
    struct pki one;
    pki_make(&one, "one", NULL, &ca, false, 30);
    assert_int_equal(X509_add1_ext_i2d(one.certificate, NID_subject_alt_name, names, 0, 0), 1);
    sign(&one);
    GENERAL_NAMES_free(names);
    read_and_free(&one);
}

static void test_names_by_type(void **state)
{
    (void)state;
    read_names("DNS:B.example.com,URI:spiffe://td/ns/a,email:User@Example.com,IP:127.0.0.1,DNS:a.example.com,"
               "RID:1.2.3.4,otherName:1.2.3.4;UTF8:spiffe://td/other");
    assert_int_equal(facts->dns.count, 2);
    assert_slice(facts->dns.items[0], "b.example.com");
    assert_slice(facts->dns.items[1], "a.example.com");
    assert_int_equal(facts->uris.count, 1);
    assert_slice(facts->uris.items[0], "spiffe://td/ns/a");
    assert_int_equal(facts->emails.count, 1);
    assert_slice(facts->emails.items[0], "User@example.com");
    assert_slice(facts->spiffe_id, "spiffe://td/ns/a");
    assert_slice(facts->subject, "CN=one");
    assert_slice(facts->issuer, "CN=Test CA");
}

/* What looks like a URI is none where it stands as a DNS name; the common name is neither. */
static void test_types_never_mix(void **state)
{
    (void)state;
    GENERAL_NAMES *names = GENERAL_NAMES_new();
    add_raw(names, GEN_DNS, SLICE("spiffe://td/a"));
    add_raw(names, GEN_DNS, SLICE("a@example.com"));
    add_raw(names, GEN_URI, SLICE("a.example.com"));
    add_raw(names, GEN_EMAIL, SLICE("a.example.com"));
    read_raw(names);
    assert_int_equal(facts->dns.count + facts->uris.count + facts->emails.count, 0);
    assert_slice(facts->spiffe_id, "");
    struct pki one;
    pki_make(&one, "a.example.com", NULL, &ca, false, 30);
    read_and_free(&one);
    assert_slice(facts->subject, "CN=a.example.com");
    assert_int_equal(facts->dns.count, 0);
}

static void test_unusable_names(void **state)
{
    (void)state;
    GENERAL_NAMES *names = GENERAL_NAMES_new();
    add_raw(names, GEN_DNS, slice_of("good.example.com\0.evil.test", 27));
    add_raw(names, GEN_DNS, SLICE("a\n.example.com"));
    add_raw(names, GEN_DNS, SLICE("*.example.com"));
    add_raw(names, GEN_DNS, SLICE("honest.example.com"));
    add_raw(names, GEN_URI, slice_of("spiffe://td/a\0b", 15));
    add_raw(names, GEN_EMAIL, SLICE("a@b\x01"));
    read_raw(names);
    assert_int_equal(facts->dns.count, 1);
    assert_slice(facts->dns.items[0], "honest.example.com");
    assert_int_equal(facts->uris.count + facts->emails.count, 0);
    assert_slice(facts->spiffe_id, "");
}

/* Beyond the limits there are none at all; at the limits all. */
static void test_counts_and_sizes(void **state)
{
    (void)state;
    for (int more = 0; more < 2; more++) {
        GENERAL_NAMES *names = GENERAL_NAMES_new();
        for (int i = 0; i < TLS_CLIENT_NAMES_MAX + more; i++) {
            add_raw(names, GEN_DNS, SLICE("a.example.com"));
        }
        read_raw(names);
        assert_int_equal(facts->dns.count, more ? 0 : TLS_CLIENT_NAMES_MAX);
        names = GENERAL_NAMES_new();
        char uri[TLS_CLIENT_NAME_MAX];
        memset(uri, 'a', sizeof uri);
        uri[1] = ':';
        for (int i = 0; i < TLS_CLIENT_NAMES_SIZE / TLS_CLIENT_NAME_MAX + more; i++) {
            add_raw(names, GEN_URI, slice_of(uri, sizeof uri));
        }
        read_raw(names);
        assert_int_equal(facts->uris.count, more ? 0 : TLS_CLIENT_NAMES_SIZE / TLS_CLIENT_NAME_MAX);
    }
}

static void test_exactly_one_spiffe_id(void **state)
{
    (void)state;
    read_names("URI:spiffe://td/a,DNS:a.example.com");
    assert_slice(facts->spiffe_id, "spiffe://td/a");
    read_names("URI:spiffe://td/a,URI:spiffe://td/b");
    assert_slice(facts->spiffe_id, "");
    assert_int_equal(facts->uris.count, 2);
    read_names("URI:spiffe://td/a,URI:https://example.com/");
    assert_slice(facts->spiffe_id, "");
    read_names("URI:spiffe://td:443/a");
    assert_slice(facts->spiffe_id, "");
    read_names("URI:https://example.com/a");
    assert_slice(facts->spiffe_id, "");
    /* A second one that is not usable is a second one still. */
    GENERAL_NAMES *names = GENERAL_NAMES_new();
    add_raw(names, GEN_URI, SLICE("spiffe://td/a"));
    add_raw(names, GEN_URI, SLICE("b\x01"));
    read_raw(names);
    assert_int_equal(facts->uris.count, 1);
    assert_slice(facts->spiffe_id, "");
}

static void read_with_usage(bool is_ca, const char *usage)
{
    struct pki one;
    pki_make(&one, "one", "URI:spiffe://td/a", &ca, is_ca, 30);
    pki_extend(one.certificate, ca.certificate, NID_key_usage, usage);
    sign(&one);
    read_and_free(&one);
}

static void test_what_signs_is_no_workload(void **state)
{
    (void)state;
    read_with_usage(false, "critical,digitalSignature,keyEncipherment");
    assert_slice(facts->spiffe_id, "spiffe://td/a");
    read_with_usage(false, "critical,digitalSignature,keyCertSign");
    assert_slice(facts->spiffe_id, "");
    read_with_usage(false, "critical,digitalSignature,cRLSign");
    assert_slice(facts->spiffe_id, "");
    read_with_usage(true, "critical,digitalSignature");
    assert_slice(facts->spiffe_id, "");
    assert_int_equal(facts->uris.count, 1);
}

/* A subject of attributes, each "NAME=value", where the value may hold anything. */
static void read_subject(struct slice common_name, int type)
{
    struct pki one;
    pki_make(&one, "x", NULL, &ca, false, 30);
    X509_NAME *name = X509_NAME_new();
    X509_NAME_add_entry_by_txt(name, "O", MBSTRING_UTF8, (const unsigned char *)"Ex, Inc", -1, -1, 0);
    assert_int_equal(X509_NAME_add_entry_by_txt(name, "CN", type, (const unsigned char *)common_name.ptr,
                                                (int)common_name.len, -1, 0),
                     1);
    X509_set_subject_name(one.certificate, name);
    X509_NAME_free(name);
    sign(&one);
    read_and_free(&one);
}

static void test_subjects(void **state)
{
    (void)state;
    read_subject(SLICE("a+b=\"c\""), MBSTRING_UTF8);
    assert_slice(facts->subject, "CN=a\\+b=\\\"c\\\",O=Ex\\, Inc");
    read_subject(SLICE("b\xc3\xbc"), MBSTRING_UTF8);
    assert_slice(facts->subject, "CN=b\\C3\\BC,O=Ex\\, Inc");
    read_subject(slice_of("good\0evil", 9), V_ASN1_UTF8STRING);
    assert_slice(facts->subject, "");
    read_subject(SLICE("a\nb"), V_ASN1_UTF8STRING);
    assert_slice(facts->subject, "");
    char value[TLS_CLIENT_DN_MAX];
    memset(value, 'a', sizeof value);
    read_subject(slice_of(value, sizeof value - 14), V_ASN1_UTF8STRING);
    assert_int_equal(facts->subject.len, TLS_CLIENT_DN_MAX);
    read_subject(slice_of(value, sizeof value - 13), V_ASN1_UTF8STRING);
    assert_slice(facts->subject, "");
}

static void read_serial(const char *hex)
{
    struct pki one;
    BIGNUM *number = NULL;
    pki_make(&one, "x", NULL, &ca, false, 30);
    assert_true(BN_hex2bn(&number, hex) > 0);
    BN_to_ASN1_INTEGER(number, X509_get_serialNumber(one.certificate));
    BN_free(number);
    sign(&one);
    read_and_free(&one);
}

static void test_serials(void **state)
{
    (void)state;
    read_serial("ABC");
    assert_slice(facts->serial, "0abc");
    read_serial("7fffffffffffffffffffffffffffffffffffffff");
    assert_slice(facts->serial, "7fffffffffffffffffffffffffffffffffffffff");
    read_serial("017fffffffffffffffffffffffffffffffffffffff");
    assert_slice(facts->serial, "");
    read_serial("-5");
    assert_slice(facts->serial, "");
}

static void test_no_names_at_all(void **state)
{
    (void)state;
    struct pki one;
    pki_make(&one, "x", NULL, &ca, false, 30);
    X509_NAME *empty = X509_NAME_new();
    X509_set_subject_name(one.certificate, empty);
    X509_NAME_free(empty);
    sign(&one);
    read_and_free(&one);
    assert_slice(facts->subject, "");
    assert_int_equal(facts->dns.count + facts->uris.count + facts->emails.count, 0);
    assert_slice(facts->spiffe_id, "");
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, NULL, free_facts)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_names_by_type),
        TEST(test_types_never_mix),
        TEST(test_unusable_names),
        TEST(test_counts_and_sizes),
        TEST(test_exactly_one_spiffe_id),
        TEST(test_what_signs_is_no_workload),
        TEST(test_subjects),
        TEST(test_serials),
        TEST(test_no_names_at_all),
    };
    return cmocka_run_group_tests(tests, make_ca, free_ca);
}
