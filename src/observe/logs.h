/* Access and audit logs, as lines of JSON, written by one thread off the loops.
 *
 * Each producer (a worker, the control thread) has a queue of its own: bounded, without locks. The access log may drop,
 * counted. The audit log never does: room is reserved before a request is let in, and where there is none the request is
 * denied (503). Audit lines carry instance, boot, sequence and the hash of the line before (SHA-256 over the line as
 * written, without its newline), so that a missing or changed line shows. The chain goes on over restarts: it begins at
 * the last line of the file, where that is a regular file that may be read. While one process relieves another both write,
 * each its own chain.
 *
 * A line costs its producer no system call but one to wake a writer that sleeps; it is written at once when the writer was
 * idle, else within 20 ms. A record takes at most 4 KiB of its queue: longer fields are cut. */
#ifndef SALLYPORT_OBSERVE_LOGS_H
#define SALLYPORT_OBSERVE_LOGS_H

#include "base/conf_field.h"
#include "base/error.h"
#include "net/address.h"
#include "observe/candidate.h"
#include "pipeline/deny_reasons.h"

/* `logs`. */
struct log_file_settings {
    struct slice file; /* CONF_STRING, a path, or "-" for standard output, or "off" (access only) */
    int64_t queue;     /* bytes per worker */
};

struct logs_settings {
    struct log_file_settings *access; /* default: file "-" */
    struct log_file_settings *audit;  /* default: file "-" */
};

extern const struct conf_object logs_object;

struct logs;      /* the process's: files and the writer thread */
struct log_queue; /* one producer's pair of queues */

struct logs_options {
    struct slice instance;            /* name of this gateway */
    int access_fd, audit_fd;          /* -1: off (access only). Taken */
    size_t access_queue, audit_queue; /* bytes per producer; an audit line reserves 4 KiB */
    unsigned int producers;
};

struct error logs_new(const struct logs_options *options, struct logs **ret_logs) MUST_CHECK;
/* Writes what is queued and ends the writer: nothing can be logged any more. An audit log that does not take its lines is
 * given up after two seconds. Then how the audit log of this boot ends, "BOOT:SEQUENCE:HASH": where another process writes to
 * the same file by now, its event `succeeded` with this as `detail` seals the end. */
#define LOGS_END_SIZE 128
size_t logs_end(struct logs *logs, char out[LOGS_END_SIZE]);
/* Ends it too, where that is still to be done, and closes the files. Returns how many lines the audit log did not get. */
uint64_t logs_free(struct logs *logs);
struct log_queue *logs_queue(struct logs *logs, unsigned int producer);
/* Other descriptors from now on (log rotation, reload), taken: any thread. The old ones are closed by the writer.
 * access_fd -1: off from now on; audit_fd -1: the audit log stays as it is. */
void logs_reopen(struct logs *logs, int access_fd, int audit_fd);
/* 32 hexadecimal digits, drawn at logs_new: "boot" in audit lines. */
const char *logs_boot(const struct logs *logs);
/* Access lines that the writer dropped because the file took none; those that log_access refused are not among them. Any
 * thread. */
uint64_t logs_dropped(const struct logs *logs);
/* 0, or the errno of the last write of the audit log, while it does not work. Any thread. */
int logs_audit_problem(const struct logs *logs);

/* One request, as both logs tell it. No token, key, cookie, query or body: the query string may hold secrets. */
struct log_record {
    int64_t time; /* real ns, when the request's head was complete */
    struct slice request_id, trace_id;
    struct slice listener, route, upstream, endpoint; /* empty: left out */
    struct slice upstream_protocol; /* "HTTP/2"; empty: HTTP/1.1, or no upstream was asked */
    struct address client;
    struct slice method, host, path; /* canonical path, without query */
    unsigned int minor_version;      /* 0, 1, 2 */
    unsigned int status;             /* 0: the client got none */
    int32_t grpc_status;             /* of a gRPC call that the client was told one of; -1: none */
    enum deny_reason reason;
    enum deny_reason would_deny;       /* by a rule that is only observed; DENY_NONE: by none */
    enum candidate_outcome candidate;  /* of a candidate of auth; told where it differs, or is not known */
    enum deny_reason candidate_reason; /* of that; DENY_NONE: there is none */
    struct slice detail;               /* more about the reason, safe to log; may be empty */
    struct slice action;               /* what the admin API was asked to do; empty: nothing */
    struct slice outcome;              /* what came of it; the same */
    struct slice issuer, subject, client_id; /* proven identity */
    struct slice authorizer;                 /* the external one that was asked last; empty: none */
    int64_t authorizer_duration;             /* ns; -1: its yes was remembered */
    uint64_t received, sent;                 /* body bytes */
    int64_t duration;                        /* ns, head complete to response handed to the kernel */
    unsigned int tries;                      /* further ones of its route's; 0: none */
    struct slice hedge;                      /* how its copy went; empty: there was none */
    int64_t upstream_duration;               /* ns, sent to answered; -1: no upstream */
    struct slice tls_version, user_agent;
    struct slice coding; /* that the body was compressed in; empty: none */
    uint64_t plain;      /* bytes of it before that */
    struct slice closed; /* why a tunnel ended; empty: it was none */
    bool aborted;
};

/* Producer's thread. False: dropped. */
bool log_access(struct log_queue *queue, const struct log_record *record);

/* Reserves room for one audit line; false: none. Each reservation is used or released exactly once. */
bool log_audit_reserve(struct log_queue *queue);
void log_audit_release(struct log_queue *queue);
void log_audit(struct log_queue *queue, const struct log_record *record);
/* An administrative event (start, stop, reload taken up or refused): needs no reservation, waits for none; false: no room. */
bool log_audit_event(struct log_queue *queue, struct slice event, struct slice detail);

/* Repeats the hash chain over an audit log's text, of one process or of several that relieved each other; 0 where it holds,
 * else the number of the first line that breaks it. */
size_t log_audit_verify(struct slice text);

#endif
