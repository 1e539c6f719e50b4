#include "unit.h"

#include "net/loop.h"

#include <semaphore.h>
#include <unistd.h>

static struct net_loop loop;

static int set_up(void **state)
{
    (void)state;
    return failed(net_loop_init(&loop)) ? -1 : 0;
}

static int tear_down(void **state)
{
    (void)state;
    assert_true(net_loop_done(&loop));
    return 0;
}

struct step {
    struct net_task task; /* first */
    char name;
    struct step *then; /* posted by run */
    bool stop;
};

static char order[64];

static void note(char name)
{
    size_t length = strlen(order);
    assert_true(length + 1 < sizeof order);
    order[length] = name;
    order[length + 1] = '\0';
}

static void run_step(struct net_task *task)
{
    struct step *step = (struct step *)task;
    note(step->name);
    if (step->then != NULL) {
        net_loop_post(&loop, &step->then->task);
    }
    if (step->stop) {
        net_loop_stop(&loop);
    }
}

static void test_runs_tasks_in_order_and_once(void **state)
{
    (void)state;
    order[0] = '\0';
    struct step c = { .task.run = run_step, .name = 'c', .stop = true };
    struct step a = { .task.run = run_step, .name = 'a', .then = &c };
    struct step b = { .task.run = run_step, .name = 'b' };
    net_loop_post(&loop, &a.task);
    net_loop_post(&loop, &b.task);
    net_loop_post(&loop, &a.task); /* waits already */
    net_loop_run(&loop);
    assert_string_equal(order, "abc");
    assert_false(a.task.queued);
}

static int pipe_ends[2];

static void on_pipe(uv_poll_t *handle, int status, int events)
{
    char byte;
    (void)handle;
    assert_int_equal(status, 0);
    assert_true((events & UV_READABLE) != 0);
    if (read(pipe_ends[0], &byte, 1) == 1) {
        note('p');
    }
}

static void run_write(struct net_task *task)
{
    struct step *step = (struct step *)task;
    note(step->name);
    assert_int_equal(write(pipe_ends[1], "x", 1), 1);
    net_loop_post(&loop, &step->then->task);
}

/* A connection with work left must not keep the sockets of the others from being looked at. */
static void test_a_task_posted_by_a_task_runs_after_a_look_at_the_sockets(void **state)
{
    (void)state;
    order[0] = '\0';
    assert_int_equal(pipe(pipe_ends), 0);
    uv_poll_t poll;
    uv_poll_init(&loop.uv, &poll, pipe_ends[0]);
    uv_poll_start(&poll, UV_READABLE, on_pipe);
    struct step second = { .task.run = run_step, .name = 'b', .stop = true };
    struct step first = { .task.run = run_write, .name = 'a', .then = &second };
    net_loop_post(&loop, &first.task);
    net_loop_run(&loop);
    assert_string_equal(order, "apb");
    uv_close((uv_handle_t *)&poll, NULL);
    uv_run(&loop.uv, UV_RUN_NOWAIT);
    close(pipe_ends[0]);
    close(pipe_ends[1]);
}

static void run_and_end(struct net_task *task)
{
    struct step *step = (struct step *)task;
    note(step->name);
    net_loop_at_end(&loop, &step->then->task);
}

/* What is written once for all that a turn brought: after the tasks of the turn, before the next look at the sockets. */
static void test_a_task_at_the_end_of_a_turn_runs_before_a_look_at_the_sockets(void **state)
{
    (void)state;
    order[0] = '\0';
    assert_int_equal(pipe(pipe_ends), 0);
    uv_poll_t poll;
    uv_poll_init(&loop.uv, &poll, pipe_ends[0]);
    uv_poll_start(&poll, UV_READABLE, on_pipe);
    struct step stop = { .task.run = run_step, .name = 'z', .stop = true };
    struct step more = { .task.run = run_write, .name = 'f', .then = &stop };
    struct step end = { .task.run = run_and_end, .name = 'e', .then = &more };
    struct step first = { .task.run = run_and_end, .name = 'a', .then = &end };
    struct step second = { .task.run = run_and_end, .name = 'b', .then = &end }; /* waits already */
    net_loop_post(&loop, &first.task);
    net_loop_post(&loop, &second.task);
    net_loop_run(&loop);
    assert_string_equal(order, "abefpz");
    uv_close((uv_handle_t *)&poll, NULL);
    uv_run(&loop.uv, UV_RUN_NOWAIT);
    close(pipe_ends[0]);
    close(pipe_ends[1]);
}

#define SENDS 2000

struct sender {
    struct net_task tasks[SENDS];
    unsigned int ran;
    pthread_t thread;
};

static struct sender senders[2];
static unsigned int ran_total;

static void run_sent(struct net_task *task)
{
    (void)task;
    if (++ran_total == 2 * SENDS) {
        net_loop_stop(&loop);
    }
}

static void *send_all(void *argument)
{
    struct sender *sender = argument;
    for (int i = 0; i < SENDS; i++) {
        sender->tasks[i].run = run_sent;
        net_loop_send(&loop, &sender->tasks[i]);
    }
    return NULL;
}

static void test_tasks_of_other_threads(void **state)
{
    (void)state;
    memset(senders, 0, sizeof senders);
    ran_total = 0;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&senders[i].thread, NULL, send_all, &senders[i]), 0);
    }
    net_loop_run(&loop);
    for (int i = 0; i < 2; i++) {
        pthread_join(senders[i].thread, NULL);
    }
    assert_int_equal(ran_total, 2 * SENDS);
}

static void test_what_is_sent_after_the_end_is_dropped(void **state)
{
    (void)state;
    order[0] = '\0';
    net_loop_stop(&loop);
    net_loop_run(&loop);
    struct step late = { .task.run = run_step, .name = 'l' };
    net_loop_send(&loop, &late.task);
    net_loop_post(&loop, &late.task);
    net_loop_stop(&loop);
    assert_string_equal(order, "");
}

struct timed {
    struct deadline deadline; /* first */
    char name;
    int64_t late; /* ns between its time and its run */
    bool stop;
};

static void on_expired(struct deadline *deadline)
{
    struct timed *timed = (struct timed *)deadline;
    note(timed->name);
    timed->late = clock_monotonic_ns() - deadline->at;
    assert_true(loop.now >= deadline->at);
    if (timed->stop) {
        net_loop_stop(&loop);
    }
}

static void test_deadlines_wake_the_loop(void **state)
{
    (void)state;
    order[0] = '\0';
    struct timed slow = { .deadline.expired = on_expired, .name = 's', .stop = true };
    struct timed fast = { .deadline.expired = on_expired, .name = 'f' };
    struct timed never = { .deadline.expired = on_expired, .name = 'n' };
    deadline_set(&loop.deadlines, &slow.deadline, loop.now, 30 * NS_PER_MS);
    deadline_set(&loop.deadlines, &fast.deadline, loop.now, 5 * NS_PER_MS);
    deadline_set(&loop.deadlines, &never.deadline, loop.now, 10 * NS_PER_MS);
    deadline_clear(&never.deadline);
    net_loop_run(&loop);
    assert_string_equal(order, "fs");
    assert_true(fast.late < NS_PER_S && slow.late < NS_PER_S);
}

static int64_t sent_at, seen_at;

static void run_look_at_clock(struct net_task *task)
{
    (void)task;
    seen_at = loop.now;
    net_loop_stop(&loop);
}

static void *send_to_a_sleeper(void *argument)
{
    usleep(20 *
           1000); /* the loop is asleep by then; where it is not, the test proves less but does not fail */
    sent_at = clock_monotonic_ns();
    net_loop_send(&loop, argument);
    return NULL;
}

/* A deadline set from a clock that was read before the loop slept would expire at once. */
static void test_the_clock_is_fresh_after_a_sleep(void **state)
{
    (void)state;
    struct net_task task = { .run = run_look_at_clock };
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, send_to_a_sleeper, &task), 0);
    net_loop_run(&loop);
    pthread_join(thread, NULL);
    assert_true(seen_at >= sent_at);
}

static void run_busy(struct net_task *task)
{
    (void)task;
    int64_t until = clock_monotonic_ns() + 3 * NS_PER_MS;
    while (clock_monotonic_ns() < until) {
    }
}

/* A row of long turns is known by the end of its first; a short one ends it. */
static void test_long_turns_are_seen(void **state)
{
    (void)state;
    struct net_task busy = { .run = run_busy };
    loop.long_turn = 2 * NS_PER_MS;
    loop.long_since = INT64_MAX;
    net_loop_post(&loop, &busy);
    uv_run(&loop.uv, UV_RUN_NOWAIT);
    net_loop_post(&loop, &busy);
    uv_run(&loop.uv, UV_RUN_NOWAIT);
    int64_t since = loop.long_since;
    assert_true(since <= clock_monotonic_ns());
    assert_true(loop.last_turn >= 2 * NS_PER_MS);
    net_loop_post(&loop, &busy);
    uv_run(&loop.uv, UV_RUN_NOWAIT);
    assert_int_equal(loop.long_since, since);
    /* What is idle is short, however slow the machine: the limit is not. */
    loop.long_turn = 60 * NS_PER_S;
    uv_run(&loop.uv, UV_RUN_NOWAIT);
    assert_int_equal(loop.long_since, INT64_MAX);
}

static unsigned int turn_events;

static void count_event(uv_poll_t *handle, int status, int events)
{
    (void)handle;
    (void)status;
    (void)events;
    turn_events++;
}

/* However many are ready, others get their turn; and the owner can know that more wait. */
static void test_a_turn_takes_no_more_than_it_may(void **state)
{
    (void)state;
    enum {
        PIPES = 300,
        MOST = 256
    };
    static uv_poll_t polls[PIPES];
    int fds[PIPES][2];
    for (size_t i = 0; i < PIPES; i++) {
        assert_int_equal(pipe(fds[i]), 0);
        assert_int_equal(write(fds[i][1], "x", 1), 1);
        assert_int_equal(uv_poll_init(&loop.uv, &polls[i], fds[i][0]), 0);
        uv_poll_start(&polls[i], UV_READABLE, count_event);
    }
    loop.long_turn = 60 * NS_PER_S;
    turn_events = 0;
    uv_run(&loop.uv, UV_RUN_NOWAIT);
    assert_int_equal(turn_events, MOST);
    assert_false(
        net_loop_saw_silence(&loop, fds[0][1])); /* it may be among those that did not come to be told */
    uv_run(&loop.uv, UV_RUN_NOWAIT);
    assert_int_not_equal(loop.long_since, INT64_MAX); /* the one before was full */
    for (size_t i = 200; i < PIPES; i++) {
        uv_poll_stop(&polls[i]);
    }
    uv_run(&loop.uv, UV_RUN_NOWAIT);
    uv_run(&loop.uv, UV_RUN_NOWAIT);
    assert_int_equal(loop.long_since, INT64_MAX);
    assert_true(net_loop_saw_silence(&loop, fds[0][1]));
    assert_false(net_loop_saw_silence(&loop, fds[0][0]));
    for (size_t i = 0; i < PIPES; i++) {
        uv_close((uv_handle_t *)&polls[i], NULL);
        close(fds[i][0]);
        close(fds[i][1]);
    }
    uv_run(&loop.uv, UV_RUN_NOWAIT);
}

static sem_t go;

static void hang(uv_work_t *work)
{
    (void)work;
    while (sem_wait(&go) != 0) {
    }
}

static void on_hung(uv_work_t *work, int status)
{
    (void)status;
    *(bool *)work->data = true;
}

/* Its memory must stay, and who ends the process must not wait for the pool. */
static void a_loop_with_work_under_way_is_not_closed(void **state)
{
    (void)state;
    struct net_loop busy;
    bool over = false;
    uv_work_t work = { .data = &over };
    sem_init(&go, 0, 0);
    assert_ok(net_loop_init(&busy));
    assert_int_equal(uv_queue_work(&busy.uv, &work, hang, on_hung), 0);
    assert_false(net_loop_done(&busy));
    sem_post(&go);
    while (uv_loop_close(&busy.uv) == UV_EBUSY) {
        uv_run(&busy.uv, UV_RUN_ONCE);
    }
    assert_true(over);
    sem_destroy(&go);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_loop_with_work_under_way_is_not_closed),
        cmocka_unit_test_setup_teardown(test_runs_tasks_in_order_and_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_task_at_the_end_of_a_turn_runs_before_a_look_at_the_sockets,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_task_posted_by_a_task_runs_after_a_look_at_the_sockets, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_tasks_of_other_threads, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_is_sent_after_the_end_is_dropped, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_deadlines_wake_the_loop, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_the_clock_is_fresh_after_a_sleep, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_long_turns_are_seen, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_turn_takes_no_more_than_it_may, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
