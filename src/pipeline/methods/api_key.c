/* API keys, in the header of their set or where the route says. */
#include "pipeline/budget.h"
#include "pipeline/method.h"

#include "auth/api_key.h"

#include <stdlib.h>

/* ---- where a request has one ---- */

/* What was sent as a key, and the set that it is asked of. */
struct sent {
    const struct api_keys_settings *set;
    struct slice text;
};

/* Sets may share a place: then the form tells whose key it is, and one of neither is of the last. */
static const struct api_keys_settings *set_of_key(const struct credential *credential)
{
    const struct auth_place *place = credential->place;
    const struct api_keys_settings *found = NULL;
    for (size_t i = 0; i < place->names.count; i++) {
        const struct api_keys_settings *set = place->settings[i];
        if (set != NULL && (found == NULL || !api_key_is_formed(credential->text, found->prefix))) {
            found = set;
        }
    }
    return found;
}

static enum deny_reason find_key(struct exchange *exchange, const struct auth_use *use, struct sent *out)
{
    struct credential credential;
    enum deny_reason reason = method_find(exchange, use, &credential);
    *out = (struct sent){ .set = NULL };
    if (reason != DENY_NONE || credential.place == NULL) {
        return reason;
    }
    *out = (struct sent){ set_of_key(&credential), credential.text };
    return out->set != NULL ? DENY_NONE : DENY_INTERNAL;
}

/* ---- what it proves ---- */

struct use_work {
    uv_work_t work;
    struct worker *worker;
    struct api_key_use *use;
};

static void run_use(uv_work_t *work)
{
    api_key_use_run(((struct use_work *)work->data)->use);
}

static void on_use_done(uv_work_t *work, int status)
{
    (void)status; /* never cancelled */
    struct use_work *use = work->data;
    net_loop_woken(&use->worker->loop);
    api_key_use_done(use->worker->api_keys, use->use);
    free(use);
}

/* Once a minute for each key: nothing that a request waits for. */
static void note_use(struct worker *worker, struct api_key *key, int64_t now)
{
    struct api_key_use *due = api_key_use_due(worker->api_keys, key, now, worker->loop.now);
    struct use_work *use = due != NULL ? malloc(sizeof *use) : NULL;
    if (use != NULL) {
        *use = (struct use_work){ .work = { .data = use }, .worker = worker, .use = due };
    }
    if (due != NULL &&
        (use == NULL || uv_queue_work(&worker->loop.uv, &use->work, run_use, on_use_done) != 0)) {
        api_key_use_done(worker->api_keys, due);
        free(use);
    }
}

static int64_t seconds_now(const struct exchange *exchange)
{
    return exchange->started_real / NS_PER_S;
}

static void take_key(struct exchange *exchange, struct api_key *key, bool cached,
                     struct principal *ret_principal)
{
    struct worker *worker = exchange->worker;
    api_key_principal(key, ret_principal);
    if (exchange->judges != NULL) {
        return; /* nobody was let in by it */
    }
    metrics_add(worker->metrics, cached ? METRIC_API_KEY_CACHE_HITS : METRIC_API_KEY_CACHE_MISSES, 1);
    note_use(worker, key, seconds_now(exchange));
    if (worker->api_key_used != NULL) {
        worker->api_key_used(worker, key);
    }
}

static void run_job(uv_work_t *work)
{
    struct exchange *exchange = work->data;
    api_key_job_run(exchange->key_job);
}

/* False: *ret_reason says why. */
static bool finish(struct exchange *exchange, struct principal *ret_principal, enum deny_reason *ret_reason)
{
    struct api_key *key = NULL;
    struct api_key_detail detail;
    enum api_key_outcome outcome =
        api_key_finish(exchange->worker->api_keys, exchange->key_job, seconds_now(exchange),
                       exchange->worker->loop.now, &key, &detail);
    exchange->key_job = NULL;
    if (outcome != API_KEY_VALID) {
        *ret_reason = detail.reason;
        return false;
    }
    take_key(exchange, key, false, ret_principal);
    return true;
}

static void on_answer(void *context)
{
    struct exchange *exchange = context;
    struct principal principal;
    enum deny_reason reason = DENY_NONE;
    if (finish(exchange, &principal, &reason)) {
        authenticate_resume(exchange, PROOF_VALID, &principal);
    } else if (exchange->state == EXCHANGE_WAITING) { /* else it was answered meanwhile */
        authenticate_resume(exchange, proof_wrong(exchange, reason, SLICE_NONE), NULL);
    }
    exchange_pending_done(exchange);
}

static void on_job_done(uv_work_t *work, int status)
{
    (void)status; /* never cancelled */
    struct exchange *exchange = work->data;
    net_loop_woken(&exchange->worker->loop);
    on_answer(exchange);
}

/* False: the job is done already. */
static bool send_job(struct exchange *exchange)
{
    struct net_loop *loop = &exchange->worker->loop;
    if (api_key_job_is_remote(exchange->key_job)) {
        return api_key_job_ask(exchange->key_job, loop, on_answer, exchange);
    }
    exchange->work.data = exchange;
    if (uv_queue_work(&loop->uv, &exchange->work, run_job, on_job_done) == 0) {
        return true;
    }
    api_key_job_run(exchange->key_job);
    return false;
}

/* A key that is not known is looked up in the pool, or by the thread of its database: a store may be slow, and nobody else shall
 * wait for it. */
static enum proof start_job(struct exchange *exchange, struct principal *ret_principal)
{
    exchange_hold(exchange);
    if (!send_job(exchange)) {
        exchange_pending_done(exchange);
        enum deny_reason reason = DENY_NONE;
        return finish(exchange, ret_principal, &reason) ? PROOF_VALID
                                                        : proof_wrong(exchange, reason, SLICE_NONE);
    }
    return PROOF_WAITING;
}

static enum proof prove(struct exchange *exchange, const struct auth_use *use,
                        struct principal *ret_principal)
{
    struct sent sent;
    enum deny_reason reason = find_key(exchange, use, &sent);
    if (reason != DENY_NONE) {
        return proof_wrong(exchange, reason, SLICE_NONE);
    }
    if (sent.set == NULL) {
        return PROOF_ABSENT;
    }
    const struct api_key_request request = {
        .set_name = sent.set->name,
        .text = sent.text,
        .now = seconds_now(exchange),
        .now_ns = exchange->worker->loop.now,
        .gate = budget_gate(exchange),
    };
    struct api_key *key = NULL;
    struct api_key_detail detail;
    switch (api_key_check(exchange->worker->api_keys, &request, &key, &detail, &exchange->key_job)) {
    case API_KEY_VALID:
        take_key(exchange, key, detail.cached, ret_principal);
        return PROOF_VALID;
    case API_KEY_SLOW:
        return start_job(exchange, ret_principal);
    case API_KEY_DENIED:
        return proof_wrong(exchange, detail.reason, SLICE_NONE);
    }
    return proof_wrong(exchange, DENY_INTERNAL, SLICE_NONE);
}

/* No scheme is registered for keys in a header; RFC 9110 section 15.5.2 demands a challenge all the same. */
static bool challenge(struct buffer *out, const struct exchange *exchange)
{
    return credential_put_challenge(out, SLICE("ApiKey"), exchange_policy(exchange)->auth->realm);
}

const struct method method_api_key = {
    .prove = prove,
    .challenge = challenge,
};
