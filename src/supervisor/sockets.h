/* Listening sockets: one per worker and listener, bound here, inherited from the service manager or taken over from the
 * program before, kept as long as the listener stays configured: closing one would reset the connections in its queue. So
 * where there are more than workers, workers serve several. One thread. */
#ifndef SALLYPORT_SUPERVISOR_SOCKETS_H
#define SALLYPORT_SUPERVISOR_SOCKETS_H

#include "config/settings.h"
#include "supervisor/listening.h"

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

/* What the program before had open. Slices are copied. */
struct sockets_given {
    struct slice name;
    struct slice path; /* empty: it has an address */
    struct unix_file file;
    struct address wanted;
    const int *fds;
    size_t count;
};

/* In the order of calls. The descriptors are taken, on success only. */
bool sockets_add(struct sockets *sockets, const struct sockets_given *given) MUST_CHECK;

/* Closes what the configuration no longer names, or (`taken_up` false) what was opened for it. All that is left is wanted
 * then. */
void sockets_settle(struct sockets *sockets, bool taken_up);
/* Closes all; the gateway's own descriptors go on. */
void sockets_close(struct sockets *sockets);
/* Files of Unix sockets go too, unless `kept`: somebody else has the sockets, and will hand them over again. */
void sockets_done(struct sockets *sockets, bool kept);

#endif
