#include "supervisor/supervisor.h"

#include "base/clock.h"
#include "base/log.h"
#include "supervisor/handover.h"
#include "supervisor/state.h"

#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- signals ---- */

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
            attend_reap(supervisor);
            break;
        default:
            attend_stop(supervisor);
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
        attend_start(supervisor);
    }
    if (take_due(&supervisor->kill_at, now) && supervisor->gateway != 0) {
        attend_kill(supervisor, "it did not end in time");
    }
    if (take_due(&supervisor->answer_by, now)) {
        attend_kill(supervisor, "it did not take up its configuration in time");
    }
    if (take_due(&supervisor->watch_at, now) && !supervisor->stopping) {
        reload_watch(supervisor);
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
            attend_message(supervisor);
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
    supervisor->watch_at = clock_monotonic_ns();
    return attend_start_first(supervisor, text, size);
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
    loaded_log(&supervisor->candidate, text, sizeof text);
    if (supervisor->candidate.config->error_count > 0) {
        return fail_to_start(error, text, sizeof text);
    }
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
    attend_close_channel(&supervisor);
    sockets_done(&supervisor.sockets);
    loaded_done(&supervisor.candidate);
    loaded_done(&supervisor.current);
    reload_forget_refused(&supervisor);
    close_fd(supervisor.limiter_fd);
    close_fd(supervisor.signals);
    return status;
}
