/* An external authorizer, which says who is calling. What it proves that by, it knows itself: so it is asked whatever the client
 * has sent, but last, and only where what was proven before is not enough. */
#include "pipeline/method.h"

#include "auth/credential.h"
#include "pipeline/external.h"

static void let_go(void *held)
{
    external_answer_unref(held);
}

/* The principal holds the answer, and its slices are of it. */
static enum proof take(const struct authorizer_settings *settings, struct external_answer *answer,
                       struct principal *ret_principal)
{
    if (answer->subject.len == 0) {
        return PROOF_ABSENT; /* it lets the request pass, and names nobody */
    }
    *ret_principal = (struct principal){
        .kind = PRINCIPAL_EXTERNAL,
        .issuer_name = settings->name,
        .issuer = settings->issuer,
        .subject = answer->subject,
        .roles = answer->roles,
        .role_count = answer->role_count,
        .expires = INT64_MAX,
        .caller_key = answer->caller_key,
        .held = external_answer_ref(answer),
        .release = let_go,
    };
    return PROOF_VALID;
}

static const struct auth_use *use_of(const struct exchange *exchange)
{
    return &exchange_auth(exchange)->plan->uses[exchange->proving];
}

static void resumed(struct exchange *exchange, enum external_verdict verdict)
{
    struct principal principal;
    const struct authorizer_settings *settings = use_of(exchange)->sources[0].settings;
    enum proof proof =
        verdict == EXTERNAL_YES ? take(settings, exchange->external.proved, &principal) : PROOF_WRONG;
    authenticate_resume(exchange, proof, proof == PROOF_VALID ? &principal : NULL);
}

/* Has another method looked at it? Each scheme belongs to one, and what it has looked at was right, or the request is denied. */
static bool is_taken(const struct exchange *exchange, struct slice authorization)
{
    struct slice token = exchange->token;
    bool is_token = token.ptr != NULL && token.ptr >= authorization.ptr &&
                    token.ptr < authorization.ptr + authorization.len;
    bool is_basic =
        authorization.len > 6 && slice_equal_nocase(slice_part(authorization, 0, 6), SLICE("Basic "));
    return is_token || (is_basic && auth_plan_uses(exchange_auth(exchange)->plan, AUTH_BASIC));
}

/* Every credential that is there must be right: an Authorization that no other method has taken is the authorizer's to judge. */
static bool has_open_credential(const struct exchange *exchange, const struct authorizer_settings *settings)
{
    const struct header *field = headers_find(&exchange->input.headers, HEADER_AUTHORIZATION);
    return field != NULL && external_names_hold(&settings->request_headers, field->name) &&
           !is_taken(exchange, field->value);
}

static enum proof prove(struct exchange *exchange, const struct auth_use *use,
                        struct principal *ret_principal)
{
    const struct authorizer_settings *settings = use->sources[0].settings;
    if (settings == NULL) {
        return proof_wrong(exchange, DENY_INTERNAL, SLICE("the route's authorizer does not exist"));
    }
    if (auth_plan_is_met(exchange_auth(exchange)->plan, exchange->proven) &&
        !has_open_credential(exchange, settings)) {
        return PROOF_ABSENT;
    }
    switch (external_consult(exchange, settings, &exchange->external.proved, resumed)) {
    case EXTERNAL_YES:
        return take(settings, exchange->external.proved, ret_principal);
    case EXTERNAL_WAIT:
        return PROOF_WAITING;
    case EXTERNAL_NO:
        break;
    }
    return PROOF_WRONG;
}

/* What would do, only the authorizer knows, and its own challenge goes first. RFC 9110 section 15.5.2 demands one all the same. */
static bool challenge(struct buffer *out, const struct exchange *exchange)
{
    return credential_put_challenge(out, SLICE("External"), exchange_policy(exchange)->auth->realm);
}

const struct method method_external = {
    .prove = prove,
    .challenge = challenge,
};
