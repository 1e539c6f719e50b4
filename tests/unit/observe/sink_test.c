#include "unit.h"

#include "observe/sink.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

static void put(struct sink *sink, const char *text)
{
    size_t size = strlen(text);
    assert_true(sink_room(sink) >= size);
    memcpy(sink_end(sink), text, size);
    sink_commit(sink, size);
}

static size_t read_all(int fd, char *out, size_t size)
{
    size_t got = 0;
    fcntl(fd, F_SETFL, O_NONBLOCK);
    ssize_t some;
    while ((some = read(fd, out + got, size - got)) > 0) {
        got += (size_t)some;
    }
    return got;
}

static void a_file_takes_lines(void **state)
{
    (void)state;
    struct sink sink;
    assert_true(sink_init(&sink, false));
    int fd = memfd_create("log", MFD_CLOEXEC);
    sink_set(&sink, dup(fd));
    put(&sink, "one\ntwo\n");
    assert_int_equal(sink_flush(&sink), SINK_EMPTY);
    assert_int_equal(sink_room(&sink), SINK_BUFFER);
    char text[16];
    assert_int_equal(pread(fd, text, sizeof text, 0), 8);
    assert_memory_equal(text, "one\ntwo\n", 8);
    sink_done(&sink);
    close(fd);
}

/* A file that may not grow beyond a number of bytes: the size limit of the process, as a full disk would do. */
static void limit_files(rlim_t size)
{
    struct rlimit limit = { .rlim_cur = size, .rlim_max = RLIM_INFINITY };
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static int full_file(char *path, size_t room)
{
    memcpy(path, "/tmp/sallyport-sink-XXXXXX", sizeof "/tmp/sallyport-sink-XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    limit_files(room);
    return fd;
}

static void a_kept_line_waits_for_room(void **state)
{
    (void)state;
    struct sink sink;
    char path[64], text[64];
    assert_true(sink_init(&sink, true));
    int fd = full_file(path, 6);
    sink_set(&sink, dup(fd));
    put(&sink, "one\ntwo\n");
    assert_int_equal(sink_flush(&sink), SINK_FAILING);
    assert_int_equal(sink.problem, EFBIG);
    assert_int_equal(sink_flush(&sink), SINK_FAILING);
    limit_files(RLIM_INFINITY);
    assert_int_equal(sink_flush(&sink), SINK_EMPTY);
    assert_int_equal(sink.problem, 0);
    assert_int_equal(pread(fd, text, sizeof text, 0), 8);
    assert_memory_equal(text, "one\ntwo\n", 8);
    assert_int_equal(sink.dropped, 0);
    sink_done(&sink);
    close(fd);
    unlink(path);
}

/* What is dropped is counted, and a line that was begun is finished first. */
static void dropped_lines_do_not_break_others(void **state)
{
    (void)state;
    struct sink sink;
    char path[64], text[64];
    assert_true(sink_init(&sink, false));
    int fd = full_file(path, 6);
    sink_set(&sink, dup(fd));
    put(&sink, "one\ntwo\nthree\nfour\n");
    assert_int_equal(sink_flush(&sink), SINK_FAILING);
    assert_int_equal(sink.dropped, 2);
    put(&sink, "five\n");
    limit_files(RLIM_INFINITY);
    assert_int_equal(sink_flush(&sink), SINK_EMPTY);
    assert_int_equal(pread(fd, text, sizeof text, 0), 13);
    assert_memory_equal(text, "one\ntwo\nfive\n", 13);
    /* At a line's end nothing need be kept. */
    limit_files(13);
    put(&sink, "six\nseven\n");
    assert_int_equal(sink_flush(&sink), SINK_EMPTY);
    assert_int_equal(sink.dropped, 4);
    limit_files(RLIM_INFINITY);
    sink_done(&sink);
    close(fd);
    unlink(path);
}

/* A half-written line is written again, whole, where the descriptor changes. */
static void another_file_gets_whole_lines(void **state)
{
    (void)state;
    struct sink sink;
    char path[64], text[64];
    assert_true(sink_init(&sink, true));
    int full = full_file(path, 6);
    sink_set(&sink, full);
    put(&sink, "one\ntwo\nthree\n");
    assert_int_equal(sink_flush(&sink), SINK_FAILING);
    limit_files(RLIM_INFINITY);
    int fd = memfd_create("log", MFD_CLOEXEC);
    sink_set(&sink, dup(fd));
    assert_int_equal(fcntl(full, F_GETFD), -1);
    assert_int_equal(sink_flush(&sink), SINK_EMPTY);
    assert_int_equal(pread(fd, text, sizeof text, 0), 10);
    assert_memory_equal(text, "two\nthree\n", 10);
    sink_done(&sink);
    close(fd);
    unlink(path);
}

/* The pipe stays in blocking mode, and yet nothing blocks. */
static void a_slow_reader_is_not_waited_for(void **state)
{
    (void)state;
    for (int kind = 0; kind < 2; kind++) {
        int ends[2];
        if (kind == 0) {
            assert_int_equal(pipe(ends), 0);
        } else {
            assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
        }
        struct sink sink;
        assert_true(sink_init(&sink, false));
        sink_set(&sink, ends[1]);
        static char line[SINK_BUFFER], got[8 * SINK_BUFFER];
        memset(line, 'x', sizeof line);
        line[sizeof line - 1] = '\n';
        size_t put_in = 0;
        enum sink_state last = SINK_EMPTY;
        for (int i = 0; i < 4 && last == SINK_EMPTY; i++) {
            memcpy(sink_end(&sink), line, sizeof line);
            sink_commit(&sink, sizeof line);
            put_in += sizeof line;
            last = sink_flush(&sink);
        }
        assert_int_equal(last, SINK_WAITING);
        assert_int_equal(fcntl(ends[1], F_GETFL) & O_NONBLOCK, 0);
        size_t total = 0;
        while (sink_flush(&sink) != SINK_EMPTY) {
            total += read_all(ends[0], got + total, sizeof got - total);
        }
        total += read_all(ends[0], got + total, sizeof got - total);
        assert_int_equal(total, put_in);
        assert_int_equal(sink.dropped, 0);
        sink_done(&sink);
        close(ends[0]);
    }
}

/* Two processes write to one pipe or socket while one relieves the other. */
static void two_writers_do_not_tear_lines(void **state)
{
    (void)state;
    for (int kind = 0; kind < 2; kind++) {
        int ends[2];
        assert_int_equal(kind == 0 ? pipe(ends) : socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
        struct sink sinks[2];
        char line[600];
        for (int i = 0; i < 2; i++) {
            assert_true(sink_init(&sinks[i], true));
            sink_set(&sinks[i], dup(ends[1]));
            memset(line, 'a' + i, sizeof line - 2);
            memcpy(line + sizeof line - 2, "\n", 2);
            for (int k = 0; k < 200; k++) {
                put(&sinks[i], line);
            }
        }
        static char text[2 * 200 * 600];
        size_t size = 0;
        bool done[2] = { false, false };
        for (int turn = 0; turn < 10000 && !(done[0] && done[1]); turn++) {
            done[turn % 2] = sink_flush(&sinks[turn % 2]) == SINK_EMPTY;
            size += read_all(ends[0], text + size, turn % 7 == 0 ? 5000 : 1000);
        }
        size += read_all(ends[0], text + size, sizeof text - size);
        assert_int_equal(size, 2 * 200 * 599);
        for (size_t i = 0; i < size; i++) {
            /* Each line is of one letter. */
            assert_true(text[i] == '\n' || i % 599 == 0 || text[i] == text[i - 1]);
            assert_int_equal(text[i] == '\n', i % 599 == 598);
        }
        for (int i = 0; i < 2; i++) {
            sink_done(&sinks[i]);
            close(ends[i]);
        }
    }
}

static void a_gone_reader_costs_lines_not_the_process(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    close(ends[0]);
    struct sink sink;
    assert_true(sink_init(&sink, false));
    sink_set(&sink, ends[1]);
    put(&sink, "one\ntwo\n");
    assert_int_equal(sink_flush(&sink), SINK_EMPTY);
    assert_int_equal(sink.dropped, 2);
    assert_int_equal(sink.problem, EPIPE);
    sink_set(&sink, -1);
    put(&sink, "three\n");
    assert_int_equal(sink_flush(&sink), SINK_EMPTY);
    sink_done(&sink);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_takes_lines),
        cmocka_unit_test(a_kept_line_waits_for_room),
        cmocka_unit_test(dropped_lines_do_not_break_others),
        cmocka_unit_test(another_file_gets_whole_lines),
        cmocka_unit_test(a_slow_reader_is_not_waited_for),
        cmocka_unit_test(two_writers_do_not_tear_lines),
        cmocka_unit_test(a_gone_reader_costs_lines_not_the_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
