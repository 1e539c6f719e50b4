/* Within the room: the supervisor's state, and what its parts do for each other. One thread. */
#ifndef SALLYPORT_SUPERVISOR_STATE_H
#define SALLYPORT_SUPERVISOR_STATE_H

#include "supervisor/channel.h"
#include "supervisor/loaded.h"
#include "supervisor/process.h"
#include "supervisor/sockets.h"
#include "supervisor/supervisor.h"

#define REASON_MAX 1024

struct supervisor {
    const struct supervisor_options *options;
    struct loaded current;        /* in force; none before the first is taken up */
    struct loaded candidate;      /* to be taken up: handed over, or waiting for a gateway that can */
    struct config_files *refused; /* of the last configuration that was not taken up: what is watched then */
    struct sockets sockets;
    int limiter_fd;
    int signals;
    struct process_user user;
    pid_t gateway; /* 0: not running */
    int channel;   /* -1: none */
    struct channel_reader reader;
    bool serving; /* this gateway process has taken up a configuration */
    int64_t started_at, backoff;
    int64_t answer_by;                     /* 0: no answer is awaited */
    int64_t restart_at, watch_at, kill_at; /* 0: not planned */
    unsigned int restarts;
    unsigned int forbidden_calls; /* that gateway processes died of */
    char forbidden_call[32];      /* this one's, or the last one's, until the next has served; "": none */
    struct port_range ports[CONNECT_PORTS_MAX]; /* that this gateway process is held to */
    size_t port_count;                          /* 0: none said */
    bool died_of_call;                          /* this one */
    bool reload_again;                          /* asked for while one was under way */
    bool stopping;
    int exit_status;
};

/* ---- attend.c: the gateway process, from its start to its end ---- */

/* With the candidate, where there is one; else with what was in force. Where it fails another start is planned. */
void attend_start(struct supervisor *supervisor);
/* The first start: nothing is planned where it fails. */
struct error attend_start_first(struct supervisor *supervisor, char *text, size_t size) MUST_CHECK;
/* Sends the candidate, or what was in force. On failure `text` says why; the gateway was killed where it matters. */
struct error attend_hand_over(struct supervisor *supervisor, char *text, size_t size) MUST_CHECK;
void attend_kill(struct supervisor *supervisor, const char *reason);
/* One message from the channel. */
void attend_message(struct supervisor *supervisor);
/* SIGCHLD. */
void attend_reap(struct supervisor *supervisor);
/* Asks it to drain, and sees to it that it ends. */
void attend_stop(struct supervisor *supervisor);
void attend_close_channel(struct supervisor *supervisor);

/* ---- reload.c: from one configuration to the next ---- */

/* Reads the configuration anew and hands it over. One at a time: what is asked for meanwhile comes when the answer is
 * there. A gateway that died of the configuration in force is started at once with a new one. */
void reload(struct supervisor *supervisor);
/* Reloads where a watched file has changed since it was last looked at, whatever became of it then. */
void reload_watch(struct supervisor *supervisor);
/* The gateway has taken up the candidate, or what was in force before it died. */
void reload_taken_up(struct supervisor *supervisor, uint64_t generation);
/* The candidate is dropped and the old configuration goes on. `tell`: the gateway does not know yet; it counts refusals,
 * and its audit log names them. */
void reload_refuse(struct supervisor *supervisor, struct slice reason, size_t errors, bool tell);
void reload_forget_refused(struct supervisor *supervisor);

#endif
