/* Fetches one document over HTTP on a loop, with libcurl: for key_source.c only.
 * What it may do and what not says key_request.h. */
#ifndef SALLYPORT_AUTH_KEY_FETCH_H
#define SALLYPORT_AUTH_KEY_FETCH_H

#include "base/error.h"
#include "net/loop.h"
#include "tls/settings.h"

struct key_fetcher;
struct key_fetch;

/* `failure` NULL: `body` is the document. Both are good during the call; the fetch is over. */
typedef void key_fetch_done(void *context, const char *failure, struct slice body);

struct error key_fetcher_new(struct net_loop *loop, struct key_fetcher **ret_fetcher) MUST_CHECK;
/* Cancels all. Not from a callback of the fetcher. */
void key_fetcher_free(struct key_fetcher *fetcher);

/* Calls `done` once, later, unless it is cancelled. `tls` may be NULL; nothing of it is kept. `timeout` in ns. */
struct error key_fetch_start(struct key_fetcher *fetcher, struct slice url,
                             const struct tls_client_settings *tls, int64_t timeout, key_fetch_done *done,
                             void *context, struct key_fetch **ret_fetch) MUST_CHECK;
/* No callback comes after it. NULL is fine. */
void key_fetch_cancel(struct key_fetch *fetch);

#endif
