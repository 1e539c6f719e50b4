#include "unit.h"

#include "auth/client_authentication.h"
#include "base/arena.h"
#include "base/encoding.h"
#include "json/json.h"

#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#define NOW INT64_C(1700000000)

static struct buffer form, authorization;

static int set_up(void **state)
{
    (void)state;
    buffer_init(&form, 65536);
    buffer_init(&authorization, 65536);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    buffer_done(&form);
    buffer_done(&authorization);
    return 0;
}

static void prove(const struct oauth_identity *identity)
{
    struct oauth_client *client = NULL;
    assert_false(failed(oauth_client_new(identity, &client)));
    assert_true(oauth_client_prove(client, NOW, &form, &authorization));
    oauth_client_free(client);
}

static void assert_text(const struct buffer *buffer, const char *expected)
{
    assert_true(slice_equal(buffer_slice(buffer), slice_from_string(expected)));
}

/* RFC 6749 section 2.3.1: both are encoded first. "a b:c" and "p+%/" it is. */
static void basic(void **state)
{
    (void)state;
    const struct oauth_identity identity = { .authentication = CLIENT_SECRET_BASIC,
                                             .id = SLICE("a b:c"),
                                             .secret = SLICE("p+%/\xc3\xa9") };
    char decoded[128];
    prove(&identity);
    assert_text(&form, "");
    struct slice value = buffer_slice(&authorization);
    assert_true(slice_starts_with(value, SLICE("Basic ")));
    ssize_t size = base64_decode(slice_from(value, 6), decoded);
    assert_true(size > 0);
    assert_true(slice_equal(slice_of(decoded, (size_t)size), SLICE("a+b%3Ac:p%2B%25%2F%C3%A9")));
}

static void in_the_form(void **state)
{
    (void)state;
    const struct oauth_identity identity = { .authentication = CLIENT_SECRET_POST,
                                             .id = SLICE("gateway"),
                                             .secret = SLICE("a&b=c d") };
    assert_true(oauth_add_parameter(&form, SLICE("token"), SLICE("x+y/z=")));
    prove(&identity);
    assert_text(&form, "token=x%2By%2Fz%3D&client_id=gateway&client_secret=a%26b%3Dc+d");
    assert_text(&authorization, "");
}

static void by_its_certificate(void **state)
{
    (void)state;
    const struct oauth_identity identity = { .authentication = CLIENT_TLS, .id = SLICE("gateway") };
    prove(&identity);
    assert_text(&form, "client_id=gateway");
    assert_text(&authorization, "");
}

/* ---- assertions ---- */

static char pem[8192];

static EVP_PKEY *make_key(const char *kind, int bits)
{
    EVP_PKEY *key = strcmp(kind, "RSA") == 0   ? EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)bits)
                    : strcmp(kind, "OKP") == 0 ? EVP_PKEY_Q_keygen(NULL, NULL, "ED25519")
                                               : EVP_PKEY_Q_keygen(NULL, NULL, "EC", kind);
    assert_non_null(key);
    BIO *bio = BIO_new(BIO_s_mem());
    assert_int_equal(PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL), 1);
    int size = BIO_read(bio, pem, sizeof pem - 1);
    assert_true(size > 0);
    pem[size] = '\0';
    BIO_free(bio);
    return key;
}

static struct oauth_identity identity_of_key(void)
{
    return (struct oauth_identity){ .authentication = CLIENT_PRIVATE_KEY_JWT,
                                    .id = SLICE("gateway"),
                                    .key_pem = slice_from_string(pem),
                                    .key_id = SLICE("k1"),
                                    .audience = SLICE("https://idp") };
}

static bool verifies(EVP_PKEY *key, struct slice input, unsigned char *signature, size_t size)
{
    unsigned char *der = NULL;
    int der_size = 0;
    if (EVP_PKEY_is_a(key, "EC")) {
        assert_int_equal(size, 64);
        ECDSA_SIG *numbers = ECDSA_SIG_new();
        ECDSA_SIG_set0(numbers, BN_bin2bn(signature, 32, NULL), BN_bin2bn(signature + 32, 32, NULL));
        der_size = i2d_ECDSA_SIG(numbers, &der);
        ECDSA_SIG_free(numbers);
    }
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    const EVP_MD *hash = EVP_PKEY_is_a(key, "ED25519") ? NULL : EVP_sha256();
    bool good =
        EVP_DigestVerifyInit(context, NULL, hash, NULL, key) == 1 &&
        EVP_DigestVerify(context, der != NULL ? der : signature, der != NULL ? (size_t)der_size : size,
                         (const unsigned char *)input.ptr, input.len) == 1;
    EVP_MD_CTX_free(context);
    OPENSSL_free(der);
    return good;
}

/* The assertion of the form; `jti` has room for 64 bytes. */
static void check_assertion(EVP_PKEY *key, const char *algorithm, char *jti)
{
    static const char before[] =
        "client_id=gateway&client_assertion_type="
        "urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer&client_assertion=";
    struct slice text = buffer_slice(&form);
    assert_true(slice_starts_with(text, slice_from_string(before)));
    struct slice token = slice_from(text, sizeof before - 1);
    ssize_t last = slice_find_last(token, '.'), first = slice_find(token, '.');
    assert_true(first > 0 && last > first);
    unsigned char signature[2048];
    ssize_t size = base64url_decode(slice_from(token, (size_t)last + 1), signature);
    assert_true(size > 0);
    assert_true(verifies(key, slice_part(token, 0, (size_t)last), signature, (size_t)size));
    char header[1024], claims[1024], expected[1024];
    ssize_t header_size = base64url_decode(slice_part(token, 0, (size_t)first), header);
    ssize_t claims_size =
        base64url_decode(slice_part(token, (size_t)first + 1, (size_t)(last - first - 1)), claims);
    snprintf(expected, sizeof expected, "{\"alg\":\"%s\",\"typ\":\"JWT\",\"kid\":\"k1\"}", algorithm);
    assert_true(slice_equal(slice_of(header, (size_t)header_size), slice_from_string(expected)));
    struct arena arena;
    struct json *json = NULL;
    struct slice value;
    int64_t number = 0;
    arena_init(&arena, 65536);
    assert_false(failed(json_parse(slice_of(claims, (size_t)claims_size), 4, &arena, &json, NULL)));
    assert_true(json_get_string(json, SLICE("iss"), &value) && slice_equal(value, SLICE("gateway")));
    assert_true(json_get_string(json, SLICE("sub"), &value) && slice_equal(value, SLICE("gateway")));
    assert_true(json_get_string(json, SLICE("aud"), &value) && slice_equal(value, SLICE("https://idp")));
    assert_true(json_get_integer(json, SLICE("iat"), &number) && number == NOW);
    assert_true(json_get_integer(json, SLICE("exp"), &number) && number == NOW + CLIENT_ASSERTION_LIFE);
    assert_true(json_get_string(json, SLICE("jti"), &value) && value.len == 32);
    memcpy(jti, value.ptr, value.len);
    jti[value.len] = '\0';
    arena_done(&arena);
}

static void by_assertions(void **state)
{
    (void)state;
    static const struct {
        const char *kind, *algorithm;
    } keys[] = { { "RSA", "RS256" }, { "P-256", "ES256" }, { "OKP", "EdDSA" } };
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        char first[64], second[64];
        EVP_PKEY *key = make_key(keys[i].kind, 2048);
        const struct oauth_identity identity = identity_of_key();
        buffer_clear(&form);
        prove(&identity);
        check_assertion(key, keys[i].algorithm, first);
        buffer_clear(&form);
        prove(&identity);
        check_assertion(key, keys[i].algorithm, second);
        assert_string_not_equal(first, second);
        assert_text(&authorization, "");
        EVP_PKEY_free(key);
    }
}

static void keys_that_do_not_do(void **state)
{
    (void)state;
    struct oauth_client *client = NULL;
    static const struct {
        const char *kind;
        int bits;
    } keys[] = { { "RSA", 1024 }, { "P-384", 0 } };
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        EVP_PKEY_free(make_key(keys[i].kind, keys[i].bits));
        const struct oauth_identity identity = identity_of_key();
        assert_int_equal(oauth_client_new(&identity, &client).kind, ERROR_VALUE);
    }
    snprintf(pem, sizeof pem, "no key");
    const struct oauth_identity identity = identity_of_key();
    assert_int_equal(oauth_client_new(&identity, &client).kind, ERROR_VALUE);
    assert_null(client);
}

static void no_room(void **state)
{
    (void)state;
    struct oauth_client *client = NULL;
    struct buffer small;
    const struct oauth_identity identity = { .authentication = CLIENT_SECRET_POST,
                                             .id = SLICE("gateway"),
                                             .secret = SLICE("secret") };
    assert_false(failed(oauth_client_new(&identity, &client)));
    buffer_init(&small, 10);
    assert_false(oauth_client_prove(client, NOW, &small, &authorization));
    buffer_done(&small);
    oauth_client_free(client);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(basic),         TEST(in_the_form),         TEST(by_its_certificate),
        TEST(by_assertions), TEST(keys_that_do_not_do), TEST(no_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
