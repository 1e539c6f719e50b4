/* What connections do when memory for buffers is scarce (buffer_set_budget): bodies are read in small pieces, and their source
 * waits as soon as anything of them waits. So each connection holds a little, and who takes what it gets is never held up.
 * Header only. */
#ifndef SALLYPORT_HTTP_SCARCITY_H
#define SALLYPORT_HTTP_SCARCITY_H

#include "base/buffer.h"
#include "base/limits.h"

/* Not inlined: who does not call it should not save registers for it. */
#define HTTP_SELDOM __attribute__((noinline, unused))

/* Must the source wait, with what waits in `out`? */
static inline bool http_must_wait(const struct buffer *out)
{
    size_t waiting = buffer_length(out);
    return waiting >= HTTP_WRITE_HIGH_WATER || (waiting > 0 && buffer_is_scarce());
}

/* May a source that waited go on? An empty buffer gives its memory back where others need it. */
HTTP_SELDOM static bool http_may_go_on(struct buffer *out)
{
    size_t waiting = buffer_length(out);
    if (waiting >= HTTP_WRITE_HIGH_WATER / 2) {
        return false;
    }
    bool scarce = buffer_is_scarce();
    if (scarce && waiting == 0) {
        buffer_done(out);
    }
    return !scarce || waiting == 0;
}

/* How much of a body to read at once: asked for each read, for memory may have become scarce by what others were sent. */
static inline size_t http_read_size(void)
{
    return buffer_is_scarce() ? HTTP_SCARCE_BUFFER : HTTP_BULK_BUFFER;
}

#endif
