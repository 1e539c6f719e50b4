#include "pipeline/compression.h"

#include "compress/choose.h"
#include "compress/head.h"
#include "compress/judge.h"
#include "http/query.h"

/* In the order of the numbers. */
_Static_assert(METRIC_COMPRESS_SKIPPED_FIRST + COMPRESS_SKIP_BUSY == METRIC_COMPRESS_SKIPPED_BUSY,
               "a counter for each reason");
_Static_assert(METRIC_COMPRESSED_FIRST + COMPRESS_GZIP == METRIC_COMPRESSED_GZIP, "and for each algorithm");

static const struct compress_settings *settings_of(const struct exchange *exchange)
{
    return exchange_policy(exchange)->compress;
}

bool compression_ask(struct exchange *exchange)
{
    return !settings_of(exchange)->enabled || exchange->is_grpc || exchange->asks_tunnel ||
           compress_head_ask(&exchange->relayed, &exchange->arena);
}

/* ---- is it? ---- */

/* As the client sent it: what goes on has none left. */
static bool has_credential_in_query(const struct exchange *exchange)
{
    const struct conf_strings *names = &exchange->snapshot->snapshot->credentials.queries;
    ssize_t mark = slice_find(exchange->input.target, '?');
    if (mark < 0) {
        return false;
    }
    struct slice query = slice_from(exchange->input.target, (size_t)mark + 1);
    for (size_t i = 0; i < names->count; i++) {
        if (query_find(query, names->items[i]).count > 0) {
            return true;
        }
    }
    return query_find(query, SLICE("access_token")).count > 0; /* RFC 6750 section 2.3 */
}

static bool has_credential(const struct exchange *exchange)
{
    return exchange->stream->connection->tls.client != NULL || exchange->is_private ||
           compress_has_credential(settings_of(exchange), &exchange->input.headers) ||
           has_credential_in_query(exchange);
}

static enum compress_skip judge(struct exchange *exchange)
{
    const struct exchange_response *out = &exchange->response;
    const struct compress_response response = {
        .status = out->status,
        .headers = &out->headers,
        .knows_length =
            out->body == BODY_LENGTH || (out->body == BODY_NONE && exchange->request.method != METHOD_HEAD),
        .length = out->body == BODY_LENGTH ? out->content_length : 0,
    };
    enum compress_skip skip = compress_judge_response(settings_of(exchange), &response);
    if (skip != COMPRESS_NO_SKIP) {
        return skip;
    }
    /* From here on it depends on who asks. */
    if (!compress_head_vary(&exchange->response.headers)) {
        return COMPRESS_SKIP_BUSY;
    }
    return has_credential(exchange) ? COMPRESS_SKIP_CREDENTIAL : COMPRESS_NO_SKIP;
}

/* An answer to HEAD says what one to GET would, but for the length, which nobody knows. */
static bool take_up(struct exchange *exchange, enum compress_algorithm_id id)
{
    struct exchange_response *out = &exchange->response;
    bool has_body = exchange->request.method != METHOD_HEAD;
    struct compress_pool *pool = &exchange->worker->encoders;
    exchange->encoder =
        has_body ? compress_pool_take(pool, id, (enum compress_level)settings_of(exchange)->level) : NULL;
    if ((has_body && exchange->encoder == NULL) ||
        !compress_head_encode(&out->headers, compress_algorithms[id], &exchange->arena)) {
        compression_forget(exchange);
        return false;
    }
    exchange->coding = has_body ? compress_algorithms[id]->name : SLICE_NONE;
    out->body = out->body == BODY_LENGTH ? BODY_CHUNKED : out->body;
    return true;
}

void compression_begin(struct exchange *exchange)
{
    const struct compress_settings *settings = settings_of(exchange);
    struct metrics_worker *metrics = exchange->worker->metrics;
    if (!settings->enabled || exchange->is_grpc || exchange->asks_tunnel || exchange->stream == NULL) {
        return;
    }
    if (exchange->response.status == 304) {
        /* Without memory its tag is strong: then the client asks for all of it. */
        (void)compress_head_not_modified(&exchange->response.headers, &exchange->input.headers,
                                         &exchange->arena);
        (void)compress_head_vary(&exchange->response.headers);
    }
    enum compress_skip skip = judge(exchange);
    int id = skip == COMPRESS_NO_SKIP ? compress_choose(&exchange->input.headers, settings->algorithms) : -1;
    if (skip == COMPRESS_NO_SKIP && id < 0) {
        skip = COMPRESS_SKIP_NOT_ACCEPTED;
    }
    if (skip == COMPRESS_NO_SKIP && !take_up(exchange, (enum compress_algorithm_id)id)) {
        skip = COMPRESS_SKIP_BUSY;
    }
    if (exchange->request.method == METHOD_HEAD) {
        return; /* there is no body that could be counted */
    }
    metrics_add(metrics,
                skip == COMPRESS_NO_SKIP ? (enum metric)(METRIC_COMPRESSED_FIRST + id)
                                         : (enum metric)(METRIC_COMPRESS_SKIPPED_FIRST + (int)skip),
                1);
}

/* ---- the body ---- */

struct way {
    struct exchange *exchange;
    bool goes_on;
};

static bool send_on(void *context, struct slice piece)
{
    struct way *way = context;
    struct http_stream *stream = way->exchange->stream;
    /* It is over where the client is gone, which may be found out by a piece. */
    way->goes_on = stream != NULL && stream->ops->send_body(stream, piece) && way->goes_on;
    return way->exchange->stream != NULL;
}

/* False: the exchange is over. *ret_goes_on: may more follow now? */
static bool pass(struct exchange *exchange, struct slice data, enum compress_goal goal, bool *ret_goes_on)
{
    struct way way = { exchange, true };
    enum compress_outcome outcome =
        compress_write(&exchange->worker->encoders, exchange->encoder, data, goal, send_on, &way);
    if (outcome == COMPRESS_BROKEN) {
        exchange_fail(exchange, DENY_INTERNAL, SLICE("the response could not be compressed"));
    }
    *ret_goes_on = way.goes_on;
    return outcome == COMPRESS_WRITTEN && exchange->stream != NULL;
}

bool compression_body(struct exchange *exchange, struct slice data)
{
    bool goes_on;
    return !pass(exchange, data, COMPRESS_GO_ON, &goes_on) || goes_on;
}

bool compression_flush(struct exchange *exchange)
{
    bool goes_on;
    return !pass(exchange, SLICE(""), COMPRESS_FLUSH, &goes_on) || goes_on;
}

bool compression_end(struct exchange *exchange, struct headers *trailers)
{
    bool goes_on;
    bool ended = pass(exchange, SLICE(""), COMPRESS_END, &goes_on);
    compression_forget(exchange);
    compress_head_trailers(trailers);
    return ended;
}

void compression_forget(struct exchange *exchange)
{
    struct compress_encoder *encoder = exchange->encoder;
    if (encoder == NULL) {
        return;
    }
    exchange->plain = encoder->taken;
    metrics_add(exchange->worker->metrics, METRIC_COMPRESS_TAKEN, (int64_t)encoder->taken);
    metrics_add(exchange->worker->metrics, METRIC_COMPRESS_MADE, (int64_t)encoder->made);
    compress_pool_give(&exchange->worker->encoders, encoder);
    exchange->encoder = NULL;
}
