/* Blocks as requests meet them: where each kind is looked for, and what a new set of blocks ends. Worker's thread.
 *
 * What is asked here sets exchange->detail and counts, where the answer is not DENY_NONE. It costs a comparison where there is no
 * block of the kind, and a hash and a look-up where there is. */
#ifndef SALLYPORT_PIPELINE_BLOCKS_H
#define SALLYPORT_PIPELINE_BLOCKS_H

#include "pipeline/exchange.h"

/* Marks that one exchange may have, those of others that were proven included. */
#define BLOCK_MARKS_MAX (9 + BLOCK_MARKS_FURTHER)

/* Right after accept, before TLS costs: is the peer blocked by its address? Never a proxy that names its clients, which may be
 * anybody: those are looked at request by request. */
bool blocks_refuse_peer(const struct worker *worker, const struct listener_settings *listener,
                        const struct address *peer);

/* The client's address, as the listener's forwarded headers tell it. */
enum deny_reason blocks_of_client(struct exchange *exchange);
/* The certificate of its connection, on any route. */
enum deny_reason blocks_of_certificate(struct exchange *exchange);
enum deny_reason blocks_of_route(struct exchange *exchange);
/* One who was proven, by a cached token or key as by a new one. */
enum deny_reason blocks_of_principal(struct exchange *exchange, const struct principal *principal);

/* Somebody was proven beside exchange->principal, and will not be known any more when a new block comes. */
void blocks_note_further(struct exchange *exchange, const struct principal *principal);

/* All that blocks could meet about it, but for its address: for what outlives it. Returns how many they are. */
size_t blocks_marks_of(const struct exchange *exchange, struct block_mark out[BLOCK_MARKS_MAX]);

/* A new set is in force: taken up, with a hold of its own. What is under way and is met by it is ended: requests are denied or
 * cut, tunnels closed, connections of blocked addresses end. NULL: there are no blocks. */
void blocks_take(struct worker *worker, struct block_set *set);

#endif
