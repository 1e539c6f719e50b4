#include "auth/basic_cache.h"

#include "base/clock.h"
#include "unit.h"

static const struct basic_user alice = { .identity = { 1 } }, changed = { .identity = { 2 } };
static const int64_t now = 1000 * NS_PER_S, life = 60 * NS_PER_S;

static void knows_a_password_for_its_time(void **state)
{
    (void)state;
    struct basic_cache cache;
    unsigned char right[API_KEY_DIGEST_SIZE], wrong[API_KEY_DIGEST_SIZE];
    assert_ok(basic_cache_init(&cache, 16));
    assert_true(basic_cache_digest(&cache, SLICE("alice:secret"), right));
    assert_true(basic_cache_digest(&cache, SLICE("alice:Secret"), wrong));
    assert_false(basic_cache_knows(&cache, right, &alice, now, life));
    basic_cache_put(&cache, right, &alice, now + life);
    assert_true(basic_cache_knows(&cache, right, &alice, now, life));
    assert_true(basic_cache_knows(&cache, right, &alice, now + life - 1, life));
    assert_false(basic_cache_knows(&cache, right, &alice, now + life, life));
    assert_false(basic_cache_knows(&cache, wrong, &alice, now, life));
    assert_false(basic_cache_knows(&cache, right, &changed, now, life));   /* another hash */
    assert_false(basic_cache_knows(&cache, right, &alice, now, life / 2)); /* the setting is shorter by now */
    assert_false(basic_cache_knows(&cache, right, &alice, now, 0));
    basic_cache_done(&cache);
}

static void each_has_a_key_of_its_own(void **state)
{
    (void)state;
    struct basic_cache one, other;
    unsigned char a[API_KEY_DIGEST_SIZE], b[API_KEY_DIGEST_SIZE];
    assert_ok(basic_cache_init(&one, 16));
    assert_ok(basic_cache_init(&other, 16));
    assert_true(basic_cache_digest(&one, SLICE("alice:secret"), a));
    assert_true(basic_cache_digest(&other, SLICE("alice:secret"), b));
    assert_memory_not_equal(a, b, sizeof a);
    basic_cache_done(&one);
    basic_cache_done(&other);
}

static void the_least_recently_used_goes_first(void **state)
{
    (void)state;
    struct basic_cache cache;
    unsigned char digests[BASIC_CACHE_WAYS + 1][API_KEY_DIGEST_SIZE] = { { 0 } };
    assert_ok(basic_cache_init(&cache, BASIC_CACHE_WAYS));
    for (size_t i = 0; i <= BASIC_CACHE_WAYS; i++) {
        digests[i][20] = (unsigned char)i;
    }
    for (size_t i = 0; i < BASIC_CACHE_WAYS; i++) {
        basic_cache_put(&cache, digests[i], &alice, now + life);
    }
    assert_true(basic_cache_knows(&cache, digests[0], &alice, now, life));
    basic_cache_put(&cache, digests[3], &alice, now + life); /* takes its own place */
    basic_cache_put(&cache, digests[BASIC_CACHE_WAYS], &alice, now + life);
    assert_true(basic_cache_knows(&cache, digests[0], &alice, now, life));
    assert_false(basic_cache_knows(&cache, digests[1], &alice, now, life));
    assert_true(basic_cache_knows(&cache, digests[3], &alice, now, life));
    basic_cache_done(&cache);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(knows_a_password_for_its_time),
        cmocka_unit_test(each_has_a_key_of_its_own),
        cmocka_unit_test(the_least_recently_used_goes_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
