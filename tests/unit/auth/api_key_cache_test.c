#include "auth/api_key_cache.h"

#include "base/random.h"
#include "keys.h"

static const unsigned char *digest(uint64_t place, unsigned int number)
{
    static unsigned char bytes[API_KEY_DIGEST_SIZE];
    memset(bytes, 0, sizeof bytes);
    memcpy(bytes, &place, sizeof place);
    memcpy(bytes + 16, &number, sizeof number);
    return bytes;
}

static void put(struct api_key_cache *cache, const unsigned char *at, uint64_t set_id, uint64_t number)
{
    const struct key_record record = { .number = number, .consumer = SLICE("acme") };
    struct api_key *key = api_key_new(SLICE("set"), &record);
    assert_non_null(key);
    api_key_cache_put(cache, at, set_id, key);
    api_key_unref(key);
}

static void finds_by_digest_and_set(void **state)
{
    (void)state;
    struct api_key_cache cache;
    assert_true(api_key_cache_init(&cache, 64));
    put(&cache, digest(1, 1), 7, 10);
    assert_non_null(api_key_cache_find(&cache, digest(1, 1), 7));
    assert_null(api_key_cache_find(&cache, digest(1, 1), 8));
    assert_null(api_key_cache_find(&cache, digest(1, 2), 7));
    put(&cache, digest(1, 1), 7, 11);
    assert_int_equal(cache.good.count, 1);
    assert_int_equal(api_key_cache_find(&cache, digest(1, 1), 7)->record.number, 11);
    api_key_cache_done(&cache);
}

static void the_least_recently_used_goes_first(void **state)
{
    (void)state;
    struct api_key_cache cache;
    assert_true(api_key_cache_init(&cache, 64));
    for (unsigned int i = 0; i < DIGEST_CACHE_WAYS; i++) {
        put(&cache, digest(3, i), 1, i);
    }
    assert_non_null(api_key_cache_find(&cache, digest(3, 0), 1));
    put(&cache, digest(3, 100), 1, 100);
    assert_int_equal(cache.good.count, DIGEST_CACHE_WAYS);
    assert_non_null(api_key_cache_find(&cache, digest(3, 0), 1));
    assert_null(api_key_cache_find(&cache, digest(3, 1), 1));
    api_key_cache_done(&cache);
}

/* A flood of wrong keys leaves every good one where it is, and takes no more room than it has. */
static void wrong_keys_push_no_good_one_out(void **state)
{
    (void)state;
    struct api_key_cache cache;
    assert_true(api_key_cache_init(&cache, 64));
    for (unsigned int i = 0; i < 64; i++) {
        put(&cache, digest(i, i), 1, i);
    }
    size_t kept = cache.good.count;
    for (unsigned int i = 0; i < 100000; i++) {
        unsigned char wrong[API_KEY_DIGEST_SIZE];
        random_bytes(wrong, sizeof wrong);
        denials_put(&cache.wrong, wrong, 1, 1000, DENY_API_KEY_UNKNOWN);
        assert_int_equal(denials_find(&cache.wrong, wrong, 1, 0), DENY_API_KEY_UNKNOWN);
    }
    assert_int_equal(cache.good.count, kept);
    for (unsigned int i = 0; i < 64; i++) {
        assert_non_null(api_key_cache_find(&cache, digest(i, i), 1));
    }
    api_key_cache_done(&cache);
}

static void what_is_wrong_is_believed_for_a_while(void **state)
{
    (void)state;
    struct api_key_cache cache;
    assert_true(api_key_cache_init(&cache, 64));
    denials_put(&cache.wrong, digest(5, 5), 1, 1000, DENY_API_KEY_REVOKED);
    assert_int_equal(denials_find(&cache.wrong, digest(5, 5), 1, 999), DENY_API_KEY_REVOKED);
    assert_int_equal(denials_find(&cache.wrong, digest(5, 5), 1, 1000), DENY_NONE);
    assert_int_equal(denials_find(&cache.wrong, digest(5, 5), 2, 999), DENY_NONE);
    assert_int_equal(denials_find(&cache.wrong, digest(5, 6), 1, 999), DENY_NONE);
    api_key_cache_done(&cache);
}

static void forgets_what_has_changed(void **state)
{
    (void)state;
    struct api_key_cache cache;
    assert_true(api_key_cache_init(&cache, 64));
    for (unsigned int i = 0; i < 8; i++) {
        put(&cache, digest(i, i), 1 + i % 2, i);
    }
    denials_put(&cache.wrong, digest(20, 20), 1, 1000, DENY_API_KEY_UNKNOWN);
    denials_put(&cache.wrong, digest(21, 21), 2, 1000, DENY_API_KEY_UNKNOWN);
    static const uint64_t numbers[] = { 2, 3, 6, 99 };
    api_key_cache_forget(&cache, 1, numbers, 4);
    assert_null(api_key_cache_find(&cache, digest(2, 2), 1));
    assert_non_null(api_key_cache_find(&cache, digest(3, 3), 2)); /* the other set's */
    assert_null(api_key_cache_find(&cache, digest(6, 6), 1));
    assert_non_null(api_key_cache_find(&cache, digest(4, 4), 1));
    assert_int_equal(cache.good.count, 6);
    assert_int_equal(denials_find(&cache.wrong, digest(20, 20), 1, 0), DENY_NONE);
    assert_int_equal(denials_find(&cache.wrong, digest(21, 21), 2, 0), DENY_API_KEY_UNKNOWN);
    api_key_cache_forget(&cache, 2, NULL, 0);
    assert_int_equal(cache.good.count, 2);
    api_key_cache_done(&cache);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_by_digest_and_set),
        cmocka_unit_test(the_least_recently_used_goes_first),
        cmocka_unit_test(wrong_keys_push_no_good_one_out),
        cmocka_unit_test(what_is_wrong_is_believed_for_a_while),
        cmocka_unit_test(forgets_what_has_changed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
