/* Descriptors beside a datagram (SCM_RIGHTS, unix(7)). */
#ifndef SALLYPORT_SUPERVISOR_RIGHTS_H
#define SALLYPORT_SUPERVISOR_RIGHTS_H

#include <string.h>
#include <sys/socket.h>

/* `control`: CMSG_SPACE(count * sizeof(int)) bytes, aligned and zeroed, good until the message is sent. Nothing for no
 * descriptor. */
static inline void rights_attach(struct msghdr *message, void *control, const int *fds, size_t count)
{
    if (count == 0) {
        return;
    }
    message->msg_control = control;
    message->msg_controllen = CMSG_SPACE(count * sizeof(int));
    struct cmsghdr *header = CMSG_FIRSTHDR(message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(count * sizeof(int));
    memcpy(CMSG_DATA(header), fds, count * sizeof(int));
}

#endif
