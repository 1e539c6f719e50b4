#include "gateway/key_stores.h"

#include "base/log.h"

#include <stdlib.h>

struct followed {
    struct followed *next;
    struct key_stores *stores; /* NULL: followed no longer */
    struct api_key_source *source;
    bool wanted;
    bool looking; /* `work` is in the pool, or `news` is awaited: it alone may touch what follows */
    uv_work_t work;
    struct api_key_news news; /* of a remote one */
    struct error error;
    struct api_key_changes changes;
    bool failing, looked; /* told to be; looked at once at least */
};

struct key_stores {
    struct net_loop *loop;
    key_stores_callback *callback;
    void *context;
    uv_timer_t timer;
    struct followed *first;
};

/* What it waits for comes no more: it was called back, or it was sent to a loop that has ended. */
static bool ends_waiting(struct followed *followed)
{
    return api_key_source_is_remote(followed->source) &&
           (api_key_source_forget(followed->source, &followed->news) || followed->stores->loop->closed);
}

static void free_followed(struct followed *followed)
{
    if (followed->looking && !ends_waiting(followed)) {
        followed->stores = NULL; /* freed when it comes back */
        return;
    }
    api_key_source_unref(followed->source);
    free(followed);
}

/* ---- looking ---- */

static void look(uv_work_t *work)
{
    struct followed *followed = work->data;
    followed->error = api_key_source_look(followed->source, &followed->changes);
}

/* Once for each time that it fails, and once that it is well again. */
static void tell(struct followed *followed)
{
    struct slice path = api_key_source_path(followed->source);
    bool fails = failed(followed->error);
    if (fails == followed->failing && followed->looked) {
        return;
    }
    if (fails) {
        char why[256];
        error_describe(followed->error, why, sizeof why);
        log_event(LOG_ERROR, "key_store_unavailable", LOG_TEXT("store", path), LOG_STRING("reason", why));
    } else {
        log_event(LOG_INFO, "key_store_available", LOG_TEXT("store", path));
    }
    followed->failing = fails;
    followed->looked = true;
}

static void take_look(struct followed *followed)
{
    struct key_stores *stores = followed->stores;
    followed->looking = false;
    bool good = !failed(followed->error);
    if (stores != NULL) {
        tell(followed);
    }
    if (stores != NULL && good && (followed->changes.all || followed->changes.count > 0)) {
        stores->callback(stores->context, api_key_source_path(followed->source), &followed->changes);
    }
    if (good) {
        free(followed->changes.numbers);
    }
    if (stores == NULL) {
        free_followed(followed); /* nothing is awaited any more */
    }
}

static void on_looked(uv_work_t *work, int status)
{
    struct followed *followed = work->data;
    (void)status; /* never cancelled */
    if (followed->stores != NULL) {
        net_loop_woken(followed->stores->loop);
    }
    take_look(followed);
}

static void start_look(struct followed *followed);

/* The next ones are awaited at once: a remote store tells by itself. */
static void on_news(struct net_task *task)
{
    struct followed *followed = (struct followed *)((char *)task - offsetof(struct followed, news.arrival));
    bool wanted = followed->stores != NULL;
    followed->error = followed->news.error;
    followed->changes = followed->news.changes;
    take_look(followed);
    if (wanted) {
        start_look(followed);
    }
}

static void start_look(struct followed *followed)
{
    if (followed->looking) {
        return;
    }
    if (api_key_source_is_remote(followed->source)) {
        followed->news =
            (struct api_key_news){ .arrival = { .run = on_news }, .loop = followed->stores->loop };
        followed->looking = true;
        api_key_source_await(followed->source, &followed->news);
        return;
    }
    followed->work.data = followed;
    followed->looking = uv_queue_work(&followed->stores->loop->uv, &followed->work, look, on_looked) == 0;
}

static void on_timer(uv_timer_t *timer)
{
    struct key_stores *stores = timer->data;
    net_loop_woken(stores->loop);
    for (struct followed *followed = stores->first; followed != NULL; followed = followed->next) {
        start_look(followed);
    }
}

/* ---- what is followed ---- */

struct error key_stores_new(struct net_loop *loop, key_stores_callback *callback, void *context,
                            struct key_stores **ret_stores)
{
    struct key_stores *stores = calloc(1, sizeof *stores);
    if (stores == NULL) {
        return FAIL(ERROR_MEMORY, "key stores");
    }
    *stores = (struct key_stores){ .loop = loop, .callback = callback, .context = context };
    uv_timer_init(&loop->uv, &stores->timer);
    stores->timer.data = stores;
    *ret_stores = stores;
    return OK;
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void key_stores_free(struct key_stores *stores)
{
    if (stores == NULL) {
        return;
    }
    while (stores->first != NULL) {
        struct followed *followed = stores->first;
        stores->first = followed->next;
        free_followed(followed);
    }
    uv_close((uv_handle_t *)&stores->timer, on_closed);
}

/* A file's and a database's name never look alike: a path is absolute. */
static struct api_key_source *find(const struct key_stores *stores, struct slice path)
{
    for (const struct followed *followed = stores->first; followed != NULL; followed = followed->next) {
        if (slice_equal(api_key_source_path(followed->source), path)) {
            return followed->source;
        }
    }
    return NULL;
}

static struct error open_one(struct key_stores *stores, struct slice path, int *used_fd,
                             struct api_key_source *const *before, size_t count,
                             struct api_key_source **ret_source)
{
    struct api_key_source *known = find(stores, path);
    for (size_t i = 0; known == NULL && i < count; i++) {
        /* Another set may be kept in the same store. */
        known = before[i] != NULL && slice_equal(api_key_source_path(before[i]), path) ? before[i] : NULL;
    }
    if (known != NULL) {
        *ret_source = api_key_source_ref(known);
        return OK;
    }
    int fd = *used_fd;
    *used_fd = -1;
    return api_key_source_new(path, fd, ret_source);
}

/* `place` is taken, on failure too. */
static struct error open_remote(struct key_stores *stores, struct postgres_place *place,
                                struct api_key_source *const *before, size_t count,
                                struct api_key_source **ret_source)
{
    struct api_key_source *known = NULL;
    for (const struct followed *followed = stores->first; known == NULL && followed != NULL;
         followed = followed->next) {
        known = api_key_source_is_at(followed->source, place) ? followed->source : NULL;
    }
    for (size_t i = 0; known == NULL && i < count; i++) {
        known = before[i] != NULL && api_key_source_is_at(before[i], place) ? before[i] : NULL;
    }
    if (known == NULL) {
        /* Where another password or timeout is all that has changed, known keys stay known. */
        return api_key_source_new_remote(place, find(stores, slice_from_string(place->label)), ret_source);
    }
    postgres_place_free(place);
    *ret_source = api_key_source_ref(known);
    return OK;
}

/* The source of the `at`-th set, whose predecessors have theirs. */
static struct error open_set(struct key_stores *stores, const struct api_keys_settings *sets, size_t at,
                             int **next_fd, struct api_key_source **sources)
{
    const struct api_keys_settings *set = &sets[at];
    if (set->store.len > 0) {
        return open_one(stores, set->store, (*next_fd)++, sources, at, &sources[at]);
    }
    if (set->postgres == NULL) {
        return OK;
    }
    struct postgres_place *place;
    TRY(postgres_place_new(set->postgres, &place));
    return open_remote(stores, place, sources, at, &sources[at]);
}

struct error key_stores_open(struct key_stores *stores, const struct settings *settings, int *used_fds,
                             struct api_key_source ***ret_sources)
{
    struct api_key_source **sources = calloc(settings->api_keys_count + 1, sizeof *sources);
    if (sources == NULL) {
        return FAIL(ERROR_MEMORY, "key stores");
    }
    for (size_t i = 0; i < settings->api_keys_count; i++) {
        struct error error = open_set(stores, settings->api_keys, i, &used_fds, sources);
        if (failed(error)) {
            key_stores_release(sources, i);
            return error;
        }
    }
    *ret_sources = sources;
    return OK;
}

void key_stores_release(struct api_key_source **sources, size_t count)
{
    for (size_t i = 0; sources != NULL && i < count; i++) {
        api_key_source_unref(sources[i]);
    }
    free(sources);
}

static bool follow(struct key_stores *stores, struct api_key_source *source)
{
    for (struct followed *followed = stores->first; followed != NULL; followed = followed->next) {
        if (followed->source == source) {
            followed->wanted = true;
            return true;
        }
    }
    struct followed *followed = calloc(1, sizeof *followed);
    if (followed == NULL) {
        return false;
    }
    followed->stores = stores;
    followed->source = api_key_source_ref(source);
    followed->wanted = true;
    followed->next = stores->first;
    stores->first = followed;
    start_look(followed);
    return true;
}

bool key_stores_follow(struct key_stores *stores, struct api_key_source *const *sources, size_t count)
{
    bool good = true;
    for (struct followed *followed = stores->first; followed != NULL; followed = followed->next) {
        followed->wanted = false;
    }
    for (size_t i = 0; i < count; i++) {
        good = (sources[i] == NULL || follow(stores, sources[i])) && good;
    }
    for (struct followed **link = &stores->first; *link != NULL;) {
        struct followed *followed = *link;
        if (followed->wanted) {
            link = &followed->next;
        } else {
            *link = followed->next;
            free_followed(followed);
        }
    }
    if (stores->first != NULL) {
        uv_timer_start(&stores->timer, on_timer, KEY_STORES_LOOK_MS, KEY_STORES_LOOK_MS);
    } else {
        uv_timer_stop(&stores->timer);
    }
    return good;
}
