/* What the files of resources are made of. Private to src/admin. */
#ifndef SALLYPORT_ADMIN_INTERNAL_H
#define SALLYPORT_ADMIN_INTERNAL_H

#include "admin/admin.h"
#include "base/arena.h"
#include "json/writer.h"

#include <stdio.h>

/* One request being carried out: on one thread of the pool. */
struct admin_call {
    const struct settings *settings;
    const struct admin_operation *operation;
    struct slice id;   /* percent-decoded */
    const void *query; /* the struct of operation->query */
    const void *body;  /* the struct of operation->body */
    int64_t now;       /* seconds since 1970 */
    int64_t deadline;  /* monotonic ns; 0: none */
    struct slice request_id, caller;
    struct arena arena;
    /* what comes of it */
    unsigned int status; /* 0: nobody can say */
    struct buffer out;
    struct json_writer json; /* onto `out` */
    bool problem;            /* `out` is an application/problem+json */
    struct slice location, what;
};

struct admin_operation {
    const char *name;
    enum http_method method;
    const char *path; /* "/v1/keys/{id}" */
    const struct conf_object
        *query; /* its parameters, read by the same tables as bodies; NULL: it takes none */
    const struct conf_object *body; /* NULL: it takes none, and changes nothing */
    void (*run)(struct admin_call *call);
    unsigned int status; /* where it was done */
    const char *schema;  /* of the answer: a name under #/components/schemas */
    const char *help;    /* a sentence for the OpenAPI document */
};

/* A resource: its operations. Rows of one path stand together. */
struct admin_resource {
    const char *name;
    const struct admin_operation *operations; /* ended by one without a name */
    const char *schemas;                      /* members of #/components/schemas, as JSON */
};
extern const struct admin_resource admin_keys, admin_blocks;

/* All of them, ended by NULL. */
extern const struct admin_resource *const admin_resources[];

/* ---- how a call ends ---- */

/* A problem that the caller can do something about (RFC 9457). `code` is stable; `detail` is for a person. */
void admin_problem(struct admin_call *call, unsigned int status, const char *code, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* Nobody can say: 503. The reason is for the logs only, behind what was told before: that is what could not be changed. */
void admin_fail(struct admin_call *call, struct error error);
/* For the logs: what was changed. */
void admin_tell(struct admin_call *call, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ---- query.c ---- */

/* "a=1&b=2" as an object of strings, for body_read. NULL where it is none, with `*ret_problem`. */
const struct json *query_parse(struct slice query, struct arena *arena, const char **ret_problem);

#endif
