/* Asks one authorizer, for one worker: keeps connections (upstream/pool.h), bounds how many questions are under way and for how
 * long, asks once where several wait for the same decision, and remembers what it may. One loop, one thread.
 *
 * Whatever goes wrong is an answer too: one that is no yes. No redirect is followed, no body is sent, none is passed on. */
#ifndef SALLYPORT_EXTERNAL_ASKER_H
#define SALLYPORT_EXTERNAL_ASKER_H

#include "external/answer.h"
#include "external/request.h"
#include "net/loop.h"
#include "observe/metrics.h"

struct external_asker;

/* Who waits for an answer. From external_ask until `answered` it and what its question points to must stay. */
struct external_waiter {
    /* Called exactly once, never from within external_ask. `answer` is a reference that is taken over. */
    void (*answered)(struct external_waiter *waiter, struct external_answer *answer);
    struct external_waiter *next; /* the asker's */
};

/* `settings` must outlive it; `metrics_slot` as metrics_authorizer_slot gave it. */
struct error external_asker_new(const struct authorizer_settings *settings, struct net_loop *loop,
                                struct metrics_worker *metrics, unsigned int metrics_slot,
                                struct external_asker **ret_asker) MUST_CHECK;
/* No connection is kept any more. */
void external_asker_retire(struct external_asker *asker);
/* Nobody waits. NULL: nothing. */
void external_asker_free(struct external_asker *asker);

/* A decision that is remembered: a reference for the caller; NULL: there is none. */
struct external_answer *external_remembered(struct external_asker *asker,
                                            const unsigned char key[EXTERNAL_KEY_SIZE]);

/* `key`: NULL where nothing is remembered. Who asks by a key that is being asked about waits for that answer. False: no memory,
 * and nobody will be called. */
bool external_ask(struct external_asker *asker, const unsigned char *key,
                  const struct external_question *question, struct external_waiter *waiter);
/* The question that is under way for this key: the waiter waits for it too, and needs none of its own. False: there is none. */
bool external_join(struct external_asker *asker, const unsigned char key[EXTERNAL_KEY_SIZE],
                   struct external_waiter *waiter);

#endif
