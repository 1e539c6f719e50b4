#include "unit.h"

#include "base/clock.h"
#include "observe/logs.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

static int log_file(void)
{
    int fd = memfd_create("log", MFD_CLOEXEC);
    assert_true(fd >= 0);
    return fd;
}

/* A second description of the same file, as the supervisor's: append, and readable. */
static int open_again(int fd)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int again = open(path, O_RDWR | O_APPEND | O_CLOEXEC);
    assert_true(again >= 0);
    return again;
}

static char *text_of(int fd, size_t *ret_size)
{
    off_t size = lseek(fd, 0, SEEK_END);
    char *text = malloc((size_t)size + 1);
    assert_int_equal(pread(fd, text, (size_t)size, 0), size);
    text[size] = '\0';
    *ret_size = (size_t)size;
    return text;
}

static size_t count(const char *text, const char *part)
{
    size_t found = 0;
    while ((text = strstr(text, part)) != NULL) {
        found++;
        text++;
    }
    return found;
}

static struct logs *start(int access_fd, int audit_fd, unsigned int producers)
{
    struct logs_options options = {
        .instance = SLICE("edge-1"),
        .access_fd = access_fd,
        .audit_fd = audit_fd,
        .access_queue = 64 * 1024,
        .audit_queue = 64 * 1024,
        .producers = producers,
    };
    struct logs *logs;
    assert_ok(logs_new(&options, &logs));
    return logs;
}

static struct log_record record_of(const char *path)
{
    return (struct log_record){
        .time = INT64_C(1767323045678000000),
        .method = SLICE("GET"),
        .host = SLICE("api.example.com"),
        .path = slice_from_string(path),
        .minor_version = 1,
        .status = 200,
        .grpc_status = -1,
        .upstream_duration = -1,
    };
}

static void lines_reach_their_files(void **state)
{
    (void)state;
    int access = log_file(), audit = log_file();
    struct logs *logs = start(open_again(access), open_again(audit), 1);
    struct log_queue *queue = logs_queue(logs, 0);
    assert_null(logs_queue(logs, 1));
    struct log_record record = record_of("/a");
    assert_true(log_access(queue, &record));
    assert_true(log_audit_reserve(queue));
    log_audit(queue, &record);
    record.reason = DENY_NO_ROUTE;
    record.status = 404;
    assert_true(log_audit_reserve(queue));
    log_audit(queue, &record);
    assert_true(log_audit_reserve(queue));
    log_audit_release(queue);
    assert_true(log_audit_event(queue, SLICE("configured"), SLICE("generation 1")));
    char boot[64];
    snprintf(boot, sizeof boot, "\"boot\":\"%s\"", logs_boot(logs));
    logs_free(logs);

    size_t size;
    char *text = text_of(access, &size);
    assert_string_equal(
        text, "{\"log\":\"access\",\"time\":\"2026-01-02T03:04:05.678Z\",\"method\":\"GET\","
              "\"host\":\"api.example.com\",\"path\":\"/a\",\"protocol\":\"HTTP/1.1\",\"status\":200,"
              "\"received\":0,\"sent\":0,\"duration_us\":0}\n");
    free(text);
    text = text_of(audit, &size);
    assert_int_equal(count(text, "\n"), 3);
    assert_int_equal(count(text, "{\"log\":\"audit\",\"instance\":\"edge-1\","), 3);
    assert_int_equal(count(text, boot), 3);
    assert_int_equal(count(text, ",\"seq\":3,"), 1);
    assert_int_equal(count(text, "\"event\":\"allowed\",\"time\":\"2026-01-02T03:04:05.678Z\","), 1);
    assert_int_equal(count(text, "\"event\":\"denied\""), 1);
    assert_int_equal(count(text, "\"reason\":\"no_route\""), 1);
    assert_int_equal(count(text, "\"event\":\"configured\",\"time\":\""), 1);
    assert_int_equal(count(text, "\"detail\":\"generation 1\"}\n"), 1);
    assert_int_equal(log_audit_verify(slice_of(text, size)), 0);
    free(text);
    close(access);
    close(audit);
}

/* A line alone needs nobody to push it. */
static void a_single_line_is_written_soon(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    struct logs *logs = start(ends[1], log_file(), 1);
    for (int i = 0; i < 3; i++) {
        struct log_record record = record_of("/alone");
        assert_true(log_access(logs_queue(logs, 0), &record));
        struct pollfd readable = { .fd = ends[0], .events = POLLIN };
        assert_int_equal(poll(&readable, 1, 10000), 1);
        char text[4096];
        ssize_t got = read(ends[0], text, sizeof text);
        assert_true(got > 0 && text[got - 1] == '\n');
    }
    logs_free(logs);
    close(ends[0]);
}

static void both_logs_in_one_file(void **state)
{
    (void)state;
    int file = log_file();
    struct logs *logs = start(open_again(file), open_again(file), 1);
    struct log_record record = record_of("/a");
    for (int i = 0; i < 2000; i++) {
        log_access(logs_queue(logs, 0), &record);
        while (!log_audit_reserve(logs_queue(logs, 0))) {
            sched_yield();
        }
        log_audit(logs_queue(logs, 0), &record);
    }
    logs_free(logs);
    size_t size;
    char *text = text_of(file, &size);
    assert_int_equal(count(text, "{\"log\":\"audit\","), 2000);
    assert_int_equal(count(text, "\n"), count(text, "{\"log\":"));
    assert_int_equal(log_audit_verify(slice_of(text, size)), 0);
    free(text);
    close(file);
}

struct job {
    struct log_queue *queue;
    size_t dropped;
};

enum {
    LINES = 20000
};

static void *produce(void *argument)
{
    struct job *job = argument;
    char path[32];
    for (int i = 0; i < LINES; i++) {
        snprintf(path, sizeof path, "/%d", i);
        struct log_record record = record_of(path);
        job->dropped += !log_access(job->queue, &record);
        while (!log_audit_reserve(job->queue)) {
            sched_yield();
        }
        if (i % 2 == 0) {
            log_audit(job->queue, &record);
        } else {
            log_audit_release(job->queue);
        }
    }
    return NULL;
}

/* One chain for all producers; access lines are written or counted. */
static void many_producers_make_one_chain(void **state)
{
    (void)state;
    int access = log_file(), audit = log_file();
    struct logs *logs = start(open_again(access), open_again(audit), 3);
    pthread_t threads[3];
    struct job jobs[3];
    for (unsigned int i = 0; i < 3; i++) {
        jobs[i] = (struct job){ logs_queue(logs, i), 0 };
        assert_int_equal(pthread_create(&threads[i], NULL, produce, &jobs[i]), 0);
    }
    size_t dropped = 0;
    for (unsigned int i = 0; i < 3; i++) {
        pthread_join(threads[i], NULL);
        dropped += jobs[i].dropped;
    }
    assert_int_equal(logs_dropped(logs), 0);
    logs_free(logs);
    size_t size;
    char *text = text_of(audit, &size);
    assert_int_equal(log_audit_verify(slice_of(text, size)), 0);
    assert_int_equal(count(text, "\n"), 3 * LINES / 2);
    free(text);
    text = text_of(access, &size);
    assert_int_equal(count(text, "\n") + dropped, 3 * LINES);
    free(text);
    close(access);
    close(audit);
}

static size_t reserve_all(struct log_queue *queue)
{
    size_t reserved = 0;
    while (log_audit_reserve(queue)) {
        reserved++;
    }
    return reserved;
}

/* What was reserved is there, however long the lines; and not one more. */
static void reservations_are_exact(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    struct logs *logs = start(-1, ends[1], 1);
    struct log_queue *queue = logs_queue(logs, 0);
    assert_int_equal(reserve_all(queue), 16);
    assert_false(log_audit_event(queue, SLICE("stopped"), SLICE_NONE));
    log_audit_release(queue);
    assert_true(log_audit_event(queue, SLICE("started"), SLICE_NONE)); /* takes the room that was set free */
    static char longest[100000];
    memset(longest, 2, sizeof longest);
    struct log_record record = record_of("/");
    record.path = record.subject = record.issuer = record.user_agent = record.host =
        slice_of(longest, sizeof longest);
    for (int i = 0; i < 15; i++) {
        log_audit(queue, &record);
    }
    /* Drained, all of it is there again. */
    size_t got = 0, lines = 0;
    static char text[128 * 1024];
    while (lines < 16) {
        ssize_t some = read(ends[0], text + got, sizeof text - got);
        assert_true(some > 0);
        for (ssize_t i = 0; i < some; i++) {
            lines += text[got + (size_t)i] == '\n';
        }
        got += (size_t)some;
    }
    assert_int_equal(log_audit_verify(slice_of(text, got)), 0);
    size_t again = 0;
    while (again < 16) {
        again += reserve_all(queue); /* the writer says only later that it has taken the last lines */
        sched_yield();
    }
    assert_int_equal(again, 16);
    for (int i = 0; i < 16; i++) {
        log_audit_release(queue);
    }
    logs_free(logs);
    close(ends[0]);
}

/* Nobody reads the audit log: its queue fills up, and then says no. The access log goes on. */
static void a_stuck_audit_log_says_no(void **state)
{
    (void)state;
    int ends[2], access = log_file();
    assert_int_equal(pipe(ends), 0);
    struct logs *logs = start(open_again(access), ends[1], 1);
    struct log_queue *queue = logs_queue(logs, 0);
    struct log_record record = record_of("/stuck");
    size_t written = 0;
    struct timespec moment = { .tv_nsec = NS_PER_MS };
    for (int refused = 0; refused < 300;) {
        if (log_audit_reserve(queue)) {
            log_audit(queue, &record);
            written++;
            refused = 0;
        } else {
            nanosleep(&moment, NULL); /* longer than the writer's retry, in sum: it is stuck for good */
            refused++;
        }
    }
    assert_int_equal(logs_audit_problem(logs), EAGAIN);
    assert_true(log_access(queue, &record));
    size_t size = 0;
    while (size == 0) {
        free(text_of(access, &size));
    }
    /* Somebody reads again: every line that was taken comes out, in one chain. */
    static char text[1024 * 1024];
    size_t got = 0, lines = 0;
    while (lines < written) {
        ssize_t some = read(ends[0], text + got, sizeof text - got);
        assert_true(some > 0);
        for (ssize_t i = 0; i < some; i++) {
            lines += text[got + (size_t)i] == '\n';
        }
        got += (size_t)some;
    }
    assert_int_equal(lines, written);
    assert_int_equal(log_audit_verify(slice_of(text, got)), 0);
    while (!log_audit_reserve(queue)) {
        sched_yield();
    }
    log_audit_release(queue);
    logs_free(logs);
    close(ends[0]);
    close(access);
}

/* Nobody reads the access log: its lines are dropped, and the audit log does not notice. */
static void a_stuck_access_log_drops(void **state)
{
    (void)state;
    int ends[2], audit = log_file();
    assert_int_equal(pipe(ends), 0);
    struct logs *logs = start(ends[1], open_again(audit), 1);
    struct log_queue *queue = logs_queue(logs, 0);
    struct log_record record = record_of("/stuck");
    size_t dropped = 0;
    while (dropped < 1000) {
        if (!log_access(queue, &record)) {
            dropped++;
            sched_yield();
        }
    }
    for (int i = 0; i < 1000; i++) {
        while (!log_audit_reserve(queue)) {
            sched_yield();
        }
        log_audit(queue, &record);
    }
    logs_free(logs);
    size_t size;
    char *text = text_of(audit, &size);
    assert_int_equal(count(text, "\n"), 1000);
    free(text);
    close(ends[0]);
    close(audit);
}

static void a_full_disk_is_told(void **state)
{
    (void)state;
    char access_path[] = "/tmp/sallyport-logs-XXXXXX", audit_path[] = "/tmp/sallyport-logs-XXXXXX";
    int access = mkstemp(access_path), audit = mkstemp(audit_path);
    struct rlimit limit = { .rlim_cur = 1000, .rlim_max = RLIM_INFINITY };
    struct logs *logs = start(open_again(access), open_again(audit), 1);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    struct log_queue *queue = logs_queue(logs, 0);
    struct log_record record = record_of("/full");
    for (int i = 0; i < 10; i++) {
        assert_true(log_access(queue, &record));
        assert_true(log_audit_reserve(queue));
        log_audit(queue, &record);
    }
    /* Five lines fit, the sixth is begun. */
    while (logs_dropped(logs) < 4 || logs_audit_problem(logs) == 0) {
        sched_yield();
    }
    assert_int_equal(logs_audit_problem(logs), EFBIG);
    limit.rlim_cur = RLIM_INFINITY;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    uint64_t dropped = logs_dropped(logs);
    logs_free(logs);
    size_t size;
    char *text = text_of(audit, &size);
    assert_int_equal(count(text, "\n"), 10);
    assert_int_equal(log_audit_verify(slice_of(text, size)), 0);
    free(text);
    text = text_of(access, &size);
    assert_int_equal(count(text, "\n"), count(text, "{\"log\":\"access\","));
    assert_int_equal(count(text, "\n") + dropped, 10);
    free(text);
    close(access);
    close(audit);
    unlink(access_path);
    unlink(audit_path);
}

static void rotation_loses_nothing(void **state)
{
    (void)state;
    int access[2] = { log_file(), log_file() }, audit[2] = { log_file(), log_file() };
    struct logs *logs = start(open_again(access[0]), open_again(audit[0]), 1);
    struct log_queue *queue = logs_queue(logs, 0);
    for (int i = 0; i < 2000; i++) {
        struct log_record record = record_of("/rotate");
        while (!log_access(queue, &record)) {
            sched_yield();
        }
        while (!log_audit_reserve(queue)) {
            sched_yield();
        }
        log_audit(queue, &record);
        if (i % 500 == 250) {
            logs_reopen(logs, open_again(access[1]), open_again(audit[1]));
        }
    }
    logs_free(logs);
    size_t size, lines[2] = { 0, 0 };
    for (int i = 0; i < 2; i++) {
        char *text = text_of(access[i], &size);
        lines[0] += count(text, "\n");
        free(text);
        text = text_of(audit[i], &size);
        lines[1] += count(text, "\n");
        assert_int_equal(log_audit_verify(slice_of(text, size)), 0);
        free(text);
        close(access[i]);
        close(audit[i]);
    }
    assert_int_equal(lines[0], 2000);
    assert_int_equal(lines[1], 2000);
}

/* From one file to another and back: each file is a chain of its own. */
static void a_file_that_comes_back_goes_on(void **state)
{
    (void)state;
    int audit[2] = { log_file(), log_file() };
    struct logs *logs = start(-1, open_again(audit[0]), 1);
    struct log_queue *queue = logs_queue(logs, 0);
    for (int i = 0; i < 6; i++) {
        off_t before = lseek(audit[0], 0, SEEK_END) + lseek(audit[1], 0, SEEK_END);
        assert_true(log_audit_event(queue, SLICE("configured"), SLICE_NONE));
        while (lseek(audit[0], 0, SEEK_END) + lseek(audit[1], 0, SEEK_END) == before) {
            sched_yield();
        }
        logs_reopen(logs, -1, open_again(audit[(i + 1) % 2]));
    }
    logs_free(logs);
    size_t lines = 0;
    for (int i = 0; i < 2; i++) {
        size_t size;
        char *text = text_of(audit[i], &size);
        lines += count(text, "\n");
        assert_int_equal(log_audit_verify(slice_of(text, size)), 0);
        free(text);
        close(audit[i]);
    }
    assert_int_equal(lines, 6);
}

static void access_goes_off_and_on(void **state)
{
    (void)state;
    int access = log_file(), audit = log_file();
    struct logs *logs = start(-1, open_again(audit), 1);
    struct log_queue *queue = logs_queue(logs, 0);
    struct log_record record = record_of("/off");
    for (int i = 0; i < 10000; i++) {
        assert_true(log_access(queue, &record)); /* off is not full */
    }
    logs_reopen(logs, open_again(access), -1);
    record = record_of("/on");
    size_t size = 0;
    while (size == 0) {
        log_access(queue, &record);
        free(text_of(access, &size));
    }
    assert_true(log_audit_event(queue, SLICE("configured"), SLICE_NONE)); /* to the same file as before */
    logs_free(logs);
    char *text = text_of(access, &size);
    assert_int_equal(count(text, "/off"), 0);
    free(text);
    text = text_of(audit, &size);
    assert_int_equal(count(text, "\n"), 1);
    free(text);
    close(access);
    close(audit);
}

static void the_chain_goes_on_over_processes(void **state)
{
    (void)state;
    int audit = log_file();
    for (int i = 0; i < 3; i++) {
        struct logs *logs = start(-1, open_again(audit), 1);
        assert_true(log_audit_event(logs_queue(logs, 0), SLICE("started"), SLICE_NONE));
        assert_true(log_audit_event(logs_queue(logs, 0), SLICE("stopped"), SLICE_NONE));
        logs_free(logs);
    }
    size_t size;
    char *text = text_of(audit, &size);
    assert_int_equal(log_audit_verify(slice_of(text, size)), 0);
    assert_int_equal(count(text, "\"seq\":1,"), 3);
    assert_int_equal(count(text, "\"prev\":\"0000000000000000"), 1);
    free(text);
    close(audit);
}

static void options_are_checked(void **state)
{
    (void)state;
    struct logs_options options = { .instance = SLICE("x"), .access_fd = -1, .audit_fd = -1, .producers = 1 };
    struct logs *logs = NULL;
    assert_fails(logs_new(&options, &logs), ERROR_VALUE);
    assert_null(logs);
    logs_free(NULL);
}

int main(void)
{
    signal(SIGXFSZ, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_reach_their_files),  cmocka_unit_test(a_single_line_is_written_soon),
        cmocka_unit_test(both_logs_in_one_file),    cmocka_unit_test(many_producers_make_one_chain),
        cmocka_unit_test(reservations_are_exact),   cmocka_unit_test(a_stuck_audit_log_says_no),
        cmocka_unit_test(a_stuck_access_log_drops), cmocka_unit_test(a_full_disk_is_told),
        cmocka_unit_test(rotation_loses_nothing),   cmocka_unit_test(a_file_that_comes_back_goes_on),
        cmocka_unit_test(access_goes_off_and_on),   cmocka_unit_test(the_chain_goes_on_over_processes),
        cmocka_unit_test(options_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
