#include "pipeline/record.h"

#include "pipeline/exchange.h"
#include "pipeline/hedge.h"

/* "00-<32 digits>-<16 digits>-<2 digits>": the trace id alone. */
static struct slice trace_id_of(struct slice traceparent)
{
    return traceparent.len >= 35 ? slice_part(traceparent, 3, 32) : SLICE_NONE;
}

static void fill_identity(const struct exchange *exchange, struct log_record *record)
{
    const struct principal *principal = &exchange->principal;
    if (principal->kind != PRINCIPAL_ANONYMOUS) {
        record->issuer = principal->issuer_name;
        record->subject = principal->subject;
        record->client_id = principal->client_id;
    } else {
        record->issuer = exchange->token_detail.issuer_name;
    }
}

void record_fill(const struct exchange *exchange, int64_t duration, struct log_record *record)
{
    const struct headers *headers = &exchange->input.headers;
    const struct header *agent = headers_find(headers, HEADER_USER_AGENT);
    *record = (struct log_record){
        .time = exchange->started_real,
        .request_id = exchange->request_id,
        .trace_id = trace_id_of(exchange->traceparent),
        .listener = exchange->listener->name,
        .route = exchange->route != NULL ? exchange->route->settings->name : SLICE_NONE,
        .endpoint = exchange->upstream_endpoint,
        .client = exchange->client,
        .method = exchange->input.method_text,
        .host = exchange->request.host,
        .path = exchange->request.path,
        .minor_version = (unsigned int)exchange->input.minor_version,
        .status = exchange->response_begun ? exchange->response.status : 0,
        .grpc_status = exchange->is_grpc ? exchange->grpc_status : GRPC_NO_STATUS,
        .reason = exchange->reason,
        .would_deny = exchange->would_deny,
        .candidate = exchange->candidate,
        .candidate_reason = exchange->candidate_reason,
        .detail = exchange->detail,
        .action = exchange->admin_action,
        .outcome = exchange->admin_outcome,
        .received = exchange->bytes_received,
        .sent = exchange->bytes_sent,
        .duration = duration,
        .upstream_duration = -1,
        .user_agent = agent != NULL ? agent->value : SLICE_NONE,
        .tls_version = exchange->tls_version,
        .aborted = exchange->aborted,
        .authorizer = exchange->external.authorizer,
        .authorizer_duration = exchange->external.remembered ? -1 : exchange->external.duration,
    };
    if (exchange->forwarded_at != 0) {
        record->upstream_protocol =
            slice_equal(exchange->ticket.protocol, SLICE("h2")) ? SLICE("HTTP/2") : SLICE_NONE;
        record->upstream = exchange->snapshot->snapshot->settings->upstreams[exchange->upstream].name;
        record->tries = exchange->tries;
        record->hedge = hedge_outcome(exchange);
        record->upstream_duration =
            exchange->answered_at != 0 ? exchange->answered_at - exchange->forwarded_at : -1;
    }
    /* A denial that took its place was not compressed. */
    if (exchange->coding.len > 0 && (exchange->reason == DENY_NONE || exchange->aborted)) {
        record->coding = exchange->coding;
        record->plain = exchange->encoder != NULL ? exchange->encoder->taken : exchange->plain;
    }
    fill_identity(exchange, record);
}

static bool is_audited(const struct exchange *exchange)
{
    return (exchange->reason != DENY_NONE && !exchange->summarised) || exchange->would_deny != DENY_NONE ||
           (exchange->route != NULL && exchange_policy(exchange)->audit == AUDIT_ALL);
}

/* In the order of the numbers. */
_Static_assert(METRIC_GRPC_FIRST + GRPC_STATUSES == METRIC_GRPC_OTHER, "a counter for each status");

static void count_call(const struct exchange *exchange)
{
    int32_t status = exchange->grpc_status;
    enum metric metric = status == GRPC_NO_STATUS ? METRIC_GRPC_NONE
                         : status < GRPC_STATUSES ? (enum metric)(METRIC_GRPC_FIRST + status)
                                                  : METRIC_GRPC_OTHER;
    metrics_add(exchange->worker->metrics, metric, 1);
}

static void count(const struct exchange *exchange, const struct log_record *record)
{
    struct metrics_worker *metrics = exchange->worker->metrics;
    unsigned int slot = exchange->route != NULL ? exchange->route->metrics_slot : 0;
    if (exchange->is_grpc) {
        count_call(exchange);
    }
    metrics_add(metrics, METRIC_AUTHENTICATION_SUMMARISED, exchange->summarised ? 1 : 0);
    metrics_add(metrics, METRIC_STAGE_ERRORS, exchange->reason == DENY_INTERNAL ? 1 : 0);
    metrics_add(metrics, METRIC_BYTES_RECEIVED, (int64_t)exchange->bytes_received);
    metrics_add(metrics, METRIC_BYTES_SENT, (int64_t)exchange->bytes_sent);
    metrics_candidate(metrics, slot, exchange->candidate);
    metrics_would_deny(metrics, slot, exchange->would_deny);
    metrics_request(metrics, slot, record->status, record->reason, record->duration);
}

/* Who has read of a request in a log finds it in the metrics, too. */
void record_exchange(struct exchange *exchange)
{
    struct worker *worker = exchange->worker;
    int64_t duration = exchange->ended - exchange->started; /* work elsewhere may have kept it since */
    struct log_record record;
    record_fill(exchange, duration, &record);
    count(exchange, &record);
    if (!exchange->let_go && !log_access(worker->logs, &record)) {
        metrics_add(worker->metrics, METRIC_ACCESS_LOG_DROPPED, 1);
    }
    if (exchange->summarised) {
        failure_summary_add(&worker->failures, &exchange->client, exchange->reason);
    }
    if (exchange->audit_reserved) {
        if (is_audited(exchange)) {
            log_audit(worker->logs, &record);
        } else {
            log_audit_release(worker->logs);
        }
    }
}
