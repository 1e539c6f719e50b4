#include "unit.h"

#include "supervisor/channel.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static struct channel_reader reader;

static int count_open(void)
{
    int count = 0;
    for (int fd = 0; fd < 4096; fd++) {
        count += fcntl(fd, F_GETFD) >= 0;
    }
    return count;
}

static int numbered_file(int number)
{
    int fd = memfd_create("numbered", MFD_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, &number, sizeof number), sizeof number);
    return fd;
}

static int number_in(int fd)
{
    int number = -1;
    assert_int_equal(pread(fd, &number, sizeof number, 0), sizeof number);
    return number;
}

static void text_arrives(void **state)
{
    (void)state;
    int a, b;
    assert_ok(channel_pair(&a, &b));
    struct channel_message message = { .kind = CHANNEL_REFUSED, .text = SLICE("no such file") }, got;
    assert_ok(channel_send(a, &message));
    message = (struct channel_message){ .kind = CHANNEL_DRAIN };
    assert_ok(channel_send(a, &message));
    bool complete;
    assert_ok(channel_receive(b, &reader, &got, &complete));
    assert_true(complete);
    assert_int_equal(got.kind, CHANNEL_REFUSED);
    assert_slice(got.text, "no such file");
    assert_int_equal(got.fd_count, 0);
    assert_ok(channel_receive(b, &reader, &got, &complete));
    assert_true(complete);
    assert_int_equal(got.kind, CHANNEL_DRAIN);
    assert_int_equal(got.text.len, 0);
    close(a);
    close(b);
}

static void more_descriptors_than_one_message_holds(void **state)
{
    (void)state;
    enum {
        COUNT = 600
    };
    int a, b, fds[COUNT];
    assert_ok(channel_pair(&a, &b));
    for (int i = 0; i < COUNT; i++) {
        fds[i] = i % 100 == 2 ? -1 : numbered_file(i);
    }
    struct channel_message message = {
        .kind = CHANNEL_CONFIGURE, .text = SLICE("{}"), .fds = fds, .fd_count = COUNT
    };
    assert_ok(channel_send(a, &message));
    struct channel_message got;
    bool complete;
    assert_ok(channel_receive(b, &reader, &got, &complete));
    assert_true(complete);
    assert_slice(got.text, "{}");
    assert_int_equal(got.fd_count, COUNT);
    for (int i = 0; i < COUNT; i++) {
        if (i % 100 == 2) {
            assert_int_equal(got.fds[i], -1);
            continue;
        }
        assert_int_equal(number_in(got.fds[i]), i);
        assert_int_equal(fcntl(got.fds[i], F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
        close(got.fds[i]);
        close(fds[i]);
    }
    close(a);
    close(b);
}

static void exactly_one_message_of_descriptors(void **state)
{
    (void)state;
    static const size_t counts[] = { 1, 253, 254, 506, CHANNEL_FDS_MAX };
    int file = numbered_file(7);
    static int fds[CHANNEL_FDS_MAX];
    for (size_t i = 0; i < CHANNEL_FDS_MAX; i++) {
        fds[i] = file;
    }
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        int a, b;
        assert_ok(channel_pair(&a, &b));
        int before = count_open();
        struct channel_message message = { .kind = CHANNEL_CONFIGURE, .fds = fds, .fd_count = counts[i] },
                               got;
        assert_ok(channel_send(a, &message));
        bool complete;
        assert_ok(channel_receive(b, &reader, &got, &complete));
        assert_true(complete);
        assert_int_equal(got.fd_count, counts[i]);
        for (size_t k = 0; k < got.fd_count; k++) {
            close(got.fds[k]);
        }
        assert_int_equal(count_open(), before);
        close(a);
        close(b);
    }
    close(file);
}

static void parts_are_collected_without_blocking(void **state)
{
    (void)state;
    int a, b;
    assert_ok(channel_pair(&a, &b));
    assert_int_equal(fcntl(b, F_SETFL, O_NONBLOCK), 0);
    struct channel_message got;
    bool complete = true;
    assert_ok(channel_receive(b, &reader, &got, &complete));
    assert_false(complete);
    close(a);
    assert_fails(channel_receive(b, &reader, &got, &complete), ERROR_STATE);
    close(b);
}

static void too_much_is_refused(void **state)
{
    (void)state;
    int a, b;
    assert_ok(channel_pair(&a, &b));
    static char text[CHANNEL_TEXT_MAX + 1];
    static int fds[CHANNEL_FDS_MAX + 1];
    struct channel_message long_text = { .kind = CHANNEL_REFUSED, .text = slice_of(text, sizeof text) };
    struct channel_message many_fds = { .kind = CHANNEL_REFUSED,
                                        .fds = fds,
                                        .fd_count = CHANNEL_FDS_MAX + 1 };
    assert_fails(channel_send(a, &long_text), ERROR_LIMIT);
    assert_fails(channel_send(a, &many_fds), ERROR_LIMIT);
    long_text.text.len = CHANNEL_TEXT_MAX;
    assert_ok(channel_send(a, &long_text));
    struct channel_message got;
    bool complete;
    assert_ok(channel_receive(b, &reader, &got, &complete));
    assert_int_equal(got.text.len, CHANNEL_TEXT_MAX);
    close(a);
    close(b);
}

/* What is not ours leaves no descriptor behind. */
static void foreign_messages_are_refused(void **state)
{
    (void)state;
    int a, b;
    assert_ok(channel_pair(&a, &b));
    int before = count_open();
    int file = numbered_file(1);
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = { .bytes = { 0 } };
    struct iovec piece = { "nonsense", 8 };
    struct msghdr message = { .msg_iov = &piece,
                              .msg_iovlen = 1,
                              .msg_control = control.bytes,
                              .msg_controllen = sizeof control.bytes };
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    *header = (struct cmsghdr){ .cmsg_level = SOL_SOCKET,
                                .cmsg_type = SCM_RIGHTS,
                                .cmsg_len = CMSG_LEN(sizeof(int)) };
    memcpy(CMSG_DATA(header), &file, sizeof file);
    assert_int_equal(sendmsg(a, &message, 0), 8);
    close(file);
    struct channel_message got;
    bool complete;
    assert_fails(channel_receive(b, &reader, &got, &complete), ERROR_PEER);
    assert_false(complete);
    assert_int_equal(count_open(), before);
    close(a);
    close(b);
}

static void a_closed_channel_says_so(void **state)
{
    (void)state;
    int a, b;
    assert_ok(channel_pair(&a, &b));
    close(b);
    struct channel_message message = { .kind = CHANNEL_READY };
    assert_fails(channel_send(a, &message), ERROR_STATE);
    close(a);
}

/* A gateway that may hold no more descriptors goes on: the message comes without them, however many parts it has, and the
 * next one comes whole. */
static void descriptors_that_cannot_be_held_cut_one_message_only(void **state)
{
    (void)state;
    int a, b, fds[300];
    assert_ok(channel_pair(&a, &b));
    for (int i = 0; i < 300; i++) {
        fds[i] = numbered_file(i);
    }
    struct channel_message message = {
        .kind = CHANNEL_CONFIGURE, .text = SLICE("text"), .fds = fds, .fd_count = 300
    };
    assert_ok(channel_send(a, &message));
    assert_ok(channel_send(a, &message));
    int before = count_open();
    struct rlimit all, few;
    getrlimit(RLIMIT_NOFILE, &all);
    few = all;
    few.rlim_cur = (rlim_t)fds[299] + 4; /* some fit, not all */
    setrlimit(RLIMIT_NOFILE, &few);
    struct channel_message got;
    bool complete;
    assert_ok(channel_receive(b, &reader, &got, &complete));
    setrlimit(RLIMIT_NOFILE, &all);
    assert_true(complete);
    assert_true(got.cut);
    assert_int_equal(got.kind, CHANNEL_CONFIGURE);
    assert_slice(got.text, "text");
    assert_int_equal(got.fd_count, 0);
    assert_int_equal(count_open(), before);
    assert_ok(channel_receive(b, &reader, &got, &complete));
    assert_true(complete);
    assert_false(got.cut);
    assert_int_equal(got.fd_count, 300);
    for (int i = 0; i < 300; i++) {
        assert_int_equal(number_in(got.fds[i]), i);
        close(got.fds[i]);
        close(fds[i]);
    }
    close(a);
    close(b);
}

int main(void)
{
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max < 4096 ? files.rlim_max : 4096;
    setrlimit(RLIMIT_NOFILE, &files);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_arrives),
        cmocka_unit_test(more_descriptors_than_one_message_holds),
        cmocka_unit_test(exactly_one_message_of_descriptors),
        cmocka_unit_test(parts_are_collected_without_blocking),
        cmocka_unit_test(too_much_is_refused),
        cmocka_unit_test(foreign_messages_are_refused),
        cmocka_unit_test(a_closed_channel_says_so),
        cmocka_unit_test(descriptors_that_cannot_be_held_cut_one_message_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
