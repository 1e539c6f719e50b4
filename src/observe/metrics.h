/* Counters for Prometheus. Each worker writes its own, without locks; rendering sums them.
 *
 * Requests are counted by route, status and deny reason; routes get stable slots by name, so that counts survive a reload. */
#ifndef SALLYPORT_OBSERVE_METRICS_H
#define SALLYPORT_OBSERVE_METRICS_H

#include "base/buffer.h"
#include "base/error.h"
#include "observe/candidate.h"
#include "pipeline/deny_reasons.h"

/* X(ID, "name", "counter|gauge", "help"): one number per worker, summed. Names with labels stand together: those of one
 * family share its type and its first help. */
#define METRICS(X)                                                                                           \
    X(CONNECTIONS_ACCEPTED, "sallyport_connections_accepted_total", "counter",                               \
      "Client connections accepted")                                                                         \
    X(CONNECTIONS_OPEN, "sallyport_connections_open", "gauge", "Client connections open now")                \
    X(REFUSED_LISTENER_CONNECTIONS, "sallyport_connections_refused_total{reason=\"listener_connections\"}",  \
      "counter", "Client connections closed right after they were accepted, by reason")                      \
    X(REFUSED_ADDRESS_CONNECTIONS, "sallyport_connections_refused_total{reason=\"address_connections\"}",    \
      "counter", "")                                                                                         \
    X(REFUSED_ADDRESS_HANDSHAKES, "sallyport_connections_refused_total{reason=\"address_handshakes\"}",      \
      "counter", "")                                                                                         \
    X(REFUSED_QUEUE_DEADLINE, "sallyport_connections_refused_total{reason=\"queue_deadline\"}", "counter",   \
      "")                                                                                                    \
    X(REFUSED_PROXY_UNTRUSTED, "sallyport_connections_refused_total{reason=\"proxy_untrusted\"}", "counter", \
      "")                                                                                                    \
    X(REFUSED_PROXY_HEADER_BAD, "sallyport_connections_refused_total{reason=\"proxy_header_bad\"}",          \
      "counter", "")                                                                                         \
    X(REFUSED_PROXY_HEADER_MISSING, "sallyport_connections_refused_total{reason=\"proxy_header_missing\"}",  \
      "counter", "")                                                                                         \
    X(REFUSED_ADDRESS_BLOCKED, "sallyport_connections_refused_total{reason=\"address_blocked\"}", "counter", \
      "")                                                                                                    \
    X(REFUSED_DESCRIPTORS, "sallyport_connections_refused_total{reason=\"descriptors\"}", "counter", "")     \
    X(REFUSED_ERROR, "sallyport_connections_refused_total{reason=\"error\"}", "counter", "")                 \
    X(CONNECTIONS_HANDED_ON, "sallyport_connections_handed_on_total", "counter",                             \
      "Client connections that an overloaded worker handed to another one")                                  \
    X(HANDSHAKE_PAUSES, "sallyport_handshake_pauses_total", "counter",                                       \
      "Times that a listener stopped accepting for a moment because of its handshakes setting")              \
    X(HANDSHAKES, "sallyport_tls_handshakes_total", "counter", "TLS handshakes completed")                   \
    X(HANDSHAKES_RESUMED, "sallyport_tls_handshakes_resumed_total", "counter",                               \
      "TLS handshakes that resumed a session")                                                               \
    X(HANDSHAKES_FAILED, "sallyport_tls_handshakes_failed_total", "counter", "TLS handshakes that failed")   \
    X(HTTP2_CONNECTIONS, "sallyport_http2_connections_total", "counter",                                     \
      "Client connections that speak HTTP/2")                                                                \
    X(HTTP2_FLOOD_RESETS, "sallyport_http2_floods_total{kind=\"resets\"}", "counter",                        \
      "HTTP/2 connections ended for a flood of frames, by kind")                                             \
    X(HTTP2_FLOOD_PROVOKED_RESETS, "sallyport_http2_floods_total{kind=\"provoked_resets\"}", "counter", "")  \
    X(HTTP2_FLOOD_CONTINUATION, "sallyport_http2_floods_total{kind=\"continuation\"}", "counter", "")        \
    X(HTTP2_FLOOD_SETTINGS, "sallyport_http2_floods_total{kind=\"settings\"}", "counter", "")                \
    X(HTTP2_FLOOD_PING, "sallyport_http2_floods_total{kind=\"ping\"}", "counter", "")                        \
    X(HTTP2_FLOOD_WINDOW_UPDATE, "sallyport_http2_floods_total{kind=\"window_update\"}", "counter", "")      \
    X(HTTP2_FLOOD_EMPTY_DATA, "sallyport_http2_floods_total{kind=\"empty_data\"}", "counter", "")            \
    X(HTTP2_FLOOD_PRIORITY, "sallyport_http2_floods_total{kind=\"priority\"}", "counter", "")                \
    X(HTTP2_FLOOD_OTHER_FRAMES, "sallyport_http2_floods_total{kind=\"other_frames\"}", "counter", "")        \
    X(HTTP2_FLOOD_DECODED_HEADERS, "sallyport_http2_floods_total{kind=\"decoded_headers\"}", "counter", "")  \
    X(HTTP2_FLOOD_MEMORY, "sallyport_http2_floods_total{kind=\"memory\"}", "counter", "")                    \
    X(EXCHANGES_OPEN, "sallyport_exchanges_open", "gauge", "Requests in flight now")                         \
    X(BUFFER_BYTES, "sallyport_buffer_bytes", "gauge",                                                       \
      "Memory of the workers' buffers: what connections read, what waits to be written, and encoders that "  \
      "compress")                                                                                            \
    X(BUFFER_PAUSES, "sallyport_buffer_pauses_total", "counter",                                             \
      "Times that a body waited for its reader while memory for buffers was scarce (buffer_memory)")         \
    X(BYTES_RECEIVED, "sallyport_request_body_bytes_total", "counter", "Bytes of request bodies received")   \
    X(BYTES_SENT, "sallyport_response_body_bytes_total", "counter", "Bytes of response bodies sent")         \
    X(CLIENT_ABORTS, "sallyport_client_aborts_total", "counter",                                             \
      "Requests that the client did not wait for")                                                           \
    X(RESPONSES_CUT, "sallyport_responses_cut_total", "counter",                                             \
      "Responses broken off after their head had left; they stand under its status in "                      \
      "sallyport_requests_total")                                                                            \
    X(COMPRESSED_ZSTD, "sallyport_compressed_responses_total{coding=\"zstd\"}", "counter",                   \
      "Responses that the gateway compressed, by coding")                                                    \
    X(COMPRESSED_GZIP, "sallyport_compressed_responses_total{coding=\"gzip\"}", "counter", "")               \
    X(COMPRESS_TAKEN, "sallyport_compression_bytes_total{side=\"before\"}", "counter",                       \
      "Bytes of bodies before and after they were compressed")                                               \
    X(COMPRESS_MADE, "sallyport_compression_bytes_total{side=\"after\"}", "counter", "")                     \
    X(COMPRESS_SKIPPED_STATUS, "sallyport_compression_skipped_total{reason=\"status\"}", "counter",          \
      "Responses of routes with compress that went as they were, by reason: see docs/compression.md")        \
    X(COMPRESS_SKIPPED_ENCODED, "sallyport_compression_skipped_total{reason=\"encoded\"}", "counter", "")    \
    X(COMPRESS_SKIPPED_NO_TRANSFORM, "sallyport_compression_skipped_total{reason=\"no_transform\"}",         \
      "counter", "")                                                                                         \
    X(COMPRESS_SKIPPED_SIGNED, "sallyport_compression_skipped_total{reason=\"signed\"}", "counter", "")      \
    X(COMPRESS_SKIPPED_TYPE, "sallyport_compression_skipped_total{reason=\"type\"}", "counter", "")          \
    X(COMPRESS_SKIPPED_SMALL, "sallyport_compression_skipped_total{reason=\"small\"}", "counter", "")        \
    X(COMPRESS_SKIPPED_PRIVATE, "sallyport_compression_skipped_total{reason=\"private\"}", "counter", "")    \
    X(COMPRESS_SKIPPED_CREDENTIAL, "sallyport_compression_skipped_total{reason=\"credential\"}", "counter",  \
      "")                                                                                                    \
    X(COMPRESS_SKIPPED_NOT_ACCEPTED, "sallyport_compression_skipped_total{reason=\"not_accepted\"}",         \
      "counter", "")                                                                                         \
    X(COMPRESS_SKIPPED_BUSY, "sallyport_compression_skipped_total{reason=\"busy\"}", "counter", "")          \
    X(GRPC_OK, "sallyport_grpc_calls_total{code=\"OK\"}", "counter",                                         \
      "gRPC calls by the status that their clients were told; none: cancelled, cut, or answered by what is " \
      "no gRPC")                                                                                             \
    X(GRPC_CANCELLED, "sallyport_grpc_calls_total{code=\"CANCELLED\"}", "counter", "")                       \
    X(GRPC_UNKNOWN, "sallyport_grpc_calls_total{code=\"UNKNOWN\"}", "counter", "")                           \
    X(GRPC_INVALID_ARGUMENT, "sallyport_grpc_calls_total{code=\"INVALID_ARGUMENT\"}", "counter", "")         \
    X(GRPC_DEADLINE_EXCEEDED, "sallyport_grpc_calls_total{code=\"DEADLINE_EXCEEDED\"}", "counter", "")       \
    X(GRPC_NOT_FOUND, "sallyport_grpc_calls_total{code=\"NOT_FOUND\"}", "counter", "")                       \
    X(GRPC_ALREADY_EXISTS, "sallyport_grpc_calls_total{code=\"ALREADY_EXISTS\"}", "counter", "")             \
    X(GRPC_PERMISSION_DENIED, "sallyport_grpc_calls_total{code=\"PERMISSION_DENIED\"}", "counter", "")       \
    X(GRPC_RESOURCE_EXHAUSTED, "sallyport_grpc_calls_total{code=\"RESOURCE_EXHAUSTED\"}", "counter", "")     \
    X(GRPC_FAILED_PRECONDITION, "sallyport_grpc_calls_total{code=\"FAILED_PRECONDITION\"}", "counter", "")   \
    X(GRPC_ABORTED, "sallyport_grpc_calls_total{code=\"ABORTED\"}", "counter", "")                           \
    X(GRPC_OUT_OF_RANGE, "sallyport_grpc_calls_total{code=\"OUT_OF_RANGE\"}", "counter", "")                 \
    X(GRPC_UNIMPLEMENTED, "sallyport_grpc_calls_total{code=\"UNIMPLEMENTED\"}", "counter", "")               \
    X(GRPC_INTERNAL, "sallyport_grpc_calls_total{code=\"INTERNAL\"}", "counter", "")                         \
    X(GRPC_UNAVAILABLE, "sallyport_grpc_calls_total{code=\"UNAVAILABLE\"}", "counter", "")                   \
    X(GRPC_DATA_LOSS, "sallyport_grpc_calls_total{code=\"DATA_LOSS\"}", "counter", "")                       \
    X(GRPC_UNAUTHENTICATED, "sallyport_grpc_calls_total{code=\"UNAUTHENTICATED\"}", "counter", "")           \
    X(GRPC_OTHER, "sallyport_grpc_calls_total{code=\"other\"}", "counter", "")                               \
    X(GRPC_NONE, "sallyport_grpc_calls_total{code=\"none\"}", "counter", "")                                 \
    X(TUNNEL_RECEIVED, "sallyport_websocket_bytes_total{from=\"client\"}", "counter",                        \
      "Bytes of WebSocket connections, the heads of their frames included")                                  \
    X(TUNNEL_SENT, "sallyport_websocket_bytes_total{from=\"upstream\"}", "counter", "")                      \
    X(TUNNEL_CLIENT, "sallyport_streams_closed_total{reason=\"client\"}", "counter",                         \
      "WebSocket connections and event streams that ended, by who or what ended them")                       \
    X(TUNNEL_UPSTREAM, "sallyport_streams_closed_total{reason=\"upstream\"}", "counter", "")                 \
    X(TUNNEL_CLIENT_ABORTED, "sallyport_streams_closed_total{reason=\"client_aborted\"}", "counter", "")     \
    X(TUNNEL_CLIENT_SLOW, "sallyport_streams_closed_total{reason=\"client_slow\"}", "counter", "")           \
    X(TUNNEL_UPSTREAM_FAILED, "sallyport_streams_closed_total{reason=\"upstream_failed\"}", "counter", "")   \
    X(TUNNEL_TOKEN_EXPIRED, "sallyport_streams_closed_total{reason=\"token_expired\"}", "counter", "")       \
    X(TUNNEL_CERTIFICATE_EXPIRED, "sallyport_streams_closed_total{reason=\"certificate_expired\"}",          \
      "counter", "")                                                                                         \
    X(TUNNEL_IDLE, "sallyport_streams_closed_total{reason=\"idle\"}", "counter", "")                         \
    X(TUNNEL_AGE, "sallyport_streams_closed_total{reason=\"max_stream_age\"}", "counter", "")                \
    X(TUNNEL_DRAINING, "sallyport_streams_closed_total{reason=\"draining\"}", "counter", "")                 \
    X(TUNNEL_BLOCKED, "sallyport_streams_closed_total{reason=\"blocked\"}", "counter", "")                   \
    X(BLOCK_ADDRESS, "sallyport_block_denials_total{kind=\"address\"}", "counter",                           \
      "Requests denied by a block, and connections refused by one, by its kind")                             \
    X(BLOCK_API_KEY, "sallyport_block_denials_total{kind=\"api_key\"}", "counter", "")                       \
    X(BLOCK_CERTIFICATE, "sallyport_block_denials_total{kind=\"certificate\"}", "counter", "")               \
    X(BLOCK_CONSUMER, "sallyport_block_denials_total{kind=\"consumer\"}", "counter", "")                     \
    X(BLOCK_JTI, "sallyport_block_denials_total{kind=\"jti\"}", "counter", "")                               \
    X(BLOCK_ROUTE, "sallyport_block_denials_total{kind=\"route\"}", "counter", "")                           \
    X(BLOCK_SERIAL, "sallyport_block_denials_total{kind=\"serial\"}", "counter", "")                         \
    X(BLOCK_SID, "sallyport_block_denials_total{kind=\"sid\"}", "counter", "")                               \
    X(BLOCK_SUB, "sallyport_block_denials_total{kind=\"sub\"}", "counter", "")                               \
    X(BLOCK_TOKEN, "sallyport_block_denials_total{kind=\"token\"}", "counter", "")                           \
    X(BLOCK_STREAMS, "sallyport_block_streams_ended_total", "counter",                                       \
      "Requests under way, WebSocket connections and event streams that a new block ended")                  \
    X(API_KEY_CACHE_HITS, "sallyport_api_key_cache_hits_total", "counter",                                   \
      "API keys that were known already")                                                                    \
    X(API_KEY_CACHE_MISSES, "sallyport_api_key_cache_misses_total", "counter",                               \
      "Good API keys that were looked up")                                                                   \
    X(AUTHENTICATION_FAILURES, "sallyport_authentication_failures_total", "counter",                         \
      "Requests with a wrong credential")                                                                    \
    X(AUTHENTICATION_SUMMARISED, "sallyport_authentication_failures_summarised_total", "counter",            \
      "Of them, those that the audit log tells in a summary")                                                \
    X(OVER_BUDGET_VERIFIED, "sallyport_over_budget_verifications_total{outcome=\"verified\"}", "counter",    \
      "New credentials of networks that are over their failure budget")                                      \
    X(OVER_BUDGET_REFUSED, "sallyport_over_budget_verifications_total{outcome=\"refused\"}", "counter", "")  \
    X(BASIC_CACHE_HITS, "sallyport_basic_cache_hits_total", "counter",                                       \
      "Passwords that were known to be right already")                                                       \
    X(BASIC_CACHE_MISSES, "sallyport_basic_cache_misses_total", "counter",                                   \
      "Passwords that were hashed, and right")                                                               \
    X(PASSWORDS_HASHED, "sallyport_passwords_hashed_total", "counter",                                       \
      "Passwords that were hashed, right or wrong, for names that nobody has, too")                          \
    X(PASSWORDS_REFUSED, "sallyport_passwords_refused_total", "counter",                                     \
      "Passwords that were not hashed, for too many waited already")                                         \
    X(INTROSPECTION_CACHE_HITS, "sallyport_introspection_cache_hits_total", "counter",                       \
      "Tokens, active or not, that an introspection endpoint had been asked about a short while ago")        \
    X(INTROSPECTION_CACHE_MISSES, "sallyport_introspection_cache_misses_total", "counter",                   \
      "Requests that waited until an introspection endpoint was asked about their token")                    \
    X(INTROSPECTION_STALE, "sallyport_introspection_stale_total", "counter",                                 \
      "Requests whose token was believed for longer, since the endpoint could not be asked")                 \
    X(TOKEN_CACHE_HITS, "sallyport_token_cache_hits_total", "counter",                                       \
      "Tokens found in the cache of verified tokens")                                                        \
    X(TOKEN_CACHE_MISSES, "sallyport_token_cache_misses_total", "counter",                                   \
      "Tokens whose signature was verified")                                                                 \
    X(UPSTREAM_CONNECTS, "sallyport_upstream_connects_total", "counter", "Connections opened to upstreams")  \
    X(UPSTREAM_CONNECT_FAILURES, "sallyport_upstream_connect_failures_total", "counter",                     \
      "Connections to upstreams that failed")                                                                \
    X(UPSTREAM_REUSED, "sallyport_upstream_reused_total", "counter",                                         \
      "Requests sent on a kept upstream connection")                                                         \
    X(UPSTREAM_RETRIES, "sallyport_upstream_retries_total", "counter",                                       \
      "Requests sent again, on another connection")                                                          \
    X(UPSTREAM_RETRIES_REFUSED, "sallyport_upstream_retries_refused_total", "counter",                       \
      "Requests not sent again, since the retry budget of their upstream was used up")                       \
    X(HEDGES, "sallyport_hedges_total", "counter",                                                           \
      "Requests that were sent to a second server, since the first was slow")                                \
    X(HEDGES_WON, "sallyport_hedges_won_total", "counter", "Those that the second server answered")          \
    X(HEDGES_REFUSED, "sallyport_hedges_refused_total", "counter",                                           \
      "Requests not sent to a second server, since the retry budget of their upstream was used up")          \
    X(FALLBACKS, "sallyport_fallbacks_total", "counter", "Requests that their route's fallback answered")    \
    X(BREAKER_OPENED, "sallyport_breaker_opened_total", "counter",                                           \
      "Circuit breakers that opened, since too many requests to their upstream failed")                      \
    X(MIRRORED_ANSWERED, "sallyport_mirrored_requests_total{outcome=\"answered\"}", "counter",               \
      "Copies of requests for a second upstream, by what became of them")                                    \
    X(MIRRORED_FAILED, "sallyport_mirrored_requests_total{outcome=\"failed\"}", "counter", "")               \
    X(MIRRORED_DROPPED, "sallyport_mirrored_requests_total{outcome=\"dropped\"}", "counter", "")             \
    X(UPSTREAM_OPEN, "sallyport_upstream_connections_open", "gauge",                                         \
      "Upstream connections open now, idle ones included")                                                   \
    X(UPSTREAM_PENDING, "sallyport_upstream_pending", "gauge",                                               \
      "Requests that wait for one of the connections that their upstream allows")                            \
    X(UPSTREAM_UNHEALTHY_USED, "sallyport_upstream_unhealthy_used_total", "counter",                         \
      "Requests sent to an endpoint that is not healthy, since too few of its service are")                  \
    X(UPSTREAM_OTHER_ZONE, "sallyport_upstream_other_zone_total", "counter",                                 \
      "Requests sent to another zone, since too few endpoints of the gateway's own are healthy")             \
    X(UPSTREAM_HTTP2_CONNECTS, "sallyport_upstream_http2_connects_total", "counter",                         \
      "Connections to upstreams that came to speak HTTP/2")                                                  \
    X(UPSTREAM_HTTP2_GOAWAYS, "sallyport_upstream_http2_goaways_total", "counter",                           \
      "GOAWAY frames of upstreams")                                                                          \
    X(UPSTREAM_HTTP2_REFUSED, "sallyport_upstream_http2_resets_total{code=\"refused\"}", "counter",          \
      "HTTP/2 streams that upstreams reset; refused: before they had looked at the request")                 \
    X(UPSTREAM_HTTP2_RESETS, "sallyport_upstream_http2_resets_total{code=\"other\"}", "counter", "")         \
    X(UPSTREAM_HTTP2_BROKEN, "sallyport_upstream_http2_broken_total{reason=\"protocol\"}", "counter",        \
      "HTTP/2 connections that were given up for what the upstream did: it broke the protocol, flooded, "    \
      "or did not answer")                                                                                   \
    X(UPSTREAM_HTTP2_FLOODS, "sallyport_upstream_http2_broken_total{reason=\"flood\"}", "counter", "")       \
    X(UPSTREAM_HTTP2_SILENT, "sallyport_upstream_http2_broken_total{reason=\"silent\"}", "counter", "")      \
    X(ADMIN_DONE, "sallyport_admin_changes_total{outcome=\"done\"}", "counter",                              \
      "Changes that the admin API was asked for by who may; refused: wrong, or of what is not there; "       \
      "failed: "                                                                                             \
      "the store could not be asked")                                                                        \
    X(ADMIN_REFUSED, "sallyport_admin_changes_total{outcome=\"refused\"}", "counter", "")                    \
    X(ADMIN_FAILED, "sallyport_admin_changes_total{outcome=\"failed\"}", "counter", "")                      \
    X(ACCESS_LOG_DROPPED, "sallyport_access_log_dropped_total", "counter",                                   \
      "Access log lines dropped because the queue was full")                                                 \
    X(JWKS_FETCHES, "sallyport_jwks_fetches_total", "counter", "Key set documents fetched")                  \
    X(JWKS_FAILURES, "sallyport_jwks_fetch_failures_total", "counter",                                       \
      "Fetches of key set documents that failed")                                                            \
    X(RELOADS, "sallyport_reloads_total", "counter", "Configurations taken up")                              \
    X(RELOADS_REFUSED, "sallyport_reloads_refused_total", "counter", "Configurations refused on reload")     \
    X(FORBIDDEN_CALLS, "sallyport_forbidden_calls_total", "counter",                                         \
      "Gateway processes that died of a system call which their confinement forbids")                        \
    X(RESTARTS, "sallyport_gateway_restarts_total", "counter",                                               \
      "Gateway processes started because the one before had died")                                           \
    X(UPGRADES, "sallyport_upgrades_total", "counter", "Changes of the program without a restart")           \
    X(LIMIT_DISPLACED, "sallyport_limit_displaced_total", "counter",                                         \
      "Entries of the table of limits that went for want of room, their counts with them")                   \
    X(LIMIT_GATHERED, "sallyport_limit_gathered_total", "counter",                                           \
      "Requests of a crowd of newcomers that were counted by their common prefix")                           \
    X(STAGE_ERRORS, "sallyport_stage_errors_total", "counter", "Requests denied by an internal error")

enum metric {
#define METRIC_ENUM(id, name, type, help) METRIC_##id,
    METRICS(METRIC_ENUM)
#undef METRIC_ENUM
    METRIC_COUNT,
    METRIC_HTTP2_FLOOD_FIRST = METRIC_HTTP2_FLOOD_RESETS,           /* in the order of http/h2/defences.h */
    METRIC_GRPC_FIRST = METRIC_GRPC_OK,                             /* in the order of grpc-status */
    METRIC_COMPRESSED_FIRST = METRIC_COMPRESSED_ZSTD,               /* in the order of compress/settings.h */
    METRIC_COMPRESS_SKIPPED_FIRST = METRIC_COMPRESS_SKIPPED_STATUS, /* in the order of compress/judge.h */
};

#define METRICS_ROUTES_MAX 16384 /* slots; routes beyond share slot 0 */

struct metrics;        /* the process's */
struct metrics_worker; /* one writer's */

/* `writers`: workers, and one for the control thread. */
struct error metrics_new(unsigned int writers, struct metrics **ret_metrics) MUST_CHECK;
void metrics_free(struct metrics *metrics);
struct metrics_worker *metrics_writer(struct metrics *metrics, unsigned int index);

/* Control thread: the slot of a route, made on first use; slot 0 is "-", for requests without a route (and for routes
 * beyond METRICS_ROUTES_MAX, or without memory). Writers may use a slot as soon as they were told of it. */
unsigned int metrics_route_slot(struct metrics *metrics, struct slice route);

/* Writer's thread; `amount` may be negative for gauges. */
void metrics_add(struct metrics_worker *worker, enum metric metric, int64_t amount);
/* The number itself, for who counts where metrics are not known (buffer_count_in). Writer's thread. */
_Atomic int64_t *metrics_number(struct metrics_worker *worker, enum metric metric);
/* One request that a rule would have denied, were it not only observed. */
void metrics_would_deny(struct metrics_worker *worker, unsigned int route_slot, enum deny_reason reason);
/* What a candidate of `auth` would have made of one request; CANDIDATE_NONE: there was none. */
void metrics_candidate(struct metrics_worker *worker, unsigned int route_slot,
                       enum candidate_outcome outcome);
/* One finished request; durations in ns. */
void metrics_request(struct metrics_worker *worker, unsigned int route_slot, unsigned int status,
                     enum deny_reason reason, int64_t duration);

/* What became of a request that an external authorizer decides. */
enum authorizer_outcome {
    AUTHORIZER_ALLOWED, /* asked, and it said so */
    AUTHORIZER_DENIED,
    AUTHORIZER_FAILED,     /* it gave no answer, or none that is one */
    AUTHORIZER_REMEMBERED, /* not asked: its yes was remembered */
    AUTHORIZER_JOINED,     /* not asked: another request was asking the same */
    AUTHORIZER_OUTCOMES,
};

#define METRICS_AUTHORIZERS_MAX 64 /* slots; authorizers beyond share slot 0 */

/* Control thread: the slot of an authorizer, made on first use, for the life of the process. */
unsigned int metrics_authorizer_slot(struct metrics *metrics, struct slice authorizer);
/* Writer's thread: one question that was asked, with the time to its answer in ns; or one that was not. */
void metrics_authorizer_asked(struct metrics_worker *worker, unsigned int slot,
                              enum authorizer_outcome outcome, int64_t duration);
void metrics_authorizer_count(struct metrics_worker *worker, unsigned int slot,
                              enum authorizer_outcome outcome);

/* A tunnel or an event stream of this route was opened (1), or is over (-1). */
void metrics_tunnel(struct metrics_worker *worker, unsigned int route_slot, int change);

/* What another room has to tell beside: called at the end of metrics_render, on the same thread. */
void metrics_set_more(struct metrics *metrics, bool (*render)(const void *context, struct buffer *out),
                      const void *context);
/* For it: a family's two lines of comment, and a label's value, escaped as the text format demands. */
bool metrics_put_head(struct buffer *out, struct slice name, const char *type, const char *help);
bool metrics_put_label(struct buffer *out, struct slice value);

/* Prometheus text format 0.0.4. Control thread. False: the buffer was full. */
bool metrics_render(struct metrics *metrics, struct buffer *out);

#endif
