/* Hedging: a read whose server has not begun to answer within the route's `hedge.after` is sent to another server, too.
 *
 * The head that comes first serves, and the other call is cancelled; what has come of it reaches nobody. Where the first to come has
 * failed (a broken connection, a status of 500 and above but for 501) while the other is sent, it does not count yet, and the other one
 * is waited for. When both have failed, an answer is better than none, and of two the last one: that is the request's, for `retry` and
 * `fallback` to see. An answer that waits has its call paused. A request is hedged once, only while it has a call and the client was
 * told nothing, and only where its upstream's retry budget has room. One worker's thread; the memory is the exchange's. */
#ifndef SALLYPORT_PIPELINE_HEDGE_H
#define SALLYPORT_PIPELINE_HEDGE_H

#include "pipeline/exchange.h"

/* How `forward` sends a request, and hears of it. `caller` of its events is the exchange. */
struct hedge_means {
    const struct http_call_events *events;
    bool (*begin)(struct exchange *exchange, struct http_call *call, const struct http_call_events *events,
                  void *caller);
};

/* The whole request is sent; its route has a `hedge`. `means` must be static. */
void hedge_arm(struct exchange *exchange, const struct hedge_means *means);

/* What the exchange's own call brings. True: it is not to go on, for the copy goes on in its place. */

/* It has failed, and was given back. An answer of the copy that waited may have served meanwhile, and ended the exchange. */
bool hedge_outlives_failure(struct exchange *exchange);
/* A head. Where it does not go on, it waits, or the call was given back; where it does, the copy is cancelled. */
bool hedge_outlives_response(struct exchange *exchange, const struct http_response *response);
/* An interim response: of two servers none is told of; and where one is, there will be no copy. */
bool hedge_mutes(struct exchange *exchange);

/* The exchange has its answer, or none will come. */
void hedge_end(struct exchange *exchange);

/* How it went, for the log, static text: "won", "lost" or "failed"; empty: there was no copy, or it was cut short. */
struct slice hedge_outcome(const struct exchange *exchange);

#endif
