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
    const struct sockets *sockets;
    int limiter_fd;
    unsigned int restarts;
};

struct error handover_configure(const struct handover *handover, int channel) MUST_CHECK;

/* Opens the log files anew and sends them: REOPEN. */
struct error handover_reopen(const struct config_options *options, const struct settings *settings,
                             int channel) MUST_CHECK;

/* A table for `entries` keys in shared memory: it outlives gateways. */
struct error handover_limiter(size_t entries, int *ret_fd) MUST_CHECK;

#endif
