#include "unit.h"

#include "base/clock.h"
#include "upstream/balance/balance.h"

#include "upstream/balance/sample.h"

#define ENDPOINTS 100
#define PICKS     100000

struct fixture {
    char texts[ENDPOINTS][32];
    struct slice names[ENDPOINTS];
    struct arena arena;
    struct balancer balancer;
    bool full[ENDPOINTS];
    unsigned int looks; /* at whether there is room */
    struct balance_ask ask;
    unsigned int seen[ENDPOINTS];
};

static struct fixture *fixture;

static bool has_room(void *context, size_t index)
{
    struct fixture *own = context;
    own->looks++;
    return !own->full[index];
}

static void make(enum upstream_balance balance, size_t count)
{
    balancer_done(&fixture->balancer);
    const struct maglev *maglev =
        balance == BALANCE_HASH ? maglev_new(&fixture->arena, fixture->names, count) : NULL;
    assert_ok(balancer_init(&fixture->balancer, balance, maglev, count));
    fixture->balancer.random = 42;
    fixture->balancer.lottery.at = 42;
    memset(fixture->seen, 0, sizeof fixture->seen);
}

static int set_up(void **state)
{
    (void)state;
    fixture = calloc(1, sizeof *fixture);
    arena_init(&fixture->arena, 16 << 20);
    for (size_t i = 0; i < ENDPOINTS; i++) {
        int size = snprintf(fixture->texts[i], sizeof fixture->texts[i], "https://10.0.0.%zu:9001", i);
        fixture->names[i] = slice_of(fixture->texts[i], (size_t)size);
    }
    fixture->ask = (struct balance_ask){ .now = 1000 * NS_PER_S, .has_room = has_room, .context = fixture };
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    balancer_done(&fixture->balancer);
    arena_done(&fixture->arena);
    free(fixture);
    return 0;
}

static size_t pick(void)
{
    return balancer_pick(&fixture->balancer, &fixture->ask);
}

static size_t pick_key(uint64_t key)
{
    fixture->ask.keyed = true;
    fixture->ask.key = balance_mix(key + 1);
    return pick();
}

static void set_usable(size_t index, bool usable)
{
    fixture->balancer.targets[index].healthy = usable;
    balancer_refresh(&fixture->balancer);
}

/* ---- what holds for all of them ---- */

static void none_is_chosen_that_may_not_be(void **state)
{
    (void)state;
    for (int balance = 0; balance < BALANCE_KINDS; balance++) {
        make((enum upstream_balance)balance, 5);
        uint16_t tried[] = { 2 };
        set_usable(0, false);
        fixture->full[1] = true;
        fixture->ask.tried = tried;
        fixture->ask.tried_count = 1;
        for (uint64_t i = 0; i < 1000; i++) {
            size_t index = pick_key(i);
            assert_in_range(index, 3, 4);
            fixture->seen[index]++;
        }
        assert_true(fixture->seen[3] > 0 && fixture->seen[4] > 0);
        fixture->full[3] = fixture->full[4] = true;
        assert_int_equal(pick_key(1), BALANCE_NONE);
        memset(fixture->full, 0, sizeof fixture->full);
        fixture->ask.tried_count = 0;
        fixture->ask.keyed = false;
    }
}

/* Tiers 0, 1, 1, 1 (unhealthy), 2. */
static void who_has_tried_all_of_a_tier_gets_the_next_one(void **state)
{
    (void)state;
    static const uint8_t tiers[] = { 0, 1, 1, 1, 2 };
    for (int balance = 0; balance < BALANCE_KINDS; balance++) {
        make((enum upstream_balance)balance, 5);
        fixture->balancer.rules = (struct usable_rules){ .zone_spill = 70 };
        for (size_t i = 0; i < 5; i++) {
            fixture->balancer.targets[i].tier = tiers[i];
        }
        set_usable(3, false);
        uint16_t tried[] = { 0, 1, 2, 4 };
        fixture->ask.tried = tried;
        fixture->ask.tried_count = 0;
        assert_int_equal(pick_key(1), 0);
        fixture->ask.tried_count = 1;
        for (uint64_t i = 0; i < 1000; i++) {
            fixture->seen[pick_key(i)]++;
        }
        assert_int_equal(fixture->seen[1] + fixture->seen[2], 1000);
        assert_in_range(fixture->seen[1], 400, 600);
        fixture->ask.tried_count = 3;
        assert_int_equal(pick_key(1), 4);
        fixture->ask.tried_count = 4;
        assert_int_equal(pick_key(1), BALANCE_NONE);
        /* It is busy, and nothing was tried: its place is waited for. */
        fixture->ask.tried_count = 0;
        fixture->full[0] = true;
        assert_int_equal(pick_key(1), BALANCE_NONE);
        fixture->full[0] = false;
    }
}

static void the_only_usable_one_is_always_chosen(void **state)
{
    (void)state;
    for (int balance = 0; balance < BALANCE_KINDS; balance++) {
        make((enum upstream_balance)balance, 3);
        set_usable(0, false);
        set_usable(2, false);
        for (uint64_t i = 0; i < 100; i++) {
            assert_int_equal(pick_key(i), 1);
        }
    }
}

static void where_none_is_usable_all_are(void **state)
{
    (void)state;
    for (int balance = 0; balance < BALANCE_KINDS; balance++) {
        make((enum upstream_balance)balance, 3);
        for (size_t i = 0; i < 3; i++) {
            fixture->balancer.targets[i].healthy = false;
        }
        balancer_refresh(&fixture->balancer);
        for (uint64_t i = 0; i < 1000; i++) {
            fixture->seen[pick_key(i)]++;
        }
        assert_true(fixture->seen[0] > 0 && fixture->seen[1] > 0 && fixture->seen[2] > 0);
    }
}

/* How often it looks is what a choice among many costs. */
static void a_choice_among_many_looks_at_few(void **state)
{
    (void)state;
    for (int balance = 0; balance < BALANCE_KINDS; balance++) {
        make((enum upstream_balance)balance, ENDPOINTS);
        set_usable(7, false);
        for (uint64_t i = 0; i < 1000; i++) {
            fixture->looks = 0;
            pick_key(i);
            assert_int_equal(fixture->looks, 1);
        }
    }
}

static void every_endpoint_gets_its_share(void **state)
{
    (void)state;
    double shares[ENDPOINTS];
    for (size_t i = 0; i < ENDPOINTS; i++) {
        shares[i] = 1.0 / ENDPOINTS;
    }
    for (int balance = 0; balance < BALANCE_HASH; balance++) {
        make((enum upstream_balance)balance, ENDPOINTS);
        for (uint64_t i = 0; i < PICKS; i++) {
            fixture->seen[pick_key(i)]++;
        }
        assert_true(sample_misfit(fixture->seen, shares, ENDPOINTS, PICKS) < 5);
    }
}

/* ---- weighted ---- */

static void weights_are_shares(void **state)
{
    (void)state;
    static const uint32_t weights[] = { 1, 5, 1000, 7, 0 /* not usable */, 500, 12 };
    size_t count = sizeof weights / sizeof weights[0];
    make(BALANCE_WEIGHTED, count);
    double sum = 0;
    for (size_t i = 0; i < count; i++) {
        fixture->balancer.targets[i].weight = weights[i];
        sum += weights[i];
    }
    set_usable(4, false);
    for (size_t i = 0; i < PICKS; i++) {
        fixture->seen[pick()]++;
    }
    /* Not by luck: the sequence fills shares evenly. */
    for (size_t i = 0; i < count; i++) {
        assert_true(fabs(fixture->seen[i] - weights[i] / sum * PICKS) < 25);
    }
}

static void weights_hold_in_short_runs(void **state)
{
    (void)state;
    make(BALANCE_WEIGHTED, 3);
    fixture->balancer.targets[0].weight = 3;
    balancer_refresh(&fixture->balancer);
    unsigned int runs[3] = { 0 };
    for (size_t i = 0; i < 5 * 20; i++) {
        runs[pick()]++;
    }
    assert_in_range(runs[0], 57, 63);
    assert_in_range(runs[1], 17, 23);
    assert_in_range(runs[2], 17, 23);
}

/* ---- least requests ---- */

static void the_emptiest_is_chosen_and_equals_take_turns(void **state)
{
    (void)state;
    make(BALANCE_LEAST_REQUESTS, 4);
    for (size_t i = 0; i < 40; i++) {
        size_t index = pick();
        balancer_begin(&fixture->balancer, index);
        fixture->seen[index]++;
    }
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(fixture->seen[i], 10);
    }
    balancer_end(&fixture->balancer, 2);
    assert_int_equal(pick(), 2);
}

/* ---- p2c ---- */

/* Requests that take so long, one after the other in turns of 1 ms: a queue for each. */
static void serve(const int64_t *takes, size_t count, unsigned int requests)
{
    static int64_t ends[ENDPOINTS][64];
    memset(ends, 0, sizeof ends);
    for (unsigned int i = 0; i < requests; i++) {
        fixture->ask.now += NS_PER_MS;
        for (size_t k = 0; k < count; k++) {
            for (size_t j = 0; j < 64; j++) {
                if (ends[k][j] != 0 && ends[k][j] <= fixture->ask.now) {
                    ends[k][j] = 0;
                    balancer_end(&fixture->balancer, k);
                    balancer_note(&fixture->balancer, k, takes[k], true, fixture->ask.now);
                }
            }
        }
        size_t index = pick();
        fixture->seen[index]++;
        balancer_begin(&fixture->balancer, index);
        size_t j = 0;
        while (j < 63 && ends[index][j] != 0) {
            j++;
        }
        ends[index][j] = fixture->ask.now + takes[index];
    }
}

static void p2c_prefers_the_fast_ones(void **state)
{
    (void)state;
    static const int64_t takes[] = { 10 * NS_PER_MS, 10 * NS_PER_MS, 500 * NS_PER_MS, 10 * NS_PER_MS };
    make(BALANCE_P2C, 4);
    serve(takes, 4, 10000);
    assert_true(fixture->seen[2] <
                200); /* of 2500 by turns: those that had no better one beside them are none */
    assert_true(fixture->seen[0] > 2500 && fixture->seen[1] > 2500 && fixture->seen[3] > 2500);
}

static void p2c_comes_back_to_one_that_is_fast_again(void **state)
{
    (void)state;
    static const int64_t slow[] = { 10 * NS_PER_MS, 2000 * NS_PER_MS },
                         fast[] = { 10 * NS_PER_MS, 10 * NS_PER_MS };
    make(BALANCE_P2C, 2);
    serve(slow, 2, 2000);
    unsigned int before = fixture->seen[1];
    assert_true(before < 100);
    for (size_t i = 0; i < 2; i++) { /* what is under way ends */
        while (fixture->balancer.targets[i].active > 0) {
            balancer_end(&fixture->balancer, i);
        }
    }
    fixture->ask.now += 60 * NS_PER_S;
    serve(fast, 2, 2000);
    assert_in_range(fixture->seen[1] - before, 700, 1300);
}

/* What is refused at once is no faster for it: such an endpoint would draw all requests to itself. */
static void p2c_takes_failures_for_slow(void **state)
{
    (void)state;
    make(BALANCE_P2C, 3);
    unsigned int bad = 0;
    for (unsigned int i = 0; i < 3000; i++) {
        fixture->ask.now += NS_PER_MS;
        size_t index = pick();
        bad += index == 1;
        balancer_note(&fixture->balancer, index, index == 1 ? 0 : 5 * NS_PER_MS, index != 1,
                      fixture->ask.now);
    }
    assert_true(bad < 30);
}

/* One that hangs answers nothing that could be measured: its requests pile up, and each makes it dearer. */
static void p2c_leaves_one_that_hangs(void **state)
{
    (void)state;
    make(BALANCE_P2C, 3);
    for (unsigned int i = 0; i < 300; i++) { /* all are known */
        size_t index = pick();
        balancer_note(&fixture->balancer, index, 5 * NS_PER_MS, true, fixture->ask.now += NS_PER_MS);
    }
    unsigned int hung = 0;
    for (unsigned int i = 0; i < 3000; i++) {
        fixture->ask.now += NS_PER_MS;
        size_t index = pick();
        if (index == 1) {
            hung++;
            balancer_begin(&fixture->balancer, 1);
        } else {
            balancer_note(&fixture->balancer, index, 5 * NS_PER_MS, true, fixture->ask.now);
        }
    }
    assert_true(hung < 30);
}

/* ---- hash ---- */

static void a_key_stays_where_it_is(void **state)
{
    (void)state;
    size_t owners[1000];
    make(BALANCE_HASH, 10);
    for (uint64_t i = 0; i < 1000; i++) {
        owners[i] = pick_key(i);
    }
    make(BALANCE_HASH, 10); /* another process, another worker */
    fixture->balancer.random = 7;
    for (uint64_t i = 0; i < 1000; i++) {
        assert_int_equal(pick_key(i), owners[i]);
    }
}

/* What one leaves behind is spread over all the others; nothing else moves, and it comes back. */
static void keys_of_an_unusable_one_are_spread_over_the_others(void **state)
{
    (void)state;
    enum {
        KEYS = 20000
    };
    static size_t owners[KEYS];
    make(BALANCE_HASH, 10);
    for (uint64_t i = 0; i < KEYS; i++) {
        owners[i] = pick_key(i);
    }
    set_usable(3, false);
    unsigned int moved = 0;
    for (uint64_t i = 0; i < KEYS; i++) {
        size_t index = pick_key(i);
        assert_int_not_equal(index, 3);
        if (owners[i] == 3) {
            fixture->seen[index]++;
            moved++;
        } else {
            assert_int_equal(index, owners[i]);
        }
    }
    assert_in_range(moved, KEYS / 10 - 200, KEYS / 10 + 200);
    for (size_t i = 0; i < 10; i++) {
        assert_true(i == 3 || (fixture->seen[i] > 150 && fixture->seen[i] < 300));
    }
    set_usable(3, true);
    for (uint64_t i = 0; i < KEYS; i++) {
        assert_int_equal(pick_key(i), owners[i]);
    }
}

static void what_has_no_key_takes_turns(void **state)
{
    (void)state;
    make(BALANCE_HASH, 4);
    for (size_t i = 0; i < 40; i++) {
        fixture->seen[pick()]++;
    }
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(fixture->seen[i], 10);
    }
}

static void no_endpoint_gets_more_than_its_bound(void **state)
{
    (void)state;
    make(BALANCE_HASH, 10);
    fixture->balancer.max_load = 125;
    for (unsigned int i = 1; i <= 1000; i++) {
        size_t index = pick_key(1); /* all want the same one */
        balancer_begin(&fixture->balancer, index);
        assert_true(fixture->balancer.targets[index].active <= (i * 125 + 999) / 1000);
    }
    uint32_t first = fixture->balancer.targets[pick_key(1)].active;
    assert_true(first <= 126);
    /* Without a bound the same one has them all. */
    make(BALANCE_HASH, 10);
    for (unsigned int i = 0; i < 1000; i++) {
        balancer_begin(&fixture->balancer, pick_key(1));
    }
    assert_int_equal(fixture->balancer.targets[pick_key(1)].active, 1000);
}

/* ---- slow start ---- */

/* Of the requests at this moment, the share of endpoint 1 of 4, of what it would have. */
static double share_at(int64_t now)
{
    enum {
        REQUESTS = 20000
    };
    unsigned int seen = 0;
    fixture->ask.now = now;
    for (uint64_t i = 0; i < REQUESTS; i++) {
        seen += pick_key(i) == 1;
    }
    return seen / (REQUESTS / 4.0);
}

static void one_that_comes_back_gets_up_to_its_share(void **state)
{
    (void)state;
    const int64_t back = 2000 * NS_PER_S;
    for (int balance = 0; balance < BALANCE_KINDS; balance++) {
        make((enum upstream_balance)balance, 4);
        fixture->balancer.slow_start = 60 * NS_PER_S;
        fixture->balancer.targets[1].since = back;
        balancer_refresh(&fixture->balancer);
        double begin = share_at(back), half = share_at(back + 30 * NS_PER_S),
               end = share_at(back + 60 * NS_PER_S);
        assert_true(begin > 0.05 && begin < 0.2);
        assert_true(half > 0.4 && half < 0.7);
        assert_true(end > 0.95 && end < 1.05);
        fixture->ask.keyed = false;
    }
}

/* By its keys, each of which moves once. */
static void keys_come_back_one_by_one(void **state)
{
    (void)state;
    enum {
        KEYS = 1000
    };
    const int64_t back = 2000 * NS_PER_S;
    bool there[KEYS] = { false };
    make(BALANCE_HASH, 4);
    fixture->balancer.slow_start = 60 * NS_PER_S;
    fixture->balancer.targets[1].since = back;
    balancer_refresh(&fixture->balancer);
    for (int64_t now = back; now <= back + 60 * NS_PER_S; now += NS_PER_S) {
        fixture->ask.now = now;
        for (uint64_t i = 0; i < KEYS; i++) {
            bool is = pick_key(i) == 1;
            assert_true(is || !there[i]);
            there[i] = is;
        }
    }
}

/* Whoever is new alone has nobody to leave requests to. */
static void where_all_are_new_requests_go_on(void **state)
{
    (void)state;
    for (int balance = 0; balance < BALANCE_KINDS; balance++) {
        make((enum upstream_balance)balance, 2);
        fixture->balancer.slow_start = 60 * NS_PER_S;
        fixture->balancer.targets[0].since = fixture->balancer.targets[1].since = fixture->ask.now;
        balancer_refresh(&fixture->balancer);
        for (uint64_t i = 0; i < 100; i++) {
            fixture->seen[pick_key(i)]++;
        }
        assert_true(fixture->seen[0] > 10 && fixture->seen[1] > 10);
        fixture->ask.keyed = false;
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(none_is_chosen_that_may_not_be),
        TEST(who_has_tried_all_of_a_tier_gets_the_next_one),
        TEST(the_only_usable_one_is_always_chosen),
        TEST(where_none_is_usable_all_are),
        TEST(a_choice_among_many_looks_at_few),
        TEST(every_endpoint_gets_its_share),
        TEST(weights_are_shares),
        TEST(weights_hold_in_short_runs),
        TEST(the_emptiest_is_chosen_and_equals_take_turns),
        TEST(p2c_prefers_the_fast_ones),
        TEST(p2c_comes_back_to_one_that_is_fast_again),
        TEST(p2c_takes_failures_for_slow),
        TEST(p2c_leaves_one_that_hangs),
        TEST(a_key_stays_where_it_is),
        TEST(keys_of_an_unusable_one_are_spread_over_the_others),
        TEST(what_has_no_key_takes_turns),
        TEST(no_endpoint_gets_more_than_its_bound),
        TEST(one_that_comes_back_gets_up_to_its_share),
        TEST(keys_come_back_one_by_one),
        TEST(where_all_are_new_requests_go_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
