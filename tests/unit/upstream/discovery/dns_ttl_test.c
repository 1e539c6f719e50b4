#include "unit.h"

#include "base/clock.h"
#include "upstream/discovery/dns_ttl.h"

#include <string.h>

/* An answer of two records to a question for the root, whose second TTL is `ttl`; the first one's is 300 s. Returns its size. */
static int make_answer(unsigned char *message, uint32_t ttl)
{
    static const unsigned char start[] = {
        0, 1, 0x85, 0x80, 0, 1, 0, 2, 0,  0, 0, 0,           /* head */
        0, 0, 1,    0,    1,                                 /* question: . A IN */
        0, 0, 1,    0,    1, 0, 0, 1, 44, 0, 4, 10, 0, 0, 1, /* . A 300 10.0.0.1 */
        0, 0, 1,    0,    1,
    };
    const unsigned char end[] = { (unsigned char)(ttl >> 24),
                                  (unsigned char)(ttl >> 16),
                                  (unsigned char)(ttl >> 8),
                                  (unsigned char)ttl,
                                  0,
                                  4,
                                  10,
                                  0,
                                  0,
                                  2 };
    memcpy(message, start, sizeof start);
    memcpy(message + sizeof start, end, sizeof end);
    return (int)(sizeof start + sizeof end);
}

static void the_smallest_counts(void **state)
{
    (void)state;
    static const struct {
        uint32_t sent, smallest;
    } cases[] = {
        { 60, 60 }, { 600, 300 }, { 0, 0 }, { INT32_MAX, 300 }, { 0x80000000, 0 }, { UINT32_MAX, 0 }
    };
    unsigned char message[64];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int size = make_answer(message, cases[i].sent);
        assert_int_equal(dns_answer_ttl(message, size), cases[i].smallest);
    }
}

static void what_is_malformed_holds_for_no_time(void **state)
{
    (void)state;
    unsigned char message[64];
    int size = make_answer(message, 60);
    for (int cut = 0; cut < size; cut++) {
        assert_int_equal(dns_answer_ttl(message, cut), 0);
    }
}

static void what_has_no_record_has_none(void **state)
{
    (void)state;
    static const unsigned char message[] = { 0, 1, 0x85, 0x80, 0, 0, 0, 0, 0, 0, 0, 0 };
    assert_int_equal(dns_answer_ttl(message, sizeof message), UINT32_MAX);
}

/* Without chance. */
static int64_t pause_of(uint32_t ttl, uint32_t names, int64_t interval)
{
    return dns_pause(ttl, names, interval, 0);
}

static void a_ttl_is_waited_for(void **state)
{
    (void)state;
    assert_int_equal(pause_of(7, 1, 30 * NS_PER_S), 7 * NS_PER_S);
    assert_int_equal(pause_of(30, 1, 30 * NS_PER_S), 30 * NS_PER_S);
}

static void the_interval_bounds_it(void **state)
{
    (void)state;
    assert_int_equal(pause_of(31, 1, 30 * NS_PER_S), 30 * NS_PER_S);
    assert_int_equal(pause_of(INT32_MAX, 1, 30 * NS_PER_S), 30 * NS_PER_S);
    assert_int_equal(pause_of(UINT32_MAX, 1, 30 * NS_PER_S), 30 * NS_PER_S);
    assert_int_equal(pause_of(1, 1, 100 * NS_PER_MS), 100 * NS_PER_MS);
}

static void none_is_no_storm(void **state)
{
    (void)state;
    assert_int_equal(pause_of(0, 0, 30 * NS_PER_S), NS_PER_S);
    assert_int_equal(pause_of(0, 1, 30 * NS_PER_S), NS_PER_S);
    assert_int_equal(pause_of(0, 256, 30 * NS_PER_S), 5120 * NS_PER_MS);
    assert_int_equal(pause_of(6, 256, 30 * NS_PER_S), 6 * NS_PER_S);
    assert_int_equal(pause_of(0, 256, NS_PER_S), NS_PER_S); /* so it was wanted */
}

static void chance_adds_up_to_a_tenth(void **state)
{
    (void)state;
    int64_t least = INT64_MAX, most = 0;
    for (uint32_t chance = 0; chance < 5000; chance++) {
        int64_t pause = dns_pause(20, 1, 30 * NS_PER_S, chance * 2654435761U);
        least = pause < least ? pause : least;
        most = pause > most ? pause : most;
    }
    assert_in_range((uint64_t)least, 20 * NS_PER_S, 20 * NS_PER_S + 10 * NS_PER_MS);
    assert_in_range((uint64_t)most, 22 * NS_PER_S - 10 * NS_PER_MS, 22 * NS_PER_S);
}

static void nothing_is_asked_for_again_soon(void **state)
{
    (void)state;
    assert_int_equal(dns_pause_of_nothing(3600 * NS_PER_S, 0), 10 * NS_PER_S);
    assert_int_equal(dns_pause_of_nothing(NS_PER_S, 0), NS_PER_S);
    assert_int_equal(dns_pause_of_nothing(NS_PER_S, 1000), NS_PER_S + 100 * NS_PER_MS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_smallest_counts),         cmocka_unit_test(what_is_malformed_holds_for_no_time),
        cmocka_unit_test(what_has_no_record_has_none), cmocka_unit_test(a_ttl_is_waited_for),
        cmocka_unit_test(the_interval_bounds_it),      cmocka_unit_test(none_is_no_storm),
        cmocka_unit_test(chance_adds_up_to_a_tenth),   cmocka_unit_test(nothing_is_asked_for_again_soon),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
