/* What goes on to the upstream: without what a client may not say, with what was proven. */
#include "pipeline/external.h"
#include "pipeline/stage.h"

#include "compress/head.h"
#include "http/query.h"

static enum stage_verdict build_request(struct exchange *exchange)
{
    struct headers granted;
    const struct relay_credentials *credentials = &exchange->snapshot->snapshot->credentials;
    if (!external_granted(exchange, &granted)) {
        return stage_deny(exchange, DENY_INTERNAL, SLICE("no memory for the upstream's headers"));
    }
    if (!query_without(exchange->request.query, &credentials->queries, &exchange->arena,
                       &exchange->request.query)) {
        return stage_deny(exchange, DENY_INTERNAL, SLICE("no memory for the query"));
    }
    struct relay_request request = {
        .settings = exchange_policy(exchange)->relay,
        .input = &exchange->input,
        .principal = &exchange->principal,
        .token = exchange->token,
        .client = exchange->client,
        .host = exchange->request.host,
        .port = exchange->request.port,
        .is_tls = exchange->stream->connection->is_tls,
        .request_id = exchange->request_id,
        .traceparent = exchange->traceparent,
        .identity_headers = &exchange->snapshot->snapshot->identity_headers,
        .granted = &granted,
        .spare = filter_request_fields(exchange->route->settings->filters) +
                 (exchange_policy(exchange)->compress != NULL ? COMPRESS_ASK_FIELDS : 0),
        .credentials = credentials,
    };
    struct error error = relay_build_request(&request, &exchange->arena, &exchange->relayed);
    if (failed(error)) {
        return stage_deny(exchange, DENY_AUTHORIZATION_ERROR, slice_from_string(error.what));
    }
    return STAGE_NEXT;
}

const struct stage stage_relay = {
    .name = "relay",
    .on_request = build_request,
};
