/* A watch of the Kubernetes API: one JSON text a line, cut into lines however it comes. One thread. */
#ifndef SALLYPORT_UPSTREAM_DISCOVERY_WATCH_LINES_H
#define SALLYPORT_UPSTREAM_DISCOVERY_WATCH_LINES_H

#include "base/buffer.h"

struct watch_lines {
    struct buffer rest; /* of a line that is not whole yet */
};

/* `maximum`: bytes of a line. Allocates nothing yet. */
void watch_lines_init(struct watch_lines *lines, size_t maximum);
void watch_lines_done(struct watch_lines *lines);
/* What came of a stream before is forgotten. */
void watch_lines_clear(struct watch_lines *lines);

/* Takes what has come, and hands over each line that is whole now, without its end; good during the call. Empty ones are passed
 * over. False: take() said so, and the rest is dropped; or a line is too long (`*ret_too_long`), or there is no memory for it. */
bool watch_lines_push(struct watch_lines *lines, struct slice bytes,
                      bool (*take)(void *context, struct slice line), void *context, bool *ret_too_long);

#endif
