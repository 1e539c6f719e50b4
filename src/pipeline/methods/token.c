#include "pipeline/methods/token.h"

#include "pipeline/methods/dpop.h"

/* Where a route takes both kinds, what has the shape of a JWT is one: no server is asked about it, and no key is tried on the rest. */
static bool is_for(const struct exchange *exchange, enum auth_method method, struct slice token)
{
    const struct auth_plan *plan = exchange_auth(exchange)->plan;
    return !auth_plan_uses(plan, AUTH_JWT) || !auth_plan_uses(plan, AUTH_INTROSPECTION) ||
           method == (credential_is_jws(token) ? AUTH_JWT : AUTH_INTROSPECTION);
}

enum proof token_find(struct exchange *exchange, const struct auth_use *use,
                      struct credential *ret_credential)
{
    enum deny_reason reason = method_find(exchange, use, ret_credential);
    if (reason == DENY_NONE &&
        (ret_credential->place == NULL || (ret_credential->is_dpop && !dpop_is_used(exchange)))) {
        return PROOF_ABSENT;
    }
    reason = reason == DENY_NONE ? credential_token(ret_credential) : reason;
    if (reason == DENY_NONE && !is_for(exchange, use->method, ret_credential->text)) {
        return PROOF_ABSENT;
    }
    if (reason == DENY_NONE && ret_credential->is_dpop) {
        reason = dpop_begin(exchange, ret_credential->text);
    }
    return reason == DENY_NONE ? PROOF_VALID : proof_wrong(exchange, reason, SLICE_NONE);
}

const unsigned char *token_client_thumbprint(const struct exchange *exchange)
{
    const struct http_connection_facts *facts = exchange->stream->connection;
    return facts->is_tls && facts->tls.client != NULL ? facts->tls.client->thumbprint : NULL;
}

const unsigned char *token_proof_key(const struct exchange *exchange)
{
    return exchange->dpop != NULL ? exchange->dpop->proof.key : NULL;
}

bool token_challenge(struct buffer *out, const struct exchange *exchange)
{
    return credential_challenge(
        out, &(struct challenge){ .realm = exchange_policy(exchange)->auth->realm,
                                  .resource_metadata = exchange->route->resource_metadata });
}

enum proof token_confirm(struct exchange *exchange, struct principal *principal)
{
    return exchange->dpop != NULL ? dpop_confirm(exchange, principal) : PROOF_VALID;
}
