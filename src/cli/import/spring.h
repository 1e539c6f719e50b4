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
    struct slice name; /* canonical; empty: by its place */
    struct slice value;
    bool used;
};

struct spring_call {
    struct slice name;
    struct conf_place place;
    struct spring_argument arguments[SPRING_ARGUMENTS_MAX];
    size_t count;
};

/* "Name=a,b" or { name, args }. False where it is neither: it is noted. */
bool spring_read_call(struct import *import, struct import_route *route, const struct conf_node *node,
                      struct spring_call *out);
/* The argument by name, or by its place among those without; ptr NULL: it is not there. */
struct slice spring_argument(struct spring_call *call, size_t place, const char *name);
/* One after the other of a list's, which is the last that is taken by place; false at the end. */
bool spring_next_argument(struct spring_call *call, const char *name, struct slice *ret_value);

void spring_predicate(struct import *import, struct import_route *route, struct spring_call *call);
void spring_filter(struct import *import, struct import_route *route, struct spring_call *call);

/* Tells of routes that were never reached, since they stand behind wider ones (order.c). */
void spring_order(struct import *import);

/* What listens, and who issues tokens (spring_server.c). */
void spring_server(struct import *import);
void spring_security(struct import *import);

/* A duration of Spring's in the notation of the configuration; a bare number is in `unit`. ptr NULL: it is none. */
struct slice spring_duration(struct import *import, struct slice text, const char *unit);
/* The number of a status, by number or name; 0: it is none. */
unsigned int spring_status(struct slice text);

#endif
