#include "pair.h"
#include "pki.h"

static struct pki ca, other_ca, server_pki, expired, common_name_only, user, stranger;

static int make_all(void **state)
{
    (void)state;
    pki_make(&ca, "Test CA", NULL, NULL, true, 30);
    pki_make(&other_ca, "Other CA", NULL, NULL, true, 30);
    pki_make(&server_pki, "up",
             "DNS:up.example.com,DNS:*.wild.example.com,DNS:f*.part.example.com,IP:127.0.0.1,IP:::1", &ca,
             false, 30);
    pki_make(&expired, "expired", "DNS:up.example.com", &ca, false, -1);
    pki_make(&common_name_only, "up.example.com", NULL, &ca, false, 30);
    pki_make(&user, "gateway", NULL, &ca, false, 30);
    pki_make(&stranger, "gateway", NULL, &other_ca, false, 30);
    return 0;
}

static int free_all(void **state)
{
    (void)state;
    struct pki *all[] = { &ca, &other_ca, &server_pki, &expired, &common_name_only, &user, &stranger };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        pki_done(all[i]);
    }
    return 0;
}

struct attempt {
    const struct pki *server, *ca;
    const char *host, *server_name;
    const char *failure; /* NULL: it works */
};

static struct tls_server *new_server(const struct pki *pki)
{
    struct slice host = SLICE("up.example.com");
    struct tls_certificate_settings certificate = { .cert_pem = pki_cert(pki),
                                                    .key_pem = pki_key(pki),
                                                    .hosts = { &host, 1 },
                                                    .client_certificate = TLS_CLIENT_OPTIONAL,
                                                    .client_ca_pem = pki_cert(&ca) };
    const struct tls_server_settings settings = { .certificates = { &certificate, 1 } };
    struct tls_server *server;
    int index;
    assert_ok(tls_server_new(&settings, NULL, SLICE("\x08http/1.1"), &server, &index));
    return server;
}

static void try_with(const struct pki *pki, const struct tls_client_settings *settings, const char *host,
                     const char *failure)
{
    struct pair pair;
    struct tls_client *client;
    struct tls_server *server = new_server(pki);
    assert_ok(tls_client_new(settings, &client));
    pair_open(&pair);
    assert_ok(tls_accept(server, &pair.server));
    assert_ok(tls_connect(client, &pair.client, slice_from_string(host), SLICE("\x08http/1.1")));
    pair_shake(&pair);
    if (failure == NULL) {
        assert_int_equal(pair.client_result, STREAM_OK);
        pair_exchange(&pair);
    } else {
        assert_int_equal(pair.client_result, STREAM_FAILED);
        if (strstr(tls_failure(&pair.client), failure) == NULL) {
            fail_msg("%s: not \"%s\" but \"%s\"", host, failure, tls_failure(&pair.client));
        }
        assert_false(tls_is_refused(&pair.client)); /* it is we who refuse */
        size_t size;
        assert_int_equal(pair_write(&pair.client, "secret", &size), STREAM_FAILED);
    }
    pair_done(&pair);
    tls_client_free(client);
    tls_server_free(server);
}

static void try(struct attempt attempt)
{
    const struct tls_client_settings settings = { .ca_pem = pki_cert(attempt.ca),
                                                  .server_name = slice_from_string(attempt.server_name) };
    try_with(attempt.server, &settings, attempt.host, attempt.failure);
}

static void test_names(void **state)
{
    (void)state;
    static const char mismatch[] = "hostname mismatch", ip_mismatch[] = "IP address mismatch";
    const struct attempt attempts[] = {
        { &server_pki, &ca, "up.example.com", NULL, NULL },
        { &server_pki, &ca, "UP.example.com.", NULL, NULL },
        { &server_pki, &ca, "a.wild.example.com", NULL, NULL },
        { &server_pki, &ca, "127.0.0.1", NULL, NULL },
        { &server_pki, &ca, "::1", NULL, NULL },
        { &server_pki, &ca, "[::1]", NULL, NULL },
        { &server_pki, &ca, "10.0.0.1", "up.example.com", NULL },
        { &server_pki, &ca, "up.example.com", "127.0.0.1", NULL },
        { &server_pki, &ca, "other.example.com", NULL, mismatch },
        { &server_pki, &ca, "a.b.wild.example.com", NULL, mismatch },
        { &server_pki, &ca, "foo.part.example.com", NULL, mismatch },
        { &server_pki, &ca, "up.example.com", "other.example.com", mismatch }, /* server_name goes first */
        { &server_pki, &ca, "10.0.0.1", NULL, ip_mismatch },
        { &server_pki, &ca, "::2", NULL, ip_mismatch },
        { &common_name_only, &ca, "up.example.com", NULL, mismatch }, /* the common name is no proof */
    };
    for (size_t i = 0; i < sizeof attempts / sizeof *attempts; i++) {
        try(attempts[i]);
    }
}

static void test_chains(void **state)
{
    (void)state;
    try((struct attempt){ &server_pki, &other_ca, "up.example.com", NULL, "unable to get local issuer" });
    try((struct attempt){ &expired, &ca, "up.example.com", NULL, "certificate has expired" });
}

/* Nothing would be verified, if OpenSSL were handed these. */
static void test_a_host_that_cannot_be_verified_is_refused(void **state)
{
    (void)state;
    static const struct slice hosts[] = { SLICE_INIT(""), SLICE_INIT("."), SLICE_INIT(".example.com"),
                                          SLICE_INIT("up.example.com\0.evil.test") };
    const struct tls_client_settings settings = { .ca_pem = pki_cert(&ca) };
    struct tls_client *client;
    struct pair pair;
    assert_ok(tls_client_new(&settings, &client));
    pair_open(&pair);
    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
        assert_fails(tls_connect(client, &pair.client, hosts[i], SLICE_NONE), ERROR_VALUE);
        assert_ptr_equal(pair.client.ops, &stream_plain_ops);
    }
    pair_done(&pair);
    tls_client_free(client);
}

/* ---- SPIFFE ---- */

#define ORDERS "spiffe://example.org/ns/orders/sa/api"

struct identity {
    const char *common_name, *names;
    const struct pki *ca;
    bool is_ca;
    int days;
    const char *id, *trust_domain; /* what is expected */
    const char *failure;           /* NULL: it works */
};

static void try_identity(const struct identity *identity)
{
    struct pki server;
    struct slice id = slice_from_string(identity->id);
    struct slice ids[] = { SLICE("spiffe://example.org/ns/orders/sa/batch"), id };
    pki_make(&server, identity->common_name, identity->names, identity->ca, identity->is_ca, identity->days);
    const struct tls_client_settings settings = { .ca_pem = pki_cert(&ca),
                                                  .spiffe_ids = { ids, id.len > 0 ? 2 : 0 },
                                                  .spiffe_trust_domain =
                                                      slice_from_string(identity->trust_domain) };
    static const char *const hosts[] = { "up.example.com", "10.0.0.1" };
    for (size_t i = 0; i < sizeof hosts / sizeof hosts[0]; i++) {
        try_with(&server, &settings, hosts[i], identity->failure);
    }
    pki_done(&server);
}

static void test_spiffe_ids(void **state)
{
    (void)state;
    static const char none[] = "no SPIFFE ID", other[] = "is not one of spiffe_ids",
                      outside[] = "is not of spiffe_trust_domain";
    static const char domain[] = "example.org";
    const struct identity identities[] = {
        { "api", "URI:" ORDERS, &ca, false, 30, ORDERS, NULL, NULL },
        { "api", "URI:" ORDERS ",DNS:other.example.com", &ca, false, 30, ORDERS, NULL, NULL },
        { "api", "URI:" ORDERS, &ca, false, 30, NULL, domain, NULL },
        { "api", "URI:spiffe://example.org/ns/shop/sa/api", &ca, false, 30, NULL, domain, NULL },
        { "api", "URI:spiffe://example.org/ns/shop/sa/api", &ca, false, 30, ORDERS, NULL, other },
        { "api", "URI:" ORDERS "/", &ca, false, 30, ORDERS, NULL, none },
        { "api", "URI:" ORDERS "2", &ca, false, 30, ORDERS, NULL, other },
        { "api", "URI:spiffe://example.org/ns/orders/sa/API", &ca, false, 30, ORDERS, NULL, other },
        { "api", "URI:spiffe://example.net/ns/orders/sa/api", &ca, false, 30, ORDERS, NULL, other },
        { "api", "URI:spiffe://example.net/ns/orders/sa/api", &ca, false, 30, NULL, domain, outside },
        { "api", "URI:spiffe://example.org.evil.test/api", &ca, false, 30, NULL, domain, outside },
        { "api", "URI:spiffe://sub.example.org/api", &ca, false, 30, NULL, domain, outside },
        { "api", "URI:spiffe://example.org", &ca, false, 30, NULL, domain, none },
        { "api", "URI:spiffe://EXAMPLE.org/api", &ca, false, 30, NULL, domain, none },
        { "api", "URI:https://example.org/api", &ca, false, 30, NULL, domain, none },
        /* exactly one URI, whatever the other one is */
        { "api", "URI:" ORDERS ",URI:spiffe://example.org/other", &ca, false, 30, ORDERS, NULL, none },
        { "api", "URI:" ORDERS ",URI:" ORDERS, &ca, false, 30, ORDERS, NULL, none },
        { "api", "URI:https://example.org/,URI:" ORDERS, &ca, false, 30, NULL, domain, none },
        /* of no other type */
        { "api", "DNS:" ORDERS, &ca, false, 30, ORDERS, NULL, none },
        { "api", "email:" ORDERS, &ca, false, 30, ORDERS, NULL, none },
        { ORDERS, "DNS:up.example.com", &ca, false, 30, ORDERS, NULL, none },
        { ORDERS, NULL, &ca, false, 30, NULL, domain, none },
        /* the name that is asked for proves nothing here */
        { "up", "DNS:up.example.com,IP:10.0.0.1", &ca, false, 30, ORDERS, NULL, none },
        /* not of one that signs others */
        { "api", "URI:" ORDERS, &ca, true, 30, ORDERS, NULL, none },
        /* the chain is verified as always */
        { "api", "URI:" ORDERS, &other_ca, false, 30, ORDERS, NULL, "unable to get local issuer" },
        { "api", "URI:" ORDERS, &other_ca, false, 30, NULL, domain, "unable to get local issuer" },
        { "api", "URI:" ORDERS, NULL, false, 30, ORDERS, NULL, "self-signed" },
        { "api", "URI:" ORDERS, &ca, false, -1, ORDERS, NULL, "certificate has expired" },
        /* without a word of SPIFFE it is the name that counts */
        { "api", "URI:" ORDERS, &ca, false, 30, NULL, NULL, "mismatch" },
    };
    for (size_t i = 0; i < sizeof identities / sizeof *identities; i++) {
        try_identity(&identities[i]);
    }
}

/* A name is still sent, so that a server with several certificates shows the right one. */
static void test_a_name_is_asked_for_beside_a_spiffe_id(void **state)
{
    (void)state;
    struct pki api;
    struct pair pair;
    struct tls_client *client;
    struct tls_facts facts;
    struct slice id = SLICE(ORDERS);
    pki_make(&api, "api", "URI:" ORDERS, &ca, false, 30);
    struct tls_server *server = new_server(&api);
    const struct tls_client_settings settings = { .ca_pem = pki_cert(&ca),
                                                  .server_name = SLICE("orders.internal"),
                                                  .spiffe_ids = { &id, 1 } };
    assert_ok(tls_client_new(&settings, &client));
    pair_open(&pair);
    assert_ok(tls_accept(server, &pair.server));
    assert_ok(tls_connect(client, &pair.client, SLICE("10.0.0.1"), SLICE_NONE));
    tls_client_free(client); /* what is expected outlives it */
    pair_shake(&pair);
    pair_exchange(&pair);
    tls_facts_of(&pair.server, &facts);
    assert_slice(facts.server_name, "orders.internal");
    pair_done(&pair);
    tls_server_free(server);
    pki_done(&api);
}

/* ---- our own certificate ---- */

static void test_own_certificate(void **state)
{
    (void)state;
    struct pair pair;
    struct tls_client *client;
    struct tls_facts facts;
    struct tls_server *server = new_server(&server_pki);
    const struct tls_client_settings settings = { .ca_pem = pki_cert(&ca),
                                                  .cert_pem = pki_cert(&user),
                                                  .key_pem = pki_key(&user) };
    assert_ok(tls_client_new(&settings, &client));
    pair_open(&pair);
    assert_ok(tls_accept(server, &pair.server));
    assert_ok(tls_connect(client, &pair.client, SLICE("up.example.com"), SLICE_NONE));
    tls_client_free(client); /* the stream does not need it any more */
    pair_shake(&pair);
    pair_exchange(&pair);
    tls_facts_of(&pair.server, &facts);
    assert_non_null(facts.client);
    assert_slice(facts.client->subject, "CN=gateway");
    assert_slice(facts.server_name, "up.example.com");
    pair_done(&pair);
    tls_server_free(server);
}

/* A server that asks for a certificate, and how it meets ours. */
static void show(const struct pki *own, int version, struct pair *pair)
{
    struct tls_client *client;
    struct tls_server *server = new_server(&server_pki);
    const struct tls_client_settings settings = { .ca_pem = pki_cert(&ca),
                                                  .cert_pem = own != NULL ? pki_cert(own) : SLICE_NONE,
                                                  .key_pem = own != NULL ? pki_key(own) : SLICE_NONE };
    assert_ok(tls_client_new(&settings, &client));
    pair_open(pair);
    assert_ok(tls_accept(server, &pair->server));
    assert_ok(tls_connect(client, &pair->client, SLICE("up.example.com"), SLICE_NONE));
    SSL_set_max_proto_version(((struct tls_state *)pair->client.tls)->ssl, version);
    tls_client_free(client);
    tls_server_free(server);
    pair_shake(pair);
}

/* In TLS 1.2 the handshake tells, in TLS 1.3 what is read first. */
static void test_a_refused_certificate(void **state)
{
    (void)state;
    const struct {
        const struct pki *own;
        const char *alert;
        const char *fault;
    } cases[] = { { &expired, "alert certificate expired", "(tls.cert) has expired" },
                  { &stranger, "alert unknown ca", "that it was shown (tls.cert)" } };
    static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };
    for (size_t i = 0; i < 2 * sizeof cases / sizeof cases[0]; i++) {
        struct pair pair;
        char text[64];
        size_t size;
        show(cases[i / 2].own, versions[i % 2], &pair);
        assert_int_equal(pair.server_result, STREAM_FAILED);
        assert_int_equal(pair.client_result, i % 2 == 0 ? STREAM_FAILED : STREAM_OK);
        assert_int_equal(pair_read(&pair.client, text, sizeof text, &size), STREAM_FAILED);
        assert_true(tls_is_refused(&pair.client));
        assert_non_null(strstr(tls_failure(&pair.client), cases[i / 2].alert));
        assert_non_null(strstr(tls_failure(&pair.client), cases[i / 2].fault));
        pair_done(&pair);
    }
}

static void test_what_a_server_may_have_against_our_certificate(void **state)
{
    (void)state;
    struct pair pair;
    show(NULL, TLS1_3_VERSION, &pair);
    pair_exchange(&pair); /* this server only asks */
    assert_non_null(strstr(tls_own_fault(&pair.client), "none is configured"));
    assert_false(tls_is_refused(&pair.client));
    pair_done(&pair);
    show(&user, TLS1_3_VERSION, &pair);
    pair_exchange(&pair);
    assert_non_null(strstr(tls_own_fault(&pair.client), "that it was shown"));
    pair_done(&pair);
}

/* A session would carry another connection's certificates, ours and the server's. */
static void test_no_session_is_resumed(void **state)
{
    (void)state;
    static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };
    struct slice host = SLICE("up.example.com");
    struct tls_certificate_settings certificate = { .cert_pem = pki_cert(&server_pki),
                                                    .key_pem = pki_key(&server_pki),
                                                    .hosts = { &host, 1 } };
    const struct tls_server_settings settings = { .certificates = { &certificate, 1 } };
    const struct tls_client_settings client_settings = { .ca_pem = pki_cert(&ca) };
    struct tls_tickets *tickets;
    struct tls_server *server;
    struct tls_client *client;
    int index;
    assert_ok(tls_tickets_new(&tickets));
    assert_ok(tls_server_new(&settings, tickets, SLICE_NONE, &server, &index));
    assert_ok(tls_client_new(&client_settings, &client));
    for (size_t i = 0; i < 4; i++) {
        struct tls_facts facts;
        struct pair pair;
        pair_open(&pair);
        assert_ok(tls_accept(server, &pair.server));
        assert_ok(tls_connect(client, &pair.client, host, SLICE_NONE));
        SSL_set_max_proto_version(((struct tls_state *)pair.client.tls)->ssl, versions[i / 2]);
        pair_shake(&pair);
        pair_exchange(&pair);
        tls_facts_of(&pair.server, &facts);
        assert_false(facts.resumed);
        pair_done(&pair);
    }
    tls_client_free(client);
    tls_server_free(server);
    tls_tickets_free(tickets);
}

/* T22: no setting is dropped in silence. */
static void test_bad_settings(void **state)
{
    (void)state;
    struct slice path = SLICE("/somewhere.pem"), id = SLICE(ORDERS), no_id = SLICE("spiffe://example.org");
    const struct {
        struct tls_client_settings settings;
        const char *what;
    } cases[] = {
        { { .ca = path }, "holds no certificate" },
        { { .ca_pem = SLICE("garbage") }, "holds no certificate" },
        { { .ca_pem = pki_key(&ca) }, "holds no certificate" },
        { { .ca_pem = SLICE("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n") }, "damaged" },
        { { .ca_pem = pki_cert(&ca), .cert_pem = pki_cert(&user) }, "`cert` needs its `key`" },
        { { .ca_pem = pki_cert(&ca), .key_pem = pki_key(&user) }, "`key` needs its `cert`" },
        { { .ca_pem = pki_cert(&ca), .cert_pem = pki_cert(&user), .key_pem = pki_key(&ca) },
          "does not belong" },
        { { .ca_pem = pki_cert(&ca), .server_name = SLICE("*.example.com") }, "`server_name`" },
        { { .ca_pem = pki_cert(&ca), .server_name = SLICE("a b") }, "`server_name`" },
        { { .ca_pem = pki_cert(&ca), .server_name = SLICE(".example.com") }, "`server_name`" },
        { { .spiffe_ids = { &id, 1 } }, "`ca` is missing" },
        { { .spiffe_trust_domain = SLICE("example.org") }, "`ca` is missing" },
        { { .ca_pem = pki_cert(&ca), .spiffe_ids = { &no_id, 1 } }, "`spiffe_ids`" },
        { { .ca_pem = pki_cert(&ca), .spiffe_trust_domain = no_id }, "`spiffe_trust_domain`" },
        { { .ca_pem = pki_cert(&ca), .spiffe_trust_domain = SLICE("Example.org") }, "`spiffe_trust_domain`" },
        { { .ca_pem = pki_cert(&ca), .spiffe_ids = { &id, 1 }, .spiffe_trust_domain = SLICE("example.org") },
          "both given" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct tls_client *client = NULL;
        struct error error = tls_client_new(&cases[i].settings, &client);
        assert_true(failed(error));
        assert_null(client);
        if (strstr(error.what, cases[i].what) == NULL) {
            fail_msg("not \"%s\" but \"%s\"", cases[i].what, error.what);
        }
    }
}

static void test_the_system_store_does_not_trust_a_test_ca(void **state)
{
    (void)state;
    const struct tls_client_settings settings = { .min_version = TLS_1_2 };
    struct tls_server *server = new_server(&server_pki);
    for (int i = 0; i < 2; i++) { /* the second takes the store that the first has read */
        struct tls_client *client;
        struct pair pair;
        assert_ok(tls_client_new(&settings, &client));
        pair_open(&pair);
        assert_ok(tls_accept(server, &pair.server));
        assert_ok(tls_connect(client, &pair.client, SLICE("up.example.com"), SLICE_NONE));
        pair_shake(&pair);
        assert_int_equal(pair.client_result, STREAM_FAILED);
        assert_non_null(strstr(tls_failure(&pair.client), "certificate verify failed"));
        pair_done(&pair);
        tls_client_free(client);
    }
    tls_server_free(server);
}

static void test_min_version(void **state)
{
    (void)state;
    const struct tls_client_settings settings = { .ca_pem = pki_cert(&ca), .min_version = TLS_1_3 };
    struct tls_server *server = new_server(&server_pki);
    for (int i = 0; i < 2; i++) {
        struct tls_client *client;
        struct pair pair;
        assert_ok(tls_client_new(&settings, &client));
        pair_open(&pair);
        assert_ok(tls_accept(server, &pair.server));
        SSL_set_max_proto_version(((struct tls_state *)pair.server.tls)->ssl,
                                  i == 0 ? TLS1_2_VERSION : TLS1_3_VERSION);
        assert_ok(tls_connect(client, &pair.client, SLICE("up.example.com"), SLICE_NONE));
        pair_shake(&pair);
        assert_int_equal(pair.client_result, i == 0 ? STREAM_FAILED : STREAM_OK);
        pair_done(&pair);
        tls_client_free(client);
    }
    tls_server_free(server);
}

/* T24, CVE-2026-1642: an answer in plain text before the handshake is done is no answer. `after`: flights of the real
 * server that come first. */
static void inject(int after, int version)
{
    static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";
    const struct tls_client_settings settings = { .ca_pem = pki_cert(&ca) };
    struct tls_server *server = new_server(&server_pki);
    struct tls_client *client;
    struct pair pair;
    char text[64];
    size_t size;
    assert_ok(tls_client_new(&settings, &client));
    pair_open(&pair);
    assert_ok(tls_accept(server, &pair.server));
    assert_ok(tls_connect(client, &pair.client, SLICE("up.example.com"), SLICE_NONE));
    SSL_set_max_proto_version(((struct tls_state *)pair.client.tls)->ssl, version);
    assert_int_equal(pair.client.ops->handshake(&pair.client), STREAM_AGAIN);
    if (after > 0) {
        assert_int_equal(pair.server.ops->handshake(&pair.server), STREAM_AGAIN);
        if (version == TLS1_2_VERSION) {
            assert_int_equal(pair.client.ops->handshake(&pair.client), STREAM_AGAIN);
        }
    }
    assert_int_equal(send(pair.server.fd, answer, strlen(answer), 0), strlen(answer));
    enum stream_result result = pair.client.ops->handshake(&pair.client);
    if (result ==
        STREAM_OK) { /* TLS 1.3: the client is done with the server's first flight; what follows it is a record */
        result = pair_read(&pair.client, text, sizeof text, &size);
    }
    assert_int_equal(result, STREAM_FAILED);
    assert_int_equal(pair_read(&pair.client, text, sizeof text, &size), STREAM_FAILED);
    pair_done(&pair);
    tls_client_free(client);
    tls_server_free(server);
}

static void test_plain_text_never_passes_for_an_answer(void **state)
{
    (void)state;
    for (int after = 0; after < 2; after++) {
        inject(after, TLS1_2_VERSION);
        inject(after, TLS1_3_VERSION);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_chains),
        cmocka_unit_test(test_a_host_that_cannot_be_verified_is_refused),
        cmocka_unit_test(test_spiffe_ids),
        cmocka_unit_test(test_a_name_is_asked_for_beside_a_spiffe_id),
        cmocka_unit_test(test_own_certificate),
        cmocka_unit_test(test_a_refused_certificate),
        cmocka_unit_test(test_what_a_server_may_have_against_our_certificate),
        cmocka_unit_test(test_no_session_is_resumed),
        cmocka_unit_test(test_bad_settings),
        cmocka_unit_test(test_the_system_store_does_not_trust_a_test_ca),
        cmocka_unit_test(test_min_version),
        cmocka_unit_test(test_plain_text_never_passes_for_an_answer),
    };
    return cmocka_run_group_tests(tests, make_all, free_all);
}
