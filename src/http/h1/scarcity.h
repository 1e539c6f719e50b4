/* What connections do when memory for buffers is scarce (buffer_set_budget): bodies are read in small pieces, and their source
 * waits as soon as anything of them waits. So each connection holds a little, and who takes what it gets is never held up.
 * Asked only where something waits: a body that flows costs nothing. Header only. */
#ifndef SALLYPORT_HTTP_H1_SCARCITY_H
#define SALLYPORT_HTTP_H1_SCARCITY_H

#include "base/buffer.h"
#include "base/limits.h"
#include "net/loop.h"

/* Not inlined: who does not call it should not save registers for it. */
#define H1_SELDOM __attribute__((noinline, unused))

/* Looks, and sets the size of reads by it. */
H1_SELDOM static bool h1_is_scarce(struct net_loop *loop)
{
    bool scarce = buffer_is_scarce();
    loop->read_size = scarce ? HTTP_SCARCE_BUFFER : HTTP_BULK_BUFFER;
    return scarce;
}

/* Must the source wait, with what waits in `out`? */
static inline bool h1_must_wait(struct net_loop *loop, const struct buffer *out)
{
    size_t waiting = buffer_length(out);
    return waiting >= HTTP_WRITE_HIGH_WATER || (waiting > 0 && h1_is_scarce(loop));
}

/* May a source that waited go on? An empty buffer gives its memory back where others need it. */
H1_SELDOM static bool h1_may_go_on(struct net_loop *loop, struct buffer *out)
{
    size_t waiting = buffer_length(out);
    if (waiting >= HTTP_WRITE_HIGH_WATER / 2) {
        return false;
    }
    bool scarce = h1_is_scarce(loop);
    if (scarce && waiting == 0) {
        buffer_done(out);
    }
    return !scarce || waiting == 0;
}

/* How much to read at once. */
static inline size_t h1_read_size(struct net_loop *loop)
{
    if (loop->read_size != HTTP_BULK_BUFFER) {
        (void)h1_is_scarce(loop); /* it may be over */
    }
    return loop->read_size;
}

#endif
