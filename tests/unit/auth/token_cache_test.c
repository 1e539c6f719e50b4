#include "unit.h"

#include "auth/token_cache.h"

/* A token that is nothing but its count. */
static struct jwt_token *make(void)
{
    struct jwt_token *token = calloc(1, sizeof *token);
    token->references = 1;
    return token;
}

static const unsigned char *digest(unsigned int set, unsigned int number)
{
    static unsigned char bytes[32];
    uint64_t word = set;
    memset(bytes, 0, sizeof bytes);
    memcpy(bytes, &word, sizeof word);
    memcpy(bytes + 16, &number, sizeof number);
    return bytes;
}

static void put(struct token_cache *cache, const unsigned char *key, uint64_t issuer_id)
{
    struct jwt_token *token = make();
    token_cache_put(cache, key, issuer_id, token);
    jwt_token_unref(token);
}

static void finds_by_digest_and_issuer(void **state)
{
    (void)state;
    struct token_cache cache;
    assert_true(token_cache_init(&cache, 64));
    assert_null(token_cache_find(&cache, digest(1, 1), 7));
    put(&cache, digest(1, 1), 7);
    struct token_cache_entry *entry = token_cache_find(&cache, digest(1, 1), 7);
    assert_non_null(entry);
    assert_int_equal(entry->token->references, 1);
    assert_null(token_cache_find(&cache, digest(1, 1), 8));
    assert_null(token_cache_find(&cache, digest(1, 2), 7));
    put(&cache, digest(1, 1), 8);
    assert_int_equal(cache.count, 2);
    put(&cache, digest(1, 1), 7);
    assert_int_equal(cache.count, 2);
    token_cache_remove(&cache, token_cache_find(&cache, digest(1, 1), 7));
    assert_int_equal(cache.count, 1);
    assert_null(token_cache_find(&cache, digest(1, 1), 7));
    assert_non_null(token_cache_find(&cache, digest(1, 1), 8));
    token_cache_done(&cache);
}

static void the_least_recently_used_goes_first(void **state)
{
    (void)state;
    struct token_cache cache;
    assert_true(token_cache_init(&cache, 64));
    for (unsigned int i = 0; i < TOKEN_CACHE_WAYS; i++) {
        put(&cache, digest(3, i), 1);
    }
    put(&cache, digest(4, 0), 1);
    assert_non_null(token_cache_find(&cache, digest(3, 0), 1));
    put(&cache, digest(3, 100), 1);
    assert_int_equal(cache.count, TOKEN_CACHE_WAYS + 1);
    assert_non_null(token_cache_find(&cache, digest(3, 0), 1));
    assert_null(token_cache_find(&cache, digest(3, 1), 1));
    assert_non_null(token_cache_find(&cache, digest(3, 100), 1));
    assert_non_null(token_cache_find(&cache, digest(4, 0), 1));
    token_cache_done(&cache);
}

static void never_holds_more_than_its_places(void **state)
{
    (void)state;
    struct token_cache cache;
    assert_true(token_cache_init(&cache, 20));
    for (unsigned int i = 0; i < 1000; i++) {
        put(&cache, digest(i, i), 1);
    }
    assert_int_equal(cache.count, 32);
    token_cache_done(&cache);
    assert_true(token_cache_init(&cache, 0));
    put(&cache, digest(1, 1), 1);
    assert_non_null(token_cache_find(&cache, digest(1, 1), 1));
    token_cache_done(&cache);
}

/* A token in use outlives its place. */
static void a_held_token_outlives_its_entry(void **state)
{
    (void)state;
    struct token_cache cache;
    assert_true(token_cache_init(&cache, 8));
    put(&cache, digest(0, 1), 1);
    struct jwt_token *held = token_ref(token_cache_find(&cache, digest(0, 1), 1)->token);
    for (unsigned int i = 2; i < 20; i++) {
        put(&cache, digest(0, i), 1);
    }
    assert_null(token_cache_find(&cache, digest(0, 1), 1));
    assert_int_equal(held->references, 1);
    jwt_token_unref(held);
    token_cache_done(&cache);
}

static bool keep_marked(const void *context, const struct jwt_token *token)
{
    return token->generation == *(const uint64_t *)context;
}

static void sweeps_one_issuer_only(void **state)
{
    (void)state;
    struct token_cache cache;
    assert_true(token_cache_init(&cache, 64));
    for (unsigned int i = 0; i < 10; i++) {
        put(&cache, digest(i, i), i % 2);
        token_cache_find(&cache, digest(i, i), i % 2)->token->generation = i;
    }
    uint64_t kept = 4;
    token_cache_sweep(&cache, 0, keep_marked, &kept);
    assert_int_equal(cache.count, 6);
    assert_non_null(token_cache_find(&cache, digest(4, 4), 0));
    assert_null(token_cache_find(&cache, digest(2, 2), 0));
    assert_non_null(token_cache_find(&cache, digest(3, 3), 1));
    token_cache_sweep(&cache, 1, NULL, NULL);
    assert_int_equal(cache.count, 1);
    token_cache_done(&cache);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_by_digest_and_issuer),
        cmocka_unit_test(the_least_recently_used_goes_first),
        cmocka_unit_test(never_holds_more_than_its_places),
        cmocka_unit_test(a_held_token_outlives_its_entry),
        cmocka_unit_test(sweeps_one_issuer_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
