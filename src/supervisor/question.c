#include "supervisor/question.h"

#include "base/hash.h"

#include <limits.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 8

/* The same file has the same name, whatever path leads to it. Not secret: who may ask is decided by who asks. */
static struct error make_name(struct slice config, struct sockaddr_un *out, socklen_t *ret_size)
{
    static const struct hash_key key = { { 0, 0 } };
    char path[PATH_MAX];
    char real[PATH_MAX];
    if (snprintf(path, sizeof path, "%.*s", SLICE_ARG(config)) >= (int)sizeof path ||
        realpath(path, real) == NULL) {
        return FAIL_ERRNO("the configuration's file cannot be found");
    }
    *out = (struct sockaddr_un){ .sun_family = AF_UNIX };
    unsigned long long name = hash_keyed(&key, real, strlen(real));
    int length = snprintf(out->sun_path + 1, sizeof out->sun_path - 1, "sallyport/%016llx", name);
    *ret_size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)length);
    return OK;
}

/* Zero as a process id is a process that we cannot see: another container's, perhaps. */
static bool is_one_of_us(int fd, pid_t *ret_pid)
{
    struct ucred who;
    socklen_t size = sizeof who;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size) != 0 || who.pid == 0 ||
        (who.uid != 0 && who.uid != geteuid())) {
        return false;
    }
    *ret_pid = who.pid;
    return true;
}

struct error question_listen(struct slice config, int *ret_fd)
{
    struct sockaddr_un name;
    socklen_t size;
    TRY(make_name(config, &name, &size));
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return FAIL_ERRNO("socket");
    }
    if (bind(fd, (struct sockaddr *)&name, size) != 0 || listen(fd, BACKLOG) != 0) {
        struct error error = errno == EADDRINUSE
                                 ? FAIL(ERROR_STATE, "another supervisor runs with the same configuration")
                                 : FAIL_ERRNO("bind");
        close(fd);
        return error;
    }
    *ret_fd = fd;
    return OK;
}

int question_accept(int fd)
{
    pid_t pid;
    int asker = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (asker >= 0 && !is_one_of_us(asker, &pid)) {
        close(asker);
        asker = -1;
    }
    return asker;
}

struct error question_ask(struct slice config, int *ret_fd, pid_t *ret_supervisor)
{
    struct sockaddr_un name;
    socklen_t size;
    TRY(make_name(config, &name, &size));
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return FAIL_ERRNO("socket");
    }
    if (connect(fd, (struct sockaddr *)&name, size) != 0) {
        close(fd);
        return FAIL(ERROR_STATE, "no supervisor runs with this configuration");
    }
    if (!is_one_of_us(fd, ret_supervisor)) {
        close(fd);
        return FAIL(ERROR_STATE, "the supervisor of this configuration is another user's");
    }
    *ret_fd = fd;
    return OK;
}

void question_answer(int fd, const char *verdict, const char *text)
{
    char answer[2048];
    int size = snprintf(answer, sizeof answer, "%s %s", verdict, text);
    size_t length = size < (int)sizeof answer ? (size_t)size : sizeof answer - 1;
    (void)!send(fd, answer, length, MSG_NOSIGNAL | MSG_DONTWAIT);
    close(fd);
}

bool question_await(int fd, int timeout_ms, char *out, size_t size)
{
    struct pollfd source = { .fd = fd, .events = POLLIN };
    ssize_t got = poll(&source, 1, timeout_ms) == 1 ? recv(fd, out, size - 1, 0) : -1;
    out[got > 0 ? got : 0] = '\0';
    return got > 0;
}
