/* Listening sockets: one per worker and listener, bound here, inherited from the service manager or taken over from the
 * program before, kept as long as the listener stays configured: closing one would reset the connections in its queue. So
 * where there are more than workers, workers serve several. One thread. */
#ifndef SALLYPORT_SUPERVISOR_SOCKETS_H
#define SALLYPORT_SUPERVISOR_SOCKETS_H

#include "config/settings.h"
#include "supervisor/inherited.h"

#define SOCKETS_PER_LISTENER_MAX 256

struct listening {
    char *name;             /* in force */
    char *new_name;         /* by the configuration being applied, where it renames the listener; else NULL */
    struct address wanted;  /* as configured; port 0 is any */
    struct address address; /* as bound */
    int fds[SOCKETS_PER_LISTENER_MAX];
    size_t count;
    size_t stored;  /* so many, the first ones, are known to the service manager */
    size_t settled; /* so many were there before the configuration being applied */
    bool is_wanted; /* by the configuration being applied */
    bool fresh;     /* opened for it: closed again where it is refused */
    struct listening *next;
};

struct sockets {
    struct listening *first;
    size_t workers;             /* sockets per listener */
    struct inherited inherited; /* not taken yet */
};

/* Opens what the configuration names and is not open yet; what is open and named goes on as it is. An address that
 * another process listens on is an error, though the kernel would let us share it. On failure `text` says which listener,
 * where and why, and nothing has changed. */
struct error sockets_open(struct sockets *sockets, const struct settings *settings, char *text,
                          size_t size) MUST_CHECK;

/* One that the program before had open; in the order of calls. The descriptors are taken, on success only. */
bool sockets_add(struct sockets *sockets, struct slice name, const struct address *wanted, const int *fds,
                 size_t count) MUST_CHECK;

/* Closes what the configuration no longer names, or (`taken_up` false) what was opened for it. All that is left is wanted
 * then. */
void sockets_settle(struct sockets *sockets, bool taken_up);
void sockets_done(struct sockets *sockets);

#endif
