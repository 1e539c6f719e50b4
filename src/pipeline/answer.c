#include "pipeline/answer.h"

#include "auth/credential.h"
#include "pipeline/external.h"
#include "pipeline/method.h"
#include "pipeline/methods/dpop.h"
#include "pipeline/stage.h"
#include "json/writer.h"

#define PROBLEM_MAX   1024
#define CHALLENGE_MAX 8192

/* The body of a denial: what the caller is told, and the id by which the operator finds the rest. */
static struct slice problem_body(struct exchange *exchange, const struct deny_info *info, unsigned int status)
{
    struct buffer out;
    struct json_writer json;
    buffer_init(&out, PROBLEM_MAX);
    json_writer_init(&json, &out);
    json_object_begin(&json);
    json_member_string(&json, SLICE("type"), SLICE("about:blank"));
    json_member_string(&json, SLICE("title"), slice_from_string(info->title));
    json_member_integer(&json, SLICE("status"), status);
    json_member_string(&json, SLICE("code"), slice_from_string(info->public_code));
    json_member_string(&json, SLICE("request_id"), exchange->request_id);
    json_object_end(&json);
    struct slice body = json.failed ? SLICE_NONE : arena_copy(&exchange->arena, buffer_slice(&out));
    buffer_done(&out);
    return body;
}

static bool is_about_proof(enum deny_reason reason)
{
    return reason >= DENY_DPOP_MISSING && reason <= DENY_DPOP_NONCE;
}

static bool is_by_token(const struct principal *principal)
{
    return principal->kind == PRINCIPAL_JWT || principal->kind == PRINCIPAL_INTROSPECTION;
}

/* What RFC 6750 section 3.1 and RFC 9470 section 3 say of each denial of a token, and RFC 9449 section 7.1 of a proof. */
static bool challenge_of(const struct exchange *exchange, struct challenge *out)
{
    const struct deny_info *info = &deny_infos[exchange->reason];
    if (exchange->reason == DENY_SCOPE_MISSING && is_by_token(&exchange->principal)) {
        out->error = SLICE("insufficient_scope");
        out->scope = exchange->route->scope_text;
        return true;
    }
    if (exchange->reason == DENY_CREDENTIAL_MALFORMED || exchange->reason == DENY_CREDENTIAL_REPEATED) {
        out->error = SLICE("invalid_request");
        return true;
    }
    if (is_about_proof(exchange->reason)) {
        out->error = slice_from_string(info->public_code);
        out->description = slice_from_string(info->title);
        return true;
    }
    if (exchange->reason == DENY_AUTHENTICATION_WEAK) {
        out->error = SLICE("insufficient_user_authentication");
        out->description = SLICE("Another login is required");
        out->acr_values = exchange->route->acr_text;
        out->max_age = exchange->route->max_age_text;
        return true;
    }
    if (info->status == 401) {
        out->error = SLICE("invalid_token");
        out->description = SLICE("The access token is not acceptable");
        return true;
    }
    return false;
}

static void ask_for(struct exchange *exchange, const struct method *method)
{
    struct buffer out;
    buffer_init(&out, CHALLENGE_MAX);
    if (method->challenge != NULL && method->challenge(&out, exchange)) {
        stage_add_header(exchange, HEADER_WWW_AUTHENTICATE, arena_copy(&exchange->arena, buffer_slice(&out)));
    }
    buffer_done(&out);
}

/* No credential was sent: one challenge for each method that has one, without an `error`. */
static void ask_for_credentials(struct exchange *exchange, const struct auth_settings *auth)
{
    for (size_t i = 0; i < auth->plan->use_count; i++) {
        enum auth_method method = auth->plan->uses[i].method;
        bool is_token = method == AUTH_JWT || method == AUTH_INTROSPECTION;
        /* One Bearer token is asked for once, whoever is to look at it. */
        bool is_repeated = method == AUTH_INTROSPECTION && auth_plan_uses(auth->plan, AUTH_JWT);
        if (!is_repeated && (!is_token || dpop_leaves_bearer(exchange))) {
            ask_for(exchange, methods[method]);
        }
    }
    if (dpop_is_used(exchange)) {
        dpop_ask(exchange, &(struct challenge){ .realm = auth->realm,
                                                .resource_metadata = exchange->route->resource_metadata });
    }
}

/* Whose credential was not acceptable: NULL where it was a token's, or none was. */
static const struct method *method_of(enum deny_reason reason)
{
    switch (reason) {
    case DENY_API_KEY_MALFORMED:
    case DENY_API_KEY_UNKNOWN:
    case DENY_API_KEY_REVOKED:
    case DENY_API_KEY_EXPIRED:
    case DENY_API_KEY_BLOCKED:
        return &method_api_key;
    case DENY_BASIC_WRONG:
    case DENY_BASIC_ENDED:
        return &method_basic;
    default:
        return NULL;
    }
}

static void add_challenge(struct exchange *exchange)
{
    const struct auth_settings *auth = exchange->route != NULL ? exchange_policy(exchange)->auth : NULL;
    if (auth == NULL) {
        return;
    }
    struct challenge challenge = { .realm = auth->realm,
                                   .resource_metadata = exchange->route->resource_metadata };
    if (exchange->reason == DENY_CREDENTIAL_MISSING && auth->plan != NULL) {
        ask_for_credentials(exchange, auth);
        return;
    }
    if (exchange->reason == DENY_AUTHORIZER_UNAUTHENTICATED) {
        if (!external_challenges(exchange)) {
            ask_for(exchange, &method_external);
        }
        return;
    }
    const struct method *method = method_of(exchange->reason);
    if (method != NULL) {
        ask_for(exchange, method);
        return;
    }
    if (!challenge_of(exchange, &challenge)) {
        return;
    }
    if (exchange->dpop != NULL) {
        dpop_ask(exchange, &challenge);
        return;
    }
    struct buffer out;
    buffer_init(&out, CHALLENGE_MAX);
    if (credential_challenge(&out, &challenge)) {
        stage_add_header(exchange, HEADER_WWW_AUTHENTICATE, arena_copy(&exchange->arena, buffer_slice(&out)));
    }
    buffer_done(&out);
    /* A token that came without the proof it is bound to, or that had to be bound: how it should come. */
    if ((exchange->reason == DENY_TOKEN_BOUND || exchange->reason == DENY_TOKEN_UNBOUND) &&
        dpop_is_used(exchange)) {
        dpop_ask(exchange, &(struct challenge){ .realm = auth->realm });
    }
}

static void add_retry_after(struct exchange *exchange, const struct deny_info *info)
{
    if (info->status != 429 && info->status != 503) {
        return;
    }
    int64_t seconds = (exchange->retry_after + NS_PER_S - 1) / NS_PER_S;
    stage_add_header(exchange, HEADER_RETRY_AFTER,
                     arena_printf(&exchange->arena, "%lld", (long long)(seconds > 0 ? seconds : 1)));
}

/* Trailers-Only: a call's denial is one head that ends the stream, and its status is not HTTP's. Titles and codes are printable
 * ASCII without '%' (the unit test holds them to it), so that they are their own percent-encoding. */
static void answer_grpc(struct exchange *exchange, const struct deny_info *info)
{
    struct headers *headers = &exchange->response.headers;
    stage_add_header(exchange, HEADER_CONTENT_TYPE, SLICE("application/grpc"));
    stage_add_header(exchange, HEADER_CACHE_CONTROL, SLICE("no-store"));
    struct slice status = arena_printf(&exchange->arena, "%u", info->grpc);
    struct slice message = arena_printf(&exchange->arena, "%s (%s)", info->title, info->public_code);
    /* Without a status the client takes the call as failed (UNKNOWN), never as done. */
    if (status.ptr != NULL && message.ptr != NULL) {
        headers_add(headers, HEADER_OTHER, SLICE("grpc-status"), status);
        headers_add(headers, HEADER_OTHER, SLICE("grpc-message"), message);
        exchange->grpc_status = (int32_t)info->grpc;
    }
    add_challenge(exchange);
    add_retry_after(exchange, info);
    exchange_answer(exchange, 200, SLICE_NONE);
}

/* It says the status itself. Other denials may follow its yes. */
static bool is_by_authorizer(enum deny_reason reason)
{
    return reason == DENY_AUTHORIZER_REDIRECT || reason == DENY_AUTHORIZER_DENIED;
}

void answer_denial(struct exchange *exchange)
{
    const struct deny_info *info = &deny_infos[exchange->reason];
    exchange->response.headers.count = 0;
    if (exchange->is_grpc) {
        answer_grpc(exchange, info);
        return;
    }
    stage_add_header(exchange, HEADER_CONTENT_TYPE, SLICE("application/problem+json"));
    stage_add_header(exchange, HEADER_CACHE_CONTROL, SLICE("no-store"));
    add_challenge(exchange);
    add_retry_after(exchange, info);
    if (exchange->reason == DENY_WEBSOCKET_VERSION) {
        headers_add(&exchange->response.headers, HEADER_OTHER, SLICE("sec-websocket-version"), SLICE("13"));
    }
    if (exchange->reason == DENY_METHOD_NOT_ALLOWED) {
        stage_add_header(exchange, HEADER_ALLOW, exchange->match.allow);
    }
    unsigned int told = exchange->external.told_status;
    unsigned int status = told != 0 && is_by_authorizer(exchange->reason) ? told : info->status;
    exchange_answer(exchange, status, problem_body(exchange, info, status));
}
