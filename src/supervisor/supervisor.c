#include "supervisor/supervisor.h"

#include "base/clock.h"
#include "base/log.h"
#include "supervisor/handover.h"
#include "supervisor/notify.h"
#include "supervisor/question.h"
#include "supervisor/state.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

/* The limiter's table, where the service manager keeps it: no listener can have this name. */
#define LIMITS_NAME "limits@sallyport"

/* ---- signals ---- */

/* Those that still finish their requests write to them too. A gateway that starts opens them anyway. */
static void reopen_logs(struct supervisor *supervisor)
{
    for (struct generation *generation = supervisor->generations; generation != NULL;
         generation = generation->next) {
        char text[REASON_MAX];
        if (!generation->serving || generation->channel < 0 || supervisor->current.config == NULL) {
            continue;
        }
        struct error error =
            handover_reopen(&supervisor->options->config, &supervisor->current.config->settings,
                            generation->channel, text, sizeof text);
        if (failed(error)) {
            log_event(LOG_ERROR, "logs_not_reopened", LOG_STRING("reason", text));
            return;
        }
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
        case SIGUSR2:
            upgrade_signal(supervisor);
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

static void run_timers(struct supervisor *supervisor)
{
    int64_t now = clock_monotonic_ns();
    attend_deadlines(supervisor, now);
    upgrade_proceed(supervisor, now);
    if (supervisor->watch_at != 0 && now >= supervisor->watch_at && !supervisor->stopping) {
        reload_watch(supervisor);
    }
}

static void sooner(int64_t *least, int64_t at)
{
    if (at != 0 && at < *least) {
        *least = at;
    }
}

static int next_timeout_ms(const struct supervisor *supervisor)
{
    int64_t now = clock_monotonic_ns();
    int64_t least = now + 60 * NS_PER_S;
    sooner(&least, supervisor->restart_at);
    sooner(&least, supervisor->stopping ? 0 : supervisor->watch_at);
    sooner(&least, supervisor->upgrade.give_up_at);
    for (const struct generation *generation = supervisor->generations; generation != NULL;
         generation = generation->next) {
        sooner(&least, generation->kill_at);
        sooner(&least, generation->answer_by);
    }
    return least > now ? (int)((least - now + NS_PER_MS - 1) / NS_PER_MS) : 0;
}

/* What there is to look at, and whose it is. */
struct sources {
    struct pollfd polled[2 + GENERATIONS_MAX];
    struct generation *whose[2 + GENERATIONS_MAX];
    nfds_t count;
};

static void gather_sources(const struct supervisor *supervisor, struct sources *sources)
{
    sources->polled[0] = (struct pollfd){ .fd = supervisor->signals, .events = POLLIN };
    sources->polled[1] = (struct pollfd){ .fd = supervisor->questions, .events = POLLIN };
    sources->count = 2;
    for (struct generation *generation = supervisor->generations;
         generation != NULL && sources->count < 2 + GENERATIONS_MAX; generation = generation->next) {
        sources->whose[sources->count] = generation;
        sources->polled[sources->count++] = (struct pollfd){ .fd = generation->channel, .events = POLLIN };
    }
}

/* Signals last: they end generations. */
static void run_loop(struct supervisor *supervisor)
{
    while (!supervisor->stopping || supervisor->generations != NULL) {
        struct sources sources;
        gather_sources(supervisor, &sources);
        (void)poll(sources.polled, sources.count, next_timeout_ms(supervisor));
        for (nfds_t i = 2; i < sources.count; i++) {
            if (sources.polled[i].revents != 0) {
                attend_message(supervisor, sources.whose[i]);
            }
        }
        if (sources.polled[1].revents != 0) {
            upgrade_ask(supervisor);
        }
        if (sources.polled[0].revents != 0) {
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
    static const int numbers[] = { SIGHUP, SIGTERM, SIGINT, SIGUSR1, SIGUSR2, SIGCHLD };
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

/* Where it cannot be had, SIGUSR2 is left. */
static void listen_for_questions(struct supervisor *supervisor)
{
    struct error error = question_listen(supervisor->options->config.path, &supervisor->questions);
    if (failed(error)) {
        char text[REASON_MAX];
        error_describe(error, text, sizeof text);
        log_event(LOG_WARNING, "upgrade_command_unavailable", LOG_STRING("reason", text));
    }
}

/* The table of the program before, or the one that the service manager kept. */
static struct error open_limiter(struct supervisor *supervisor, const struct settings *settings)
{
    bool kept;
    if (supervisor->limiter_fd < 0) {
        supervisor->limiter_fd = inherited_find(&supervisor->sockets.inherited, SLICE(LIMITS_NAME));
    }
    bool had = supervisor->limiter_fd >= 0;
    TRY(handover_limiter((size_t)settings->limit_keys, &supervisor->limiter_fd, &kept));
    if (had && !kept) {
        log_event(LOG_WARNING, "limits_forgotten");
        notify_forget(LIMITS_NAME);
    }
    if (!kept) {
        notify_keep(LIMITS_NAME, &supervisor->limiter_fd, 1);
    }
    return OK;
}

static struct error set_up(struct supervisor *supervisor, const struct settings *settings)
{
    TRY(process_find_user(settings->user, settings->group, &supervisor->user));
    supervisor->sockets.workers = worker_count(settings);
    supervisor->watch_at = clock_monotonic_ns();
    listen_for_questions(supervisor);
    return OK;
}

/* The first generation of this program: with the files as they are now. */
static struct error begin(struct supervisor *supervisor, char *text, size_t size)
{
    TRY(loaded_read(&supervisor->options->config, &supervisor->candidate));
    loaded_log(&supervisor->candidate, text, size);
    if (supervisor->candidate.config->error_count > 0) {
        return FAIL(ERROR_VALUE, "the configuration has errors");
    }
    const struct settings *settings = &supervisor->candidate.config->settings;
    TRY(set_up(supervisor, settings));
    TRY(sockets_open(&supervisor->sockets, settings, text, size));
    TRY(open_limiter(supervisor, settings));
    TRY(handover_once((size_t)settings->dpop_proofs, &supervisor->once_fd));
    warn_of_unnamed(supervisor);
    return attend_start_first(supervisor, text, size);
}

/* Nobody before us: what the service manager hands over is all. */
static struct error start(struct supervisor *supervisor)
{
    char text[REASON_MAX] = "";
    struct error error = inherited_take(&supervisor->sockets.inherited, INHERITED_FIRST);
    if (!failed(error)) {
        error = begin(supervisor, text, sizeof text);
    }
    if (failed(error)) {
        if (text[0] == '\0') {
            error_describe(error, text, sizeof text);
        }
        log_event(LOG_ERROR, "start_failed", LOG_STRING("reason", text));
    }
    return error;
}

/* The program before us has become this one. Its gateway process serves until ours does; where ours does not come to it
 * we become the program before again, which then is told why. */
static struct error take_over(struct supervisor *supervisor, int state)
{
    char reason[REASON_MAX];
    char text[REASON_MAX] = "";
    TRY(takeover_read(supervisor, state, reason, sizeof reason));
    if (reason[0] != '\0') {
        TRY(upgrade_come_back(supervisor, reason));
        return set_up(supervisor, &supervisor->current.config->settings);
    }
    supervisor->upgrade.taking_over = true;
    supervisor->upgrades++;
    struct error error = begin(supervisor, text, sizeof text);
    if (failed(error)) {
        if (text[0] == '\0') {
            error_describe(error, text, sizeof text);
        }
        upgrade_go_back(supervisor, text);
    }
    return error;
}

static int run(struct supervisor *supervisor)
{
    int state = takeover_inherited();
    struct error error = watch_signals(supervisor);
    if (!failed(error) && state >= 0) {
        error = take_over(supervisor, state);
    } else if (!failed(error)) {
        error = start(supervisor);
    }
    if (failed(error)) {
        return 1;
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
    static struct supervisor supervisor = {
        .limiter_fd = -1,
        .once_fd = -1,
        .signals = -1,
        .questions = -1,
        .upgrade = { .program = -1, .back = -1, .bundle = -1, .asker = -1 },
    };
    supervisor.options = options;
    snprintf(supervisor.upgrade.path, sizeof supervisor.upgrade.path, "%s", options->path);
    process_prepare();
    int status = run(&supervisor);
    while (supervisor.generations != NULL) {
        pid_t pid = supervisor.generations->pid;
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        generation_free(&supervisor, supervisor.generations);
    }
    sockets_done(&supervisor.sockets, notify_is_wanted());
    loaded_done(&supervisor.candidate);
    loaded_done(&supervisor.current);
    reload_forget_refused(&supervisor);
    close_fd(supervisor.limiter_fd);
    close_fd(supervisor.once_fd);
    close_fd(supervisor.questions);
    close_fd(supervisor.signals);
    return status;
}

/* ---- other processes ---- */

int supervisor_rehearse(const struct supervisor_options *options)
{
    char text[REASON_MAX];
    struct loaded loaded = { NULL, NULL };
    int state = takeover_inherited();
    process_prepare();
    struct error error =
        state >= 0 ? takeover_check(state) : FAIL(ERROR_STATE, "nobody is to be taken over from");
    if (!failed(error)) {
        error = loaded_read(&options->config, &loaded);
    }
    if (failed(error)) {
        error_describe(error, text, sizeof text);
        log_event(LOG_ERROR, "rehearsal_failed", LOG_STRING("reason", text));
        return REHEARSAL_FAILED;
    }
    bool bad = loaded.config->error_count > 0;
    if (bad) {
        loaded_log(&loaded, text, sizeof text);
    }
    loaded_done(&loaded);
    return bad ? REHEARSAL_REFUSED : REHEARSAL_PASSED;
}

#define ANSWER_MS (150 * 1000) /* a rehearsal, and then a start */

bool supervisor_upgrade(const struct config_options *config, char *text, size_t size)
{
    char answer[2048];
    int fd = -1;
    pid_t pid = 0;
    struct error error = question_ask(config->path, &fd, &pid);
    if (failed(error)) {
        error_describe(error, text, size);
        return false;
    }
    bool spoke = question_await(fd, ANSWER_MS, answer, sizeof answer);
    close(fd);
    struct slice rest = slice_from_string(answer);
    struct slice verdict = SLICE_NONE;
    (void)slice_next(&rest, ' ', &verdict);
    if (spoke) {
        snprintf(text, size, "%.*s", SLICE_ARG(rest));
    } else {
        snprintf(text, size, "process %d went away without an answer: its log says more", (int)pid);
    }
    return spoke && slice_equal(verdict, SLICE("done"));
}
