/* What calls itself an API key: whatever is taken for one has the form to the letter, and no other spelling of it is taken. The
 * first line is the prefix. */
#include <stdlib.h>

#include "auth/api_key.h"

#define CHECK(condition)  \
    do {                  \
        if (!(condition)) \
            abort();      \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice rest = slice_of((const char *)data, size), prefix;
    if (size == 0 || !slice_next(&rest, '\n', &prefix) || !api_key_prefix_valid(prefix)) {
        return 0;
    }
    char made[API_KEY_MAX];
    size_t len = api_key_make(prefix, made);
    CHECK(len <= API_KEY_MAX && api_key_is_formed(slice_of(made, len), prefix));
    if (rest.ptr == NULL || !api_key_is_formed(rest, prefix)) {
        return 0;
    }
    CHECK(rest.len == len && slice_starts_with(rest, prefix));
    CHECK(!api_key_is_formed(slice_from(rest, 1), prefix));
    char other[API_KEY_MAX];
    for (size_t i = 0; i < rest.len; i++) {
        memcpy(other, rest.ptr, rest.len);
        other[i] ^= 1;
        CHECK(!api_key_is_formed(slice_of(other, rest.len), prefix));
    }
    return 0;
}
