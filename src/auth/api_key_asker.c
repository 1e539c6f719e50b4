#include "auth/api_key_asker.h"

#include "auth/api_key_asker_thread.h"
#include "base/clock.h"

#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

static pthread_mutex_t all_lock = PTHREAD_MUTEX_INITIALIZER;
static struct api_key_asker *all;

static void wake(struct api_key_asker *asker)
{
    uint64_t one = 1;
    (void)!write(asker->wake, &one, sizeof one); /* full: it is awake */
}

/* ---- its life ---- */

static void *run(void *argument)
{
    struct api_key_asker *asker = argument;
    api_key_asker_work(asker);
    pthread_mutex_lock(&all_lock);
    asker->has_ended = true;
    pthread_mutex_unlock(&all_lock);
    return NULL;
}

static void free_asker(struct api_key_asker *asker)
{
    postgres_place_free(asker->place);
    pthread_mutex_destroy(&asker->lock);
    if (asker->wake >= 0) {
        close(asker->wake);
    }
    free(asker);
}

/* Those that have ended. */
static void reap(void)
{
    struct api_key_asker *ended = NULL;
    pthread_mutex_lock(&all_lock);
    for (struct api_key_asker **link = &all; *link != NULL;) {
        struct api_key_asker *asker = *link;
        if (asker->has_ended) {
            *link = asker->next;
            asker->next = ended;
            ended = asker;
        } else {
            link = &asker->next;
        }
    }
    pthread_mutex_unlock(&all_lock);
    while (ended != NULL) {
        struct api_key_asker *asker = ended;
        ended = asker->next;
        pthread_join(asker->thread, NULL); /* it is on its last step */
        free_asker(asker);
    }
}

bool api_key_askers_join(int64_t within)
{
    int64_t until = clock_monotonic_ns() + within;
    for (;;) {
        reap();
        pthread_mutex_lock(&all_lock);
        bool any = all != NULL;
        pthread_mutex_unlock(&all_lock);
        if (!any || clock_monotonic_ns() > until) {
            return !any;
        }
        poll(NULL, 0, 5);
    }
}

static void go_on_from(struct api_key_asker *asker, struct api_key_asker *before)
{
    pthread_mutex_lock(&before->lock);
    asker->state = before->state;
    asker->fresh_at = api_key_asker_fresh_at(before);
    pthread_mutex_unlock(&before->lock);
}

struct error api_key_asker_new(struct postgres_place *place, struct api_key_asker *before,
                               struct api_key_asker **ret_asker)
{
    reap();
    struct api_key_asker *asker = calloc(1, sizeof *asker);
    if (asker == NULL) {
        postgres_place_free(place);
        return FAIL(ERROR_MEMORY, "no memory for a key store");
    }
    asker->place = place;
    asker->last = &asker->first;
    asker->pause = ASKER_PAUSE_MIN;
    asker->failure = OK;
    if (before != NULL) {
        go_on_from(asker, before);
    }
    pthread_mutex_init(&asker->lock, NULL);
    asker->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int status = asker->wake >= 0 ? pthread_create(&asker->thread, NULL, run, asker) : errno;
    if (status != 0) {
        free_asker(asker);
        return FAIL_NUMBER(ERROR_SYSTEM, status, "no thread for a key store");
    }
    pthread_mutex_lock(&all_lock);
    asker->next = all;
    all = asker;
    pthread_mutex_unlock(&all_lock);
    *ret_asker = asker;
    return OK;
}

void api_key_asker_end(struct api_key_asker *asker)
{
    atomic_store_explicit(&asker->stop, true, memory_order_release);
    wake(asker);
}

const struct postgres_place *api_key_asker_place(const struct api_key_asker *asker)
{
    return asker->place;
}

int64_t api_key_asker_fresh_at(const struct api_key_asker *asker)
{
    return atomic_load_explicit(&asker->fresh_at, memory_order_acquire);
}

bool api_key_asker_ask(struct api_key_asker *asker, struct api_key_question *question)
{
    question->next = NULL;
    question->found = false;
    pthread_mutex_lock(&asker->lock);
    bool refused = asker->is_down;
    if (refused) {
        question->error = asker->failure;
    } else {
        *asker->last = question;
        asker->last = &question->next;
    }
    pthread_mutex_unlock(&asker->lock);
    if (!refused) {
        wake(asker);
    }
    return !refused;
}

void api_key_asker_note_use(struct api_key_asker *asker, uint64_t number, int64_t when)
{
    pthread_mutex_lock(&asker->lock);
    if (asker->use_count < KEY_STORE_USES) {
        asker->uses[asker->use_count++] = (struct key_use){ number, when };
    }
    pthread_mutex_unlock(&asker->lock);
}

void api_key_asker_await(struct api_key_asker *asker, struct api_key_news *news)
{
    pthread_mutex_lock(&asker->lock);
    asker->news = news;
    pthread_mutex_unlock(&asker->lock);
    wake(asker);
}

bool api_key_asker_forget(struct api_key_asker *asker, struct api_key_news *news)
{
    pthread_mutex_lock(&asker->lock);
    bool waits = asker->news == news;
    if (waits) {
        asker->news = NULL;
    }
    pthread_mutex_unlock(&asker->lock);
    return waits;
}
