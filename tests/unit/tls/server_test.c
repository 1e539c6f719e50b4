#include "pair.h"
#include "pki.h"

#include <openssl/err.h>
#include <time.h>

static struct pki ca, other_ca, site, wild, bank, user, stranger, late;

static int make_all(void **state)
{
    (void)state;
    pki_make(&ca, "Test CA", NULL, NULL, true, 30);
    pki_make(&other_ca, "Other CA", NULL, NULL, true, 30);
    pki_make(&site, "site", "DNS:site.example.com,DNS:Alias.Example.COM,IP:127.0.0.1", &ca, false, 30);
    pki_make(&wild, "wild", "DNS:*.example.com", &ca, false, 30);
    pki_make(&bank, "bank", "DNS:bank.example.com,IP:::1", &ca, false, 30);
    pki_make(&user, "user \"one\"", NULL, &ca, false, 7);
    pki_make(&stranger, "stranger", NULL, &other_ca, false, 7);
    pki_make(&late, "late", NULL, &ca, false, 0);
    X509_gmtime_adj(X509_getm_notAfter(late.certificate), -3600);
    assert_true(X509_sign(late.certificate, ca.key, EVP_sha256()) > 0);
    BIO *bio = BIO_new(BIO_s_mem());
    PEM_write_bio_X509(bio, late.certificate);
    pki_take_text(bio, late.cert_pem, sizeof late.cert_pem);
    return 0;
}

static int free_all(void **state)
{
    (void)state;
    struct pki *all[] = { &ca, &other_ca, &site, &wild, &bank, &user, &stranger, &late };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        pki_done(all[i]);
    }
    return 0;
}

#define ALPN SLICE("\x08http/1.1\x02h2")

/* site: as the listener (none); wild: optional; bank: required, the bank's CA. */
static struct tls_server *new_server(int listener_mode)
{
    struct tls_certificate_settings certificates[] = {
        { .cert_pem = pki_cert(&site), .key_pem = pki_key(&site), .client_certificate = -1 },
        { .cert_pem = pki_cert(&wild), .key_pem = pki_key(&wild), .client_certificate = TLS_CLIENT_OPTIONAL },
        { .cert_pem = pki_cert(&bank),
          .key_pem = pki_key(&bank),
          .client_certificate = TLS_CLIENT_REQUIRED,
          .client_ca_pem = pki_cert(&other_ca) },
    };
    const struct tls_server_settings settings = { .certificates = { certificates, 3 },
                                                  .client_certificate = listener_mode,
                                                  .client_ca_pem = pki_cert(&ca) };
    struct tls_server *server;
    int index;
    assert_ok(tls_server_new(&settings, NULL, ALPN, &server, &index));
    return server;
}

struct caller {
    const char *host;      /* that is verified and asked for */
    const struct pki *own; /* client certificate */
    const char *alpn;      /* wire format */
    bool no_verification;
    bool keep; /* the pair stays open */
};

/* One handshake; the server's facts and the subject of the certificate that it showed. */
static void call(struct tls_server *server, struct caller caller, struct pair *pair, struct tls_facts *facts,
                 char shown[64])
{
    struct tls_client_settings settings = { .ca_pem = pki_cert(&ca) };
    struct tls_client *client;
    if (caller.own != NULL) {
        settings.cert_pem = pki_cert(caller.own);
        settings.key_pem = pki_key(caller.own);
    }
    assert_ok(tls_client_new(&settings, &client));
    pair_open(pair);
    assert_ok(tls_accept(server, &pair->server));
    assert_ok(
        tls_connect(client, &pair->client, slice_from_string(caller.host), slice_from_string(caller.alpn)));
    tls_client_free(client);
    struct tls_state *state = pair->client.tls;
    if (caller.no_verification) {
        SSL_set_verify(state->ssl, SSL_VERIFY_NONE, NULL);
    }
    pair_shake(pair);
    tls_facts_of(&pair->server, facts);
    X509 *certificate = SSL_get0_peer_certificate(state->ssl);
    shown[0] = '\0';
    if (certificate != NULL) {
        X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, shown, 64);
    }
    if (!caller.keep) {
        pair_done(pair);
    }
}

static void test_the_certificate_is_chosen_by_name(void **state)
{
    (void)state;
    static const struct {
        const char *host, *shown;
        bool verifies;
    } cases[] = {
        { "site.example.com", "site", true },  { "SITE.Example.com", "site", true },
        { "alias.example.com", "site", true }, { "any.example.com", "wild", true },
        { "bank.example.com", "bank", true }, /* the exact name before the wildcard */
        { "a.b.example.com", "site", false }, /* a wildcard stands for one label */
        { "example.com", "site", false },     /* and for no less */
        { "elsewhere.test", "site", false },  /* unknown: the first; the pipeline answers 421 */
        { "127.0.0.1", "site", true },        /* no SNI: the first */
    };
    struct tls_server *server = new_server(TLS_CLIENT_NONE);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct pair pair;
        struct tls_facts facts;
        char shown[64];
        call(server, (struct caller){ .host = cases[i].host, .no_verification = true }, &pair, &facts, shown);
        assert_string_equal(shown, cases[i].shown);
        call(server, (struct caller){ .host = cases[i].host }, &pair, &facts, shown);
        assert_int_equal(pair.client_result, cases[i].verifies ? STREAM_OK : STREAM_FAILED);
    }
    tls_server_free(server);
}

static void test_facts(void **state)
{
    (void)state;
    struct tls_server *server = new_server(TLS_CLIENT_NONE);
    struct pair pair;
    struct tls_facts facts;
    char shown[64];
    call(server,
         (struct caller){
             .host = "ANY.example.com", .alpn = "\x02h2\x08http/1.1", .own = &user, .keep = true },
         &pair, &facts, shown);
    assert_int_equal(pair.server_result, STREAM_OK);
    tls_server_free(server); /* the stream keeps it alive */
    pair_exchange(&pair);
    assert_slice(facts.server_name, "any.example.com");
    assert_slice(facts.alpn, "http/1.1"); /* by our preference */
    assert_string_equal(facts.version, "TLSv1.3");
    assert_string_equal(facts.cipher, "TLS_AES_128_GCM_SHA256");
    assert_int_equal(facts.client_mode, TLS_CLIENT_OPTIONAL);
    assert_non_null(facts.client);
    assert_false(facts.resumed);
    assert_slice(facts.client->subject, "CN=user \\\"one\\\"");
    int64_t days = (facts.client->not_after - (int64_t)time(NULL) + 43200) / 86400;
    assert_int_equal(days, 7);
    unsigned char thumbprint[32];
    unsigned int size = sizeof thumbprint;
    X509_digest(user.certificate, EVP_sha256(), thumbprint, &size);
    assert_memory_equal(facts.client->thumbprint, thumbprint, 32);
    tls_facts_of(&pair.client, &facts);
    assert_int_equal(facts.policy, 0);
    assert_slice(facts.alpn, "http/1.1");
    pair_done(&pair);
}

static void test_client_certificates(void **state)
{
    (void)state;
    static const struct {
        const char *host;
        const struct pki *own;
        bool passes, has;
    } cases[] = {
        { "site.example.com", NULL, true, false },      { "site.example.com", &user, true, false },
        { "site.example.com", &stranger, true, false }, /* never asked for */
        { "any.example.com", NULL, true, false },       { "any.example.com", &user, true, true },
        { "any.example.com", &stranger, false, false }, { "any.example.com", &late, false, false },
        { "bank.example.com", NULL, true, false },     /* required: the pipeline answers 403 */
        { "bank.example.com", &stranger, true, true }, /* the bank's own CA */
        { "bank.example.com", &user, false, false },   /* the listener's CA does not count there */
    };
    struct tls_server *server = new_server(TLS_CLIENT_NONE);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct pair pair;
        struct tls_facts facts;
        char shown[64];
        call(server, (struct caller){ .host = cases[i].host, .own = cases[i].own, .keep = true }, &pair,
             &facts, shown);
        assert_int_equal(pair.server_result, cases[i].passes ? STREAM_OK : STREAM_FAILED);
        assert_int_equal(facts.client != NULL, cases[i].has);
        if (!cases[i].passes) {
            assert_non_null(strstr(tls_failure(&pair.server), "certificate verify failed: "));
        }
        pair_done(&pair);
    }
    tls_server_free(server);
}

static void test_policies_of_hosts(void **state)
{
    (void)state;
    struct tls_server *server = new_server(TLS_CLIENT_NONE);
    uint64_t site_policy = tls_policy_of_host(server, SLICE("site.example.com"));
    uint64_t wild_policy = tls_policy_of_host(server, SLICE("any.example.com"));
    uint64_t bank_policy = tls_policy_of_host(server, SLICE("bank.example.com"));
    assert_true(site_policy != wild_policy && site_policy != bank_policy && wild_policy != bank_policy);
    assert_int_equal(tls_policy_of_host(server, SLICE("alias.example.com")), site_policy);
    assert_int_equal(tls_policy_of_host(server, SLICE("127.0.0.1")), site_policy);
    assert_int_equal(tls_policy_of_host(server, SLICE("[::1]")), bank_policy);
    assert_int_equal(tls_policy_of_host(server, SLICE("[0:0::1]")), bank_policy);
    assert_int_equal(tls_policy_of_host(server, SLICE("a.b.example.com")), TLS_POLICY_NONE);
    assert_int_equal(tls_policy_of_host(server, SLICE(".example.com")), TLS_POLICY_NONE);
    assert_int_equal(tls_policy_of_host(server, SLICE("*.example.com")), wild_policy); /* no URI has it */
    assert_int_equal(tls_policy_of_host(server, SLICE("example.com")), TLS_POLICY_NONE);
    assert_int_equal(tls_policy_of_host(server, SLICE("127.0.0.2")), TLS_POLICY_NONE);
    assert_int_equal(tls_policy_of_host(server, SLICE("")), TLS_POLICY_NONE);
    struct pair pair;
    struct tls_facts facts;
    char shown[64];
    call(server, (struct caller){ .host = "bank.example.com" }, &pair, &facts, shown);
    assert_int_equal(facts.policy, bank_policy);
    tls_server_free(server);

    /* A connection from before a reload is judged by what holds after it. */
    server = new_server(TLS_CLIENT_NONE);
    assert_int_equal(tls_policy_of_host(server, SLICE("bank.example.com")), bank_policy);
    tls_server_free(server);

    /* The listener's policy made equal to that of `wild`: equal numbers. */
    server = new_server(TLS_CLIENT_OPTIONAL);
    assert_int_equal(tls_policy_of_host(server, SLICE("site.example.com")),
                     tls_policy_of_host(server, SLICE("any.example.com")));
    assert_int_not_equal(tls_policy_of_host(server, SLICE("site.example.com")), site_policy);
    tls_server_free(server);
}

static void test_protocol_negotiation(void **state)
{
    (void)state;
    struct tls_server *server = new_server(TLS_CLIENT_NONE);
    struct pair pair;
    struct tls_facts facts;
    char shown[64];
    call(server, (struct caller){ .host = "site.example.com", .alpn = "\x02h2", .keep = true }, &pair, &facts,
         shown);
    assert_slice(facts.alpn, "h2");
    pair_done(&pair);
    call(server, (struct caller){ .host = "site.example.com", .keep = true }, &pair, &facts, shown);
    assert_int_equal(pair.server_result, STREAM_OK);
    assert_slice(facts.alpn, "");
    pair_done(&pair);
    call(server,
         (struct caller){ .host = "site.example.com",
                          .alpn = "\x03"
                                  "ftp",
                          .keep = true },
         &pair, &facts, shown);
    assert_int_equal(pair.server_result, STREAM_FAILED);
    assert_non_null(strstr(tls_failure(&pair.client), "no application protocol"));
    pair_done(&pair);
    tls_server_free(server);
}

/* Drives a bare OpenSSL client against the server. */
static enum stream_result call_with(struct tls_server *server, SSL_CTX *context, const char *name)
{
    struct pair pair;
    pair_open(&pair);
    assert_ok(tls_accept(server, &pair.server));
    struct tls_state *attached;
    assert_ok(tls_attach(&pair.client, context, NULL, &attached));
    SSL_set_connect_state(attached->ssl);
    SSL_set_tlsext_host_name(attached->ssl, name);
    pair_shake(&pair);
    enum stream_result result = pair.server_result;
    pair_done(&pair);
    return result;
}

static void test_old_versions_and_ciphers_are_refused(void **state)
{
    (void)state;
    static const struct {
        int version;
        const char *ciphers, *groups;
        enum stream_result result;
    } cases[] = {
        { TLS1_3_VERSION, NULL, NULL, STREAM_OK },
        { TLS1_2_VERSION, NULL, NULL, STREAM_OK },
        { TLS1_3_VERSION, NULL, "P-384", STREAM_OK },
        { TLS1_3_VERSION, NULL, "ffdhe8192", STREAM_FAILED },
        { TLS1_3_VERSION, NULL, "ffdhe2048:P-256", STREAM_OK },
        { TLS1_2_VERSION, "ECDHE-ECDSA-AES128-SHA256:@SECLEVEL=0", NULL, STREAM_FAILED },
        { TLS1_1_VERSION, "ALL:@SECLEVEL=0", NULL, STREAM_FAILED },
    };
    struct tls_server *server = new_server(TLS_CLIENT_NONE);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        SSL_CTX *context = SSL_CTX_new(TLS_client_method());
        SSL_CTX_set_min_proto_version(context, cases[i].version);
        SSL_CTX_set_max_proto_version(context, cases[i].version);
        assert_true(cases[i].ciphers == NULL || SSL_CTX_set_cipher_list(context, cases[i].ciphers) == 1);
        assert_true(cases[i].groups == NULL || SSL_CTX_set1_groups_list(context, cases[i].groups) == 1);
        assert_int_equal(call_with(server, context, "site.example.com"), cases[i].result);
        SSL_CTX_free(context);
    }
    tls_server_free(server);

    struct tls_certificate_settings certificate = { .cert_pem = pki_cert(&site),
                                                    .key_pem = pki_key(&site),
                                                    .client_certificate = -1 };
    const struct tls_server_settings settings = { .certificates = { &certificate, 1 },
                                                  .min_version = TLS_1_3 };
    int index;
    assert_ok(tls_server_new(&settings, NULL, ALPN, &server, &index));
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_max_proto_version(context, TLS1_2_VERSION);
    assert_int_equal(call_with(server, context, "site.example.com"), STREAM_FAILED);
    SSL_CTX_set_max_proto_version(context, TLS1_3_VERSION);
    assert_int_equal(call_with(server, context, "site.example.com"), STREAM_OK);
    SSL_CTX_free(context);
    tls_server_free(server);
}

static void test_renegotiation_is_refused(void **state)
{
    (void)state;
    struct tls_server *server = new_server(TLS_CLIENT_NONE);
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_max_proto_version(context, TLS1_2_VERSION);
    struct pair pair;
    struct tls_state *client;
    char text[16];
    size_t size;
    pair_open(&pair);
    assert_ok(tls_accept(server, &pair.server));
    assert_ok(tls_attach(&pair.client, context, NULL, &client));
    SSL_set_connect_state(client->ssl);
    pair_shake(&pair);
    pair_exchange(&pair);
    assert_int_equal(SSL_renegotiate(client->ssl), 1);
    assert_int_equal(SSL_do_handshake(client->ssl), -1);
    assert_int_equal(pair_read(&pair.server, text, sizeof text, &size), STREAM_AGAIN);
    assert_int_equal(SSL_do_handshake(client->ssl), -1);
    assert_int_equal(ERR_GET_REASON(ERR_peek_error()), SSL_R_NO_RENEGOTIATION);
    pair_done(&pair);
    SSL_CTX_free(context);
    tls_server_free(server);
}

static void test_bytes_that_are_no_hello(void **state)
{
    (void)state;
    static const char *const cases[] = { "GET / HTTP/1.1\r\n\r\n", "\x16\x03\x01\xff\xff garbage",
                                         "PROXY TCP4 1.2.3.4 1.2.3.4 1 1\r\n" };
    struct tls_server *server = new_server(TLS_CLIENT_NONE);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct pair pair;
        size_t size;
        pair_open(&pair);
        assert_ok(tls_accept(server, &pair.server));
        assert_int_equal(pair_write(&pair.client, cases[i], &size), STREAM_OK);
        assert_int_equal(pair.server.ops->handshake(&pair.server), STREAM_FAILED);
        assert_int_equal(pair.server.ops->handshake(&pair.server), STREAM_FAILED);
        assert_string_not_equal(tls_failure(&pair.server), "no failure");
        pair_done(&pair);
    }
    tls_server_free(server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_certificate_is_chosen_by_name),
        cmocka_unit_test(test_facts),
        cmocka_unit_test(test_client_certificates),
        cmocka_unit_test(test_policies_of_hosts),
        cmocka_unit_test(test_protocol_negotiation),
        cmocka_unit_test(test_old_versions_and_ciphers_are_refused),
        cmocka_unit_test(test_renegotiation_is_refused),
        cmocka_unit_test(test_bytes_that_are_no_hello),
    };
    return cmocka_run_group_tests(tests, make_all, free_all);
}
