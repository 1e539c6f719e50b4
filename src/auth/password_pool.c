#include "auth/password_pool.h"

#include <stdlib.h>

struct password_pool {
    pthread_mutex_t lock; /* of all below */
    pthread_cond_t wake;
    struct password_job *first, **last;
    size_t waiting;
    bool ending;
    unsigned int threads, started;
    pthread_t handles[PASSWORD_THREADS_MAX];
};

struct error password_pool_new(unsigned int threads, struct password_pool **ret_pool)
{
    struct password_pool *pool = calloc(1, sizeof *pool);
    if (pool == NULL) {
        return FAIL(ERROR_MEMORY, "no memory for the verification of passwords");
    }
    pool->threads = threads < 1 ? 1 : threads > PASSWORD_THREADS_MAX ? PASSWORD_THREADS_MAX : threads;
    pool->last = &pool->first;
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->wake, NULL);
    *ret_pool = pool;
    return OK;
}

void password_pool_free(struct password_pool *pool)
{
    if (pool == NULL) {
        return;
    }
    pthread_mutex_lock(&pool->lock);
    pool->ending = true;
    pthread_cond_broadcast(&pool->wake);
    pthread_mutex_unlock(&pool->lock);
    for (unsigned int i = 0; i < pool->started; i++) {
        pthread_join(pool->handles[i], NULL);
    }
    pthread_cond_destroy(&pool->wake);
    pthread_mutex_destroy(&pool->lock);
    free(pool);
}

/* NULL: the pool ends. */
static struct password_job *take(struct password_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    while (pool->first == NULL && !pool->ending) {
        pthread_cond_wait(&pool->wake, &pool->lock);
    }
    struct password_job *job = pool->first;
    if (job != NULL) {
        pool->first = job->next;
        pool->last = pool->first == NULL ? &pool->first : pool->last;
        pool->waiting--;
    }
    pthread_mutex_unlock(&pool->lock);
    return job;
}

static void *run(void *argument)
{
    struct password_job *job;
    while ((job = take(argument)) != NULL) {
        job->matches = false;
        job->error = clock_monotonic_ns() - job->submitted > PASSWORD_WAIT_MAX
                         ? FAIL(ERROR_LIMIT, "it has waited for too long")
                         : password_verify(job->hash, job->password, &job->matches);
        net_loop_send(job->loop, &job->task); /* from here on it is the caller's */
    }
    return NULL;
}

/* ---- under the lock ---- */

static bool has_room(const struct password_pool *pool, uint64_t source)
{
    size_t same = 0;
    for (const struct password_job *job = pool->first; job != NULL; job = job->next) {
        same += job->source == source;
    }
    return pool->waiting < PASSWORD_WAITING_MAX && same < PASSWORD_PER_SOURCE;
}

static bool has_threads(struct password_pool *pool)
{
    while (pool->started < pool->threads &&
           pthread_create(&pool->handles[pool->started], NULL, run, pool) == 0) {
        pool->started++;
    }
    return pool->started > 0;
}

static bool put(struct password_pool *pool, struct password_job *job)
{
    if (!has_room(pool, job->source) || !has_threads(pool)) {
        return false;
    }
    job->next = NULL;
    job->submitted = clock_monotonic_ns();
    *pool->last = job;
    pool->last = &job->next;
    pool->waiting++;
    pthread_cond_signal(&pool->wake);
    return true;
}

bool password_pool_submit(struct password_pool *pool, struct password_job *job)
{
    pthread_mutex_lock(&pool->lock);
    bool taken = put(pool, job);
    pthread_mutex_unlock(&pool->lock);
    return taken;
}

unsigned int password_pool_threads(unsigned int processors)
{
    unsigned int half = processors / 2;
    return half < 1 ? 1 : half > PASSWORD_THREADS_MAX ? PASSWORD_THREADS_MAX : half;
}
