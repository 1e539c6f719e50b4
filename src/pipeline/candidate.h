/* Shadow mode of `auth`: a candidate beside what is enforced. Once the route's auth has decided, the same request is judged by the
 * candidate, too, and only what differs is told. On the exchange's thread.
 *
 * The candidate works on a view: an exchange of its own, with the same request and nothing else. So nothing that it finds gets into
 * the request: no principal, no token, no challenge. It is never waited for: what it has to wait for itself goes on beside the
 * request, whose log line waits for it. It uses up no proof of DPoP, notes no use of a key, counts no block, and charges no budget
 * of failures but one of its own. */
#ifndef SALLYPORT_PIPELINE_CANDIDATE_H
#define SALLYPORT_PIPELINE_CANDIDATE_H

#include "pipeline/stage.h"

/* The route's auth has decided about the exchange, by its reason. Where there is a candidate, it is judged. */
void candidate_judge(struct exchange *exchange);

/* For a view: its proofs are in, as its reason says. */
void candidate_decided(struct exchange *view);

/* The stream of an exchange is about to go. What a view needs of a client certificate goes with it: then nothing comes of it. */
void candidate_lets_go(struct exchange *exchange);

/* A view that nobody needs any more: gives back what it has proven. exchange.c frees it. */
void candidate_end(struct exchange *view);

/* Tries the methods of exchange_auth from where it stands, and judges: stages/authenticate.c. */
enum stage_verdict authenticate_prove(struct exchange *exchange);

#endif
