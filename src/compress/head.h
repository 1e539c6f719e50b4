/* What the heads of messages say where a response is compressed (RFC 9110 sections 8.4, 8.8.3 and 12.5.5). Pure; any thread. */
#ifndef SALLYPORT_COMPRESS_HEAD_H
#define SALLYPORT_COMPRESS_HEAD_H

#include "base/arena.h"
#include "compress/algorithm.h"
#include "http/headers.h"

/* How many fields the two below may add. */
#define COMPRESS_HEAD_FIELDS 2

/* Caches learn that the response depends on Accept-Encoding: also of one that was not compressed, but would have been for others.
 * False: no room. */
bool compress_head_vary(struct headers *headers);

/* The coding is told, parts of the body cannot be asked for, and a strong entity tag becomes a weak one: what is sent is no longer what
 * the tag was made for, byte by byte. False: no room, and nothing has changed but Vary. */
bool compress_head_encode(struct headers *headers, const struct compress_algorithm *algorithm,
                          struct arena *arena);

/* A 304 names the tag that the client has: the weak one, where it asked with that. False: no memory. */
bool compress_head_not_modified(struct headers *headers, const struct headers *request, struct arena *arena);

/* The upstream is asked for what is not coded: the gateway alone compresses, and so decides alone what may be. And If-Match, which
 * compares strongly, names the tags that were made weak above as the upstream knows them. `headers`: the upstream's. False: no room. */
bool compress_head_ask(struct headers *headers, struct arena *arena);
/* Fields that it may add. */
#define COMPRESS_ASK_FIELDS 1

/* Trailers that prove the body as the upstream sent it are about another one. */
void compress_head_trailers(struct headers *trailers);

#endif
