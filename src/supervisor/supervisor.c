#include "supervisor/supervisor.h"

#include "base/clock.h"
#include "base/log.h"
#include "supervisor/channel.h"
#include "supervisor/handover.h"
#include "supervisor/loaded.h"
#include "supervisor/notify.h"
#include "supervisor/process.h"
#include "supervisor/sockets.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define WATCH_INTERVAL NS_PER_S
#define BACKOFF_FIRST  (100 * NS_PER_MS)
#define BACKOFF_MOST   (5 * NS_PER_S)
#define HEALTHY_AFTER  (30 * NS_PER_S)
#define DRAIN_MARGIN   (5 * NS_PER_S)
#define ANSWER_WITHIN  (60 * NS_PER_S) /* for a gateway to take up or refuse a configuration */
#define END_WITHIN     (5 * NS_PER_S)  /* for a gateway that closed its channel */
#define REASON_MAX     1024

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
    bool reload_again; /* asked for while one was under way */
    bool stopping;
    int exit_status;
};

static void log_failure(const char *event, struct error error)
{
    char text[REASON_MAX];
    error_describe(error, text, sizeof text);
    log_event(LOG_ERROR, event, LOG_STRING("reason", text));
}

static const struct loaded *wanted_configuration(const struct supervisor *supervisor)
{
    return supervisor->candidate.config != NULL ? &supervisor->candidate : &supervisor->current;
}

/* ---- the gateway process ---- */

/* What was half sent cannot be taken back, and a gateway that does not read cannot be told anything: it must go. */
static void kill_gateway(struct supervisor *supervisor, const char *reason)
{
    log_event(LOG_ERROR, "gateway_killed", LOG_STRING("reason", reason));
    supervisor->answer_by = 0;
    supervisor->serving = false;
    kill(supervisor->gateway, SIGKILL);
}

static struct error hand_over(struct supervisor *supervisor, char *text, size_t size)
{
    const struct loaded *loaded = wanted_configuration(supervisor);
    struct handover handover = {
        .options = &supervisor->options->config,
        .settings = &loaded->config->settings,
        .files = loaded->files,
        .sockets = &supervisor->sockets,
        .limiter_fd = supervisor->limiter_fd,
        .restarts = supervisor->restarts,
    };
    bool sent;
    struct error error = handover_configure(&handover, supervisor->channel, text, size, &sent);
    if (!failed(error)) {
        supervisor->answer_by = clock_monotonic_ns() + ANSWER_WITHIN;
    } else if (sent) {
        kill_gateway(supervisor, text);
    }
    return error;
}

static struct error start_process(struct supervisor *supervisor)
{
    int ours = -1;
    int theirs = -1;
    TRY(channel_pair(&ours, &theirs));
    /* A gateway that was taken over may send half a message: nobody waits for the rest. */
    struct error error = fcntl(ours, F_SETFL, O_NONBLOCK) == 0 ? OK : FAIL_ERRNO("channel");
    if (!failed(error)) {
        error = process_start(supervisor->options->program, &supervisor->user, theirs, &supervisor->gateway);
    }
    close(theirs);
    if (failed(error)) {
        close(ours);
        return error;
    }
    supervisor->channel = ours;
    memset(&supervisor->reader, 0, sizeof supervisor->reader);
    supervisor->serving = false;
    supervisor->started_at = clock_monotonic_ns();
    return OK;
}

static void close_channel(struct supervisor *supervisor)
{
    if (supervisor->channel >= 0) {
        channel_reader_done(&supervisor->reader);
        close(supervisor->channel);
        supervisor->channel = -1;
    }
}

/* At once after a long healthy run, later and later when it dies again and again. */
static void plan_restart(struct supervisor *supervisor)
{
    int64_t now = clock_monotonic_ns();
    bool was_healthy = now - supervisor->started_at > HEALTHY_AFTER || supervisor->backoff == 0;
    int64_t longer = supervisor->backoff * 2 < BACKOFF_MOST ? supervisor->backoff * 2 : BACKOFF_MOST;
    supervisor->backoff = was_healthy ? BACKOFF_FIRST : longer;
    supervisor->restart_at = now + supervisor->backoff;
    log_event(LOG_WARNING, "gateway_restarting", LOG_NUMBER("delay_ms", supervisor->backoff / NS_PER_MS));
}

/* With the candidate, where there is one; else with what was in force. */
static void start_gateway(struct supervisor *supervisor)
{
    char text[REASON_MAX];
    supervisor->restart_at = 0;
    struct error error = start_process(supervisor);
    if (failed(error)) {
        log_failure("gateway_start_failed", error);
        supervisor->gateway = 0;
        plan_restart(supervisor);
        return;
    }
    error = hand_over(supervisor, text, sizeof text);
    if (failed(error)) {
        log_event(LOG_ERROR, "gateway_start_failed", LOG_STRING("reason", text));
        kill(supervisor->gateway, SIGKILL);
    }
}

/* ---- reload ---- */

static void remember_refused(struct supervisor *supervisor, struct config_files *files)
{
    if (supervisor->refused != NULL) {
        config_files_free(supervisor->refused);
    }
    supervisor->refused = files;
}

/* The old configuration goes on. `tell`: the gateway does not know yet; it counts refusals, and its audit log names them. */
static void refuse(struct supervisor *supervisor, struct slice reason, size_t errors, bool tell)
{
    if (errors > 0) {
        log_event(LOG_ERROR, "reload_refused", LOG_TEXT("reason", reason), LOG_NUMBER("errors", errors));
    } else {
        log_event(LOG_ERROR, "reload_refused", LOG_TEXT("reason", reason));
    }
    struct channel_message message = { .kind = CHANNEL_REFUSED, .text = reason };
    if (tell && supervisor->serving && failed(channel_send(supervisor->channel, &message))) {
        kill_gateway(supervisor, "it does not read its channel");
    }
    sockets_settle(&supervisor->sockets, false);
    if (supervisor->candidate.files != NULL) {
        remember_refused(supervisor, supervisor->candidate.files);
        supervisor->candidate.files = NULL;
    }
    loaded_done(&supervisor->candidate);
    notify_manager("READY=1\nSTATUS=The last reload was refused; the configuration before it is in force");
}

/* Loads and opens all that the candidate needs; false where it was refused. */
static bool prepare_candidate(struct supervisor *supervisor)
{
    char text[REASON_MAX];
    /* One may still wait for a gateway to start. */
    sockets_settle(&supervisor->sockets, false);
    loaded_done(&supervisor->candidate);
    struct error error = loaded_read(&supervisor->options->config, &supervisor->candidate);
    if (failed(error)) {
        error_describe(error, text, sizeof text);
        refuse(supervisor, slice_from_string(text), 0, true);
        return false;
    }
    size_t errors = supervisor->candidate.config->error_count;
    if (errors > 0) {
        loaded_log(&supervisor->candidate, text, sizeof text);
        refuse(supervisor, slice_from_string(text), errors, true);
        return false;
    }
    const struct settings *settings = &supervisor->candidate.config->settings;
    if (failed(sockets_open(&supervisor->sockets, settings, text, sizeof text))) {
        refuse(supervisor, slice_from_string(text), 0, true);
        return false;
    }
    return true;
}

/* One at a time: what is asked for meanwhile comes when the answer is there. A gateway that died of the configuration in
 * force is started at once with a new one. */
static void reload(struct supervisor *supervisor)
{
    char text[REASON_MAX];
    bool dying = supervisor->gateway != 0 && !supervisor->serving;
    supervisor->reload_again = supervisor->answer_by != 0 || dying;
    if (supervisor->reload_again || supervisor->stopping) {
        return;
    }
    notify_manager("RELOADING=1");
    if (!prepare_candidate(supervisor)) {
        return;
    }
    if (supervisor->gateway == 0) {
        start_gateway(supervisor);
        return;
    }
    if (failed(hand_over(supervisor, text, sizeof text))) {
        refuse(supervisor, slice_from_string(text), 0, true);
    }
}

/* Has a watched file changed since it was last looked at, whatever became of it then? */
static void watch(struct supervisor *supervisor)
{
    supervisor->watch_at = clock_monotonic_ns() + WATCH_INTERVAL;
    const struct config_files *seen =
        supervisor->refused != NULL ? supervisor->refused : supervisor->current.files;
    if (supervisor->serving && supervisor->answer_by == 0 && seen != NULL && config_files_changed(seen)) {
        log_event(LOG_INFO, "watched_file_changed");
        reload(supervisor);
    }
}

/* ---- what the gateway says ---- */

static void log_listening(const struct supervisor *supervisor)
{
    for (const struct listening *listening = supervisor->sockets.first; listening != NULL;
         listening = listening->next) {
        char address[ADDRESS_TEXT_MAX];
        address_format(&listening->address, address);
        if (listening->fresh) {
            log_event(LOG_INFO, "listening", LOG_STRING("listener", listening->name),
                      LOG_STRING("address", address), LOG_NUMBER("port", listening->address.port));
        }
    }
}

static void taken_up(struct supervisor *supervisor, struct slice generation)
{
    supervisor->serving = true;
    supervisor->answer_by = 0;
    log_listening(supervisor);
    if (supervisor->candidate.config != NULL) {
        if (supervisor->current.config != NULL) {
            loaded_compare(&supervisor->current, &supervisor->candidate);
        }
        sockets_settle(&supervisor->sockets, true);
        loaded_done(&supervisor->current);
        supervisor->current = supervisor->candidate;
        supervisor->candidate = (struct loaded){ NULL, NULL };
        remember_refused(supervisor, NULL);
    }
    log_event(LOG_INFO, "ready", (struct log_pair){ "generation", generation, true });
    notify_manager("READY=1\nSTATUS=Serving");
}

/* On a reload the old configuration goes on. On a start the gateway ends of itself, and what comes next is said there. */
static void not_taken_up(struct supervisor *supervisor, struct slice reason)
{
    supervisor->answer_by = 0;
    if (supervisor->serving) {
        refuse(supervisor, reason, 0, false);
    } else {
        log_event(LOG_ERROR, "start_refused", LOG_TEXT("reason", reason));
    }
}

/* Its end is what comes next: of itself, where it closed the channel as its last act; else by force. */
static void hang_up(struct supervisor *supervisor, struct error error)
{
    close_channel(supervisor);
    supervisor->answer_by = 0;
    supervisor->serving = false;
    if (error.kind != ERROR_STATE) {
        kill_gateway(supervisor, error.what);
    } else if (!supervisor->stopping) {
        supervisor->kill_at = clock_monotonic_ns() + END_WITHIN;
    }
}

static void take_message(struct supervisor *supervisor)
{
    struct channel_message message;
    bool complete = false;
    struct error error = channel_receive(supervisor->channel, &supervisor->reader, &message, &complete);
    if (failed(error)) {
        hang_up(supervisor, error);
        return;
    }
    for (size_t i = 0; complete && i < message.fd_count; i++) {
        if (message.fds[i] >= 0) {
            close(message.fds[i]); /* the less trusted side has none to give */
        }
    }
    if (complete && supervisor->answer_by != 0) {
        if (message.kind == CHANNEL_READY) {
            taken_up(supervisor, message.text);
        } else if (message.kind == CHANNEL_REFUSED) {
            not_taken_up(supervisor, message.text);
        }
        if (supervisor->reload_again) {
            reload(supervisor);
        }
    }
}

static void log_end(int status)
{
    if (WIFSIGNALED(status)) {
        log_event(LOG_ERROR, "gateway_exited", LOG_NUMBER("signal", WTERMSIG(status)));
    } else {
        log_event(LOG_ERROR, "gateway_exited", LOG_NUMBER("status", WEXITSTATUS(status)));
    }
}

static void gateway_ended(struct supervisor *supervisor, int status)
{
    bool clean = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    bool never_served = supervisor->current.config == NULL;
    supervisor->gateway = 0;
    supervisor->serving = false;
    supervisor->answer_by = 0;
    close_channel(supervisor);
    if (!clean || !supervisor->stopping) {
        log_end(status);
    }
    if (supervisor->stopping) {
        /* That it had to be killed at the deadline was said; the stop itself was asked for. */
        bool at_deadline = supervisor->kill_at == 0 && WIFSIGNALED(status);
        supervisor->exit_status = clean || at_deadline ? 0 : 1;
        return;
    }
    if (never_served) {
        /* It never worked: trying again would not help. */
        supervisor->stopping = true;
        supervisor->exit_status = 1;
        return;
    }
    if (supervisor->candidate.config != NULL) {
        refuse(supervisor, SLICE("the gateway process ended while taking it up"), 0, false);
    }
    supervisor->kill_at = 0;
    plan_restart(supervisor);
    if (supervisor->reload_again) {
        reload(supervisor);
    }
}

/* ---- signals ---- */

static void stop(struct supervisor *supervisor)
{
    if (supervisor->stopping) {
        return;
    }
    supervisor->stopping = true;
    supervisor->restart_at = 0;
    supervisor->answer_by = 0;
    notify_manager("STOPPING=1");
    struct channel_message drain = { .kind = CHANNEL_DRAIN };
    if (supervisor->gateway != 0 &&
        (supervisor->channel < 0 || failed(channel_send(supervisor->channel, &drain)))) {
        kill(supervisor->gateway, SIGKILL);
    }
    /* The gateway has its own descriptors of them; when it closes those, nobody listens any more. */
    sockets_done(&supervisor->sockets);
    const struct shutdown_settings *shutdown = wanted_configuration(supervisor)->config->settings.shutdown;
    supervisor->kill_at = clock_monotonic_ns() + shutdown->drain_delay + shutdown->deadline + DRAIN_MARGIN;
}

static void reap(struct supervisor *supervisor)
{
    /* It stays a zombie until its last words are read: while it is one, nobody else has its process id. */
    siginfo_t ended = { .si_pid = 0 };
    if (supervisor->gateway == 0 ||
        waitid(P_PID, (id_t)supervisor->gateway, &ended, WEXITED | WNOHANG | WNOWAIT) != 0 ||
        ended.si_pid == 0) {
        return;
    }
    struct pollfd source = { .fd = supervisor->channel, .events = POLLIN };
    while (supervisor->channel >= 0 && poll(&source, 1, 0) == 1 && (source.revents & POLLIN) != 0) {
        take_message(supervisor);
    }
    int status = 0;
    if (waitpid(supervisor->gateway, &status, 0) == supervisor->gateway) {
        gateway_ended(supervisor, status);
    }
}

static void reopen_logs(struct supervisor *supervisor)
{
    char text[REASON_MAX];
    if (!supervisor->serving) {
        return; /* a gateway that starts opens them anyway */
    }
    struct error error = handover_reopen(&supervisor->options->config, &supervisor->current.config->settings,
                                         supervisor->channel, text, sizeof text);
    if (failed(error)) {
        log_event(LOG_ERROR, "logs_not_reopened", LOG_STRING("reason", text));
    } else {
        log_event(LOG_INFO, "logs_reopened");
    }
}

static void take_signals(struct supervisor *supervisor)
{
    struct signalfd_siginfo signal;
    while (read(supervisor->signals, &signal, sizeof signal) == (ssize_t)sizeof signal) {
        switch (signal.ssi_signo) {
        case SIGHUP:
            reload(supervisor);
            break;
        case SIGUSR1:
            reopen_logs(supervisor);
            break;
        case SIGCHLD:
            reap(supervisor);
            break;
        default:
            stop(supervisor);
        }
    }
}

/* ---- the loop ---- */

static bool take_due(int64_t *at, int64_t now)
{
    bool due = *at != 0 && now >= *at;
    if (due) {
        *at = 0;
    }
    return due;
}

static void run_timers(struct supervisor *supervisor)
{
    int64_t now = clock_monotonic_ns();
    if (take_due(&supervisor->restart_at, now)) {
        supervisor->restarts++;
        start_gateway(supervisor);
    }
    if (take_due(&supervisor->kill_at, now) && supervisor->gateway != 0) {
        kill_gateway(supervisor, "it did not end in time");
    }
    if (take_due(&supervisor->answer_by, now)) {
        kill_gateway(supervisor, "it did not take up its configuration in time");
    }
    if (take_due(&supervisor->watch_at, now) && !supervisor->stopping) {
        watch(supervisor);
    }
}

static int next_timeout_ms(const struct supervisor *supervisor)
{
    const int64_t times[] = { supervisor->restart_at, supervisor->kill_at, supervisor->answer_by,
                              supervisor->watch_at };
    int64_t now = clock_monotonic_ns();
    int64_t least = 60 * NS_PER_S;
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
        if (times[i] != 0 && times[i] - now < least) {
            least = times[i] > now ? times[i] - now : 0;
        }
    }
    return (int)((least + NS_PER_MS - 1) / NS_PER_MS);
}

static void run_loop(struct supervisor *supervisor)
{
    while (!supervisor->stopping || supervisor->gateway != 0) {
        struct pollfd sources[] = {
            { .fd = supervisor->signals, .events = POLLIN },
            { .fd = supervisor->channel, .events = POLLIN },
        };
        (void)poll(sources, 2, next_timeout_ms(supervisor));
        if (sources[1].revents != 0) {
            take_message(supervisor);
        }
        if (sources[0].revents != 0) {
            take_signals(supervisor);
        }
        run_timers(supervisor);
    }
}

/* ---- start ---- */

static size_t worker_count(const struct settings *settings)
{
    long count = settings->workers > 0 ? (long)settings->workers : sysconf(_SC_NPROCESSORS_ONLN);
    if (count < 1) {
        return 1;
    }
    return count < SOCKETS_PER_LISTENER_MAX ? (size_t)count : SOCKETS_PER_LISTENER_MAX;
}

static struct error watch_signals(struct supervisor *supervisor)
{
    sigset_t set;
    sigemptyset(&set);
    static const int numbers[] = { SIGHUP, SIGTERM, SIGINT, SIGUSR1, SIGCHLD };
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        /* Where the parent ignored them (nohup, SIGCHLD) they would never come. */
        struct sigaction standard = { .sa_handler = SIG_DFL };
        sigaction(numbers[i], &standard, NULL);
        sigaddset(&set, numbers[i]);
    }
    sigprocmask(SIG_BLOCK, &set, NULL);
    struct sigaction ignore = { .sa_handler = SIG_IGN };
    sigaction(SIGPIPE, &ignore, NULL);
    supervisor->signals = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    return supervisor->signals >= 0 ? OK : FAIL_ERRNO("signals cannot be watched");
}

static void warn_of_unnamed(const struct supervisor *supervisor)
{
    const struct inherited *inherited = &supervisor->sockets.inherited;
    for (size_t i = 0; i < inherited->count; i++) {
        if (inherited->sockets[i].fd >= 0) {
            log_event(LOG_WARNING, "socket_unused", LOG_STRING("name", inherited->sockets[i].name));
        }
    }
}

static struct error set_up(struct supervisor *supervisor, char *text, size_t size)
{
    const struct settings *settings = &supervisor->candidate.config->settings;
    TRY(process_find_user(settings->user, settings->group, &supervisor->user));
    supervisor->sockets.workers = worker_count(settings);
    TRY(sockets_open(&supervisor->sockets, settings, text, size));
    warn_of_unnamed(supervisor);
    TRY(handover_limiter((size_t)settings->limit_keys, &supervisor->limiter_fd));
    TRY(start_process(supervisor));
    supervisor->watch_at = clock_monotonic_ns() + WATCH_INTERVAL;
    return hand_over(supervisor, text, size);
}

static int fail_to_start(struct error error, char *text, size_t size)
{
    if (text[0] == '\0') {
        error_describe(error, text, size);
    }
    log_event(LOG_ERROR, "start_failed", LOG_STRING("reason", text));
    return 1;
}

static int run(struct supervisor *supervisor)
{
    char text[REASON_MAX] = "";
    struct error error = watch_signals(supervisor);
    if (!failed(error)) {
        error = inherited_take(&supervisor->sockets.inherited, INHERITED_FIRST);
    }
    if (!failed(error)) {
        error = loaded_read(&supervisor->options->config, &supervisor->candidate);
    }
    if (failed(error)) {
        return fail_to_start(error, text, sizeof text);
    }
    if (supervisor->candidate.config->error_count > 0) {
        loaded_print(&supervisor->candidate);
        return 1;
    }
    loaded_log(&supervisor->candidate, text, sizeof text);
    error = set_up(supervisor, text, sizeof text);
    if (failed(error)) {
        return fail_to_start(error, text, sizeof text);
    }
    run_loop(supervisor);
    log_event(LOG_INFO, "stopped");
    return supervisor->exit_status;
}

static void close_fd(int fd)
{
    if (fd >= 0) {
        close(fd);
    }
}

int supervisor_run(const struct supervisor_options *options)
{
    static struct supervisor supervisor = { .channel = -1, .limiter_fd = -1, .signals = -1 };
    supervisor.options = options;
    process_prepare();
    int status = run(&supervisor);
    if (supervisor.gateway != 0) {
        kill(supervisor.gateway, SIGKILL);
        waitpid(supervisor.gateway, NULL, 0);
    }
    close_channel(&supervisor);
    sockets_done(&supervisor.sockets);
    loaded_done(&supervisor.candidate);
    loaded_done(&supervisor.current);
    remember_refused(&supervisor, NULL);
    close_fd(supervisor.limiter_fd);
    close_fd(supervisor.signals);
    return status;
}
