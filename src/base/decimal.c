#include "base/decimal.h"

#include <string.h>

char *decimal_put(char *at, uint64_t value)
{
    char digits[DECIMAL_MAX] __attribute__((uninitialized));
    char *first = digits + sizeof digits;
    do {
        *--first = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    size_t size = (size_t)(digits + sizeof digits - first);
    memcpy(at, first, size);
    return at + size;
}
