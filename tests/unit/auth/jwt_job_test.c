#include "auth/jwt_fixture.h"

static struct conf_strings two_issuers = { names, 2 };

/* ---- jobs ---- */

#define ES384_HEADER "{\"alg\":\"ES384\",\"kid\":\"p384\"}"

static struct jwt_job *begin_job(const char *token, const struct conf_strings *issuers)
{
    char *copy = strdup(token);
    struct jwt_request request = { .token = slice_from_string(copy), .issuers = issuers, .now = NOW };
    struct jwt_token *verified = NULL;
    struct jwt_job *job = NULL;
    assert_int_equal(jwt_verify(verifier, &request, &verified, &detail, &job), JWT_SLOW);
    /* The job keeps what it needs: the request may go. */
    memset(copy, 'x', strlen(copy));
    free(copy);
    return job;
}

static void slow_signatures_are_verified_elsewhere(void **state)
{
    (void)state;
    char *token = mint_token(&p384, JWT_ES384, ES384_HEADER, GOOD);
    struct jwt_job *job = begin_job(token, &one_issuer), *second = begin_job(token, &one_issuer);
    struct jwt_token *verified = NULL;
    jwt_job_run(job);
    jwt_job_run(second);
    assert_int_equal(jwt_finish(verifier, job, &verified, &detail), JWT_VALID);
    jwt_token_unref(verified);
    assert_int_equal(jwt_finish(verifier, second, &verified, &detail), JWT_VALID);
    jwt_token_unref(verified);
    assert_int_equal(jwt_cache_count(verifier), 1);
    /* and from then on from the cache, at once */
    struct jwt_request request = { .token = slice_from_string(token), .issuers = &one_issuer, .now = NOW };
    assert_int_equal(jwt_verify(verifier, &request, &verified, &detail, &job), JWT_VALID);
    jwt_token_unref(verified);
    free(token);
}

static enum deny_reason refuse_and_count(void *context)
{
    ++*(int *)context;
    return DENY_VERIFICATION_RATE;
}

static void a_gate_stands_before_signatures_and_not_before_known_tokens(void **state)
{
    (void)state;
    int asked = 0;
    char *token = good_token();
    struct jwt_token *verified = NULL;
    struct jwt_job *job = NULL;
    struct jwt_request request = { .token = slice_from_string(token), .issuers = &one_issuer, .now = NOW };
    request.gate = (struct verification_gate){ refuse_and_count, &asked };
    assert_int_equal(jwt_verify(verifier, &request, &verified, &detail, &job), JWT_DENIED);
    assert_int_equal(detail.reason, DENY_VERIFICATION_RATE);
    assert_int_equal(asked, 1);
    request.gate = (struct verification_gate){ NULL, NULL };
    assert_int_equal(jwt_verify(verifier, &request, &verified, &detail, &job), JWT_VALID);
    jwt_token_unref(verified);
    request.gate = (struct verification_gate){ refuse_and_count, &asked };
    assert_int_equal(jwt_verify(verifier, &request, &verified, &detail, &job), JWT_VALID);
    assert_int_equal(asked, 1);
    jwt_token_unref(verified);
    free(token);
}

static void a_job_that_did_not_run_proves_nothing(void **state)
{
    (void)state;
    char *token = mint_token(&p384, JWT_ES384, ES384_HEADER, GOOD);
    struct jwt_token *verified = NULL;
    assert_int_equal(jwt_finish(verifier, begin_job(token, &one_issuer), &verified, &detail), JWT_DENIED);
    assert_int_equal(detail.reason, DENY_TOKEN_SIGNATURE);
    char *changed = token + strlen(token) - 4;
    *changed = *changed == 'A' ? 'B' : 'A';
    assert_int_equal(verify(token), DENY_TOKEN_SIGNATURE);
    assert_null(verified);
    free(token);
}

static void keys_and_issuers_may_go_while_a_job_runs(void **state)
{
    (void)state;
    char *token = mint_token(&p384, JWT_ES384, ES384_HEADER, GOOD);
    struct jwt_token *verified = NULL;
    struct jwt_job *job = begin_job(token, &one_issuer);
    snprintf(jwks, sizeof jwks, "{\"keys\":[%s]}", mint_jwk(&rsa, "\"kid\":\"rsa\""));
    set_keys("main", jwks);
    jwt_job_run(job);
    assert_int_equal(jwt_finish(verifier, job, &verified, &detail), JWT_DENIED);
    assert_int_equal(detail.reason, DENY_TOKEN_KEY_UNKNOWN);
    set_keys("main", all_keys());
    job = begin_job(token, &one_issuer);
    jwt_job_run(job);
    jwt_verifier_sweep(verifier);
    jwt_verifier_sweep(verifier);
    assert_int_equal(jwt_finish(verifier, job, &verified, &detail), JWT_DENIED);
    assert_int_equal(detail.reason, DENY_TOKEN_ISSUER);
    free(token);
}

static void *run_job(void *job)
{
    jwt_job_run(job);
    return NULL;
}

/* The pool and the worker share nothing but a counted key: the worker goes on, and may even drop the key. */
static void a_job_runs_beside_the_verifier(void **state)
{
    (void)state;
    char *slow = mint_token(&p384, JWT_ES384, ES384_HEADER, GOOD), *quick = good_token();
    struct jwt_job *jobs[4];
    pthread_t threads[4];
    for (size_t i = 0; i < 4; i++) {
        jobs[i] = begin_job(slow, &one_issuer);
        assert_int_equal(pthread_create(&threads[i], NULL, run_job, jobs[i]), 0);
        assert_int_equal(verify(quick), DENY_NONE);
    }
    jwt_issuer_drop_keys(verifier, SLICE("main"));
    set_keys("main", all_keys());
    for (size_t i = 0; i < 4; i++) {
        struct jwt_token *verified = NULL;
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(jwt_finish(verifier, jobs[i], &verified, &detail), JWT_VALID);
        jwt_token_unref(verified);
    }
    free(slow);
    free(quick);
}

static void a_job_checks_claims_too(void **state)
{
    (void)state;
    char *token = mint_token(&p384, JWT_ES384, ES384_HEADER, "{" CLAIMS ",\"aud\":\"stock\"," TIMES "}");
    assert_int_equal(verify(token), DENY_TOKEN_AUDIENCE);
    struct issuer_settings other = issuer("other", "https://idp", stock);
    assert_ok(jwt_issuer_set(verifier, &other));
    set_keys("other", all_keys());
    struct jwt_token *verified = NULL;
    assert_int_equal(verify_as(token, &two_issuers, NOW, &verified), DENY_NONE);
    struct principal principal;
    jwt_principal(verified, &principal);
    assert_slice(principal.issuer_name, "other");
    jwt_token_unref(verified);
    free(token);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, start, finish)
    const struct CMUnitTest tests[] = {
        TEST(slow_signatures_are_verified_elsewhere),
        TEST(a_gate_stands_before_signatures_and_not_before_known_tokens),
        TEST(a_job_that_did_not_run_proves_nothing),
        TEST(keys_and_issuers_may_go_while_a_job_runs),
        TEST(a_job_runs_beside_the_verifier),
        TEST(a_job_checks_claims_too),
    };
    return cmocka_run_group_tests(tests, make_keys, drop_keys);
}
