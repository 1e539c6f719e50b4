/* What a route makes of an answer of its upstream. */
#ifndef SALLYPORT_PIPELINE_FILTERS_H
#define SALLYPORT_PIPELINE_FILTERS_H

#include "pipeline/exchange.h"

/* What the upstream that is asked now is told as Host, or :authority. ptr NULL: no memory. */
struct slice filters_host(struct exchange *exchange);

/* On the fields of exchange->response, before any stage has added its own. Not DENY_NONE: exchange->detail says more. */
enum deny_reason filters_of_response(struct exchange *exchange);

#endif
