#include "unit.h"

#include "base/arena.h"
#include "base/clock.h"
#include "upstream/outlier/detector.h"

#define ENDPOINTS 4

struct fixture {
    struct net_loop loop;
    struct arena arena;
    struct outlier_detector *detector;
    struct outlier_settings outliers;
    struct upstream_settings upstream;
    struct upstream_endpoint endpoints[ENDPOINTS];
    struct outlier_count counts[ENDPOINTS];
    unsigned int ejected, returned;
    char reason[32], detail[128], endpoint[64];
    int64_t duration;
};

static struct fixture *fixture;

static void on_event(void *context, const struct outlier_event *event)
{
    struct fixture *own = context;
    own->ejected += event->ejected;
    own->returned += !event->ejected;
    snprintf(own->endpoint, sizeof own->endpoint, "%.*s", SLICE_ARG(event->endpoint));
    if (event->ejected) {
        snprintf(own->reason, sizeof own->reason, "%s", event->reason);
        snprintf(own->detail, sizeof own->detail, "%s", event->detail);
        own->duration = event->duration;
    }
}

static void turn_until(const unsigned int *count, unsigned int wanted)
{
    int64_t limit = clock_monotonic_ns() + 5 * NS_PER_S;
    while (*count < wanted && clock_monotonic_ns() < limit) {
        uv_run(&fixture->loop.uv, UV_RUN_NOWAIT);
    }
    assert_int_equal(*count, wanted);
}

static void turn(void)
{
    for (size_t i = 0; i < 20; i++) {
        uv_run(&fixture->loop.uv, UV_RUN_NOWAIT);
    }
}

static void drop_marks(void)
{
    for (size_t i = 0; i < ENDPOINTS; i++) {
        outlier_mark_unref(fixture->endpoints[i].outlier);
        fixture->endpoints[i].outlier = NULL;
    }
}

/* Another configuration, with so many endpoints. */
static void configure(size_t count)
{
    static const char *const urls[] = { "http://a.example", "http://b.example", "http://c.example",
                                        "http://d.example" };
    drop_marks();
    fixture->upstream.endpoints.count = count;
    for (size_t i = 0; i < count; i++) {
        assert_null(
            upstream_parse_endpoint(slice_from_string(urls[i]), &fixture->arena, &fixture->endpoints[i]));
    }
    assert_ok(outlier_detector_mark(fixture->detector, &fixture->upstream, 1));
    assert_ok(outlier_detector_set(fixture->detector, &fixture->upstream, 1));
}

static int set_up(void **state)
{
    (void)state;
    fixture = calloc(1, sizeof *fixture);
    assert_ok(net_loop_init(&fixture->loop));
    net_loop_woken(&fixture->loop);
    arena_init(&fixture->arena, 1 << 20);
    assert_ok(outlier_detector_new(&fixture->loop, on_event, fixture, &fixture->detector));
    fixture->outliers = (struct outlier_settings){ .failures = 5,
                                                   .success_gap = 20,
                                                   .min_requests = 100,
                                                   .interval = 3600 * NS_PER_S,
                                                   .ejection = 3600 * NS_PER_S,
                                                   .max_ejection = 7200 * NS_PER_S,
                                                   .max_ejected = 50 };
    fixture->upstream = (struct upstream_settings){ .name = SLICE_INIT("orders"),
                                                    .outliers = &fixture->outliers,
                                                    .parsed = fixture->endpoints };
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    outlier_detector_free(fixture->detector);
    drop_marks();
    net_loop_done(&fixture->loop);
    arena_done(&fixture->arena);
    free(fixture);
    return 0;
}

static void count(size_t index, bool well, unsigned int times)
{
    for (unsigned int i = 0; i < times; i++) {
        outlier_mark_count(fixture->endpoints[index].outlier, &fixture->counts[index], well,
                           fixture->outliers.failures);
    }
}

static bool is_ejected(size_t index)
{
    return outlier_mark_is_ejected(fixture->endpoints[index].outlier);
}

static void failures_in_a_row_eject(void **state)
{
    (void)state;
    configure(4);
    count(1, false, 4);
    count(1, true, 1); /* one that is good breaks the row */
    count(1, false, 4);
    turn();
    assert_int_equal(fixture->ejected, 0);
    count(1, false, 1);
    turn_until(&fixture->ejected, 1);
    assert_true(is_ejected(1));
    assert_false(is_ejected(0));
    assert_string_equal(fixture->endpoint, "http://b.example");
    assert_string_equal(fixture->reason, "failures");
    assert_string_equal(fixture->detail, "5 failures in a row");
    assert_true(fixture->duration > 3599 * NS_PER_S && fixture->duration <= 3600 * NS_PER_S);
}

static void what_is_ejected_comes_back_in_time(void **state)
{
    (void)state;
    fixture->outliers.ejection = 10 * NS_PER_MS;
    configure(4);
    uint64_t version = health_marks_version();
    count(1, false, 5);
    turn_until(&fixture->ejected, 1);
    assert_true(health_marks_version() != version); /* or no worker would look */
    version = health_marks_version();
    turn_until(&fixture->returned, 1);
    assert_false(is_ejected(1));
    assert_true(health_marks_version() != version);
    assert_true(atomic_load(&fixture->endpoints[1].outlier->since) > 0);
    /* It begins anew. */
    count(1, false, 4);
    turn();
    assert_int_equal(fixture->ejected, 1);
    count(1, false, 1);
    turn_until(&fixture->ejected, 2);
}

static void no_more_than_allowed_are_ejected(void **state)
{
    (void)state;
    configure(4);
    for (size_t i = 0; i < 4; i++) {
        count(i, false, 50);
    }
    turn();
    assert_int_equal(fixture->ejected, 2);
    assert_int_equal(is_ejected(0) + is_ejected(1) + is_ejected(2) + is_ejected(3), 2);
}

static void one_alone_is_not_ejected(void **state)
{
    (void)state;
    configure(1);
    count(0, false, 50);
    turn();
    assert_int_equal(fixture->ejected, 0);
}

static void who_lags_is_ejected_at_the_end_of_the_interval(void **state)
{
    (void)state;
    fixture->outliers.interval = 50 * NS_PER_MS;
    fixture->outliers.failures = 0;
    configure(3);
    for (size_t i = 0; i < 200; i++) {
        count(0, true, 1);
        count(1, i % 2 == 0, 1);
        count(2, true, 1);
    }
    turn_until(&fixture->ejected, 1);
    assert_true(is_ejected(1));
    assert_string_equal(fixture->reason, "success_gap");
    assert_string_equal(fixture->detail, "50% of its answers were good, of the others' 100%");
}

static void a_reload_keeps_what_is_ejected(void **state)
{
    (void)state;
    configure(3);
    count(1, false, 5);
    turn_until(&fixture->ejected, 1);
    struct outlier_mark *mark = fixture->endpoints[1].outlier;
    configure(4);
    assert_ptr_equal(fixture->endpoints[1].outlier, mark);
    assert_true(is_ejected(1));
    assert_int_equal(fixture->returned, 0);
    /* Who joins a service that was there is new; those from its beginning were always there. */
    assert_int_equal(atomic_load(&fixture->endpoints[0].outlier->since), 0);
    assert_true(atomic_load(&fixture->endpoints[3].outlier->since) > 0);
    /* One that goes and comes again is a new one. */
    configure(1);
    configure(2);
    assert_false(is_ejected(1));
}

static void where_outliers_are_no_longer_looked_for_none_stays_ejected(void **state)
{
    (void)state;
    configure(3);
    count(1, false, 5);
    turn_until(&fixture->ejected, 1);
    fixture->upstream.outliers = NULL;
    fixture->upstream.slow_start = NS_PER_S;
    configure(3);
    assert_false(is_ejected(1));
    fixture->upstream.slow_start = 0;
    configure(3);
    assert_null(fixture->endpoints[1].outlier);
}

static void what_is_ejected_shows_in_metrics(void **state)
{
    (void)state;
    struct buffer text;
    buffer_init(&text, 1 << 16);
    assert_true(outlier_detector_render(fixture->detector, &text));
    assert_int_equal(buffer_length(&text), 0);
    configure(2);
    count(1, false, 5);
    turn_until(&fixture->ejected, 1);
    assert_true(outlier_detector_render(fixture->detector, &text));
    static const char *const lines[] = {
        "ejected{service=\"orders\",endpoint=\"http://a.example\"} 0\n",
        "ejected{service=\"orders\",endpoint=\"http://b.example\"} 1\n",
        "ejections_total{service=\"orders\",endpoint=\"http://b.example\",reason=\"failures\"} 1\n",
    };
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        assert_true(slice_contains(buffer_slice(&text), slice_from_string(lines[i])));
    }
    buffer_done(&text);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(failures_in_a_row_eject),
        TEST(what_is_ejected_comes_back_in_time),
        TEST(no_more_than_allowed_are_ejected),
        TEST(one_alone_is_not_ejected),
        TEST(who_lags_is_ejected_at_the_end_of_the_interval),
        TEST(a_reload_keeps_what_is_ejected),
        TEST(where_outliers_are_no_longer_looked_for_none_stays_ejected),
        TEST(what_is_ejected_shows_in_metrics),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
