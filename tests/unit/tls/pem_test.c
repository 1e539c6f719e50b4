/* What can be wrong with a listener's files, and which certificate is named (T22). */
#include "pair.h"
#include "pki.h"

#include <openssl/rsa.h>

static struct pki ca, other_ca, site, nameless, second;
static char chain[9000], half[9000], encrypted_key[2048], small_cert[4096], small_key[2048], both_ca[9000];

static void make_encrypted_key(void)
{
    BIO *bio = BIO_new(BIO_s_mem());
    PEM_write_bio_PKCS8PrivateKey(bio, site.key, EVP_aes_256_cbc(), "secret", 6, NULL, NULL);
    pki_take_text(bio, encrypted_key, sizeof encrypted_key);
}

static void make_small_rsa(void)
{
    EVP_PKEY *key = EVP_RSA_gen(1024);
    X509_set_pubkey(second.certificate, key);
    assert_true(X509_sign(second.certificate, ca.key, EVP_sha256()) > 0);
    BIO *bio = BIO_new(BIO_s_mem());
    PEM_write_bio_X509(bio, second.certificate);
    pki_take_text(bio, small_cert, sizeof small_cert);
    bio = BIO_new(BIO_s_mem());
    PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL);
    pki_take_text(bio, small_key, sizeof small_key);
    EVP_PKEY_free(key);
}

static int make_all(void **state)
{
    (void)state;
    pki_make(&ca, "Test CA", NULL, NULL, true, 30);
    pki_make(&other_ca, "Other CA", NULL, NULL, true, 30);
    pki_make(&site, "site", "DNS:site.example.com", &ca, false, 30);
    pki_make(&nameless, "nameless", NULL, &ca, false, 30);
    pki_make(&second, "second", "DNS:second.example.com", &ca, false, 30);
    make_encrypted_key();
    make_small_rsa();
    snprintf(chain, sizeof chain, "# leaf\n%s\n# issuer\n%s", site.cert_pem, ca.cert_pem);
    snprintf(half, sizeof half, "%s-----BEGIN CERTIFICATE-----\nMIIB\n", ca.cert_pem);
    snprintf(both_ca, sizeof both_ca, "%s%s", ca.cert_pem, other_ca.cert_pem);
    return 0;
}

static int free_all(void **state)
{
    (void)state;
    struct pki *all[] = { &ca, &other_ca, &site, &nameless, &second };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        pki_done(all[i]);
    }
    return 0;
}

static const struct tls_certificate_settings *good(void)
{
    static struct tls_certificate_settings certificate;
    certificate = (struct tls_certificate_settings){ .cert_pem = pki_cert(&site),
                                                     .key_pem = pki_key(&site),
                                                     .client_certificate = -1 };
    return &certificate;
}

static void expect(const struct tls_server_settings *settings, const char *what, int index)
{
    struct tls_server *server = NULL;
    int failed_index = -7;
    struct error error = tls_server_new(settings, NULL, SLICE("\x08http/1.1"), &server, &failed_index);
    if (what == NULL) {
        assert_ok(error);
        tls_server_free(server);
        return;
    }
    assert_true(failed(error));
    assert_null(server);
    if (strstr(error.what, what) == NULL) {
        fail_msg("not \"%s\" but \"%s\"", what, error.what);
    }
    assert_int_equal(failed_index, index);
}

/* The second certificate is the one under test. */
static void expect_second(struct tls_certificate_settings certificate, const char *what)
{
    struct tls_certificate_settings certificates[] = { *good(), certificate };
    const struct tls_server_settings settings = { .certificates = { certificates, 2 } };
    expect(&settings, what, 1);
}

static void test_certificates_and_keys(void **state)
{
    (void)state;
    struct slice cert = pki_cert(&site), key = pki_key(&site);
    expect_second(
        (struct tls_certificate_settings){ .cert_pem = cert, .key_pem = key, .client_certificate = -1 },
        NULL);
    expect_second((struct tls_certificate_settings){ .cert_pem = slice_from_string(chain), .key_pem = key },
                  NULL);
    expect_second((struct tls_certificate_settings){ .key_pem = key }, "`cert` holds no certificate");
    expect_second((struct tls_certificate_settings){ .cert_pem = key, .key_pem = key },
                  "`cert` holds no certificate");
    expect_second(
        (struct tls_certificate_settings){ .cert_pem = slice_part(cert, 0, cert.len / 2), .key_pem = key },
        "damaged");
    expect_second(
        (struct tls_certificate_settings){ .cert_pem = slice_from_string(half), .key_pem = pki_key(&ca) },
        "`cert` holds damaged PEM");
    expect_second((struct tls_certificate_settings){ .cert_pem = cert }, "`key` holds no private key");
    expect_second(
        (struct tls_certificate_settings){ .cert_pem = cert, .key_pem = slice_part(key, 0, key.len / 2) },
        "`key` holds no private key");
    expect_second((struct tls_certificate_settings){ .cert_pem = cert, .key_pem = pki_key(&ca) },
                  "`key` does not belong to `cert`");
    expect_second(
        (struct tls_certificate_settings){ .cert_pem = cert, .key_pem = slice_from_string(encrypted_key) },
        "encrypted");
    expect_second((struct tls_certificate_settings){ .cert_pem = slice_from_string(small_cert),
                                                     .key_pem = slice_from_string(small_key) },
                  "too small");
}

static void test_hosts(void **state)
{
    (void)state;
    struct slice key = pki_key(&nameless), cert = pki_cert(&nameless);
    struct slice names[] = { SLICE("A.example.com"), SLICE("*.b.example.com"), SLICE("127.0.0.1") };
    static const char *const bad[] = {
        "a b", "*",    "*.*.example.com",       "a.*.example.com",  "f*.example.com",
        "",    "a..b", "https://a.example.com", "a.example.com:443"
    };
    expect_second((struct tls_certificate_settings){ .cert_pem = cert, .key_pem = key }, "names no host");
    expect_second(
        (struct tls_certificate_settings){ .cert_pem = cert, .key_pem = key, .hosts = { names, 3 } }, NULL);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct slice name = slice_from_string(bad[i]);
        expect_second(
            (struct tls_certificate_settings){ .cert_pem = cert, .key_pem = key, .hosts = { &name, 1 } },
            "`hosts` holds");
    }
    /* One host under two policies: which one holds would depend on the order. */
    struct slice same = SLICE("SITE.example.com");
    expect_second(
        (struct tls_certificate_settings){ .cert_pem = cert, .key_pem = key, .hosts = { &same, 1 } }, NULL);
    expect_second((struct tls_certificate_settings){ .cert_pem = cert,
                                                     .key_pem = key,
                                                     .hosts = { &same, 1 },
                                                     .client_certificate = TLS_CLIENT_REQUIRED,
                                                     .client_ca_pem = pki_cert(&ca) },
                  "served by an earlier certificate");
}

static void test_client_ca_of_a_certificate(void **state)
{
    (void)state;
    struct tls_certificate_settings certificate = *good();
    certificate.client_certificate = TLS_CLIENT_REQUIRED;
    struct slice host = SLICE("other.example.com");
    certificate.hosts = (struct conf_strings){ &host, 1 };
    expect_second(certificate, "needs a `client_ca`");
    certificate.client_ca = SLICE("/ca.pem"); /* named, but the file is empty */
    expect_second(certificate, "needs a `client_ca`");
    certificate.client_ca_pem = SLICE("not PEM");
    expect_second(certificate, "holds no certificate");
    certificate.client_ca_pem = slice_from_string(half);
    expect_second(certificate, "damaged PEM");
    certificate.client_ca_pem = slice_from_string(both_ca);
    expect_second(certificate, NULL);
    certificate.client_certificate = TLS_CLIENT_NONE;
    expect_second(certificate, "asks for none");
}

static void test_fields_of_the_listener(void **state)
{
    (void)state;
    struct tls_certificate_settings certificate = *good();
    struct tls_server_settings settings = { .certificates = { &certificate, 0 } };
    expect(&settings, "`certificates` is empty", -1);
    settings.certificates.count = 1;
    expect(&settings, NULL, 0);
    settings.client_ca = SLICE("/ca.pem");
    expect(&settings, "`client_ca` file is empty", -1);
    settings.client_ca_pem = pki_cert(&ca);
    expect(&settings, "asks for none", -1);
    settings.client_certificate = TLS_CLIENT_OPTIONAL;
    expect(&settings, NULL, 0);
}

static void test_ciphers(void **state)
{
    (void)state;
    static const struct {
        const char *list, *what;
    } cases[] = {
        { "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES256-GCM-SHA384", NULL },
        { "ECDHE+AESGCM:!aNULL", NULL },
        { "ECDHE-RSA-AES256-GCM-SHA384:TYPO", "not known" },
        { "ECDHE-RSA-AES256-GCM-SHA384:", "not known" },
        { "ECDHE-RSA-AES256-SHA384", "without ECDHE, AEAD" },
        { "AES256-GCM-SHA384", "without ECDHE, AEAD" },
        { "DHE-RSA-AES256-GCM-SHA384", "without ECDHE, AEAD" },
        { "HIGH", "without ECDHE, AEAD" },
        { "!ALL", "leaves no cipher" },
    };
    struct tls_certificate_settings certificate = *good();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct tls_server_settings settings = { .certificates = { &certificate, 1 },
                                                      .ciphers = slice_from_string(cases[i].list) };
        expect(&settings, cases[i].what, -1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_certificates_and_keys),
        cmocka_unit_test(test_hosts),
        cmocka_unit_test(test_client_ca_of_a_certificate),
        cmocka_unit_test(test_fields_of_the_listener),
        cmocka_unit_test(test_ciphers),
    };
    return cmocka_run_group_tests(tests, make_all, free_all);
}
