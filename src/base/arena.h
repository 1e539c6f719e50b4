/* A capped arena: many small allocations of one lifetime, freed together.
 *
 * One owner, one thread at a time. Memory comes in blocks of at least ARENA_BLOCK bytes; arena_reset keeps the first
 * block, so that a recycled arena allocates nothing. With ARENA_DEBUG each allocation is one of its own, so that
 * sanitizers see an overflow. */
#ifndef SALLYPORT_BASE_ARENA_H
#define SALLYPORT_BASE_ARENA_H

#include "base/slice.h"

struct arena_block;
struct arena_cleanup;

struct arena {
    struct arena_block *first;
    struct arena_block *current;
    struct arena_cleanup *cleanups;
    size_t used;    /* bytes handed out, rounding included */
    size_t maximum; /* arena_alloc fails beyond this */
};

/* Allocates nothing yet. `maximum` in bytes. */
void arena_init(struct arena *arena, size_t maximum);

/* Runs the cleanups, last registered first, and frees all memory. */
void arena_done(struct arena *arena);

/* Runs the cleanups; keeps the first block for the next use. Everything handed out is invalid afterwards. */
void arena_reset(struct arena *arena);

/* Uninitialised memory, aligned to 16 bytes. NULL when the cap is reached or memory is out. */
void *arena_alloc(struct arena *arena, size_t size) __attribute__((malloc, alloc_size(2)));

/* The same, zeroed; the product is checked for overflow. */
void *arena_calloc(struct arena *arena, size_t count, size_t size);

/* A copy; ptr is NULL on failure, and for an empty slice it points to an empty string. */
struct slice arena_copy(struct arena *arena, struct slice text);

/* A NUL-terminated copy, or NULL. */
char *arena_string(struct arena *arena, struct slice text);

/* The texts one behind the other; ptr NULL: no room. */
struct slice arena_concat(struct arena *arena, const struct slice *parts, size_t count);
#define ARENA_CONCAT(arena, ...)                               \
    arena_concat(arena, (const struct slice[]){ __VA_ARGS__ }, \
                 sizeof((const struct slice[]){ __VA_ARGS__ }) / sizeof(struct slice))

/* Formatted text; ptr is NULL on failure. NUL-terminated beyond its length. */
struct slice arena_printf(struct arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* `run(object)` is called at reset and done. False when there was no memory: nothing is registered then. */
bool arena_on_cleanup(struct arena *arena, void (*run)(void *object), void *object);

#endif
