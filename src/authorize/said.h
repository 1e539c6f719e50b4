/* What a request says where a rule compares it with a claim: private to src/authorize. No allocation; any thread.
 *
 * Services differ in how they read what is repeated or spelt in a way of its own. A rule that lets somebody in must hold for
 * whatever the service makes of the request: what could be read as two values, or as another one, is none. */
#ifndef SALLYPORT_AUTHORIZE_SAID_H
#define SALLYPORT_AUTHORIZE_SAID_H

#include "authorize/authorize.h"

/* Is percent-encoded text, decoded, this? */
bool said_spells(struct slice encoded, struct slice text);

/* The value of the one query parameter of this name, still percent-encoded. False where it is absent, empty or there more
 * than once; in another case, with an index ("name[0]"), or with a sign that some servers take for another in it; and where '+'
 * (a space to some) or ';' (a separator to some) stands in its value. */
bool said_by_query(struct slice query, struct slice name, struct slice *ret_value);

/* The value of the one field of this name. False where it is absent, empty, there more than once, also by a name that CGI
 * and its heirs take for the same, or a list. */
bool said_by_header(const struct headers *headers, struct slice name, struct slice *ret_value);

/* Are they one name to a server that maps headers to variables ("X_User" is "X-User")? */
bool said_same_field(struct slice a, struct slice b);

#endif
