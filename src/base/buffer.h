/* A growable byte buffer that is born with a maximum: bytes are appended at the end and consumed at the front.
 * One owner, one thread. The data moves when the buffer grows: keep offsets, not pointers, across appends. */
#ifndef SALLYPORT_BASE_BUFFER_H
#define SALLYPORT_BASE_BUFFER_H

#include "base/slice.h"

#include <stdatomic.h>

struct buffer {
    char *data;
    size_t begin; /* first byte not yet consumed */
    size_t end;   /* behind the last byte */
    size_t capacity;
    size_t maximum; /* of unconsumed bytes */
};

/* Allocates nothing yet. */
void buffer_init(struct buffer *buffer, size_t maximum);

/* Frees the memory; the buffer is as after init. */
void buffer_done(struct buffer *buffer);

static inline size_t buffer_length(const struct buffer *buffer)
{
    return buffer->end - buffer->begin;
}

/* The unconsumed bytes; good until the next reserve, append, consume or done. */
static inline struct slice buffer_slice(const struct buffer *buffer)
{
    return (struct slice){ buffer->data != NULL ? buffer->data + buffer->begin : "",
                           buffer->end - buffer->begin };
}

/* Makes room for `size` more bytes at data + end; false, with nothing changed, beyond the maximum or without memory. */
bool buffer_reserve(struct buffer *buffer, size_t size);

/* Counts `size` bytes written behind the end after buffer_reserve. */
static inline void buffer_commit(struct buffer *buffer, size_t size)
{
    buffer->end += size;
}

/* All or nothing. */
bool buffer_append(struct buffer *buffer, struct slice text);
bool buffer_append_char(struct buffer *buffer, char c);
bool buffer_append_u64(struct buffer *buffer, uint64_t value);
bool buffer_printf(struct buffer *buffer, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* From now on the memory that this thread's buffers take is added to `*bytes`, and what they give back is taken off: for a
 * gauge. Only this thread writes it. NULL: nothing is counted, as at first. */
void buffer_count_in(_Atomic int64_t *bytes);
/* How many bytes this thread's buffers are to take at the most, of those that are counted; 0: any number, as at first. Nothing
 * fails beyond it: who fills buffers asks whether memory is scarce, and then takes no more than it must. It is from half of
 * the budget on, so that there is room for what must be. */
void buffer_set_budget(int64_t bytes);
bool buffer_is_scarce(void);
int64_t buffer_budget(void);
/* Memory of this thread that is no buffer's and serves bodies as well, as a library's: so many bytes more, or less, that are
 * counted and budgeted with it. */
void buffer_count_other(int64_t grown);
/* Memory that is kept for the next one and belongs to nobody meanwhile is not counted: off the gauge, and on it again. What
 * was in it goes, and more than `most` bytes are given back. */
void buffer_set_aside(struct buffer *buffer, size_t most);
void buffer_take_up(const struct buffer *buffer);

/* Drops `size` bytes at the front; at most what there is. */
void buffer_consume(struct buffer *buffer, size_t size);

static inline void buffer_clear(struct buffer *buffer)
{
    buffer->begin = buffer->end = 0;
}

#endif
