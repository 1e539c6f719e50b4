/* Escapes of JSON strings (RFC 8259 section 7): private to src/json. No allocation; any thread. */
#ifndef SALLYPORT_JSON_ESCAPE_H
#define SALLYPORT_JSON_ESCAPE_H

#include "base/slice.h"

/* Decodes a string's text between its quotes, well-formed UTF-8, into `out` of raw.len bytes: an escape is never shorter
 * than what it stands for. NULL, with *ret_length set; or the place of an escape that JSON does not have, lone surrogates
 * included. */
const char *escape_decode(struct slice raw, char *out, size_t *ret_length);

#endif
