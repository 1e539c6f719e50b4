#include "unit.h"

#include "supervisor/notify.h"

#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static void the_manager_is_told(void **state)
{
    (void)state;
    for (int abstract = 0; abstract < 2; abstract++) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        char path[64];
        snprintf(path, sizeof path, "%s/sallyport-notify-%d", abstract ? "@" : "/tmp", (int)getpid());
        memcpy(address.sun_path, path, strlen(path));
        if (abstract) {
            address.sun_path[0] = '\0';
        }
        int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
        socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
        assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
        setenv("NOTIFY_SOCKET", path, 1);
        notify_manager("READY=1");
        char text[64];
        assert_int_equal(recv(fd, text, sizeof text, MSG_DONTWAIT), 7);
        assert_memory_equal(text, "READY=1", 7);
        /* A manager that does not read is not waited for. */
        for (int i = 0; i < 2000; i++) {
            notify_manager("STATUS=busy");
        }
        close(fd);
        unlink(path);
        notify_manager("READY=1"); /* and one that is gone does no harm */
    }
}

/* The names and descriptors of the next message. */
static size_t receive(int fd, char *text, size_t size, int *fds)
{
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(253 * sizeof(int))];
    } control;
    struct iovec piece = { text, size - 1 };
    struct msghdr message = {
        .msg_iov = &piece, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control
    };
    ssize_t got = recvmsg(fd, &message, MSG_DONTWAIT);
    assert_true(got > 0);
    text[got] = '\0';
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    if (header == NULL) {
        return 0;
    }
    assert_int_equal(header->cmsg_type, SCM_RIGHTS);
    size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    memcpy(fds, CMSG_DATA(header), count * sizeof(int));
    return count;
}

static void descriptors_are_kept_and_forgotten(void **state)
{
    (void)state;
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    char path[64], text[256];
    int fds[253], mine[100];
    snprintf(path, sizeof path, "@sallyport-keep-%d", (int)getpid());
    memcpy(address.sun_path + 1, path + 1, strlen(path) - 1);
    int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
    assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
    setenv("NOTIFY_SOCKET", path, 1);
    for (size_t i = 0; i < 100; i++) {
        mine[i] = fd;
    }
    notify_keep("public", mine, 0); /* nothing to keep: nothing is said */
    notify_keep("public", mine, 100);
    notify_forget("public");
    for (size_t total = 0; total < 100;) {
        size_t count = receive(fd, text, sizeof text, fds);
        assert_string_equal(text, "FDSTORE=1\nFDPOLL=0\nFDNAME=public");
        assert_true(count > 0);
        for (size_t i = 0; i < count; i++) {
            close(fds[i]);
        }
        total += count;
        assert_true(total <= 100);
    }
    assert_int_equal(receive(fd, text, sizeof text, fds), 0);
    assert_string_equal(text, "FDSTOREREMOVE=1\nFDNAME=public");
    close(fd);
}

static void nobody_wants_to_know(void **state)
{
    (void)state;
    static char longer[300];
    memset(longer, '/', sizeof longer - 1);
    static const char *const bad[] = { "", "/", "relative", longer };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        setenv("NOTIFY_SOCKET", bad[i], 1);
        notify_manager("READY=1");
    }
    unsetenv("NOTIFY_SOCKET");
    notify_manager("READY=1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_manager_is_told),
        cmocka_unit_test(descriptors_are_kept_and_forgotten),
        cmocka_unit_test(nobody_wants_to_know),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
