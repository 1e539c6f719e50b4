/* How and when the caller logged in (OpenID Connect Core section 2: acr, amr, auth_time; RFC 9470): private to src/authorize. */
#ifndef SALLYPORT_AUTHORIZE_STRENGTH_H
#define SALLYPORT_AUTHORIZE_STRENGTH_H

#include "authorize/authorize.h"

/* Is it as the settings demand, at `now`, seconds since 1970? True where they demand nothing. What the token does not say, or
 * not in the form that it has, holds for nothing. */
bool strength_is_enough(const struct authorize_settings *settings, const struct principal *principal,
                        int64_t now);

#endif
