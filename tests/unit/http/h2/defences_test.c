#include "base/clock.h"
#include "http/h2/defences.h"
#include "unit.h"

/* How many may come at once. */
static int at_once(struct h2_defences *defences, enum h2_flood kind, int64_t now)
{
    int count = 0;
    while (count < 1000000 && h2_defences_count(defences, kind, now)) {
        count++;
    }
    return count;
}

static void test_bursts(void **state)
{
    (void)state;
    static const struct {
        enum h2_flood kind;
        int burst, rate;
    } rows[] = {
        { H2_FLOOD_RESETS, HTTP2_RESETS_BURST, HTTP2_RESETS_RATE },
        { H2_FLOOD_PROVOKED, HTTP2_PROVOKED_BURST, HTTP2_PROVOKED_RATE },
        { H2_FLOOD_SETTINGS, HTTP2_SETTINGS_BURST, HTTP2_SETTINGS_RATE },
        { H2_FLOOD_PING, HTTP2_PING_BURST, HTTP2_PING_RATE },
        { H2_FLOOD_WINDOW_UPDATE, HTTP2_WINDOW_UPDATE_BURST, HTTP2_WINDOW_UPDATE_RATE },
        { H2_FLOOD_EMPTY_DATA, HTTP2_EMPTY_DATA_BURST, HTTP2_EMPTY_DATA_RATE },
        { H2_FLOOD_PRIORITY, HTTP2_PRIORITY_BURST, HTTP2_PRIORITY_RATE },
        { H2_FLOOD_OTHER_FRAMES, HTTP2_OTHER_FRAMES_BURST, HTTP2_OTHER_FRAMES_RATE },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct h2_defences defences = { 0 };
        int64_t now = 5 * NS_PER_S;
        assert_int_equal(at_once(&defences, rows[i].kind, now), rows[i].burst);
        /* A second gives back what a second may have, and no more. */
        assert_int_equal(at_once(&defences, rows[i].kind, now + NS_PER_S), rows[i].rate);
        /* A long calm gives back all, and no more. */
        assert_int_equal(at_once(&defences, rows[i].kind, now + 3600 * NS_PER_S), rows[i].burst);
    }
}

static void test_kinds_are_apart(void **state)
{
    (void)state;
    struct h2_defences defences = { 0 };
    at_once(&defences, H2_FLOOD_PING, 1);
    assert_true(h2_defences_count(&defences, H2_FLOOD_SETTINGS, 1));
    assert_false(h2_defences_count(&defences, H2_FLOOD_PING, 1));
}

static void test_earning(void **state)
{
    (void)state;
    struct h2_defences defences = { 0 };
    int64_t now = 5 * NS_PER_S;
    h2_defences_earn(&defences, H2_FLOOD_WINDOW_UPDATE, now,
                     1000000); /* nothing is owed: nothing is saved up */
    assert_int_equal(at_once(&defences, H2_FLOOD_WINDOW_UPDATE, now), HTTP2_WINDOW_UPDATE_BURST);
    h2_defences_earn(&defences, H2_FLOOD_WINDOW_UPDATE, now, 10);
    assert_int_equal(at_once(&defences, H2_FLOOD_WINDOW_UPDATE, now), 10);
    h2_defences_earn(&defences, H2_FLOOD_WINDOW_UPDATE, now, UINT64_MAX);
    assert_int_equal(at_once(&defences, H2_FLOOD_WINDOW_UPDATE, now), HTTP2_WINDOW_UPDATE_BURST);
}

static void test_names(void **state)
{
    (void)state;
    assert_slice(h2_flood_name(H2_FLOOD_RESETS), "resets");
    assert_slice(h2_flood_name(H2_FLOOD_MEMORY), "memory");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bursts),
        cmocka_unit_test(test_kinds_are_apart),
        cmocka_unit_test(test_earning),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
