/* The client certificate of the connection, which the handshake has verified and `admit` looked at again. */
#include "pipeline/method.h"

#include "auth/client_certificate.h"

/* As "by: caller" tells callers apart: by the type of name, since types never mix; whoever let the name in. */
static const struct slice issuers[CERTIFICATE_IDENTITY_COUNT] = {
    [CERTIFICATE_SPIFFE] = SLICE_INIT("client_certificate:spiffe"),
    [CERTIFICATE_DNS] = SLICE_INIT("client_certificate:dns"),
    [CERTIFICATE_URI] = SLICE_INIT("client_certificate:uri"),
    [CERTIFICATE_EMAIL] = SLICE_INIT("client_certificate:email"),
    [CERTIFICATE_SUBJECT] = SLICE_INIT("client_certificate:subject"),
    [CERTIFICATE_FINGERPRINT] = SLICE_INIT("client_certificate:fingerprint"),
};

/* The name is copied: the connection's memory may go before the exchange, which writes it to the log. */
static enum proof take_name(struct exchange *exchange, const struct client_certificate_settings *settings,
                            struct slice id, struct principal *ret_principal)
{
    struct slice subject = arena_copy(&exchange->arena, id);
    if (subject.ptr == NULL) {
        return proof_wrong(exchange, DENY_INTERNAL, SLICE_NONE);
    }
    *ret_principal = (struct principal){
        .kind = PRINCIPAL_CERTIFICATE,
        .issuer_name = settings->name,
        .issuer = issuers[settings->identity],
        .subject = subject,
        .scopes = settings->scopes.items,
        .scope_count = settings->scopes.count,
        .expires = exchange->stream->connection->tls.client->not_after,
    };
    return PROOF_VALID;
}

static enum proof prove(struct exchange *exchange, const struct auth_use *use,
                        struct principal *ret_principal)
{
    const struct http_connection_facts *facts = exchange->stream->connection;
    if (!facts->is_tls || facts->tls.client == NULL) {
        return PROOF_ABSENT;
    }
    enum certificate_outcome outcome = CERTIFICATE_NAMELESS;
    for (size_t i = 0; i < use->names.count; i++) {
        const struct client_certificate_settings *settings = use->sources[i].settings;
        struct slice id;
        if (settings == NULL) {
            continue;
        }
        enum certificate_outcome one = client_certificate_identify(settings, facts->tls.client, &id);
        if (one == CERTIFICATE_IDENTIFIED) {
            return take_name(exchange, settings, id, ret_principal);
        }
        outcome = one > outcome ? one : outcome; /* the one that came closest */
    }
    struct slice why = slice_from_string(client_certificate_outcome_text(outcome));
    if (outcome == CERTIFICATE_AMBIGUOUS) {
        return proof_wrong(exchange, DENY_CERTIFICATE_IDENTITY, why);
    }
    exchange->nobody = why;
    return PROOF_NOBODY;
}

const struct method method_certificate = {
    .prove = prove,
};
