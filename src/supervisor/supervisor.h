/* The small, privileged process: binds the listening sockets, reads the configuration's files, starts the gateway process
 * and starts it again (with backoff) when it dies, while the sockets stay open. Nothing from the network reaches it. */
#ifndef SALLYPORT_SUPERVISOR_SUPERVISOR_H
#define SALLYPORT_SUPERVISOR_SUPERVISOR_H

#include "config/config.h"

struct supervisor_options {
    struct config_options config;
    const char *program; /* this binary, to be executed as `program gateway` */
};

/* Runs until SIGTERM or SIGINT; the process's exit status. SIGHUP, or a change of a watched file, reloads. SIGUSR1 reopens
 * log files. */
int supervisor_run(const struct supervisor_options *options);

#endif
