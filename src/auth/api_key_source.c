#include "auth/api_key_source.h"

#include "auth/api_key_asker.h"
#include "base/clock.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#define BUSY_MS 100               /* how long a writer is waited for */
#define REST    (250 * NS_PER_MS) /* how long a store that failed is left alone */

struct api_key_source {
    int references;              /* atomic */
    struct api_key_asker *asker; /* of a remote one; NULL: a file, and all that follows */
    int used_fd;
    _Atomic int64_t fresh_at;
    _Atomic int64_t rest_until;   /* monotonic ns; 0: it is well */
    pthread_mutex_t lock;         /* of all below: a store belongs to one thread at a time */
    struct key_store *store;      /* NULL: not open */
    struct key_store_state state; /* of the last look */
    struct error failure;         /* the last one */
    char path[];
};

struct error api_key_source_new(struct slice path, int used_fd, struct api_key_source **ret_source)
{
    struct api_key_source *source = calloc(1, sizeof *source + path.len + 1);
    if (source == NULL) {
        if (used_fd >= 0) {
            close(used_fd);
        }
        return FAIL(ERROR_MEMORY, "no memory for a key store");
    }
    memcpy(source->path, path.ptr, path.len);
    source->references = 1;
    source->used_fd = used_fd;
    pthread_mutex_init(&source->lock, NULL);
    *ret_source = source;
    return OK;
}

struct error api_key_source_new_remote(struct postgres_place *place, const struct api_key_source *before,
                                       struct api_key_source **ret_source)
{
    struct api_key_source *source = calloc(1, sizeof *source + 1);
    if (source == NULL) {
        postgres_place_free(place);
        return FAIL(ERROR_MEMORY, "no memory for a key store");
    }
    struct error error = api_key_asker_new(place, before != NULL ? before->asker : NULL, &source->asker);
    if (failed(error)) {
        free(source);
        return error;
    }
    source->references = 1;
    source->used_fd = -1;
    pthread_mutex_init(&source->lock, NULL);
    *ret_source = source;
    return OK;
}

struct api_key_source *api_key_source_ref(struct api_key_source *source)
{
    __atomic_fetch_add(&source->references, 1, __ATOMIC_RELAXED);
    return source;
}

void api_key_source_unref(struct api_key_source *source)
{
    if (source == NULL || __atomic_sub_fetch(&source->references, 1, __ATOMIC_ACQ_REL) > 0) {
        return;
    }
    if (source->asker != NULL) {
        api_key_asker_end(source->asker);
    }
    key_store_close(source->store);
    pthread_mutex_destroy(&source->lock);
    if (source->used_fd >= 0) {
        close(source->used_fd);
    }
    free(source);
}

struct slice api_key_source_path(const struct api_key_source *source)
{
    return slice_from_string(source->asker != NULL ? api_key_asker_place(source->asker)->label
                                                   : source->path);
}

bool api_key_source_is_remote(const struct api_key_source *source)
{
    return source->asker != NULL;
}

bool api_key_source_is_alike(const struct api_key_source *a, const struct api_key_source *b)
{
    return a == b || (a != NULL && b != NULL && a->asker != NULL && b->asker != NULL &&
                      slice_equal(api_key_source_path(a), api_key_source_path(b)));
}

bool api_key_source_is_at(const struct api_key_source *source, const struct postgres_place *place)
{
    return source->asker != NULL && postgres_place_equal(api_key_asker_place(source->asker), place);
}

int64_t api_key_source_fresh_at(const struct api_key_source *source)
{
    return source->asker != NULL ? api_key_asker_fresh_at(source->asker)
                                 : atomic_load_explicit(&source->fresh_at, memory_order_acquire);
}

/* ---- under the lock ---- */

static void close_store(struct api_key_source *source)
{
    key_store_close(source->store);
    source->store = NULL;
}

static struct error open_store(struct api_key_source *source)
{
    if (source->store != NULL && key_store_is_current(source->store)) {
        return OK;
    }
    close_store(source);
    const struct key_store_options options = {
        .path = source->path,
        .access = KEY_STORE_READ,
        .group = (gid_t)-1,
        .busy_ms = BUSY_MS,
        .used_fd = source->used_fd,
    };
    return key_store_open(&options, &source->store);
}

static bool is_resting(const struct api_key_source *source)
{
    return atomic_load_explicit(&source->rest_until, memory_order_relaxed) > clock_monotonic_ns();
}

/* What came of asking. A store that is more than locked is opened anew the next time. One that is not there yet costs nothing to
 * ask, and works as soon as somebody makes it. */
static struct error asked(struct api_key_source *source, struct error error)
{
    bool is_missing = error.kind == ERROR_SYSTEM && error.number == ENOENT;
    int64_t rest_until = failed(error) && !is_missing ? clock_monotonic_ns() + REST : 0;
    atomic_store_explicit(&source->rest_until, rest_until, memory_order_relaxed);
    if (failed(error)) {
        source->failure = error;
    }
    if (failed(error) && error.kind != ERROR_STATE) {
        close_store(source);
    }
    return error;
}

static struct error find(struct api_key_source *source, const struct api_key_digests *digests,
                         key_store_visit *visit, void *context, bool *ret_found)
{
    bool found = false;
    TRY(open_store(source));
    for (size_t i = 0; i < digests->count && !found; i++) {
        TRY(key_store_find(source->store, digests->items[i], visit, context, &found));
    }
    *ret_found = found;
    return OK;
}

struct error api_key_source_find(struct api_key_source *source, const struct api_key_digests *digests,
                                 key_store_visit *visit, void *context, bool *ret_found)
{
    if (is_resting(source)) {
        return FAIL(ERROR_STATE, "the key store has just failed");
    }
    pthread_mutex_lock(&source->lock);
    /* Many may have waited here for what one of them has found out. */
    struct error error = is_resting(source) ? source->failure
                                            : asked(source, find(source, digests, visit, context, ret_found));
    pthread_mutex_unlock(&source->lock);
    return error;
}

void api_key_source_note_use(struct api_key_source *source, uint64_t number,
                             const unsigned char digest[API_KEY_DIGEST_SIZE], int64_t when)
{
    if (source->asker != NULL) {
        api_key_asker_note_use(source->asker, number, when);
        return;
    }
    pthread_mutex_lock(&source->lock);
    if (source->store != NULL) {
        key_store_touch(source->store, number, digest, when);
    }
    pthread_mutex_unlock(&source->lock);
}

/* ---- changes ---- */

bool api_key_changes_note(void *context, const struct key_record *record)
{
    struct api_key_changes *changes = context;
    if (changes->count == API_KEY_CHANGES_MAX) {
        changes->all = true;
        return false;
    }
    changes->numbers[changes->count++] = record->number;
    return true;
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

void api_key_changes_sort(struct api_key_changes *changes)
{
    qsort(changes->numbers, changes->count, sizeof *changes->numbers, compare);
}

static struct error look(struct api_key_source *source, struct api_key_changes *changes)
{
    struct key_store_state state;
    TRY(open_store(source));
    TRY(key_store_look(source->store, &state));
    changes->all = memcmp(state.identity, source->state.identity, sizeof state.identity) != 0 ||
                   state.sequence < source->state.sequence;
    if (!changes->all && state.sequence > source->state.sequence) {
        TRY(key_store_changes(source->store, source->state.sequence, api_key_changes_note, changes));
    }
    source->state = state;
    return OK;
}

struct error api_key_source_look(struct api_key_source *source, struct api_key_changes *out)
{
    *out = (struct api_key_changes){ .numbers = calloc(API_KEY_CHANGES_MAX, sizeof *out->numbers) };
    if (out->numbers == NULL) {
        return FAIL(ERROR_MEMORY, "no memory for changes of keys");
    }
    int64_t began = clock_monotonic_ns();
    pthread_mutex_lock(&source->lock);
    struct error error = asked(source, look(source, out));
    pthread_mutex_unlock(&source->lock);
    if (failed(error)) {
        free(out->numbers);
        *out = (struct api_key_changes){ .numbers = NULL };
        return error;
    }
    api_key_changes_sort(out);
    atomic_store_explicit(&source->fresh_at, began, memory_order_release);
    return OK;
}

/* ---- remote ones ---- */

bool api_key_source_ask(struct api_key_source *source, struct api_key_question *question)
{
    return api_key_asker_ask(source->asker, question);
}

void api_key_source_await(struct api_key_source *source, struct api_key_news *news)
{
    api_key_asker_await(source->asker, news);
}

bool api_key_source_forget(struct api_key_source *source, struct api_key_news *news)
{
    return api_key_asker_forget(source->asker, news);
}

bool api_key_sources_join(int64_t within_ns)
{
    return api_key_askers_join(within_ns);
}
