/* A token in a file, read in the thread pool each time that it is needed, since others replace it. The loop's thread. */
#ifndef SALLYPORT_UPSTREAM_DISCOVERY_TOKEN_H
#define SALLYPORT_UPSTREAM_DISCOVERY_TOKEN_H

#include "base/error.h"
#include "net/loop.h"

#define TOKEN_FILE_MAX ((size_t)16 * 1024) /* bytes */

struct token_look;

/* `value`: of a field Authorization, "Bearer …"; good during the call, and wiped then. */
typedef void token_done(void *context, struct error error, struct slice value);

/* Calls `done` once, later, unless it is forgotten. NULL: no memory. */
struct token_look *token_look(struct net_loop *loop, struct slice path, token_done *done, void *context);
/* NULL is fine. */
void token_forget(struct token_look *look);

#endif
