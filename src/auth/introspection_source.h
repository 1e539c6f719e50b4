/* Asks introspection endpoints (RFC 7662) what they know of tokens: on the control thread, for all workers.
 *
 * A token is asked about once at a time, whoever wants to know, and at most `max_concurrent` tokens of one endpoint; others wait,
 * those that were active before go first. Five failures in a row that are no token's fault, and for a second nobody is asked, then one
 * question finds out: so that requests are not held up by an endpoint that does not answer. */
#ifndef SALLYPORT_AUTH_INTROSPECTION_SOURCE_H
#define SALLYPORT_AUTH_INTROSPECTION_SOURCE_H

#include "auth/introspection_question.h"
#include "auth/introspection_settings.h"

struct introspection_source;

#define INTROSPECTION_WAITING_MAX  1024 /* questions that wait for one endpoint; beyond: busy */
#define INTROSPECTION_FAILURES_MAX 5    /* in a row, before it is left alone */

struct introspection_callbacks {
    /* The question is answered, and whoever is called takes it over. */
    void (*answered)(void *context, struct introspection_question *question);
    /* The endpoint fails, for this reason, and did not before, or for another; `failure` NULL: it is well again. */
    void (*changed)(void *context, struct slice endpoint_name, const char *failure);
    void *context;
};

struct error introspection_source_new(struct net_loop *loop, const struct introspection_callbacks *callbacks,
                                      struct introspection_source **ret_source) MUST_CHECK;
/* Questions that are with it are dropped. */
void introspection_source_free(struct introspection_source *source);

/* These endpoints, and no others. The settings live until the next call. What is under way goes on where nothing about the endpoint has
 * changed that could matter to it, and is answered with UNAVAILABLE else. ERROR_VALUE: a key that cannot be used. On failure the
 * endpoints that could not be made answer UNAVAILABLE. */
struct error introspection_source_set(struct introspection_source *source,
                                      const struct introspection_settings *settings, size_t count) MUST_CHECK;

/* Takes the question over. Its answer may come within the call. */
void introspection_source_ask(struct introspection_source *source, struct introspection_question *question);

struct introspection_health {
    struct slice endpoint_name;
    uint64_t requests, failures; /* that were sent; that failed */
    int64_t time;                /* ns that all of them took together */
    size_t under_way, waiting;
    bool failing;
};

/* Each endpoint; ends where `each` says false. */
void introspection_source_tell(const struct introspection_source *source,
                               bool (*each)(void *context, const struct introspection_health *health),
                               void *context);

#endif
