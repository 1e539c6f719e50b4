#include "auth/dpop_nonce.h"

#include "base/clock.h"
#include "unit.h"

#define LIFE (60 * NS_PER_S)
#define SPAN (LIFE / 2)

static const unsigned char secret[DPOP_SECRET_SIZE] = "0123456789abcdef0123456789abcde";
static const unsigned char other_secret[DPOP_SECRET_SIZE] = "fedcba9876543210fedcba987654321";

static struct slice nonce_at(struct dpop_nonce_clock *clock, int64_t now, char out[DPOP_NONCE_LENGTH])
{
    assert_true(dpop_nonces_at(clock, LIFE, now));
    memcpy(out, dpop_nonce_current(clock).ptr, DPOP_NONCE_LENGTH);
    return slice_of(out, DPOP_NONCE_LENGTH);
}

static enum dpop_nonce_age age_at(struct dpop_nonce_clock *clock, int64_t now, struct slice nonce)
{
    int64_t until = 0;
    assert_true(dpop_nonces_at(clock, LIFE, now));
    enum dpop_nonce_age age = dpop_nonce_look(clock, nonce, &until);
    if (age != DPOP_NONCE_WRONG) {
        assert_true(until > now && until <= now + LIFE);
    }
    return age;
}

static void good_for_half_of_its_life_at_least_and_all_of_it_at_most(void **state)
{
    (void)state;
    struct dpop_nonce_clock clock = { .secret = secret };
    char text[DPOP_NONCE_LENGTH];
    struct slice nonce = nonce_at(&clock, 10 * SPAN, text);
    assert_int_equal(age_at(&clock, 10 * SPAN, nonce), DPOP_NONCE_NEW);
    assert_int_equal(age_at(&clock, 11 * SPAN - 1, nonce), DPOP_NONCE_NEW);
    assert_int_equal(age_at(&clock, 11 * SPAN, nonce), DPOP_NONCE_OLD);
    assert_int_equal(age_at(&clock, 12 * SPAN - 1, nonce), DPOP_NONCE_OLD);
    assert_int_equal(age_at(&clock, 12 * SPAN, nonce), DPOP_NONCE_WRONG);
    assert_int_equal(age_at(&clock, 9 * SPAN, nonce), DPOP_NONCE_WRONG); /* of a time to come */
}

static void every_worker_knows_them_and_nobody_else(void **state)
{
    (void)state;
    struct dpop_nonce_clock one = { .secret = secret }, other = { .secret = secret },
                            stranger = { .secret = other_secret };
    char text[DPOP_NONCE_LENGTH];
    struct slice nonce = nonce_at(&one, 1000 * SPAN, text);
    assert_int_equal(age_at(&other, 1000 * SPAN + 5, nonce), DPOP_NONCE_NEW);
    assert_int_equal(age_at(&stranger, 1000 * SPAN + 5, nonce), DPOP_NONCE_WRONG);
    /* another life: other spans, other nonces, though the number should be the same */
    int64_t until;
    assert_true(dpop_nonces_at(&other, 2 * LIFE, 2000 * SPAN));
    assert_int_equal(dpop_nonce_look(&other, nonce, &until), DPOP_NONCE_WRONG);
}

static void what_is_none(void **state)
{
    (void)state;
    struct dpop_nonce_clock clock = { .secret = secret };
    char text[DPOP_NONCE_LENGTH + 1];
    struct slice nonce = nonce_at(&clock, 10 * SPAN, text);
    text[DPOP_NONCE_LENGTH] = 'A';
    assert_int_equal(age_at(&clock, 10 * SPAN, SLICE("")), DPOP_NONCE_WRONG);
    assert_int_equal(age_at(&clock, 10 * SPAN, slice_part(nonce, 0, nonce.len - 1)), DPOP_NONCE_WRONG);
    assert_int_equal(age_at(&clock, 10 * SPAN, slice_of(text, sizeof text)), DPOP_NONCE_WRONG);
    text[3] ^= 1;
    assert_int_equal(age_at(&clock, 10 * SPAN, nonce), DPOP_NONCE_WRONG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_for_half_of_its_life_at_least_and_all_of_it_at_most),
        cmocka_unit_test(every_worker_knows_them_and_nobody_else),
        cmocka_unit_test(what_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
