/* Handling of secrets. Any thread. */
#ifndef SALLYPORT_BASE_SECRET_H
#define SALLYPORT_BASE_SECRET_H

#include "base/slice.h"

/* Equality in time that depends on the lengths only. */
bool secret_equal(struct slice a, struct slice b);

/* Overwrites memory in a way that the compiler may not leave out. */
void secret_wipe(void *memory, size_t size);

#endif
