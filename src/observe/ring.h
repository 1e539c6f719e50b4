/* A bounded queue of bytes between one producer and one consumer, without locks or system calls.
 *
 * The memory is mapped twice, back to back: so whatever is written or read is contiguous, and the ring's end needs no
 * thought. Whenever it is empty and past its first RING_WARM bytes it starts again at the front: a large ring costs memory
 * and cache only for what was ever queued at once. Positions count bytes since the start and never wrap (64 bits). */
#ifndef SALLYPORT_OBSERVE_RING_H
#define SALLYPORT_OBSERVE_RING_H

#include "base/error.h"
#include "base/slice.h"

#include <stdatomic.h>

#define RING_WARM ((size_t)64 * 1024)

struct ring {
    char *data;
    size_t capacity; /* a power of two, at least a page */
    /* producer's */
    _Alignas(64) _Atomic uint64_t tail; /* behind the last byte published */
    uint64_t known_head;                /* what the producer last saw of head, jumps included */
    uint64_t jump_from, jump_to;        /* the consumer goes on at jump_to when it has come to jump_from */
    /* consumer's */
    _Alignas(64) _Atomic uint64_t head; /* first byte not consumed */
};

/* `capacity` is rounded up to a power of two of at least RING_WARM. */
struct error ring_init(struct ring *ring, size_t capacity) MUST_CHECK;
void ring_done(struct ring *ring);

/* Producer. Room for `size` bytes, with `kept` bytes set aside: where to write them, or NULL. */
char *ring_room(struct ring *ring, size_t size, size_t kept);
/* Producer. Hands `size` bytes, written where ring_room said, to the consumer. */
void ring_publish(struct ring *ring, size_t size);
/* Producer. Bytes queued; ring_seems_used: at the most, without a look at the consumer. */
size_t ring_used(struct ring *ring);
static inline size_t ring_seems_used(struct ring *ring)
{
    return atomic_load_explicit(&ring->tail, memory_order_relaxed) - ring->known_head;
}

/* Consumer. All that is queued; empty when nothing is. */
struct slice ring_peek(struct ring *ring);
/* Consumer. The first `size` bytes of what ring_peek gave may be overwritten now. */
void ring_consume(struct ring *ring, size_t size);

#endif
