#include "gateway/bequest.h"

#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/stat.h>

/* Of the layout here and of what is written (testament.c): another version leaves nothing. */
#define MAGIC UINT64_C(0x73616c6c79623031)

#define READ_TRIES 100

/* The mapping itself. */
struct bequest {
    uint64_t magic;
    _Atomic uint64_t turns; /* odd: being written */
    uint64_t size;
    char text[];
};

#define TEXT_ROOM (BEQUEST_SIZE - sizeof(struct bequest))

/* NULL: not of the right size, or no room. */
static struct bequest *map(int fd, int protection)
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
    struct bequest *bequest = map(fd, PROT_READ | PROT_WRITE);
    if (bequest == NULL) {
        return FAIL(ERROR_SYSTEM, "the memory for the next process cannot be mapped");
    }
    *ret_bequest = bequest;
    return OK;
}

void bequest_free(struct bequest *bequest)
{
    if (bequest != NULL) {
        munmap(bequest, BEQUEST_SIZE);
    }
}

bool bequest_write(struct bequest *bequest, struct slice text)
{
    bool fits = text.len <= TEXT_ROOM;
    uint64_t turns = atomic_load_explicit(&bequest->turns, memory_order_relaxed);
    atomic_store_explicit(&bequest->turns, turns | 1, memory_order_relaxed);
    atomic_thread_fence(memory_order_release);
    bequest->magic = MAGIC;
    bequest->size = fits ? text.len : 0;
    memcpy(bequest->text, text.ptr, bequest->size);
    atomic_store_explicit(&bequest->turns, (turns | 1) + 1, memory_order_release);
    return fits;
}

/* What a writer says of itself is not to be relied on: it may be at work, or may have been taken over. */
static bool copy(const struct bequest *bequest, struct buffer *out)
{
    buffer_clear(out);
    uint64_t turns = atomic_load_explicit(&bequest->turns, memory_order_acquire);
    uint64_t size = *(const volatile uint64_t *)&bequest->size;
    if (turns % 2 != 0 || size == 0 || size > TEXT_ROOM || bequest->magic != MAGIC ||
        !buffer_append(out, slice_of(bequest->text, size))) {
        return false;
    }
    atomic_thread_fence(memory_order_acquire);
    return atomic_load_explicit(&bequest->turns, memory_order_relaxed) == turns;
}

bool bequest_read(int fd, struct buffer *out)
{
    struct bequest *bequest = map(fd, PROT_READ);
    bool whole = false;
    for (int tries = 0; bequest != NULL && !whole && tries < READ_TRIES; tries++) {
        whole = copy(bequest, out);
    }
    if (bequest != NULL) {
        munmap(bequest, BEQUEST_SIZE);
    }
    return whole;
}
