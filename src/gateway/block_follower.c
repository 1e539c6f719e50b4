#include "gateway/block_follower.h"

#include "base/clock.h"
#include "base/log.h"
#include "block/stored.h"
#include "gateway/block_audit.h"
#include "observe/metrics.h"

#include <stdlib.h>

#define BUSY_MS 100 /* how long a writer is waited for */

/* A store that is looked at. Shared by the follower and by a change that names the same store. */
struct followed {
    unsigned int references;
    struct block_follower *follower; /* NULL: it is gone */
    struct block_stored *stored;     /* the last good reading; the control thread's */
    uint64_t readings;               /* how many there were */
    bool failing, looked;            /* told to be; looked at once at least */
    bool looking;                    /* `work` is in the pool: it alone may touch what follows */
    uv_work_t work;
    struct block_store *store;      /* NULL: not open */
    struct block_store_state known; /* what `stored` says */
    struct block_stored *fresh;     /* NULL: nothing has changed */
    struct block_audit_batch changes;
    struct error error;
    char path[];
};

struct block_change {
    struct snapshot *snapshot;
    struct followed *followed; /* NULL: there is no store */
    uint64_t reading;          /* of the store, that `set` was made of */
    struct block_set *set;
};

struct block_follower {
    struct net_loop *loop;
    struct block_follower_events events;
    void *context;
    uv_timer_t timer;
    struct snapshot *snapshot; /* NULL before the first configuration */
    struct followed *followed; /* NULL: there is no store */
    struct block_set *set;     /* in force; NULL before the first configuration */
    int64_t next_expiry;       /* seconds since 1970; INT64_MAX: none */
    struct block_audit audit;
    char problem[256];
};

static int64_t now_seconds(void)
{
    return clock_real_ns() / NS_PER_S;
}

static const struct blocks_settings *settings_of(const struct snapshot *snapshot)
{
    return snapshot != NULL ? snapshot->settings->blocks : NULL;
}

/* ---- a store ---- */

static struct error new_followed(struct slice path, struct followed **ret_followed)
{
    struct followed *followed = calloc(1, sizeof *followed + path.len + 1);
    if (followed == NULL) {
        return FAIL(ERROR_MEMORY, "no memory for a block store");
    }
    memcpy(followed->path, path.ptr, path.len);
    followed->references = 1;
    *ret_followed = followed;
    return OK;
}

static void unref_followed(struct followed *followed)
{
    if (followed == NULL || --followed->references > 0) {
        return;
    }
    block_store_close(followed->store);
    block_stored_free(followed->stored);
    block_stored_free(followed->fresh);
    free(followed);
}

static struct error open_store(struct followed *followed)
{
    if (followed->store != NULL && block_store_is_current(followed->store)) {
        return OK;
    }
    block_store_close(followed->store);
    followed->store = NULL;
    const struct block_store_options options = {
        .path = followed->path, .access = BLOCK_STORE_READ, .group = (gid_t)-1, .busy_ms = BUSY_MS
    };
    return block_store_open(&options, &followed->store);
}

static bool is_same_state(const struct block_store_state *a, const struct block_store_state *b)
{
    return a->sequence == b->sequence && memcmp(a->identity, b->identity, sizeof a->identity) == 0;
}

/* Another store, or an older copy of this one, stands here now. */
static bool was_replaced(const struct block_store_state *before, const struct block_store_state *after)
{
    return after->sequence < before->sequence ||
           memcmp(before->identity, after->identity, sizeof before->identity) != 0;
}

static struct error read_store(struct followed *followed)
{
    struct block_store_state state;
    TRY(open_store(followed));
    TRY(block_store_look(followed->store, &state));
    if (is_same_state(&state, &followed->known)) {
        return OK;
    }
    TRY(block_stored_read(followed->store, &followed->fresh));
    /* Who changed it: where there is another store nobody knows. */
    return was_replaced(&followed->known, &state)
               ? OK
               : block_store_changes(followed->store, followed->known.sequence, block_audit_take,
                                     &followed->changes);
}

static void look(uv_work_t *work)
{
    struct followed *followed = work->data;
    followed->error = read_store(followed);
    /* One that is more than locked is opened anew the next time. */
    if (failed(followed->error) && followed->error.kind != ERROR_STATE) {
        block_store_close(followed->store);
        followed->store = NULL;
    }
}

/* ---- what is in force ---- */

static void note_expiry(struct block_follower *follower)
{
    size_t position = 0;
    const struct block_entry *entry;
    follower->next_expiry = INT64_MAX;
    while ((entry = block_set_next(follower->set, &position)) != NULL) {
        if (entry->expires > 0 && entry->expires < follower->next_expiry) {
            follower->next_expiry = entry->expires;
        }
    }
}

/* Takes the set. */
static void put_in_force(struct block_follower *follower, struct block_set *set)
{
    block_set_unref(follower->set);
    follower->set = set;
    note_expiry(follower);
    follower->events.publish(follower->context, set);
}

static void log_unavailable(const struct followed *followed, const char *why)
{
    log_event(LOG_ERROR, "block_store_unavailable", LOG_STRING("store", followed->path),
              LOG_STRING("reason", why),
              LOG_NUMBER("blocks_kept", followed->stored != NULL ? block_stored_count(followed->stored) : 0));
}

/* Once for each time that it fails, and once that it is well again. */
static void tell(struct block_follower *follower, struct followed *followed, struct error error)
{
    bool fails = failed(error);
    if (fails == followed->failing && followed->looked) {
        return;
    }
    followed->failing = fails;
    followed->looked = true;
    if (!fails) {
        follower->problem[0] = '\0';
        log_event(LOG_INFO, "block_store_available", LOG_STRING("store", followed->path));
        return;
    }
    char why[160];
    error_describe(error, why, sizeof why);
    snprintf(follower->problem, sizeof follower->problem,
             "block store: %s; the blocks that it last held stay in force\n", why);
    log_unavailable(followed, why);
}

static void tell_replaced(struct block_follower *follower, const struct followed *followed,
                          const struct block_stored *before)
{
    if (!was_replaced(block_stored_state(before), block_stored_state(followed->stored))) {
        return;
    }
    log_event(LOG_WARNING, "block_store_replaced", LOG_STRING("store", followed->path),
              LOG_NUMBER("blocks_before", block_stored_count(before)),
              LOG_NUMBER("blocks", block_stored_count(followed->stored)));
    block_audit_add(&follower->audit, SLICE("block_store_replaced"), slice_from_string(followed->path));
}

/* What was read is in force, or nothing of it: then it is read again. */
static struct error take_fresh(struct block_follower *follower, struct followed *followed)
{
    struct block_set *set;
    struct error error =
        block_set_compile(followed->fresh, settings_of(follower->snapshot), now_seconds(), &set);
    if (failed(error)) {
        block_stored_free(followed->fresh);
        followed->fresh = NULL;
        return error;
    }
    struct block_stored *before = followed->stored;
    followed->stored = followed->fresh;
    followed->fresh = NULL;
    followed->readings++;
    followed->known = *block_stored_state(followed->stored);
    put_in_force(follower, set);
    tell_replaced(follower, followed, before);
    block_audit_add_batch(&follower->audit, &followed->changes);
    block_stored_free(before);
    return OK;
}

static void flush(struct block_follower *follower)
{
    block_audit_flush(&follower->audit, follower->events.audit, follower->context);
}

static void on_looked(uv_work_t *work, int status)
{
    struct followed *followed = work->data;
    struct block_follower *follower = followed->follower;
    followed->looking = false;
    if (follower != NULL) {
        net_loop_woken(follower->loop);
        struct error error = status == 0 ? followed->error : FAIL(ERROR_STATE, "it was not looked at");
        if (!failed(error) && followed->fresh != NULL) {
            error = take_fresh(follower, followed);
        }
        tell(follower, followed, error);
        flush(follower);
    }
    block_audit_batch_clear(&followed->changes);
    block_stored_free(followed->fresh);
    followed->fresh = NULL;
    unref_followed(followed);
}

static void start_look(struct block_follower *follower)
{
    struct followed *followed = follower->followed;
    if (followed == NULL || followed->looking) {
        return;
    }
    followed->work.data = followed;
    followed->looking = uv_queue_work(&follower->loop->uv, &followed->work, look, on_looked) == 0;
    followed->references += followed->looking; /* until it comes back */
}

static void note_expired(struct block_follower *follower, int64_t now)
{
    size_t position = 0;
    const struct block_entry *entry;
    while ((entry = block_set_next(follower->set, &position)) != NULL) {
        if (!block_entry_holds(entry, now)) {
            block_audit_add_entry(&follower->audit, SLICE("block_expired"), entry);
        }
    }
}

/* They are met by nobody any more as soon as they expire; here their memory goes. */
static void drop_expired(struct block_follower *follower)
{
    int64_t now = now_seconds();
    struct block_set *set;
    if (now < follower->next_expiry) {
        return;
    }
    const struct block_stored *stored = follower->followed != NULL ? follower->followed->stored : NULL;
    if (!failed(block_set_compile(stored, settings_of(follower->snapshot), now, &set))) {
        note_expired(follower, now);
        put_in_force(follower, set);
    }
}

static void on_timer(uv_timer_t *timer)
{
    struct block_follower *follower = timer->data;
    net_loop_woken(follower->loop);
    drop_expired(follower);
    flush(follower);
    start_look(follower);
}

/* ---- configurations ---- */

static struct error find_followed(struct block_follower *follower, struct slice path,
                                  struct followed **ret_followed)
{
    struct followed *known = follower->followed;
    if (known != NULL && slice_equal(slice_from_string(known->path), path)) {
        known->references++;
        *ret_followed = known;
        return OK;
    }
    struct followed *followed;
    TRY(new_followed(path, &followed));
    struct error error = open_store(followed);
    error = failed(error) ? error : block_stored_read(followed->store, &followed->stored);
    if (failed(error)) {
        char why[160];
        error_describe(error, why, sizeof why);
        log_unavailable(followed, why); /* what is said of the one in force stays */
        unref_followed(followed);
        return error;
    }
    followed->known = *block_stored_state(followed->stored);
    followed->looked = true;
    *ret_followed = followed;
    return OK;
}

static struct error prepare(struct block_follower *follower, struct block_change *change)
{
    const struct blocks_settings *settings = settings_of(change->snapshot);
    if (settings != NULL && settings->store.len > 0) {
        TRY(find_followed(follower, settings->store, &change->followed));
        change->reading = change->followed->readings;
    }
    const struct block_stored *stored = change->followed != NULL ? change->followed->stored : NULL;
    return block_set_compile(stored, settings, now_seconds(), &change->set);
}

struct error block_follower_prepare(struct block_follower *follower, struct snapshot *snapshot,
                                    struct block_change **ret_change)
{
    struct block_change *change = calloc(1, sizeof *change);
    if (change == NULL) {
        return FAIL(ERROR_MEMORY, "no memory for blocks");
    }
    change->snapshot = snapshot_ref(snapshot);
    struct error error = prepare(follower, change);
    if (failed(error)) {
        block_change_free(change);
        return error;
    }
    *ret_change = change;
    return OK;
}

void block_change_free(struct block_change *change)
{
    if (change != NULL) {
        snapshot_unref(change->snapshot);
        unref_followed(change->followed);
        block_set_unref(change->set);
        free(change);
    }
}

/* What the file says now and did not say before, or the other way round. */
static void note_file(struct block_follower *follower, const struct block_set *from,
                      const struct block_set *to, struct slice event)
{
    size_t position = 0;
    const struct block_entry *entry;
    while ((entry = block_set_next(from, &position)) != NULL) {
        const struct block_entry *other = block_set_find(to, &entry->mark, 0);
        bool same = other != NULL && other->origin == BLOCK_OF_FILE && other->expires == entry->expires &&
                    slice_equal(other->name, entry->name);
        if (entry->origin == BLOCK_OF_FILE && !same) {
            block_audit_add_entry(&follower->audit, event, entry);
        }
    }
}

static void note_first(struct block_follower *follower)
{
    char text[64];
    size_t position = 0, count = 0;
    while (block_set_next(follower->set, &position) != NULL) {
        count++;
    }
    int size = snprintf(text, sizeof text, "%zu", count);
    if (settings_of(follower->snapshot) != NULL) {
        block_audit_add(&follower->audit, SLICE("blocks_in_force"), slice_of(text, (size_t)size));
    }
}

/* The store may have been read again since the change was prepared. */
static void renew(struct block_change *change)
{
    struct block_set *set;
    if (change->followed != NULL && change->followed->readings != change->reading &&
        !failed(block_set_compile(change->followed->stored, settings_of(change->snapshot), now_seconds(),
                                  &set))) {
        block_set_unref(change->set);
        change->set = set;
    }
}

static void follow(struct block_follower *follower, struct block_change *change)
{
    struct followed *before = follower->followed;
    if (before != NULL && before != change->followed) {
        before->follower = NULL;
        follower->problem[0] = '\0';
    }
    follower->followed = change->followed;
    change->followed = NULL;
    unref_followed(before);
    if (follower->followed != NULL) {
        follower->followed->follower = follower;
    }
    if (settings_of(follower->snapshot) != NULL) {
        uv_timer_start(&follower->timer, on_timer, BLOCK_FOLLOWER_LOOK_MS, BLOCK_FOLLOWER_LOOK_MS);
    } else {
        uv_timer_stop(&follower->timer);
    }
}

void block_follower_commit(struct block_follower *follower, struct block_change *change)
{
    renew(change);
    bool first = follower->snapshot == NULL;
    struct block_set *before = block_set_ref(follower->set);
    struct snapshot *old = follower->snapshot;
    follower->snapshot = change->snapshot;
    change->snapshot = old != NULL ? old : snapshot_ref(follower->snapshot);
    put_in_force(follower, block_set_ref(change->set));
    follow(follower, change);
    if (first) {
        note_first(follower);
    } else {
        note_file(follower, before, follower->set, SLICE("block_removed"));
        note_file(follower, follower->set, before, SLICE("block_added"));
    }
    flush(follower);
    block_set_unref(before);
    block_change_free(change);
    start_look(follower);
}

/* ---- life ---- */

struct error block_follower_new(struct net_loop *loop, const struct block_follower_events *events,
                                void *context, struct block_follower **ret_follower)
{
    struct block_follower *follower = calloc(1, sizeof *follower);
    if (follower == NULL) {
        return FAIL(ERROR_MEMORY, "blocks");
    }
    follower->loop = loop;
    follower->events = *events;
    follower->context = context;
    follower->next_expiry = INT64_MAX;
    uv_timer_init(&loop->uv, &follower->timer);
    follower->timer.data = follower;
    *ret_follower = follower;
    return OK;
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void block_follower_free(struct block_follower *follower)
{
    if (follower == NULL) {
        return;
    }
    flush(follower);
    block_audit_done(&follower->audit);
    if (follower->followed != NULL) {
        follower->followed->follower = NULL;
        unref_followed(follower->followed);
    }
    snapshot_unref(follower->snapshot);
    block_set_unref(follower->set);
    uv_close((uv_handle_t *)&follower->timer, on_closed);
}

/* ---- what it tells ---- */

static bool put_counts(const struct block_follower *follower, struct buffer *out)
{
    static const struct slice name = SLICE_INIT("sallyport_blocks");
    size_t counts[BLOCK_KIND_COUNT] = { 0 }, position = 0;
    int64_t now = now_seconds();
    const struct block_entry *entry;
    while ((entry = block_set_next(follower->set, &position)) != NULL) {
        counts[entry->kind] += block_entry_holds(entry, now);
    }
    bool good = metrics_put_head(out, name, "gauge", "Blocks in force, by kind");
    for (int kind = 0; good && kind < BLOCK_KIND_COUNT; kind++) {
        good = buffer_printf(out, "sallyport_blocks{kind=\"%.*s\"} %zu\n",
                             SLICE_ARG(block_kind_infos[kind].name), counts[kind]);
    }
    return good;
}

bool block_follower_render(const struct block_follower *follower, struct buffer *out)
{
    static const struct slice up = SLICE_INIT("sallyport_block_store_up");
    if (settings_of(follower->snapshot) == NULL) {
        return true;
    }
    if (!put_counts(follower, out)) {
        return false;
    }
    return follower->followed == NULL ||
           (metrics_put_head(
                out, up, "gauge",
                "1: the block store can be read; 0: the blocks that it last held stay in force") &&
            buffer_printf(out, "sallyport_block_store_up %d\n", follower->followed->failing ? 0 : 1));
}

const char *block_follower_problem(const struct block_follower *follower)
{
    return follower->problem[0] != '\0' ? follower->problem : NULL;
}
