/* What a client would rather have (RFC 9110 section 12.5.1). Pure; any thread. */
#ifndef SALLYPORT_HTTP_ACCEPT_H
#define SALLYPORT_HTTP_ACCEPT_H

#include "http/headers.h"

/* How much it wants a media type, in thousandths: 0 is not at all. The most specific range that fits decides. */
struct accept_quality {
    unsigned int value;
    bool named; /* by its name, or by "type/" and "*": and not by "*" alone, or because nothing was said */
};

/* `type`: lower-case, without parameters. All Accept fields count as one list, of which the first ACCEPT_RANGES_MAX are read. */
#define ACCEPT_RANGES_MAX 32
struct accept_quality accept_quality_of(const struct headers *headers, struct slice type);

/* The weight of an element of a list, in thousandths, whose parameters are `rest`: 1000 where it is not said, 0 where it is malformed
 * (section 12.4.2). */
unsigned int accept_weight(struct slice rest);

#endif
