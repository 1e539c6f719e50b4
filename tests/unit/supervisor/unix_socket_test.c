#include "unit.h"

#include "base/limits.h"
#include "supervisor/sockets.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define WORKERS 3

static char dir[64], path[96], other[96], text[512];

static int setup(void **state)
{
    (void)state;
    snprintf(dir, sizeof dir, "/tmp/sallyport-unit-XXXXXX");
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/a.sock", dir);
    snprintf(other, sizeof other, "%s/b.sock", dir);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    unlink(path);
    unlink(other);
    return rmdir(dir);
}

static struct listener_settings listener(const char *name, const char *at, unsigned int mode)
{
    return (struct listener_settings){ .name = slice_from_string(name),
                                       .path = slice_from_string(at),
                                       .parsed_mode = mode };
}

static struct error open_listeners(struct sockets *sockets, struct listener_settings *listeners, size_t count)
{
    struct settings settings = { .listeners = listeners, .listener_count = count };
    sockets->workers = WORKERS;
    text[0] = '\0';
    return sockets_open(sockets, &settings, text, sizeof text);
}

static struct error open_one(struct sockets *sockets, const char *at, unsigned int mode)
{
    struct listener_settings one = listener("public", at, mode);
    return open_listeners(sockets, &one, 1);
}

static struct sockaddr_un address_of(const char *at)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    assert_true(strlen(at) < sizeof address.sun_path);
    memcpy(address.sun_path, at, strlen(at));
    return address;
}

static int socket_at(const char *at, int type, bool listens)
{
    struct sockaddr_un address = address_of(at);
    int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listens ? listen(fd, 5) : 0, 0);
    return fd;
}

static int connect_to(const char *at)
{
    struct sockaddr_un address = address_of(at);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int status = connect(fd, (struct sockaddr *)&address, sizeof address);
    close(fd);
    return status;
}

static unsigned int mode_of(const char *at)
{
    struct stat facts;
    assert_int_equal(lstat(at, &facts), 0);
    return facts.st_mode & 0777;
}

static bool exists(const char *at)
{
    return access(at, F_OK) == 0;
}

static void a_path_is_listened_on_and_its_file_goes(void **state)
{
    (void)state;
    struct sockets sockets = { .first = NULL };
    umask(0022);
    assert_ok(open_one(&sockets, path, 0660));
    assert_int_equal(sockets.first->count, WORKERS);
    assert_int_equal(mode_of(path), 0660); /* whatever the umask is */
    assert_int_equal(umask(0022), 0022);   /* which stays */
    for (size_t i = 0; i < WORKERS; i++) {
        assert_int_equal(fcntl(sockets.first->fds[i], F_GETFD), FD_CLOEXEC);
        assert_true(fcntl(sockets.first->fds[i], F_GETFL) & O_NONBLOCK);
    }
    assert_int_equal(connect_to(path), 0);
    int served = accept(sockets.first->fds[WORKERS - 1], NULL, NULL); /* they share one queue */
    assert_true(served >= 0);
    close(served);
    sockets_done(&sockets, false);
    assert_false(exists(path));
}

static void who_stays_keeps_socket_and_file(void **state)
{
    (void)state;
    struct sockets sockets = { .first = NULL };
    assert_ok(open_one(&sockets, path, 0660));
    sockets_settle(&sockets, true);
    int fd = sockets.first->fds[0];
    ino_t inode = sockets.first->file.inode;
    assert_ok(open_one(&sockets, path, 0600));
    assert_int_equal(mode_of(path), 0660); /* not before it is taken up */
    sockets_settle(&sockets, false);
    assert_int_equal(mode_of(path), 0660);
    assert_ok(open_one(&sockets, path, 0600));
    sockets_settle(&sockets, true);
    assert_int_equal(mode_of(path), 0600);
    assert_int_equal(sockets.first->fds[0], fd);
    assert_int_equal(sockets.first->file.inode, inode);
    /* Another path: the old file goes once that is taken up; or the new one, where it is not. */
    assert_ok(open_one(&sockets, other, 0660));
    assert_true(exists(path) && exists(other));
    sockets_settle(&sockets, false);
    assert_true(exists(path) && !exists(other));
    assert_ok(open_one(&sockets, other, 0660));
    sockets_settle(&sockets, true);
    assert_true(!exists(path) && exists(other));
    sockets_done(&sockets, false);
    assert_false(exists(other));
}

static void what_somebody_listens_on_is_left_alone(void **state)
{
    (void)state;
    struct sockets first = { .first = NULL }, second = { .first = NULL };
    assert_ok(open_one(&first, path, 0660));
    assert_fails(open_one(&second, path, 0660), ERROR_SYSTEM);
    char expected[256];
    snprintf(expected, sizeof expected, "listener public: %s is in use by another process", path);
    assert_string_equal(text, expected);
    assert_int_equal(connect_to(path), 0);
    sockets_done(&first, false);
    /* A queue that is full refuses, and is somebody's. */
    int fd = socket_at(path, SOCK_STREAM, true);
    assert_int_equal(listen(fd, 0), 0);
    int client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct sockaddr_un address = address_of(path);
    assert_int_equal(connect(client, (struct sockaddr *)&address, sizeof address), 0);
    assert_fails(open_one(&second, path, 0660), ERROR_SYSTEM);
    assert_string_equal(text, expected);
    close(client);
    close(fd);
    unlink(path);
    fd = socket_at(path, SOCK_DGRAM, false);
    assert_fails(open_one(&second, path, 0660), ERROR_SYSTEM);
    assert_string_equal(text, expected);
    close(fd);
}

static void a_dead_socket_is_replaced(void **state)
{
    (void)state;
    struct sockets sockets = { .first = NULL };
    close(socket_at(path, SOCK_STREAM, true));
    assert_true(exists(path));
    assert_ok(open_one(&sockets, path, 0660));
    assert_int_equal(connect_to(path), 0);
    sockets_done(&sockets, false);
}

static void what_is_no_socket_is_left_alone(void **state)
{
    (void)state;
    struct sockets sockets = { .first = NULL };
    char expected[256];
    snprintf(expected, sizeof expected,
             "listener public: %s cannot be used: there is a file already that is no socket", path);
    close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    assert_fails(open_one(&sockets, path, 0660), ERROR_SYSTEM);
    assert_string_equal(text, expected);
    assert_true(exists(path));
    unlink(path);
    /* A link to a dead socket is no socket either: what it leads to is not ours. */
    close(socket_at(other, SOCK_STREAM, true));
    assert_int_equal(symlink(other, path), 0);
    assert_fails(open_one(&sockets, path, 0660), ERROR_SYSTEM);
    assert_string_equal(text, expected);
    assert_true(exists(other));
}

static void other_reasons_are_told(void **state)
{
    (void)state;
    struct sockets sockets = { .first = NULL };
    assert_fails(open_one(&sockets, "/nonexistent/a.sock", 0660), ERROR_SYSTEM);
    assert_string_equal(text,
                        "listener public: /nonexistent/a.sock cannot be used: its directory does not exist");
    struct listener_settings one = listener("public", path, 0660);
    one.group = SLICE("no-such-group-here");
    assert_fails(open_listeners(&sockets, &one, 1), ERROR_SYSTEM);
    assert_non_null(strstr(text, "`group` names no group of this machine"));
    one.group = SLICE("");
    one.owner = SLICE("no-such-user-here");
    assert_fails(open_listeners(&sockets, &one, 1), ERROR_SYSTEM);
    assert_non_null(strstr(text, "`owner` names no user of this machine"));
    assert_false(exists(path));
    struct listener_settings twice[] = { listener("a", path, 0660), listener("b", path, 0660) };
    assert_fails(open_listeners(&sockets, twice, 2), ERROR_SYSTEM);
    assert_non_null(strstr(text, "another listener has the same"));
    assert_false(exists(path));
}

static void owner_and_group(void **state)
{
    (void)state;
    struct sockets sockets = { .first = NULL };
    struct stat facts;
    if (geteuid() != 0) {
        skip();
    }
    struct listener_settings one = listener("public", path, 0620);
    one.owner = SLICE("nobody");
    one.group = SLICE("12345");
    assert_ok(open_listeners(&sockets, &one, 1));
    assert_int_equal(lstat(path, &facts), 0);
    assert_int_equal(facts.st_uid, 65534);
    assert_int_equal(facts.st_gid, 12345);
    assert_int_equal(mode_of(path), 0620);
    sockets_done(&sockets, false);
}

/* Somebody removed it, or put another socket in its place: a reload makes it good, or says so. */
static void a_file_that_is_gone(void **state)
{
    (void)state;
    struct sockets sockets = { .first = NULL };
    assert_ok(open_one(&sockets, path, 0660));
    sockets_settle(&sockets, true);
    unlink(path);
    assert_ok(open_one(&sockets, path, 0660));
    sockets_settle(&sockets, true);
    assert_int_equal(connect_to(path), 0);
    assert_null(sockets.first->next);
    unlink(path);
    int stranger = socket_at(path, SOCK_STREAM, true);
    assert_fails(open_one(&sockets, path, 0660), ERROR_SYSTEM);
    sockets_done(&sockets, false);
    assert_int_equal(connect_to(path), 0); /* the stranger's file stays */
    close(stranger);
}

static void hand_over(struct sockets *sockets, int fd)
{
    sockets->inherited.sockets[sockets->inherited.count++] =
        (struct inherited_socket){ strdup("public"), fd };
}

static void a_socket_that_was_handed_over_is_the_managers(void **state)
{
    (void)state;
    struct sockets sockets = { .first = NULL };
    int fd = socket_at(path, SOCK_STREAM, true);
    hand_over(&sockets, fd);
    assert_ok(open_one(&sockets, path, 0660));
    assert_int_equal(sockets.first->fds[0], fd);
    assert_int_equal(sockets.first->count, WORKERS);
    sockets_settle(&sockets, true);
    sockets_done(&sockets, false);
    assert_true(exists(path));
    unlink(path);
    /* Of another path: refused. Without a file: of no use, and made anew. */
    hand_over(&sockets, socket_at(other, SOCK_STREAM, true));
    assert_fails(open_one(&sockets, path, 0660), ERROR_SYSTEM);
    assert_non_null(strstr(text, "cannot be used: the socket that was handed over has another path"));
    unlink(other);
    inherited_done(&sockets.inherited);
    hand_over(&sockets, socket_at(path, SOCK_STREAM, true));
    unlink(path);
    assert_ok(open_one(&sockets, path, 0660));
    assert_int_equal(connect_to(path), 0);
    sockets_done(&sockets, false);
}

static void what_was_taken_over_goes_on(void **state)
{
    (void)state;
    struct sockets before = { .first = NULL }, after = { .first = NULL };
    assert_ok(open_one(&before, path, 0660));
    const struct listening *was = before.first;
    int fds[WORKERS];
    for (size_t i = 0; i < WORKERS; i++) {
        fds[i] = fcntl(was->fds[i], F_DUPFD_CLOEXEC, 3);
    }
    struct sockets_given given = { .name = SLICE("public"),
                                   .path = slice_from_string(path),
                                   .file = was->file,
                                   .fds = fds,
                                   .count = WORKERS };
    assert_true(sockets_add(&after, &given));
    sockets_done(&before, true); /* as it becomes the next program: nothing is removed */
    assert_ok(open_one(&after, path, 0660));
    assert_int_equal(after.first->fds[0], fds[0]);
    assert_null(after.first->next);
    sockets_settle(&after, true);
    assert_int_equal(connect_to(path), 0);
    sockets_close(&after);
    assert_true(exists(path)); /* while it drains */
    sockets_done(&after, false);
    assert_false(exists(path));
}

static void the_longest_path(void **state)
{
    (void)state;
    char longest[UNIX_PATH_MAX + 1];
    struct sockets sockets = { .first = NULL };
    memset(longest, 'x', UNIX_PATH_MAX);
    memcpy(longest, dir, strlen(dir));
    longest[strlen(dir)] = '/';
    longest[UNIX_PATH_MAX] = '\0';
    assert_ok(open_one(&sockets, longest, 0660));
    assert_true(exists(longest));
    sockets_done(&sockets, false);
    assert_false(exists(longest));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_path_is_listened_on_and_its_file_goes),
        TEST(who_stays_keeps_socket_and_file),
        TEST(what_somebody_listens_on_is_left_alone),
        TEST(a_dead_socket_is_replaced),
        TEST(what_is_no_socket_is_left_alone),
        TEST(other_reasons_are_told),
        TEST(owner_and_group),
        TEST(a_file_that_is_gone),
        TEST(a_socket_that_was_handed_over_is_the_managers),
        TEST(what_was_taken_over_goes_on),
        TEST(the_longest_path),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
