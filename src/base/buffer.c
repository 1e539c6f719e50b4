#include "base/buffer.h"

#include "base/decimal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define BUFFER_SMALLEST 256

static _Thread_local _Atomic int64_t *counted;

void buffer_count_in(_Atomic int64_t *bytes)
{
    counted = bytes;
}

static _Thread_local int64_t budget;

void buffer_set_budget(int64_t bytes)
{
    budget = bytes;
}

int64_t buffer_budget(void)
{
    return budget;
}

bool buffer_is_scarce(void)
{
    return counted != NULL && budget > 0 && atomic_load_explicit(counted, memory_order_relaxed) > budget / 2;
}

/* One writer: no locked instruction is needed. */
static void count(int64_t grown)
{
    if (counted != NULL && grown != 0) {
        int64_t bytes = atomic_load_explicit(counted, memory_order_relaxed);
        atomic_store_explicit(counted, bytes + grown, memory_order_relaxed);
    }
}

void buffer_count_other(int64_t grown)
{
    count(grown);
}

void buffer_init(struct buffer *buffer, size_t maximum)
{
    *buffer = (struct buffer){ .maximum = maximum };
}

void buffer_set_aside(struct buffer *buffer, size_t most)
{
    if (buffer->capacity > most) {
        buffer_done(buffer);
    }
    buffer_clear(buffer);
    count(-(int64_t)buffer->capacity);
}

void buffer_take_up(const struct buffer *buffer)
{
    count((int64_t)buffer->capacity);
}

void buffer_done(struct buffer *buffer)
{
    count(-(int64_t)buffer->capacity);
    free(buffer->data);
    *buffer = (struct buffer){ .maximum = buffer->maximum };
}

bool buffer_reserve(struct buffer *buffer, size_t size)
{
    size_t length = buffer_length(buffer);
    if (size > buffer->maximum || length > buffer->maximum - size) {
        return false;
    }
    if (buffer->capacity - buffer->end >= size) {
        return true;
    }
    if (buffer->begin > 0 && buffer->capacity - length >= size) {
        memmove(buffer->data, buffer->data + buffer->begin, length);
        buffer->begin = 0;
        buffer->end = length;
        return true;
    }
    size_t capacity = buffer->capacity > 0 ? buffer->capacity : BUFFER_SMALLEST;
    while (capacity < length + size) {
        capacity *= 2;
    }
    if (capacity > buffer->maximum) {
        capacity = buffer->maximum;
    }
    char *data = malloc(capacity);
    if (data == NULL) {
        return false;
    }
    if (length > 0) {
        memcpy(data, buffer->data + buffer->begin, length);
    }
    free(buffer->data);
    count((int64_t)(capacity - buffer->capacity));
    buffer->data = data;
    buffer->capacity = capacity;
    buffer->begin = 0;
    buffer->end = length;
    return true;
}

bool buffer_append(struct buffer *buffer, struct slice text)
{
    if (!buffer_reserve(buffer, text.len)) {
        return false;
    }
    if (text.len > 0) {
        memcpy(buffer->data + buffer->end, text.ptr, text.len);
    }
    buffer->end += text.len;
    return true;
}

bool buffer_append_char(struct buffer *buffer, char c)
{
    return buffer_append(buffer, (struct slice){ &c, 1 });
}

bool buffer_append_u64(struct buffer *buffer, uint64_t value)
{
    char digits[DECIMAL_MAX];
    const char *end = decimal_put(digits, value);
    return buffer_append(buffer, slice_of(digits, (size_t)(end - digits)));
}

bool buffer_printf(struct buffer *buffer, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    int len = vsnprintf(NULL, 0, format, list);
    va_end(list);
    if (len < 0 || !buffer_reserve(buffer, (size_t)len + 1)) {
        return false;
    }
    va_start(list, format);
    vsnprintf(buffer->data + buffer->end, (size_t)len + 1, format, list);
    va_end(list);
    buffer->end += (size_t)len;
    return true;
}

void buffer_consume(struct buffer *buffer, size_t size)
{
    size_t length = buffer_length(buffer);
    buffer->begin += size < length ? size : length;
    if (buffer->begin == buffer->end) {
        buffer_clear(buffer);
    }
}
