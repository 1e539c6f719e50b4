/* Wycheproof: JWS, JWK and the raw signatures behind them, at the function that verifies. Payloads are no claims here. */
#include "unit.h"

#include "auth/mint.h"
#include "base/limits.h"
#include "json/writer.h"

static struct jws_crypto crypto;

static int start(void **state)
{
    (void)state;
    assert_ok(jws_crypto_init(&crypto));
    return 0;
}

static int finish(void **state)
{
    (void)state;
    jws_crypto_done(&crypto);
    return 0;
}

/* A suite's document, or NULL where it is not there. */
static struct json *load(const char *name, struct arena *arena)
{
    char path[4096], relative[256];
    snprintf(relative, sizeof relative, "wycheproof/testvectors_v1/%s", name);
    if (suite_path(relative, path) == NULL) {
        return NULL;
    }
    size_t size = 0;
    char *text = read_file(path, &size);
    struct slice copy = arena_copy(arena, slice_of(text, size));
    free(text);
    struct json *document = NULL;
    assert_ok(json_parse(copy, JSON_DEPTH_MAX, arena, &document, NULL));
    return document;
}

static struct slice text_of(const struct json *object, const char *name)
{
    struct slice text = SLICE("");
    json_get_string(object, slice_from_string(name), &text);
    return text;
}

static int64_t id_of(const struct json *test)
{
    int64_t id = -1;
    json_get_integer(test, SLICE("tcId"), &id);
    return id;
}

/* A symmetric JWK stands for the secret of the configuration, its alg for the allow-list. */
static struct jws_key *secret_of(const struct json *jwk, const struct jws *jws)
{
    unsigned char bytes[1024];
    struct slice text = text_of(jwk, "k");
    struct jws_key *key = NULL;
    ssize_t size = text.len < 1000 ? base64url_decode(text, bytes) : -1;
    if (size < 0 || jws_algorithm_of(text_of(jwk, "alg")) != jws->algorithm ||
        failed(jws_key_from_secret(&crypto, slice_of((const char *)bytes, (size_t)size), &key))) {
        return NULL;
    }
    return key;
}

static bool verifies_with(const struct json *jwk, const struct jws *jws)
{
    struct jws_key *key = NULL;
    if (slice_equal(text_of(jwk, "kty"), SLICE("oct"))) {
        key = secret_of(jwk, jws);
    } else if (failed(jws_key_parse(&crypto, jwk, &key))) {
        return false;
    }
    if (key == NULL) {
        return false;
    }
    bool valid = (!jws->has_kid || !key->has_kid || slice_equal(jws->kid, key->kid)) &&
                 jws_verify(&crypto, key, jws->algorithm, jws->signing_input, jws->signature);
    jws_key_free(key);
    return valid;
}

/* The token of a test as text: some are given in the JSON serialisation, which we do not read. */
static struct slice token_of(const struct json *test, struct buffer *buffer)
{
    const struct json *jws = json_get(test, SLICE("jws"));
    if (jws->type == JSON_STRING) {
        return jws->text;
    }
    struct json_writer writer;
    json_writer_init(&writer, buffer);
    json_value(&writer, jws);
    return buffer_slice(buffer);
}

static bool accepts(const struct json *group, const struct json *test, struct arena *arena)
{
    struct buffer buffer;
    buffer_init(&buffer, 65536);
    const struct json *keys = json_get(group, SLICE("public"));
    keys = keys != NULL ? keys : json_get(group, SLICE("private"));
    const struct json *set = json_get(keys, SLICE("keys"));
    struct jws jws;
    bool valid = false;
    if (jws_parse(token_of(test, &buffer), arena, &jws) == DENY_NONE) {
        for (size_t i = 0; i < (set != NULL ? set->count : 1); i++) {
            valid = valid || verifies_with(set != NULL ? &set->items[i] : keys, &jws);
        }
    }
    buffer_done(&buffer);
    return valid;
}

struct exception {
    int64_t id;
    const char *why;
};

static bool is_exception(const struct exception *exceptions, int64_t id)
{
    for (; exceptions->id != 0; exceptions++) {
        if (exceptions->id == id) {
            return true;
        }
    }
    return false;
}

/* Returns how many tests ran; those of JWE have no "jws". */
static int run(const char *name, const struct exception *exceptions)
{
    struct arena arena;
    arena_init(&arena, 256 * 1024 * 1024);
    struct json *document = load(name, &arena);
    if (document == NULL) {
        skip();
    }
    const struct json *groups = json_get(document, SLICE("testGroups"));
    int count = 0, wrong = 0;
    for (size_t g = 0; g < groups->count; g++) {
        const struct json *tests = json_get(&groups->items[g], SLICE("tests"));
        for (size_t t = 0; t < tests->count; t++) {
            const struct json *test = &tests->items[t];
            if (json_get(test, SLICE("jws")) == NULL) {
                continue;
            }
            bool expected = slice_equal(text_of(test, "result"), SLICE("valid"));
            expected = is_exception(exceptions, id_of(test)) ? !expected : expected;
            count++;
            if (accepts(&groups->items[g], test, &arena) != expected) {
                printf("%s %lld: %s\n", name, (long long)id_of(test), expected ? "refused" : "accepted");
                wrong++;
            }
        }
    }
    arena_done(&arena);
    assert_int_equal(wrong, 0);
    return count;
}

static void json_web_signature(void **state)
{
    (void)state;
    static const struct exception exceptions[] = {
        { 346, "the key's alg is PS256, the token's PS384: an alg narrows a key to that one" },
        { 350, "the same" },
        { 347, "the key's alg is ES521, which is none" },
        { 351, "the same" },
        { 367, "the data has lost its padding: the text is that of test 357, which is valid" },
        { 370, "the same" },
        { 372, "a question mark is no base64url" },
        { 373, "the same" },
        { 0, NULL },
    };
    assert_int_equal(run("json_web_signature_test.json", exceptions), 401);
}

static void json_web_key(void **state)
{
    (void)state;
    static const struct exception exceptions[] = {
        { 1, "a secret never comes from a key set: here it stands for the configuration's" },
        { 4, "the same, of two secrets with one kid" },
        { 0, NULL },
    };
    assert_int_equal(run("json_web_key_test.json", exceptions), 26);
}

static void json_web_crypto(void **state)
{
    (void)state;
    static const struct exception exceptions[] = {
        { 47, "as in json_web_key, test 1" },
        { 0, NULL },
    };
    assert_true(run("json_web_crypto_test.json", exceptions) >= 49);
}

static struct slice unhex(struct slice text, struct arena *arena)
{
    char *bytes = arena_alloc(arena, text.len / 2 + 1);
    assert_non_null(bytes);
    for (size_t i = 0; i + 1 < text.len; i += 2) {
        bytes[i / 2] = (char)(hex_digit(text.ptr[i]) * 16 + hex_digit(text.ptr[i + 1]));
    }
    return slice_of(bytes, text.len / 2);
}

/* The group's key; NULL where we refuse it. */
static struct jws_key *raw_key(const struct json *group, const struct json *test, struct arena *arena)
{
    struct jws_key *key = NULL;
    const struct json *jwk = json_get(group, SLICE("publicKeyJwk"));
    jwk = jwk != NULL ? jwk : json_get(group, SLICE("keyJwk"));
    struct error error = jwk != NULL ? jws_key_parse(&crypto, jwk, &key)
                                     : jws_key_from_secret(&crypto, unhex(text_of(test, "key"), arena), &key);
    return failed(error) ? NULL : key;
}

/* Valid signatures of keys that we take must verify; invalid ones must never. */
static void run_raw(const char *name, enum jwt_algorithm algorithm, int least)
{
    struct arena arena;
    arena_init(&arena, 256 * 1024 * 1024);
    struct json *document = load(name, &arena);
    if (document == NULL) {
        skip();
    }
    const struct json *groups = json_get(document, SLICE("testGroups"));
    int verified = 0, wrong = 0;
    for (size_t g = 0; g < groups->count; g++) {
        const struct json *group = &groups->items[g], *tests = json_get(group, SLICE("tests"));
        int64_t tag_bits = jws_algorithms[algorithm].signature_size * 8;
        json_get_integer(group, SLICE("tagSize"), &tag_bits);
        for (size_t t = 0; t < tests->count; t++) {
            const struct json *test = &tests->items[t];
            struct slice signature = text_of(test, algorithm == JWT_HS256 ? "tag" : "sig");
            struct jws_key *key = raw_key(group, test, &arena);
            bool valid =
                key != NULL && jws_verify(&crypto, key, algorithm, unhex(text_of(test, "msg"), &arena),
                                          unhex(signature, &arena));
            /* Cut HMACs and short secrets are valid there and refused by us. */
            bool taken = key != NULL && (algorithm != JWT_HS256 || tag_bits == 256);
            bool expected = taken && slice_equal(text_of(test, "result"), SLICE("valid"));
            if (valid != expected && !slice_equal(text_of(test, "result"), SLICE("acceptable"))) {
                printf("%s %lld: %s\n", name, (long long)id_of(test), expected ? "refused" : "accepted");
                wrong++;
            }
            verified += valid ? 1 : 0;
            jws_key_free(key);
        }
    }
    arena_done(&arena);
    assert_int_equal(wrong, 0);
    assert_true(verified >= least);
}

static void raw_signatures(void **state)
{
    (void)state;
    run_raw("ecdsa_secp256r1_sha256_p1363_test.json", JWT_ES256, 50);
    run_raw("ecdsa_secp384r1_sha384_p1363_test.json", JWT_ES384, 50);
    run_raw("ecdsa_secp521r1_sha512_p1363_test.json", JWT_ES512, 50);
    run_raw("rsa_signature_2048_sha256_test.json", JWT_RS256, 5);
    run_raw("rsa_pss_2048_sha256_mgf1_32_test.json", JWT_PS256, 5);
    run_raw("ed25519_test.json", JWT_ED25519, 50);
    run_raw("hmac_sha256_test.json", JWT_HS256, 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_web_signature),
        cmocka_unit_test(json_web_key),
        cmocka_unit_test(json_web_crypto),
        cmocka_unit_test(raw_signatures),
    };
    return cmocka_run_group_tests(tests, start, finish);
}
