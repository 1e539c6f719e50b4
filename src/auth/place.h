/* Where in a request the credentials of a route's methods stand: what `token_from` and `key_from` say, worked out once, by config.
 * Immutable; any thread.
 *
 * A method looks at its places and at no others, and finds at most one credential: with two, which of them counts would be a matter
 * of taste. */
#ifndef SALLYPORT_AUTH_PLACE_H
#define SALLYPORT_AUTH_PLACE_H

#include "base/arena.h"
#include "base/conf_field.h"

/* Of one method on one route. */
#define AUTH_PLACES_MAX 8

enum auth_place_kind {
    AUTH_PLACE_BEARER, /* the scheme Bearer in Authorization (RFC 6750 section 2.1) */
    AUTH_PLACE_HEADER, /* a header of its own */
    AUTH_PLACE_COOKIE, /* which a browser sends whatever page asks it to: Origin is checked (route/origin.h) */
    AUTH_PLACE_QUERY,  /* RFC 6750 section 2.3 */
};

struct auth_place {
    enum auth_place_kind kind;
    struct slice name; /* of the header, the cookie or the parameter; AUTH_PLACE_BEARER: Authorization */
    struct conf_strings names; /* whose credentials may stand there: issuers, or sets of API keys */
    const void **settings;     /* of each of them */
};

struct auth_places {
    struct auth_place *items;
    size_t count;
};

/* `token_from`, `key_from`. What is not given is empty. */
struct auth_place_settings {
    struct slice header, cookie, query;
};

extern const struct conf_object auth_token_from_object, auth_key_from_object;

struct auth_plan;
struct auth_settings;

/* Fills in the places of a plan's uses, whose sources are known. False: no memory, or more than AUTH_PLACES_MAX of one method. */
bool auth_places_set(struct auth_plan *plan, const struct auth_settings *settings, struct arena *arena);

/* Are they one place? Names of headers have no case. */
bool auth_place_same(const struct auth_place *one, const struct auth_place *other);

/* "header X-API-Key", "cookie NAME", "query parameter NAME". */
const char *auth_place_kind_text(enum auth_place_kind kind);

/* What is wrong with them: a static text, or NULL. `in_issuer`: that are an issuer's, where no query may stand. */
const char *auth_place_check(const struct auth_place_settings *settings, bool in_issuer);

/* Can a header not hold a credential, since it means something else? */
bool auth_place_header_is_taken(struct slice header);

#endif
