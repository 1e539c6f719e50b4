#include "unit.h"

#include "base/digest_cache.h"

struct value {
    unsigned int references;
    uint64_t number;
};

static void release(void *context)
{
    struct value *value = context;
    if (--value->references == 0) {
        free(value);
    }
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

static struct value *put(struct digest_cache *cache, const unsigned char *key, uint64_t owner)
{
    struct value *value = calloc(1, sizeof *value);
    assert_non_null(value);
    value->references = 1;
    assert_ptr_equal(digest_cache_put(cache, key, owner, value)->value, value);
    return value;
}

static void finds_by_digest_and_owner(void **state)
{
    (void)state;
    struct digest_cache cache;
    assert_true(digest_cache_init(&cache, 64, release));
    assert_null(digest_cache_find(&cache, digest(1, 1), 7));
    struct value *value = put(&cache, digest(1, 1), 7);
    assert_ptr_equal(digest_cache_find(&cache, digest(1, 1), 7)->value, value);
    assert_null(digest_cache_find(&cache, digest(1, 1), 8));
    assert_null(digest_cache_find(&cache, digest(1, 2), 7));
    put(&cache, digest(1, 1), 8);
    assert_int_equal(cache.count, 2);
    put(&cache, digest(1, 1), 7);
    assert_int_equal(cache.count, 2);
    digest_cache_remove(&cache, digest_cache_find(&cache, digest(1, 1), 7));
    assert_int_equal(cache.count, 1);
    assert_null(digest_cache_find(&cache, digest(1, 1), 7));
    assert_non_null(digest_cache_find(&cache, digest(1, 1), 8));
    digest_cache_done(&cache);
}

static void the_least_recently_used_goes_first(void **state)
{
    (void)state;
    struct digest_cache cache;
    assert_true(digest_cache_init(&cache, 64, release));
    for (unsigned int i = 0; i < DIGEST_CACHE_WAYS; i++) {
        put(&cache, digest(3, i), 1);
    }
    put(&cache, digest(4, 0), 1);
    assert_non_null(digest_cache_find(&cache, digest(3, 0), 1));
    put(&cache, digest(3, 100), 1);
    assert_int_equal(cache.count, DIGEST_CACHE_WAYS + 1);
    assert_non_null(digest_cache_find(&cache, digest(3, 0), 1));
    assert_null(digest_cache_find(&cache, digest(3, 1), 1));
    assert_non_null(digest_cache_find(&cache, digest(3, 100), 1));
    assert_non_null(digest_cache_find(&cache, digest(4, 0), 1));
    digest_cache_done(&cache);
}

static void never_holds_more_than_its_places(void **state)
{
    (void)state;
    struct digest_cache cache;
    assert_true(digest_cache_init(&cache, 20, release));
    for (unsigned int i = 0; i < 1000; i++) {
        put(&cache, digest(i, i), 1);
    }
    assert_int_equal(cache.count, 32);
    digest_cache_done(&cache);
    assert_true(digest_cache_init(&cache, 0, release));
    put(&cache, digest(1, 1), 1);
    assert_non_null(digest_cache_find(&cache, digest(1, 1), 1));
    digest_cache_done(&cache);
}

/* What is in use outlives its place. */
static void a_held_value_outlives_its_entry(void **state)
{
    (void)state;
    struct digest_cache cache;
    assert_true(digest_cache_init(&cache, 8, release));
    struct value *held = put(&cache, digest(0, 1), 1);
    held->references++;
    for (unsigned int i = 2; i < 20; i++) {
        put(&cache, digest(0, i), 1);
    }
    assert_null(digest_cache_find(&cache, digest(0, 1), 1));
    assert_int_equal(held->references, 1);
    release(held);
    digest_cache_done(&cache);
}

static bool keep_marked(const void *context, const void *value)
{
    return ((const struct value *)value)->number == *(const uint64_t *)context;
}

static void sweeps_one_owner_only(void **state)
{
    (void)state;
    struct digest_cache cache;
    assert_true(digest_cache_init(&cache, 64, release));
    for (unsigned int i = 0; i < 10; i++) {
        put(&cache, digest(i, i), i % 2)->number = i;
    }
    uint64_t kept = 4;
    digest_cache_sweep(&cache, 0, keep_marked, &kept);
    assert_int_equal(cache.count, 6);
    assert_non_null(digest_cache_find(&cache, digest(4, 4), 0));
    assert_null(digest_cache_find(&cache, digest(2, 2), 0));
    assert_non_null(digest_cache_find(&cache, digest(3, 3), 1));
    digest_cache_sweep(&cache, 1, NULL, NULL);
    assert_int_equal(cache.count, 1);
    digest_cache_done(&cache);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_by_digest_and_owner),
        cmocka_unit_test(the_least_recently_used_goes_first),
        cmocka_unit_test(never_holds_more_than_its_places),
        cmocka_unit_test(a_held_value_outlives_its_entry),
        cmocka_unit_test(sweeps_one_owner_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
