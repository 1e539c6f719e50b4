/* What a worker knows about tokens by introspection (RFC 7662): those that were active, those that were not, and the questions that
 * are under way, one for each token however many requests wait for it.
 *
 * One thread. A token that is known costs one digest and allocates nothing. It is believed for the endpoint's `cache` from when
 * the endpoint was asked, and never beyond its exp. */
#ifndef SALLYPORT_AUTH_INTROSPECTOR_H
#define SALLYPORT_AUTH_INTROSPECTOR_H

#include "auth/gate.h"
#include "auth/introspection_answer.h"
#include "auth/introspection_question.h"
#include "auth/token.h"

struct introspector;

#define INTROSPECTION_QUESTIONS_MAX 512  /* of one worker under way at once; beyond: busy */
#define INTROSPECTION_WAITS_MAX     4096 /* requests of one worker that wait; beyond: busy */

/* Hands a question on; it comes back by introspector_answer, or never. False: nobody can be asked, and the question is the caller's
 * still. */
typedef bool introspector_ask(void *context, struct introspection_question *question);

/* `cache_entries`: active tokens kept, all endpoints together; rounded up to a power of two. */
struct error introspector_new(size_t cache_entries, introspector_ask *ask, void *context,
                              struct introspector **ret_introspector) MUST_CHECK;
/* Nobody waits. */
void introspector_free(struct introspector *introspector);

/* Adds or updates the endpoint with settings->name. Tokens that were asked about stay where nothing has changed that could matter
 * to them. `settings` must live until the next call for this name, or the sweep. */
struct error introspector_set(struct introspector *introspector,
                              const struct introspection_settings *settings) MUST_CHECK;
/* Drops every endpoint that was not set since the last call of this: the end of a reload. */
void introspector_sweep(struct introspector *introspector);

struct introspection_request {
    const struct introspection_settings *settings; /* the asker's: live until it is answered */
    struct slice token;
    int64_t now_ns; /* monotonic */
    struct introspection_moment moment;
    struct verification_gate gate; /* asked before an endpoint is */
};

enum introspection_outcome {
    INTROSPECTION_VALID,   /* *ret_token is held for the caller */
    INTROSPECTION_DENIED,  /* detail->reason */
    INTROSPECTION_WAITING, /* wait->done will be called, not from within */
};

struct introspection_detail {
    enum deny_reason reason;
    bool cached; /* nobody had to be asked */
    bool stale;  /* nobody could be asked: the token is believed beyond its time */
};

/* A request that waits. Its owner's storage, untouched until `done`. */
struct introspection_wait {
    struct introspection_wait *next;
    /* `token`, held for the callee: active, and still to be checked for this request (introspection_check); NULL: the detail says
     * why. */
    void (*done)(struct introspection_wait *wait, struct jwt_token *token,
                 const struct introspection_detail *detail);
};

enum introspection_outcome introspector_check(struct introspector *introspector,
                                              const struct introspection_request *request,
                                              struct jwt_token **ret_token,
                                              struct introspection_detail *ret_detail,
                                              struct introspection_wait *wait);

/* A question has come back, and is freed. `now`: seconds since 1970; `now_ns`: monotonic. */
void introspector_answer(struct introspector *introspector, struct introspection_question *question,
                         int64_t now, int64_t now_ns);

/* Answers all who wait with `unavailable`: the worker ends. */
void introspector_give_up(struct introspector *introspector);

/* Fills in the principal, which takes over the caller's hold. */
void introspection_principal(struct jwt_token *token, struct principal *out);

/* Number of active tokens kept; for tests. */
size_t introspector_count(const struct introspector *introspector);

#endif
