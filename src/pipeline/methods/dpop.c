#include "pipeline/methods/dpop.h"

#include "pipeline/stage.h"

#define CHALLENGE_MAX 8192

static const struct dpop_settings *settings_of(const struct exchange *exchange)
{
    return exchange->snapshot->snapshot->settings->dpop;
}

/* ---- who takes bound tokens ---- */

/* 1 << enum dpop_mode of one that a method of tokens goes by; 0: of another method. */
static unsigned int mode_of(enum auth_method method, const void *settings)
{
    switch (method) {
    case AUTH_JWT:
        return 1U << ((const struct issuer_settings *)settings)->dpop;
    case AUTH_INTROSPECTION:
        return 1U << ((const struct introspection_settings *)settings)->dpop;
    default:
        return 0;
    }
}

/* Is the mode of one whose tokens the route takes among these bits? */
static bool has_mode(const struct exchange *exchange, unsigned int modes)
{
    const struct auth_plan *plan = exchange_auth(exchange)->plan;
    for (size_t i = 0; plan != NULL && i < plan->use_count; i++) {
        const struct auth_use *use = &plan->uses[i];
        for (size_t k = 0; k < use->names.count; k++) {
            if ((mode_of(use->method, use->sources[k].settings) & modes) != 0) {
                return true;
            }
        }
    }
    return false;
}

bool dpop_is_used(const struct exchange *exchange)
{
    return settings_of(exchange) != NULL && has_mode(exchange, 1U << DPOP_ALLOWED | 1U << DPOP_REQUIRED);
}

bool dpop_leaves_bearer(const struct exchange *exchange)
{
    return has_mode(exchange, 1U << DPOP_OFF | 1U << DPOP_ALLOWED);
}

/* ---- the proof ---- */

static enum deny_reason find_proof(const struct exchange *exchange, struct slice *ret_proof)
{
    size_t count = headers_count(&exchange->input.headers, HEADER_DPOP);
    if (count != 1) {
        return count == 0 ? DENY_DPOP_MISSING : DENY_DPOP_REPEATED;
    }
    *ret_proof = headers_find(&exchange->input.headers, HEADER_DPOP)->value;
    return DENY_NONE;
}

enum deny_reason dpop_begin(struct exchange *exchange, struct slice token)
{
    const struct dpop_settings *settings = settings_of(exchange);
    struct worker *worker = exchange->worker;
    exchange->dpop = arena_calloc(&exchange->arena, 1, sizeof *exchange->dpop);
    if (exchange->dpop == NULL || settings == NULL) {
        return DENY_INTERNAL;
    }
    struct dpop_request request = {
        .settings = settings,
        .token = token,
        .method = exchange->input.method_text,
        .target = { .origins = settings->targets,
                    .origin_count = settings->origins.count,
                    .host = exchange->request.host,
                    .port = exchange->request.port,
                    .path = exchange->request.path,
                    .path_allows = (unsigned int)exchange_policy(exchange)->path_allows },
        .now_s = clock_real_ns() / NS_PER_S,
        .now = clock_monotonic_ns(),
        .since = once_since(worker->once),
    };
    enum deny_reason reason = find_proof(exchange, &request.proof);
    if (reason == DENY_NONE) {
        reason = dpop_read(worker->dpop, &request, &exchange->dpop->proof);
    }
    exchange->dpop->renews_nonce = reason == DENY_DPOP_NONCE || exchange->dpop->proof.nonce_is_old;
    return reason;
}

/* A candidate uses up nothing: what is enforced may need the proof itself. And a request has one, so what that has found of it holds. */
static enum deny_reason used_up(const struct exchange *enforced)
{
    bool is_found = enforced->reason == DENY_DPOP_REPLAYED || enforced->reason == DENY_DPOP_FULL;
    return is_found ? enforced->reason : DENY_NONE;
}

/* The last step of all: nobody without a good token and its key gets anything remembered. */
static enum deny_reason use_up(struct exchange *exchange)
{
    const struct dpop_proof *proof = &exchange->dpop->proof;
    int64_t now = clock_monotonic_ns();
    if (now >= proof->until) {
        return DENY_DPOP_TIME;
    }
    if (exchange->judges != NULL) {
        return used_up(exchange->judges);
    }
    switch (once_use(exchange->worker->once, proof->id, sizeof proof->id, now, proof->until)) {
    case ONCE_FIRST:
        return DENY_NONE;
    case ONCE_AGAIN:
        return DENY_DPOP_REPLAYED;
    case ONCE_FULL:
        break;
    }
    return DENY_DPOP_FULL;
}

static enum proof finish(struct exchange *exchange, enum deny_reason reason, struct principal *principal)
{
    if (reason == DENY_NONE) {
        reason = use_up(exchange);
    }
    if (reason == DENY_NONE) {
        return PROOF_VALID;
    }
    principal_release(principal);
    return proof_wrong(exchange, reason, SLICE_NONE);
}

static void run_job(uv_work_t *work)
{
    struct exchange *exchange = work->data;
    dpop_job_run(exchange->dpop->job);
}

static void on_job_done(uv_work_t *work, int status)
{
    (void)status; /* never cancelled */
    struct exchange *exchange = work->data;
    struct dpop_state *dpop = exchange->dpop;
    net_loop_woken(&exchange->worker->loop);
    enum deny_reason reason = dpop_job_finish(dpop->job);
    dpop->job = NULL;
    if (exchange->state == EXCHANGE_WAITING) {
        enum proof proof = finish(exchange, reason, &dpop->caller);
        authenticate_resume(exchange, proof, &dpop->caller);
    } else { /* it was answered meanwhile, with a reason of its own */
        principal_release(&dpop->caller);
    }
    exchange_pending_done(exchange);
}

static enum proof start_job(struct exchange *exchange, struct principal *principal)
{
    struct dpop_state *dpop = exchange->dpop;
    exchange->work.data = exchange;
    exchange_hold(exchange);
    if (uv_queue_work(&exchange->worker->loop.uv, &exchange->work, run_job, on_job_done) != 0) {
        exchange_pending_done(exchange);
        dpop_job_run(dpop->job);
        enum deny_reason reason = dpop_job_finish(dpop->job);
        dpop->job = NULL;
        return finish(exchange, reason, principal);
    }
    dpop->caller = *principal;
    return PROOF_WAITING;
}

enum proof dpop_confirm(struct exchange *exchange, struct principal *principal)
{
    struct dpop_state *dpop = exchange->dpop;
    enum deny_reason reason = DENY_NONE;
    switch (dpop_verify(exchange->worker->dpop, &dpop->proof, &reason, &dpop->job)) {
    case DPOP_VALID:
        return finish(exchange, DENY_NONE, principal);
    case DPOP_SLOW:
        return start_job(exchange, principal);
    case DPOP_DENIED:
        break;
    }
    return finish(exchange, reason, principal);
}

/* ---- what is told ---- */

void dpop_ask(struct exchange *exchange, const struct challenge *challenge)
{
    char algs[DPOP_ALGS_MAX];
    struct buffer out;
    buffer_init(&out, CHALLENGE_MAX);
    if (settings_of(exchange) != NULL &&
        credential_dpop_challenge(&out, challenge, dpop_algs(settings_of(exchange), algs))) {
        stage_add_header(exchange, HEADER_WWW_AUTHENTICATE, arena_copy(&exchange->arena, buffer_slice(&out)));
    }
    buffer_done(&out);
}

/* There is one nonce at most (RFC 9449 section 8.1): what a service says in its own name does not count here. */
static void drop_nonces(struct headers *headers)
{
    size_t kept = 0;
    for (size_t i = 0; i < headers->count; i++) {
        if (!slice_equal_nocase(headers->items[i].name, SLICE("dpop-nonce"))) {
            headers->items[kept++] = headers->items[i];
        }
    }
    headers->count = kept;
}

void dpop_tell_nonce(struct exchange *exchange)
{
    if (exchange->dpop == NULL || !exchange->dpop->renews_nonce) {
        return;
    }
    struct slice nonce = arena_copy(
        &exchange->arena, dpop_nonce(exchange->worker->dpop, settings_of(exchange), clock_monotonic_ns()));
    drop_nonces(&exchange->response.headers);
    if (!slice_is_empty(nonce)) {
        headers_add(&exchange->response.headers, HEADER_OTHER, SLICE("dpop-nonce"), nonce);
    }
}
