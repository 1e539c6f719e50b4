#include "auth/api_key_checker.h"

#include "auth/api_key_cache.h"
#include "auth/api_key_sets.h"
#include "base/clock.h"
#include "base/secret.h"

#include <stdlib.h>

#define WRONG_FOR    (10 * NS_PER_S)
#define NOTE_EVERY   (60 * NS_PER_S)
#define NOTICE_EVERY (3600 * NS_PER_S)

struct api_key_checker {
    struct api_key_cache cache;
    struct key_sets sets;
    size_t jobs, uses;
};

/* A look-up under way: everything that its thread touches is its own. */
struct api_key_job {
    struct api_key_source *source; /* held */
    struct api_key_digests digests;
    struct slice set_name;
    uint64_t set_id, changes;
    struct error error;
    bool found, no_memory;
    struct api_key *key;
    struct api_key_question question; /* of a remote store */
    void (*done)(void *context);
    void *context;
    char name[];
};

struct api_key_use {
    struct api_key_source *source; /* held */
    uint64_t number;
    unsigned char digest[API_KEY_DIGEST_SIZE];
    int64_t when;
};

/* ---- sets ---- */

struct error api_key_checker_new(size_t cache_entries, struct api_key_checker **ret_checker)
{
    struct api_key_checker *checker = calloc(1, sizeof *checker);
    if (checker == NULL || !api_key_cache_init(&checker->cache, cache_entries)) {
        free(checker);
        return FAIL(ERROR_MEMORY, "no memory for API keys");
    }
    key_sets_init(&checker->sets);
    *ret_checker = checker;
    return OK;
}

void api_key_checker_free(struct api_key_checker *checker)
{
    if (checker == NULL) {
        return;
    }
    key_sets_done(&checker->sets);
    api_key_cache_done(&checker->cache);
    free(checker);
}

struct error api_key_checker_set(struct api_key_checker *checker, const struct api_keys_settings *settings,
                                 struct api_key_source *source)
{
    struct key_set *set = NULL;
    bool changed = false;
    TRY(key_sets_put(&checker->sets, settings, source, &set, &changed));
    if (changed) {
        api_key_cache_forget(&checker->cache, set->id, NULL, 0);
        set->changes++;
    }
    return OK;
}

static void forget_set(void *context, uint64_t set_id)
{
    api_key_cache_forget(context, set_id, NULL, 0);
}

void api_key_checker_sweep(struct api_key_checker *checker)
{
    key_sets_sweep(&checker->sets, forget_set, &checker->cache);
}

void api_key_checker_forget(struct api_key_checker *checker, struct slice path,
                            const struct api_key_changes *changes)
{
    for (struct key_set *set = checker->sets.first; set != NULL; set = set->next) {
        if (set->source != NULL && slice_equal(api_key_source_path(set->source), path)) {
            api_key_cache_forget(&checker->cache, set->id, changes->all ? NULL : changes->numbers,
                                 changes->count);
            set->changes++;
        }
    }
}

/* ---- judging ---- */

static enum api_key_outcome deny(struct api_key_detail *detail, enum deny_reason reason)
{
    detail->reason = reason;
    return API_KEY_DENIED;
}

static enum deny_reason judge(const struct key_record *record, int64_t now)
{
    if (record->revoked != 0) {
        return DENY_API_KEY_REVOKED;
    }
    return record->expires != 0 && record->expires <= now ? DENY_API_KEY_EXPIRED : DENY_NONE;
}

/* Nobody has said for too long that it still holds. */
static bool is_stale(const struct key_set *set, const struct api_key *key, int64_t now_ns)
{
    if (set->source == NULL) {
        return false;
    }
    int64_t fresh_at = api_key_source_fresh_at(set->source);
    int64_t known_at = fresh_at > key->checked_at ? fresh_at : key->checked_at;
    return now_ns - known_at > set->settings->stale;
}

/* A key that is known. */
static enum api_key_outcome admit(struct api_key *key, int64_t now, struct api_key **ret_key,
                                  struct api_key_detail *detail)
{
    enum deny_reason reason = judge(&key->record, now);
    if (reason != DENY_NONE) {
        return deny(detail, reason);
    }
    *ret_key = api_key_ref(key);
    return API_KEY_VALID;
}

static void remember_wrong(struct api_key_checker *checker, uint64_t set_id, const unsigned char *digest,
                           enum deny_reason reason, int64_t now_ns)
{
    denials_put(&checker->cache.wrong, digest, set_id, now_ns + WRONG_FOR, reason);
}

/* ---- keys in the settings ---- */

static enum api_key_outcome check_settings(struct api_key_checker *checker, const struct key_set *set,
                                           const struct api_key_request *request,
                                           const struct api_key_digests *digests, struct api_key **ret_key,
                                           struct api_key_detail *detail)
{
    const struct key_record *record = key_set_find_record(set, digests);
    if (record == NULL) {
        return deny(detail, DENY_API_KEY_UNKNOWN);
    }
    struct api_key *key = api_key_new(set->name, record);
    if (key == NULL) {
        return deny(detail, DENY_INTERNAL);
    }
    key->checked_at = request->now_ns;
    api_key_cache_put(&checker->cache, digests->items[0], set->id, key);
    enum api_key_outcome outcome = admit(key, request->now, ret_key, detail);
    api_key_unref(key);
    return outcome;
}

/* ---- keys in a store ---- */

static enum api_key_outcome start_job(struct api_key_checker *checker, const struct key_set *set,
                                      const struct api_key_digests *digests, struct api_key_job **ret_job,
                                      struct api_key_detail *detail)
{
    if (checker->jobs >= API_KEY_JOBS_MAX) {
        return deny(detail, DENY_KEY_STORE_UNAVAILABLE);
    }
    struct api_key_job *job = calloc(1, sizeof *job + set->name.len);
    if (job == NULL) {
        return deny(detail, DENY_INTERNAL);
    }
    memcpy(job->name, set->name.ptr, set->name.len);
    job->set_name = slice_of(job->name, set->name.len);
    job->set_id = set->id;
    job->changes = set->changes;
    job->source = api_key_source_ref(set->source);
    job->digests = *digests;
    checker->jobs++;
    *ret_job = job;
    return API_KEY_SLOW;
}

static bool take_record(void *context, const struct key_record *record)
{
    struct api_key_job *job = context;
    job->key = api_key_new(job->set_name, record);
    job->no_memory = job->key == NULL;
    return false;
}

void api_key_job_run(struct api_key_job *job)
{
    job->error = api_key_source_find(job->source, &job->digests, take_record, job, &job->found);
}

bool api_key_job_is_remote(const struct api_key_job *job)
{
    return api_key_source_is_remote(job->source);
}

static void on_answer(struct net_task *task)
{
    struct api_key_job *job =
        (struct api_key_job *)((char *)task - offsetof(struct api_key_job, question.answer));
    job->error = job->question.error;
    job->found = job->question.found;
    job->done(job->context);
}

bool api_key_job_ask(struct api_key_job *job, struct net_loop *loop, void (*done)(void *context),
                     void *context)
{
    job->done = done;
    job->context = context;
    job->question = (struct api_key_question){
        .answer = { .run = on_answer },
        .loop = loop,
        .digests = &job->digests,
        .visit = take_record,
        .context = job,
    };
    bool asked = api_key_source_ask(job->source, &job->question);
    if (!asked) {
        job->error = job->question.error;
    }
    return asked;
}

static enum api_key_outcome conclude(struct api_key_checker *checker, struct api_key_job *job, int64_t now,
                                     int64_t now_ns, struct api_key **ret_key, struct api_key_detail *detail)
{
    if (job->no_memory || job->error.kind == ERROR_MEMORY) {
        return deny(detail, DENY_INTERNAL);
    }
    if (failed(job->error)) {
        return deny(detail, DENY_KEY_STORE_UNAVAILABLE);
    }
    /* What was told to have changed meanwhile, or belongs to a set that is another by now, is good for this once only. */
    const struct key_set *set = key_sets_find(&checker->sets, job->set_name);
    bool keep = set != NULL && set->id == job->set_id && set->changes == job->changes;
    if (!job->found) {
        if (keep) {
            remember_wrong(checker, set->id, job->digests.items[0], DENY_API_KEY_UNKNOWN, now_ns);
        }
        return deny(detail, DENY_API_KEY_UNKNOWN);
    }
    job->key->checked_at = now_ns;
    enum api_key_outcome outcome = admit(job->key, now, ret_key, detail);
    if (keep && outcome == API_KEY_VALID) {
        api_key_cache_put(&checker->cache, job->digests.items[0], set->id, job->key);
    } else if (keep) {
        remember_wrong(checker, set->id, job->digests.items[0], detail->reason, now_ns);
    }
    return outcome;
}

enum api_key_outcome api_key_finish(struct api_key_checker *checker, struct api_key_job *job, int64_t now,
                                    int64_t now_ns, struct api_key **ret_key,
                                    struct api_key_detail *ret_detail)
{
    *ret_detail = (struct api_key_detail){ .cached = false };
    enum api_key_outcome outcome = conclude(checker, job, now, now_ns, ret_key, ret_detail);
    checker->jobs--;
    api_key_unref(job->key);
    api_key_source_unref(job->source);
    secret_wipe(&job->digests, sizeof job->digests);
    free(job);
    return outcome;
}

/* ---- one key ---- */

static enum api_key_outcome check_known(const struct key_set *set, const struct api_key_request *request,
                                        struct api_key *key, struct api_key **ret_key,
                                        struct api_key_detail *detail)
{
    detail->cached = true;
    return is_stale(set, key, request->now_ns) ? deny(detail, DENY_KEY_STORE_UNAVAILABLE)
                                               : admit(key, request->now, ret_key, detail);
}

enum api_key_outcome api_key_check(struct api_key_checker *checker, const struct api_key_request *request,
                                   struct api_key **ret_key, struct api_key_detail *ret_detail,
                                   struct api_key_job **ret_job)
{
    const struct key_set *set = key_sets_find(&checker->sets, request->set_name);
    struct api_key_digests digests;
    *ret_detail = (struct api_key_detail){ .reason = DENY_NONE };
    if (set == NULL) {
        return deny(ret_detail, DENY_INTERNAL);
    }
    if (!api_key_is_formed(request->text, set->settings->prefix)) {
        return deny(ret_detail, DENY_API_KEY_MALFORMED);
    }
    if (!api_key_digest(&set->peppers[0], request->text, digests.items[0])) {
        return deny(ret_detail, DENY_INTERNAL);
    }
    struct api_key *known = api_key_cache_find(&checker->cache, digests.items[0], set->id);
    if (known != NULL) {
        return check_known(set, request, known, ret_key, ret_detail);
    }
    enum deny_reason reason = denials_find(&checker->cache.wrong, digests.items[0], set->id, request->now_ns);
    if (reason != DENY_NONE) {
        ret_detail->cached = true;
        return deny(ret_detail, reason);
    }
    reason = verification_gate_pass(&request->gate);
    if (reason != DENY_NONE) {
        return deny(ret_detail, reason);
    }
    if (!key_set_digest(set, request->text, 1, &digests)) {
        return deny(ret_detail, DENY_INTERNAL);
    }
    return set->source == NULL ? check_settings(checker, set, request, &digests, ret_key, ret_detail)
                               : start_job(checker, set, &digests, ret_job, ret_detail);
}

/* ---- uses ---- */

static const struct key_set *set_of(const struct api_key_checker *checker, const struct api_key *key)
{
    return key_sets_find(&checker->sets, key->set_name);
}

struct api_key_use *api_key_use_due(struct api_key_checker *checker, struct api_key *key, int64_t now,
                                    int64_t now_ns)
{
    bool due = key->noted_at == 0 || now_ns - key->noted_at > NOTE_EVERY;
    if (!due || checker->uses >= API_KEY_USES_MAX) {
        return NULL;
    }
    const struct key_set *set = set_of(checker, key);
    struct api_key_use *use = set != NULL && set->source != NULL ? malloc(sizeof *use) : NULL;
    if (use == NULL) {
        return NULL;
    }
    key->noted_at = now_ns;
    *use = (struct api_key_use){ .source = api_key_source_ref(set->source),
                                 .number = key->record.number,
                                 .when = now };
    memcpy(use->digest, key->record.digest, sizeof use->digest);
    checker->uses++;
    return use;
}

void api_key_use_run(struct api_key_use *use)
{
    api_key_source_note_use(use->source, use->number, use->digest, use->when);
}

void api_key_use_done(struct api_key_checker *checker, struct api_key_use *use)
{
    checker->uses--;
    api_key_source_unref(use->source);
    free(use);
}

enum api_key_notice api_key_notice_due(struct api_key_checker *checker, struct api_key *key, int64_t now,
                                       int64_t now_ns)
{
    const struct key_record *record = &key->record;
    if (record->superseded == 0 && record->expires == 0) {
        return API_KEY_NOTICE_NONE;
    }
    const struct key_set *set = set_of(checker, key);
    bool ends_soon =
        set != NULL && record->expires != 0 && record->expires - now <= set->settings->warn_before / NS_PER_S;
    if ((record->superseded == 0 && !ends_soon) ||
        (key->reported_at != 0 && now_ns - key->reported_at < NOTICE_EVERY)) {
        return API_KEY_NOTICE_NONE;
    }
    key->reported_at = now_ns;
    return record->superseded != 0 ? API_KEY_NOTICE_SUPERSEDED : API_KEY_NOTICE_EXPIRING;
}

size_t api_key_cache_count(const struct api_key_checker *checker)
{
    return checker->cache.good.count;
}

bool api_key_checker_is_busy(const struct api_key_checker *checker)
{
    return checker->jobs > 0 || checker->uses > 0;
}
