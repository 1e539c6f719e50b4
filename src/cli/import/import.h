/* `sallyport import`: configuration of Sallyport from what other programs are configured with.
 *
 * A source (Spring Cloud Gateway, OpenAPI) is read by the YAML reader of the configuration, with its limits, into routes and upstreams
 * made of text; model.c writes them. Every text of the source is written by import_put_text, as a quoted scalar in which nothing of it
 * can end, or by import_put_name, or as a comment of one line. What has no counterpart is a note: it is told with its place, and
 * stands as a comment at its route. No route becomes public, nor serves more than it did, without being told: it gets an `auth`
 * that `sallyport check` refuses until it is filled in. One thread; everything lives in the arena but the buffers, which
 * import_done ends. */
#ifndef SALLYPORT_CLI_IMPORT_IMPORT_H
#define SALLYPORT_CLI_IMPORT_IMPORT_H

#include "base/limits.h"
#include "base/map.h"
#include "cli/cli.h"
#include "config/diagnostics.h"

#define IMPORT_INCOMPLETE 3 /* the exit status where something was not carried over */

#define IMPORT_DOCUMENTS_MAX  64
#define IMPORT_ROUTES_MAX     10000
#define IMPORT_NAME_MAX       64    /* bytes of the name of a route or an upstream */
#define IMPORT_EXPANSIONS_MAX 65536 /* placeholders that are filled in, those of their values counted */
#define IMPORT_VALUE_MAX      65536 /* bytes of one value with its placeholders filled in */

/* Names of issuers that nobody declares: `check` says that there is none, and the comment beside it why. */
#define IMPORT_ASK_CALLERS   "fill-in-who-may-call"
#define IMPORT_ASK_CONDITION "fill-in-since-a-condition-was-lost"

struct import_note {
    struct import_note *next, *next_of_route;
    size_t number;
    struct conf_place place;
    struct slice text;
};

/* What a route's `match` is written by. */
enum import_match {
    IMPORT_HOST,
    IMPORT_PATH,
    IMPORT_METHODS,
    IMPORT_ADDRESSES,
    IMPORT_HEADERS, /* from here on: maps */
    IMPORT_QUERY,
    IMPORT_COOKIES,
    IMPORT_MATCHES,
};

/* What a filter changes: two that change different things may swap their places. */
enum import_changes {
    IMPORT_CHANGES_PATH,
    IMPORT_CHANGES_FIELD, /* by name */
    IMPORT_CHANGES_PARAMETERS,
    IMPORT_CHANGES_HOST,
    IMPORT_CHANGES_STATUS,
    IMPORT_CHANGES_TARGET, /* where a redirect leads */
};

struct import_filter {
    struct import_filter *next;
    struct slice name; /* as the source calls it */
    struct conf_place place;
    struct slice text; /* the entry: "NAME: VALUE" */
    unsigned int
        turn; /* those of the whole and those of a route run by turns; each list is in order of them */
    bool of_answer;
    enum import_changes changes;
    struct slice field,
        source; /* of a field's: its name, and the one that its value is taken from; or empty */
};

struct import_upstream {
    struct import_upstream *next;
    struct slice name;
    struct slice source;          /* the URI that it was made of */
    struct buffer endpoints;      /* items of a list */
    struct slice host_header;     /* empty: none */
    struct slice connect_timeout; /* empty: the import's */
    struct slice breaker;         /* its settings; empty: none */
    bool used;                    /* by a route that is written */
};

/* When a request is sent again. */
struct import_retry {
    uint64_t attempts; /* 0: never */
    struct slice on;   /* items of a list, "timeout" not among them */
    struct slice methods;
    uint64_t backoff; /* ms; 0: none is said */
};

struct import_route {
    struct import_route *next;
    struct slice name;
    struct conf_place place;
    struct buffer match[IMPORT_MATCHES]; /* entries, separated by ", " */
    struct slice after, before;
    unsigned int conditions;
    struct import_upstream *upstream;
    struct import_filter *list, **last_filter;
    struct buffer filters; /* lines: of those of the list, in order */
    struct buffer limits;  /* items of a list; those of the whole count for each route by itself */
    struct buffer rest;    /* lines: of other keys of the route */
    struct import_retry retry;
    uint64_t timeout; /* ms, of one try; 0: none is said */
    uint64_t limit;   /* ms, of its breaker's: of all tries, unless limit_of_try; 0: none is said */
    bool limit_of_try;
    unsigned int turn;    /* of the filter that is read */
    struct buffer auth;   /* lines, of sources that say it */
    bool wider;           /* a condition was lost */
    struct slice breaker; /* the settings of the one that its upstream is to have; empty: none */
    bool websocket;
    bool merged; /* into another one, by weights */
    bool hidden; /* behind one that takes the very same requests: it is not written */
    struct slice weight_group;
    uint64_t weight;
    struct import_note *notes, **last_note;
};

struct import {
    struct arena arena;
    struct diagnostics diagnostics;
    struct conf_source source;
    struct slice kind;    /* as the command line calls it */
    struct map names[2];  /* that routes and upstreams have */
    struct map documents; /* properties of the source: of Spring alone */
    struct import_property *properties, **last_property;
    struct import_route defaults; /* what holds for every route; of its match nothing is written */
    struct import_route *routes, **last_route;
    struct import_upstream *upstreams, **last_upstream;
    struct import_note *notes, **last;
    size_t note_count, route_count;
    size_t expansions;
    struct buffer listeners, top; /* lines: keys of the configuration */
    struct buffer ignored;        /* keys that are not about routes, for a comment */
    struct slice issuer;          /* the name of the issuer of every route; empty: none is known */
    struct slice connect_timeout; /* of every upstream; empty: none is said */
    struct slice endpoint;        /* that the command line gives */
    bool by_turns;                /* the filters of the whole stand in each route */
    bool full;                    /* something had no room: nothing is written */
};

void import_init(struct import *import, struct slice path, struct slice kind);
void import_done(struct import *import);

/* Reads a text of the source into routes. What is wrong with it stands in the diagnostics. Fail for want of memory only. */
struct error import_spring(struct import *import, struct slice text) MUST_CHECK;
struct error import_openapi(struct import *import, struct slice text) MUST_CHECK;

/* The configuration; false where it had no room. */
bool import_write(struct import *import, struct buffer *out);
/* A line for each note, in the order of the source; false where it had no room. */
bool import_print_notes(struct import *import, struct buffer *out);

/* ---- for sources ---- */

/* `route` may be NULL: it stands at the head then. The text says what it is and, behind a colon, what to do instead. */
void import_note(struct import *import, struct import_route *route, struct conf_place place,
                 const char *format, ...) __attribute__((format(printf, 4, 5)));
/* The same of a condition: the route serves more without it, so its callers must be decided on anew. */
void import_lose(struct import *import, struct import_route *route, struct conf_place place,
                 const char *format, ...) __attribute__((format(printf, 4, 5)));

/* Puts a filter behind the route's others; NULL without memory. */
struct import_filter *import_add_filter(struct import *import, struct import_route *route,
                                        const struct import_filter *filter);

/* A route by this name, or nearly; NULL without memory. */
struct import_route *import_add_route(struct import *import, struct slice name, struct conf_place place);
/* The upstream that was made of `source`, or a new one by this name; NULL without memory. */
struct import_upstream *import_add_upstream(struct import *import, struct slice name, struct slice source);
/* "https://host:port" of a URI's, and its host; false where it has no such form. WebSockets are HTTP. A user's name and password
 * belong to neither. */
bool import_endpoint(struct import *import, struct slice uri, struct slice *ret_endpoint,
                     struct slice *ret_host);

/* ---- writing (text.c) ---- */

void import_put(struct import *import, struct buffer *out, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* A double-quoted scalar. */
void import_put_text(struct import *import, struct buffer *out, struct slice text);
/* May it be a key of a map, as import_put_text writes it? */
bool import_is_key(struct slice text);
/* The text on one line, for people: "?" for what would end the line, steer a terminal, or show another text than it is. False: no room. */
bool import_show(struct buffer *out, struct slice text);
/* A comment of one line, `indent` spaces in. */
void import_put_comment(struct import *import, struct buffer *out, int indent, struct slice text);
/* An item of a list of texts that is open: ", " in front unless it is the first. */
void import_put_item(struct import *import, struct buffer *out, struct slice text);
/* A URI for people, without what may be secret in it: a user's name and password, and what stands behind "?" or "#". */
struct slice import_show_uri(struct import *import, struct slice uri);
/* A name as configuration has them: letters, digits, "-", "_", ".": the rest becomes "-". Empty where there is no memory. */
struct slice import_name(struct import *import, struct slice text);
/* May it stand in such a name? */
bool import_is_name_byte(char c);

#endif
