/* An overloaded worker hands the connections that it accepts to one that is not. The kernel spreads connections over the
 * workers' sockets by a hash, whatever they do: a worker that merely stopped accepting would keep its share waiting.
 * Part of a worker's listeners. */
#ifndef SALLYPORT_GATEWAY_HAND_ON_H
#define SALLYPORT_GATEWAY_HAND_ON_H

#include "gateway/worker.h"

/* Worker's thread. True: another worker has the descriptor, or will close it; it calls worker_take_connection. */
bool worker_hand_on(struct gateway_worker *worker, struct slice listener, const struct arrival *arrival);

/* listeners.c: takes up a connection that was accepted elsewhere. */
void worker_take_connection(struct gateway_worker *worker, struct slice listener,
                            const struct arrival *arrival);

#endif
