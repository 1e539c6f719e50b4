/* Spring Cloud Gateway: its properties, and the predicates and filters of its routes. Private to src/cli/import. */
#ifndef SALLYPORT_CLI_IMPORT_SPRING_H
#define SALLYPORT_CLI_IMPORT_SPRING_H

#include "cli/import/import.h"

/* A property by its whole name. Names are compared as Spring binds them: in lower case, without "-" and "_". */
struct import_property {
    struct import_property *next;
    struct slice name;
    struct slice shown; /* as it is written */
    const struct conf_node *node;
    bool used;
};

/* Reads the documents of the text; a later one goes before an earlier one. */
struct error spring_read(struct import *import, struct slice text) MUST_CHECK;
/* The property of this (canonical) name, which counts as used then; NULL: there is none. */
const struct conf_node *spring_property(struct import *import, const char *name);
/* The same beneath any of the names that the gateway's properties begin with. */
const struct conf_node *spring_gateway_property(struct import *import, const char *name);
/* A scalar's text with its placeholders filled in; empty where it has none. What is only a default is noted. */
struct slice spring_text(struct import *import, struct import_route *route, const struct conf_node *node);
/* As Spring binds names; ptr NULL without memory. */
struct slice spring_canonical(struct import *import, struct slice name);

/* ---- what a predicate or filter is given ---- */

#define SPRING_ARGUMENTS_MAX 64

struct spring_argument {
    struct slice name;  /* canonical; empty: by its place */
    struct slice shown; /* as it is written */
    struct slice value;
    bool used;
};

struct spring_call {
    struct slice name;
    struct conf_place place;
    struct spring_argument arguments[SPRING_ARGUMENTS_MAX];
    size_t count;
    bool told; /* as a whole: its arguments need not be told one by one */
};

/* "Name=a,b" or { name, args }. False where it is neither: it is noted. */
bool spring_read_call(struct import *import, struct import_route *route, const struct conf_node *node,
                      struct spring_call *out);
/* The argument by name, or by its place among those without; ptr NULL: it is not there. */
struct slice spring_argument(struct spring_call *call, size_t place, const char *name);
/* One after the other of a list's, which is the last that is taken by place; false at the end. */
bool spring_next_argument(struct spring_call *call, const char *name, struct slice *ret_value);
/* The same, by name alone. */
bool spring_next_named(struct spring_call *call, const char *name, struct slice *ret_value);
/* Is it said at all? */
bool spring_has_argument(const struct spring_call *call, const char *name);

void spring_predicate(struct import *import, struct import_route *route, struct spring_call *call);
void spring_filter(struct import *import, struct import_route *route, struct spring_call *call);
/* Those that are no filters here, but limits, retries, and the like (elsewhere.c); false: it is none of them. */
bool spring_filter_elsewhere(struct import *import, struct import_route *route, struct spring_call *call);
/* Tells that a filter, or an argument of it, is not carried over as it is, and what to do instead. */
void spring_miss(struct import *import, struct import_route *route, struct spring_call *call,
                 const char *instead);
/* A key of the route that is written once; false where it is there already: that is noted. */
bool spring_is_new(struct import *import, struct import_route *route, struct spring_call *call,
                   const char *key);

/* Puts the filters of the whole and of each route into the order that Spring runs them in (turns.c). */
void spring_turns(struct import *import);

/* Tells of routes that were never reached, since they stand behind wider ones (order.c). */
void spring_order(struct import *import);

/* What listens, and who issues tokens (server.c). */
void spring_server(struct import *import);
void spring_security(struct import *import);

/* `globalcors`, and `cors` of a route's metadata (cors.c). */
void spring_global_cors(struct import *import);
void spring_route_cors(struct import *import, struct import_route *route, const struct conf_node *map);

/* What to do instead of a property, or of a filter of Spring's own; NULL: it is none that is known (advice.c). */
const char *spring_advice_property(struct slice name);
const char *spring_advice_filter(struct slice name);

/* A duration of Spring's in milliseconds, rounded up; a bare number is in `unit`. False: it is none, or longer than a month. */
bool spring_milliseconds(struct import *import, struct slice text, const char *unit, uint64_t *ret_ms);
/* Writes a route's `timeout` and `retry`. With Spring a time-out is that of each try, here it is that of all of them. */
void spring_put_timing(struct import *import, struct import_route *route, uint64_t inherited);
/* ", KEY: TIME". */
void spring_put_time(struct import *import, struct buffer *out, const char *key, uint64_t ms);

/* The settings of the circuit breaker by this name, as `breaker` has them; "{}" where the file has none of it (resilience.c). */
struct slice spring_breaker(struct import *import, struct import_route *route, const struct spring_call *call,
                            struct slice name);
/* How long requests may take behind it, in ms; 0: the file does not say. */
uint64_t spring_time_limit(struct import *import, struct import_route *route, const struct spring_call *call,
                           struct slice name);

/* The number of a status, by number or name; 0: it is none. */
unsigned int spring_status(struct slice text);

#endif
