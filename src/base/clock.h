/* Time. Functions that decide by time take it as an argument, so that tests can inject it; only the edges read it here.
 * Units are in the names: ns and s. Any thread. */
#ifndef SALLYPORT_BASE_CLOCK_H
#define SALLYPORT_BASE_CLOCK_H

#include "base/slice.h"

#define NS_PER_US INT64_C(1000)
#define NS_PER_MS INT64_C(1000000)
#define NS_PER_S  INT64_C(1000000000)

/* CLOCK_MONOTONIC: for intervals, deadlines and limits. Counts on across processes of one boot. */
int64_t clock_monotonic_ns(void);

/* CLOCK_REALTIME: for dates in tokens, certificates and logs. May jump. */
int64_t clock_real_ns(void);

/* RFC 3339 in UTC with milliseconds, "2026-01-02T03:04:05.678Z": 24 bytes and a NUL. */
#define CLOCK_RFC3339_SIZE 25
void clock_rfc3339(int64_t real_ns, char out[CLOCK_RFC3339_SIZE]);

/* "2026-01-31", which is its first second in UTC, or "2026-01-31T04:05:06Z" (RFC 3339 without fractions and offsets), as seconds since
 * 1970, above 0. False, with nothing written, for anything else, for days that are in no calendar, and for the first second of 1970:
 * wherever an end is kept, 0 says that there is none, and what was to end long ago would never end. */
bool clock_parse_date(struct slice text, int64_t *ret_seconds);

/* The same the other way, with the time: 20 bytes and a NUL. Seconds up to the end of the year 9999. */
#define CLOCK_DATE_SIZE 21
#define CLOCK_DATE_MAX  INT64_C(253402300799)
void clock_print_date(int64_t seconds, char out[CLOCK_DATE_SIZE]);

#endif
