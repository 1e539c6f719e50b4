#include "unit.h"

#include "supervisor/channel.h"
#include "supervisor/process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/* " caps=CapInh:0 CapPrm:0 …", in hexadecimal. */
static int tell_capabilities(char *text, size_t size)
{
    char line[256], name[16];
    unsigned long long set;
    int used = snprintf(text, size, " caps=");
    FILE *file = fopen("/proc/self/status", "re");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        if (sscanf(line, "Cap%3[A-Za-z]: %llx", name, &set) == 2) {
            used += snprintf(text + used, size - (size_t)used, "Cap%s:%llx ", name, set);
        }
    }
    if (file != NULL) {
        fclose(file);
    }
    return used;
}

/* ---- what is started: this program again, as `program gateway CHANNEL`; it tells what it finds itself to be ---- */

static int tell(int channel)
{
    char text[2048];
    int size =
        snprintf(text, sizeof text, "uid=%d euid=%d gid=%d groups=%d nnp=%d death=", (int)getuid(),
                 (int)geteuid(), (int)getgid(), getgroups(0, NULL), prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
    int death = 0;
    prctl(PR_GET_PDEATHSIG, &death);
    size += snprintf(text + size, sizeof text - (size_t)size, "%d fds=", death);
    for (int fd = 0; fd < 512; fd++) {
        if (fcntl(fd, F_GETFD) >= 0) {
            size += snprintf(text + size, sizeof text - (size_t)size, "%s%d", fd > 0 ? "," : "", fd);
        }
    }
    size += snprintf(text + size, sizeof text - (size_t)size, " channel=%d env=", channel);
    for (char **variable = environ; *variable != NULL; variable++) {
        size += snprintf(text + size, sizeof text - (size_t)size, "%s;", *variable);
    }
    sigset_t blocked;
    sigprocmask(SIG_SETMASK, NULL, &blocked);
    size += snprintf(text + size, sizeof text - (size_t)size, " blocked=%d", sigismember(&blocked, SIGTERM));
    size += tell_capabilities(text + size, sizeof text - (size_t)size);
    struct channel_message message = { .kind = CHANNEL_READY, .text = slice_of(text, (size_t)size) };
    if (failed(channel_send(channel, &message))) {
        return 1;
    }
    char byte;
    (void)!read(channel, &byte, 1); /* until the other side is gone */
    return 0;
}

/* ---- the tests ---- */

static struct channel_reader reader;

static const char *said(int channel)
{
    static char text[CHANNEL_TEXT_MAX + 1];
    struct channel_message message;
    bool complete = false;
    assert_ok(channel_receive(channel, &reader, &message, &complete));
    assert_true(complete);
    snprintf(text, sizeof text, "%.*s", SLICE_ARG(message.text));
    return text;
}

static bool has(const char *text, const char *part)
{
    return strstr(text, part) != NULL;
}

static void start(const struct process_user *user, int *ret_channel, pid_t *ret_pid)
{
    int theirs;
    assert_ok(channel_pair(ret_channel, &theirs));
    assert_ok(process_start("/proc/self/exe", user, theirs, ret_pid));
    close(theirs);
}

static void end(int channel, pid_t pid)
{
    int status;
    close(channel);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void the_child_has_next_to_nothing(void **state)
{
    (void)state;
    struct process_user user = { .change = false };
    setenv("AWS_SECRET_ACCESS_KEY", "hunter2", 1);
    setenv("TZ", "Europe/Berlin", 1);
    assert_int_equal(dup2(STDERR_FILENO, 300), 300); /* as if our parent had left it open */
    sigset_t term;
    sigemptyset(&term);
    sigaddset(&term, SIGTERM);
    sigprocmask(SIG_BLOCK, &term, NULL);
    int channel;
    pid_t pid;
    start(&user, &channel, &pid);
    const char *text = said(channel);
    sigprocmask(SIG_UNBLOCK, &term, NULL);
    char fds[64];
    const char *number = strstr(text, "channel=") + 8;
    snprintf(fds, sizeof fds, "fds=0,1,2,%ld ", strtol(number, NULL, 10));
    if (!has(text, fds)) {
        fail_msg("%s is not in %s", fds, text);
    }
    assert_false(has(text, "hunter2"));
    assert_true(has(text, "TZ=Europe/Berlin;"));
    assert_true(has(text, "nnp=1 "));
    assert_true(has(text, "death=9 "));
    assert_true(has(text, "blocked=0"));
    end(channel, pid);
    close(300);
}

static void root_is_given_up(void **state)
{
    (void)state;
    if (geteuid() != 0) {
        print_message("not started as root\n");
        skip();
    }
    struct process_user user;
    assert_ok(process_find_user(SLICE("nobody"), SLICE_NONE, &user));
    assert_true(user.change && user.uid != 0 && user.gid != 0);
    int channel;
    pid_t pid;
    start(&user, &channel, &pid);
    char expected[128];
    snprintf(expected, sizeof expected, "uid=%d euid=%d gid=%d groups=0 ", (int)user.uid, (int)user.uid,
             (int)user.gid);
    const char *text = said(channel);
    if (!has(text, expected)) {
        fail_msg("%s", text);
    }
    assert_true(has(text, "death=9 ")); /* the change of user did not undo it */
    end(channel, pid);
}

/* Where the supervisor had any. */
static void no_capability_is_left(void **state)
{
    (void)state;
    struct process_user user = { .change = false };
    if (geteuid() == 0) {
        assert_ok(process_find_user(SLICE("nobody"), SLICE_NONE, &user));
    }
    int channel;
    pid_t pid;
    start(&user, &channel, &pid);
    const char *sets = strstr(said(channel), " caps=");
    assert_non_null(sets);
    bool none = has(sets, "CapInh:0 CapPrm:0 CapEff:0 ") && has(sets, "CapAmb:0 ");
    if (!none || (geteuid() == 0 && !has(sets, "CapBnd:0 "))) {
        fail_msg("%s", sets);
    }
    end(channel, pid);
}

static void users_are_found(void **state)
{
    (void)state;
    struct process_user user = { .uid = 12345 };
    assert_fails(process_find_user(SLICE("no-such-user-here"), SLICE_NONE, &user), ERROR_VALUE);
    static char longest[100];
    memset(longest, 'x', sizeof longest);
    assert_fails(process_find_user(slice_of(longest, sizeof longest), SLICE_NONE, &user), ERROR_VALUE);
    assert_int_equal(user.uid, 12345);
    if (geteuid() == 0) {
        assert_fails(process_find_user(SLICE("nobody"), SLICE("no-such-group-here"), &user), ERROR_VALUE);
        assert_fails(process_find_user(SLICE("nobody"), slice_of(longest, sizeof longest), &user),
                     ERROR_VALUE);
        assert_ok(process_find_user(SLICE_NONE, SLICE_NONE, &user));
        assert_true(user.change && user.uid != 0);
        assert_ok(process_find_user(SLICE("nobody"), SLICE("daemon"), &user));
        assert_true(user.gid != 0);
    } else {
        assert_ok(process_find_user(SLICE("nobody"), SLICE_NONE, &user));
        assert_false(user.change);
        assert_fails(process_find_user(SLICE("root"), SLICE_NONE, &user), ERROR_VALUE);
    }
}

/* The supervisor is killed: its gateway goes with it. */
static void the_child_does_not_outlive_its_parent(void **state)
{
    (void)state;
    int ours, theirs;
    assert_ok(channel_pair(&ours, &theirs));
    pid_t parent = fork();
    if (parent == 0) {
        struct process_user user = { .change = false };
        pid_t pid;
        close(ours);
        if (failed(process_start("/proc/self/exe", &user, theirs, &pid))) {
            _exit(1);
        }
        close(theirs);
        pause();
        _exit(1);
    }
    close(theirs);
    assert_true(has(said(ours), "death=9"));
    kill(parent, SIGKILL);
    waitpid(parent, NULL, 0);
    struct channel_message message;
    bool complete;
    assert_fails(channel_receive(ours, &reader, &message, &complete), ERROR_STATE);
    close(ours);
}

static void a_program_that_is_no_program(void **state)
{
    (void)state;
    struct process_user user = { .change = false };
    pid_t pid = 0;
    int ours, theirs, status;
    assert_ok(channel_pair(&ours, &theirs));
    assert_fails(process_start("/nonexistent/sallyport", &user, theirs, &pid), ERROR_SYSTEM);
    assert_int_equal(pid, 0);
    assert_ok(process_start("/dev/null", &user, theirs, &pid));
    close(theirs);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(WEXITSTATUS(status), PROCESS_FAILED);
    close(ours);
}

static void both_are_prepared(void **state)
{
    (void)state;
    pid_t pid = fork();
    if (pid == 0) {
        struct rlimit files = { .rlim_cur = 64, .rlim_max = 64 };
        getrlimit(RLIMIT_NOFILE, &files);
        files.rlim_cur = 64;
        setrlimit(RLIMIT_NOFILE, &files);
        close(STDIN_FILENO);
        close(STDOUT_FILENO);
        process_prepare();
        getrlimit(RLIMIT_NOFILE, &files);
        int next = open("/dev/null", O_RDONLY);
        bool good = files.rlim_cur == files.rlim_max && next > STDERR_FILENO &&
                    (fcntl(STDIN_FILENO, F_GETFL) & O_ACCMODE) == O_RDONLY &&
                    (fcntl(STDOUT_FILENO, F_GETFL) & O_ACCMODE) == O_WRONLY;
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) && !defined(__clang__)
        good = good && prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0;
#endif
        _exit(good ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(WEXITSTATUS(status), 0);
}

int main(int count, char **arguments)
{
    if (count == 3 && strcmp(arguments[1], "gateway") == 0) {
        return tell((int)strtol(arguments[2], NULL, 10));
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_child_has_next_to_nothing),
        cmocka_unit_test(root_is_given_up),
        cmocka_unit_test(no_capability_is_left),
        cmocka_unit_test(users_are_found),
        cmocka_unit_test(the_child_does_not_outlive_its_parent),
        cmocka_unit_test(a_program_that_is_no_program),
        cmocka_unit_test(both_are_prepared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
