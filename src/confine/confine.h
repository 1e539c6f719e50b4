/* What the gateway process may ask of the kernel: a filter of system calls (seccomp) and of files and ports (Landlock),
 * for all its threads, for ever: nothing here can be taken back or widened, not by a reload either.
 *
 * What is allowed stands in two tables, in calls.c and rules.c, and in docs/confinement.md. A call beyond them ends the
 * process, and says its number first. Used by the control thread before any other thread is there; confine_call_name by
 * the supervisor. */
#ifndef SALLYPORT_CONFINE_CONFINE_H
#define SALLYPORT_CONFINE_CONFINE_H

#include "base/error.h"
#include "config/settings.h"

#include <limits.h>

#define CONFINE_PATHS_MAX 32

/* What does not follow from the program alone. */
struct confine_rules {
    char paths[CONFINE_PATHS_MAX][PATH_MAX]; /* files, and directories beneath which files may be read */
    size_t path_count;
    /* Directories in which files may be made, written and removed: of stores that the admin API changes, of key sets. */
    char written[CONFINE_PATHS_MAX][PATH_MAX];
    size_t written_count;
    /* Some name service modules are reached over local sockets (systemd-resolved, sssd), and endpoints may be. */
    bool local_sockets;
    /* Ports that TCP connections may go to; NULL: any. */
    const struct port_range *ports;
    size_t port_count;
};

/* From the configuration, the environment, and how this machine looks names up. `rules` is large: not for small stacks. */
void confine_rules_derive(const struct confinement_settings *settings, struct confine_rules *rules);
/* Loads what looking names up would load later, when no code can be loaded any more. */
void confine_load_name_services(void);

/* What came of it. */
struct confined {
    const char *seccomp; /* "enforce", "report", "off"; "absent": this kernel or this build has none */
    int landlock_abi;    /* 0: off or absent */
    const char *lacking; /* what is not there though it was asked for, and why; NULL: nothing */
};

/* Called by the thread that made the forbidden call, before the process ends: only what is safe in a signal handler. */
typedef void confine_report(int number);

/* Where the kernel lacks something the process goes on without it, and `ret_confined` says so. ERROR_STATE: other threads
 * run already, which Landlock would not hold. */
struct error confine_apply(const struct confine_rules *rules, enum confinement_mode mode,
                           confine_report *report, struct confined *ret_confined) MUST_CHECK;

/* "mount"; "unknown" where there is no such call. */
void confine_call_name(int number, char *out, size_t size);

#endif
