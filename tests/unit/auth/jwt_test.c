#include "auth/jwt_fixture.h"

static struct conf_strings two_issuers = { names, 2 };

/* ---- what it is for ---- */

static void verifies_and_says_who(void **state)
{
    (void)state;
    char *token = good_token();
    struct jwt_token *verified = NULL;
    for (int round = 0; round < 3; round++) {
        assert_int_equal(verify_as(token, &one_issuer, NOW, &verified), DENY_NONE);
        struct principal principal;
        jwt_principal(verified, &principal);
        assert_int_equal(principal.kind, PRINCIPAL_JWT);
        assert_slice(principal.issuer_name, "main");
        assert_slice(principal.issuer, "https://idp");
        assert_slice(principal.subject, "u1");
        assert_slice(principal.client_id, "app");
        assert_int_equal(principal.scope_count, 3);
        assert_slice(principal.scopes[0], "a");
        assert_slice(principal.scopes[1], "admin");
        assert_slice(principal.scopes[2], "b");
        assert_int_equal(principal.expires, 1700000600);
        assert_false(principal.bound);
        assert_slice(principal_claim(&principal, SLICE("aud"))->text, "orders");
        unsigned char key[PRINCIPAL_KEY_SIZE], expected[PRINCIPAL_KEY_SIZE];
        assert_true(principal_caller_key(&principal, key));
        principal.caller_key = NULL;
        assert_true(principal_caller_key(&principal, expected));
        assert_memory_equal(key, expected, sizeof key);
        jwt_token_unref(verified);
    }
    assert_int_equal(jwt_cache_count(verifier), 1);
    free(token);
}

static void verifies_with_every_kind_of_key(void **state)
{
    (void)state;
    static const struct {
        const struct mint_key *key;
        enum jwt_algorithm algorithm;
        const char *header;
    } cases[] = {
        { &rsa, JWT_RS256, "{\"alg\":\"RS256\",\"kid\":\"rsa\"}" },
        { &rsa, JWT_RS512, "{\"alg\":\"RS512\",\"kid\":\"rsa\"}" },
        { &rsa, JWT_PS256, "{\"alg\":\"PS256\",\"kid\":\"rsa\"}" },
        { &p256, JWT_ES256, "{\"alg\":\"ES256\",\"kid\":\"p256\"}" },
        { &p384, JWT_ES384, "{\"alg\":\"ES384\",\"kid\":\"p384\"}" },
        { &ed, JWT_EDDSA, "{\"alg\":\"EdDSA\",\"kid\":\"ed\"}" },
        { &ed, JWT_ED25519, "{\"alg\":\"Ed25519\",\"kid\":\"ed\"}" },
        { &ed, JWT_EDDSA, "{\"alg\":\"EdDSA\"}" },
        { &p384, JWT_ES384, "{\"alg\":\"ES384\"}" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(verify_minted(cases[i].key, cases[i].algorithm, cases[i].header, GOOD), DENY_NONE);
        assert_int_equal(jwt_cache_count(verifier), i + 1);
    }
}

#define ROLES_PAYLOAD(roles) \
    "{\"iss\":\"https://idp\",\"aud\":\"orders\",\"iat\":1700000000,\"exp\":1700000600," roles "}"

static void roles_are_found_where_the_issuer_puts_them(void **state)
{
    (void)state;
    static const char payload[] = ROLES_PAYLOAD("\"realm_access\":{\"roles\":[\"user\",\"admin\",7,\"user\","
                                                "null,\"\"]},\"cognito:groups\":\"ops team\"");
    static const struct {
        const char *path;
        size_t count;
        const char *first;
    } cases[] = {
        { "realm_access.roles", 2, "admin" },    { "cognito:groups", 1, "ops team" }, { "roles", 0, NULL },
        { "[\"realm_access.roles\"]", 0, NULL }, { "realm_access", 0, NULL },         { "", 0, NULL },
    };
    char *token = mint_token(&p256, JWT_ES256, ES256_HEADER, payload);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        /* The token is cached: other settings must find other roles in it. */
        settings.roles_claim = slice_from_string(cases[i].path);
        assert_ok(jwt_issuer_set(verifier, &settings));
        for (int round = 0; round < 2; round++) {
            struct jwt_token *verified = NULL;
            struct principal principal;
            assert_int_equal(verify_as(token, &one_issuer, NOW, &verified), DENY_NONE);
            assert_int_equal(detail.cached, round == 1);
            jwt_principal(verified, &principal);
            assert_int_equal(principal.role_count, cases[i].count);
            if (cases[i].first != NULL) {
                assert_slice(principal.roles[0], cases[i].first);
                assert_true(principal_has_role(&principal, slice_from_string(cases[i].first)));
            }
            assert_false(principal_has_role(&principal, SLICE("ops")));
            assert_false(principal_has_role(&principal, SLICE("7")));
            assert_false(principal_has_role(&principal, SLICE("")));
            principal_release(&principal);
        }
    }
    free(token);
}

static void too_many_roles_are_refused(void **state)
{
    (void)state;
    settings.roles_claim = SLICE("groups");
    assert_ok(jwt_issuer_set(verifier, &settings));
    for (int extra = 0; extra < 2; extra++) {
        char payload[8192];
        size_t used = (size_t)snprintf(payload, sizeof payload, "%s",
                                       "{\"iss\":\"https://idp\",\"aud\":\"orders\",\"iat\":1700000000,"
                                       "\"exp\":1700000600,\"groups\":[\"x\"");
        for (int i = 1; i < JWT_SCOPES_MAX + extra; i++) {
            used += (size_t)snprintf(payload + used, sizeof payload - used, ",\"r%d\"", i);
        }
        snprintf(payload + used, sizeof payload - used, "]}");
        assert_int_equal(verify_minted(&p256, JWT_ES256, ES256_HEADER, payload),
                         extra == 0 ? DENY_NONE : DENY_TOKEN_CLAIM);
    }
}

static void verifies_with_the_shared_secret(void **state)
{
    (void)state;
    struct mint_key secret = mint_secret(SECRET);
    assert_int_equal(verify_minted(&secret, JWT_HS256, "{\"alg\":\"HS256\"}", GOOD), DENY_TOKEN_ALGORITHM);
    settings.algorithms = BIT(HS256) | BIT(HS512) | BIT(ES256);
    assert_int_equal(verify_minted(&secret, JWT_HS256, "{\"alg\":\"HS256\"}", GOOD), DENY_TOKEN_KEY_UNKNOWN);
    settings.secret = SLICE(SECRET);
    assert_ok(jwt_issuer_set(verifier, &settings));
    assert_int_equal(verify_minted(&secret, JWT_HS256, "{\"alg\":\"HS256\",\"kid\":\"any\"}", GOOD),
                     DENY_NONE);
    assert_int_equal(verify_minted(&secret, JWT_HS512, "{\"alg\":\"HS512\"}", GOOD), DENY_NONE);
    assert_int_equal(verify_minted(&secret, JWT_HS384, "{\"alg\":\"HS384\"}", GOOD), DENY_TOKEN_ALGORITHM);
    struct mint_key wrong = mint_secret("0123456789abcdef0123456789abcdeF");
    assert_int_equal(verify_minted(&wrong, JWT_HS256, "{\"alg\":\"HS256\"}", GOOD), DENY_TOKEN_SIGNATURE);
    assert_int_equal(jwt_cache_count(verifier), 2);
    /* another secret flushes what the old one verified */
    settings.secret = SLICE("another secret, which is long enough for HMAC with SHA-512 as well");
    assert_ok(jwt_issuer_set(verifier, &settings));
    assert_int_equal(jwt_cache_count(verifier), 0);
    assert_int_equal(verify_minted(&secret, JWT_HS256, "{\"alg\":\"HS256\"}", GOOD), DENY_TOKEN_SIGNATURE);
    settings.secret = SLICE("short");
    assert_fails(jwt_issuer_set(verifier, &settings), ERROR_VALUE);
}

/* ---- T17: algorithm confusion ---- */

static void unsigned_tokens_are_refused(void **state)
{
    (void)state;
    static const char *const names_of_none[] = { "none", "nOnE", "NONE", "None" };
    for (size_t i = 0; i < 4; i++) {
        char header[64], token[4096];
        snprintf(header, sizeof header, "{\"alg\":\"%s\",\"kid\":\"p256\"}", names_of_none[i]);
        size_t used = mint_input(slice_from_string(header), SLICE(GOOD), token);
        snprintf(token + used, sizeof token - used, ".");
        assert_int_equal(verify(token), DENY_TOKEN_ALGORITHM);
        snprintf(token + used, sizeof token - used, ".AAAA");
        assert_int_equal(verify(token), DENY_TOKEN_ALGORITHM);
    }
    char token[4096];
    size_t used = mint_input(SLICE(ES256_HEADER), SLICE(GOOD), token);
    assert_int_equal(verify(token), DENY_TOKEN_MALFORMED);
    snprintf(token + used, sizeof token - used, ".");
    assert_int_equal(verify(token), DENY_TOKEN_SIGNATURE);
    used = mint_input(SLICE("{\"alg\":\"ES384\",\"kid\":\"p384\"}"), SLICE(GOOD), token);
    snprintf(token + used, sizeof token - used, ".");
    assert_int_equal(verify(token), DENY_TOKEN_SIGNATURE);
}

static void a_public_key_is_no_secret(void **state)
{
    (void)state;
    settings.algorithms |= BIT(HS256);
    settings.secret = SLICE(SECRET);
    assert_ok(jwt_issuer_set(verifier, &settings));
    unsigned char *der = NULL;
    int size = i2d_PUBKEY(rsa.pkey, &der);
    struct mint_key forged[] = {
        { .secret = slice_of((const char *)der, (size_t)size) },
        { .secret = slice_from_string(mint_jwk(&rsa, "\"kid\":\"rsa\"")) },
        { .secret = slice_from_string(all_keys()) },
    };
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(verify_minted(&forged[i], JWT_HS256, "{\"alg\":\"HS256\",\"kid\":\"rsa\"}", GOOD),
                         DENY_TOKEN_SIGNATURE);
    }
    OPENSSL_free(der);
}

static void an_algorithm_must_fit_the_key(void **state)
{
    (void)state;
    assert_int_equal(verify_minted(&p256, JWT_ES256, "{\"alg\":\"ES256\",\"kid\":\"rsa\"}", GOOD),
                     DENY_TOKEN_ALGORITHM);
    assert_int_equal(verify_minted(&rsa, JWT_RS256, "{\"alg\":\"ES256\",\"kid\":\"p256\"}", GOOD),
                     DENY_TOKEN_SIGNATURE);
    assert_int_equal(verify_minted(&rsa, JWT_RS384, "{\"alg\":\"RS384\",\"kid\":\"rsa\"}", GOOD),
                     DENY_TOKEN_ALGORITHM);
    assert_int_equal(verify_minted(&rsa, JWT_PS256, "{\"alg\":\"RS256\",\"kid\":\"rsa\"}", GOOD),
                     DENY_TOKEN_SIGNATURE);
    /* a key that says what it is for is for nothing else */
    snprintf(jwks, sizeof jwks, "{\"keys\":[%s]}", mint_jwk(&rsa, "\"kid\":\"rsa\",\"alg\":\"PS256\""));
    set_keys("main", jwks);
    assert_int_equal(verify_minted(&rsa, JWT_RS256, "{\"alg\":\"RS256\",\"kid\":\"rsa\"}", GOOD),
                     DENY_TOKEN_ALGORITHM);
    assert_int_equal(verify_minted(&rsa, JWT_PS256, "{\"alg\":\"PS256\",\"kid\":\"rsa\"}", GOOD), DENY_NONE);
}

static void critical_extensions_are_refused(void **state)
{
    (void)state;
    assert_int_equal(verify_minted(&p256, JWT_ES256,
                                   "{\"alg\":\"ES256\",\"kid\":\"p256\",\"crit\":[\"x\"],\"x\":1}", GOOD),
                     DENY_TOKEN_CRITICAL);
    assert_int_equal(verify_minted(&p256, JWT_ES256,
                                   "{\"alg\":\"ES256\",\"kid\":\"p256\",\"b64\":false,\"crit\":[\"b64\"]}",
                                   GOOD),
                     DENY_TOKEN_CRITICAL);
}

/* ---- T18: keys come from the configuration alone ---- */

static void keys_in_the_header_count_for_nothing(void **state)
{
    (void)state;
    char header[8192];
    snprintf(header, sizeof header, "{\"alg\":\"ES256\",\"jwk\":%s}", mint_jwk(&stranger, ""));
    assert_int_equal(verify_minted(&stranger, JWT_ES256, header, GOOD), DENY_TOKEN_SIGNATURE);
    snprintf(header, sizeof header, "{\"alg\":\"ES256\",\"kid\":\"p256\",\"jwk\":%s}",
             mint_jwk(&stranger, ""));
    assert_int_equal(verify_minted(&stranger, JWT_ES256, header, GOOD), DENY_TOKEN_SIGNATURE);
    /* the honest twin: they are ignored, not refused */
    assert_int_equal(verify_minted(&p256, JWT_ES256, header, GOOD), DENY_NONE);
    static const char more[] =
        "{\"alg\":\"ES256\",\"kid\":\"p256\",\"jku\":\"https://evil/keys\",\"x5u\":\"https://evil/"
        "cert\",\"x5c\":[\"AAAA\"],\"x5t\":\"AAAA\"}";
    assert_int_equal(verify_minted(&stranger, JWT_ES256, more, GOOD), DENY_TOKEN_SIGNATURE);
    assert_int_equal(verify_minted(&p256, JWT_ES256, more, GOOD), DENY_NONE);
}

static void a_strange_kid_is_only_unknown(void **state)
{
    (void)state;
    static const char *const kids[] = { "../../etc/passwd", "' OR 1=1 --", "", "p256 ", "P256", "\\u0000" };
    for (size_t i = 0; i < sizeof kids / sizeof *kids; i++) {
        char header[128];
        snprintf(header, sizeof header, "{\"alg\":\"ES256\",\"kid\":\"%s\"}", kids[i]);
        assert_int_equal(verify_minted(&p256, JWT_ES256, header, GOOD), DENY_TOKEN_KEY_UNKNOWN);
        assert_true(detail.unknown_kid);
        assert_slice(detail.issuer_name, "main");
    }
    assert_int_equal(verify_minted(&stranger, JWT_ES256, ES256_HEADER, GOOD), DENY_TOKEN_SIGNATURE);
    assert_false(detail.unknown_kid);
}

/* ---- issuers ---- */

static void the_issuer_is_exact_and_of_the_route(void **state)
{
    (void)state;
    static const char *const wrong[] = { "{\"iss\":\"https://idp/\",\"aud\":\"orders\"," TIMES "}",
                                         "{\"iss\":\"https://IDP\",\"aud\":\"orders\"," TIMES "}",
                                         "{\"iss\":\"\",\"aud\":\"orders\"," TIMES "}",
                                         "{\"iss\":[\"https://idp\"],\"aud\":\"orders\"," TIMES "}",
                                         "{\"aud\":\"orders\"," TIMES "}" };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_equal(verify_minted(&p256, JWT_ES256, ES256_HEADER, wrong[i]), DENY_TOKEN_ISSUER);
        assert_int_equal(detail.issuer_name.len, 0);
    }
    struct slice nobody[] = { SLICE_INIT("nobody") };
    struct conf_strings none = { nobody, 1 }, empty = { NULL, 0 };
    char *token = good_token();
    assert_int_equal(verify_as(token, &none, NOW, NULL), DENY_TOKEN_ISSUER);
    assert_int_equal(verify_as(token, &empty, NOW, NULL), DENY_TOKEN_ISSUER);
    assert_int_equal(verify(token), DENY_NONE);
    assert_int_equal(verify_as(token, &none, NOW, NULL), DENY_TOKEN_ISSUER);
    free(token);
}

/* One key for two issuers (a tenant's token must not count for another: RFC 8725 section 3.8). */
static void a_key_counts_for_its_own_issuer_only(void **state)
{
    (void)state;
    struct issuer_settings other = issuer("other", "https://other", orders);
    assert_ok(jwt_issuer_set(verifier, &other));
    snprintf(jwks, sizeof jwks, "{\"keys\":[%s]}", mint_jwk(&stranger, "\"kid\":\"s\""));
    set_keys("other", jwks);
    char *token = mint_token(&stranger, JWT_ES256, "{\"alg\":\"ES256\",\"kid\":\"s\"}", GOOD);
    assert_int_equal(verify_as(token, &two_issuers, NOW, NULL), DENY_TOKEN_KEY_UNKNOWN);
    free(token);
    token = mint_token(&stranger, JWT_ES256, "{\"alg\":\"ES256\",\"kid\":\"s\"}",
                       "{\"iss\":\"https://other\",\"aud\":\"orders\"," TIMES "}");
    assert_int_equal(verify_as(token, &two_issuers, NOW, NULL), DENY_NONE);
    assert_int_equal(verify(token), DENY_TOKEN_ISSUER);
    free(token);
}

/* One iss under several names: whichever takes the token is its issuer. */
static void one_iss_may_have_several_names(void **state)
{
    (void)state;
    struct issuer_settings other = issuer("other", "https://idp", stock);
    assert_ok(jwt_issuer_set(verifier, &other));
    char *token =
        mint_token(&p256, JWT_ES256, ES256_HEADER, "{\"iss\":\"https://idp\",\"aud\":\"stock\"," TIMES "}");
    /* before its keys are there, it might still take the token: no 401 */
    assert_int_equal(verify_as(token, &two_issuers, NOW, NULL), DENY_ISSUER_UNAVAILABLE);
    assert_slice(detail.issuer_name, "other");
    set_keys("other", all_keys());
    struct jwt_token *verified = NULL;
    for (int round = 0; round < 2; round++) {
        assert_int_equal(verify_as(token, &two_issuers, NOW, &verified), DENY_NONE);
        struct principal principal;
        jwt_principal(verified, &principal);
        assert_slice(principal.issuer_name, "other");
        jwt_token_unref(verified);
    }
    assert_int_equal(verify(token), DENY_TOKEN_AUDIENCE);
    free(token);
    token =
        mint_token(&p256, JWT_ES256, ES256_HEADER, "{\"iss\":\"https://idp\",\"aud\":\"third\"," TIMES "}");
    assert_int_equal(verify_as(token, &two_issuers, NOW, NULL), DENY_TOKEN_AUDIENCE);
    free(token);
    /* a cached refusal by the first does not hide the second */
    token = mint_token(&p256, JWT_ES256, ES256_HEADER,
                       "{\"iss\":\"https://idp\",\"aud\":[\"orders\",\"stock\"]," TIMES "}");
    assert_int_equal(verify(token), DENY_NONE);
    settings.required_claims = (struct conf_strings){ orders, 1 };
    assert_ok(jwt_issuer_set(verifier, &settings));
    assert_int_equal(verify(token), DENY_TOKEN_CLAIM);
    assert_int_equal(verify_as(token, &two_issuers, NOW, NULL), DENY_NONE);
    free(token);
}

static void without_keys_the_issuer_is_unavailable(void **state)
{
    (void)state;
    struct issuer_settings other = issuer("other", "https://other", orders);
    assert_ok(jwt_issuer_set(verifier, &other));
    struct slice other_name[] = { SLICE_INIT("other") };
    struct conf_strings only_other = { other_name, 1 };
    char *token = mint_token(&p256, JWT_ES256, ES256_HEADER,
                             "{\"iss\":\"https://other\",\"aud\":\"orders\"," TIMES "}");
    assert_int_equal(verify_as(token, &only_other, NOW, NULL), DENY_ISSUER_UNAVAILABLE);
    assert_false(detail.unknown_kid);
    set_keys("other", all_keys());
    assert_int_equal(verify_as(token, &only_other, NOW, NULL), DENY_NONE);
    jwt_issuer_drop_keys(verifier, SLICE("other"));
    assert_int_equal(jwt_cache_count(verifier), 0);
    assert_int_equal(verify_as(token, &only_other, NOW, NULL), DENY_ISSUER_UNAVAILABLE);
    jwt_issuer_drop_keys(verifier, SLICE("no such issuer"));
    free(token);
}

/* ---- malformed ---- */

static void malformed_tokens_are_refused(void **state)
{
    (void)state;
    static const char *const texts[] = { "", ".", "..", "a.b.c", "opaque", "eyJhbGciOiJFUzI1NiJ9.e30.AA=" };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        assert_int_equal(verify(texts[i]), DENY_TOKEN_MALFORMED);
    }
    assert_int_equal(verify_minted(&p256, JWT_ES256, ES256_HEADER, "[]"), DENY_TOKEN_MALFORMED);
    assert_int_equal(verify_minted(&p256, JWT_ES256, ES256_HEADER, "\"text\""), DENY_TOKEN_MALFORMED);
    assert_int_equal(verify_minted(&p256, JWT_ES256, ES256_HEADER, ""), DENY_TOKEN_MALFORMED);
    assert_int_equal(verify_minted(&p256, JWT_ES256, ES256_HEADER, GOOD "x"), DENY_TOKEN_MALFORMED);
    assert_int_equal(verify_minted(&p256, JWT_ES256, ES256_HEADER,
                                   "{" CLAIMS ",\"aud\":\"orders\"," TIMES ",\"sub\":\"admin\"}"),
                     DENY_TOKEN_MALFORMED);
    assert_int_equal(
        verify_minted(&p256, JWT_ES256, "{\"alg\":\"ES256\",\"kid\":\"p256\",\"kid\":\"rsa\"}", GOOD),
        DENY_TOKEN_MALFORMED);
    assert_int_equal(jwt_cache_count(verifier), 0);
}

/* T29: a denial names a reason and an issuer of the configuration, nothing that came with the token. */
static void denials_hold_nothing_of_the_token(void **state)
{
    (void)state;
    static const char *const headers[] = { ES256_HEADER, "{\"alg\":\"sesame\"}",
                                           "{\"alg\":\"ES256\",\"kid\":\"sesame\"}",
                                           "{\"alg\":\"ES256\",\"crit\":[\"sesame\"]}" };
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
        assert_int_not_equal(verify_minted(&stranger, JWT_ES256, headers[i], GOOD), DENY_NONE);
        assert_true(detail.issuer_name.len == 0 || detail.issuer_name.ptr == names[0].ptr);
    }
}

static void a_changed_byte_anywhere_is_refused(void **state)
{
    (void)state;
    char *token = good_token();
    assert_int_equal(verify(token), DENY_NONE);
    size_t len = strlen(token);
    for (size_t i = 0; i < len; i++) {
        char kept = token[i];
        token[i] = kept == 'A' ? 'B' : 'A';
        assert_int_not_equal(verify(token), DENY_NONE);
        token[i] = kept;
    }
    assert_int_equal(verify(token), DENY_NONE);
    assert_int_equal(jwt_cache_count(verifier), 1);
    free(token);
}

static void long_tokens_are_refused_unread(void **state)
{
    (void)state;
    char *text = malloc(JWT_TEXT_MAX + 2);
    memset(text, 'a', JWT_TEXT_MAX + 1);
    text[JWT_TEXT_MAX + 1] = '\0';
    assert_int_equal(verify(text), DENY_TOKEN_TOO_LARGE);
    text[JWT_TEXT_MAX] = '\0';
    assert_int_equal(verify(text), DENY_TOKEN_MALFORMED);
    free(text);
}

/* ---- T36, T37 ---- */

static void bound_tokens_need_their_proof_each_time(void **state)
{
    (void)state;
    static const unsigned char proof[32] = { 1 }, other[32] = { 2 };
    char payload[1024], text[64];
    text[base64url_encode(proof, 32, text)] = '\0';
    snprintf(payload, sizeof payload,
             "{" CLAIMS ",\"aud\":\"orders\"," TIMES ",\"cnf\":{\"x5t#S256\":\"%s\"}}", text);
    char *token = mint_token(&p256, JWT_ES256, ES256_HEADER, payload);
    struct jwt_request request = { .token = slice_from_string(token), .issuers = &one_issuer, .now = NOW };
    struct jwt_token *verified = NULL;
    struct jwt_job *job = NULL;
    for (int round = 0; round < 2; round++) {
        request.client_thumbprint = NULL;
        assert_int_equal(jwt_verify(verifier, &request, &verified, &detail, &job), JWT_DENIED);
        assert_int_equal(detail.reason, DENY_TOKEN_BOUND);
        request.client_thumbprint = other;
        assert_int_equal(jwt_verify(verifier, &request, &verified, &detail, &job), JWT_DENIED);
        assert_int_equal(detail.reason, DENY_TOKEN_BOUND);
        /* the honest twin, which gets into the cache */
        request.client_thumbprint = proof;
        assert_int_equal(jwt_verify(verifier, &request, &verified, &detail, &job), JWT_VALID);
        struct principal principal;
        jwt_principal(verified, &principal);
        assert_true(principal.bound);
        jwt_token_unref(verified);
    }
    assert_int_equal(verify_minted(&p256, JWT_ES256, ES256_HEADER,
                                   "{" CLAIMS ",\"aud\":\"orders\"," TIMES ",\"cnf\":{\"jkt\":\"x\"}}"),
                     DENY_TOKEN_BOUND);
    free(token);
}

static void other_kinds_of_tokens_are_refused(void **state)
{
    (void)state;
    static const char *const payloads[] = {
        "{" CLAIMS ",\"aud\":\"orders\"," TIMES ",\"nonce\":\"n\"}",
        "{" CLAIMS ",\"aud\":\"orders\"," TIMES ",\"at_hash\":\"h\"}",
        "{" CLAIMS ",\"aud\":\"orders\"," TIMES ",\"token_use\":\"id\"}",
        "{" CLAIMS ",\"aud\":\"orders\"," TIMES ",\"typ\":\"Refresh\"}",
        "{" CLAIMS ",\"aud\":\"orders\"," TIMES ",\"typ\":\"ID\"}",
        "{" CLAIMS ",\"aud\":\"orders\"," TIMES
        ",\"events\":{\"http://schemas.openid.net/event/backchannel-logout\":{}}}",
    };
    for (size_t i = 0; i < sizeof payloads / sizeof *payloads; i++) {
        assert_int_equal(verify_minted(&p256, JWT_ES256,
                                       "{\"alg\":\"ES256\",\"kid\":\"p256\",\"typ\":\"JWT\"}", payloads[i]),
                         DENY_TOKEN_KIND);
    }
    assert_int_equal(
        verify_minted(&p256, JWT_ES256, "{\"alg\":\"ES256\",\"kid\":\"p256\",\"typ\":\"logout+jwt\"}", GOOD),
        DENY_TOKEN_KIND);
    assert_int_equal(
        verify_minted(&p256, JWT_ES256, "{\"alg\":\"ES256\",\"kid\":\"p256\",\"typ\":\"JWT\"}", GOOD),
        DENY_NONE);
    assert_int_equal(verify_minted(&p256, JWT_ES256, "{\"alg\":\"ES256\",\"kid\":\"p256\"}",
                                   "{" CLAIMS ",\"aud\":\"orders\",\"email\":\"a@b\"}"),
                     DENY_TOKEN_LIFETIME);
    /* forged, so nobody says what kind it is */
    assert_int_equal(verify_minted(&stranger, JWT_ES256, ES256_HEADER, payloads[0]), DENY_TOKEN_SIGNATURE);
}

/* A token without kid is tried with the keys that fit, and with no more than a few. */
static void a_token_without_kid_costs_a_few_verifications(void **state)
{
    (void)state;
    struct mint_key others[JWT_KEYS_TRIED_MAX];
    size_t used = (size_t)snprintf(jwks, sizeof jwks, "{\"keys\":[");
    for (size_t i = 0; i < JWT_KEYS_TRIED_MAX; i++) {
        others[i] = mint_ec("P-256");
        used += (size_t)snprintf(jwks + used, sizeof jwks - used, "%s,", mint_jwk(&others[i], ""));
    }
    snprintf(jwks + used, sizeof jwks - used, "%s]}", mint_jwk(&p256, ""));
    set_keys("main", jwks);
    assert_int_equal(verify_minted(&others[JWT_KEYS_TRIED_MAX - 1], JWT_ES256, "{\"alg\":\"ES256\"}", GOOD),
                     DENY_NONE);
    assert_int_equal(verify_minted(&p256, JWT_ES256, "{\"alg\":\"ES256\"}", GOOD), DENY_TOKEN_SIGNATURE);
    for (size_t i = 0; i < JWT_KEYS_TRIED_MAX; i++) {
        mint_done(&others[i]);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, start, finish)
    const struct CMUnitTest tests[] = {
        TEST(verifies_and_says_who),
        TEST(verifies_with_every_kind_of_key),
        TEST(roles_are_found_where_the_issuer_puts_them),
        TEST(too_many_roles_are_refused),
        TEST(verifies_with_the_shared_secret),
        TEST(unsigned_tokens_are_refused),
        TEST(a_public_key_is_no_secret),
        TEST(an_algorithm_must_fit_the_key),
        TEST(critical_extensions_are_refused),
        TEST(keys_in_the_header_count_for_nothing),
        TEST(a_strange_kid_is_only_unknown),
        TEST(the_issuer_is_exact_and_of_the_route),
        TEST(a_key_counts_for_its_own_issuer_only),
        TEST(one_iss_may_have_several_names),
        TEST(without_keys_the_issuer_is_unavailable),
        TEST(malformed_tokens_are_refused),
        TEST(denials_hold_nothing_of_the_token),
        TEST(a_changed_byte_anywhere_is_refused),
        TEST(long_tokens_are_refused_unread),
        TEST(bound_tokens_need_their_proof_each_time),
        TEST(other_kinds_of_tokens_are_refused),
        TEST(a_token_without_kid_costs_a_few_verifications),
    };
    return cmocka_run_group_tests(tests, make_keys, drop_keys);
}
