#include "unit.h"

#include "supervisor/notify.h"

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
        cmocka_unit_test(nobody_wants_to_know),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
