/* Which route serves a request: host, then path, then method.
 *
 * Hosts: an exact name, "*.example.com" (one or more labels), or "*". Precedence: exact, longest wildcard suffix, "*".
 * The best host that exists decides: a path that it lacks is not looked for under a less specific one.
 * Paths: segments of text, {name} (one non-empty segment), and ** (the rest, zero or more segments; last only).
 * Precedence by segment from the left: text, variable, **. The best path that exists decides; its methods then match, or
 * it is 405: never a less specific route. Routes of the same host, path and method may differ by conditions: they are asked by
 * priority, then by their number of conditions, and one without conditions last; where none holds, there is no route. A trailing slash is significant: "/orders" is not "/orders/"; "/orders/" + "**"
 * is all three of "/orders", "/orders/" and everything below. Text is compared byte for byte, in the canonical form of
 * http/uri.h, which patterns are brought into once. "exists" always means: on the listener that the request came by.
 * The cost of a lookup does not grow with the number of routes. Built once into the snapshot, then read-only: any thread. */
#ifndef SALLYPORT_ROUTE_ROUTE_H
#define SALLYPORT_ROUTE_ROUTE_H

#include "base/arena.h"
#include "base/conf_field.h"
#include "base/error.h"
#include "http/message.h"
#include "net/address.h"

/* What one header, parameter or cookie of this name must be: any of the values. */
struct condition_settings {
    struct slice name;
    struct conf_strings values; /* a text; "text*": what begins so; "*": whatever it is */
};

/* `match` of a group or a route. */
struct match_settings {
    struct conf_strings host; /* as above; a group's hosts hold for its routes that name none */
    struct conf_strings path; /* patterns; a group's is the prefix of its routes' */
    struct conf_strings
        methods; /* empty: every method but CONNECT and TRACE; GET allows HEAD too; OPTIONS, where there
                                    is a list, only if it is in it */
    /* Conditions: all of them hold, or it is not this route. See route/conditions.h. */
    struct conf_list headers, query, cookies; /* of struct condition_settings */
    struct conf_strings addresses;            /* prefixes, any of which the client is in */
    struct slice after, before;               /* dates: from the one on, until the other */
    int64_t priority;                         /* the higher is asked first */
};

/* `cors`. */
struct cors_settings {
    struct conf_strings origins; /* exact origins, or "*" (never with credentials) */
    struct conf_strings methods; /* empty: the route's own */
    struct conf_strings headers; /* request headers allowed beyond the safelisted ones */
    struct conf_strings expose;
    bool credentials;
    int64_t max_age; /* ns */
};

extern const struct conf_object match_object;
extern const struct conf_object cors_object;

/* What is put in. `id` is the caller's (an index); equal ids may be added under several hosts and paths. */
struct route_entry {
    unsigned int id;
    struct slice host; /* lower-case */
    struct slice path; /* the whole pattern */
    const struct conf_strings *methods;
    uint64_t listeners;                 /* bit set of listener indexes (at most 64) on which it stands */
    const struct match_settings *match; /* its conditions and priority; NULL: none */
};

struct route_table;

/* On failure the text in the error says what is wrong with `entries[*ret_index]`: a bad host, pattern or method, too deep,
 * or ambiguous with `entries[*ret_other]` (same host, a path of the same shape whatever its variables' names, and an
 * overlapping method on an overlapping listener, while nothing says which of the two is asked first). Where no other entry is involved, *ret_other is *ret_index. Texts are
 * copied: the entries need not outlive the call. */
struct error route_table_new(const struct route_entry *entries, size_t count, struct arena *arena,
                             struct route_table **ret_table, size_t *ret_index, size_t *ret_other) MUST_CHECK;

struct route_variable {
    struct slice name, value; /* value: the canonical path's segment, still percent-encoded */
};

struct route_variables {
    struct route_variable items[ROUTE_VARIABLES_MAX];
    size_t count;
};

enum route_outcome {
    ROUTE_FOUND,
    ROUTE_NO_HOST,
    ROUTE_NO_PATH,
    ROUTE_NO_METHOD,    /* `allow` is set */
    ROUTE_NO_CONDITION, /* host, path and method exist, but no route's conditions hold */
};

/* What conditions look at. */
struct route_facts {
    const struct headers
        *headers; /* NULL: a preflight's, which are not those of the request that it asks about: what they
                                      were to say is taken for said */
    struct slice query; /* behind the '?' */
    const struct address *client;
    int64_t now; /* CLOCK_REALTIME, ns */
};

struct route_match {
    enum route_outcome outcome;
    unsigned int id;
    struct route_variables variables;
    /* "GET, HEAD, POST", for as long as the table lives. FOUND: of the route that was found; NO_METHOD: of all routes of
     * the best path on this listener, as the Allow field wants it. */
    struct slice allow;
};

/* `listener`: index of the listener it came in by. `host` and `path` are canonical. `facts` NULL: no condition holds. No allocation. */
void route_find(const struct route_table *table, unsigned int listener, struct slice host, struct slice path,
                enum http_method method, struct slice method_text, const struct route_facts *facts,
                struct route_match *out);

/* Does any route of the listener name this host? */
bool route_serves_host(const struct route_table *table, unsigned int listener, struct slice host);

/* The names of the {variables} of a pattern, for `check`. Returns their number, which may be above `capacity`. */
size_t route_pattern_variables(struct slice pattern, struct slice *names, size_t capacity);
/* Which of the first ROUTE_VARIABLES_MAX of them has this name; -1: none. */
int route_pattern_variable(struct slice pattern, struct slice name);

/* NULL, or what is wrong with a pattern, host or method. */
const char *route_pattern_problem(struct slice pattern);
const char *route_host_problem(struct slice host);
const char *route_method_problem(struct slice method);

#endif
