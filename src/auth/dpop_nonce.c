#include "auth/dpop_nonce.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/encoding.h"
#include "base/secret.h"

#define TAG_SIZE 16

static bool make_text(const unsigned char *secret, int64_t span, int64_t number, char out[DPOP_NONCE_LENGTH])
{
    /* A change of the lifetime changes all of them. */
    const struct {
        char what[16];
        int64_t span, number;
    } message = { "DPoP nonce", span, number };
    unsigned char tag[EVP_MAX_MD_SIZE];
    unsigned int size = 0;
    char text[BASE64_ENCODED_MAX(TAG_SIZE)];
    if (HMAC(EVP_sha256(), secret, DPOP_SECRET_SIZE, (const unsigned char *)&message, sizeof message, tag,
             &size) == NULL) {
        return false;
    }
    base64url_encode(tag, TAG_SIZE, text);
    memcpy(out, text, DPOP_NONCE_LENGTH);
    return true;
}

bool dpop_nonces_at(struct dpop_nonce_clock *clock, int64_t lifetime, int64_t now)
{
    int64_t span = lifetime / 2;
    int64_t number = now / span;
    if (clock->span == span && clock->number == number) {
        return true;
    }
    clock->span = 0;
    if (!make_text(clock->secret, span, number, clock->texts[0]) ||
        !make_text(clock->secret, span, number - 1, clock->texts[1])) {
        return false;
    }
    clock->span = span;
    clock->number = number;
    return true;
}

enum dpop_nonce_age dpop_nonce_look(const struct dpop_nonce_clock *clock, struct slice text,
                                    int64_t *ret_until)
{
    for (int age = 0; age < 2; age++) {
        if (secret_equal(text, slice_of(clock->texts[age], DPOP_NONCE_LENGTH))) {
            *ret_until = (clock->number - age + 2) * clock->span;
            return age == 0 ? DPOP_NONCE_NEW : DPOP_NONCE_OLD;
        }
    }
    return DPOP_NONCE_WRONG;
}
