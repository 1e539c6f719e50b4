#include "upstream/discovery/watch_lines.h"

void watch_lines_init(struct watch_lines *lines, size_t maximum)
{
    buffer_init(&lines->rest, maximum);
}

void watch_lines_done(struct watch_lines *lines)
{
    buffer_done(&lines->rest);
}

void watch_lines_clear(struct watch_lines *lines)
{
    size_t maximum = lines->rest.maximum;
    buffer_done(&lines->rest); /* a large event leaves nothing behind */
    buffer_init(&lines->rest, maximum);
}

static bool keep(struct watch_lines *lines, struct slice part, bool *ret_too_long)
{
    *ret_too_long = part.len > lines->rest.maximum - buffer_length(&lines->rest);
    return !*ret_too_long && (part.len == 0 || buffer_append(&lines->rest, part));
}

static bool hand_over(struct slice line, bool (*take)(void *context, struct slice line), void *context)
{
    if (slice_ends_with(line, SLICE("\r"))) {
        line.len--;
    }
    return line.len == 0 || take(context, line);
}

/* A line that came in pieces is put together; one that came whole is where it is. */
bool watch_lines_push(struct watch_lines *lines, struct slice bytes,
                      bool (*take)(void *context, struct slice line), void *context, bool *ret_too_long)
{
    ssize_t end;
    *ret_too_long = false;
    while ((end = slice_find(bytes, '\n')) >= 0) {
        struct slice line = slice_part(bytes, 0, (size_t)end);
        bytes = slice_from(bytes, (size_t)end + 1);
        bool in_pieces = buffer_length(&lines->rest) > 0;
        if (in_pieces && !keep(lines, line, ret_too_long)) {
            return false;
        }
        if (!in_pieces && line.len > lines->rest.maximum) {
            *ret_too_long = true;
            return false;
        }
        bool good = hand_over(in_pieces ? buffer_slice(&lines->rest) : line, take, context);
        if (in_pieces) {
            watch_lines_clear(lines);
        }
        if (!good) {
            return false;
        }
    }
    return keep(lines, bytes, ret_too_long);
}
