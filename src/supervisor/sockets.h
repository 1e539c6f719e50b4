/* Listening sockets: one per worker and listener, kept as long as the listener stays configured. */
#ifndef SALLYPORT_SUPERVISOR_SOCKETS_H
#define SALLYPORT_SUPERVISOR_SOCKETS_H

#include "config/settings.h"

#define SOCKETS_PER_LISTENER_MAX 256

struct listening {
    char *name;
    struct address address; /* with the port that is bound */
    uint16_t wanted_port;   /* as configured: 0 is any */
    int fds[SOCKETS_PER_LISTENER_MAX];
    size_t count;
    bool wanted; /* by the configuration being applied */
    bool fresh;  /* bound for it: closed again where it is refused */
    struct listening *next;
};

struct sockets {
    struct listening *first;
    size_t workers;
};

/* Binds what the configuration names and is not bound yet; what is bound and named goes on as it is. On failure `text`
 * says which listener, where and why, and nothing has changed. */
struct error sockets_open(struct sockets *sockets, const struct settings *settings, char *text,
                          size_t size) MUST_CHECK;

/* Closes what the configuration no longer names, or (`taken_up` false) what was bound for it. */
void sockets_settle(struct sockets *sockets, bool taken_up);
void sockets_done(struct sockets *sockets);

#endif
