#include "supervisor/notify.h"

#include "supervisor/rights.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define FDS_AT_ONCE 64

static bool manager_address(struct sockaddr_un *ret_address, socklen_t *ret_size)
{
    const char *path = getenv("NOTIFY_SOCKET");
    size_t length = path != NULL ? strlen(path) : 0;
    *ret_address = (struct sockaddr_un){ .sun_family = AF_UNIX };
    if (length < 2 || length >= sizeof ret_address->sun_path || (path[0] != '/' && path[0] != '@')) {
        return false;
    }
    memcpy(ret_address->sun_path, path, length);
    if (path[0] == '@') {
        ret_address->sun_path[0] = '\0'; /* the abstract namespace */
    }
    *ret_size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
    return true;
}

static void send_state(const char *state, const int *fds, size_t count)
{
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(FDS_AT_ONCE * sizeof(int))];
    } control = { .bytes = { 0 } };
    struct sockaddr_un address;
    struct iovec text = { (void *)(uintptr_t)state, strlen(state) };
    struct msghdr message = { .msg_name = &address, .msg_iov = &text, .msg_iovlen = 1 };
    if (!manager_address(&address, &message.msg_namelen)) {
        return;
    }
    rights_attach(&message, control.bytes, fds, count);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0) {
        (void)!sendmsg(fd, &message, MSG_NOSIGNAL);
        close(fd);
    }
}

bool notify_is_wanted(void)
{
    struct sockaddr_un address;
    socklen_t size;
    return manager_address(&address, &size);
}

void notify_manager(const char *state)
{
    send_state(state, NULL, 0);
}

void notify_keep(const char *name, const int *fds, size_t count)
{
    char state[512];
    /* Not polled: a listening socket is never at its end. */
    snprintf(state, sizeof state, "FDSTORE=1\nFDPOLL=0\nFDNAME=%s", name);
    for (size_t sent = 0; sent < count; sent += FDS_AT_ONCE) {
        send_state(state, fds + sent, count - sent < FDS_AT_ONCE ? count - sent : FDS_AT_ONCE);
    }
}

void notify_forget(const char *name)
{
    char state[512];
    snprintf(state, sizeof state, "FDSTOREREMOVE=1\nFDNAME=%s", name);
    send_state(state, NULL, 0);
}
