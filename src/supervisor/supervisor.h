/* The small, privileged process: binds the listening sockets, reads the configuration's files, starts the gateway process
 * and starts it again (with backoff) when it dies, while the sockets stay open; becomes a new version of the program, while
 * the gateway process of the old one serves. Nothing from the network reaches it. */
#ifndef SALLYPORT_SUPERVISOR_SUPERVISOR_H
#define SALLYPORT_SUPERVISOR_SUPERVISOR_H

#include "config/config.h"

struct supervisor_options {
    struct config_options config;
    const char *program; /* this binary, to be executed as `program gateway` */
    const char *path;    /* where a newer one is to be found: what this one was executed as */
};

/* Runs until SIGTERM or SIGINT; the process's exit status. SIGHUP, or a change of a watched file, reloads. SIGUSR1 reopens
 * log files. SIGUSR2, or supervisor_upgrade, becomes the program that is at `path` by then, with the same process id. */
int supervisor_run(const struct supervisor_options *options);

/* Could this program take over from the supervisor that asks, whose child it is? An exit status, and none that a program which
 * is no Sallyport gives by chance. */
#define REHEARSAL_PASSED  42
#define REHEARSAL_REFUSED 3 /* the configuration has errors: the log says which */
#define REHEARSAL_FAILED  4
int supervisor_rehearse(const struct supervisor_options *options);

/* Asks the supervisor that runs this configuration to upgrade, and waits for what becomes of it: true where the new program
 * serves. `text` says more. */
bool supervisor_upgrade(const struct config_options *config, char *text, size_t size);

#endif
