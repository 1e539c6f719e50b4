/* One introspection endpoint: the questions about its tokens that are under way or wait, and how well it is. Private to src/auth.
 * One thread. */
#ifndef SALLYPORT_AUTH_INTROSPECTION_ENDPOINT_H
#define SALLYPORT_AUTH_INTROSPECTION_ENDPOINT_H

#include "auth/client_authentication.h"
#include "auth/introspection_source.h"
#include "base/arena.h"
#include "fetch/fetch.h"

/* What all endpoints of a source share. */
struct introspection_asking {
    struct net_loop *loop;
    struct introspection_callbacks callbacks;
    struct fetcher *fetcher;
    struct arena scratch; /* of the answer that is looked at */
};

struct introspection_flight;

struct introspection_endpoint {
    struct introspection_endpoint *next; /* the owner's, as is `wanted` */
    bool wanted;
    struct introspection_asking *asking;
    const struct introspection_settings *settings; /* of the configuration in force */
    struct oauth_client *client;                   /* NULL: it cannot be asked */
    char *name, *url, *client_id;                  /* own copies, to know it by in the next configuration */
    struct introspection_flight *flights;
    size_t flight_count;
    struct introspection_questions known, unknown; /* that wait for their turn */
    unsigned int failures_in_row;
    int64_t paused_until;
    enum deny_reason failure; /* the last one; DENY_NONE: it is well */
    enum deny_reason told;    /* what the log says of it */
    int64_t telling_since;
    unsigned int tells; /* since then */
    uint64_t requests, failures;
    int64_t time;
};

/* NULL without memory. It cannot be asked yet. */
struct introspection_endpoint *introspection_endpoint_new(struct introspection_asking *asking,
                                                          const struct introspection_settings *settings);
/* `answered`: those who have asked are told; else their questions are dropped. */
void introspection_endpoint_free(struct introspection_endpoint *endpoint, bool answered);

/* Would what is under way be the same question by these settings? */
bool introspection_endpoint_is(const struct introspection_endpoint *endpoint,
                               const struct introspection_settings *settings);
/* From now on it is asked as these say, which live until the next call. ERROR_VALUE: a key that cannot be used. */
struct error introspection_endpoint_set(struct introspection_endpoint *endpoint,
                                        const struct introspection_settings *settings) MUST_CHECK;

/* Takes the question over. Its answer may come within the call. */
void introspection_endpoint_ask(struct introspection_endpoint *endpoint,
                                struct introspection_question *question);

#endif
