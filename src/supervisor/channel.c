#include "supervisor/channel.h"

#include "supervisor/rights.h"

#include <poll.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#define PART_FDS 253 /* SCM_MAX_FD: what the kernel takes in one message */
#define MAGIC    0x73616c79

/* What stands at the front of every datagram. `places`: how many descriptor places this part covers; `present` says which
 * of them hold one. The text comes with the first part, whole. */
struct part {
    uint32_t magic;
    uint32_t kind;
    uint32_t text_size;
    uint16_t places;
    uint16_t first;
    uint16_t more; /* parts follow */
    unsigned char present[PART_FDS];
};

struct error channel_pair(int *ret_supervisor, int *ret_gateway)
{
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
        return FAIL_ERRNO("socketpair");
    }
    *ret_supervisor = ends[0];
    *ret_gateway = ends[1];
    return OK;
}

/* Space for the descriptors of one part, aligned as the kernel wants it. */
union control {
    struct cmsghdr header;
    char bytes[CMSG_SPACE(PART_FDS * sizeof(int))];
};

static struct error send_datagram(int fd, const struct msghdr *message)
{
    for (;;) {
        if (sendmsg(fd, message, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0) {
            return OK;
        }
        if (errno == EINTR) {
            continue;
        }
        if (errno == EPIPE || errno == ECONNRESET || errno == ENOTCONN) {
            return FAIL(ERROR_STATE, "the other side of the channel is gone");
        }
        if (errno != EAGAIN) {
            return FAIL_ERRNO("channel");
        }
        struct pollfd writable = { .fd = fd, .events = POLLOUT };
        if (poll(&writable, 1, CHANNEL_SEND_MS) == 0) {
            return FAIL(ERROR_STATE, "the other side of the channel does not read");
        }
    }
}

static struct error send_part(int fd, struct part *part, struct slice text, const int *fds)
{
    union control control = { .bytes = { 0 } };
    struct iovec pieces[2] = { { part, sizeof *part }, { (void *)(uintptr_t)text.ptr, text.len } };
    struct msghdr message = { .msg_iov = pieces, .msg_iovlen = text.len > 0 ? 2 : 1 };
    int carried[PART_FDS];
    size_t count = 0;
    for (size_t i = 0; i < part->places; i++) {
        part->present[i] = fds[i] >= 0;
        if (fds[i] >= 0) {
            carried[count++] = fds[i];
        }
    }
    rights_attach(&message, control.bytes, carried, count);
    return send_datagram(fd, &message);
}

struct error channel_send(int fd, const struct channel_message *message)
{
    if (message->text.len > CHANNEL_TEXT_MAX || message->fd_count > CHANNEL_FDS_MAX) {
        return FAIL(ERROR_LIMIT, "message too large for the channel");
    }
    size_t sent = 0;
    do {
        size_t left = message->fd_count - sent;
        struct part part = {
            .magic = MAGIC,
            .kind = message->kind,
            .text_size = sent == 0 ? (uint32_t)message->text.len : 0,
            .places = (uint16_t)(left < PART_FDS ? left : PART_FDS),
            .first = sent == 0,
            .more = left > PART_FDS,
        };
        struct slice text = sent == 0 ? message->text : SLICE_NONE;
        const int *fds = part.places > 0 ? message->fds + sent : NULL;
        TRY(send_part(fd, &part, text, fds));
        sent += part.places;
    } while (sent < message->fd_count);
    return OK;
}

/* The descriptors of one datagram, however many the kernel handed over: each must end up owned or closed. */
struct received {
    int fds[PART_FDS];
    size_t count;
    bool cut; /* there were more than this process may hold: none is kept */
};

static void take_fds(struct msghdr *message, struct received *received)
{
    received->count = 0;
    for (struct cmsghdr *header = CMSG_FIRSTHDR(message); header != NULL;
         header = CMSG_NXTHDR(message, header)) {
        if (header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS) {
            size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
            count = count < PART_FDS ? count : PART_FDS;
            memcpy(received->fds, CMSG_DATA(header), count * sizeof(int));
            received->count = count;
        }
    }
}

static void close_all(const int *fds, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (fds[i] >= 0) {
            close(fds[i]);
        }
    }
}

static bool part_fits(const struct channel_reader *reader, const struct part *part, size_t size,
                      const struct received *received)
{
    if (size < sizeof *part || part->magic != MAGIC || part->text_size != size - sizeof *part ||
        part->places > PART_FDS || part->first == reader->partial ||
        (!part->first && (part->text_size > 0 || (enum channel_kind)part->kind != reader->kind))) {
        return false;
    }
    size_t present = 0;
    for (size_t i = 0; i < part->places; i++) {
        present += part->present[i] != 0;
    }
    size_t before = part->first ? 0 : reader->fd_count;
    return (received->cut || present == received->count) && before + part->places <= CHANNEL_FDS_MAX;
}

static void add_part(struct channel_reader *reader, const struct part *part, const struct received *received)
{
    if (part->first) {
        reader->kind = (enum channel_kind)part->kind;
        reader->text_size = part->text_size;
        reader->fd_count = 0;
        reader->cut = false;
    }
    reader->cut = reader->cut || received->cut;
    size_t next = 0;
    for (size_t i = 0; i < part->places; i++) {
        bool present = part->present[i] != 0 && !received->cut;
        /* NOLINTNEXTLINE(clang-analyzer-core.uninitialized.Assign): part_fits has counted them */
        reader->fds[reader->fd_count++] = present ? received->fds[next++] : -1;
    }
    reader->partial = part->more != 0;
}

/* One datagram. Zero bytes: the other side is gone. A later part's text, which there must not be, is not kept: it would
 * overwrite the first's. */
static struct error receive_part(int fd, struct channel_reader *reader, struct part *part,
                                 struct received *received, ssize_t *ret_size)
{
    union control control;
    char nothing[1];
    struct iovec pieces[2] = { { part, sizeof *part }, { reader->text, sizeof reader->text } };
    if (reader->partial) {
        pieces[1] = (struct iovec){ nothing, sizeof nothing };
    }
    struct msghdr message = { .msg_iov = pieces,
                              .msg_iovlen = 2,
                              .msg_control = control.bytes,
                              .msg_controllen = sizeof control.bytes };
    ssize_t size;
    do {
        size = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
    } while (size < 0 && errno == EINTR);
    if (size < 0) {
        return FAIL_ERRNO("channel");
    }
    take_fds(&message, received);
    received->cut = (message.msg_flags & MSG_CTRUNC) != 0;
    if (received->cut || (message.msg_flags & MSG_TRUNC) != 0) {
        close_all(received->fds, received->count);
        received->count = 0;
    }
    if ((message.msg_flags & MSG_TRUNC) != 0) {
        return FAIL(ERROR_PEER, "a message on the channel was cut");
    }
    *ret_size = size;
    return OK;
}

struct error channel_receive(int fd, struct channel_reader *reader, struct channel_message *out,
                             bool *ret_complete)
{
    *ret_complete = false;
    do {
        struct part part;
        struct received received;
        ssize_t size;
        struct error error = receive_part(fd, reader, &part, &received, &size);
        if (error.kind == ERROR_SYSTEM && error.number == EAGAIN) {
            return OK;
        }
        if (error.kind == ERROR_SYSTEM && error.number == ECONNRESET) {
            return FAIL(ERROR_STATE, "the other side of the channel is gone");
        }
        TRY(error);
        if (size == 0) {
            return FAIL(ERROR_STATE, "the other side of the channel is gone");
        }
        if (!part_fits(reader, &part, (size_t)size, &received)) {
            close_all(received.fds, received.count);
            return FAIL(ERROR_PEER, "a message on the channel was not understood");
        }
        add_part(reader, &part, &received);
    } while (reader->partial);
    if (reader->cut) {
        close_all(reader->fds, reader->fd_count);
        reader->fd_count = 0;
    }
    *out = (struct channel_message){
        .kind = reader->kind,
        .text = slice_of(reader->text, reader->text_size),
        .fds = reader->fds,
        .fd_count = reader->fd_count,
        .cut = reader->cut,
    };
    reader->fd_count = 0;
    *ret_complete = true;
    return OK;
}

void channel_message_done(const struct channel_message *message)
{
    close_all(message->fds, message->fd_count);
}

void channel_reader_done(struct channel_reader *reader)
{
    if (reader->partial) {
        close_all(reader->fds, reader->fd_count);
    }
    reader->fd_count = 0;
    reader->partial = false;
}
