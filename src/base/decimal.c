#include "base/decimal.h"

#include <stddef.h>
#include <string.h>

/* "00" to "99". */
static const char pairs[] =
    "0001020304050607080910111213141516171819202122232425262728293031323334353637383940414243444546474849"
    "5051525354555657585960616263646566676869707172737475767778798081828384858687888990919293949596979899";

static size_t length_of(uint64_t value)
{
    size_t length = 1;
    for (; value >= 10000; value /= 10000) {
        length += 4;
    }
    return length + (value >= 10) + (value >= 100) + (value >= 1000);
}

/* From the end, two digits a step: each step is a multiplication that the next one waits for. */
char *decimal_put(char *at, uint64_t value)
{
    char *end = at + length_of(value), *to = end;
    for (; value >= 100; value /= 100) {
        to -= 2;
        memcpy(to, pairs + value % 100 * 2, 2);
    }
    if (value >= 10) {
        memcpy(at, pairs + value * 2, 2);
    } else {
        *at = (char)('0' + value);
    }
    return end;
}
