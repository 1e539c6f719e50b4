/* Who is calling: finds the route's credential and proves it. */
#include "pipeline/stage.h"

#include "auth/credential.h"

static enum stage_verdict deny_token(struct exchange *exchange)
{
    const struct jwt_detail *detail = &exchange->token_detail;
    if (detail->unknown_kid && exchange->worker->unknown_kid != NULL) {
        exchange->worker->unknown_kid(exchange->worker, detail->issuer_name);
    }
    /* A refusal without a reason must not pass for consent. */
    return stage_deny(exchange, detail->reason != DENY_NONE ? detail->reason : DENY_INTERNAL, SLICE_NONE);
}

static void accept_token(struct exchange *exchange, struct jwt_token *token, struct slice text)
{
    jwt_principal(token, &exchange->principal);
    exchange->token = text;
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

static void finish_job(uv_work_t *work, int status)
{
    (void)status; /* never cancelled */
    struct exchange *exchange = work->data;
    net_loop_woken(&exchange->worker->loop);
    struct jwt_token *token = NULL;
    enum jwt_outcome outcome =
        jwt_finish(exchange->worker->verifier, exchange->job, &token, &exchange->token_detail);
    exchange->job = NULL;
    if (outcome == JWT_VALID) {
        count_token(exchange, false);
        jwt_principal(token, &exchange->principal);
    }
    if (!exchange->cancelled) {
        if (outcome != JWT_VALID) {
            (void)deny_token(exchange);
        }
        exchange_resume(exchange, exchange->reason, exchange->detail);
    }
    exchange_pending_done(exchange);
}

/* A signature that is slow to verify goes to the pool, so that it holds up nobody else on this loop. */
static enum stage_verdict start_job(struct exchange *exchange, struct slice token)
{
    exchange->work.data = exchange;
    exchange->token = token;
    exchange_hold(exchange);
    if (uv_queue_work(&exchange->worker->loop.uv, &exchange->work, run_job, finish_job) != 0) {
        exchange_pending_done(exchange);
        struct jwt_token *verified = NULL;
        jwt_job_run(exchange->job);
        if (jwt_finish(exchange->worker->verifier, exchange->job, &verified, &exchange->token_detail) !=
            JWT_VALID) {
            return deny_token(exchange);
        }
        accept_token(exchange, verified, token);
        return STAGE_NEXT;
    }
    return STAGE_WAIT;
}

static enum stage_verdict verify_bearer(struct exchange *exchange, struct slice text)
{
    const struct http_connection_facts *facts = exchange->stream->connection;
    struct jwt_request request = {
        .token = text,
        .issuers = &exchange_policy(exchange)->auth->jwt,
        .now = exchange->started_real / NS_PER_S,
        .client_thumbprint =
            facts->is_tls && facts->tls.client != NULL ? facts->tls.client->thumbprint : NULL,
    };
    struct jwt_token *token = NULL;
    switch (
        jwt_verify(exchange->worker->verifier, &request, &token, &exchange->token_detail, &exchange->job)) {
    case JWT_VALID:
        count_token(exchange, exchange->token_detail.cached);
        accept_token(exchange, token, text);
        return STAGE_NEXT;
    case JWT_SLOW:
        return start_job(exchange, text);
    case JWT_DENIED:
        return deny_token(exchange);
    }
    return stage_deny(exchange, DENY_INTERNAL, SLICE_NONE);
}

static enum stage_verdict authenticate(struct exchange *exchange)
{
    const struct auth_settings *auth = exchange_policy(exchange)->auth;
    if (auth == NULL) {
        return stage_deny(exchange, DENY_INTERNAL, SLICE("the route has no auth"));
    }
    if (auth->mode == AUTH_NONE) {
        return STAGE_NEXT;
    }
    struct credential credential;
    enum deny_reason reason = credential_find(&exchange->input.headers, &credential);
    if (reason != DENY_NONE) {
        return stage_deny(exchange, reason, SLICE_NONE);
    }
    if (credential.kind == CREDENTIAL_BEARER) {
        return verify_bearer(exchange, credential.token);
    }
    return auth->mode == AUTH_OPTIONAL ? STAGE_NEXT
                                       : stage_deny(exchange, DENY_CREDENTIAL_MISSING, SLICE_NONE);
}

static void release_token(struct exchange *exchange)
{
    if (exchange->principal.token != NULL) {
        jwt_token_unref(exchange->principal.token);
        exchange->principal.token = NULL;
    }
}

const struct stage stage_authenticate = {
    .name = "authenticate",
    .on_request = authenticate,
    .done = release_token,
};
