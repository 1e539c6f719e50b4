/* Tables and rules for the tests of this room. */
#ifndef SALLYPORT_TESTS_LIMIT_LIMITS_H
#define SALLYPORT_TESTS_LIMIT_LIMITS_H

#include "base/clock.h"
#include "limit/table.h"
#include "unit.h"

#include <pthread.h>
#include <sys/mman.h>

#define THREADS 8

struct table {
    void *memory;
    size_t size;
    struct limiter *limiter;
};

static inline void table_init(struct table *table, size_t entries)
{
    table->size = limiter_size(entries);
    table->memory = mmap(NULL, table->size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(table->memory != MAP_FAILED);
    assert_ok(limiter_open(table->memory, table->size, &table->limiter));
}

static inline void table_done(struct table *table)
{
    munmap(table->memory, table->size);
}

static inline struct limit_settings window_of(int64_t count, int64_t window)
{
    struct limit_settings settings = { .limit = { count, window }, .by = SLICE("address") };
    const char *problem = limit_check_settings(&settings, SLICE("test"), 0);
    if (problem != NULL) {
        fail_msg("%s", problem);
    }
    return settings;
}

static inline struct limit_settings rate_of(int64_t count, int64_t window, int64_t burst)
{
    struct limit_settings settings = { .rate = { count, window }, .burst = burst, .by = SLICE("address") };
    const char *problem = limit_check_settings(&settings, SLICE("test"), 1);
    if (problem != NULL) {
        fail_msg("%s", problem);
    }
    return settings;
}

static inline struct limit_answer decide(const struct table *table, const struct limit_settings *settings,
                                         const char *key, int64_t now)
{
    struct limit_key one = { settings, key, strlen(key) };
    struct limit_answer answer;
    limiter_decide(table->limiter, &one, 1, now, &answer);
    return answer;
}

static inline bool admits(const struct table *table, const struct limit_settings *settings, const char *key,
                          int64_t now)
{
    return decide(table, settings, key, now).allowed;
}

static inline void take(const struct table *table, const struct limit_settings *settings, const char *key,
                        int64_t now, struct place *ret_place)
{
    uint64_t hash = table_hash(table->limiter, settings->identity, key, strlen(key));
    assert_int_equal(table_take(table->limiter, hash, NULL, now, ret_place), TABLE_TAKEN);
}

/* How many more are admitted at once. */
static inline uint64_t drain(const struct table *table, const struct limit_settings *settings,
                             const char *key, int64_t now)
{
    uint64_t admitted = 0;
    while (admits(table, settings, key, now)) {
        admitted++;
    }
    return admitted;
}

/* Runs `run(argument, index)` in THREADS threads that start together. */
struct crew {
    void (*run)(void *argument, unsigned int index);
    void *argument;
    pthread_barrier_t start;
};

struct crew_member {
    struct crew *crew;
    unsigned int index;
};

static inline void *crew_main(void *data)
{
    struct crew_member *member = data;
    pthread_barrier_wait(&member->crew->start);
    member->crew->run(member->crew->argument, member->index);
    return NULL;
}

static inline void run_threads(void (*run)(void *argument, unsigned int index), void *argument)
{
    struct crew crew = { .run = run, .argument = argument };
    struct crew_member members[THREADS];
    pthread_t threads[THREADS];
    pthread_barrier_init(&crew.start, NULL, THREADS);
    for (unsigned int i = 0; i < THREADS; i++) {
        members[i] = (struct crew_member){ &crew, i };
        assert_int_equal(pthread_create(&threads[i], NULL, crew_main, &members[i]), 0);
    }
    for (unsigned int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    pthread_barrier_destroy(&crew.start);
}

static inline uint64_t next_random(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

#endif
