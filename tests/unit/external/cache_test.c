#include "told.h"

#include "external/cache.h"

static const unsigned char *key(unsigned int set, unsigned int number)
{
    static unsigned char bytes[EXTERNAL_KEY_SIZE];
    uint64_t word = set;
    memset(bytes, 0, sizeof bytes);
    memcpy(bytes, &word, sizeof word);
    memcpy(bytes + 16, &number, sizeof number);
    return bytes;
}

static struct external_answer *put(struct decision_cache *cache, unsigned int set, unsigned int number,
                                   int64_t until)
{
    struct external_answer *answer = external_answer_failed(DENY_AUTHORIZER_DENIED, NULL);
    assert_non_null(answer);
    decision_cache_put(cache, key(set, number), answer, until);
    external_answer_unref(answer);
    return answer;
}

static bool holds(struct decision_cache *cache, unsigned int set, unsigned int number, int64_t now)
{
    struct external_answer *answer = decision_cache_find(cache, key(set, number), now);
    external_answer_unref(answer);
    return answer != NULL;
}

static void test_each_for_its_own_key_and_time(void **state)
{
    (void)state;
    struct decision_cache cache;
    assert_true(decision_cache_init(&cache, 64));
    struct external_answer *answer = put(&cache, 1, 1, 100);
    assert_ptr_equal(decision_cache_find(&cache, key(1, 1), 99), answer);
    external_answer_unref(answer);
    assert_false(holds(&cache, 1, 2, 99));
    assert_false(holds(&cache, 2, 1, 99));
    assert_false(holds(&cache, 1, 1, 100));
    assert_false(holds(&cache, 1, 1, 50)); /* gone is gone */
    put(&cache, 1, 1, 200);
    put(&cache, 1, 1, 300); /* the later one counts */
    assert_true(holds(&cache, 1, 1, 250));
    decision_cache_done(&cache);
}

static void test_what_was_not_used_for_longest_goes(void **state)
{
    (void)state;
    struct decision_cache cache;
    assert_true(decision_cache_init(&cache, DIGEST_CACHE_WAYS));
    for (unsigned int i = 0; i < DIGEST_CACHE_WAYS; i++) {
        put(&cache, 0, i, 100);
    }
    assert_true(holds(&cache, 0, 0, 1));
    put(&cache, 0, 99, 100);
    assert_true(holds(&cache, 0, 0, 1));
    assert_false(holds(&cache, 0, 1, 1));
    assert_true(holds(&cache, 0, 99, 1));
    decision_cache_done(&cache);
}

/* Whoever was let in by a decision holds it, whatever becomes of the cache. */
static void test_a_reference_outlives_the_cache(void **state)
{
    (void)state;
    struct decision_cache cache;
    assert_true(decision_cache_init(&cache, 16));
    put(&cache, 1, 1, 100);
    struct external_answer *held = decision_cache_find(&cache, key(1, 1), 1);
    decision_cache_done(&cache);
    assert_int_equal(held->references, 1);
    external_answer_unref(held);
    external_answer_unref(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_for_its_own_key_and_time),
        cmocka_unit_test(test_what_was_not_used_for_longest_goes),
        cmocka_unit_test(test_a_reference_outlives_the_cache),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
