#include "unit.h"

#include "net/deadline.h"

#define COUNT 200

struct item {
    struct deadline deadline; /* first: expired casts back */
    int64_t at;               /* the model: -1 not armed */
    int64_t rearm;            /* armed again by its own expiry; 0: no */
    unsigned int expired;
};

static struct deadline_table table;
static int64_t clock_now;

static uint64_t next_random(void)
{
    static uint64_t seed = 88172645463325252u;
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

static void on_expired(struct deadline *deadline)
{
    struct item *item = (struct item *)deadline;
    assert_false(deadline_is_set(deadline));
    assert_true(item->at >= 0 && item->at <= clock_now); /* never early, never after a clear */
    item->expired++;
    item->at = -1;
    if (item->rearm > 0) {
        item->at = clock_now + item->rearm;
        deadline_set(&table, deadline, clock_now, item->rearm);
        item->rearm = 0;
    }
}

static void set(struct item *item, int64_t duration)
{
    item->deadline.expired = on_expired;
    deadline_set(&table, &item->deadline, clock_now, duration);
    item->at = clock_now + (duration < 1 ? 1 : duration);
}

static void check(const struct item *items)
{
    int64_t first = INT64_MAX;
    deadline_run(&table, clock_now);
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(deadline_is_set(&items[i].deadline), items[i].at >= 0);
        if (items[i].at >= 0) {
            assert_true(items[i].at > clock_now); /* nothing due is left */
            first = items[i].at < first ? items[i].at : first;
        }
    }
    assert_true(deadline_next(&table) <= first);
    assert_true(first != INT64_MAX || deadline_next(&table) == INT64_MAX);
}

static void run_model(unsigned int durations)
{
    static struct item items[COUNT];
    memset(items, 0, sizeof items);
    deadline_table_init(&table);
    clock_now = 1000;
    for (int i = 0; i < COUNT; i++) {
        items[i].at = -1;
    }
    for (int step = 0; step < 60000; step++) {
        struct item *item = &items[next_random() % COUNT];
        switch (next_random() % 8) {
        case 0:
            deadline_clear(&item->deadline);
            item->at = -1;
            break;
        case 1:
            clock_now += (int64_t)(next_random() % 300);
            check(items);
            break;
        case 2:
            item->rearm = (int64_t)(next_random() % 50);
            break;
        default:
            set(item, (int64_t)(next_random() % durations) * 640 + (int64_t)(next_random() % 2));
        }
        assert_true(table.count <= DEADLINE_CLASSES_MAX);
    }
    deadline_table_done(&table);
    for (int i = 0; i < COUNT; i++) {
        assert_false(deadline_is_set(&items[i].deadline));
    }
}

static void test_as_the_model_with_few_durations(void **state)
{
    (void)state;
    run_model(6);
}

static void test_as_the_model_with_more_durations_than_lists(void **state)
{
    (void)state;
    run_model(500);
}

static void test_moving_costs_no_list_work(void **state)
{
    (void)state;
    struct item a = { .at = -1 }, b = { .at = -1 };
    deadline_table_init(&table);
    clock_now = 0;
    set(&a, 6400);
    set(&b, 6400);
    clock_now = 50;
    set(&a, 6400); /* within the slack: stays in front, with its old time */
    assert_ptr_equal(a.deadline.next, &b.deadline);
    assert_int_equal(deadline_next(&table), 6400);
    clock_now = 6400;
    deadline_run(&table, clock_now);
    assert_int_equal(a.expired, 0);
    assert_int_equal(b.expired, 1);
    assert_int_equal(deadline_next(&table), 6450);
    clock_now = 6450;
    deadline_run(&table, clock_now);
    assert_int_equal(a.expired, 1);
    deadline_table_done(&table);
}

static void test_far_times_do_not_overflow(void **state)
{
    (void)state;
    struct item item = { .at = -1 };
    deadline_table_init(&table);
    clock_now = 5;
    item.deadline.expired = on_expired;
    deadline_set(&table, &item.deadline, clock_now, INT64_MAX);
    assert_true(deadline_is_set(&item.deadline));
    deadline_run(&table, INT64_MAX - 2);
    assert_int_equal(item.expired, 0);
    deadline_clear(&item.deadline);
    deadline_clear(&item.deadline);
    deadline_table_done(&table);
}

static void test_a_parked_one_does_not_expire_and_is_set_again_in_its_place(void **state)
{
    (void)state;
    struct item a = { .at = -1 }, b = { .at = -1 };
    deadline_table_init(&table);
    clock_now = 0;
    set(&a, 6400);
    set(&b, 6400);
    deadline_park(&a.deadline);
    assert_false(deadline_is_set(&a.deadline));
    clock_now = 50;
    set(&a, 6400);
    assert_true(deadline_is_set(&a.deadline));
    assert_ptr_equal(a.deadline.next, &b.deadline);
    deadline_park(&b.deadline);
    clock_now = 6400;
    deadline_run(&table, clock_now);
    assert_int_equal(a.expired + b.expired, 0);
    assert_null(b.deadline.class); /* off the list: the owner need not clear it */
    clock_now = 6450;
    deadline_run(&table, clock_now);
    assert_int_equal(a.expired, 1);
    assert_int_equal(deadline_next(&table), INT64_MAX);
    deadline_table_done(&table);
}

static void on_always_again(struct deadline *deadline)
{
    struct item *item = (struct item *)deadline;
    item->expired++;
    deadline_set(&table, deadline, clock_now, 0);
}

static void test_one_that_arms_itself_cannot_hold_the_run(void **state)
{
    (void)state;
    struct item item = { .at = -1 };
    deadline_table_init(&table);
    clock_now = 0;
    item.deadline.expired = on_always_again;
    deadline_set(&table, &item.deadline, clock_now, 0);
    clock_now = 10;
    deadline_run(&table, clock_now);
    assert_int_equal(item.expired, 1);
    deadline_table_done(&table);
}

static void test_steps_never_go_beyond_what_is_left_but_for_the_shortest(void **state)
{
    (void)state;
    const int64_t ms = 1000000;
    assert_int_equal(deadline_step(-5), ms);
    assert_int_equal(deadline_step(1), ms);
    assert_int_equal(deadline_step(4 * ms - 1), ms);
    assert_int_equal(deadline_step(4 * ms), 4 * ms);
    assert_int_equal(deadline_step(1000 * ms), 256 * ms);
    assert_int_equal(deadline_step(INT64_MAX), 65536 * ms);
    for (int64_t left = 3600000 * ms, looks = 0; left > 0; left -= deadline_step(left)) {
        assert_true(looks++ < 80); /* 55 of the longest, and a few for each of the others */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_as_the_model_with_few_durations),
        cmocka_unit_test(test_as_the_model_with_more_durations_than_lists),
        cmocka_unit_test(test_moving_costs_no_list_work),
        cmocka_unit_test(test_far_times_do_not_overflow),
        cmocka_unit_test(test_a_parked_one_does_not_expire_and_is_set_again_in_its_place),
        cmocka_unit_test(test_one_that_arms_itself_cannot_hold_the_run),
        cmocka_unit_test(test_steps_never_go_beyond_what_is_left_but_for_the_shortest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
