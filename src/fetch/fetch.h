/* Fetches documents over HTTP on a loop, with libcurl: key sets, metadata, answers to questions. The loop's thread.
 * What a fetch may do and what not says request.h. */
#ifndef SALLYPORT_FETCH_FETCH_H
#define SALLYPORT_FETCH_FETCH_H

#include "base/error.h"
#include "fetch/request.h"
#include "net/loop.h"

struct fetcher;
struct fetch;

struct fetch_result {
    const char *failure; /* NULL: `body` is the document */
    long status;         /* of the response; 0: there was none */
    struct slice body;
    struct slice refusal;                /* the body of an answer that is not 200, which says why, maybe */
    const struct fetch_request *request; /* for fetch_request_field */
};

/* The fetch is over, and what the result holds is good during the call. */
typedef void fetch_done(void *context, const struct fetch_result *result);

struct error fetcher_new(struct net_loop *loop, struct fetcher **ret_fetcher) MUST_CHECK;
/* Cancels all. Not from a callback of the fetcher. */
void fetcher_free(struct fetcher *fetcher);

/* Calls `done` once, later, unless it is cancelled. Nothing of the options is kept. */
struct error fetch_start(struct fetcher *fetcher, const struct fetch_options *options, fetch_done *done,
                         void *context, struct fetch **ret_fetch) MUST_CHECK;
/* No callback comes after it. NULL is fine. */
void fetch_cancel(struct fetch *fetch);

#endif
