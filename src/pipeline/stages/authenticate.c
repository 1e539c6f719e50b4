/* Who is calling: tries the route's methods, and judges whether what they proved is enough. */
#include "pipeline/blocks.h"
#include "pipeline/budget.h"
#include "pipeline/candidate.h"
#include "pipeline/external.h"
#include "pipeline/method.h"
#include "pipeline/methods/dpop.h"
#include "pipeline/stage.h"

const struct method *const methods[AUTH_METHOD_COUNT] = {
    [AUTH_JWT] = &method_jwt,           [AUTH_INTROSPECTION] = &method_introspection,
    [AUTH_API_KEY] = &method_api_key,   [AUTH_CERTIFICATE] = &method_certificate,
    [AUTH_EXTERNAL] = &method_external, [AUTH_BASIC] = &method_basic,
};

static const struct auth_plan *plan_of(const struct exchange *exchange)
{
    return exchange_auth(exchange)->plan;
}

/* The first that is proven is the caller. It is so for as long as all of the proofs hold, and no token of a caller one of whose
 * proofs is bound to a key may go on. */
static void take(struct exchange *exchange, const struct auth_use *use, struct principal *principal)
{
    struct principal *caller = &exchange->principal;
    const struct auth_source *source = auth_use_source(use, principal->issuer_name);
    exchange->proven |= source != NULL ? source->ways : 0;
    principal->settings = source != NULL ? source->settings : NULL;
    if (caller->kind == PRINCIPAL_ANONYMOUS) {
        *caller = *principal;
        return;
    }
    caller->expires = principal->expires < caller->expires ? principal->expires : caller->expires;
    caller->bound = caller->bound || principal->bound;
    blocks_note_further(exchange, principal);
    principal_release(principal);
}

/* False: it is blocked, whatever else is proven. */
static bool take_unblocked(struct exchange *exchange, const struct auth_use *use, struct principal *principal)
{
    enum deny_reason reason = blocks_of_principal(exchange, principal);
    take(exchange, use, principal);
    if (reason != DENY_NONE) {
        exchange->reason = reason;
    }
    return reason == DENY_NONE;
}

static bool is_proven(const struct auth_plan *plan, enum auth_method method, uint32_t proven)
{
    for (size_t i = 0; i < plan->way_count; i++) {
        if (plan->ways[i].method == method && (proven & (UINT32_C(1) << i)) != 0) {
            return true;
        }
    }
    return false;
}

static const char *state_of(const struct exchange *exchange, enum auth_method method)
{
    if (is_proven(plan_of(exchange), method, exchange->proven)) {
        return "proven";
    }
    return method == AUTH_CERTIFICATE && exchange->nobody.len > 0 ? "not let in" : "absent";
}

/* For the log, where several methods might have done it. */
static struct slice what_was_proven(struct exchange *exchange)
{
    const struct auth_plan *plan = plan_of(exchange);
    struct slice text = SLICE("");
    for (size_t i = 0; plan->use_count > 1 && i < plan->use_count; i++) {
        enum auth_method method = plan->uses[i].method;
        struct slice row = arena_printf(&exchange->arena, "%s%s: %s", i > 0 ? ", " : "",
                                        auth_method_infos[method].key, state_of(exchange, method));
        text = ARENA_CONCAT(&exchange->arena, text, row);
    }
    return text;
}

enum deny_reason authenticate_missing(const struct exchange *exchange)
{
    const struct auth_plan *plan = plan_of(exchange);
    enum deny_reason reason = DENY_CREDENTIAL_MISSING;
    for (size_t i = 0; i < plan->use_count; i++) {
        enum auth_method method = plan->uses[i].method;
        if (is_proven(plan, method, exchange->proven)) {
            continue;
        }
        if (methods[method]->challenge != NULL) {
            return DENY_CREDENTIAL_MISSING;
        }
        reason = DENY_CLIENT_CERTIFICATE_MISSING;
    }
    return reason;
}

static enum stage_verdict judge(struct exchange *exchange)
{
    if (auth_plan_is_met(plan_of(exchange), exchange->proven)) {
        return STAGE_NEXT;
    }
    bool is_nobody = exchange->nobody.len > 0;
    /* Optional: nothing is anonymous; but a part of what is demanded is not, and neither is who is not let in. */
    if (exchange->proven == 0 && !is_nobody && exchange_auth(exchange)->mode == AUTH_OPTIONAL) {
        return STAGE_NEXT;
    }
    /* Whatever else it sent, it would not be enough: so nothing is asked for. */
    if (is_nobody && auth_plan_needs(plan_of(exchange), AUTH_CERTIFICATE)) {
        return stage_deny(exchange, DENY_CERTIFICATE_IDENTITY, exchange->nobody);
    }
    return stage_deny(exchange, authenticate_missing(exchange), what_was_proven(exchange));
}

enum stage_verdict authenticate_prove(struct exchange *exchange)
{
    const struct auth_plan *plan = plan_of(exchange);
    for (; exchange->proving < plan->use_count; exchange->proving++) {
        const struct auth_use *use = &plan->uses[exchange->proving];
        struct principal principal;
        switch (methods[use->method]->prove(exchange, use, &principal)) {
        case PROOF_ABSENT:
        case PROOF_NOBODY:
            break;
        case PROOF_VALID:
            if (!take_unblocked(exchange, use, &principal)) {
                return STAGE_DENY;
            }
            break;
        case PROOF_WRONG:
            return STAGE_DENY;
        case PROOF_WAITING:
            return STAGE_WAIT;
        }
    }
    return judge(exchange);
}

void authenticate_resume(struct exchange *exchange, enum proof proof, struct principal *principal)
{
    if (exchange->state != EXCHANGE_WAITING) { /* answered meanwhile, or its client is gone */
        if (proof == PROOF_VALID) {
            principal_release(principal);
            budget_settle(exchange, DENY_NONE);
        }
        return;
    }
    enum stage_verdict verdict = STAGE_DENY;
    bool taken = proof != PROOF_VALID ||
                 take_unblocked(exchange, &plan_of(exchange)->uses[exchange->proving], principal);
    if (proof != PROOF_WRONG && taken) {
        exchange->proving++;
        verdict = authenticate_prove(exchange);
    }
    if (verdict == STAGE_WAIT) {
        return;
    }
    budget_settle(exchange, exchange->reason);
    if (exchange->judges != NULL) {
        candidate_decided(exchange);
        return;
    }
    candidate_judge(exchange);
    exchange_resume(exchange, exchange->reason, exchange->detail);
}

static enum stage_verdict authenticate(struct exchange *exchange)
{
    const struct auth_settings *auth = exchange_policy(exchange)->auth;
    if (auth == NULL || (auth->mode != AUTH_NONE && auth->plan == NULL)) {
        return stage_deny(exchange, DENY_INTERNAL, SLICE("the route has no auth"));
    }
    if (auth->mode == AUTH_NONE) {
        return STAGE_NEXT;
    }
    enum stage_verdict verdict = authenticate_prove(exchange);
    if (verdict == STAGE_WAIT) {
        return verdict;
    }
    /* Nothing was verified, and nothing is wrong: the usual case. */
    if (verdict != STAGE_NEXT || exchange->budget != BUDGET_UNTOUCHED) {
        budget_settle(exchange, exchange->reason);
    }
    candidate_judge(exchange);
    return verdict;
}

/* RFC 6750 section 2.3: a cache that is shared would answer by the URL alone, and who has it need not be the same. */
static void keep_private(struct exchange *exchange)
{
    if (exchange->is_private && exchange->reason == DENY_NONE) {
        stage_add_header(exchange, HEADER_CACHE_CONTROL, SLICE("private"));
    }
}

/* Those that `authorize` asks are behind this stage, too. */
static void finish_response(struct exchange *exchange)
{
    keep_private(exchange);
    external_tell_client(exchange);
    dpop_tell_nonce(exchange);
}

static void release(struct exchange *exchange)
{
    principal_release(&exchange->principal);
    external_release(exchange);
}

const struct stage stage_authenticate = {
    .name = "authenticate",
    .on_request = authenticate,
    .on_response = finish_response,
    .done = release,
};
