/* What a proof of DPoP was made for (htu, RFC 9449 section 4.2), beside what was asked for. Pure; any thread. */
#ifndef SALLYPORT_AUTH_DPOP_TARGET_H
#define SALLYPORT_AUTH_DPOP_TARGET_H

#include "base/arena.h"

struct dpop_origin {
    bool is_tls;
    struct slice host; /* as uri_parse_authority makes it */
    uint16_t port;     /* the scheme's where none is written */
};

/* An origin as the configuration may hold it: http or https, an authority, nothing behind it but a slash. NULL, or what is wrong; the
 * host lives in `arena`. */
const char *dpop_origin_parse(struct slice text, struct arena *arena, struct dpop_origin *out);

/* What was asked for, canonical. */
struct dpop_target {
    const struct dpop_origin *origins; /* the gateway's own */
    size_t origin_count;
    struct slice host; /* that the request named, */
    uint16_t port;     /* and 0 where it named none */
    struct slice path;
    unsigned int path_allows; /* enum uri_allow, of the route */
};

/* Does htu lead there, its query and fragment passed over, by its canonical form (RFC 3986 section 6.2)? Where one of the origins is
 * what the request named, it must be that one: a proof for one host of ours is none for another. */
bool dpop_target_matches(const struct dpop_target *target, struct slice htu, struct arena *scratch);

#endif
