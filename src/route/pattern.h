/* Patterns of hosts and paths, taken apart: shared by the files of this room. Pure; any thread. */
#ifndef SALLYPORT_ROUTE_PATTERN_H
#define SALLYPORT_ROUTE_PATTERN_H

#include "base/limits.h"
#include "base/slice.h"

enum segment_kind {
    SEGMENT_TEXT,
    SEGMENT_VARIABLE, /* `text` is its name */
    SEGMENT_REST,     /* ** */
};

struct segment {
    enum segment_kind kind;
    struct slice text;
};

/* Takes the next segment off a path or pattern; `*rest` starts as the whole, from its first slash. False at the end.
 * "/a/" has the segments "a" and "". */
bool path_next(struct slice *rest, struct slice *ret_segment);

/* The next segment of a pattern that has no problem, as it is written: SEGMENT_TEXT is not canonical yet. */
bool pattern_next(struct slice *rest, struct segment *ret_segment);

/* The canonical form of a SEGMENT_TEXT; `out` has room for text.len + 1 bytes. NULL, or what is wrong. */
const char *pattern_canonical_text(struct slice text, char *out, struct slice *ret_text);

#endif
