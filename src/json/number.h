/* Numbers of the JSON reader: private to src/json. No allocation; any thread. */
#ifndef SALLYPORT_JSON_NUMBER_H
#define SALLYPORT_JSON_NUMBER_H

#include "json/json.h"

/* The length of the number at the start of `text` by the grammar of RFC 8259 section 6, or 0 where none starts there. What
 * follows it is not looked at. `*ret_plain`: it has neither fraction nor exponent. */
size_t number_scan(struct slice text, bool *ret_plain);

/* What most numbers are: an integer of at most 18 digits. Fills a JSON_NUMBER as the two functions around this would and
 * returns its length; 0 where it is anything else. */
size_t number_short(struct slice text, struct json *out);

/* Fills a JSON_NUMBER from text that number_scan accepted. False: too long, or beyond the range of a double. */
bool number_convert(struct slice text, bool plain, struct json *out);

/* Do two numbers have exactly the same value? */
bool number_equal(const struct json *a, const struct json *b);

#endif
