#include "base/arena.h"

#include "base/limits.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define ARENA_ALIGNMENT 16

struct arena_block {
    struct arena_block *next;
    size_t capacity;
    size_t used;
    size_t padding_; /* the payload starts at a multiple of ARENA_ALIGNMENT */
    char bytes[];
};

struct arena_cleanup {
    struct arena_cleanup *next;
    void (*run)(void *object);
    void *object;
};

void arena_init(struct arena *arena, size_t maximum)
{
    *arena = (struct arena){ .maximum = maximum };
}

static void run_cleanups(struct arena *arena)
{
    while (arena->cleanups != NULL) {
        struct arena_cleanup *cleanup = arena->cleanups;
        arena->cleanups = cleanup->next;
        cleanup->run(cleanup->object);
    }
}

static void free_blocks(struct arena_block *block)
{
    while (block != NULL) {
        struct arena_block *next = block->next;
        free(block);
        block = next;
    }
}

void arena_done(struct arena *arena)
{
    run_cleanups(arena);
    free_blocks(arena->first);
    *arena = (struct arena){ .maximum = arena->maximum };
}

void arena_reset(struct arena *arena)
{
    run_cleanups(arena);
#ifdef ARENA_DEBUG
    free_blocks(arena->first);
    arena->first = NULL;
#else
    if (arena->first != NULL) {
        free_blocks(arena->first->next);
        arena->first->next = NULL;
        arena->first->used = 0;
    }
#endif
    arena->current = arena->first;
    arena->used = 0;
}

static struct arena_block *add_block(struct arena *arena, size_t size)
{
#ifdef ARENA_DEBUG
    size_t capacity = size;
#else
    size_t capacity = size > ARENA_BLOCK ? size : ARENA_BLOCK;
#endif
    struct arena_block *block = malloc(sizeof *block + capacity);
    if (block == NULL) {
        return NULL;
    }
    *block = (struct arena_block){ .capacity = capacity };
    if (arena->current != NULL) {
        arena->current->next = block;
    } else {
        arena->first = block;
    }
    arena->current = block;
    return block;
}

void *arena_alloc(struct arena *arena, size_t size)
{
    if (size > arena->maximum) {
        return NULL;
    }
    size_t rounded = (size + ARENA_ALIGNMENT - 1) & ~(size_t)(ARENA_ALIGNMENT - 1);
    if (rounded == 0) {
        rounded = ARENA_ALIGNMENT;
    }
    if (rounded > arena->maximum - arena->used) {
        return NULL;
    }
#ifdef ARENA_DEBUG
    struct arena_block *block = add_block(arena, size > 0 ? size : 1);
    if (block == NULL) {
        return NULL;
    }
    arena->used += rounded;
    return block->bytes;
#else
    struct arena_block *block = arena->current;
    if (block == NULL || block->capacity - block->used < rounded) {
        block = add_block(arena, rounded);
        if (block == NULL) {
            return NULL;
        }
    }
    void *memory = block->bytes + block->used;
    block->used += rounded;
    arena->used += rounded;
    return memory;
#endif
}

void *arena_calloc(struct arena *arena, size_t count, size_t size)
{
    size_t total;
    if (__builtin_mul_overflow(count, size, &total)) {
        return NULL;
    }
    void *memory = arena_alloc(arena, total);
    if (memory != NULL) {
        memset(memory, 0, total);
    }
    return memory;
}

char *arena_string(struct arena *arena, struct slice text)
{
    char *copy = arena_alloc(arena, text.len + 1);
    if (copy != NULL) {
        if (text.len > 0) {
            memcpy(copy, text.ptr, text.len);
        }
        copy[text.len] = '\0';
    }
    return copy;
}

struct slice arena_copy(struct arena *arena, struct slice text)
{
    char *copy = arena_string(arena, text);
    return (struct slice){ copy, copy != NULL ? text.len : 0 };
}

struct slice arena_concat(struct arena *arena, const struct slice *parts, size_t count)
{
    size_t len = 0;
    for (size_t i = 0; i < count; i++) {
        len += parts[i].len;
    }
    char *text = arena_alloc(arena, len);
    if (text == NULL) {
        return SLICE_NONE;
    }
    char *at = text;
    for (size_t i = 0; i < count; i++) {
        if (parts[i].len > 0) {
            memcpy(at, parts[i].ptr, parts[i].len);
        }
        at += parts[i].len;
    }
    return (struct slice){ text, len };
}

struct slice arena_printf(struct arena *arena, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    int len = vsnprintf(NULL, 0, format, list);
    va_end(list);
    char *text = len >= 0 ? arena_alloc(arena, (size_t)len + 1) : NULL;
    if (text == NULL) {
        return SLICE_NONE;
    }
    va_start(list, format);
    vsnprintf(text, (size_t)len + 1, format, list);
    va_end(list);
    return (struct slice){ text, (size_t)len };
}

bool arena_on_cleanup(struct arena *arena, void (*run)(void *object), void *object)
{
    struct arena_cleanup *cleanup = arena_alloc(arena, sizeof *cleanup);
    if (cleanup == NULL) {
        return false;
    }
    *cleanup = (struct arena_cleanup){ .next = arena->cleanups, .run = run, .object = object };
    arena->cleanups = cleanup;
    return true;
}
