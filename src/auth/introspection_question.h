/* A question about one token, on its way from a worker to the control thread, which asks the endpoint, and back. Owned by whoever
 * holds it; it is with one thread at a time. */
#ifndef SALLYPORT_AUTH_INTROSPECTION_QUESTION_H
#define SALLYPORT_AUTH_INTROSPECTION_QUESTION_H

#include "auth/token_digest.h"
#include "net/loop.h"
#include "pipeline/deny_reasons.h"

struct introspection_question {
    struct net_task task;                /* first: for who carries it */
    struct introspection_question *next; /* of whoever holds it */
    void *asker;                         /* for who carries it */
    uint64_t endpoint_id;                /* of the asker's */
    bool
        is_known; /* the token was active when it was asked about last: it goes before those that never were */
    unsigned char digest[TOKEN_DIGEST_SIZE]; /* of the token */
    int64_t born;                            /* monotonic ns: it has until `timeout` after it */
    struct slice endpoint_name, token;       /* own copies; the token is wiped */
    /* The answer */
    enum deny_reason reason; /* DENY_NONE: `body` is what the endpoint said */
    int64_t asked_at;        /* monotonic ns, when the endpoint was asked: what it says holds for then */
    struct slice body;       /* on the heap */
};

/* NULL without memory. */
struct introspection_question *introspection_question_new(struct slice endpoint_name, struct slice token);
/* NULL is fine. */
void introspection_question_free(struct introspection_question *question);

/* Copies what the endpoint said; without memory, INTERNAL is the reason. */
void introspection_question_answer(struct introspection_question *question, struct slice body,
                                   int64_t asked_at);

/* Questions in the order in which they came, by their `next`. */
struct introspection_questions {
    struct introspection_question *first, **last;
    size_t count;
};
void introspection_questions_init(struct introspection_questions *questions);
void introspection_questions_add(struct introspection_questions *questions,
                                 struct introspection_question *question);
/* The first; NULL: there is none. */
struct introspection_question *introspection_questions_take(struct introspection_questions *questions);

#endif
