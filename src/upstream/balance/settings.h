/* What the configuration says about how a service's endpoints are chosen. Plain data. */
#ifndef SALLYPORT_UPSTREAM_BALANCE_SETTINGS_H
#define SALLYPORT_UPSTREAM_BALANCE_SETTINGS_H

#include "base/slice.h"

enum upstream_balance {
    BALANCE_ROUND_ROBIN,
    BALANCE_WEIGHTED,
    BALANCE_LEAST_REQUESTS,
    BALANCE_P2C,
    BALANCE_HASH,
    BALANCE_KINDS,
};

/* What a request's key is made of. */
enum balance_by {
    BALANCE_BY_CALLER,  /* issuer and subject; of the anonymous, the address */
    BALANCE_BY_ADDRESS, /* IPv6 by /64 */
    BALANCE_BY_HEADER,
    BALANCE_BY_COOKIE,
};

struct balance_source {
    enum balance_by by;
    struct slice name; /* of the header or cookie */
};

/* "caller", "address", "header:NAME", "cookie:NAME"; NULL, or what is wrong with it, static. The name is of `text`. Pure. */
const char *balance_source_parse(struct slice text, struct balance_source *ret_source);

#endif
