/* The socket of a Unix listener and its file: who may connect is who may write to the file. A file that nobody listens behind
 * any more, left by a process that was killed, is replaced; any other is left alone. One thread. */
#ifndef SALLYPORT_SUPERVISOR_UNIX_SOCKET_H
#define SALLYPORT_SUPERVISOR_UNIX_SOCKET_H

#include "config/settings.h"

#include <sys/stat.h>
#include <sys/types.h>

/* Why a listener could not be opened: a text, or errno. */
struct refusal {
    const char *why;
    int number;
};

/* `mode`, `owner` and `group` of a listener; -1: as they come. */
struct unix_rights {
    mode_t mode;
    uid_t uid;
    gid_t gid;
};

/* Which file is ours; inode 0: none, since the service manager made it. */
struct unix_file {
    dev_t device;
    ino_t inode;
};

/* NULL, or what is wrong. */
const char *unix_find_rights(const struct listener_settings *settings,
                             struct unix_rights *ret_rights) MUST_CHECK;

/* A socket bound to `path`, whose file never had wider rights; it does not listen yet. -1: `refusal` says why. */
int unix_bind(const char *path, const struct unix_rights *rights, struct unix_file *ret_file,
              struct refusal *refusal);

/* Does the path still lead to this file? */
bool unix_is_there(const char *path, const struct unix_file *file);
/* Where it does. 0, or an errno. */
int unix_set_rights(const char *path, const struct unix_file *file,
                    const struct unix_rights *rights) MUST_CHECK;
void unix_remove(const char *path, const struct unix_file *file);

/* Is this descriptor, which was handed over, bound to this path, and is there a socket's file? */
bool unix_is_bound_to(int fd, const char *path);
bool unix_has_file(const char *path);

#endif
