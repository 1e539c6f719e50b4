/* What a gateway process leaves to the one that relieves it at an upgrade: the key of its TLS tickets, the key sets that
 * it fetched, and the endpoints that it discovered. Shared memory that the supervisor makes for each process and never looks into; sealed, so that nobody can
 * shorten it under a reader. Never on a disk: where key sets are to be there, they are kept apart (gateway/key_cache.h).
 *
 * The process that serves writes it; the one that is to relieve it reads it, meanwhile. One that has died leaves nothing: it
 * may have died of an attack. */
#ifndef SALLYPORT_GATEWAY_BEQUEST_H
#define SALLYPORT_GATEWAY_BEQUEST_H

#include "base/buffer.h"
#include "base/error.h"
#include "supervisor/channel.h"

#define BEQUEST_SIZE CHANNEL_BEQUEST_SIZE

struct bequest;

/* Maps the file that this process writes; `fd` stays the caller's. */
struct error bequest_new(int fd, struct bequest **ret_bequest) MUST_CHECK;
/* NULL is fine. What was written stays: the next process may be about to read it. */
void bequest_free(struct bequest *bequest);

/* Writes all anew. False: it does not fit, and nothing is left. */
bool bequest_write(struct bequest *bequest, struct slice text);
/* A copy of what another process has written so far, into an empty buffer with room for BEQUEST_SIZE. False: nothing whole. */
bool bequest_read(int fd, struct buffer *out);

#endif
