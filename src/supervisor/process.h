/* Starts the gateway process: the same program, without privileges, with nothing open but its channel and the standard
 * streams. */
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
 * user must be the one that we are ("nobody", the default, is no such name). */
struct error process_find_user(struct slice user, struct slice group,
                               struct process_user *ret_user) MUST_CHECK;

/* `program` is run as `program gateway CHANNEL`, with few of the environment's variables; it ends when its parent does.
 * The channel is duplicated into the child, and stays the caller's to close. Where the child cannot become what it should
 * it logs `gateway_start_failed` and exits with PROCESS_FAILED. */
#define PROCESS_FAILED 126
struct error process_start(const char *program, const struct process_user *user, int channel,
                           pid_t *ret_pid) MUST_CHECK;

/* For both processes, first thing: no core dump and no debugger of the same user may see keys; 0 to 2 are open, so that no
 * socket takes their place; as many descriptors as the system allows. */
void process_prepare(void);

#endif
