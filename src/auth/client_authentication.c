#include "auth/client_authentication.h"

#include "base/encoding.h"
#include "base/random.h"
#include "base/secret.h"
#include "json/writer.h"

#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdlib.h>

#define ASSERTION_MAX (16 * 1024) /* bytes of an assertion, and of each of its parts */
#define SIGNATURE_MAX 1024        /* bytes: RSA of 8192 bits */
#define JTI_SIZE      16
#define RSA_BITS_MIN  2048
#define RSA_BITS_MAX  (SIGNATURE_MAX * 8)
#define ES256_HALF    32 /* bytes of r, and of s (RFC 7518 section 3.4) */

/* What signs, by the kind of key. */
struct signing {
    const char *type, *algorithm;
    bool hashes; /* with SHA-256; the other one hashes by itself */
};

static const struct signing signings[] = {
    { "RSA", "RS256", true },
    { "EC", "ES256", true },
    { "ED25519", "EdDSA", false },
};

struct oauth_client {
    struct oauth_identity identity;
    EVP_PKEY *key;
    const struct signing *signing;
};

/* ---- keys ---- */

static int no_password(char *out, int size, int writing, void *context)
{
    (void)out;
    (void)size;
    (void)writing;
    (void)context;
    return -1;
}

static bool fits(const EVP_PKEY *key, const struct signing *signing)
{
    char group[32];
    size_t size;
    if (!EVP_PKEY_is_a(key, signing->type)) {
        return false;
    }
    if (EVP_PKEY_is_a(key, "RSA")) {
        int bits = EVP_PKEY_get_bits(key);
        return bits >= RSA_BITS_MIN && bits <= RSA_BITS_MAX;
    }
    return !EVP_PKEY_is_a(key, "EC") || (EVP_PKEY_get_group_name(key, group, sizeof group, &size) == 1 &&
                                         strcmp(group, "prime256v1") == 0);
}

static struct error read_key(struct oauth_client *client)
{
    BIO *bio = BIO_new_mem_buf(client->identity.key_pem.ptr, (int)client->identity.key_pem.len);
    if (bio == NULL) {
        return FAIL(ERROR_MEMORY, "out of memory");
    }
    client->key = PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL);
    BIO_free(bio);
    ERR_clear_error();
    if (client->key == NULL) {
        return FAIL(ERROR_VALUE, "no private key in PEM, or one that is encrypted");
    }
    for (size_t i = 0; i < sizeof signings / sizeof *signings; i++) {
        if (fits(client->key, &signings[i])) {
            client->signing = &signings[i];
            return OK;
        }
    }
    return FAIL(ERROR_VALUE,
                "the key signs neither RS256 (RSA of 2048 bits or more), ES256 (P-256) nor EdDSA "
                "(Ed25519)");
}

struct error oauth_client_new(const struct oauth_identity *identity, struct oauth_client **ret_client)
{
    struct oauth_client *client = calloc(1, sizeof *client);
    if (client == NULL) {
        return FAIL(ERROR_MEMORY, "out of memory");
    }
    client->identity = *identity;
    struct error error = identity->authentication == CLIENT_PRIVATE_KEY_JWT ? read_key(client) : OK;
    client->identity.key_pem = SLICE_NONE;
    if (failed(error)) {
        oauth_client_free(client);
        return error;
    }
    *ret_client = client;
    return OK;
}

void oauth_client_free(struct oauth_client *client)
{
    if (client != NULL) {
        EVP_PKEY_free(client->key);
        free(client);
    }
}

/* ---- forms ---- */

static bool is_plain(char c)
{
    return ascii_is_alpha(c) || ascii_is_digit(c) || c == '-' || c == '.' || c == '_';
}

static bool encode(struct buffer *out, struct slice text)
{
    bool good = true;
    for (size_t i = 0; good && i < text.len; i++) {
        char c = text.ptr[i];
        if (is_plain(c)) {
            good = buffer_append_char(out, c);
        } else if (c == ' ') {
            good = buffer_append_char(out, '+');
        } else {
            good = buffer_printf(out, "%%%02X", (unsigned int)(unsigned char)c);
        }
    }
    return good;
}

bool oauth_add_parameter(struct buffer *form, struct slice name, struct slice value)
{
    return (buffer_length(form) == 0 || buffer_append_char(form, '&')) && encode(form, name) &&
           buffer_append_char(form, '=') && encode(form, value);
}

/* Both parts are encoded as a form is before they are joined: a ':' in the id must not end it (RFC 6749 section 2.3.1). */
static bool put_basic(const struct oauth_identity *identity, struct buffer *out)
{
    struct buffer pair;
    buffer_init(&pair, ASSERTION_MAX);
    bool good = buffer_reserve(&pair, 3 * (identity->id.len + identity->secret.len) + 8) &&
                encode(&pair, identity->id) && buffer_append_char(&pair, ':') &&
                encode(&pair, identity->secret) && buffer_append(out, SLICE("Basic ")) &&
                buffer_reserve(out, BASE64_ENCODED_MAX(buffer_length(&pair)));
    if (good) {
        struct slice text = buffer_slice(&pair);
        buffer_commit(out, base64_encode(text.ptr, text.len, out->data + out->end));
    }
    if (pair.data != NULL) {
        secret_wipe(pair.data, pair.capacity);
    }
    buffer_done(&pair);
    return good;
}

/* ---- assertions ---- */

static bool put_base64url(struct buffer *out, struct slice text)
{
    if (!buffer_reserve(out, BASE64_ENCODED_MAX(text.len))) {
        return false;
    }
    buffer_commit(out, base64url_encode(text.ptr, text.len, out->data + out->end));
    return true;
}

static bool put_header(const struct oauth_client *client, struct buffer *out)
{
    struct buffer text;
    struct json_writer json;
    buffer_init(&text, ASSERTION_MAX);
    json_writer_init(&json, &text);
    json_object_begin(&json);
    json_member_string(&json, SLICE("alg"), slice_from_string(client->signing->algorithm));
    json_member_string(&json, SLICE("typ"), SLICE("JWT"));
    if (!slice_is_empty(client->identity.key_id)) {
        json_member_string(&json, SLICE("kid"), client->identity.key_id);
    }
    json_object_end(&json);
    bool good = !json.failed && put_base64url(out, buffer_slice(&text));
    buffer_done(&text);
    return good;
}

/* RFC 7523 section 3: iss and sub are the client itself. */
static bool put_claims(const struct oauth_client *client, int64_t now, struct buffer *out)
{
    unsigned char random[JTI_SIZE];
    char jti[2 * JTI_SIZE];
    struct buffer text;
    struct json_writer json;
    random_bytes(random, sizeof random);
    hex_encode(random, sizeof random, jti);
    buffer_init(&text, ASSERTION_MAX);
    json_writer_init(&json, &text);
    json_object_begin(&json);
    json_member_string(&json, SLICE("iss"), client->identity.id);
    json_member_string(&json, SLICE("sub"), client->identity.id);
    json_member_string(&json, SLICE("aud"), client->identity.audience);
    json_member_string(&json, SLICE("jti"), slice_of(jti, sizeof jti));
    json_member_integer(&json, SLICE("iat"), now);
    json_member_integer(&json, SLICE("exp"), now + CLIENT_ASSERTION_LIFE);
    json_object_end(&json);
    bool good = !json.failed && put_base64url(out, buffer_slice(&text));
    buffer_done(&text);
    return good;
}

/* DER to the two numbers side by side (RFC 7518 section 3.4). */
static size_t join_numbers(const unsigned char *der, size_t size, unsigned char out[2 * ES256_HALF])
{
    const unsigned char *at = der;
    ECDSA_SIG *signature = d2i_ECDSA_SIG(NULL, &at, (long)size);
    bool good = signature != NULL &&
                BN_bn2binpad(ECDSA_SIG_get0_r(signature), out, ES256_HALF) == ES256_HALF &&
                BN_bn2binpad(ECDSA_SIG_get0_s(signature), out + ES256_HALF, ES256_HALF) == ES256_HALF;
    ECDSA_SIG_free(signature);
    return good ? 2 * ES256_HALF : 0;
}

/* 0 on failure. */
static size_t sign(const struct oauth_client *client, struct slice text, unsigned char out[SIGNATURE_MAX])
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    const EVP_MD *hash = client->signing->hashes ? EVP_sha256() : NULL;
    unsigned char raw[SIGNATURE_MAX];
    size_t size = sizeof raw;
    bool good = context != NULL && EVP_DigestSignInit(context, NULL, hash, NULL, client->key) == 1 &&
                EVP_DigestSign(context, raw, &size, (const unsigned char *)text.ptr, text.len) == 1;
    EVP_MD_CTX_free(context);
    ERR_clear_error();
    if (!good) {
        return 0;
    }
    if (EVP_PKEY_is_a(client->key, "EC")) {
        return join_numbers(raw, size, out);
    }
    memcpy(out, raw, size);
    return size;
}

static bool put_assertion(const struct oauth_client *client, int64_t now, struct buffer *form)
{
    struct buffer text;
    unsigned char signature[SIGNATURE_MAX];
    buffer_init(&text, ASSERTION_MAX);
    bool good = put_header(client, &text) && buffer_append_char(&text, '.') && put_claims(client, now, &text);
    size_t size = good ? sign(client, buffer_slice(&text), signature) : 0;
    good = size > 0 && buffer_append_char(&text, '.') &&
           put_base64url(&text, slice_of((const char *)signature, size)) &&
           oauth_add_parameter(form, SLICE("client_assertion_type"),
                               SLICE("urn:ietf:params:oauth:client-assertion-type:jwt-bearer")) &&
           oauth_add_parameter(form, SLICE("client_assertion"), buffer_slice(&text));
    buffer_done(&text);
    return good;
}

bool oauth_client_prove(struct oauth_client *client, int64_t now, struct buffer *form,
                        struct buffer *authorization)
{
    const struct oauth_identity *identity = &client->identity;
    switch (identity->authentication) {
    case CLIENT_SECRET_BASIC:
        return put_basic(identity, authorization);
    case CLIENT_SECRET_POST:
        return oauth_add_parameter(form, SLICE("client_id"), identity->id) &&
               oauth_add_parameter(form, SLICE("client_secret"), identity->secret);
    case CLIENT_PRIVATE_KEY_JWT:
        return oauth_add_parameter(form, SLICE("client_id"), identity->id) &&
               put_assertion(client, now, form);
    default:
        return oauth_add_parameter(form, SLICE("client_id"), identity->id);
    }
}
