/* Starts the gateway process: the same program, without privileges, with nothing open but its channel. */
#ifndef SALLYPORT_SUPERVISOR_PROCESS_H
#define SALLYPORT_SUPERVISOR_PROCESS_H

#include "base/error.h"
#include "base/slice.h"

#include <sys/types.h>

struct process_user {
    bool change; /* started as root: become uid and gid */
    uid_t uid;
    gid_t gid;
};

/* Who the gateway runs as. Names may be empty: the user's own group; as root without a user: nobody. Not as root, a named
 * user must be the one that we are. */
struct error process_find_user(struct slice user, struct slice group,
                               struct process_user *ret_user) MUST_CHECK;

/* `program` is run as `program gateway CHANNEL`; the channel is taken by the child, and stays the caller's to close. */
struct error process_start(const char *program, const struct process_user *user, int channel,
                           pid_t *ret_pid) MUST_CHECK;

#endif
