/* What the gateway is handed: configuration, limiter's table, log files, sockets, as one CONFIGURE message. */
#ifndef SALLYPORT_SUPERVISOR_HANDOVER_H
#define SALLYPORT_SUPERVISOR_HANDOVER_H

#include "config/config.h"
#include "supervisor/channel.h"
#include "supervisor/sockets.h"

struct handover {
    const struct config_options *options;
    const struct settings *settings;
    const struct config_files *files;
    const struct sockets *sockets; /* those that are wanted */
    int limiter_fd, once_fd;
    unsigned int restarts, upgrades;
    int bequest, bequest_before;  /* gateway/bequest.h, with a first configuration; -1: none */
    bool relieves;                /* another gateway process serves until this one does */
    unsigned int forbidden_calls; /* that gateway processes died of */
    const char *forbidden_call;   /* name of the last one's; "" where it ended otherwise */
};

/* On failure `text` says why, with the path of a log file that cannot be opened. ERROR_STATE and ERROR_SYSTEM from the
 * channel may leave a message half sent: then the gateway cannot be spoken to any more. `*ret_sent` says whether any of it
 * was sent. */
struct error handover_configure(const struct handover *handover, int channel, char *text, size_t size,
                                bool *ret_sent) MUST_CHECK;

/* Opens the log files anew and sends them: REOPEN. */
struct error handover_reopen(const struct config_options *options, const struct settings *settings,
                             int channel, char *text, size_t size) MUST_CHECK;

/* A table for `entries` keys in shared memory, whose size nobody can change: it outlives gateways. `*fd` is one that was
 * made earlier, or -1: kept where it fits, so that its counts go on; else closed, and a new one takes its place.
 * `*ret_kept` says which. */
struct error handover_limiter(size_t entries, int *fd, bool *ret_kept) MUST_CHECK;

/* The same for what may be used once (limit/once.h), `uses` of it at a time. */
struct error handover_once(size_t uses, int *fd) MUST_CHECK;

/* Memory for what one gateway leaves to the next, whose size nobody can change; -1 where there is none. */
int handover_bequest(void);

#endif
