#include "unit.h"

#include "confined.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

static struct confine_rules rules;
static char inside[64], outside[64];
static struct sockaddr_in allowed_address, other_address;

/* The version of the kernel's Landlock; 0, after saying so, where there is none. */
static int landlock(int wanted)
{
    long abi = syscall(444 /* landlock_create_ruleset */, NULL, 0, 1);
    if (SALLYPORT_CONFINEMENT == 0) {
        printf("this build has no confinement\n");
        return 0;
    }
    if (abi < wanted) {
        printf("this kernel's Landlock is of version %ld, %d is needed\n", abi < 0 ? 0 : abi, wanted);
        return 0;
    }
    return (int)abi;
}

static int open_both(void)
{
    int fd = open(inside, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return 1;
    }
    return open(outside, O_RDONLY | O_CLOEXEC) < 0 && errno == EACCES ? 0 : 2;
}

static void only_what_stands_beneath_the_paths_is_read(void **state)
{
    (void)state;
    if (landlock(1) == 0) {
        skip();
    }
    assert_exits(run_confined(&rules, CONFINEMENT_ENFORCE, open_both), 0);
    assert_exits(run_confined(&rules, CONFINEMENT_OFF, open_both), 2);
}

static int connect_to(const struct sockaddr_in *address)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return connect(fd, (const struct sockaddr *)address, sizeof *address) == 0 ? 0 : errno;
}

static int connect_both(void)
{
    if (connect_to(&allowed_address) != 0) {
        return 1;
    }
    return connect_to(&other_address) == EACCES ? 0 : 2;
}

static void only_the_ports_said_are_connected_to(void **state)
{
    (void)state;
    static struct confine_rules limited;
    struct port_range port = { ntohs(allowed_address.sin_port), ntohs(allowed_address.sin_port) };
    if (landlock(4) == 0) {
        skip();
    }
    limited = rules;
    limited.ports = &port;
    limited.port_count = 1;
    assert_exits(run_confined(&limited, CONFINEMENT_ENFORCE, connect_both), 0);
    assert_exits(run_confined(&rules, CONFINEMENT_ENFORCE, connect_both), 2);
}

static int nothing(void)
{
    return 0;
}

static void paths_that_are_not_there_do_no_harm(void **state)
{
    (void)state;
    static struct confine_rules none;
    if (landlock(1) == 0) {
        skip();
    }
    none.path_count = 1;
    snprintf(none.paths[0], sizeof none.paths[0], "/nonexistent/directory");
    assert_exits(run_confined(&none, CONFINEMENT_ENFORCE, nothing), 0);
}

/* As SQLite does: a journal beside a store, which goes again. And as key sets are kept: a file in the place of another. */
static int change_both(void)
{
    char name[80];
    snprintf(name, sizeof name, "%s-journal", inside);
    int fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0 || write(fd, "x", 1) != 1 || fchmod(fd, 0640) != 0 || unlink(name) != 0) {
        return 1;
    }
    if (open(inside, O_RDWR | O_CLOEXEC) < 0) {
        return 2;
    }
    if (open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600) < 0 || rename(name, inside) != 0) {
        return 6;
    }
    if (rename(inside, outside) == 0 || (errno != EXDEV && errno != EACCES)) {
        return 7;
    }
    snprintf(name, sizeof name, "%s-journal", outside);
    if (open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600) >= 0 || errno != EACCES) {
        return 3;
    }
    if (open(outside, O_RDWR | O_CLOEXEC) >= 0 || errno != EACCES) {
        return 4;
    }
    return unlink(outside) < 0 && errno == EACCES ? 0 : 5;
}

static void stores_that_are_changed_are_written_and_nothing_else(void **state)
{
    (void)state;
    static struct confine_rules changing;
    if (landlock(1) == 0) {
        skip();
    }
    changing = rules;
    memcpy(changing.written[0], rules.paths[0], sizeof changing.written[0]);
    changing.written_count = 1;
    assert_exits(run_confined(&changing, CONFINEMENT_ENFORCE, change_both), 0);
}

static int open_to_write(void)
{
    return open(inside, O_RDWR | O_CLOEXEC) >= 0 ? 1 : 2;
}

/* Without such a store the call alone ends the process. */
static void without_them_nothing_is_written(void **state)
{
    (void)state;
    if (!have_seccomp()) {
        skip();
    }
    struct outcome outcome = run_confined(&rules, CONFINEMENT_ENFORCE, open_to_write);
    assert_true(WIFSIGNALED(outcome.status));
    assert_int_equal(WTERMSIG(outcome.status), SIGSYS);
}

static void make_file(const char *directory, char *out, size_t size)
{
    snprintf(out, size, "%s/file", directory);
    int fd = open(out, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    assert_true(fd >= 0);
    close(fd);
}

static void listen_somewhere(struct sockaddr_in *address)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    socklen_t size = sizeof *address;
    *address = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
    assert_int_equal(bind(fd, (struct sockaddr *)address, sizeof *address), 0);
    assert_int_equal(listen(fd, 8), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)address, &size), 0);
}

static char directories[2][32] = { "/tmp/sallyport-in-XXXXXX", "/tmp/sallyport-out-XXXXXX" };

static int set_up(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(directories[0]));
    assert_non_null(mkdtemp(directories[1]));
    make_file(directories[0], inside, sizeof inside);
    make_file(directories[1], outside, sizeof outside);
    snprintf(rules.paths[0], sizeof rules.paths[0], "%s", directories[0]);
    rules.path_count = 1;
    listen_somewhere(&allowed_address);
    listen_somewhere(&other_address);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    unlink(inside);
    unlink(outside);
    rmdir(directories[0]);
    rmdir(directories[1]);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_what_stands_beneath_the_paths_is_read),
        cmocka_unit_test(stores_that_are_changed_are_written_and_nothing_else),
        cmocka_unit_test(without_them_nothing_is_written),
        cmocka_unit_test(only_the_ports_said_are_connected_to),
        cmocka_unit_test(paths_that_are_not_there_do_no_harm),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
