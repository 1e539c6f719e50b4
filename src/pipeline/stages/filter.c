/* What the route makes of the request for its upstream. Everything was decided on the path that the client sent; what is made of it
 * here decides nothing any more, and is canonical all the same. */
#include "pipeline/filters.h"

#include "pipeline/stage.h"

static struct slice asked_authority(struct exchange *exchange)
{
    return uri_authority_text(exchange->request.host, exchange->request.port, &exchange->arena);
}

/* With the endpoints that it has, which may have been discovered since the configuration was taken up. */
static const struct upstream_settings *upstream_of(const struct exchange *exchange)
{
    return upstream_pool_settings(exchange->snapshot->pools[exchange->upstream]);
}

static struct filter_run run_of(struct exchange *exchange)
{
    return (struct filter_run){
        .variables = &exchange->match.variables,
        .principal = &exchange->principal,
        .arena = &exchange->arena,
        .scratch = exchange->worker->filters,
        .path_allows = (unsigned int)exchange_policy(exchange)->path_allows,
    };
}

struct slice filters_host(struct exchange *exchange)
{
    struct slice host = exchange->told_host;
    if (host.len == 0 && !exchange->preserves_host) {
        host = upstream_of(exchange)->host_header;
    }
    return host.len > 0 ? host : asked_authority(exchange);
}

static bool set_upstream_request(struct exchange *exchange, const struct filter_run *run)
{
    exchange->told_host = run->host;
    exchange->preserves_host = run->preserve_host;
    exchange->upstream_target = run->query.ptr == NULL
                                    ? run->path
                                    : ARENA_CONCAT(&exchange->arena, run->path, SLICE("?"), run->query);
    return exchange->upstream_target.ptr != NULL;
}

static enum stage_verdict redirect(struct exchange *exchange, const struct filter_run *run)
{
    if (!stage_add_header(exchange, HEADER_LOCATION, run->location)) {
        return stage_deny(exchange, DENY_INTERNAL, SLICE("the redirect could not be written"));
    }
    exchange_answer(exchange, run->status, SLICE(""));
    return STAGE_RESPONDED;
}

static enum stage_verdict make_request(struct exchange *exchange)
{
    struct filter_run run = run_of(exchange);
    run.path = exchange->request.path;
    run.query = exchange->request.query;
    run.headers = &exchange->relayed;
    const struct filter_chain *chain = exchange->route->settings->filters;
    enum deny_reason reason = chain != NULL ? filter_request(chain, &run) : DENY_NONE;
    if (reason == DENY_NONE) {
        reason = filter_check_path(&run);
    }
    if (reason != DENY_NONE) {
        return stage_deny(exchange, reason, run.detail);
    }
    if (run.location.ptr != NULL) {
        return redirect(exchange, &run);
    }
    if (!set_upstream_request(exchange, &run)) {
        return stage_deny(exchange, DENY_INTERNAL, SLICE("no memory for the upstream's target"));
    }
    return STAGE_NEXT;
}

/* May its status be another one? Not that of a call, which is always 200, nor of a handshake's answer, which makes a tunnel by it; and
 * an answer that has no body by its status stays one. */
static bool has_free_status(const struct exchange *exchange)
{
    unsigned int status = exchange->response.status;
    return !exchange->is_grpc && !exchange->asks_tunnel && status >= 200 && status != 204 && status != 304;
}

/* What the stages add to any answer after this. */
#define FIELDS_OF_OURS 24

/* The list has room for an upstream's fields and for the gateway's own; only where filters would take that, it grows. */
static bool make_room(struct exchange *exchange, size_t count)
{
    struct headers *headers = &exchange->response.headers;
    if (count == 0 || headers->count + count + FIELDS_OF_OURS <= headers->capacity) {
        return true;
    }
    struct header *items = arena_alloc(&exchange->arena, (headers->capacity + count) * sizeof *items);
    if (items == NULL) {
        return false;
    }
    memcpy(items, headers->items, headers->count * sizeof *items);
    headers->items = items;
    headers->capacity += count;
    return true;
}

enum deny_reason filters_of_response(struct exchange *exchange)
{
    const struct filter_chain *chain = exchange->route->settings->filters;
    bool hides = exchange_policy(exchange)->hide_upstream &&
                 headers_find(&exchange->response.headers, HEADER_LOCATION) != NULL;
    if (chain == NULL && !hides) {
        return DENY_NONE;
    }
    const struct filter_origin origin = { upstream_of(exchange), filters_host(exchange),
                                          asked_authority(exchange) };
    struct filter_run run = run_of(exchange);
    run.headers = &exchange->response.headers;
    run.origin = &origin;
    run.status = exchange->response.status;
    if (!make_room(exchange, filter_response_fields(chain)) ||
        (hides && !filter_hide_location(run.headers, &origin, run.arena))) {
        exchange->detail = SLICE("no memory for the answer's fields");
        return DENY_INTERNAL;
    }
    enum deny_reason reason = chain != NULL ? filter_response(chain, &run) : DENY_NONE;
    exchange->detail = reason != DENY_NONE ? run.detail : exchange->detail;
    exchange->response.status = has_free_status(exchange) ? run.status : exchange->response.status;
    return reason;
}

const struct stage stage_filter = {
    .name = "filter",
    .on_request = make_request,
};
