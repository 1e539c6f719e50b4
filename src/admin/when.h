/* Points of time as people and programs say and read them, on the command line and in the admin API: to the second, for a store knows
 * no more. Seconds since 1970; 0: never. Pure; any thread. */
#ifndef SALLYPORT_ADMIN_WHEN_H
#define SALLYPORT_ADMIN_WHEN_H

#include "json/writer.h"

/* A date, "90d" from now on, "now", "never". */
bool when_parse(struct slice text, int64_t now, int64_t *ret_seconds);
/* The same of an end that must lie ahead, or never come. */
bool when_parse_end(struct slice text, int64_t now, int64_t *ret_seconds);

/* "2026-01-31T04:05:06Z"; "-" for never. */
#define WHEN_TEXT 32
struct slice when_text(int64_t seconds, char out[WHEN_TEXT]);

/* A member that is null for never. */
void when_write_json(struct json_writer *writer, struct slice name, int64_t seconds);

#endif
