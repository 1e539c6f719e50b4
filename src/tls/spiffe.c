/* Servers that are known by their SPIFFE ID (X509-SVID section 5): one URI in the certificate, never a DNS name, never a common
 * name. It comes on top of the chain, which is verified as always. */
#include "tls/client_name.h"
#include "tls/internal.h"

#include <pthread.h>
#include <stdlib.h>

#define EXPECTED_MAX (1024 * 1024) /* bytes of all IDs of one service */

/* Belongs to the context that verifies by it, since streams outlive the client that made them. */
struct expected {
    struct arena arena;
    struct conf_strings ids;
    struct slice trust_domain; /* instead of `ids`; else empty */
};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static int place = -1; /* of ours among a context's extra data */

static void expected_free(void *expected)
{
    arena_done(&((struct expected *)expected)->arena);
    free(expected);
}

static void on_context_freed(void *parent, void *expected, CRYPTO_EX_DATA *data, int index, long number,
                             void *argument)
{
    (void)parent;
    (void)data;
    (void)index;
    (void)number;
    (void)argument;
    if (expected != NULL) {
        expected_free(expected);
    }
}

static void take_place(void)
{
    place = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, on_context_freed);
}

static bool is_expected(const struct expected *expected, struct slice id)
{
    struct slice domain;
    if (expected->trust_domain.len > 0) {
        return client_name_spiffe(id, &domain) && slice_equal(domain, expected->trust_domain);
    }
    return id.len > 0 && conf_strings_contain(&expected->ids, id);
}

static void object(struct tls_state *state, const struct expected *expected, struct slice id)
{
    if (id.len == 0) {
        tls_object(state,
                   "certificate verify failed: no SPIFFE ID, which is the only URI among the names of a "
                   "certificate that signs no others");
    } else {
        tls_object(state, "certificate verify failed: %.*s is not %s", SLICE_ARG(id),
                   expected->trust_domain.len > 0 ? "of spiffe_trust_domain" : "one of spiffe_ids");
    }
}

/* Within the handshake, so that nothing is sent to another server. */
static int verify(X509_STORE_CTX *store, void *argument)
{
    const struct expected *expected = argument;
    if (X509_verify_cert(store) != 1) {
        return 0;
    }
    struct tls_client_facts *facts = tls_client_facts_new(X509_STORE_CTX_get0_cert(store));
    struct slice id = facts != NULL ? facts->spiffe_id : SLICE("");
    bool good = is_expected(expected, id);
    if (!good) {
        object(tls_state_of(X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx())),
               expected, id);
        X509_STORE_CTX_set_error(store, X509_V_ERR_APPLICATION_VERIFICATION);
    }
    tls_client_facts_free(facts);
    return good;
}

static bool copy(struct arena *arena, struct slice *text)
{
    *text = arena_copy(arena, *text);
    return text->ptr != NULL;
}

static struct error take_ids(struct expected *expected, const struct conf_strings *ids)
{
    expected->ids.items = arena_calloc(&expected->arena, ids->count + 1, sizeof *ids->items);
    if (expected->ids.items == NULL) {
        return FAIL(ERROR_LIMIT, "`spiffe_ids` holds too many");
    }
    for (size_t i = 0; i < ids->count; i++) {
        struct slice domain;
        struct slice *id = &expected->ids.items[i];
        *id = ids->items[i];
        if (!client_name_spiffe(*id, &domain)) {
            return FAIL(ERROR_VALUE, "`spiffe_ids` holds what is no SPIFFE ID of a workload");
        }
        if (!copy(&expected->arena, id)) {
            return FAIL(ERROR_LIMIT, "`spiffe_ids` holds too many");
        }
    }
    expected->ids.count = ids->count;
    return OK;
}

static struct error take(struct expected *expected, const struct tls_client_settings *settings)
{
    struct slice *domain = &expected->trust_domain;
    *domain = settings->spiffe_trust_domain;
    if (domain->len == 0) {
        return take_ids(expected, &settings->spiffe_ids);
    }
    if (!client_name_trust_domain(*domain)) {
        return FAIL(ERROR_VALUE, "`spiffe_trust_domain` is none");
    }
    return copy(&expected->arena, domain) ? OK : FAIL(ERROR_MEMORY, "out of memory");
}

struct error tls_expect_spiffe(SSL_CTX *context, const struct tls_client_settings *settings)
{
    if (settings->spiffe_ids.count > 0 && settings->spiffe_trust_domain.len > 0) {
        return FAIL(ERROR_VALUE, "`spiffe_ids` and `spiffe_trust_domain` are both given: keep one");
    }
    /* Anybody can have a certificate of the system's CAs, and some of them put in any URI. */
    if (settings->ca.len == 0 && settings->ca_pem.len == 0) {
        return FAIL(ERROR_VALUE,
                    "`ca` is missing, as in \"ca: mesh-ca.crt\": whose certificates say which SPIFFE ID a "
                    "server has");
    }
    pthread_once(&once, take_place);
    struct expected *expected = calloc(1, sizeof *expected);
    if (expected == NULL) {
        return FAIL(ERROR_MEMORY, "out of memory");
    }
    arena_init(&expected->arena, EXPECTED_MAX);
    struct error error = take(expected, settings);
    if (!failed(error) && SSL_CTX_set_ex_data(context, place, expected) != 1) {
        error = FAIL(ERROR_MEMORY, "out of memory");
    }
    if (failed(error)) {
        expected_free(expected);
        return error;
    }
    SSL_CTX_set_cert_verify_callback(context, verify, expected);
    return OK;
}
