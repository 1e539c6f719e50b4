#include "unit.h"

#include "base/clock.h"
#include "observe/metrics.h"

#include <pthread.h>

static struct buffer out;

static struct slice render(struct metrics *metrics)
{
    buffer_done(&out);
    buffer_init(&out, 16 * 1024 * 1024);
    assert_true(metrics_render(metrics, &out));
    return buffer_slice(&out);
}

/* The value of the line that starts with `sample` and a space, or -1. */
static double value_of(struct slice text, const char *sample)
{
    struct slice line;
    size_t size = strlen(sample);
    while (slice_next(&text, '\n', &line)) {
        if (line.len > size + 1 && memcmp(line.ptr, sample, size) == 0 && line.ptr[size] == ' ') {
            char number[64];
            snprintf(number, sizeof number, "%.*s", SLICE_ARG(slice_from(line, size + 1)));
            return strtod(number, NULL);
        }
    }
    return -1;
}

#define assert_value(text, sample, expected)                                                         \
    do {                                                                                             \
        double found_ = value_of((text), (sample));                                                  \
        if (found_ != (double)(expected)) {                                                          \
            fail_msg("%s is %f, not %f\n%.*s", sample, found_, (double)(expected), SLICE_ARG(text)); \
        }                                                                                            \
    } while (0)

static void writers_are_summed(void **state)
{
    (void)state;
    struct metrics *metrics;
    assert_ok(metrics_new(3, &metrics));
    assert_null(metrics_writer(metrics, 3));
    unsigned int slot = metrics_route_slot(metrics, SLICE("orders.read"));
    assert_int_equal(slot, 1);
    for (unsigned int i = 0; i < 3; i++) {
        struct metrics_worker *worker = metrics_writer(metrics, i);
        metrics_add(worker, METRIC_CONNECTIONS_OPEN, 5);
        metrics_add(worker, METRIC_CONNECTIONS_OPEN, -2);
        metrics_request(worker, slot, 200, DENY_NONE, 3 * NS_PER_MS);
        metrics_request(worker, slot, 401, DENY_TOKEN_EXPIRED, 1 * NS_PER_MS);
    }
    metrics_request(metrics_writer(metrics, 0), slot, 401, DENY_TOKEN_SIGNATURE, 20 * NS_PER_S);
    metrics_request(metrics_writer(metrics, 0), 0, 404, DENY_NO_ROUTE, -1);
    struct slice text = render(metrics);
    assert_value(text, "sallyport_connections_open", 9);
    assert_value(text, "sallyport_requests_total{route=\"orders.read\",status=\"200\"}", 3);
    assert_value(text, "sallyport_requests_total{route=\"orders.read\",status=\"401\"}", 4);
    assert_value(text, "sallyport_requests_total{route=\"-\",status=\"404\"}", 1);
    assert_value(text, "sallyport_denied_total{route=\"orders.read\",reason=\"token_expired\"}", 3);
    assert_value(text, "sallyport_denied_total{route=\"orders.read\",reason=\"token_signature\"}", 1);
    assert_value(text, "sallyport_denied_total{route=\"-\",reason=\"no_route\"}", 1);
    assert_value(text, "sallyport_denied_total{route=\"orders.read\",reason=\"no_route\"}", -1);
    assert_value(text, "sallyport_request_duration_seconds_bucket{route=\"orders.read\",le=\"0.001\"}", 3);
    assert_value(text, "sallyport_request_duration_seconds_bucket{route=\"orders.read\",le=\"0.0025\"}", 3);
    assert_value(text, "sallyport_request_duration_seconds_bucket{route=\"orders.read\",le=\"0.005\"}", 6);
    assert_value(text, "sallyport_request_duration_seconds_bucket{route=\"orders.read\",le=\"10\"}", 6);
    assert_value(text, "sallyport_request_duration_seconds_bucket{route=\"orders.read\",le=\"+Inf\"}", 7);
    assert_value(text, "sallyport_request_duration_seconds_count{route=\"orders.read\"}", 7);
    assert_value(text, "sallyport_request_duration_seconds_sum{route=\"orders.read\"}", 20.012);
    assert_value(text, "sallyport_build_info{version=\"" SALLYPORT_VERSION "\"}", 1);
    metrics_free(metrics);
}

static void tunnels_are_told_of_routes_that_had_one(void **state)
{
    (void)state;
    struct metrics *metrics;
    assert_ok(metrics_new(2, &metrics));
    unsigned int slot = metrics_route_slot(metrics, SLICE("live"));
    (void)metrics_route_slot(metrics, SLICE("plain"));
    metrics_tunnel(metrics_writer(metrics, 0), slot, 1);
    metrics_tunnel(metrics_writer(metrics, 1), slot, 1);
    metrics_tunnel(metrics_writer(metrics, 1), METRICS_ROUTES_MAX, 1);
    assert_value(render(metrics), "sallyport_streams_open{route=\"live\"}", 2);
    assert_value(render(metrics), "sallyport_streams_open{route=\"plain\"}", -1);
    for (unsigned int i = 0; i < 2; i++) {
        metrics_tunnel(metrics_writer(metrics, i), slot, -1);
    }
    assert_value(render(metrics), "sallyport_streams_open{route=\"live\"}", 0);
    metrics_free(metrics);
}

static void slots_stay(void **state)
{
    (void)state;
    struct metrics *metrics;
    assert_ok(metrics_new(1, &metrics));
    assert_int_equal(metrics_route_slot(metrics, SLICE("-")), 0);
    assert_int_equal(metrics_route_slot(metrics, SLICE_NONE), 0);
    char name[32];
    for (unsigned int i = 1; i < METRICS_ROUTES_MAX; i++) {
        int size = snprintf(name, sizeof name, "route-%u", i);
        assert_int_equal(metrics_route_slot(metrics, slice_of(name, (size_t)size)), i);
    }
    assert_int_equal(metrics_route_slot(metrics, SLICE("route-500")), 500);
    assert_int_equal(metrics_route_slot(metrics, SLICE("one too many")), 0);
    metrics_request(metrics_writer(metrics, 0), METRICS_ROUTES_MAX - 1, 200, DENY_NONE, 1);
    metrics_request(metrics_writer(metrics, 0), METRICS_ROUTES_MAX, 200, DENY_NONE, 1);
    metrics_request(metrics_writer(metrics, 0), UINT32_MAX, 200, DENY_NONE, 1);
    snprintf(name, sizeof name, "route-%d", METRICS_ROUTES_MAX - 1);
    char sample[128];
    snprintf(sample, sizeof sample, "sallyport_requests_total{route=\"%s\",status=\"200\"}", name);
    assert_value(render(metrics), sample, 1);
    metrics_free(metrics);
}

static void labels_are_escaped(void **state)
{
    (void)state;
    struct metrics *metrics;
    assert_ok(metrics_new(1, &metrics));
    unsigned int slot = metrics_route_slot(metrics, SLICE("a\"b\\c\nd"));
    metrics_request(metrics_writer(metrics, 0), slot, 200, DENY_NONE, 1);
    assert_value(render(metrics), "sallyport_requests_total{route=\"a\\\"b\\\\c\\nd\",status=\"200\"}", 1);
    metrics_free(metrics);
}

static void many_statuses_are_counted_once_each(void **state)
{
    (void)state;
    struct metrics *metrics;
    assert_ok(metrics_new(1, &metrics));
    struct metrics_worker *worker = metrics_writer(metrics, 0);
    for (int round = 0; round < 2; round++) {
        for (unsigned int status = 200; status < 240; status++) {
            metrics_request(worker, 0, status, DENY_NONE, 1);
        }
    }
    metrics_request(worker, 0, 4000000000u, DENY_NONE, 1);
    struct slice text = render(metrics);
    assert_value(text, "sallyport_requests_total{route=\"-\",status=\"200\"}", 2);
    assert_value(text, "sallyport_requests_total{route=\"-\",status=\"231\"}", 2);
    assert_value(text, "sallyport_requests_total{route=\"-\",status=\"232\"}", -1);
    assert_value(text, "sallyport_requests_total{route=\"-\",status=\"other\"}", 17);
    metrics_free(metrics);
}

static void no_answer_is_a_status_too(void **state)
{
    (void)state;
    struct metrics *metrics;
    assert_ok(metrics_new(1, &metrics));
    metrics_request(metrics_writer(metrics, 0), 0, 0, DENY_NONE, 1);
    assert_value(render(metrics), "sallyport_requests_total{route=\"-\",status=\"000\"}", 1);
    metrics_free(metrics);
}

static bool name_character(char c)
{
    return ascii_is_alpha(c) || ascii_is_digit(c) || c == '_' || c == ':';
}

/* NAME [{LABEL="VALUE",…}] NUMBER; returns the name's length, 0 where it is malformed. */
static size_t check_sample(struct slice line)
{
    size_t i = 0;
    while (i < line.len && name_character(line.ptr[i])) {
        i++;
    }
    size_t name = i;
    if (i < line.len && line.ptr[i] == '{') {
        do {
            i++;
            while (i < line.len && name_character(line.ptr[i])) {
                i++;
            }
            if (!slice_starts_with(slice_from(line, i), SLICE("=\""))) {
                return 0;
            }
            for (i += 2; i < line.len && line.ptr[i] != '"'; i++) {
                i += line.ptr[i] == '\\';
            }
            i++;
        } while (i < line.len && line.ptr[i] == ',');
        if (i >= line.len || line.ptr[i] != '}') {
            return 0;
        }
        i++;
    }
    if (i + 1 >= line.len || line.ptr[i] != ' ') {
        return 0;
    }
    char number[64], *end;
    snprintf(number, sizeof number, "%.*s", SLICE_ARG(slice_from(line, i + 1)));
    strtod(number, &end);
    return *end == '\0' ? name : 0;
}

/* Each family once, HELP before TYPE before its samples, no sample outside its family. */
static void the_text_is_well_formed(void **state)
{
    (void)state;
    struct metrics *metrics;
    assert_ok(metrics_new(2, &metrics));
    for (unsigned int status = 100; status < 600; status += 50) {
        unsigned int slot = metrics_route_slot(metrics, SLICE("we\"ird\\ {route}\n, x"));
        metrics_request(metrics_writer(metrics, status % 2), slot, status, DENY_BAD_PATH, status * NS_PER_MS);
    }
    struct slice text = render(metrics), line, family = SLICE_NONE;
    assert_true(slice_ends_with(text, SLICE("\n")));
    text.len--;
    bool typed = false;
    size_t samples = 0;
    while (slice_next(&text, '\n', &line)) {
        if (slice_starts_with(line, SLICE("# HELP "))) {
            struct slice rest = slice_from(line, 7);
            assert_true(slice_next(&rest, ' ', &family));
            assert_true(rest.len > 0);
            typed = false;
        } else if (slice_starts_with(line, SLICE("# TYPE "))) {
            assert_true(slice_starts_with(slice_from(line, 7), family));
            assert_false(typed);
            typed = true;
        } else {
            size_t name = check_sample(line);
            if (name == 0 || !typed || !slice_starts_with(line, family)) {
                fail_msg("bad line: %.*s", SLICE_ARG(line));
            }
            samples++;
        }
    }
    assert_true(samples > METRIC_COUNT);
    metrics_free(metrics);
}

static void a_full_buffer_is_told(void **state)
{
    (void)state;
    struct metrics *metrics;
    assert_ok(metrics_new(1, &metrics));
    size_t whole = render(metrics).len;
    for (size_t room = 0; room < whole; room += 97) {
        struct buffer small;
        buffer_init(&small, room);
        assert_false(metrics_render(metrics, &small));
        buffer_done(&small);
    }
    metrics_free(metrics);
}

struct job {
    struct metrics *metrics;
    unsigned int index, slot;
};

static void *count_requests(void *argument)
{
    const struct job *job = argument;
    struct metrics_worker *worker = metrics_writer(job->metrics, job->index);
    for (int i = 0; i < 20000; i++) {
        metrics_request(worker, job->slot, 200 + i % 3, i % 2 ? DENY_RATE_CLIENT : DENY_NONE, i);
        metrics_add(worker, METRIC_HANDSHAKES, 1);
    }
    return NULL;
}

static void rendering_runs_beside_counting(void **state)
{
    (void)state;
    struct metrics *metrics;
    assert_ok(metrics_new(2, &metrics));
    pthread_t threads[2];
    struct job jobs[2];
    for (unsigned int i = 0; i < 2; i++) {
        jobs[i] = (struct job){ metrics, i, metrics_route_slot(metrics, SLICE("busy")) };
        assert_int_equal(pthread_create(&threads[i], NULL, count_requests, &jobs[i]), 0);
    }
    char name[32];
    for (int i = 0; i < 200; i++) {
        int size = snprintf(name, sizeof name, "late-%d", i); /* new chunks meanwhile */
        metrics_route_slot(metrics, slice_of(name, (size_t)size));
        if (i % 20 == 0) {
            render(metrics);
        }
    }
    pthread_join(threads[0], NULL);
    pthread_join(threads[1], NULL);
    struct slice text = render(metrics);
    assert_value(text, "sallyport_tls_handshakes_total", 40000);
    assert_value(text, "sallyport_request_duration_seconds_count{route=\"busy\"}", 40000);
    assert_value(text, "sallyport_denied_total{route=\"busy\",reason=\"rate_client\"}", 20000);
    metrics_free(metrics);
}

static int free_buffer(void **state)
{
    (void)state;
    buffer_done(&out);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writers_are_summed),
        cmocka_unit_test(tunnels_are_told_of_routes_that_had_one),
        cmocka_unit_test(slots_stay),
        cmocka_unit_test(labels_are_escaped),
        cmocka_unit_test(many_statuses_are_counted_once_each),
        cmocka_unit_test(no_answer_is_a_status_too),
        cmocka_unit_test(the_text_is_well_formed),
        cmocka_unit_test(a_full_buffer_is_told),
        cmocka_unit_test(rendering_runs_beside_counting),
    };
    return cmocka_run_group_tests(tests, NULL, free_buffer);
}
