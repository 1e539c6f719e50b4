/* Tokens that are JWTs (RFC 6750, RFC 9068), of the issuers whose tokens may stand where it was found: alone, or with the proof that they are
 * bound to (RFC 9449). */
#include "pipeline/budget.h"
#include "pipeline/methods/token.h"

static enum proof refuse(struct exchange *exchange)
{
    const struct jwt_detail *detail = &exchange->token_detail;
    if (detail->unknown_kid && exchange->worker->unknown_kid != NULL) {
        exchange->worker->unknown_kid(exchange->worker, detail->issuer_name);
    }
    return proof_wrong(exchange, detail->reason, SLICE_NONE);
}

static void count_token(const struct exchange *exchange, bool cached)
{
    metrics_add(exchange->worker->metrics, cached ? METRIC_TOKEN_CACHE_HITS : METRIC_TOKEN_CACHE_MISSES, 1);
}

static void run_job(uv_work_t *work)
{
    struct exchange *exchange = work->data;
    jwt_job_run(exchange->job);
}

/* False: exchange->token_detail says why. */
static bool finish(struct exchange *exchange, struct principal *ret_principal)
{
    struct jwt_token *token = NULL;
    enum jwt_outcome outcome =
        jwt_finish(exchange->worker->verifier, exchange->job, &token, &exchange->token_detail);
    exchange->job = NULL;
    if (outcome == JWT_VALID) {
        count_token(exchange, false);
        jwt_principal(token, ret_principal);
    }
    return outcome == JWT_VALID;
}

static void on_job_done(uv_work_t *work, int status)
{
    (void)status; /* never cancelled */
    struct exchange *exchange = work->data;
    net_loop_woken(&exchange->worker->loop);
    struct principal principal;
    bool valid = finish(exchange, &principal);
    if (exchange->state == EXCHANGE_WAITING) {
        enum proof proof = valid ? token_confirm(exchange, &principal) : refuse(exchange);
        if (proof != PROOF_WAITING) {
            authenticate_resume(exchange, proof, &principal);
        }
    } else if (valid) { /* it was answered meanwhile, with a reason of its own */
        principal_release(&principal);
    }
    exchange_pending_done(exchange);
}

/* A signature that is slow to verify goes to the pool, so that it holds up nobody else on this loop. */
static enum proof start_job(struct exchange *exchange, struct principal *ret_principal)
{
    exchange->work.data = exchange;
    exchange_hold(exchange);
    if (uv_queue_work(&exchange->worker->loop.uv, &exchange->work, run_job, on_job_done) != 0) {
        exchange_pending_done(exchange);
        jwt_job_run(exchange->job);
        return finish(exchange, ret_principal) ? token_confirm(exchange, ret_principal) : refuse(exchange);
    }
    return PROOF_WAITING;
}

static enum proof verify(struct exchange *exchange, const struct conf_strings *issuers,
                         struct principal *ret_principal)
{
    struct jwt_request request = {
        .token = exchange->token,
        .issuers = issuers,
        .now = exchange->started_real / NS_PER_S,
        .client_thumbprint = token_client_thumbprint(exchange),
        .gate = budget_gate(exchange),
        .proof_key = token_proof_key(exchange),
    };
    struct jwt_token *token = NULL;
    switch (
        jwt_verify(exchange->worker->verifier, &request, &token, &exchange->token_detail, &exchange->job)) {
    case JWT_VALID:
        count_token(exchange, exchange->token_detail.cached);
        jwt_principal(token, ret_principal);
        return token_confirm(exchange, ret_principal);
    case JWT_SLOW:
        return start_job(exchange, ret_principal);
    case JWT_DENIED:
        return refuse(exchange);
    }
    return proof_wrong(exchange, DENY_INTERNAL, SLICE_NONE);
}

static enum proof prove(struct exchange *exchange, const struct auth_use *use,
                        struct principal *ret_principal)
{
    struct credential credential;
    enum proof found = token_find(exchange, use, &credential);
    if (found != PROOF_VALID) {
        return found;
    }
    exchange->token = credential.text;
    return verify(exchange, &credential.place->names, ret_principal);
}

const struct method method_jwt = {
    .prove = prove,
    .challenge = token_challenge,
};
