/* Log lines as JSON, written straight into memory that has room for LINE_MAX bytes: no allocation, no formatting by
 * printf. Every field has a maximum of its own, and is cut there (with a U+2026 as the mark). Pure; any thread. */
#ifndef SALLYPORT_OBSERVE_LINE_H
#define SALLYPORT_OBSERVE_LINE_H

#include "observe/logs.h"

#define LINE_MAX_BODY 4096 /* bytes of one record, newline included */

/* The second that was last written out: a date costs a microsecond, and a second has many requests. */
struct line_clock {
    int64_t second;
    char text[20];
};

/* "2026-01-02T03:04:05.678Z", with the quotes. */
char *line_time(char *at, int64_t real_ns, struct line_clock *clock);

/* The record's members, from "time" on, without braces. At most LINE_MAX_BODY less 64 bytes. */
char *line_record(char *at, const struct log_record *record, struct line_clock *clock);

#define LINE_PUT(at, literal) ((char *)memcpy((at), literal, sizeof(literal) - 1) + sizeof(literal) - 1)

#endif
