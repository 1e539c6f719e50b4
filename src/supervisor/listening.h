/* The sockets of one listener: one per worker, bound here or handed over by the service manager. One thread. */
#ifndef SALLYPORT_SUPERVISOR_LISTENING_H
#define SALLYPORT_SUPERVISOR_LISTENING_H

#include "supervisor/inherited.h"
#include "supervisor/unix_socket.h"

#define SOCKETS_PER_LISTENER_MAX 256

struct listening {
    char *name;     /* in force */
    char *new_name; /* by the configuration being applied, where it renames the listener; else NULL */
    char *path;     /* of a Unix socket; NULL: it has an address */
    struct unix_file file;
    struct unix_rights rights; /* by the configuration being applied, or in force */
    struct address wanted;     /* as configured; port 0 is any */
    struct address address;    /* as bound */
    int fds[SOCKETS_PER_LISTENER_MAX];
    size_t count;
    size_t stored;  /* so many, the first ones, are known to the service manager */
    size_t settled; /* so many were there before the configuration being applied */
    bool is_wanted; /* by the configuration being applied */
    bool fresh;     /* opened for it: closed again where it is refused */
    struct listening *next;
};

/* Binds what is `wanted`, or `path`, for so many workers. An address that another process listens on is refused, unless it
 * `shares` it: with ourselves. On failure sockets and a file may be there, for the caller to remove. */
bool listening_bind(struct listening *listening, size_t workers, bool shares,
                    struct refusal *refusal) MUST_CHECK;

/* Takes the sockets that were handed over under its name. True: it has them, or refusal->why says what is wrong with them.
 * False: there are none. */
bool listening_adopt(struct listening *listening, struct inherited *inherited, size_t workers,
                     struct refusal *refusal) MUST_CHECK;

/* One for each worker, where there are fewer: see sockets.h. False: errno. */
bool listening_fill_up(struct listening *listening, size_t workers) MUST_CHECK;

void listening_close_from(struct listening *listening, size_t first);
bool listening_bound_address(int fd, struct address *ret_address);

#endif
