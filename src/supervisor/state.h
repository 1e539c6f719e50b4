/* Within the room: the supervisor's state, and what its parts do for each other. One thread.
 *
 * A generation is a gateway process, and all of them live alike: started, handed the wanted configuration with the
 * listening sockets, and once it serves, every older one is told to retire. First start, restart after a crash and upgrade
 * differ only in whether an older one is there; a reload hands a configuration to the generation that serves already. */
#ifndef SALLYPORT_SUPERVISOR_STATE_H
#define SALLYPORT_SUPERVISOR_STATE_H

#include "supervisor/channel.h"
#include "supervisor/loaded.h"
#include "supervisor/process.h"
#include "supervisor/sockets.h"
#include "supervisor/supervisor.h"

#include <limits.h>

#define REASON_MAX      1024
#define GENERATIONS_MAX 16 /* those that still drain among them */

/* A gateway process, from its start until it was reaped. */
struct generation {
    pid_t pid;
    int channel; /* -1: none any more */
    struct channel_reader reader;
    int bequest;        /* memory for what it leaves to the one that relieves it; -1: none */
    bool serving;       /* has taken up a configuration */
    bool leaving;       /* was told to end */
    bool died_of_call;  /* that its confinement forbids, and that was told */
    int64_t started_at; /* monotonic ns, as all times here */
    int64_t grace;      /* ns that its configuration gives it to end */
    int64_t answer_by;  /* 0: no answer is awaited */
    int64_t kill_at;    /* 0: not planned */
    struct generation *next;
};

/* upgrade.c: from one program to the next. */
struct upgrade {
    pid_t rehearsal; /* the new program, asked whether it could take over; 0: none */
    int64_t give_up_at;
    int program;          /* while it rehearses, and until we become it; -1: none */
    bool due;             /* it could, and we become it as soon as nothing else is under way */
    bool taking_over;     /* we are the new program, and no generation of ours serves yet */
    int back;             /* meanwhile: the old program; -1: none */
    int bundle;           /* and the configuration that its generation serves; -1: none */
    int asker;            /* who wants to know how it ends; -1: nobody */
    char path[PATH_MAX];  /* where the next program is to be found */
    char why[REASON_MAX]; /* what the first generation of a new program said against its configuration */
};

struct supervisor {
    const struct supervisor_options *options;
    struct loaded current;        /* in force; none before the first is taken up */
    struct loaded candidate;      /* to be taken up: handed over, or waiting for a generation that can */
    struct config_files *refused; /* of the last configuration that was not taken up: what is watched then */
    struct sockets sockets;
    int limiter_fd, once_fd;
    int signals;
    int questions; /* question.h; -1: none */
    struct process_user user;
    struct generation *generations; /* all that live, the newest first */
    struct generation *latest; /* the one that configurations are handed to; NULL: none, or it is leaving */
    struct upgrade upgrade;
    int64_t backoff;              /* the delay of the next restart */
    int64_t restart_at, watch_at; /* 0: not planned */
    unsigned int restarts, upgrades;
    unsigned int forbidden_calls; /* that gateway processes died of */
    char forbidden_call[32];      /* the last one's, until another process serves; "": none */
    bool reload_again;            /* asked for while one was under way */
    bool stopping;
    int exit_status;
};

/* ---- generation.c: one gateway process ---- */

/* Starts the process; not yet configured. It is the latest from now on. */
struct error generation_start(struct supervisor *supervisor) MUST_CHECK;
size_t generation_count(const struct supervisor *supervisor);
/* A process that lives already, at the list's front; NULL where memory is out. */
struct generation *generation_add(struct supervisor *supervisor, pid_t pid, int channel);
/* Sends the candidate, or what was in force. On failure `text` says why; it was killed where it matters. */
struct error generation_hand_over(struct supervisor *supervisor, struct generation *generation, char *text,
                                  size_t size) MUST_CHECK;
/* CHANNEL_DRAIN or CHANNEL_RETIRE with its text, and sees to it that it ends. */
void generation_leave(struct supervisor *supervisor, struct generation *generation, enum channel_kind how,
                      struct slice text);
/* What was half sent cannot be taken back, and a gateway that does not read cannot be told anything: it must go. */
void generation_kill(struct generation *generation, const char *reason);
void generation_close_channel(struct generation *generation);
/* Forgets one that was reaped, or that we are not the parent of any more. */
void generation_free(struct supervisor *supervisor, struct generation *generation);

/* ---- attend.c: what becomes of generations ---- */

/* With the candidate, where there is one; else with what was in force. Where it fails another start is planned. */
void attend_start(struct supervisor *supervisor);
/* The first start: nothing is planned where it fails. */
struct error attend_start_first(struct supervisor *supervisor, char *text, size_t size) MUST_CHECK;
/* One message from its channel. */
void attend_message(struct supervisor *supervisor, struct generation *generation);
/* SIGCHLD. */
void attend_reap(struct supervisor *supervisor);
/* What is due by now. */
void attend_deadlines(struct supervisor *supervisor, int64_t now);
/* Asks all to drain, and sees to it that they end. */
void attend_stop(struct supervisor *supervisor);
/* Does the latest generation serve? */
bool attend_serves(const struct supervisor *supervisor);
/* No generation is starting or taking up a configuration. */
bool attend_is_steady(const struct supervisor *supervisor);

/* ---- reload.c: from one configuration to the next ---- */

/* Reads the configuration anew and hands it over. One at a time: what is asked for meanwhile comes when the answer is
 * there. A gateway that died of the configuration in force is started at once with a new one. */
void reload(struct supervisor *supervisor);
/* Reloads where a watched file has changed since it was last looked at, whatever became of it then. */
void reload_watch(struct supervisor *supervisor);
/* The latest generation has taken up the candidate, or what was in force before it died: older ones retire, and
 * are told which boot relieves them. */
void reload_taken_up(struct supervisor *supervisor, uint64_t generation, struct slice boot);
/* The candidate is dropped and the old configuration goes on. `tell`: the gateway does not know yet; it counts refusals,
 * and its audit log names them. */
void reload_refuse(struct supervisor *supervisor, struct slice reason, size_t errors, bool tell);
void reload_forget_refused(struct supervisor *supervisor);

/* ---- upgrade.c: from one program to the next ---- */

/* Somebody asks at the socket for questions; or a signal does. The program at upgrade.path is rehearsed, and where that
 * goes well we become it, with the same process id. */
void upgrade_ask(struct supervisor *supervisor);
void upgrade_signal(struct supervisor *supervisor);
/* The rehearsal's end. */
void upgrade_rehearsed(struct supervisor *supervisor, int status);
/* Becomes the new program where that is due and nothing else is under way; gives up what takes too long. */
void upgrade_proceed(struct supervisor *supervisor, int64_t now);
/* No upgrade: the log and whoever asked are told. Nothing where none is under way. */
void upgrade_refuse(struct supervisor *supervisor, const char *reason);
/* We are the new program, and our first generation serves. */
void upgrade_done(struct supervisor *supervisor);
/* While taking over: becomes the old program again, whose generation serves. Returns only where that fails. */
void upgrade_go_back(struct supervisor *supervisor, const char *reason);
/* We are the old program again: goes on with what was in force. */
struct error upgrade_come_back(struct supervisor *supervisor, const char *reason) MUST_CHECK;

/* ---- takeover.c: what one program leaves to the next ---- */

#define TAKEOVER_VARIABLE      "SALLYPORT_TAKEOVER"
#define TAKEOVER_ARGUMENTS_MAX 160

/* A memory file that names everything, descriptors by number. `reason`: why we go back; empty on the way forward. */
struct error takeover_write(const struct supervisor *supervisor, const char *reason, int *ret_fd) MUST_CHECK;
/* The memory file that TAKEOVER_VARIABLE names, which goes out of the environment; -1: nobody left us anything. */
int takeover_inherited(void);
/* Is it of a version that takeover_read understands? */
struct error takeover_check(int fd) MUST_CHECK;
/* Takes everything over, the memory file too. `reason` as it was written. On failure what was read so far stays. */
struct error takeover_read(struct supervisor *supervisor, int fd, char *reason, size_t size) MUST_CHECK;
/* The command line of the next program, TAKEOVER_ARGUMENTS_MAX places. */
void takeover_arguments(const struct supervisor *supervisor, const char *command, char **out);
/* Becomes `program`, with what the memory file names. Returns on failure only; then nothing has changed. */
struct error takeover_become(const struct supervisor *supervisor, int program, int state) MUST_CHECK;

#endif
