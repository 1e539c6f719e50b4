/* jansson behind names that do not clash with ours. */
#ifndef SALLYPORT_TESTS_UNIT_JSON_ORACLE_H
#define SALLYPORT_TESTS_UNIT_JSON_ORACLE_H

#include "base/buffer.h"

enum oracle_verdict {
    ORACLE_ACCEPTS, /* the tree stands in `out`: types and exact values */
    ORACLE_REFUSES, /* why stands in `out` */
    ORACLE_CANNOT,  /* jansson has no integers beyond 64 bits and no NUL in names */
};

enum oracle_verdict oracle_describe(struct slice text, struct buffer *out);

#endif
