/* Exchanges and external authorizers: asks one about an exchange, and puts what it answered where it belongs. An exchange may
 * ask two, one after the other: one that proves who is calling, and one that says whether they may. On the exchange's thread. */
#ifndef SALLYPORT_PIPELINE_EXTERNAL_H
#define SALLYPORT_PIPELINE_EXTERNAL_H

#include "pipeline/exchange.h"

enum external_verdict {
    EXTERNAL_YES,
    EXTERNAL_NO,   /* exchange->reason and detail say why: also where there is no answer */
    EXTERNAL_WAIT, /* `resumed` will be called, not from within, unless the exchange is answered meanwhile */
};

typedef void external_resumed(struct exchange *exchange, enum external_verdict verdict);

/* `settings`: of the exchange's snapshot. `place`: where the answer stays until the exchange ends. */
enum external_verdict external_consult(struct exchange *exchange, const struct authorizer_settings *settings,
                                       struct external_answer **place, external_resumed *resumed);

/* Fields for the upstream that authorizers have answered with, each name once; what the later one says counts. False: no
 * memory. */
bool external_granted(struct exchange *exchange, struct headers *ret_granted);

/* The request's fields as rules are to see them: an authorizer's fields in place of the client's. The request's own where there
 * are none. NULL: no memory. */
const struct headers *external_seen(struct exchange *exchange);

/* What of their answers goes to the client: into the response's head. */
void external_tell_client(struct exchange *exchange);
/* Has the authorizer whose no is being answered a challenge of its own? */
bool external_challenges(const struct exchange *exchange);

void external_release(struct exchange *exchange);

#endif
