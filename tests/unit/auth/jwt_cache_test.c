#include "auth/jwt_fixture.h"

/* A large token is verified, and not kept: a few of them would fill the memory. */
static void large_tokens_are_not_cached(void **state)
{
    (void)state;
    char payload[9000] = "{" CLAIMS ",\"aud\":\"orders\"," TIMES ",\"many\":[1";
    size_t used = strlen(payload);
    for (int i = 0; i < 1000; i++) {
        memcpy(payload + used, ",1", 2);
        used += 2;
    }
    memcpy(payload + used, "]}", 3);
    assert_int_equal(verify_minted(&p256, JWT_ES256, ES256_HEADER, payload), DENY_NONE);
    assert_int_equal(jwt_cache_count(verifier), 0);
}

/* ---- the cache ---- */

static void a_cached_token_is_checked_again(void **state)
{
    (void)state;
    char *token = good_token();
    assert_int_equal(verify(token), DENY_NONE);
    assert_int_equal(verify_as(token, &one_issuer, NOW - 31, NULL), DENY_TOKEN_NOT_YET);
    assert_int_equal(verify_as(token, &one_issuer, NOW + 629, NULL), DENY_NONE);
    assert_int_equal(jwt_cache_count(verifier), 1);
    assert_int_equal(verify_as(token, &one_issuer, NOW + 630, NULL), DENY_TOKEN_EXPIRED);
    assert_slice(detail.issuer_name, "main");
    assert_int_equal(jwt_cache_count(verifier), 0);
    free(token);
}

static void new_settings_hold_for_cached_tokens(void **state)
{
    (void)state;
    char *token = good_token();
    struct issuer_settings changed = settings;
    changed.audiences.items = stock;
    assert_int_equal(verify(token), DENY_NONE);
    assert_ok(jwt_issuer_set(verifier, &changed));
    assert_int_equal(verify(token), DENY_TOKEN_AUDIENCE);
    changed = settings;
    changed.algorithms = BIT(RS256);
    assert_ok(jwt_issuer_set(verifier, &changed));
    assert_int_equal(verify(token), DENY_TOKEN_ALGORITHM);
    changed = settings;
    changed.token_types = 1 << JWT_TYP_JWT;
    assert_ok(jwt_issuer_set(verifier, &changed));
    assert_int_equal(verify(token), DENY_TOKEN_KIND);
    changed = settings;
    changed.max_token_lifetime = 599 * NS_PER_S;
    assert_ok(jwt_issuer_set(verifier, &changed));
    assert_int_equal(verify(token), DENY_TOKEN_LIFETIME);
    assert_ok(jwt_issuer_set(verifier, &settings));
    assert_int_equal(jwt_cache_count(verifier), 1);
    assert_int_equal(verify(token), DENY_NONE);
    free(token);
}

/* T21: a token that one route's issuer took is nothing to another's. */
static void the_cache_is_kept_by_issuer(void **state)
{
    (void)state;
    struct issuer_settings other = issuer("other", "https://idp", stock);
    assert_ok(jwt_issuer_set(verifier, &other));
    set_keys("other", all_keys());
    struct slice other_name[] = { SLICE_INIT("other") };
    struct conf_strings only_other = { other_name, 1 };
    char *token = good_token();
    assert_int_equal(verify(token), DENY_NONE);
    assert_int_equal(verify_as(token, &only_other, NOW, NULL), DENY_TOKEN_AUDIENCE);
    assert_int_equal(verify(token), DENY_NONE);
    free(token);
}

static void an_unchanged_key_set_flushes_nothing(void **state)
{
    (void)state;
    char *token = good_token();
    assert_int_equal(verify(token), DENY_NONE);
    set_keys("main", all_keys());
    assert_int_equal(jwt_cache_count(verifier), 1);
    /* one more key, another order: the token's key is still there */
    size_t used =
        (size_t)snprintf(jwks, sizeof jwks, "{\"keys\":[%s,", mint_jwk(&p256_new, "\"kid\":\"new\""));
    snprintf(jwks + used, sizeof jwks - used, "%s]}", mint_jwk(&p256, "\"kid\":\"p256\""));
    set_keys("main", jwks);
    assert_int_equal(jwt_cache_count(verifier), 1);
    assert_int_equal(verify(token), DENY_NONE);
    free(token);
}

static void a_removed_key_takes_its_tokens_along(void **state)
{
    (void)state;
    char *token = good_token();
    char *other = mint_token(&rsa, JWT_RS256, "{\"alg\":\"RS256\",\"kid\":\"rsa\"}", GOOD);
    assert_int_equal(verify(token), DENY_NONE);
    assert_int_equal(verify(other), DENY_NONE);
    snprintf(jwks, sizeof jwks, "{\"keys\":[%s]}", mint_jwk(&rsa, "\"kid\":\"rsa\""));
    set_keys("main", jwks);
    assert_int_equal(jwt_cache_count(verifier), 1);
    assert_int_equal(verify(token), DENY_TOKEN_KEY_UNKNOWN);
    assert_int_equal(verify(other), DENY_NONE);
    free(token);
    free(other);
}

/* The same kid, another key; the same key, another alg: what would not verify now is not taken from the cache. */
static void a_replaced_key_takes_its_tokens_along(void **state)
{
    (void)state;
    char *token = good_token();
    assert_int_equal(verify(token), DENY_NONE);
    snprintf(jwks, sizeof jwks, "{\"keys\":[%s]}", mint_jwk(&p256_new, "\"kid\":\"p256\""));
    set_keys("main", jwks);
    assert_int_equal(jwt_cache_count(verifier), 0);
    assert_int_equal(verify(token), DENY_TOKEN_SIGNATURE);
    free(token);
    snprintf(jwks, sizeof jwks, "{\"keys\":[%s]}", mint_jwk(&rsa, "\"kid\":\"rsa\""));
    set_keys("main", jwks);
    token = mint_token(&rsa, JWT_RS256, "{\"alg\":\"RS256\",\"kid\":\"rsa\"}", GOOD);
    assert_int_equal(verify(token), DENY_NONE);
    snprintf(jwks, sizeof jwks, "{\"keys\":[%s]}", mint_jwk(&rsa, "\"kid\":\"rsa\",\"alg\":\"PS256\""));
    set_keys("main", jwks);
    assert_int_equal(jwt_cache_count(verifier), 0);
    assert_int_equal(verify(token), DENY_TOKEN_ALGORITHM);
    free(token);
}

static void a_broken_key_set_changes_nothing(void **state)
{
    (void)state;
    char *token = good_token();
    assert_int_equal(verify(token), DENY_NONE);
    size_t used = 99;
    assert_true(failed(jwt_issuer_set_keys(verifier, SLICE("main"), SLICE("{\"keys\":[}"), &used)));
    assert_true(failed(jwt_issuer_set_keys(verifier, SLICE("nobody"), SLICE("{\"keys\":[]}"), &used)));
    assert_int_equal(used, 99);
    assert_int_equal(jwt_cache_count(verifier), 1);
    assert_int_equal(verify(token), DENY_NONE);
    free(token);
}

/* ---- reload ---- */

static void sweeping_drops_issuers_that_are_gone(void **state)
{
    (void)state;
    struct issuer_settings other = issuer("other", "https://idp", orders);
    assert_ok(jwt_issuer_set(verifier, &other));
    set_keys("other", all_keys());
    jwt_verifier_sweep(verifier);
    char *token = good_token();
    struct slice other_name[] = { SLICE_INIT("other") };
    struct conf_strings only_other = { other_name, 1 };
    struct jwt_token *held = NULL;
    assert_int_equal(verify_as(token, &only_other, NOW, &held), DENY_NONE);
    assert_int_equal(verify(token), DENY_NONE);
    assert_ok(jwt_issuer_set(verifier, &settings));
    jwt_verifier_sweep(verifier);
    assert_int_equal(jwt_cache_count(verifier), 1);
    assert_int_equal(verify_as(token, &only_other, NOW, NULL), DENY_TOKEN_ISSUER);
    assert_int_equal(verify(token), DENY_NONE);
    /* what a request holds stays good for it */
    struct principal principal;
    jwt_principal(held, &principal);
    assert_slice(principal.issuer_name, "other");
    assert_slice(principal.subject, "u1");
    jwt_token_unref(held);
    /* an issuer of the same name later is another one */
    assert_ok(jwt_issuer_set(verifier, &other));
    assert_int_equal(verify_as(token, &only_other, NOW, NULL), DENY_ISSUER_UNAVAILABLE);
    free(token);
}

static void keys_of_another_source_are_forgotten(void **state)
{
    (void)state;
    char *token = good_token();
    assert_int_equal(verify(token), DENY_NONE);
    struct issuer_settings changed = settings;
    assert_ok(jwt_issuer_set(verifier, &changed));
    assert_int_equal(verify(token), DENY_NONE);
    changed.jwks_url = SLICE("https://idp/other-keys");
    assert_ok(jwt_issuer_set(verifier, &changed));
    assert_int_equal(jwt_cache_count(verifier), 0);
    assert_int_equal(verify(token), DENY_ISSUER_UNAVAILABLE);
    changed.jwks_url = SLICE("");
    changed.jwks_text = slice_from_string(all_keys());
    assert_ok(jwt_issuer_set(verifier, &changed));
    assert_int_equal(verify(token), DENY_NONE);
    /* from a file no keys will come by themselves */
    snprintf(jwks, sizeof jwks, "{\"keys\":[%s]}", mint_jwk(&rsa, "\"kid\":\"rsa\""));
    changed.jwks_text = slice_from_string(jwks);
    assert_ok(jwt_issuer_set(verifier, &changed));
    assert_int_equal(verify(token), DENY_TOKEN_KEY_UNKNOWN);
    changed.jwks_text = SLICE("{}");
    assert_fails(jwt_issuer_set(verifier, &changed), ERROR_VALUE);
    free(token);
}

/* The old settings may be gone as soon as the new ones are set. */
static void settings_are_not_read_after_their_time(void **state)
{
    (void)state;
    for (int round = 0; round < 3; round++) {
        struct issuer_settings *next = malloc(sizeof *next);
        char *iss = strdup("https://idp"), *name = strdup("main"), *url = strdup("https://idp/keys");
        *next = issuer(name, iss, orders);
        next->jwks_url = slice_from_string(url);
        assert_ok(jwt_issuer_set(verifier, next));
        char *token = good_token();
        assert_int_equal(verify(token), DENY_NONE);
        free(token);
        assert_ok(jwt_issuer_set(verifier, &settings));
        free(iss);
        free(name);
        free(url);
        free(next);
    }
    char *token = good_token();
    assert_int_equal(verify(token), DENY_NONE);
    assert_int_equal(jwt_cache_count(verifier), 1 + 3 * 1);
    free(token);
}

static void an_issuer_without_audience_is_refused(void **state)
{
    (void)state;
    struct issuer_settings open = settings;
    open.audiences.count = 0;
    assert_fails(jwt_issuer_set(verifier, &open), ERROR_VALUE);
    open = settings;
    open.issuer = SLICE("");
    assert_fails(jwt_issuer_set(verifier, &open), ERROR_VALUE);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, start, finish)
    const struct CMUnitTest tests[] = {
        TEST(large_tokens_are_not_cached),
        TEST(a_cached_token_is_checked_again),
        TEST(new_settings_hold_for_cached_tokens),
        TEST(the_cache_is_kept_by_issuer),
        TEST(an_unchanged_key_set_flushes_nothing),
        TEST(a_removed_key_takes_its_tokens_along),
        TEST(a_replaced_key_takes_its_tokens_along),
        TEST(a_broken_key_set_changes_nothing),
        TEST(sweeping_drops_issuers_that_are_gone),
        TEST(keys_of_another_source_are_forgotten),
        TEST(settings_are_not_read_after_their_time),
        TEST(an_issuer_without_audience_is_refused),
    };
    return cmocka_run_group_tests(tests, make_keys, drop_keys);
}
