#include "unit.h"

#include "supervisor/question.h"

#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static char file[64];

static int setup(void **state)
{
    (void)state;
    snprintf(file, sizeof file, "/tmp/sallyport-question-XXXXXX");
    int fd = mkstemp(file);
    return fd >= 0 ? close(fd) : -1;
}

static int teardown(void **state)
{
    (void)state;
    return unlink(file);
}

static int accept_soon(int questions)
{
    struct pollfd source = { .fd = questions, .events = POLLIN };
    assert_int_equal(poll(&source, 1, 5000), 1);
    return question_accept(questions);
}

static void a_question_is_answered(void **state)
{
    (void)state;
    char text[128];
    int questions, fd;
    pid_t pid;
    assert_ok(question_listen(slice_from_string(file), &questions));
    /* The same file by another path. */
    char other[80];
    snprintf(other, sizeof other, "/tmp/../tmp/%s", file + sizeof "/tmp/" - 1);
    assert_ok(question_ask(slice_from_string(other), &fd, &pid));
    assert_int_equal(pid, getpid());
    int asker = accept_soon(questions);
    assert_true(asker >= 0);
    assert_false(question_await(fd, 0, text, sizeof text)); /* not yet */
    question_answer(asker, "done", "all of it");
    assert_true(question_await(fd, 5000, text, sizeof text));
    assert_string_equal(text, "done all of it");
    close(fd);
    /* One who goes without a word. */
    assert_ok(question_ask(slice_from_string(file), &fd, &pid));
    close(accept_soon(questions));
    assert_false(question_await(fd, 5000, text, sizeof text));
    close(fd);
    assert_int_equal(question_accept(questions), -1);
    close(questions);
}

static void one_listens_for_a_file(void **state)
{
    (void)state;
    int questions, other;
    pid_t pid;
    assert_fails(question_ask(slice_from_string(file), &other, &pid), ERROR_STATE);
    assert_ok(question_listen(slice_from_string(file), &questions));
    assert_fails(question_listen(slice_from_string(file), &other), ERROR_STATE);
    close(questions);
    assert_ok(question_listen(slice_from_string(file), &other));
    close(other);
    assert_fails(question_listen(SLICE("/nonexistent/file"), &other), ERROR_SYSTEM);
    assert_fails(question_ask(SLICE("/nonexistent/file"), &other, &pid), ERROR_SYSTEM);
}

/* Another user is not listened to, nor believed. */
static void strangers_are_turned_away(void **state)
{
    (void)state;
    if (geteuid() != 0) {
        skip();
    }
    int questions, fd, status = 0;
    pid_t pid;
    assert_ok(question_listen(slice_from_string(file), &questions));
    for (int same = 0; same < 2; same++) {
        pid_t child = fork();
        if (child == 0) {
            char text[64];
            bool became = same || setuid(65534) == 0;
            /* Who it is was written down when it connected; the file must be found by both. */
            bool asked = became && !failed(question_ask(slice_from_string(file), &fd, &pid));
            _exit(asked && question_await(fd, 5000, text, sizeof text) ? 0 : 1);
        }
        int asker = accept_soon(questions);
        assert_int_equal(asker >= 0, same);
        if (asker >= 0) {
            question_answer(asker, "done", "");
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, same ? 0 : 1 << 8);
    }
    close(questions);
    /* One that took the name first. */
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        close(ends[0]);
        if (setuid(65534) != 0 || failed(question_listen(slice_from_string(file), &questions)) ||
            write(ends[1], "x", 1) != 1) {
            _exit(1);
        }
        struct pollfd forever = { .fd = questions, .events = 0 };
        _exit(poll(&forever, 1, 10000));
    }
    char byte;
    close(ends[1]);
    assert_int_equal(read(ends[0], &byte, 1), 1);
    assert_fails(question_ask(slice_from_string(file), &fd, &pid), ERROR_STATE);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    close(ends[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_question_is_answered, setup, teardown),
        cmocka_unit_test_setup_teardown(one_listens_for_a_file, setup, teardown),
        cmocka_unit_test_setup_teardown(strangers_are_turned_away, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
