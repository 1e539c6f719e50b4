/* A full table, and a crowd of keys that have a prefix in common. */
#include "limits.h"

#define ENTRIES 1024
#define CROWD   5000

static const int64_t start = 1000 * NS_PER_S;

/* A key of eight bytes, of which the first four are the prefix. */
struct who {
    uint32_t prefix, number;
};

static struct limit_answer ask(const struct table *table, const struct limit_settings *rule,
                               const struct who *who, bool with_prefix, int64_t now)
{
    struct limit_key key = { .settings = rule, .key = who, .key_size = sizeof *who };
    struct limit_answer answer;
    if (with_prefix) {
        key.prefix = &who->prefix;
        key.prefix_size = sizeof who->prefix;
    }
    limiter_decide(table->limiter, &key, 1, now, &answer);
    return answer;
}

static struct limiter_stats stats_of(const struct table *table)
{
    struct limiter_stats stats;
    limiter_read_stats(table->limiter, &stats);
    return stats;
}

/* Every place taken, by keys of as many prefixes, each with half of its allowance used. */
static void fill(const struct table *table, const struct limit_settings *rule)
{
    for (uint32_t number = 0; table_used(table->limiter) < ENTRIES; number++) {
        struct who who = { 1000000 + number, number };
        for (int i = 0; i < 5; i++) {
            assert_true(ask(table, rule, &who, false, start).allowed);
        }
    }
}

static uint64_t send_crowd(const struct table *table, const struct limit_settings *rule, bool with_prefix,
                           int64_t now)
{
    uint64_t admitted = 0;
    for (uint32_t number = 0; number < CROWD; number++) {
        struct who who = { 7, number };
        admitted += ask(table, rule, &who, with_prefix, now).allowed;
    }
    return admitted;
}

/* So many as a crowd may displace, and the allowance of one beyond them. */
static void test_a_crowd_counts_as_one(void **state)
{
    (void)state;
    struct limit_settings rules[] = { window_of(10, 600 * NS_PER_S), rate_of(10, 600 * NS_PER_S, 10) };
    for (size_t i = 0; i < 2; i++) {
        struct table table;
        table_init(&table, ENTRIES);
        fill(&table, &rules[i]);
        uint64_t before = stats_of(&table).displaced;
        uint64_t admitted = send_crowd(&table, &rules[i], true, start);
        struct limiter_stats stats = stats_of(&table);
        assert_in_range(admitted, LIMIT_CROWD_LEAST + 10, LIMIT_CROWD_LEAST + 10);
        assert_int_equal(stats.gathered, CROWD - LIMIT_CROWD_LEAST);
        assert_in_range(stats.displaced - before, LIMIT_CROWD_LEAST, LIMIT_CROWD_LEAST + 1);
        /* Told like any refusal: when there is room for the next one. */
        struct who late = { 7, CROWD };
        struct limit_answer answer = ask(&table, &rules[i], &late, true, start);
        assert_false(answer.allowed);
        assert_true(answer.retry_after > 0 && answer.retry_after <= 600 * NS_PER_S);
        table_done(&table);
    }
}

/* The twin: keys that have nothing in common are each for itself, and nobody new is refused for want of room. */
static void test_strangers_are_not_gathered(void **state)
{
    (void)state;
    struct limit_settings rule = window_of(10, 600 * NS_PER_S);
    struct table table;
    table_init(&table, ENTRIES);
    fill(&table, &rule);
    assert_int_equal(send_crowd(&table, &rule, false, start), CROWD);
    for (uint32_t number = 0; number < CROWD; number++) {
        struct who who = { 2000000 + number, 1 };
        /* Prefixes that share a counter may make a crowd of themselves: but each then has a count of its own. */
        assert_true(ask(&table, &rule, &who, true, start).allowed);
    }
    table_done(&table);
}

/* Where there is room, as many as fit come from one prefix, each with its own allowance. */
static void test_nobody_is_gathered_where_there_is_room(void **state)
{
    (void)state;
    struct limit_settings rule = window_of(10, 600 * NS_PER_S);
    struct table table;
    table_init(&table, ENTRIES);
    for (uint32_t number = 0; number < ENTRIES / 2; number++) {
        struct who who = { 7, number };
        for (int i = 0; i < 10; i++) {
            assert_true(ask(&table, &rule, &who, true, start).allowed);
        }
        assert_false(ask(&table, &rule, &who, true, start).allowed);
    }
    assert_int_equal(stats_of(&table).gathered, 0);
    /* Entries that are as good as new are room. */
    int64_t later = start + 601 * NS_PER_S;
    fill(&table, &rule);
    assert_int_equal(send_crowd(&table, &rule, true, later) > ENTRIES / 2, true);
    table_done(&table);
}

/* Those of the prefix that came before the crowd keep what they have; so does everybody else who has used much. */
static void test_a_crowd_harms_nobody_who_is_known(void **state)
{
    (void)state;
    struct limit_settings rule = window_of(10, 600 * NS_PER_S);
    struct table table;
    table_init(&table, ENTRIES);
    struct who neighbour = { 7, 1 << 20 }, stranger = { 8, 1 << 20 };
    for (int i = 0; i < 7; i++) {
        assert_true(ask(&table, &rule, &neighbour, true, start).allowed);
        assert_true(ask(&table, &rule, &stranger, true, start).allowed);
    }
    fill(&table, &rule);
    send_crowd(&table, &rule, true, start);
    for (int i = 0; i < 3; i++) {
        assert_true(ask(&table, &rule, &neighbour, true, start).allowed);
        assert_true(ask(&table, &rule, &stranger, true, start).allowed);
    }
    assert_false(ask(&table, &rule, &neighbour, true, start).allowed);
    assert_false(ask(&table, &rule, &stranger, true, start).allowed);
    /* A newcomer of another prefix is not of the crowd. */
    struct who newcomer = { 9, 5 };
    assert_true(ask(&table, &rule, &newcomer, true, start).allowed);
    table_done(&table);
}

/* After a quiet minute its next ones are newcomers like others. */
static void test_a_crowd_passes(void **state)
{
    (void)state;
    struct limit_settings rule = window_of(10, 600 * NS_PER_S);
    struct table table;
    table_init(&table, ENTRIES);
    fill(&table, &rule);
    send_crowd(&table, &rule, true, start);
    struct who late = { 7, 1 << 20 }, later = { 7, 1 << 21 };
    assert_false(ask(&table, &rule, &late, true, start + NS_PER_S / 2).allowed);
    uint64_t gathered = stats_of(&table).gathered;
    assert_true(ask(&table, &rule, &later, true, start + 61 * NS_PER_S).allowed);
    assert_int_equal(stats_of(&table).gathered, gathered);
    table_done(&table);
}

/* Of two limits of a request, the one that a crowd is refused by takes nothing off the other. */
static void test_all_or_none(void **state)
{
    (void)state;
    struct limit_settings narrow = window_of(10, 600 * NS_PER_S), wide = window_of(1000, 600 * NS_PER_S);
    struct table table;
    table_init(&table, ENTRIES);
    fill(&table, &narrow);
    uint64_t admitted = 0;
    struct limit_answer answer;
    for (int i = 0; i < 900; i++) {
        assert_true(
            admits(&table, &wide, "all", start)); /* far from its full allowance: nobody displaces it */
    }
    for (uint32_t number = 0; number < CROWD; number++) {
        struct who who = { 7, number };
        struct limit_key keys[] = {
            { .settings = &wide, .key = "all", .key_size = 3 },
            { .settings = &narrow,
              .key = &who,
              .key_size = sizeof who,
              .prefix = &who.prefix,
              .prefix_size = 4 },
        };
        limiter_decide(table.limiter, keys, 2, start, &answer);
        admitted += answer.allowed;
    }
    assert_false(answer.allowed);
    assert_int_equal(answer.refused_by, 1);
    assert_in_range(admitted, LIMIT_CROWD_LEAST, LIMIT_CROWD_LEAST + 10);
    assert_int_equal(drain(&table, &wide, "all", start), 100 - admitted);
    table_done(&table);
}

/* Another clock's word in the crowd's counter neither locks anybody out nor lets everybody in. */
static void test_strange_words(void **state)
{
    (void)state;
    struct limit_settings rule = window_of(10, 600 * NS_PER_S);
    struct table table;
    table_init(&table, ENTRIES);
    fill(&table, &rule);
    for (size_t i = 0; i < CROWDS; i++) {
        atomic_store(&table.limiter->crowds[i], i % 2 ? UINT64_MAX : (uint64_t)start * 1000);
    }
    assert_in_range(send_crowd(&table, &rule, true, start), LIMIT_CROWD_LEAST + 10, LIMIT_CROWD_LEAST + 10);
    table_done(&table);
}

/* From all sides at once, and all the same no more. */
struct siege {
    struct table *table;
    struct limit_settings *rule;
    _Atomic uint64_t admitted;
};

static void siege_run(void *argument, unsigned int index)
{
    struct siege *siege = argument;
    for (uint32_t number = 0; number < CROWD / 4; number++) {
        struct who who = { 7, index << 20 | number };
        if (ask(siege->table, siege->rule, &who, true, start).allowed) {
            atomic_fetch_add(&siege->admitted, 1);
        }
    }
}

static void test_threads(void **state)
{
    (void)state;
    struct limit_settings rule = window_of(10, 600 * NS_PER_S);
    struct table table;
    table_init(&table, ENTRIES);
    fill(&table, &rule);
    struct siege siege = { .table = &table, .rule = &rule };
    run_threads(siege_run, &siege);
    /* The crowd's cell can itself be displaced once: by one of those that may. */
    assert_in_range(atomic_load(&siege.admitted), LIMIT_CROWD_LEAST, LIMIT_CROWD_LEAST + 2 * 10);
    /* Some find room and displace nobody: the places that threads give up which make the crowd's entry at once, and an
     * entry in the moment between its making and its first charge. */
    uint64_t asked = (uint64_t)THREADS * (CROWD / 4);
    assert_in_range(stats_of(&table).gathered, asked - LIMIT_CROWD_LEAST - 2 * 10, asked);
    table_done(&table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_crowd_counts_as_one),
        cmocka_unit_test(test_strangers_are_not_gathered),
        cmocka_unit_test(test_nobody_is_gathered_where_there_is_room),
        cmocka_unit_test(test_a_crowd_harms_nobody_who_is_known),
        cmocka_unit_test(test_a_crowd_passes),
        cmocka_unit_test(test_all_or_none),
        cmocka_unit_test(test_strange_words),
        cmocka_unit_test(test_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
