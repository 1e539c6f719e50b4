/* Checks API keys: the sets of a configuration, as one worker knows them, and the keys that it has checked.
 *
 * One thread, but for api_key_job_run and api_key_use_run, which ask the store and belong in a pool. A key that was checked
 * costs one digest and allocates nothing. It is looked up again when the store tells that it has changed; while the store
 * cannot be read it is accepted for `stale`, and no longer. */
#ifndef SALLYPORT_AUTH_API_KEY_CHECKER_H
#define SALLYPORT_AUTH_API_KEY_CHECKER_H

#include "auth/api_key_entry.h"
#include "auth/api_key_settings.h"
#include "auth/api_key_source.h"
#include "auth/gate.h"
#include "pipeline/deny_reasons.h"

struct api_key_checker;
struct api_key_job;
struct api_key_use;

#define API_KEY_JOBS_MAX 256 /* look-ups of one worker under way at once; beyond: unavailable */

/* `cache_entries`: keys kept, all sets together; rounded up to a power of two. */
struct error api_key_checker_new(size_t cache_entries, struct api_key_checker **ret_checker) MUST_CHECK;
/* No job is under way. */
void api_key_checker_free(struct api_key_checker *checker);

/* Adds or updates the set with settings->name, kept in `source` (which is held; NULL: in the settings themselves). Keys that
 * were checked stay where nothing about the set has changed that could matter to them. `settings` must live until the next
 * call for this name, or the sweep. */
struct error api_key_checker_set(struct api_key_checker *checker, const struct api_keys_settings *settings,
                                 struct api_key_source *source) MUST_CHECK;
/* Drops every set that was not set since the last call of this: the end of a reload. */
void api_key_checker_sweep(struct api_key_checker *checker);

/* The store of this set, which is told by its path, has changed. */
void api_key_checker_forget(struct api_key_checker *checker, struct slice path,
                            const struct api_key_changes *changes);

struct api_key_request {
    struct slice set_name;
    struct slice text;             /* of the header, as it came */
    int64_t now;                   /* seconds since 1970 */
    int64_t now_ns;                /* monotonic */
    struct verification_gate gate; /* asked before a key is looked up */
};

enum api_key_outcome {
    API_KEY_VALID,  /* *ret_key is held for the caller */
    API_KEY_DENIED, /* detail->reason */
    API_KEY_SLOW, /* *ret_job: api_key_job_run in a pool or, of a remote one, api_key_job_ask; then api_key_finish here */
};

struct api_key_detail {
    enum deny_reason reason;
    bool cached; /* nobody had to be asked */
};

enum api_key_outcome api_key_check(struct api_key_checker *checker, const struct api_key_request *request,
                                   struct api_key **ret_key, struct api_key_detail *ret_detail,
                                   struct api_key_job **ret_job);
/* Any thread. */
void api_key_job_run(struct api_key_job *job);
/* Its store is a database: it is asked without waiting. */
bool api_key_job_is_remote(const struct api_key_job *job);
/* `done` runs on the loop once there is an answer. False: there is none to wait for, and the job is finished at once. */
bool api_key_job_ask(struct api_key_job *job, struct net_loop *loop, void (*done)(void *context),
                     void *context);
/* On the checker's thread; frees the job. Never API_KEY_SLOW. `now_ns` and `now` as in the request. */
enum api_key_outcome api_key_finish(struct api_key_checker *checker, struct api_key_job *job, int64_t now,
                                    int64_t now_ns, struct api_key **ret_key,
                                    struct api_key_detail *ret_detail);

/* At most once a minute for each key, and API_KEY_USES_MAX at once: its use is to be noted. NULL: not now. Run by
 * api_key_use_run on any thread, ended by api_key_use_done here. */
#define API_KEY_USES_MAX 32
struct api_key_use *api_key_use_due(struct api_key_checker *checker, struct api_key *key, int64_t now,
                                    int64_t now_ns);
void api_key_use_run(struct api_key_use *use);
void api_key_use_done(struct api_key_checker *checker, struct api_key_use *use);

/* At most once an hour for each key: what is to be reported about its use. */
enum api_key_notice {
    API_KEY_NOTICE_NONE,
    API_KEY_NOTICE_SUPERSEDED, /* another has taken its place */
    API_KEY_NOTICE_EXPIRING,   /* within warn_before */
};
enum api_key_notice api_key_notice_due(struct api_key_checker *checker, struct api_key *key, int64_t now,
                                       int64_t now_ns);

/* Is a look-up, or the note of a use, under way? */
bool api_key_checker_is_busy(const struct api_key_checker *checker);

/* Number of keys kept; for metrics and tests. */
size_t api_key_cache_count(const struct api_key_checker *checker);

#endif
