#include "crl.h"
#include "pair.h"

#include <time.h>

/* root signs site, user, other and middle; middle signs deep. */
static struct pki root, middle, site, user, other, deep;
static struct crl none, user_revoked, middle_list, deep_revoked, middle_revoked;
static struct tls_tickets *tickets;

static int make_all(void **state)
{
    (void)state;
    pki_make(&root, "Root", NULL, NULL, true, 30);
    pki_make(&middle, "Middle", NULL, &root, true, 30);
    pki_make(&site, "site", "DNS:site.example.com", &root, false, 30);
    pki_make(&user, "user", "URI:spiffe://td/user", &root, false, 30);
    pki_make(&other, "other", NULL, &root, false, 30);
    pki_make(&deep, "deep", NULL, &middle, false, 30);
    crl_make(&none, &root, NULL);
    crl_make(&user_revoked, &root, &user);
    crl_make(&middle_list, &middle, NULL);
    crl_make(&deep_revoked, &middle, &deep);
    crl_make(&middle_revoked, &root, &middle);
    assert_ok(tls_tickets_new(&tickets));
    return 0;
}

static int free_all(void **state)
{
    (void)state;
    struct pki *all[] = { &root, &middle, &site, &user, &other, &deep };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        pki_done(all[i]);
    }
    tls_tickets_free(tickets);
    return 0;
}

static struct error try_server(struct slice a, struct slice b, struct tls_server **ret_server)
{
    struct slice texts[] = { a, b };
    struct tls_certificate_settings certificate = { .cert_pem = pki_cert(&site),
                                                    .key_pem = pki_key(&site),
                                                    .client_certificate = -1 };
    const struct tls_server_settings settings = {
        .certificates = { &certificate, 1 },
        .client_certificate = TLS_CLIENT_OPTIONAL,
        .client_ca_pem = pki_cert(&root),
        .crl_texts = { texts, (a.len > 0 ? 1 : 0) + (b.len > 0 ? 1 : 0) },
    };
    int index;
    return tls_server_new(&settings, tickets, SLICE_NONE, ret_server, &index);
}

static struct tls_server *new_server(struct slice a, struct slice b)
{
    struct tls_server *server = NULL;
    assert_ok(try_server(a, b, &server));
    return server;
}

/* A client with its certificate, and the CA between where there is one. */
static void connect_to(struct tls_server *server, const struct pki *own, SSL_SESSION *session,
                       struct pair *pair, struct tls_facts *facts)
{
    struct tls_state *client;
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    SSL_CTX_use_certificate(context, own->certificate);
    SSL_CTX_use_PrivateKey(context, own->key);
    if (own == &deep) {
        SSL_CTX_add1_chain_cert(context, middle.certificate);
    }
    pair_open(pair);
    assert_ok(tls_accept(server, &pair->server));
    assert_ok(tls_attach(&pair->client, context, NULL, &client));
    SSL_CTX_free(context);
    SSL_set_connect_state(client->ssl);
    SSL_set_tlsext_host_name(client->ssl, "site.example.com");
    if (session != NULL) {
        SSL_set_session(client->ssl, session);
    }
    pair_shake(pair);
    tls_facts_of(&pair->server, facts);
}

static bool is_let_in(struct tls_server *server, const struct pki *own, const char *why)
{
    struct pair pair;
    struct tls_facts facts;
    connect_to(server, own, NULL, &pair, &facts);
    bool in = pair.server_result == STREAM_OK && facts.client != NULL;
    if (!in) {
        assert_non_null(why);
        if (strstr(tls_failure(&pair.server), why) == NULL) {
            fail_msg("\"%s\" is not why: %s", why, tls_failure(&pair.server));
        }
    }
    pair_done(&pair);
    return in;
}

static void test_handshakes(void **state)
{
    (void)state;
    struct tls_server *server = new_server(crl_pem(&user_revoked), SLICE_NONE);
    assert_false(is_let_in(server, &user, "certificate revoked"));
    assert_true(is_let_in(server, &other, NULL));
    assert_false(is_let_in(server, &deep, "unable to get certificate CRL")); /* of the CA between */
    tls_server_free(server);
    server = new_server(crl_der(&user_revoked), SLICE_NONE);
    assert_false(is_let_in(server, &user, "certificate revoked"));
    assert_true(is_let_in(server, &other, NULL));
    tls_server_free(server);
    server = new_server(crl_pem(&none), SLICE_NONE);
    assert_true(is_let_in(server, &user, NULL));
    tls_server_free(server);
    server = new_server(SLICE_NONE, SLICE_NONE);
    assert_true(is_let_in(server, &user, NULL));
    assert_true(is_let_in(server, &deep, NULL));
    assert_int_equal(tls_server_renewal(server).until, 0);
    tls_server_free(server);
}

static void test_whole_chains(void **state)
{
    (void)state;
    struct tls_server *server = new_server(crl_pem(&none), crl_der(&middle_list));
    assert_true(is_let_in(server, &deep, NULL));
    tls_server_free(server);
    server = new_server(crl_pem(&none), crl_pem(&deep_revoked));
    assert_false(is_let_in(server, &deep, "certificate revoked"));
    tls_server_free(server);
    server = new_server(crl_pem(&middle_revoked), crl_pem(&middle_list));
    assert_false(is_let_in(server, &deep, "certificate revoked"));
    assert_true(is_let_in(server, &user, NULL));
    tls_server_free(server);
    /* One file with both. */
    char both[9000];
    snprintf(both, sizeof both, "%s\n# the other\n%s", none.pem, deep_revoked.pem);
    server = new_server(slice_from_string(both), SLICE_NONE);
    assert_false(is_let_in(server, &deep, "certificate revoked"));
    tls_server_free(server);
}

static void test_an_expired_list_lets_nobody_in(void **state)
{
    (void)state;
    struct crl old;
    crl_make_by(&old, &root, &root, -60, NULL);
    struct tls_server *server = new_server(crl_pem(&old), SLICE_NONE);
    assert_false(is_let_in(server, &other, "CRL has expired"));
    assert_true(tls_server_renewal(server).until < time(NULL));
    tls_server_free(server);
    /* A newer one beside it counts. */
    server = new_server(crl_pem(&old), crl_pem(&none));
    assert_true(is_let_in(server, &other, NULL));
    struct tls_renewal renewal = tls_server_renewal(server);
    assert_true(renewal.until > time(NULL));
    assert_int_equal(renewal.until - tls_renewal_due(&renewal), 1800); /* a quarter of two hours */
    tls_server_free(server);
}

static void assert_refused(struct slice a, struct slice b, const char *why)
{
    struct tls_server *server = NULL;
    struct error error = try_server(a, b, &server);
    assert_true(failed(error));
    if (strstr(error.what, why) == NULL) {
        fail_msg("\"%s\" is not why: %s", why, error.what);
    }
    assert_null(server);
}

/* T22: a list that cannot be honoured is never taken in part. */
static void test_broken_lists_are_refused(void **state)
{
    (void)state;
    char damaged[8192];
    struct crl forged, endless;
    assert_refused(SLICE("hello"), SLICE_NONE, "no revocation list");
    assert_refused(slice_of((const char *)none.der, none.der_size - 1), SLICE_NONE, "no revocation list");
    assert_refused(slice_of((const char *)none.der, none.der_size + 1), SLICE_NONE, "no revocation list");
    assert_refused(pki_cert(&root), SLICE_NONE, "no revocation list");
    memcpy(damaged, none.pem, sizeof none.pem);
    memset(strchr(damaged, '\n') + 5, '!', 3);
    assert_refused(slice_from_string(damaged), SLICE_NONE, "damaged revocation list");
    snprintf(damaged, sizeof damaged, "%s-----BEGIN X509 CRL-----\nbm90\n-----END X509 CRL-----\n", none.pem);
    assert_refused(slice_from_string(damaged), SLICE_NONE, "damaged revocation list");
    crl_make_by(&forged, &root, &other, 3600, NULL);
    assert_refused(crl_pem(&forged), SLICE_NONE, "did not sign");
    crl_make_by(&endless, &root, &root, 0, NULL);
    assert_refused(crl_pem(&endless), SLICE_NONE, "nextUpdate");
    assert_refused(crl_pem(&middle_list), SLICE_NONE, "no list of a CA"); /* none of the root's */
}

static void test_lists_without_a_use_are_refused(void **state)
{
    (void)state;
    struct slice text = crl_pem(&none);
    struct tls_certificate_settings certificate = { .cert_pem = pki_cert(&site),
                                                    .key_pem = pki_key(&site),
                                                    .client_certificate = -1 };
    struct tls_server_settings settings = { .certificates = { &certificate, 1 }, .crl_texts = { &text, 1 } };
    struct tls_server *server;
    int index;
    struct error error = tls_server_new(&settings, NULL, SLICE_NONE, &server, &index);
    assert_true(failed(error) && strstr(error.what, "`client_ca` is missing") != NULL);
    settings.crl_texts.count = 0;
    certificate.crl_texts = (struct conf_strings){ &text, 1 };
    error = tls_server_new(&settings, NULL, SLICE_NONE, &server, &index);
    assert_true(failed(error) && strstr(error.what, "asks for none") != NULL);
    assert_int_equal(index, 0);
}

/* ---- connections that live longer ---- */

static void test_standing_of_living_connections(void **state)
{
    (void)state;
    struct pair pair;
    struct tls_facts facts;
    int64_t now = time(NULL);
    struct tls_server *first = new_server(crl_pem(&none), SLICE_NONE);
    struct tls_server *same = new_server(crl_pem(&none), SLICE_NONE);
    struct tls_server *revoking = new_server(crl_pem(&user_revoked), SLICE_NONE);
    struct tls_server *unlisted = new_server(SLICE_NONE, SLICE_NONE);
    assert_int_equal(tls_server_trust(first), tls_server_trust(same));
    assert_int_not_equal(tls_server_trust(first), tls_server_trust(revoking));
    assert_int_equal(tls_policy_of_host(first, SLICE("site.example.com")),
                     tls_policy_of_host(revoking, SLICE("site.example.com")));
    connect_to(first, &user, NULL, &pair, &facts);
    tls_server_free(first); /* the stream keeps it */
    assert_int_equal(tls_client_standing(&facts, same, now), TLS_CLIENT_GOOD);
    assert_int_equal(tls_client_standing(&facts, revoking, now), TLS_CLIENT_REVOKED);
    assert_int_equal(tls_client_standing(&facts, revoking, now), TLS_CLIENT_REVOKED);
    assert_int_equal(tls_client_standing(&facts, same, now), TLS_CLIENT_GOOD);
    /* The list grows old while the connection lives; a configuration without lists, or a newer list, heals that. */
    assert_int_equal(tls_client_standing(&facts, same, now + 3590), TLS_CLIENT_GOOD);
    assert_int_equal(tls_client_standing(&facts, same, now + 3700), TLS_CLIENT_LIST_EXPIRED);
    assert_int_equal(tls_client_standing(&facts, unlisted, now + 3700), TLS_CLIENT_GOOD);
    pair_done(&pair);
    connect_to(same, &other, NULL, &pair, &facts);
    assert_int_equal(tls_client_standing(&facts, revoking, now), TLS_CLIENT_GOOD);
    pair_done(&pair);
    tls_server_free(same);
    tls_server_free(revoking);
    tls_server_free(unlisted);
}

static struct tls_server *server_of_ca(struct slice ca, int mode)
{
    struct tls_certificate_settings certificate = { .cert_pem = pki_cert(&site),
                                                    .key_pem = pki_key(&site),
                                                    .client_certificate = -1 };
    const struct tls_server_settings settings = { .certificates = { &certificate, 1 },
                                                  .client_certificate = mode,
                                                  .client_ca_pem = ca };
    struct tls_server *server;
    int index;
    assert_ok(tls_server_new(&settings, tickets, SLICE_NONE, &server, &index));
    return server;
}

/* Other CAs: what still verifies by them goes on under the new policy, the rest ends. */
static void test_changed_authorities(void **state)
{
    (void)state;
    struct pki stranger;
    char both[9000];
    struct pair pair;
    struct tls_facts facts;
    pki_make(&stranger, "Stranger", NULL, NULL, true, 30);
    snprintf(both, sizeof both, "%s%s", stranger.cert_pem, root.cert_pem);
    struct tls_server *first = new_server(SLICE_NONE, SLICE_NONE);
    struct tls_server *wider = server_of_ca(slice_from_string(both), TLS_CLIENT_REQUIRED);
    struct tls_server *elsewhere = server_of_ca(pki_cert(&stranger), TLS_CLIENT_OPTIONAL);
    struct tls_server *unasked = server_of_ca(SLICE_NONE, TLS_CLIENT_NONE);
    const struct pki *const owners[] = { &user, &deep };
    for (size_t i = 0; i < 2; i++) {
        connect_to(first, owners[i], NULL, &pair, &facts);
        uint64_t policy = facts.policy;
        assert_int_equal(tls_client_standing(&facts, elsewhere, time(NULL)), TLS_CLIENT_UNVERIFIED);
        assert_int_equal(tls_client_standing(&facts, unasked, time(NULL)), TLS_CLIENT_UNVERIFIED);
        assert_int_equal(facts.policy, policy);
        assert_int_equal(tls_client_standing(&facts, wider, time(NULL)), TLS_CLIENT_GOOD);
        assert_int_equal(facts.policy, tls_policy_of_host(wider, SLICE("site.example.com")));
        assert_int_equal(facts.client_mode, TLS_CLIENT_REQUIRED);
        pair_done(&pair);
    }
    tls_server_free(first);
    tls_server_free(wider);
    tls_server_free(elsewhere);
    tls_server_free(unasked);
    pki_done(&stranger);
}

/* T33: the same CA with lists and without, or with other ones, is another policy; a new list in the same files is none. */
static void test_policies(void **state)
{
    (void)state;
    static const char *const paths[] = { NULL, "/a.crl", "/b.crl", "/a.crl" };
    uint64_t policies[4];
    for (size_t i = 0; i < 4; i++) {
        struct slice path = slice_from_string(paths[i]), text = crl_pem(i == 3 ? &user_revoked : &none);
        struct conf_strings crl = { &path, paths[i] != NULL ? 1 : 0 }, texts = { &text, crl.count };
        struct tls_certificate_settings certificate = { .cert_pem = pki_cert(&site),
                                                        .key_pem = pki_key(&site),
                                                        .client_certificate = -1 };
        const struct tls_server_settings settings = { .certificates = { &certificate, 1 },
                                                      .client_certificate = TLS_CLIENT_REQUIRED,
                                                      .client_ca_pem = pki_cert(&root),
                                                      .crl = crl,
                                                      .crl_texts = texts };
        struct tls_server *server;
        int index;
        assert_ok(tls_server_new(&settings, NULL, SLICE_NONE, &server, &index));
        policies[i] = tls_policy_of_host(server, SLICE("site.example.com"));
        tls_server_free(server);
    }
    assert_true(policies[0] != policies[1] && policies[0] != policies[2] && policies[1] != policies[2]);
    assert_int_equal(policies[1], policies[3]);
}

/* The session that a connection leaves behind. */
static SSL_SESSION *session_of(struct tls_server *server, const struct pki *own)
{
    struct pair pair;
    struct tls_facts facts;
    char text[16];
    size_t size;
    connect_to(server, own, NULL, &pair, &facts);
    assert_int_equal(pair_read(&pair.client, text, sizeof text, &size), STREAM_AGAIN); /* takes the tickets */
    struct tls_state *client = pair.client.tls;
    SSL_SESSION *session = SSL_get1_session(client->ssl);
    SSL_set_shutdown(client->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    pair_done(&pair);
    return session;
}

/* T23: a ticket is worth no more than the certificate that it stands for. */
static void test_tickets(void **state)
{
    (void)state;
    struct pair pair;
    struct tls_facts facts;
    struct tls_server *first = new_server(crl_pem(&none), SLICE_NONE);
    struct tls_server *same = new_server(crl_pem(&none), SLICE_NONE);
    struct tls_server *revoking = new_server(crl_pem(&user_revoked), SLICE_NONE);
    SSL_SESSION *session = session_of(first, &user);
    connect_to(same, &user, session, &pair, &facts);
    assert_true(facts.resumed && facts.client != NULL);
    assert_slice(facts.client->spiffe_id, "spiffe://td/user");
    /* Living on, it is looked at like any other. */
    assert_int_equal(tls_client_standing(&facts, same, time(NULL)), TLS_CLIENT_GOOD);
    assert_int_equal(tls_client_standing(&facts, same, time(NULL) + 3700), TLS_CLIENT_LIST_EXPIRED);
    assert_int_equal(tls_client_standing(&facts, revoking, time(NULL)), TLS_CLIENT_REVOKED);
    pair_done(&pair);
    connect_to(revoking, &user, session, &pair, &facts);
    assert_int_equal(pair.server_result, STREAM_FAILED);
    assert_non_null(strstr(tls_failure(&pair.server), "certificate revoked"));
    pair_done(&pair);
    SSL_SESSION_free(session);
    /* Of somebody who is not revoked: a full handshake, and in. */
    session = session_of(first, &other);
    connect_to(revoking, &other, session, &pair, &facts);
    assert_true(!facts.resumed && facts.client != NULL);
    pair_done(&pair);
    SSL_SESSION_free(session);
    tls_server_free(first);
    tls_server_free(same);
    tls_server_free(revoking);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_handshakes),
        cmocka_unit_test(test_whole_chains),
        cmocka_unit_test(test_an_expired_list_lets_nobody_in),
        cmocka_unit_test(test_broken_lists_are_refused),
        cmocka_unit_test(test_lists_without_a_use_are_refused),
        cmocka_unit_test(test_standing_of_living_connections),
        cmocka_unit_test(test_changed_authorities),
        cmocka_unit_test(test_policies),
        cmocka_unit_test(test_tickets),
    };
    return cmocka_run_group_tests(tests, make_all, free_all);
}
