#include "auth/api_key_asker_thread.h"

#include "base/clock.h"
#include "base/random.h"

#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#define LOOK_EVERY  (1000 * NS_PER_MS)
#define FLUSH_EVERY (5 * NS_PER_S)
#define PAUSE_MAX   (2000 * NS_PER_MS)
#define BUSY_MS     100 /* how long a lock is waited for; readers take none */

/* ---- answers ---- */

static void answer(struct api_key_question *question, struct error error)
{
    question->error = error;
    /* Its loop has ended: then nobody waits, and its memory is left to the end of the process. */
    (void)net_loop_send(question->loop, &question->answer);
}

static struct api_key_question *take_all(struct api_key_asker *asker)
{
    pthread_mutex_lock(&asker->lock);
    struct api_key_question *first = asker->first;
    asker->first = NULL;
    asker->last = &asker->first;
    pthread_mutex_unlock(&asker->lock);
    return first;
}

/* Those that were not asked yet stand first again. */
static void put_back(struct api_key_asker *asker, struct api_key_question *first)
{
    struct api_key_question *last = first;
    if (first == NULL) {
        return;
    }
    while (last->next != NULL) {
        last = last->next;
    }
    pthread_mutex_lock(&asker->lock);
    last->next = asker->first;
    if (asker->first == NULL) {
        asker->last = &last->next;
    }
    asker->first = first;
    pthread_mutex_unlock(&asker->lock);
}

static void tell_news(struct api_key_asker *asker, struct error error, const struct api_key_changes *changes)
{
    pthread_mutex_lock(&asker->lock);
    struct api_key_news *news = asker->news;
    asker->news = NULL;
    if (news != NULL) {
        news->error = error;
        news->changes = *changes;
        (void)net_loop_send(news->loop, &news->arrival);
    }
    pthread_mutex_unlock(&asker->lock);
    if (news == NULL) {
        free(changes->numbers);
    }
}

/* ---- the connection ---- */

static void set_down(struct api_key_asker *asker, struct error error)
{
    pthread_mutex_lock(&asker->lock);
    asker->is_down = failed(error);
    asker->failure = error;
    pthread_mutex_unlock(&asker->lock);
}

/* Refuses what waits, and what comes until it is back. */
static void go_down(struct api_key_asker *asker, struct error error)
{
    static const struct api_key_changes none;
    set_down(asker, error);
    for (struct api_key_question *next, *question = take_all(asker); question != NULL; question = next) {
        next = question->next;
        answer(question, error);
    }
    tell_news(asker, error, &none);
}

static void hang_up(struct api_key_asker *asker)
{
    key_store_close(asker->store);
    asker->store = NULL;
}

/* Between half of the pause and all of it. */
static int64_t drawn(int64_t pause)
{
    uint32_t lot;
    random_bytes(&lot, sizeof lot);
    return pause / 2 + (int64_t)(lot % 1024) * (pause / 2) / 1024;
}

static void rest(struct api_key_asker *asker)
{
    asker->try_at = clock_monotonic_ns() + drawn(asker->pause);
    asker->pause = asker->pause * 2 < PAUSE_MAX ? asker->pause * 2 : PAUSE_MAX;
}

static void try_to_connect(struct api_key_asker *asker)
{
    const struct key_store_options options = {
        .place = asker->place,
        .access = KEY_STORE_READ,
        .busy_ms = BUSY_MS,
        .used_fd = -1,
        .stop = &asker->stop,
    };
    struct error error = key_store_open(&options, &asker->store);
    if (failed(error)) {
        asker->store = NULL;
        go_down(asker, error);
        rest(asker);
        return;
    }
    asker->is_proven = false;
    asker->was_told = true; /* what was told meanwhile was not heard */
    set_down(asker, OK);
}

/* What came of asking. A connection that broke is made anew at once: the questions wait for it. One that does not answer
 * would only be asked in vain, and one that never did breaks again. */
static void asked(struct api_key_asker *asker, struct error error)
{
    if (!failed(error)) {
        asker->is_proven = true;
        asker->pause = ASKER_PAUSE_MIN;
        return;
    }
    if (key_store_is_current(asker->store)) {
        return;
    }
    bool is_late = error.kind == ERROR_STATE && error.number == ETIMEDOUT;
    hang_up(asker);
    asker->try_at = 0;
    if (is_late || !asker->is_proven) {
        go_down(asker, error);
        rest(asker);
    }
}

/* ---- questions ---- */

/* Those that go together, and their digests. */
struct batch {
    struct api_key_question *questions;
    unsigned char digests[KEY_STORE_BATCH][KEY_RECORD_DIGEST];
    size_t count;
};

static bool has_digest(const struct api_key_question *question, const unsigned char *digest)
{
    bool has = false;
    for (size_t i = 0; i < question->digests->count; i++) {
        has = has || memcmp(question->digests->items[i], digest, KEY_RECORD_DIGEST) == 0;
    }
    return has;
}

static bool take_record(void *context, const struct key_record *record)
{
    const struct batch *batch = context;
    for (struct api_key_question *question = batch->questions; question != NULL; question = question->next) {
        if (!question->found && has_digest(question, record->digest)) {
            question->found = true;
            question->visit(question->context, record);
        }
    }
    return true;
}

/* Gives those that are too many back. */
static struct api_key_question *fill(struct batch *batch)
{
    struct api_key_question **link = &batch->questions;
    batch->count = 0;
    while (*link != NULL && batch->count + (*link)->digests->count <= KEY_STORE_BATCH) {
        const struct api_key_digests *digests = (*link)->digests;
        memcpy(batch->digests[batch->count], digests->items, digests->count * sizeof digests->items[0]);
        batch->count += digests->count;
        link = &(*link)->next;
    }
    struct api_key_question *rest_of_them = *link;
    *link = NULL;
    return rest_of_them;
}

/* A question that was answered in part may have been visited: it is asked once only. */
static bool any_found(const struct batch *batch)
{
    bool any = false;
    for (const struct api_key_question *question = batch->questions; question != NULL;
         question = question->next) {
        any = any || question->found;
    }
    return any;
}

static void answer_batch(struct batch *batch, struct error error)
{
    for (struct api_key_question *next, *question = batch->questions; question != NULL; question = next) {
        next = question->next;
        answer(question, error);
    }
}

static void ask(struct api_key_asker *asker)
{
    struct batch batch = { .questions = take_all(asker) };
    while (batch.questions != NULL) {
        struct api_key_question *others = fill(&batch);
        struct error error =
            key_store_find_any(asker->store, batch.digests, batch.count, take_record, &batch);
        bool is_lost = failed(error) && !key_store_is_current(asker->store);
        if (is_lost && !any_found(&batch)) {
            /* They wait for the next connection, or are refused where there is none. */
            put_back(asker, others);
            put_back(asker, batch.questions);
            asked(asker, error);
            break;
        }
        answer_batch(&batch, error);
        put_back(asker, is_lost ? others : NULL);
        asked(asker, error);
        batch.questions = is_lost ? NULL : others;
    }
}

/* ---- changes ---- */

static struct error look_at(struct api_key_asker *asker, struct key_store_state *out,
                            struct api_key_changes *changes)
{
    const struct key_store_state *before = &asker->state;
    TRY(key_store_look(asker->store, out));
    changes->all = memcmp(out->identity, before->identity, sizeof out->identity) != 0 ||
                   out->sequence < before->sequence;
    if (!changes->all && out->sequence > before->sequence) {
        TRY(key_store_changes(asker->store, before->sequence, api_key_changes_note, changes));
    }
    return OK;
}

static bool has_listener(struct api_key_asker *asker)
{
    pthread_mutex_lock(&asker->lock);
    bool has = asker->news != NULL;
    pthread_mutex_unlock(&asker->lock);
    return has;
}

static void look(struct api_key_asker *asker)
{
    int64_t began = clock_monotonic_ns();
    struct key_store_state state;
    struct api_key_changes changes = { .numbers = calloc(API_KEY_CHANGES_MAX, sizeof *changes.numbers) };
    asker->look_at = began + LOOK_EVERY;
    asker->was_told = false;
    if (changes.numbers == NULL) {
        return; /* another time */
    }
    struct error error = look_at(asker, &state, &changes);
    if (failed(error)) {
        bool is_lost = !key_store_is_current(asker->store);
        free(changes.numbers);
        asked(asker, error);
        if (!is_lost) {
            tell_news(asker, error, &(struct api_key_changes){ .all = false });
        }
        return;
    }
    asked(asker, OK);
    api_key_changes_sort(&changes);
    pthread_mutex_lock(&asker->lock);
    asker->state = state;
    pthread_mutex_unlock(&asker->lock);
    atomic_store_explicit(&asker->fresh_at, began, memory_order_release);
    tell_news(asker, OK, &changes);
}

/* Only where somebody wants to know: what is seen once is not told again. */
static int64_t next_look(struct api_key_asker *asker)
{
    if (!has_listener(asker)) {
        return INT64_MAX;
    }
    return asker->was_told ? 0 : asker->look_at;
}

/* ---- uses ---- */

static void flush_uses(struct api_key_asker *asker)
{
    asker->flush_at = clock_monotonic_ns() + FLUSH_EVERY;
    pthread_mutex_lock(&asker->lock);
    size_t count = asker->use_count;
    memcpy(asker->flushing, asker->uses, count * sizeof asker->uses[0]);
    asker->use_count = 0;
    pthread_mutex_unlock(&asker->lock);
    if (count > 0) {
        /* What is lost is a use that is not known: the next one comes. */
        asked(asker, key_store_note_uses(asker->store, asker->flushing, count));
    }
}

/* ---- the thread ---- */

static int ms_until(int64_t when)
{
    int64_t now = clock_monotonic_ns();
    if (when <= now) {
        return 0;
    }
    return when - now > NS_PER_S ? 1000 : (int)((when - now + NS_PER_MS - 1) / NS_PER_MS);
}

/* Before it sleeps too: what came with an answer has been read, and wakes nobody. */
static void hear(struct api_key_asker *asker)
{
    bool changed = false;
    struct error error = key_store_hear(asker->store, &changed);
    asker->was_told = asker->was_told || changed;
    if (failed(error)) {
        asked(asker, error);
    }
}

static void sleep_on(struct api_key_asker *asker)
{
    bool connected = asker->store != NULL;
    struct pollfd both[2] = {
        { .fd = asker->wake, .events = POLLIN },
        { .fd = connected ? key_store_fd(asker->store) : -1, .events = POLLIN },
    };
    int64_t next = next_look(asker), until = connected ? asker->flush_at : asker->try_at;
    (void)poll(both, 2, ms_until(connected && next < until ? next : until));
    uint64_t count;
    if ((both[0].revents & POLLIN) != 0) {
        (void)!read(asker->wake, &count, sizeof count);
    }
}

static void work(struct api_key_asker *asker)
{
    if (asker->store == NULL && clock_monotonic_ns() >= asker->try_at) {
        try_to_connect(asker);
    }
    if (asker->store != NULL) {
        ask(asker);
    }
    if (asker->store != NULL && clock_monotonic_ns() >= next_look(asker)) {
        look(asker);
    }
    if (asker->store != NULL && clock_monotonic_ns() >= asker->flush_at) {
        flush_uses(asker);
    }
}

void api_key_asker_work(struct api_key_asker *asker)
{
    while (!atomic_load_explicit(&asker->stop, memory_order_acquire)) {
        work(asker);
        if (asker->store != NULL) {
            hear(asker);
        }
        sleep_on(asker);
    }
    hang_up(asker);
}
