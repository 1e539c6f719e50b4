/* Copies of requests for a second upstream: what a new version of a service would do with what the old one is asked.
 *
 * A copy is whole before it is sent, and lives by itself from then on: whatever becomes of it, the request and its client notice
 * nothing. It is made of what goes to the route's upstream, without Authorization and Cookie unless the route says so. Bounded: bodies by
 * the route, copies at once by MIRRORS_MAX; what finds no room is not copied, and counted. One worker's thread. */
#ifndef SALLYPORT_PIPELINE_MIRROR_H
#define SALLYPORT_PIPELINE_MIRROR_H

#include "pipeline/exchange.h"

#define MIRRORS_MAX 256 /* of a worker */

/* The request goes upstream, on a route with `mirror`, by this target and authority. Where it is to be copied, its body follows. */
void mirror_begin(struct exchange *exchange, struct slice target, struct slice host);
void mirror_body(struct exchange *exchange, struct slice data);
void mirror_body_end(struct exchange *exchange);
/* The request is over; what is not whole is not sent. */
void mirror_forget(struct exchange *exchange);

/* The worker ends: no answer is waited for. */
void mirror_end_all(struct worker *worker);

#endif
