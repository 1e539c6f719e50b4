/* Numbers with units, as people write them in the configuration: durations, sizes, rates. Pure; any thread.
 *
 * The parsers are strict: digits and a unit, nothing else, no sign, no fraction, no white space; false, with nothing
 * written, on anything else and on what does not fit 63 bits. */
#ifndef SALLYPORT_CONFIG_UNITS_H
#define SALLYPORT_CONFIG_UNITS_H

#include "base/buffer.h"
#include "base/conf_field.h"

/* Nanoseconds. Units us, ms, s, m, h, d; several may follow each other from large to small, as in "1h30m". "0" needs none. */
bool units_parse_duration(struct slice text, int64_t *ret_ns);

/* Bytes. Units B, KiB, MiB, GiB. "0" needs none. */
bool units_parse_size(struct slice text, int64_t *ret_bytes);

/* A decimal number, with "-" in front where it is negative. */
bool units_parse_integer(struct slice text, int64_t *ret_value);

/* "1000/1m"; "10/s" is "10/1s". Count and window are at least 1. */
bool units_parse_rate(struct slice text, struct conf_rate *ret_rate);

/* As the parsers read it: "1h30m", "1MiB", "1000/1m". False where the buffer is full. */
bool units_print_duration(int64_t ns, struct buffer *out);
bool units_print_size(int64_t bytes, struct buffer *out);
bool units_print_rate(struct conf_rate rate, struct buffer *out);

#endif
