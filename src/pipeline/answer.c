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

/* ---- what is asked for ---- */

static const struct auth_settings *auth_of(const struct exchange *exchange)
{
    return exchange_policy(exchange)->auth;
}

static struct challenge plain_challenge(const struct exchange *exchange)
{
    return (struct challenge){ .realm = auth_of(exchange)->realm,
                               .resource_metadata = exchange->route->resource_metadata };
}

static struct challenge challenge_with_error(const struct exchange *exchange)
{
    struct challenge challenge = plain_challenge(exchange);
    challenge.error = slice_from_string(deny_infos[exchange->reason].public_code);
    return challenge;
}

/* For the scheme that the token came with. */
static void ask(struct exchange *exchange, const struct challenge *challenge)
{
    if (exchange->dpop != NULL) {
        dpop_ask(exchange, challenge);
        return;
    }
    struct buffer out;
    buffer_init(&out, CHALLENGE_MAX);
    if (credential_challenge(&out, challenge)) {
        stage_add_header(exchange, HEADER_WWW_AUTHENTICATE, arena_copy(&exchange->arena, buffer_slice(&out)));
    }
    buffer_done(&out);
}

static void ask_by(struct exchange *exchange, const struct method *method)
{
    struct buffer out;
    buffer_init(&out, CHALLENGE_MAX);
    if (method->challenge != NULL && method->challenge(&out, exchange)) {
        stage_add_header(exchange, HEADER_WWW_AUTHENTICATE, arena_copy(&exchange->arena, buffer_slice(&out)));
    }
    buffer_done(&out);
}

static void ask_for_credentials(struct exchange *exchange)
{
    const struct auth_plan *plan = auth_of(exchange)->plan;
    for (size_t i = 0; i < plan->use_count; i++) {
        enum auth_method method = plan->uses[i].method;
        bool is_token = method == AUTH_JWT || method == AUTH_INTROSPECTION;
        /* One Bearer token is asked for once, whoever is to look at it. */
        bool is_repeated = method == AUTH_INTROSPECTION && auth_plan_uses(plan, AUTH_JWT);
        if (!is_repeated && (!is_token || dpop_leaves_bearer(exchange))) {
            ask_by(exchange, methods[method]);
        }
    }
    if (dpop_is_used(exchange)) {
        struct challenge challenge = plain_challenge(exchange);
        dpop_ask(exchange, &challenge);
    }
}

static void ask_for_well_formed(struct exchange *exchange)
{
    struct challenge challenge = challenge_with_error(exchange);
    ask(exchange, &challenge);
}

static void ask_for_token(struct exchange *exchange)
{
    struct challenge challenge = challenge_with_error(exchange);
    challenge.description = SLICE("The access token is not acceptable");
    ask(exchange, &challenge);
}

/* It came without the proof that it is bound to, or had to be bound: how it should come. */
static void ask_for_bound_token(struct exchange *exchange)
{
    ask_for_token(exchange);
    if (exchange->dpop == NULL && dpop_is_used(exchange)) {
        dpop_ask(exchange, &(struct challenge){ .realm = auth_of(exchange)->realm });
    }
}

/* None but tokens have scopes that a challenge could ask for. */
static void ask_for_scope(struct exchange *exchange)
{
    enum principal_kind kind = exchange->principal.kind;
    if (kind == PRINCIPAL_JWT || kind == PRINCIPAL_INTROSPECTION) {
        struct challenge challenge = challenge_with_error(exchange);
        challenge.scope = exchange->route->scope_text;
        ask(exchange, &challenge);
    }
}

static void ask_for_login(struct exchange *exchange)
{
    struct challenge challenge = challenge_with_error(exchange);
    challenge.description = SLICE("Another login is required");
    challenge.acr_values = exchange->route->acr_text;
    challenge.max_age = exchange->route->max_age_text;
    ask(exchange, &challenge);
}

static void ask_for_proof(struct exchange *exchange)
{
    struct challenge challenge = challenge_with_error(exchange);
    challenge.description = slice_from_string(deny_infos[exchange->reason].title);
    ask(exchange, &challenge);
}

static void ask_for_api_key(struct exchange *exchange)
{
    ask_by(exchange, &method_api_key);
}

static void ask_for_password(struct exchange *exchange)
{
    ask_by(exchange, &method_basic);
}

static void ask_for_authorizer(struct exchange *exchange)
{
    if (!external_challenges(exchange)) {
        ask_by(exchange, &method_external);
    }
}

static void ask_for_nothing(struct exchange *exchange)
{
    (void)exchange;
}

static void (*const asks[DENY_ASKS_COUNT])(struct exchange *exchange) = {
    [DENY_ASKS_NOTHING] = ask_for_nothing,
    [DENY_ASKS_CREDENTIALS] = ask_for_credentials,
    [DENY_ASKS_WELL_FORMED] = ask_for_well_formed,
    [DENY_ASKS_TOKEN] = ask_for_token,
    [DENY_ASKS_BOUND_TOKEN] = ask_for_bound_token,
    [DENY_ASKS_SCOPE] = ask_for_scope,
    [DENY_ASKS_LOGIN] = ask_for_login,
    [DENY_ASKS_PROOF] = ask_for_proof,
    [DENY_ASKS_API_KEY] = ask_for_api_key,
    [DENY_ASKS_PASSWORD] = ask_for_password,
    [DENY_ASKS_AUTHORIZER] = ask_for_authorizer,
};

static void add_challenge(struct exchange *exchange)
{
    if (exchange->route != NULL && auth_of(exchange) != NULL) {
        asks[deny_infos[exchange->reason].asks](exchange);
    }
}

/* ---- the rest ---- */

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

/* Type and body: problem+json, unless the client asks for what there is a page of. */
static struct slice add_body(struct exchange *exchange, const struct deny_info *info, unsigned int status)
{
    const struct error_page_facts facts = { status, slice_from_string(info->title),
                                            slice_from_string(info->public_code), exchange->request_id };
    const struct conf_list *pages = &exchange->snapshot->snapshot->settings->error_pages;
    const struct error_page_settings *page = error_page_find(pages, &facts, &exchange->input.headers);
    struct slice body = page != NULL ? error_page_fill(page, &facts, &exchange->arena) : SLICE_NONE;
    if (body.ptr == NULL) {
        stage_add_header(exchange, HEADER_CONTENT_TYPE, SLICE("application/problem+json"));
        return problem_body(exchange, info, status);
    }
    stage_add_header(exchange, HEADER_CONTENT_TYPE, error_page_content_type(page));
    return body;
}

void answer_denial(struct exchange *exchange)
{
    const struct deny_info *info = &deny_infos[exchange->reason];
    exchange->response.headers.count = 0;
    if (exchange->is_grpc) {
        answer_grpc(exchange, info);
        return;
    }
    unsigned int told = exchange->external.told_status;
    unsigned int status = told != 0 && is_by_authorizer(exchange->reason) ? told : info->status;
    struct slice body = add_body(exchange, info, status);
    stage_add_header(exchange, HEADER_CACHE_CONTROL, SLICE("no-store"));
    add_challenge(exchange);
    add_retry_after(exchange, info);
    if (exchange->reason == DENY_WEBSOCKET_VERSION) {
        headers_add(&exchange->response.headers, HEADER_OTHER, SLICE("sec-websocket-version"), SLICE("13"));
    }
    if (exchange->reason == DENY_METHOD_NOT_ALLOWED) {
        stage_add_header(exchange, HEADER_ALLOW, exchange->match.allow);
    }
    exchange_answer(exchange, status, body);
}
