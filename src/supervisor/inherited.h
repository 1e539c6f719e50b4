/* Listening sockets that the service manager opened (sd_listen_fds(3)): LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES. A socket
 * whose name is a listener's is that listener's. One thread. */
#ifndef SALLYPORT_SUPERVISOR_INHERITED_H
#define SALLYPORT_SUPERVISOR_INHERITED_H

#include "base/error.h"
#include "base/slice.h"

#define INHERITED_FIRST 3 /* the first descriptor, by convention */
#define INHERITED_MAX   256

struct inherited_socket {
    char *name; /* owned */
    int fd;     /* owned; -1: taken */
};

struct inherited {
    struct inherited_socket sockets[INHERITED_MAX];
    size_t count;
};

/* Takes the descriptors that `first` and the environment name, makes them close-on-exec, and clears the variables. Nothing
 * where they are meant for another process. */
struct error inherited_take(struct inherited *inherited, int first) MUST_CHECK;

/* The next one of this name, for the caller to own; -1: none. */
int inherited_find(struct inherited *inherited, struct slice name);

void inherited_done(struct inherited *inherited);

#endif
