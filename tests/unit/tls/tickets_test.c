#include "pair.h"
#include "pki.h"

static struct pki ca, other_ca, lax, bank, user;

static int make_all(void **state)
{
    (void)state;
    pki_make(&ca, "Test CA", NULL, NULL, true, 30);
    pki_make(&other_ca, "Other CA", NULL, NULL, true, 30);
    pki_make(&lax, "lax", "DNS:lax.example.com,DNS:too.example.com", &ca, false, 30);
    pki_make(&bank, "bank", "DNS:bank.example.com", &ca, false, 30);
    pki_make(&user, "user", "URI:spiffe://td/user", &ca, false, 30);
    return 0;
}

static int free_all(void **state)
{
    (void)state;
    pki_done(&ca);
    pki_done(&other_ca);
    pki_done(&lax);
    pki_done(&bank);
    pki_done(&user);
    return 0;
}

/* lax: `lax_mode` under `lax_ca`; bank: a certificate is required. */
static struct tls_server *new_server(struct tls_tickets *tickets, int lax_mode, const struct pki *lax_ca)
{
    struct tls_certificate_settings certificates[] = {
        { .cert_pem = pki_cert(&lax),
          .key_pem = pki_key(&lax),
          .client_certificate = lax_mode,
          .client_ca_pem = lax_ca != NULL ? pki_cert(lax_ca) : SLICE_NONE },
        { .cert_pem = pki_cert(&bank),
          .key_pem = pki_key(&bank),
          .client_certificate = TLS_CLIENT_REQUIRED,
          .client_ca_pem = pki_cert(&ca) },
    };
    const struct tls_server_settings settings = { .certificates = { certificates, 2 } };
    struct tls_server *server;
    int index;
    assert_ok(tls_server_new(&settings, tickets, SLICE("\x08http/1.1"), &server, &index));
    return server;
}

/* One connection to `name`, offering `session` (may be NULL); the session that it leaves behind, to be freed. */
static SSL_SESSION *call(struct tls_server *server, int version, const char *name, SSL_SESSION *session,
                         struct tls_facts *facts)
{
    struct pair pair;
    struct tls_state *client;
    char text[16];
    size_t size;
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_max_proto_version(context, version);
    SSL_CTX_use_certificate(context, user.certificate);
    SSL_CTX_use_PrivateKey(context, user.key);
    pair_open(&pair);
    assert_ok(tls_accept(server, &pair.server));
    assert_ok(tls_attach(&pair.client, context, NULL, &client));
    SSL_CTX_free(context);
    SSL_set_connect_state(client->ssl);
    SSL_set_tlsext_host_name(client->ssl, name);
    if (session != NULL) {
        SSL_set_session(client->ssl, session);
    }
    pair_shake(&pair);
    assert_int_equal(pair.server_result, STREAM_OK);
    assert_int_equal(pair_read(&pair.client, text, sizeof text, &size), STREAM_AGAIN); /* takes the tickets */
    pair_exchange(&pair);
    tls_facts_of(&pair.server, facts);
    static const struct tls_client_facts gone; /* with the stream */
    if (facts->client != NULL) {
        assert_slice(facts->client->spiffe_id, "spiffe://td/user"); /* of a resumed session too */
        facts->client = &gone;
    }
    SSL_SESSION *left = SSL_get1_session(client->ssl);
    SSL_set_shutdown(client->ssl,
                     SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN); /* a clean end keeps a session good */
    pair_done(&pair);
    return left;
}

static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };

static bool resumes(struct tls_server *first, const char *first_name, struct tls_server *second,
                    const char *second_name, int version)
{
    struct tls_facts facts;
    SSL_SESSION *session = call(first, version, first_name, NULL, &facts);
    assert_false(facts.resumed);
    SSL_SESSION *next = call(second, version, second_name, session, &facts);
    SSL_SESSION_free(session);
    SSL_SESSION_free(next);
    return facts.resumed;
}

static void test_resumes_within_a_policy(void **state)
{
    (void)state;
    struct tls_tickets *tickets;
    assert_ok(tls_tickets_new(&tickets));
    struct tls_server *server = new_server(tickets, TLS_CLIENT_NONE, NULL);
    struct tls_server *of_other_worker = new_server(tickets, TLS_CLIENT_NONE, NULL);
    for (int i = 0; i < 2; i++) {
        assert_true(resumes(server, "lax.example.com", server, "lax.example.com", versions[i]));
        assert_true(resumes(server, "lax.example.com", of_other_worker, "lax.example.com", versions[i]));
        assert_true(resumes(server, "bank.example.com", server, "bank.example.com", versions[i]));
    }
    struct tls_facts facts;
    SSL_SESSION *session = call(server, TLS1_3_VERSION, "bank.example.com", NULL, &facts);
    SSL_SESSION_free(call(server, TLS1_3_VERSION, "bank.example.com", session, &facts));
    SSL_SESSION_free(session);
    assert_true(facts.resumed && facts.client != NULL); /* its proof goes with the session */
    tls_server_free(server);
    tls_server_free(of_other_worker);
    tls_tickets_free(tickets);
}

/* T23, CVE-2025-23419: a ticket from a host without client certificates must not open one that requires them. */
static void test_never_resumes_across_policies(void **state)
{
    (void)state;
    struct tls_tickets *tickets;
    assert_ok(tls_tickets_new(&tickets));
    struct tls_server *server = new_server(tickets, TLS_CLIENT_NONE, NULL);
    struct tls_server *optional = new_server(tickets, TLS_CLIENT_OPTIONAL, &ca);
    struct tls_server *required = new_server(tickets, TLS_CLIENT_REQUIRED, &ca);
    for (int i = 0; i < 2; i++) {
        assert_false(resumes(server, "lax.example.com", server, "bank.example.com", versions[i]));
        assert_false(resumes(server, "bank.example.com", server, "lax.example.com", versions[i]));
        /* the same host, before and after a reload that changed its policy */
        assert_false(resumes(server, "lax.example.com", optional, "lax.example.com", versions[i]));
        assert_false(resumes(optional, "lax.example.com", required, "lax.example.com", versions[i]));
        /* equal policies, other hosts */
        assert_false(resumes(required, "lax.example.com", required, "bank.example.com", versions[i]));
    }
    tls_server_free(server);
    tls_server_free(optional);
    tls_server_free(required);
    tls_tickets_free(tickets);
}

static void test_never_resumes_under_another_ca(void **state)
{
    (void)state;
    struct tls_tickets *tickets;
    assert_ok(tls_tickets_new(&tickets));
    struct tls_server *before = new_server(tickets, TLS_CLIENT_OPTIONAL, &ca);
    struct tls_server *after = new_server(tickets, TLS_CLIENT_OPTIONAL, &other_ca);
    struct tls_facts facts;
    for (int i = 0; i < 2; i++) {
        SSL_SESSION *session = call(before, versions[i], "lax.example.com", NULL, &facts);
        assert_true(facts.client != NULL);
        struct pair pair;
        struct tls_state *client;
        SSL_CTX *context = SSL_CTX_new(TLS_client_method());
        SSL_CTX_set_max_proto_version(context, versions[i]);
        pair_open(&pair);
        assert_ok(tls_accept(after, &pair.server));
        assert_ok(tls_attach(&pair.client, context, NULL, &client));
        SSL_CTX_free(context);
        SSL_set_connect_state(client->ssl);
        SSL_set_tlsext_host_name(client->ssl, "lax.example.com");
        SSL_set_session(client->ssl, session);
        pair_shake(&pair);
        tls_facts_of(&pair.server, &facts);
        assert_int_equal(pair.server_result, STREAM_OK);
        assert_false(facts.resumed);
        assert_null(facts.client); /* the old proof is gone */
        pair_done(&pair);
        SSL_SESSION_free(session);
    }
    tls_server_free(before);
    tls_server_free(after);
    tls_tickets_free(tickets);
}

static void test_rotation(void **state)
{
    (void)state;
    struct tls_tickets *tickets;
    struct tls_facts facts;
    assert_ok(tls_tickets_new(&tickets));
    struct tls_server *server = new_server(tickets, TLS_CLIENT_NONE, NULL);
    for (int i = 0; i < 2; i++) {
        SSL_SESSION *session = call(server, versions[i], "lax.example.com", NULL, &facts);
        tls_tickets_rotate(tickets);
        SSL_SESSION *renewed = call(server, versions[i], "lax.example.com", session, &facts);
        assert_true(facts.resumed); /* by the previous key, */
        tls_tickets_rotate(tickets);
        SSL_SESSION *last = call(server, versions[i], "lax.example.com", renewed, &facts);
        assert_true(facts.resumed); /* which gave a ticket under the next one */
        SSL_SESSION *late = call(server, versions[i], "lax.example.com", session, &facts);
        assert_false(facts.resumed); /* the first key is gone */
        SSL_SESSION_free(session);
        SSL_SESSION_free(renewed);
        SSL_SESSION_free(last);
        SSL_SESSION_free(late);
    }
    tls_server_free(server);
    tls_tickets_free(tickets);
}

static void test_tickets_of_another_process_are_unknown(void **state)
{
    (void)state;
    struct tls_tickets *here, *there;
    assert_ok(tls_tickets_new(&here));
    assert_ok(tls_tickets_new(&there));
    struct tls_server *server_here = new_server(here, TLS_CLIENT_NONE, NULL);
    struct tls_server *server_there = new_server(there, TLS_CLIENT_NONE, NULL);
    struct tls_server *without = new_server(NULL, TLS_CLIENT_NONE, NULL);
    for (int i = 0; i < 2; i++) {
        assert_false(resumes(server_here, "lax.example.com", server_there, "lax.example.com", versions[i]));
        assert_false(resumes(without, "lax.example.com", without, "lax.example.com", versions[i]));
    }
    tls_server_free(server_here);
    tls_server_free(server_there);
    tls_server_free(without);
    tls_tickets_free(here);
    tls_tickets_free(there);
}

/* From one process to the next, and to the one after it. */
static void test_inherited_tickets_resume_once(void **state)
{
    (void)state;
    struct tls_tickets *tickets[3];
    struct tls_server *servers[3];
    struct tls_facts facts;
    unsigned char key[TLS_TICKET_KEY_SIZE];
    for (int i = 0; i < 3; i++) {
        assert_ok(tls_tickets_new(&tickets[i]));
        servers[i] = new_server(tickets[i], TLS_CLIENT_NONE, NULL);
        if (i > 0) {
            tls_tickets_export(tickets[i - 1], key);
            tls_tickets_inherit(tickets[i], key);
        }
    }
    for (int i = 0; i < 2; i++) {
        SSL_SESSION *session = call(servers[0], versions[i], "lax.example.com", NULL, &facts);
        SSL_SESSION *renewed = call(servers[1], versions[i], "lax.example.com", session, &facts);
        assert_true(facts.resumed);
        SSL_SESSION *late = call(servers[2], versions[i], "lax.example.com", session, &facts);
        assert_false(facts.resumed); /* rotated out twice */
        SSL_SESSION *last = call(servers[2], versions[i], "lax.example.com", renewed, &facts);
        assert_true(facts.resumed);
        SSL_SESSION_free(session);
        SSL_SESSION_free(renewed);
        SSL_SESSION_free(late);
        SSL_SESSION_free(last);
    }
    for (int i = 0; i < 3; i++) {
        tls_server_free(servers[i]);
        tls_tickets_free(tickets[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_resumes_within_a_policy),
        cmocka_unit_test(test_never_resumes_across_policies),
        cmocka_unit_test(test_never_resumes_under_another_ca),
        cmocka_unit_test(test_rotation),
        cmocka_unit_test(test_tickets_of_another_process_are_unknown),
        cmocka_unit_test(test_inherited_tickets_resume_once),
    };
    return cmocka_run_group_tests(tests, make_all, free_all);
}
