/* Host and port as configuration has them: "host", "host:port" or "[address]:port" (RFC 3986 section 3.2). Pure; any thread. What
 * messages have is http/uri.h's. */
#ifndef SALLYPORT_NET_AUTHORITY_H
#define SALLYPORT_NET_AUTHORITY_H

#include "base/slice.h"

#include <stdint.h>

/* Both: NULL, or what is wrong, a static text; then nothing is to be read from what they return. */

/* `*ret_host` has its brackets, and may be anything else; the port is left alone where none is given. */
const char *authority_split(struct slice authority, struct slice *ret_host, uint16_t *ret_port);
/* 1 to 65535. */
const char *authority_parse_port(struct slice text, uint16_t *ret_port);

#endif
