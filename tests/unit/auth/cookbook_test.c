/* The JOSE cookbook (RFC 7520, RFC 7797, RFC 8037): its compact signatures verify with its keys. */
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

static const struct json *at(const struct json *document, const char *outer, const char *inner)
{
    return json_get(json_get(document, slice_from_string(outer)), slice_from_string(inner));
}

/* The cookbook shows private keys, which we refuse: their public parts alone. */
static struct jws_key *public_key(const struct json *jwk, struct arena *arena)
{
    struct buffer buffer;
    struct json_writer writer;
    buffer_init(&buffer, 65536);
    json_writer_init(&writer, &buffer);
    json_object_begin(&writer);
    static const char *const names[] = { "kty", "crv", "n", "e", "x", "y", "use", "kid" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct slice text;
        if (json_get_string(jwk, slice_from_string(names[i]), &text)) {
            json_member_string(&writer, slice_from_string(names[i]), text);
        }
    }
    json_object_end(&writer);
    struct json *copy;
    struct jws_key *key = NULL;
    assert_ok(json_parse(arena_copy(arena, buffer_slice(&buffer)), 4, arena, &copy, NULL));
    assert_ok(jws_key_parse(&crypto, copy, &key));
    buffer_done(&buffer);
    return key;
}

static struct jws_key *key_of(const struct json *jwk, struct arena *arena)
{
    struct slice secret;
    if (!json_get_string(jwk, SLICE("k"), &secret)) {
        struct jws_key *refused = NULL;
        assert_fails(jws_key_parse(&crypto, jwk, &refused), ERROR_VALUE);
        return public_key(jwk, arena);
    }
    unsigned char bytes[256];
    struct jws_key *key = NULL;
    ssize_t size = base64url_decode(secret, bytes);
    assert_ok(jws_key_from_secret(&crypto, slice_of((const char *)bytes, (size_t)size), &key));
    return key;
}

static void run(const char *name, enum deny_reason parsed, bool verifies)
{
    char path[4096], relative[256];
    snprintf(relative, sizeof relative, "jose-cookbook/%s", name);
    if (suite_path(relative, path) == NULL) {
        skip();
    }
    struct arena arena;
    arena_init(&arena, 1024 * 1024);
    size_t size = 0;
    char *text = read_file(path, &size);
    struct json *document;
    assert_ok(json_parse(slice_of(text, size), JSON_DEPTH_MAX, &arena, &document, NULL));
    const struct json *compact = at(document, "output", "compact");
    assert_non_null(compact);
    struct jws jws;
    assert_int_equal(jws_parse(compact->text, &arena, &jws), parsed);
    if (parsed == DENY_NONE) {
        struct jws_key *key = key_of(at(document, "input", "key"), &arena);
        assert_int_equal(jws_verify(&crypto, key, jws.algorithm, jws.signing_input, jws.signature), verifies);
        const struct json *payload = at(document, "input", "payload");
        assert_true(!verifies || slice_equal(payload->text, jws.payload));
        jws_key_free(key);
    }
    arena_done(&arena);
    free(text);
}

static void verifies_the_examples(void **state)
{
    (void)state;
    run("jws/4_1.rsa_v15_signature.json", DENY_NONE, true);
    run("jws/4_2.rsa-pss_signature.json", DENY_NONE, true);
    run("jws/4_3.ecdsa_signature.json", DENY_NONE, true);
    run("jws/4_4.hmac-sha2_integrity_protection.json", DENY_NONE, true);
    run("curve25519/jws.json", DENY_NONE, true);
}

static void refuses_detached_and_unencoded_payloads(void **state)
{
    (void)state;
    run("jws/4_5.signature_with_detached_content.json", DENY_NONE, false);
    run("rfc7797/hmac-sha2_b64_false.json", DENY_TOKEN_CRITICAL, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(verifies_the_examples),
        cmocka_unit_test(refuses_detached_and_unencoded_payloads),
    };
    return cmocka_run_group_tests(tests, start, finish);
}
