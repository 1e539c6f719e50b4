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
    assert_true(basic_cache_digest(&cache, &alice, SLICE("alice:secret"), right));
    assert_true(basic_cache_digest(&cache, &alice, SLICE("alice:Secret"), wrong));
    assert_false(basic_cache_knows(&cache, right, now, life));
    basic_cache_put(&cache, right, now + life);
    assert_true(basic_cache_knows(&cache, right, now, life));
    assert_true(basic_cache_knows(&cache, right, now + life - 1, life));
    assert_false(basic_cache_knows(&cache, right, now + life, life));
    assert_false(basic_cache_knows(&cache, wrong, now, life));
    assert_false(basic_cache_knows(&cache, right, now, life / 2)); /* the setting is shorter by now */
    assert_false(basic_cache_knows(&cache, right, now, 0));
    basic_cache_done(&cache);
}

/* Another line of the same user, and nobody's: the same text is another thing to know. */
static void a_digest_is_of_a_users_line(void **state)
{
    (void)state;
    struct basic_cache cache;
    const struct slice text = SLICE("alice:secret");
    unsigned char of_alice[API_KEY_DIGEST_SIZE], again[API_KEY_DIGEST_SIZE], of_other[API_KEY_DIGEST_SIZE],
        of_nobody[API_KEY_DIGEST_SIZE];
    assert_ok(basic_cache_init(&cache, 16));
    assert_true(basic_cache_digest(&cache, &alice, text, of_alice));
    assert_true(basic_cache_digest(&cache, &alice, text, again));
    assert_true(basic_cache_digest(&cache, &changed, text, of_other));
    assert_true(basic_cache_digest(&cache, NULL, text, of_nobody));
    assert_memory_equal(of_alice, again, sizeof of_alice);
    assert_memory_not_equal(of_alice, of_other, sizeof of_alice);
    assert_memory_not_equal(of_alice, of_nobody, sizeof of_alice);
    assert_memory_not_equal(of_other, of_nobody, sizeof of_other);
    basic_cache_done(&cache);
}

static void each_has_a_key_of_its_own(void **state)
{
    (void)state;
    struct basic_cache one, other;
    unsigned char a[API_KEY_DIGEST_SIZE], b[API_KEY_DIGEST_SIZE];
    assert_ok(basic_cache_init(&one, 16));
    assert_ok(basic_cache_init(&other, 16));
    assert_true(basic_cache_digest(&one, &alice, SLICE("alice:secret"), a));
    assert_true(basic_cache_digest(&other, &alice, SLICE("alice:secret"), b));
    assert_memory_not_equal(a, b, sizeof a);
    basic_cache_done(&one);
    basic_cache_done(&other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(knows_a_password_for_its_time),
        cmocka_unit_test(a_digest_is_of_a_users_line),
        cmocka_unit_test(each_has_a_key_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
