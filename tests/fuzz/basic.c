/* What is sent as a name and a password, and lines of a file of hashes: whatever is taken is of the form, and has one spelling. */
#include <stdlib.h>

#include "auth/basic_credential.h"
#include "auth/basic_settings.h"
#include "auth/password.h"
#include "base/encoding.h"

#define CHECK(condition)  \
    do {                  \
        if (!(condition)) \
            abort();      \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_credential(struct slice text)
{
    char room[BASIC_DECODED_MAX], again[BASE64_ENCODED_MAX(BASIC_DECODED_MAX)];
    struct basic_credential credential;
    if (!basic_credential_decode(text, room, &credential)) {
        return;
    }
    size_t len = credential.user.len + 1 + credential.password.len;
    CHECK(basic_user_name_valid(credential.user) && credential.password.len <= PASSWORD_MAX);
    CHECK(credential.user.ptr == room && utf8_valid(slice_of(room, len)));
    CHECK(slice_equal(slice_of(again, base64_encode(room, len, again)), text));
}

static void check_hash(struct slice text)
{
    struct password_hash facts;
    if (password_hash_read(text, &facts) == NULL) {
        CHECK(text.len < PASSWORD_HASH_MAX && facts.memory <= PASSWORD_MEMORY_MAX);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice text = slice_of((const char *)data, size);
    check_credential(text);
    check_hash(text);
    return 0;
}
