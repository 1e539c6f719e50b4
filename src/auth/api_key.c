/* OpenSSL's plain functions, as in token_digest.c: EVP_MAC allocates on each call. */
#define OPENSSL_SUPPRESS_DEPRECATED

#include "auth/api_key.h"

#include "base/random.h"
#include "base/secret.h"

#define BASE       62
#define BLOCK      64                  /* bytes of a block of SHA-256 */
#define EVEN_BELOW (256 / BASE * BASE) /* random bytes from here on would favour the first characters */
#define TAIL       (API_KEY_RANDOM + API_KEY_CHECKSUM)

static const char alphabet[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/* ---- the text ---- */

static bool is_prefix_char(char c)
{
    return (c >= 'a' && c <= 'z') || ascii_is_digit(c) || c == '_';
}

bool api_key_prefix_valid(struct slice prefix)
{
    if (prefix.len < 2 || prefix.len > API_KEY_PREFIX_MAX || prefix.ptr[0] < 'a' || prefix.ptr[0] > 'z' ||
        prefix.ptr[prefix.len - 1] == '_') {
        return false;
    }
    bool good = true;
    for (size_t i = 0; i < prefix.len; i++) {
        good = good && is_prefix_char(prefix.ptr[i]);
    }
    return good;
}

/* CRC-32 by half bytes: the polynomial 0x04c11db7 reflected, with a table that is read through. */
static uint32_t crc32_of(struct slice text)
{
    static const uint32_t steps[16] = {
        0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4, 0x4db26158, 0x5005713c,
        0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c, 0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
    };
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < text.len; i++) {
        crc ^= (unsigned char)text.ptr[i];
        crc = crc >> 4 ^ steps[crc & 15];
        crc = crc >> 4 ^ steps[crc & 15];
    }
    return ~crc;
}

static void put_checksum(struct slice text, char out[API_KEY_CHECKSUM])
{
    uint32_t crc = crc32_of(text);
    for (size_t i = API_KEY_CHECKSUM; i > 0; i--) {
        out[i - 1] = alphabet[crc % BASE];
        crc /= BASE;
    }
}

static void put_random(char *out, size_t count)
{
    unsigned char bytes[API_KEY_RANDOM * 2];
    for (size_t put = 0; put < count;) {
        random_bytes(bytes, sizeof bytes);
        for (size_t i = 0; i < sizeof bytes && put < count; i++) {
            if (bytes[i] < EVEN_BELOW) {
                out[put++] = alphabet[bytes[i] % BASE];
            }
        }
    }
    secret_wipe(bytes, sizeof bytes);
}

size_t api_key_make(struct slice prefix, char out[API_KEY_MAX])
{
    size_t len = prefix.len;
    memcpy(out, prefix.ptr, len);
    out[len++] = '_';
    put_random(out + len, API_KEY_RANDOM);
    len += API_KEY_RANDOM;
    put_checksum(slice_of(out, len), out + len);
    return len + API_KEY_CHECKSUM;
}

bool api_key_is_formed(struct slice text, struct slice prefix)
{
    if (text.len != prefix.len + 1 + TAIL || !slice_starts_with(text, prefix) ||
        text.ptr[prefix.len] != '_') {
        return false;
    }
    unsigned int good = 1;
    for (size_t i = prefix.len + 1; i < text.len; i++) {
        good &= (unsigned int)ascii_is_alpha(text.ptr[i]) | (unsigned int)ascii_is_digit(text.ptr[i]);
    }
    char checksum[API_KEY_CHECKSUM];
    put_checksum(slice_part(text, 0, text.len - API_KEY_CHECKSUM), checksum);
    good &= (unsigned int)secret_equal(slice_of(checksum, sizeof checksum),
                                       slice_from(text, text.len - API_KEY_CHECKSUM));
    return good != 0;
}

/* ---- the digest ---- */

static bool begin(SHA256_CTX *context, const unsigned char block[BLOCK], unsigned char pad)
{
    unsigned char padded[BLOCK];
    for (size_t i = 0; i < BLOCK; i++) {
        padded[i] = block[i] ^ pad;
    }
    bool good = SHA256_Init(context) == 1 && SHA256_Update(context, padded, BLOCK) == 1;
    secret_wipe(padded, sizeof padded);
    return good;
}

bool api_pepper_init(struct api_pepper *pepper, struct slice secret)
{
    unsigned char block[BLOCK] = { 0 };
    bool good = true;
    if (secret.len > BLOCK) {
        good = SHA256((const unsigned char *)secret.ptr, secret.len, block) != NULL;
    } else {
        memcpy(block, secret.ptr, secret.len);
    }
    good = good && begin(&pepper->inner, block, 0x36) && begin(&pepper->outer, block, 0x5c);
    secret_wipe(block, sizeof block);
    return good;
}

void api_pepper_done(struct api_pepper *pepper)
{
    secret_wipe(pepper, sizeof *pepper);
}

bool api_key_digest(const struct api_pepper *pepper, struct slice key, unsigned char out[API_KEY_DIGEST_SIZE])
{
    SHA256_CTX context = pepper->inner;
    unsigned char inner[API_KEY_DIGEST_SIZE];
    bool good = SHA256_Update(&context, key.ptr, key.len) == 1 && SHA256_Final(inner, &context) == 1;
    context = pepper->outer;
    good = good && SHA256_Update(&context, inner, sizeof inner) == 1 && SHA256_Final(out, &context) == 1;
    secret_wipe(&context, sizeof context);
    secret_wipe(inner, sizeof inner);
    return good;
}
