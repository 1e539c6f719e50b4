#include "cli/dev/mint.h"

#include "base/clock.h"
#include "base/encoding.h"
#include "json/writer.h"

#include <openssl/core_names.h>
#include <openssl/rsa.h>

#define KEY_ID        "dev-1"
#define SIGNATURE_MAX 512
#define PART_MAX      4096

struct error dev_mint_new_key(EVP_PKEY **ret_key)
{
    EVP_PKEY *key = EVP_RSA_gen(2048);
    if (key == NULL) {
        return FAIL(ERROR_CRYPTO, "the development issuer's key could not be made");
    }
    *ret_key = key;
    return OK;
}

static bool append_base64url(struct buffer *out, const void *bytes, size_t size)
{
    if (!buffer_reserve(out, BASE64_ENCODED_MAX(size))) {
        return false;
    }
    buffer_commit(out, base64url_encode(bytes, size, out->data + out->end));
    return true;
}

/* A number of the key as base64urlUInt (RFC 7518 section 2). */
static bool write_number(struct json_writer *json, EVP_PKEY *key, struct slice name, const char *parameter)
{
    BIGNUM *number = NULL;
    if (EVP_PKEY_get_bn_param(key, parameter, &number) != 1) {
        return false;
    }
    unsigned char bytes[SIGNATURE_MAX];
    char text[BASE64_ENCODED_MAX(SIGNATURE_MAX)];
    int size = BN_num_bytes(number) <= SIGNATURE_MAX ? BN_bn2bin(number, bytes) : 0;
    BN_free(number);
    json_member_string(json, name, slice_of(text, base64url_encode(bytes, (size_t)size, text)));
    return true;
}

bool dev_mint_jwks(EVP_PKEY *key, struct buffer *out)
{
    struct json_writer json;
    json_writer_init(&json, out);
    json_object_begin(&json);
    json_name(&json, SLICE("keys"));
    json_array_begin(&json);
    json_object_begin(&json);
    json_member_string(&json, SLICE("kty"), SLICE("RSA"));
    json_member_string(&json, SLICE("kid"), SLICE(KEY_ID));
    json_member_string(&json, SLICE("alg"), SLICE("RS256"));
    json_member_string(&json, SLICE("use"), SLICE("sig"));
    bool written = write_number(&json, key, SLICE("n"), OSSL_PKEY_PARAM_RSA_N) &&
                   write_number(&json, key, SLICE("e"), OSSL_PKEY_PARAM_RSA_E);
    json_object_end(&json);
    json_array_end(&json);
    json_object_end(&json);
    return written && !json.failed;
}

static bool append_header(struct buffer *out, bool none)
{
    struct slice header = none ? SLICE("{\"alg\":\"none\",\"typ\":\"at+jwt\"}")
                               : SLICE("{\"alg\":\"RS256\",\"typ\":\"at+jwt\",\"kid\":\"" KEY_ID "\"}");
    return append_base64url(out, header.ptr, header.len);
}

static bool append_claims(struct buffer *out, const struct dev_claims *claims)
{
    struct buffer text;
    struct json_writer json;
    int64_t now = clock_real_ns() / NS_PER_S;
    int64_t issued = claims->lifetime < 0 ? now + 2 * claims->lifetime : now;
    buffer_init(&text, PART_MAX);
    json_writer_init(&json, &text);
    json_object_begin(&json);
    json_member_string(&json, SLICE("iss"), SLICE(DEV_ISSUER));
    json_member_string(&json, SLICE("aud"), SLICE(DEV_AUDIENCE));
    json_member_string(&json, SLICE("sub"), claims->subject);
    json_member_string(&json, SLICE("client_id"), SLICE("sallyport-dev"));
    json_member_string(&json, SLICE("scope"), claims->scope);
    json_member_integer(&json, SLICE("iat"), issued);
    json_member_integer(&json, SLICE("exp"), now + claims->lifetime);
    json_object_end(&json);
    struct slice written = buffer_slice(&text);
    bool appended = !json.failed && append_base64url(out, written.ptr, written.len);
    buffer_done(&text);
    return appended;
}

static bool append_signature(struct buffer *out, EVP_PKEY *key, struct slice signed_text)
{
    unsigned char signature[SIGNATURE_MAX];
    size_t size = sizeof signature;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool made = context != NULL && EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, key) == 1 &&
                EVP_DigestSign(context, signature, &size, (const unsigned char *)signed_text.ptr,
                               signed_text.len) == 1;
    EVP_MD_CTX_free(context);
    return made && buffer_append_char(out, '.') && append_base64url(out, signature, size);
}

bool dev_mint_token(EVP_PKEY *key, const struct dev_claims *claims, struct buffer *out)
{
    size_t start = buffer_length(out);
    if (!append_header(out, claims->unsigned_none) || !buffer_append_char(out, '.') ||
        !append_claims(out, claims)) {
        return false;
    }
    if (claims->unsigned_none) {
        return buffer_append_char(out, '.');
    }
    struct buffer copy;
    buffer_init(&copy, PART_MAX * 2);
    bool made = buffer_append(&copy, slice_from(buffer_slice(out), start)) &&
                append_signature(out, key, buffer_slice(&copy));
    buffer_done(&copy);
    return made;
}
