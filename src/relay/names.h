/* Which field names are dropped, and when two names are one: shared by the files of this room. Pure; any thread. */
#ifndef SALLYPORT_RELAY_NAMES_H
#define SALLYPORT_RELAY_NAMES_H

#include "base/conf_field.h"
#include "http/headers.h"
#include "relay/relay.h"

enum name_class {
    NAME_HOP = 1 << 0,        /* of one connection, framing and Host among them */
    NAME_CREDENTIAL = 1 << 1, /* proves an identity to us, so it goes no further */
    NAME_FORWARDED = 1 << 2,  /* speaks of the client's address, protocol, host or certificate */
    NAME_OVERRIDE = 1 << 3,   /* makes a server see another method or path than the one that was decided on */
    NAME_OURS = 1 << 4,       /* set anew by the gateway on requests */
    NAME_NO_TRAILER = 1 << 5, /* must not stand in a trailer section */
    NAME_RESPONSE = 1 << 6,   /* dropped from responses beyond NAME_HOP */
    NAME_FIXED = 1 << 7,      /* passes, but a route may not set it: cookies, the body's description */
    NAME_BANNER = 1 << 8,     /* of an answer: tells what serves it */
};

#define NAME_DROPPED_FROM_REQUEST (NAME_HOP | NAME_CREDENTIAL | NAME_FORWARDED | NAME_OVERRIDE | NAME_OURS)

/* enum name_class, or-ed. Names that servers take for one (case, any sign for "-") have the classes of the known one. */
unsigned int name_classes(enum header_id id, struct slice name);

/* Are they one name to a server that maps headers to variables (CGI and its heirs: "X_User" is "X-User")? */
bool name_same(struct slice a, struct slice b);
/* May a client's field be spelled like that? "_" only where the route lets it pass (`settings` may be NULL). */
bool name_spelling_passes(const struct relay_settings *settings, struct slice name);
bool name_is_among(struct slice name, const struct conf_strings *names);

/* The names in all Connection fields. */
#define CONNECTION_NAMES_MAX 32
struct connection_names {
    struct slice items[CONNECTION_NAMES_MAX];
    size_t count;
};

/* False where there are more: comparing every header with each of thousands is a way to burn our time. */
bool connection_names_of(const struct headers *headers, struct connection_names *ret_names);
bool connection_names_hold(const struct connection_names *names, struct slice name);

#endif
