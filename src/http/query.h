/* Parameters of a query (application/x-www-form-urlencoded, as the URL Standard has it), as services may read them: they differ in
 * what they take for one name, and in what separates two parameters. No allocation but in query_without; any thread. */
#ifndef SALLYPORT_HTTP_QUERY_H
#define SALLYPORT_HTTP_QUERY_H

#include "base/arena.h"
#include "base/conf_field.h"

/* What stands in a query by one name, or by one that a service may take for it: in another case, in percent-escapes, with an
 * index ("name[0]"), with a sign that some servers take for another, or behind a ';'. */
struct query_found {
    size_t count;       /* of all of them */
    bool clear;         /* the last one has the very name, a '=', and no ';' near it */
    struct slice value; /* of the last one, still percent-encoded */
};

/* `query`: behind the '?'; ptr NULL: none. */
struct query_found query_find(struct slice query, struct slice name);

/* The query without the parameters that are named so, or alike, whole from '&' to '&': the query itself where there are none, ptr
 * NULL where nothing is left. False: no room in the arena. */
bool query_without(struct slice query, const struct conf_strings *names, struct arena *arena,
                   struct slice *ret_query);

/* Takes the next byte off percent-encoded text that is not empty. */
char query_take_byte(struct slice *rest);

#endif
