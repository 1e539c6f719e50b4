#include "unit.h"

#include "base/clock.h"
#include "gateway/worker.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

/* The control thread is the test; the worker has its own. */
struct fixture {
    struct net_loop control;
    struct metrics *metrics;
    struct logs *logs;
    struct gateway_worker *worker;
    struct worker_change change;
    struct snapshot *snapshot;
    bool answered, finished;
    unsigned int unknown_kids;
};

static struct fixture *fixture;

static void on_finished(struct gateway_worker *worker)
{
    assert_ptr_equal(worker, fixture->worker);
    fixture->finished = true;
}

static void on_unknown_kid(struct gateway_worker *worker)
{
    assert_string_equal(worker->unknown_kid_issuer, "main");
    fixture->unknown_kids++;
}

static void on_answer(struct net_task *task)
{
    (void)task;
    fixture->answered = true;
}

static struct snapshot *empty_snapshot(void)
{
    struct config *config = calloc(1, sizeof *config);
    arena_init(&config->arena, CONFIG_ARENA_MAX);
    config->settings.overload = arena_calloc(&config->arena, 1, sizeof *config->settings.overload);
    struct snapshot *snapshot;
    assert_ok(snapshot_new(config, &snapshot));
    return snapshot;
}

static int setup(void **state)
{
    (void)state;
    fixture = calloc(1, sizeof *fixture);
    assert_ok(net_loop_init(&fixture->control));
    assert_ok(metrics_new(1, &fixture->metrics));
    struct logs_options logs = {
        .access_fd = -1,
        .audit_fd = memfd_create("audit", MFD_CLOEXEC),
        .access_queue = 64 * 1024,
        .audit_queue = 64 * 1024,
        .producers = 1,
    };
    assert_ok(logs_new(&logs, &fixture->logs));
    struct worker_options options = {
        .control_loop = &fixture->control,
        .logs = logs_queue(fixture->logs, 0),
        .metrics = metrics_writer(fixture->metrics, 0),
        .token_cache = 16,
        .on_unknown_kid = on_unknown_kid,
        .on_finished = on_finished,
    };
    assert_ok(gateway_worker_start(&options, &fixture->worker));
    fixture->snapshot = empty_snapshot();
    fixture->change = (struct worker_change){
        .worker = fixture->worker, .snapshot = fixture->snapshot, .ok = true, .answer = { .run = on_answer }
    };
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    gateway_worker_stop(fixture->worker); /* also where it has ended */
    gateway_worker_join(fixture->worker);
    assert_true(gateway_worker_free(fixture->worker));
    assert_int_equal(fixture->snapshot->references, 1);
    snapshot_unref(fixture->snapshot);
    net_loop_done(&fixture->control);
    logs_free(fixture->logs);
    metrics_free(fixture->metrics);
    free(fixture);
    return 0;
}

static void turn_until(const bool *done)
{
    int64_t limit = clock_monotonic_ns() + 5 * NS_PER_S;
    while (!*done && clock_monotonic_ns() < limit) {
        uv_run(&fixture->control.uv, UV_RUN_NOWAIT);
    }
    assert_true(*done);
}

static void wait_for_answer(void)
{
    turn_until(&fixture->answered);
    fixture->answered = false;
}

/* A first configuration that is refused ends the process: its workers were never told to drain, and were waited for. */
static void a_worker_that_never_served_can_be_stopped(void **state)
{
    (void)state;
}

static void a_configuration_is_taken_up_in_two_steps(void **state)
{
    (void)state;
    gateway_worker_prepare(&fixture->change);
    wait_for_answer();
    assert_true(fixture->change.ok);
    assert_null(fixture->worker->worker.current);
    gateway_worker_commit(&fixture->change);
    wait_for_answer();
    assert_true(fixture->change.ok);
    assert_non_null(fixture->worker->worker.current);
}

static void a_configuration_that_is_dropped_leaves_nothing(void **state)
{
    (void)state;
    gateway_worker_prepare(&fixture->change);
    wait_for_answer();
    assert_int_equal(fixture->snapshot->references, 2);
    gateway_worker_discard(&fixture->change);
    wait_for_answer();
    assert_int_equal(fixture->snapshot->references, 1);
}

static void a_worker_that_drains_ends_and_takes_nothing_up(void **state)
{
    (void)state;
    gateway_worker_drain(fixture->worker, 60 * NS_PER_S);
    gateway_worker_prepare(&fixture->change);
    wait_for_answer();
    assert_false(fixture->change.ok);
    assert_non_null(fixture->change.failure);
    turn_until(&fixture->finished);
}

static void a_worker_with_a_configuration_ends(void **state)
{
    (void)state;
    gateway_worker_prepare(&fixture->change);
    wait_for_answer();
    gateway_worker_commit(&fixture->change);
    wait_for_answer();
    gateway_worker_drain(fixture->worker, 60 * NS_PER_S);
    turn_until(&fixture->finished);
}

/* On the worker's thread: again until it has let its configuration go, which is its last turn but one. */
static void commit_when_let_go(struct net_task *task)
{
    struct worker *worker = &fixture->worker->worker;
    if (worker->current != NULL) {
        net_loop_post(&worker->loop, task);
    } else {
        gateway_worker_commit(&fixture->change);
    }
}

/* A process that is told to end while it waits for keys: the sockets come when there is nothing left to serve. */
static void sockets_that_come_after_the_drain_are_closed(void **state)
{
    (void)state;
    int ends[2];
    struct net_task task = { .run = commit_when_let_go };
    gateway_worker_prepare(&fixture->change);
    wait_for_answer();
    gateway_worker_commit(&fixture->change);
    wait_for_answer();
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    struct worker_socket socket = { SLICE("public"), ends[0] };
    fixture->change.sockets = &socket;
    fixture->change.socket_count = 1;
    gateway_worker_drain(fixture->worker, 60 * NS_PER_S);
    net_loop_send(&fixture->worker->worker.loop, &task);
    wait_for_answer();
    assert_false(fixture->change.ok);
    assert_non_null(fixture->change.failure);
    turn_until(&fixture->finished);
    assert_int_equal(fcntl(ends[0], F_GETFD), -1);
    close(ends[1]);
}

struct ask {
    struct net_task task;
    unsigned int times;
    bool done;
};

static void ask_for_keys(struct net_task *task)
{
    struct ask *ask = (struct ask *)task;
    for (unsigned int i = 0; i < ask->times; i++) {
        fixture->worker->worker.unknown_kid(&fixture->worker->worker, SLICE("main"));
    }
}

/* A flood of unknown keys is one message to the control thread. */
static void unknown_keys_are_told_once_at_a_time(void **state)
{
    (void)state;
    struct ask ask = { .task = { .run = ask_for_keys }, .times = 10000 };
    net_loop_send(&fixture->worker->worker.loop, &ask.task);
    bool told = false;
    int64_t limit = clock_monotonic_ns() + 5 * NS_PER_S;
    while (!told && clock_monotonic_ns() < limit) {
        uv_run(&fixture->control.uv, UV_RUN_NOWAIT);
        told = fixture->unknown_kids > 0;
    }
    assert_true(told);
    gateway_worker_drain(fixture->worker, 0);
    turn_until(&fixture->finished);
    assert_true(fixture->unknown_kids < 1000);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_worker_that_never_served_can_be_stopped),
        TEST(a_configuration_is_taken_up_in_two_steps),
        TEST(a_configuration_that_is_dropped_leaves_nothing),
        TEST(a_worker_that_drains_ends_and_takes_nothing_up),
        TEST(a_worker_with_a_configuration_ends),
        TEST(sockets_that_come_after_the_drain_are_closed),
        TEST(unknown_keys_are_told_once_at_a_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
