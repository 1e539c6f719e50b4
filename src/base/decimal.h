/* Numbers in decimal, as heads and logs need them: without a terminator. Pure; any thread. */
#ifndef SALLYPORT_BASE_DECIMAL_H
#define SALLYPORT_BASE_DECIMAL_H

#include <stdint.h>

#define DECIMAL_MAX 20 /* bytes of the longest */

/* Puts it at `at`, which has room for DECIMAL_MAX bytes; returns the end. */
char *decimal_put(char *at, uint64_t value);

#endif
