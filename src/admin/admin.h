/* The admin API: what it does, once it is known who asks and that they may. One table of operations (operations.c) is the
 * dispatcher, the words of the audit log and the OpenAPI document; a resource is a file of rows (keys.c). Functions that know no
 * exchange: pipeline/stages/admin.c takes a request apart, lets it be carried out in the thread pool, and answers.
 *
 * Who asks has been authenticated and authorized before, by the same stages as on every route: here is no second way in. */
#ifndef SALLYPORT_ADMIN_ADMIN_H
#define SALLYPORT_ADMIN_ADMIN_H

#include "base/buffer.h"
#include "base/clock.h"
#include "config/settings.h"
#include "http/message.h"

#define ADMIN_BODY_MAX   (1024 * 1024)   /* bytes of a request's body */
#define ADMIN_WAIT_MAX   (10 * NS_PER_S) /* for a turn, and for the database of a store */
#define ADMIN_ANSWER_MAX (64 * 1024)     /* bytes of an answer's body: what a connection takes at once */

struct admin_operation;

/* "keys.rotate": static text. */
struct slice admin_operation_name(const struct admin_operation *operation);
/* Does it change anything? Such a request has a JSON body, if only {}. */
bool admin_operation_changes(const struct admin_operation *operation);

enum admin_found {
    ADMIN_FOUND,
    ADMIN_NO_PATH,
    ADMIN_NO_METHOD, /* `*ret_allow` says which there are */
};

/* `path` is canonical. `*ret_id`: what stands for {id}, still percent-encoded; empty: nothing. */
enum admin_found admin_find(enum http_method method, struct slice path,
                            const struct admin_operation **ret_operation, struct slice *ret_id,
                            struct slice *ret_allow);

/* One request. Slices are copied; `settings` must live as long as the job. */
struct admin_request {
    const struct settings *settings;
    const struct admin_operation *operation;
    struct slice id;    /* percent-encoded */
    struct slice query; /* ptr NULL: none */
    struct slice request_id;
    struct slice caller; /* who asks, as authenticated */
    int64_t now;         /* seconds since 1970 */
};

struct admin_job;

/* NULL without memory. */
struct admin_job *admin_job_new(const struct admin_request *request);
void admin_job_free(struct admin_job *job);
/* A piece of the body. False: no memory, or more than ADMIN_BODY_MAX. */
bool admin_job_body(struct admin_job *job, struct slice data);
/* All of it is there. When it waited too long by then (monotonic ns), nobody can say; 0: it may wait for ever. */
void admin_job_give_time(struct admin_job *job, int64_t deadline);
/* Carries it out. Blocks: in the pool. */
void admin_job_run(struct admin_job *job);

/* What came of it; slices are the job's. */
struct admin_answer {
    unsigned int status; /* 0: nobody can say, `what` tells why: 503 */
    bool changes;        /* admin_operation_changes */
    struct slice type;   /* of the body */
    struct slice body;
    struct slice location; /* of what was made; empty: nothing */
    struct slice
        what; /* for the logs: what was changed, or why not. No secret, nothing of the body but names */
};
void admin_job_answer(const struct admin_job *job, struct admin_answer *out);

/* The OpenAPI document (3.1), as JSON. `sallyport docs openapi`. */
void admin_print_openapi(struct buffer *out);

#endif
