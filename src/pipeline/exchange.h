/* An exchange: one request and its response, whatever the protocol. Stages read and write it; only exchange.c and
 * pipeline.c move it along. It lives on its worker's thread, and its memory is one arena, recycled. */
#ifndef SALLYPORT_PIPELINE_EXCHANGE_H
#define SALLYPORT_PIPELINE_EXCHANGE_H

#include "auth/principal.h"
#include "base/clock.h"
#include "external/asker.h"
#include "http/grpc.h"
#include "http/grpc_messages.h"
#include "http/stream.h"
#include "http/uri.h"

#include "pipeline/worker.h"
#include "relay/relay.h"

#include <assert.h>

#define BLOCK_MARKS_FURTHER 16 /* of principals beside the first, by all that blocks could meet */
#define REQUEST_ID_LENGTH   32
#define TRACEPARENT_LENGTH  55

/* What the stages decide on: canonical, computed once. */
struct canonical_request {
    enum http_method method;
    struct slice method_text;
    struct slice host; /* lower-case, without port */
    uint16_t port;     /* 0: not named */
    struct slice path;
    struct slice query; /* ptr NULL: no '?' */
    bool is_asterisk;   /* OPTIONS * */
};

struct exchange_response {
    unsigned int status;
    struct headers headers;
    enum http_body body;
    uint64_t content_length;
};

enum external_verdict;

/* What external authorizers have to do with an exchange: pipeline/external.h. */
struct exchange_external {
    struct external_answer *proved,
        *permitted; /* by `auth`, by `authorize`; NULL: not asked, or no answer yet */
    struct external_waiter waiter;
    struct external_answer **place; /* of the two, for the one that is asked */
    void (*resumed)(struct exchange *exchange, enum external_verdict verdict);
    struct slice authorizer;    /* that was asked last; empty: none */
    int64_t asked_at, duration; /* ns */
    bool remembered;
    unsigned int told_status; /* of a denial, by the one that denied; 0: the reason's own */
};

/* What the exchange has taken off the budget of failed authentications (budget.h). */
enum budget_state {
    BUDGET_UNTOUCHED,
    BUDGET_CHARGED,
    BUDGET_OVER, /* the network has none left */
};

enum exchange_state {
    EXCHANGE_RUNNING,   /* inside the stages */
    EXCHANGE_WAITING,   /* a stage waits for a callback */
    EXCHANGE_STREAMING, /* forwarded: bodies flow */
    EXCHANGE_ANSWERING, /* the whole response is with the protocol */
    EXCHANGE_OVER,      /* nothing more to do but to wait for `pending` */
};

struct exchange {
    struct worker *worker;
    struct worker_snapshot *snapshot;
    struct http_stream *stream; /* NULL: released */
    struct exchange *next;      /* of the spare list, or of those that wait for the admin API */
    struct exchange *open_previous, *open_next; /* of the worker's open ones */
    struct arena arena;
    enum exchange_state state;
    size_t stage;         /* the row of the pipeline that it stands at */
    unsigned int pending; /* pieces of work elsewhere that will come back */
    bool cancelled;
    bool asks_tunnel; /* and may have one */
    bool is_grpc;     /* http/grpc.h: denials are Trailers-Only, trailers pass */
    bool let_go;      /* it has become a tunnel, which tells its end */
    bool is_private;  /* its target holds a credential: no shared cache may keep the answer */

    /* who and what */
    const struct worker_listener *listener;
    const struct listener_settings *listener_settings;
    struct http_request input; /* as received; immutable */
    struct canonical_request request;
    unsigned int path_needs; /* enum uri_allow: what the raw path holds that a route must allow by name */
    struct address client;
    struct slice request_id; /* REQUEST_ID_LENGTH hexadecimal digits */
    struct slice traceparent;
    struct slice tls_version;               /* static text */
    const struct route *route;              /* NULL before routing, or where none fits */
    const struct served_resource *resource; /* whose document is asked for: then there is no route */
    struct principal principal;
    size_t proving;  /* the row of its auth plan that it stands at */
    uint32_t proven; /* ways of the plan */
    struct slice
        nobody; /* static text: why a client certificate that is there proves nobody; empty: it does, or there is none */
    size_t further_count; /* of further_marks */
    struct slice token;   /* the text of a verified one */
    struct jwt_detail token_detail;
    struct jwt_job *job;
    struct exchange
        *judges; /* it is the view that a candidate has of this one: candidate.h; NULL: it is a request */
    struct exchange *judged_by; /* the view of it that is under way; NULL: none is */
    enum candidate_outcome candidate;
    enum deny_reason candidate_reason; /* why it would be denied, or why that is not known */
    struct dpop_state *dpop; /* of a token that came with a proof: methods/dpop.h; NULL: it is none */
    struct api_key_job *key_job;
    struct exchange_external external;
    struct admin_job *admin_job;
    struct slice admin_action;  /* what the admin API was asked to do, static text; empty: nothing */
    struct slice admin_outcome; /* what came of it; the same */
    enum budget_state budget;
    struct slice budget_account; /* that was charged too; empty: none */
    bool summarised;             /* its denial is counted in a summary, and not audited by itself */

    /* limits that were decided, for the RateLimit fields */
    struct slice rate_policy, rate_state;
    int64_t retry_after; /* ns; 0: none */

    /* the way to the upstream */
    unsigned int upstream; /* which, in the settings; since `capacity` */
    struct headers relayed;
    struct slice upstream_target; /* made of the canonical path and the query, and canonical itself */
    struct slice told_host;       /* what the upstream is told as Host by a filter; empty: none does */
    bool preserves_host;          /* it is told the client's own, by a filter */
    struct upstream_ticket ticket;
    struct slice upstream_endpoint;
    int64_t forwarded_at, answered_at; /* ns, monotonic; of the first try, of the answer that went on */
    bool request_sent;                 /* the whole of it is with the upstream connection */
    bool body_started;                 /* a byte of the body has gone: no further try */
    unsigned int tries;                /* further ones, by the route's `retry` */
    bool fell_back;                    /* to the route's `fallback`: there is no further one */
    struct hedge *hedge;   /* its copy at a second server, or the wait for that; NULL: there is none */
    struct mirror *mirror; /* its copy, while that is being made; NULL: none is */
    struct grpc_messages messages; /* of a call: where in its body it stands */

    /* how long a gRPC call may take (grpc-timeout) */
    int64_t call_ends_at; /* ns, monotonic; 0: it does not say */

    /* the answer */
    struct exchange_response response;
    struct compress_encoder *encoder; /* its body passes it: pipeline/compression.h; NULL: it goes as it is */
    struct slice coding;              /* that its body was sent in, static text; empty: in none of ours */
    uint64_t plain;                   /* bytes of the body before that */
    bool response_begun;
    int32_t grpc_status;         /* of a call: what the client was told, or GRPC_NO_STATUS */
    enum deny_reason reason;     /* DENY_NONE: not denied */
    enum deny_reason would_deny; /* the first that a rule found which is only observed; DENY_NONE: none */
    struct slice detail;         /* for the log; never from a credential */
    bool aborted;
    int abort_why;

    /* for the record */
    int64_t started, ended; /* ns, monotonic */
    int64_t started_real;
    bool audit_reserved;
    void *fault; /* one that is being made: struct fault_wait; NULL: none */
    uint64_t body_received;
    uint64_t bytes_received, bytes_sent;

    /* Large, and set as a whole by those who use them: not cleared with the rest. */
    struct route_match match;                             /* since routing */
    struct block_mark further_marks[BLOCK_MARKS_FURTHER]; /* of who was proven beside `principal` */
    uv_work_t work;                                       /* of `job` */
    struct introspection_wait introspection_wait;
    struct deadline call_deadline;     /* where `call_ends_at` is set */
    char time_left[GRPC_TIMEOUT_SIZE]; /* as the upstream is told it */
};

#define EXCHANGE_CLEARED offsetof(struct exchange, match)

extern const struct http_handler exchange_handler;

/* Settings of the route's policy; only where a route was found. */
static inline const struct route_policy *exchange_policy(const struct exchange *exchange)
{
    assert(exchange->route != NULL);
    return &exchange->route->settings->policy;
}

/* What is to be proven of it: by the route's auth, or by the candidate whose view it is. */
static inline const struct auth_settings *exchange_auth(const struct exchange *exchange)
{
    const struct auth_settings *auth = exchange_policy(exchange)->auth;
    return exchange->judges != NULL ? auth->candidate : auth;
}

/* A view of the exchange, which it holds until candidate_end: the same request on the same route, without a stream and nothing
 * proven. NULL: no memory. */
struct exchange *exchange_view(struct exchange *exchange);

/* The stage that waited goes on with the next (DENY_NONE), or denies. Not from within the stage. */
void exchange_resume(struct exchange *exchange, enum deny_reason reason, struct slice detail);

/* Denies outside the stages: before the response began it is answered, after that it is cut. */
void exchange_fail(struct exchange *exchange, enum deny_reason reason, struct slice detail);

/* Sends the response's head through the stages, in reverse. */
void exchange_send_head(struct exchange *exchange);
/* A response without an upstream, whole. `body` may be empty. */
void exchange_answer(struct exchange *exchange, unsigned int status, struct slice body);

/* Its stream and its upstream connection are somebody else's now: it ends. Its log line is theirs, too; what it is audited and
 * counted by is told now. */
void exchange_let_go(struct exchange *exchange);

/* Keeps the exchange in memory until exchange_pending_done: for work elsewhere that will come back, and for callers that go
 * on after a call that may end it. */
static inline struct exchange *exchange_hold(struct exchange *exchange)
{
    exchange->pending++;
    return exchange;
}
void exchange_pending_done(struct exchange *exchange);

/* Frees the recycled exchanges of a worker. */
void exchange_free_spares(struct worker *worker);

#endif
