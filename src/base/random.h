/* Random bytes from the kernel (getrandom). Any thread. */
#ifndef SALLYPORT_BASE_RANDOM_H
#define SALLYPORT_BASE_RANDOM_H

#include <stddef.h>

/* Never fails: where the kernel has no random bytes to give, nothing here could be safe, and the process ends. */
void random_bytes(void *out, size_t size);

#endif
