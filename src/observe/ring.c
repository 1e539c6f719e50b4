#include "observe/ring.h"

#include <sys/mman.h>
#include <unistd.h>

static struct error map_twice(struct ring *ring, int fd)
{
    size_t size = ring->capacity;
    if (ftruncate(fd, (off_t)size) != 0) {
        return FAIL_ERRNO("log queue");
    }
    char *space = mmap(NULL, 2 * size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (space == MAP_FAILED) {
        return FAIL_ERRNO("log queue");
    }
    for (int half = 0; half < 2; half++) {
        if (mmap(space + half * size, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) ==
            MAP_FAILED) {
            struct error error = FAIL_ERRNO("log queue");
            munmap(space, 2 * size);
            return error;
        }
    }
    ring->data = space;
    return OK;
}

struct error ring_init(struct ring *ring, size_t capacity)
{
    size_t size = RING_WARM;
    while (size < capacity) {
        if (size > SIZE_MAX / 8) {
            return FAIL(ERROR_LIMIT, "log queue too large");
        }
        size *= 2;
    }
    *ring = (struct ring){ .capacity = size };
    int fd = memfd_create("sallyport-log", MFD_CLOEXEC);
    if (fd < 0) {
        return FAIL_ERRNO("log queue");
    }
    struct error error = map_twice(ring, fd);
    close(fd);
    return error;
}

void ring_done(struct ring *ring)
{
    if (ring->data != NULL) {
        munmap(ring->data, 2 * ring->capacity);
    }
    *ring = (struct ring){ .capacity = 0 };
}

static uint64_t see_head(struct ring *ring)
{
    uint64_t head = atomic_load_explicit(&ring->head, memory_order_acquire);
    /* Bytes that were jumped over hold nothing, so they are free even before the consumer has noticed. */
    ring->known_head = head == ring->jump_from ? ring->jump_to : head;
    return head;
}

size_t ring_used(struct ring *ring)
{
    see_head(ring);
    return atomic_load_explicit(&ring->tail, memory_order_relaxed) - ring->known_head;
}

char *ring_room(struct ring *ring, size_t size, size_t kept)
{
    uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
    size_t at = tail & (ring->capacity - 1);
    bool far = at >= RING_WARM;
    if (far || kept + size > ring->capacity - (tail - ring->known_head)) {
        uint64_t head = see_head(ring);
        /* head == tail: the consumer has taken an earlier jump, or there was none. */
        if (far && head == tail) {
            ring->jump_from = tail;
            ring->jump_to = (tail | (ring->capacity - 1)) + 1;
            ring->known_head = ring->jump_to;
            tail = ring->jump_to;
            atomic_store_explicit(&ring->tail, tail, memory_order_release);
        }
    }
    if (size + kept < size || size + kept > ring->capacity - (tail - ring->known_head)) {
        return NULL;
    }
    return ring->data + (tail & (ring->capacity - 1));
}

void ring_publish(struct ring *ring, size_t size)
{
    uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
    /* Sequentially consistent: the producer's next look at whether the consumer sleeps may not come before this. */
    atomic_store(&ring->tail, tail + size);
}

struct slice ring_peek(struct ring *ring)
{
    uint64_t tail = atomic_load(&ring->tail);
    uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
    if (head == tail) {
        return SLICE_NONE;
    }
    if (head == ring->jump_from && ring->jump_to > head) {
        head = ring->jump_to;
        atomic_store_explicit(&ring->head, head, memory_order_release);
    }
    return slice_of(ring->data + (head & (ring->capacity - 1)), tail - head);
}

void ring_consume(struct ring *ring, size_t size)
{
    uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
    atomic_store_explicit(&ring->head, head + size, memory_order_release);
}
