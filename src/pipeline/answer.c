#include "pipeline/answer.h"

#include "auth/credential.h"
#include "pipeline/stage.h"
#include "json/writer.h"

#define PROBLEM_MAX   1024
#define CHALLENGE_MAX 8192

/* The body of a denial: what the caller is told, and the id by which the operator finds the rest. */
static struct slice problem_body(struct exchange *exchange, const struct deny_info *info)
{
    struct buffer out;
    struct json_writer json;
    buffer_init(&out, PROBLEM_MAX);
    json_writer_init(&json, &out);
    json_object_begin(&json);
    json_member_string(&json, SLICE("type"), SLICE("about:blank"));
    json_member_string(&json, SLICE("title"), slice_from_string(info->title));
    json_member_integer(&json, SLICE("status"), info->status);
    json_member_string(&json, SLICE("code"), slice_from_string(info->public_code));
    json_member_string(&json, SLICE("request_id"), exchange->request_id);
    json_object_end(&json);
    struct slice body = json.failed ? SLICE_NONE : arena_copy(&exchange->arena, buffer_slice(&out));
    buffer_done(&out);
    return body;
}

struct challenge {
    struct slice error, description, scope;
};

/* What RFC 6750 section 3.1 says of each denial. No `error` where no credential was sent. */
static bool challenge_of(const struct exchange *exchange, struct challenge *out)
{
    const struct deny_info *info = &deny_infos[exchange->reason];
    *out = (struct challenge){ SLICE_NONE, SLICE_NONE, SLICE_NONE };
    if (exchange->reason == DENY_CREDENTIAL_MISSING) {
        return true;
    }
    if (exchange->reason == DENY_SCOPE_MISSING) {
        out->error = SLICE("insufficient_scope");
        out->scope = exchange->route->scope_text;
        return true;
    }
    if (exchange->reason == DENY_CREDENTIAL_MALFORMED || exchange->reason == DENY_CREDENTIAL_REPEATED) {
        out->error = SLICE("invalid_request");
        return true;
    }
    if (info->status == 401) {
        out->error = SLICE("invalid_token");
        out->description = SLICE("The access token is not acceptable");
        return true;
    }
    return false;
}

static void add_challenge(struct exchange *exchange)
{
    struct challenge challenge;
    if (!challenge_of(exchange, &challenge)) {
        return;
    }
    const struct auth_settings *auth = exchange->route != NULL ? exchange_policy(exchange)->auth : NULL;
    struct buffer out;
    buffer_init(&out, CHALLENGE_MAX);
    if (credential_challenge(&out, auth != NULL ? auth->realm : SLICE_NONE, challenge.error,
                             challenge.description, challenge.scope)) {
        stage_add_header(exchange, HEADER_WWW_AUTHENTICATE, arena_copy(&exchange->arena, buffer_slice(&out)));
    }
    buffer_done(&out);
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
    }
    add_challenge(exchange);
    add_retry_after(exchange, info);
    exchange_answer(exchange, 200, SLICE_NONE);
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
    exchange_answer(exchange, info->status, problem_body(exchange, info));
}
