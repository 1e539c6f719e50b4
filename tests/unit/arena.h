/* For tests of what writes into the caller's arena: one, for each test anew, by cmocka's setup and teardown. */
#ifndef SALLYPORT_TESTS_UNIT_ARENA_H
#define SALLYPORT_TESTS_UNIT_ARENA_H

#include "unit.h"

#include "base/arena.h"

static struct arena arena;

static inline int arena_start(void **state)
{
    (void)state;
    arena_init(&arena, (size_t)1 << 20);
    return 0;
}

static inline int arena_finish(void **state)
{
    (void)state;
    arena_done(&arena);
    return 0;
}

#endif
