#include "admin/key_work.h"

#include "base/clock.h"

#include <limits.h>
#include <pthread.h>

#define STORE_BUSY_MS 2000

/* ---- which set ---- */

static const struct api_keys_settings *set_of(const struct settings *settings, struct slice name)
{
    for (size_t i = 0; i < settings->api_keys_count; i++) {
        if (slice_equal(settings->api_keys[i].name, name)) {
            return &settings->api_keys[i];
        }
    }
    return NULL;
}

const struct api_keys_settings *key_work_choose_set(struct admin_call *call, struct slice name)
{
    const struct conf_strings *sets = &call->settings->admin->api_keys;
    if (name.len == 0 && sets->count == 1) {
        return set_of(call->settings, sets->items[0]);
    }
    if (name.len == 0) {
        admin_problem(call, 400, "invalid_request",
                      "there are several sets: choose one by ?set=NAME (GET /v1/key-sets tells them)");
        return NULL;
    }
    if (!conf_strings_contain(sets, name)) {
        admin_problem(call, 404, "not_found", "there is no such set of API keys");
        return NULL;
    }
    return set_of(call->settings, name);
}

/* ---- turns at databases ---- */

static struct {
    pthread_mutex_t lock;
    pthread_cond_t freed;
    unsigned int taken;
} turns = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0 };

static bool take_turn(void)
{
    int64_t until = clock_monotonic_ns() + KEY_WORK_TURN_MS * NS_PER_MS;
    const struct timespec end = { .tv_sec = until / NS_PER_S, .tv_nsec = until % NS_PER_S };
    int waited = 0;
    pthread_mutex_lock(&turns.lock);
    while (turns.taken == KEY_WORK_DATABASES && waited == 0) {
        waited = pthread_cond_clockwait(&turns.freed, &turns.lock, CLOCK_MONOTONIC, &end);
    }
    bool mine = turns.taken < KEY_WORK_DATABASES;
    turns.taken += mine ? 1 : 0;
    pthread_mutex_unlock(&turns.lock);
    return mine;
}

static void leave_turn(void)
{
    pthread_mutex_lock(&turns.lock);
    turns.taken--;
    pthread_cond_signal(&turns.freed);
    pthread_mutex_unlock(&turns.lock);
}

/* ---- the store ---- */

static struct error open_file(struct key_work *work, struct key_store_options options)
{
    char path[PATH_MAX];
    if (snprintf(path, sizeof path, "%.*s", SLICE_ARG(work->set->store)) >= (int)sizeof path) {
        return FAIL(ERROR_LIMIT, "the path of the store is too long");
    }
    options.path = path;
    return key_store_open(&options, &work->store);
}

static struct error open_database(struct key_work *work, struct key_store_options options)
{
    if (!take_turn()) {
        return FAIL(ERROR_STATE, "other requests are waiting for the database of a key store");
    }
    struct error error = postgres_place_new(work->set->postgres, &work->place);
    if (!failed(error)) {
        options.place = work->place;
        options.deadline = work->call->deadline;
        error = key_store_open(&options, &work->store);
    }
    if (failed(error)) {
        postgres_place_free(work->place);
        leave_turn();
    }
    return error;
}

bool key_work_begin(struct admin_call *call, enum key_store_access access, struct key_work *out)
{
    struct slice name = *(const struct slice *)call->query; /* `set`, of every query the first member */
    *out = (struct key_work){ .call = call, .set = key_work_choose_set(call, name) };
    if (out->set == NULL) {
        return false;
    }
    const struct key_store_options options = {
        .access = access,
        .group = (gid_t)-1,
        .group_writes = true,
        .busy_ms = STORE_BUSY_MS,
        .used_fd = -1,
    };
    struct error error = out->set->postgres != NULL ? open_database(out, options) : open_file(out, options);
    if (failed(error)) {
        admin_fail(call, error);
    }
    return !failed(error);
}

void key_work_end(struct key_work *work)
{
    key_store_close(work->store);
    if (work->place != NULL) {
        postgres_place_free(work->place);
        leave_turn();
    }
}
