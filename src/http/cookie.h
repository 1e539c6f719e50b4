/* The cookies of a request (RFC 6265 section 4.2.1): "name=value; name=value". Names are told apart byte for byte. No allocation but
 * in cookie_without; any thread. */
#ifndef SALLYPORT_HTTP_COOKIE_H
#define SALLYPORT_HTTP_COOKIE_H

#include "base/arena.h"
#include "base/conf_field.h"
#include "http/headers.h"

/* How many cookies of this name stand in all Cookie fields; the last one's value. */
size_t cookie_find(const struct headers *headers, struct slice name, struct slice *ret_value);

/* The value of a Cookie field without the cookies of these names: the value itself where there are none, empty where nothing is
 * left. False: no room in the arena. */
bool cookie_without(struct slice value, const struct conf_strings *names, struct arena *arena,
                    struct slice *ret_value);

#endif
