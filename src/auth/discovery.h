/* Where an issuer's keys are, by its own word: OpenID Connect Discovery 1.0 section 4. Pure; any thread.
 *
 * The metadata lies behind the issuer's path (section 4.1). RFC 8414 section 3.1 would have it before the path, for servers
 * that are no OpenID providers: theirs are configured by jwks_url. */
#ifndef SALLYPORT_AUTH_DISCOVERY_H
#define SALLYPORT_AUTH_DISCOVERY_H

#include "base/arena.h"
#include "base/slice.h"

/* ISSUER/.well-known/openid-configuration, without a second slash; none without memory. */
struct slice discovery_url(struct arena *arena, struct slice issuer);

/* Reads the metadata of `issuer`, who must be named in it exactly (section 4.3): else one provider could pass for another, or
 * another's for its own. NULL with the jwks_uri in the arena; else a static text: what is wrong. What may be fetched from
 * there fetch/request.h decides. */
const char *discovery_read(struct slice text, struct slice issuer, struct arena *arena,
                           struct slice *ret_jwks_uri);

#endif
