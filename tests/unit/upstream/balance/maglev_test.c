#include "unit.h"

#include "upstream/balance/balance.h"

#include "upstream/balance/sample.h"

#define NAMES 101
#define KEYS  200000

static char texts[NAMES][32];
static struct slice names[NAMES];

static struct arena arena;

static const struct maglev *make(const struct slice *which, size_t count)
{
    const struct maglev *maglev = maglev_new(&arena, which, count);
    assert_non_null(maglev);
    return maglev;
}

static int set_up(void **state)
{
    (void)state;
    arena_init(&arena, 64 << 20);
    for (size_t i = 0; i < NAMES; i++) {
        int size = snprintf(texts[i], sizeof texts[i], "https://10.0.0.%zu:9001", i);
        names[i] = slice_of(texts[i], (size_t)size);
    }
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_done(&arena);
    return 0;
}

/* Which share of the keys has another owner in `after`. */
static double movement(size_t before_count, const struct slice *after_names, size_t after_count)
{
    const struct maglev *before = make(names, before_count), *after = make(after_names, after_count);
    unsigned int moved = 0;
    for (uint64_t i = 0; i < KEYS; i++) {
        uint64_t key = balance_mix(i + 1);
        moved += !slice_equal(names[maglev_owner(before, key)], after_names[maglev_owner(after, key)]);
    }
    return moved / (double)KEYS;
}

static void one_that_goes_takes_little_along(void **state)
{
    (void)state;
    static const size_t counts[] = { 2, 3, 5, 10, 40, 100 };
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        size_t count = counts[i];
        struct slice left[NAMES];
        for (size_t k = 0, at = 0; k < count; k++) {
            if (k != count / 2) {
                left[at++] = names[k];
            }
        }
        double moved = movement(count, left, count - 1);
        /* Its own, and of the others' a little: the paper's price for a table that is even. */
        assert_true(moved > 0.9 / (double)count && moved < 1.0 / (double)count + 0.01);
    }
}

static void one_that_comes_takes_its_share_alone(void **state)
{
    (void)state;
    double moved = movement(10, names, 11);
    assert_true(moved > 0.9 / 11 && moved < 1.0 / 11 + 0.01);
}

static void order_does_not_matter(void **state)
{
    (void)state;
    struct slice reversed[NAMES];
    for (size_t i = 0; i < 20; i++) {
        reversed[i] = names[19 - i];
    }
    assert_true(movement(20, reversed, 20) == 0);
}

/* Each has the same number of places, but for one. */
static void the_table_is_even(void **state)
{
    (void)state;
    static const size_t counts[] = { 1, 2, 3, 7, 100 };
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        const struct maglev *maglev = make(names, counts[i]);
        size_t places[NAMES] = { 0 };
        for (size_t k = 0; k < (size_t)MAGLEV_SIZE; k++) {
            assert_true(maglev->owners[k] < counts[i]);
            places[maglev->owners[k]]++;
        }
        for (size_t k = 0; k < counts[i]; k++) {
            assert_in_range(places[k], (size_t)MAGLEV_SIZE / counts[i], (size_t)MAGLEV_SIZE / counts[i] + 1);
        }
    }
}

/* Keys that are counted up, as sessions and users often are. */
static void similar_keys_are_spread(void **state)
{
    (void)state;
    const struct maglev *maglev = make(names, 10);
    unsigned int seen[10] = { 0 };
    double shares[10];
    for (unsigned int i = 0; i < KEYS; i++) {
        char text[32];
        int size = snprintf(text, sizeof text, "user-%u", i);
        seen[maglev_owner(maglev, balance_key(slice_of(text, (size_t)size)))]++;
    }
    for (size_t i = 0; i < 10; i++) {
        size_t places = 0;
        for (size_t k = 0; k < (size_t)MAGLEV_SIZE; k++) {
            places += maglev->owners[k] == i;
        }
        shares[i] = (double)places / (double)(size_t)MAGLEV_SIZE;
    }
    assert_true(sample_misfit(seen, shares, 10, KEYS) < 5);
}

/* Gateways of several versions share upstreams: where keys lead is not to change by itself. */
static void keys_lead_where_they_always_led(void **state)
{
    (void)state;
    const struct maglev *maglev = make(names, 10);
    char owners[9] = "";
    for (unsigned int i = 0; i < 8; i++) {
        char text[32];
        int size = snprintf(text, sizeof text, "session-%u", i);
        owners[i] = (char)('0' + maglev_owner(maglev, balance_key(slice_of(text, (size_t)size))));
    }
    assert_string_equal(owners, "08043708");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_that_goes_takes_little_along),
        cmocka_unit_test(one_that_comes_takes_its_share_alone),
        cmocka_unit_test(order_does_not_matter),
        cmocka_unit_test(the_table_is_even),
        cmocka_unit_test(similar_keys_are_spread),
        cmocka_unit_test(keys_lead_where_they_always_led),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
