#include "supervisor/inherited.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

static bool number_in(const char *variable, uint64_t *ret_value)
{
    return slice_to_u64(slice_from_string(getenv(variable)), ret_value);
}

static struct error take_socket(struct inherited *inherited, int fd, struct slice name)
{
    int flags = fcntl(fd, F_GETFD);
    if (flags < 0 || fcntl(fd, F_SETFD, flags | FD_CLOEXEC) != 0) {
        return FAIL_ERRNO("LISTEN_FDS names a descriptor that is not open");
    }
    char *copy = strndup(name.len > 0 ? name.ptr : "", name.len);
    if (copy == NULL) {
        return FAIL(ERROR_MEMORY, "inherited sockets");
    }
    inherited->sockets[inherited->count++] = (struct inherited_socket){ copy, fd };
    return OK;
}

static struct error take_all(struct inherited *inherited, int first)
{
    uint64_t pid, count;
    if (!number_in("LISTEN_PID", &pid) || !number_in("LISTEN_FDS", &count) || pid != (uint64_t)getpid()) {
        return OK;
    }
    if (count > INHERITED_MAX) {
        return FAIL(ERROR_LIMIT, "LISTEN_FDS names too many sockets");
    }
    struct slice names = slice_from_string(getenv("LISTEN_FDNAMES"));
    for (uint64_t i = 0; i < count; i++) {
        struct slice name = SLICE_NONE;
        (void)slice_next(&names, ':', &name); /* none left: a socket without a name */
        TRY(take_socket(inherited, first + (int)i, name));
    }
    return OK;
}

struct error inherited_take(struct inherited *inherited, int first)
{
    *inherited = (struct inherited){ .count = 0 };
    struct error error = take_all(inherited, first);
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
    if (failed(error)) {
        inherited_done(inherited);
    }
    return error;
}

int inherited_find(struct inherited *inherited, struct slice name)
{
    for (size_t i = 0; i < inherited->count; i++) {
        struct inherited_socket *socket = &inherited->sockets[i];
        if (socket->fd >= 0 && slice_equal(slice_from_string(socket->name), name)) {
            int fd = socket->fd;
            socket->fd = -1;
            return fd;
        }
    }
    return -1;
}

void inherited_done(struct inherited *inherited)
{
    for (size_t i = 0; i < inherited->count; i++) {
        if (inherited->sockets[i].fd >= 0) {
            close(inherited->sockets[i].fd);
        }
        free(inherited->sockets[i].name);
    }
    inherited->count = 0;
}
