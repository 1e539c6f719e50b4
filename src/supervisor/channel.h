/* How the supervisor and the gateway process talk: datagrams over a socket pair (SOCK_SEQPACKET), descriptors beside.
 *
 * supervisor → gateway: CONFIGURE carries the bundle's memfd, the limiter's memfd and all listening sockets; first start,
 * reload and restart are this one message. DRAIN asks for an orderly end; RETIRE too, where another
 * gateway serves already, whose boot is its text.
 * REOPEN reopens log files.
 * gateway → supervisor: READY after a CONFIGURE was taken up ("GENERATION BOOT"), REFUSED with a text where it was not.
 * gateway → supervisor: FORBIDDEN with the number of a system call that the confinement forbids, as the last word.
 * supervisor → gateway: REFUSED with a text where a reload failed before the gateway saw it: it is counted and audited.
 * gateway → supervisor → the gateway that serves: AUDIT_END tells how the audit log of one that has ended ends. */
#ifndef SALLYPORT_SUPERVISOR_CHANNEL_H
#define SALLYPORT_SUPERVISOR_CHANNEL_H

#include "base/error.h"
#include "base/slice.h"

enum channel_kind {
    CHANNEL_CONFIGURE = 1,
    CHANNEL_DRAIN,
    CHANNEL_REOPEN,
    CHANNEL_READY,
    CHANNEL_REFUSED,
    CHANNEL_RETIRE,
    CHANNEL_AUDIT_END,
    CHANNEL_FORBIDDEN,
};

#define CHANNEL_FDS_MAX  1024 /* beyond the kernel's 253 a message, they are sent in several */
#define CHANNEL_TEXT_MAX 32768

/* Bytes of the memory file by which a gateway leaves something to the next one; only what is written takes memory. */
#define CHANNEL_BEQUEST_SIZE ((size_t)8 * 1024 * 1024)

/* In a CONFIGURE: fds[0] bundle, fds[1] limiter table, fds[2] access log or -1 where off, fds[3] audit log, fds[4] the
 * gateway's own bequest and fds[5] that of the one which it relieves (gateway/bequest.h; -1 where none), fds[6] table of
 * what may be used once (limit/once.h), then the sockets, then for each set of API keys that has a store where its last uses are noted, or -1.
 * text: JSON: {"config":PATH,"overlays":[…],"restarts":N,"upgrades":N,"relieves":BOOL,"forbidden_calls":N,
 * "forbidden_call":NAME,"workers":N,"listeners":[{"name":…,"port":…,"sockets":N},…]};
 * forbidden_call: what a process before this one died of, else left out. A listener's N sockets (one per worker) follow each
 * other in this order. */
struct channel_message {
    enum channel_kind kind;
    struct slice text;
    int *fds;
    size_t fd_count;
    bool cut; /* received without its descriptors, since this process may hold no more: fd_count is 0 */
};

/* Both ends close-on-exec. */
struct error channel_pair(int *ret_supervisor, int *ret_gateway) MUST_CHECK;

/* Descriptors are duplicated on the way: the sender keeps its own. Waits up to CHANNEL_SEND_MS for a receiver that does
 * not read. ERROR_STATE: the other side is gone, or does not read. */
#define CHANNEL_SEND_MS 5000
struct error channel_send(int fd, const struct channel_message *message) MUST_CHECK;

/* A receiver collects the parts of one message. All zero at first; one per channel. */
struct channel_reader {
    char text[CHANNEL_TEXT_MAX];
    int fds[CHANNEL_FDS_MAX]; /* -1: the sender had none at this place */
    size_t text_size, fd_count;
    enum channel_kind kind;
    bool partial; /* parts are still to come */
    bool cut;     /* descriptors were lost */
};
/* One message, once complete: true in *ret_complete, `out` points into the reader; the caller owns the descriptors, which
 * are close-on-exec. ERROR_STATE: the other side is gone. ERROR_PEER: it broke the protocol. Non-blocking when the
 * descriptor is. */
struct error channel_receive(int fd, struct channel_reader *reader, struct channel_message *out,
                             bool *ret_complete) MUST_CHECK;
/* Closes the descriptors of a message that nobody takes. */
void channel_message_done(const struct channel_message *message);
/* The same of one that never became complete. */
void channel_reader_done(struct channel_reader *reader);

#endif
