/* A process whose memory runs out: the n-th allocation from now on fails, and every one after it. Of our own code by the linker
 * (--wrap, see tests/unit/meson.build), of OpenSSL's by its hooks: shortage_init comes before anything of it is used. */
#ifndef SALLYPORT_TESTS_UNIT_SHORTAGE_H
#define SALLYPORT_TESTS_UNIT_SHORTAGE_H

#include <openssl/crypto.h>
#include <stdlib.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t size);

static long shortage_after = -1; /* allocations that still succeed; negative: all */
static bool shortage_met;

static inline bool shortage_now(void)
{
    if (shortage_after < 0) {
        return false;
    }
    shortage_met = shortage_met || shortage_after == 0;
    shortage_after -= shortage_after > 0 ? 1 : 0;
    return shortage_met;
}

void *__wrap_malloc(size_t size)
{
    return shortage_now() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return shortage_now() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *memory, size_t size)
{
    return shortage_now() ? NULL : __real_realloc(memory, size);
}

static inline void *shortage_openssl_malloc(size_t size, const char *file, int line)
{
    (void)file;
    (void)line;
    return shortage_now() ? NULL : __real_malloc(size);
}

static inline void *shortage_openssl_realloc(void *memory, size_t size, const char *file, int line)
{
    (void)file;
    (void)line;
    return shortage_now() ? NULL : __real_realloc(memory, size);
}

static inline void shortage_openssl_free(void *memory, const char *file, int line)
{
    (void)file;
    (void)line;
    free(memory);
}

static inline void shortage_init(void)
{
    CRYPTO_set_mem_functions(shortage_openssl_malloc, shortage_openssl_realloc, shortage_openssl_free);
}

static inline void shortage_begin(long after)
{
    shortage_met = false;
    shortage_after = after;
}

/* Was it met? */
static inline bool shortage_end(void)
{
    shortage_after = -1;
    return shortage_met;
}

#endif
