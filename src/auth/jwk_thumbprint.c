#include "auth/jwk_thumbprint.h"

#include "auth/token_digest.h"
#include "base/encoding.h"

#define TEXT_MAX 2048 /* bytes of the JSON: an RSA key of 8192 bits has about 1400 */

static const struct kind {
    struct slice kty;
    const char *members[5]; /* in the order of their names */
} kinds[] = {
    { SLICE_INIT("EC"), { "crv", "kty", "x", "y" } },
    { SLICE_INIT("OKP"), { "crv", "kty", "x" } },
    { SLICE_INIT("RSA"), { "e", "kty", "n" } },
};

static const struct kind *find_kind(struct slice kty)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (slice_equal(kty, kinds[i].kty)) {
            return &kinds[i];
        }
    }
    return NULL;
}

/* What stands in JSON as it is. */
static bool is_plain(struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (!ascii_is_alpha(c) && !ascii_is_digit(c) && c != '-' && c != '_') {
            return false;
        }
    }
    return text.len > 0;
}

struct text {
    char bytes[TEXT_MAX];
    size_t size;
    bool full;
};

static void put(struct text *text, struct slice part)
{
    text->full = text->full || part.len > sizeof text->bytes - text->size;
    if (!text->full) {
        memcpy(text->bytes + text->size, part.ptr, part.len);
        text->size += part.len;
    }
}

bool jwk_thumbprint(const struct json *jwk, unsigned char out[JWK_THUMBPRINT_SIZE])
{
    struct slice value;
    struct text text = { .size = 0 };
    const struct kind *kind = json_get_string(jwk, SLICE("kty"), &value) ? find_kind(value) : NULL;
    if (kind == NULL) {
        return false;
    }
    for (size_t i = 0; kind->members[i] != NULL; i++) {
        struct slice name = slice_from_string(kind->members[i]);
        if (!json_get_string(jwk, name, &value) || !is_plain(value)) {
            return false;
        }
        put(&text, i == 0 ? SLICE("{\"") : SLICE(",\""));
        put(&text, name);
        put(&text, SLICE("\":\""));
        put(&text, value);
        put(&text, SLICE("\""));
    }
    put(&text, SLICE("}"));
    return !text.full && token_digest(slice_of(text.bytes, text.size), out);
}

bool jwk_thumbprint_decode(struct slice text, unsigned char out[JWK_THUMBPRINT_SIZE])
{
    unsigned char bytes[BASE64_DECODED_MAX(JWK_THUMBPRINT_TEXT)];
    if (text.len != JWK_THUMBPRINT_TEXT || base64url_decode(text, bytes) != JWK_THUMBPRINT_SIZE) {
        return false;
    }
    memcpy(out, bytes, JWK_THUMBPRINT_SIZE);
    return true;
}

bool jwk_is_secret(const struct json *jwk)
{
    static const struct slice members[] = { SLICE_INIT("d"),   SLICE_INIT("p"),  SLICE_INIT("q"),
                                            SLICE_INIT("dp"),  SLICE_INIT("dq"), SLICE_INIT("qi"),
                                            SLICE_INIT("oth"), SLICE_INIT("k") };
    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        if (json_get(jwk, members[i]) != NULL) {
            return true;
        }
    }
    return false;
}
