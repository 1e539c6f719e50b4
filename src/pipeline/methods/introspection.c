/* Tokens that an authorization server is asked about (RFC 6750, RFC 7662): alone, or with the proof that they are bound to (RFC 9449). */
#include "pipeline/budget.h"
#include "pipeline/methods/token.h"

/* A route has one endpoint: a token does not say whose it is. */
static const struct introspection_settings *settings_used(const struct exchange *exchange)
{
    const struct auth_plan *plan = exchange_auth(exchange)->plan;
    for (size_t i = 0; i < plan->use_count; i++) {
        if (plan->uses[i].method == AUTH_INTROSPECTION) {
            return plan->uses[i].sources[0].settings;
        }
    }
    return NULL;
}

static struct introspection_moment moment_of(const struct exchange *exchange)
{
    return (struct introspection_moment){
        .now = exchange->started_real / NS_PER_S,
        .client_thumbprint = token_client_thumbprint(exchange),
        .proof_key = token_proof_key(exchange),
    };
}

/* The detail: which endpoint. */
static enum proof refuse(struct exchange *exchange, const struct introspection_settings *settings,
                         enum deny_reason reason)
{
    return proof_wrong(exchange, reason, settings->name);
}

static void resume(struct exchange *exchange, struct jwt_token *token, enum deny_reason reason)
{
    const struct introspection_settings *settings = settings_used(exchange);
    struct principal principal;
    if (token != NULL) {
        const struct introspection_moment moment = moment_of(exchange);
        reason = introspection_check(&token->claims, settings, &moment);
    }
    if (token != NULL && reason == DENY_NONE) {
        introspection_principal(token, &principal);
        enum proof proof = token_confirm(exchange, &principal);
        if (proof != PROOF_WAITING) {
            authenticate_resume(exchange, proof, &principal);
        }
        return;
    }
    jwt_token_unref(token);
    authenticate_resume(exchange, refuse(exchange, settings, reason), NULL);
}

static void on_done(struct introspection_wait *wait, struct jwt_token *token,
                    const struct introspection_detail *detail)
{
    struct exchange *exchange =
        (struct exchange *)((char *)wait - offsetof(struct exchange, introspection_wait));
    metrics_add(exchange->worker->metrics,
                detail->stale ? METRIC_INTROSPECTION_STALE : METRIC_INTROSPECTION_CACHE_MISSES, 1);
    if (exchange->state == EXCHANGE_WAITING) {
        resume(exchange, token, detail->reason);
    } else { /* it was answered meanwhile, or its client is gone */
        jwt_token_unref(token);
    }
    exchange_pending_done(exchange);
}

static enum proof check(struct exchange *exchange, const struct introspection_settings *settings,
                        struct principal *ret_principal)
{
    const struct introspection_request request = {
        .settings = settings,
        .token = exchange->token,
        .now_ns = exchange->worker->loop.now,
        .moment = moment_of(exchange),
        .gate = budget_gate(exchange),
    };
    struct jwt_token *token = NULL;
    struct introspection_detail detail;
    exchange->introspection_wait.done = on_done;
    enum introspection_outcome outcome = introspector_check(exchange->worker->introspector, &request, &token,
                                                            &detail, &exchange->introspection_wait);
    if (outcome == INTROSPECTION_WAITING) {
        exchange_hold(exchange);
        return PROOF_WAITING;
    }
    if (detail.cached) {
        metrics_add(exchange->worker->metrics, METRIC_INTROSPECTION_CACHE_HITS, 1);
    }
    if (outcome == INTROSPECTION_DENIED) {
        return refuse(exchange, settings, detail.reason);
    }
    introspection_principal(token, ret_principal);
    return token_confirm(exchange, ret_principal);
}

static enum proof prove(struct exchange *exchange, const struct auth_use *use,
                        struct principal *ret_principal)
{
    struct credential credential;
    enum proof found = token_find(exchange, use, &credential);
    if (found != PROOF_VALID) {
        return found;
    }
    const struct introspection_settings *settings = use->sources[0].settings;
    if (settings == NULL) {
        return proof_wrong(exchange, DENY_INTERNAL, SLICE_NONE);
    }
    exchange->token = credential.text;
    return check(exchange, settings, ret_principal);
}

const struct method method_introspection = {
    .prove = prove,
    .challenge = token_challenge,
};
