/* Linked into a program like the usual one: counts, for each thread, what it allocates and which locks it takes, told apart
 * by whether our rooms ask for it or a library does. Every so many requests a worker tells on standard error:
 *
 *   {"event":"counted","requests":500,"own_allocations":0,"allocations":12,"own_locks":0,"locks":4}
 *
 * The linker sends what our objects call to __wrap_NAME (see meson.build); what stands under the plain name here is what the
 * libraries find. So an own call is counted twice: as own, and among all. */
#include <dlfcn.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "base/log.h"
#include "observe/metrics.h"

#define REQUESTS_TOLD 500

struct counts {
    int64_t requests, own_allocations, allocations, own_locks, locks;
};

static _Thread_local struct counts counts;

/* ---- allocations ---- */

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *memory, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

void *malloc(size_t size)
{
    counts.allocations++;
    return __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    counts.allocations++;
    return __libc_calloc(count, size);
}

void *realloc(void *memory, size_t size)
{
    counts.allocations++;
    return __libc_realloc(memory, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
    counts.allocations++;
    return __libc_memalign(alignment, size);
}

/* A function of our rooms that allocates: X(type, name, parameters, arguments). */
#define ALLOCATORS(X)                                                            \
    X(void *, malloc, (size_t size), (size))                                     \
    X(void *, calloc, (size_t count, size_t size), (count, size))                \
    X(void *, realloc, (void *memory, size_t size), (memory, size))              \
    X(void *, aligned_alloc, (size_t alignment, size_t size), (alignment, size)) \
    X(char *, strdup, (const char *text), (text))                                \
    X(char *, strndup, (const char *text, size_t size), (text, size))

#define WRAP_ALLOCATOR(type, name, parameters, arguments) \
    type __real_##name parameters;                        \
    type __wrap_##name parameters;                        \
    type __wrap_##name parameters                         \
    {                                                     \
        counts.own_allocations++;                         \
        return __real_##name arguments;                   \
    }
ALLOCATORS(WRAP_ALLOCATOR)

/* ---- locks ---- */

/* Of the C library: X(name, type of what is locked). */
#define LOCKS(X)                               \
    X(pthread_mutex_lock, pthread_mutex_t)     \
    X(pthread_mutex_trylock, pthread_mutex_t)  \
    X(pthread_rwlock_rdlock, pthread_rwlock_t) \
    X(pthread_rwlock_wrlock, pthread_rwlock_t) \
    X(sem_wait, sem_t)

#define INTERPOSE_LOCK(name, type)                           \
    int name(type *lock)                                     \
    {                                                        \
        static int (*_Atomic next)(type *);                  \
        counts.locks++;                                      \
        if (next == NULL) {                                  \
            next = (int (*)(type *))dlsym(RTLD_NEXT, #name); \
        }                                                    \
        return next(lock);                                   \
    }
LOCKS(INTERPOSE_LOCK)

#define WRAP_LOCK(name, type)       \
    int __real_##name(type *lock);  \
    int __wrap_##name(type *lock);  \
    int __wrap_##name(type *lock)   \
    {                               \
        counts.own_locks++;         \
        return __real_##name(lock); \
    }
LOCKS(WRAP_LOCK)

/* Of libuv, which takes those above for us. */
#define UV_LOCKS(X)                  \
    X(uv_mutex_lock, uv_mutex_t)     \
    X(uv_rwlock_rdlock, uv_rwlock_t) \
    X(uv_rwlock_wrlock, uv_rwlock_t) \
    X(uv_sem_wait, uv_sem_t)

#define WRAP_UV_LOCK(name, type)    \
    void __real_##name(type *lock); \
    void __wrap_##name(type *lock); \
    void __wrap_##name(type *lock)  \
    {                               \
        counts.own_locks++;         \
        __real_##name(lock);        \
    }
UV_LOCKS(WRAP_UV_LOCK)

/* ---- requests ---- */

void __real_metrics_request(struct metrics_worker *worker, unsigned int route_slot, unsigned int status,
                            enum deny_reason reason, int64_t duration);
void __wrap_metrics_request(struct metrics_worker *worker, unsigned int route_slot, unsigned int status,
                            enum deny_reason reason, int64_t duration);

void __wrap_metrics_request(struct metrics_worker *worker, unsigned int route_slot, unsigned int status,
                            enum deny_reason reason, int64_t duration)
{
    __real_metrics_request(worker, route_slot, status, reason, duration);
    if (++counts.requests % REQUESTS_TOLD == 0) {
        const struct counts now = counts;
        log_event(LOG_INFO, "counted", LOG_NUMBER("requests", now.requests),
                  LOG_NUMBER("own_allocations", now.own_allocations),
                  LOG_NUMBER("allocations", now.allocations), LOG_NUMBER("own_locks", now.own_locks),
                  LOG_NUMBER("locks", now.locks));
        counts = now; /* what telling took is not the request's */
    }
}
