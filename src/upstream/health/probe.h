/* One check of one address: a connection of its own, made and spoken to as the workers' are (http/client.h), one question, one
 * answer, the end. No credentials, no redirects; the answer is bounded in bytes, the whole in time. One loop, one thread. */
#ifndef SALLYPORT_UPSTREAM_HEALTH_PROBE_H
#define SALLYPORT_UPSTREAM_HEALTH_PROBE_H

#include "base/buffer.h"
#include "base/limits.h"
#include "http/client.h"
#include "upstream/health/settings.h"
#include "upstream/settings.h"

/* X(ID, "name"): what came of a check, as metrics and the log name it. */
#define HEALTH_OUTCOMES(X)                                                          \
    X(PASSED, "passed")                                                             \
    X(NAME, "name")       /* its name is not resolved */                            \
    X(CONNECT, "connect") /* refused, or no way there */                            \
    X(TLS, "tls")                                                                   \
    X(TIMEOUT, "timeout")                                                           \
    X(CLOSED, "closed")               /* without an answer, or within it */         \
    X(PROTOCOL, "protocol")           /* no HTTP, no gRPC, too large */             \
    X(STATUS, "status")               /* of HTTP, or grpc-status */                 \
    X(NOT_SERVING, "not_serving")     /* gRPC: says so, or knows no such service */ \
    X(UNIMPLEMENTED, "unimplemented") /* gRPC: it has no health service */

enum health_outcome {
#define HEALTH_OUTCOME_ENUM(id, name) HEALTH_##id,
    HEALTH_OUTCOMES(HEALTH_OUTCOME_ENUM)
#undef HEALTH_OUTCOME_ENUM
    HEALTH_OUTCOME_COUNT,
};

extern const char *const health_outcome_names[HEALTH_OUTCOME_COUNT];

struct health_probe;
/* Once, from the loop, never from within health_probe_start. `detail` is for a person and good during the call; the probe is
 * over, and may be started again or freed. */
typedef void health_probe_done(struct health_probe *probe, enum health_outcome outcome, const char *detail);

/* What is asked of each server of a service. */
struct health_question {
    struct health_settings settings;
    struct slice host_header; /* empty: the server's own authority */
    int protocol;             /* enum http_client_protocol, of https endpoints */
    struct tls_client *tls;   /* of https endpoints; NULL: there is none */
    struct guard guard;       /* where no server is asked */
};

/* Whom it is asked. */
struct health_server {
    const struct health_question *question;
    const struct upstream_endpoint *endpoint;
    struct slice authority; /* its host, and its port where that is no standard one */
    struct address address; /* of an endpoint without a path */
};

struct health_probe { /* zeroed before the first use */
    struct net_loop *loop;
    struct metrics_worker *metrics;
    const struct health_server *server;
    health_probe_done *done;
    struct http_client *client; /* NULL: none */
    struct http_call *call;     /* NULL: none */
    struct deadline deadline;
    bool running;
    /* the answer */
    unsigned int status;    /* of HTTP; 0: no head yet */
    bool grpc_status_known; /* told by the head, so that there is no message */
    uint64_t grpc_status;
    size_t size;        /* bytes of its body so far */
    struct buffer body; /* gRPC's message */
    char detail[160];
};

/* `server` must stay until it is over. On failure nothing follows: nobody is there, or may be, or something is
 * short here (error_is_shortage). */
struct error health_probe_start(struct health_probe *probe, const struct health_server *server,
                                struct net_loop *loop, struct metrics_worker *metrics,
                                health_probe_done *done) MUST_CHECK;
/* Nothing follows. One that is not running is fine. */
void health_probe_cancel(struct health_probe *probe);

#endif
