#include "gateway/bequest.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>

/* Of the layout here and of what is written (testament.c): another version leaves nothing. */
#define MAGIC UINT64_C(0x73616c6c79623031)

#define READ_TRIES 100

struct memory {
    uint64_t magic;
    _Atomic uint64_t turns; /* odd: being written */
    uint64_t size;
    char text[];
};

struct bequest {
    struct memory *memory;
};

#define TEXT_ROOM (BEQUEST_SIZE - sizeof(struct memory))

static struct memory *map(int fd, int protection)
{
    struct stat facts;
    if (fstat(fd, &facts) != 0 || facts.st_size != (off_t)BEQUEST_SIZE) {
        return NULL;
    }
    void *memory = mmap(NULL, BEQUEST_SIZE, protection, MAP_SHARED, fd, 0);
    return memory != MAP_FAILED ? memory : NULL;
}

struct error bequest_new(int fd, struct bequest **ret_bequest)
{
    struct bequest *bequest = calloc(1, sizeof *bequest);
    if (bequest == NULL) {
        return FAIL(ERROR_MEMORY, "out of memory");
    }
    bequest->memory = map(fd, PROT_READ | PROT_WRITE);
    if (bequest->memory == NULL) {
        free(bequest);
        return FAIL(ERROR_SYSTEM, "the memory for the next process cannot be mapped");
    }
    *ret_bequest = bequest;
    return OK;
}

void bequest_free(struct bequest *bequest)
{
    if (bequest != NULL) {
        munmap(bequest->memory, BEQUEST_SIZE);
        free(bequest);
    }
}

bool bequest_write(struct bequest *bequest, struct slice text)
{
    struct memory *memory = bequest->memory;
    bool fits = text.len <= TEXT_ROOM;
    uint64_t turns = atomic_load_explicit(&memory->turns, memory_order_relaxed);
    atomic_store_explicit(&memory->turns, turns | 1, memory_order_relaxed);
    atomic_thread_fence(memory_order_release);
    memory->magic = MAGIC;
    memory->size = fits ? text.len : 0;
    memcpy(memory->text, text.ptr, memory->size);
    atomic_store_explicit(&memory->turns, (turns | 1) + 1, memory_order_release);
    return fits;
}

/* What a writer says of itself is not to be relied on: it may be at work, or may have been taken over. */
static bool copy(const struct memory *memory, struct buffer *out)
{
    buffer_clear(out);
    uint64_t turns = atomic_load_explicit(&memory->turns, memory_order_acquire);
    uint64_t size = *(const volatile uint64_t *)&memory->size;
    if (turns % 2 != 0 || size == 0 || size > TEXT_ROOM || memory->magic != MAGIC ||
        !buffer_append(out, slice_of(memory->text, size))) {
        return false;
    }
    atomic_thread_fence(memory_order_acquire);
    return atomic_load_explicit(&memory->turns, memory_order_relaxed) == turns;
}

bool bequest_read(int fd, struct buffer *out)
{
    struct memory *memory = map(fd, PROT_READ);
    bool whole = false;
    for (int tries = 0; memory != NULL && !whole && tries < READ_TRIES; tries++) {
        whole = copy(memory, out);
    }
    if (memory != NULL) {
        munmap(memory, BEQUEST_SIZE);
    }
    return whole;
}
