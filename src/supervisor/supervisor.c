#include "supervisor/supervisor.h"

#include "base/clock.h"
#include "base/log.h"
#include "supervisor/channel.h"
#include "supervisor/handover.h"
#include "supervisor/process.h"
#include "supervisor/sockets.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define DIAGNOSTICS_MAX (4 * 1024 * 1024)
#define WATCH_INTERVAL  NS_PER_S
#define BACKOFF_FIRST   (100 * NS_PER_MS)
#define BACKOFF_MOST    (5 * NS_PER_S)
#define HEALTHY_AFTER   (30 * NS_PER_S)
#define DRAIN_MARGIN    (5 * NS_PER_S)

/* A configuration, loaded, with the bytes that it was loaded from. */
struct loaded {
    struct config_files *files;
    struct config *config;
};

struct supervisor {
    const struct supervisor_options *options;
    struct loaded current;        /* in force, or the first one */
    struct loaded candidate;      /* handed over, not answered yet; config NULL: none */
    struct config_files *refused; /* of the last configuration that was not taken up */
    struct sockets sockets;
    int limiter_fd;
    int signals;
    struct process_user user;
    pid_t gateway; /* 0: not running */
    int channel;
    struct channel_reader reader;
    int64_t started_at, backoff;
    int64_t restart_at, watch_at, kill_at; /* 0: not planned */
    unsigned int restarts;
    bool ready;        /* a configuration was ever taken up */
    bool reload_again; /* asked for while one was under way */
    bool stopping;
    int exit_status;
};

/* ---- loading ---- */

static void unload(struct loaded *loaded)
{
    if (loaded->config != NULL) {
        config_free(loaded->config);
    }
    if (loaded->files != NULL) {
        config_files_free(loaded->files);
    }
    *loaded = (struct loaded){ NULL, NULL };
}

static struct error load(const struct supervisor *supervisor, struct loaded *out)
{
    *out = (struct loaded){ NULL, NULL };
    struct error error = config_files_new(&out->files);
    if (!failed(error)) {
        error = config_load(&supervisor->options->config, out->files, &out->config);
    }
    if (failed(error)) {
        unload(out);
    }
    return error;
}

static struct slice diagnostics_of(const struct loaded *loaded, struct buffer *text)
{
    config_print_diagnostics(loaded->config, text);
    return buffer_slice(text);
}

/* ---- the gateway process ---- */

static void log_failure(const char *event, struct error error)
{
    char text[256];
    error_describe(error, text, sizeof text);
    log_event(LOG_ERROR, event, LOG_STRING("reason", text));
}

static struct error hand_over(const struct supervisor *supervisor, const struct loaded *loaded)
{
    struct handover handover = {
        .options = &supervisor->options->config,
        .settings = &loaded->config->settings,
        .files = loaded->files,
        .sockets = &supervisor->sockets,
        .limiter_fd = supervisor->limiter_fd,
        .restarts = supervisor->restarts,
    };
    return handover_configure(&handover, supervisor->channel);
}

static struct error start_gateway(struct supervisor *supervisor)
{
    int ours = -1;
    int theirs = -1;
    TRY(channel_pair(&ours, &theirs));
    struct error error =
        process_start(supervisor->options->program, &supervisor->user, theirs, &supervisor->gateway);
    close(theirs);
    if (failed(error)) {
        close(ours);
        supervisor->gateway = 0;
        return error;
    }
    supervisor->channel = ours;
    memset(&supervisor->reader, 0, sizeof supervisor->reader);
    supervisor->started_at = clock_monotonic_ns();
    return hand_over(supervisor, &supervisor->current);
}

static void close_channel(struct supervisor *supervisor)
{
    if (supervisor->channel >= 0) {
        channel_reader_done(&supervisor->reader);
        close(supervisor->channel);
        supervisor->channel = -1;
    }
}

static void set_refused(struct supervisor *supervisor, struct config_files *files)
{
    if (supervisor->refused != NULL) {
        config_files_free(supervisor->refused);
    }
    supervisor->refused = files;
}

static void drop_candidate(struct supervisor *supervisor)
{
    if (supervisor->candidate.config != NULL) {
        sockets_settle(&supervisor->sockets, false);
        set_refused(supervisor, supervisor->candidate.files);
        supervisor->candidate.files = NULL;
        unload(&supervisor->candidate);
    }
}

/* At once after a long healthy run, later and later when it dies again and again. */
static void plan_restart(struct supervisor *supervisor)
{
    int64_t now = clock_monotonic_ns();
    if (now - supervisor->started_at > HEALTHY_AFTER || supervisor->backoff == 0) {
        supervisor->backoff = BACKOFF_FIRST;
    } else {
        supervisor->backoff = supervisor->backoff * 2 < BACKOFF_MOST ? supervisor->backoff * 2 : BACKOFF_MOST;
    }
    supervisor->restart_at = now + supervisor->backoff;
    log_event(LOG_WARNING, "gateway_restarting", LOG_NUMBER("delay_ms", supervisor->backoff / NS_PER_MS));
}

static void gateway_ended(struct supervisor *supervisor, int status)
{
    bool clean = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    supervisor->gateway = 0;
    supervisor->kill_at = 0;
    close_channel(supervisor);
    drop_candidate(supervisor);
    if (!clean || !supervisor->stopping) {
        if (WIFSIGNALED(status)) {
            log_event(LOG_ERROR, "gateway_exited", LOG_NUMBER("signal", WTERMSIG(status)));
        } else {
            log_event(LOG_ERROR, "gateway_exited", LOG_NUMBER("status", WEXITSTATUS(status)));
        }
    }
    if (supervisor->stopping) {
        supervisor->exit_status = clean ? 0 : 1;
        return;
    }
    if (!supervisor->ready) {
        /* It never worked: trying again would not help. */
        supervisor->stopping = true;
        supervisor->exit_status = 1;
        return;
    }
    plan_restart(supervisor);
}

static void restart(struct supervisor *supervisor)
{
    supervisor->restart_at = 0;
    supervisor->restarts++;
    for (struct listening *listening = supervisor->sockets.first; listening != NULL;
         listening = listening->next) {
        listening->wanted = true;
    }
    struct error error = start_gateway(supervisor);
    if (failed(error)) {
        log_failure("gateway_start_failed", error);
        if (supervisor->gateway == 0) {
            plan_restart(supervisor);
        }
    }
}

/* ---- reload ---- */

static void refuse_reload(struct supervisor *supervisor, struct slice reason)
{
    log_event(LOG_ERROR, "reload_refused", LOG_TEXT("reason", reason));
    drop_candidate(supervisor);
}

/* Each diagnostic is a line of its own, so that none is cut; then the refusal, with the first of them. */
static void refuse_with_diagnostics(struct supervisor *supervisor)
{
    struct buffer text;
    buffer_init(&text, DIAGNOSTICS_MAX);
    struct slice rest = diagnostics_of(&supervisor->candidate, &text);
    struct slice line;
    struct slice first = SLICE_NONE;
    while (slice_next(&rest, '\n', &line)) {
        if (line.len > 0) {
            log_event(LOG_ERROR, "configuration_error", LOG_TEXT("message", line));
            bool is_error = slice_contains(line, SLICE(": error: "));
            first = first.ptr == NULL && is_error ? line : first;
        }
    }
    log_event(LOG_ERROR, "reload_refused", LOG_TEXT("reason", first),
              LOG_NUMBER("errors", supervisor->candidate.config->error_count));
    drop_candidate(supervisor);
    buffer_done(&text);
}

static void reload(struct supervisor *supervisor)
{
    char text[512];
    if (supervisor->candidate.config != NULL || supervisor->gateway == 0 || !supervisor->ready) {
        supervisor->reload_again = true;
        return;
    }
    supervisor->reload_again = false;
    struct error error = load(supervisor, &supervisor->candidate);
    if (failed(error)) {
        error_describe(error, text, sizeof text);
        refuse_reload(supervisor, slice_from_string(text));
        return;
    }
    if (supervisor->candidate.config->error_count > 0) {
        refuse_with_diagnostics(supervisor);
        return;
    }
    const struct settings *settings = &supervisor->candidate.config->settings;
    if (failed(sockets_open(&supervisor->sockets, settings, text, sizeof text))) {
        refuse_reload(supervisor, slice_from_string(text));
        return;
    }
    error = hand_over(supervisor, &supervisor->candidate);
    if (failed(error)) {
        error_describe(error, text, sizeof text);
        refuse_reload(supervisor, slice_from_string(text));
    }
}

/* Has a watched file changed since it was last looked at, whatever became of it then? */
static void watch(struct supervisor *supervisor)
{
    supervisor->watch_at = clock_monotonic_ns() + WATCH_INTERVAL;
    if (supervisor->reload_again) {
        reload(supervisor);
        return;
    }
    const struct config_files *seen =
        supervisor->refused != NULL ? supervisor->refused : supervisor->current.files;
    if (supervisor->ready && supervisor->candidate.config == NULL && config_files_changed(seen)) {
        log_event(LOG_INFO, "watched_file_changed");
        reload(supervisor);
    }
}

/* ---- what comes in ---- */

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
    if (supervisor->candidate.config != NULL) {
        unload(&supervisor->current);
        supervisor->current = supervisor->candidate;
        supervisor->candidate = (struct loaded){ NULL, NULL };
        set_refused(supervisor, NULL);
    }
    log_listening(supervisor);
    sockets_settle(&supervisor->sockets, true);
    supervisor->ready = true;
    log_event(LOG_INFO, "ready", (struct log_pair){ "generation", generation, true });
}

static void take_message(struct supervisor *supervisor)
{
    struct channel_message message;
    bool complete = false;
    struct error error = channel_receive(supervisor->channel, &supervisor->reader, &message, &complete);
    if (failed(error)) {
        /* It is ending, or broke the protocol: either way its end is what comes next, and soon. */
        close_channel(supervisor);
        supervisor->kill_at = clock_monotonic_ns() + DRAIN_MARGIN;
        return;
    }
    if (complete && message.kind == CHANNEL_READY) {
        taken_up(supervisor, message.text);
    } else if (complete && message.kind == CHANNEL_REFUSED) {
        if (!supervisor->ready) {
            log_event(LOG_ERROR, "start_refused", LOG_TEXT("reason", message.text));
        } else {
            refuse_reload(supervisor, message.text);
        }
    }
}

static void stop(struct supervisor *supervisor)
{
    if (supervisor->stopping) {
        return;
    }
    supervisor->stopping = true;
    supervisor->restart_at = 0;
    struct channel_message drain = { .kind = CHANNEL_DRAIN, .text = SLICE("") };
    if (supervisor->gateway != 0 && supervisor->channel >= 0 &&
        failed(channel_send(supervisor->channel, &drain))) {
        kill(supervisor->gateway, SIGKILL);
    }
    const struct shutdown_settings *shutdown = supervisor->current.config->settings.shutdown;
    supervisor->kill_at = clock_monotonic_ns() + shutdown->drain_delay + shutdown->deadline + DRAIN_MARGIN;
}

static void reap(struct supervisor *supervisor)
{
    int status = 0;
    if (supervisor->gateway != 0 && waitpid(supervisor->gateway, &status, WNOHANG) == supervisor->gateway) {
        gateway_ended(supervisor, status);
    }
}

static void reopen_logs(struct supervisor *supervisor)
{
    if (supervisor->channel < 0) {
        return;
    }
    struct error error = handover_reopen(&supervisor->options->config, &supervisor->current.config->settings,
                                         supervisor->channel);
    if (failed(error)) {
        log_failure("logs_not_reopened", error);
    }
}

static void take_signal(struct supervisor *supervisor)
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

static bool is_due(int64_t at, int64_t now)
{
    return at != 0 && now >= at;
}

static void run_timers(struct supervisor *supervisor)
{
    int64_t now = clock_monotonic_ns();
    if (is_due(supervisor->restart_at, now)) {
        restart(supervisor);
    }
    if (is_due(supervisor->kill_at, now) && supervisor->gateway != 0) {
        log_event(LOG_ERROR, "gateway_killed", LOG_STRING("reason", "it did not end in time"));
        supervisor->kill_at = 0;
        kill(supervisor->gateway, SIGKILL);
    }
    if (is_due(supervisor->watch_at, now) && !supervisor->stopping) {
        watch(supervisor);
    }
}

static int next_timeout_ms(const struct supervisor *supervisor)
{
    const int64_t times[] = { supervisor->restart_at, supervisor->kill_at, supervisor->watch_at };
    int64_t now = clock_monotonic_ns();
    int64_t least = NS_PER_S;
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
        if (times[i] != 0 && times[i] - now < least) {
            least = times[i] - now > 0 ? times[i] - now : 0;
        }
    }
    return (int)(least / NS_PER_MS) + 1;
}

static void run_loop(struct supervisor *supervisor)
{
    while (!supervisor->stopping || supervisor->gateway != 0) {
        struct pollfd sources[] = {
            { .fd = supervisor->signals, .events = POLLIN },
            { .fd = supervisor->channel, .events = POLLIN },
        };
        (void)poll(sources, 2, next_timeout_ms(supervisor));
        if (sources[1].revents != 0 && supervisor->channel == sources[1].fd && supervisor->channel >= 0) {
            take_message(supervisor);
        }
        if (sources[0].revents != 0) {
            take_signal(supervisor);
        }
        run_timers(supervisor);
    }
}

/* ---- start ---- */

static size_t worker_count(const struct settings *settings)
{
    long processors = settings->workers > 0 ? (long)settings->workers : sysconf(_SC_NPROCESSORS_ONLN);
    if (processors < 1) {
        return 1;
    }
    return processors < SOCKETS_PER_LISTENER_MAX ? (size_t)processors : SOCKETS_PER_LISTENER_MAX;
}

static bool print_diagnostics(const struct loaded *loaded)
{
    struct buffer text;
    buffer_init(&text, DIAGNOSTICS_MAX);
    struct slice lines = diagnostics_of(loaded, &text);
    fwrite(lines.ptr, 1, lines.len, stderr);
    buffer_done(&text);
    return loaded->config->error_count == 0;
}

static struct error watch_signals(struct supervisor *supervisor)
{
    sigset_t set;
    sigemptyset(&set);
    static const int numbers[] = { SIGHUP, SIGTERM, SIGINT, SIGUSR1, SIGCHLD };
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        sigaddset(&set, numbers[i]);
    }
    sigprocmask(SIG_BLOCK, &set, NULL);
    struct sigaction ignore = { .sa_handler = SIG_IGN };
    sigaction(SIGPIPE, &ignore, NULL);
    supervisor->signals = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    return supervisor->signals >= 0 ? OK : FAIL_ERRNO("signals cannot be watched");
}

static struct error start(struct supervisor *supervisor)
{
    char text[512];
    const struct settings *settings = &supervisor->current.config->settings;
    TRY(process_find_user(settings->user, settings->group, &supervisor->user));
    supervisor->sockets.workers = worker_count(settings);
    struct error error = sockets_open(&supervisor->sockets, settings, text, sizeof text);
    if (failed(error)) {
        log_event(LOG_ERROR, "listen_failed", LOG_STRING("reason", text));
        fprintf(stderr, "sallyport: %s\n", text);
        return error;
    }
    TRY(handover_limiter((size_t)settings->limit_keys, &supervisor->limiter_fd));
    TRY(watch_signals(supervisor));
    supervisor->watch_at = clock_monotonic_ns() + WATCH_INTERVAL;
    return start_gateway(supervisor);
}

static int run(struct supervisor *supervisor)
{
    struct error error = load(supervisor, &supervisor->current);
    if (!failed(error) && !print_diagnostics(&supervisor->current)) {
        return 1;
    }
    if (!failed(error)) {
        error = start(supervisor);
    }
    if (failed(error)) {
        log_failure("start_failed", error);
        return 1;
    }
    run_loop(supervisor);
    log_event(LOG_INFO, "stopped");
    return supervisor->exit_status;
}

int supervisor_run(const struct supervisor_options *options)
{
    static struct supervisor supervisor = { .channel = -1, .limiter_fd = -1, .signals = -1 };
    supervisor.options = options;
    int status = run(&supervisor);
    if (supervisor.gateway != 0) {
        kill(supervisor.gateway, SIGKILL);
        waitpid(supervisor.gateway, NULL, 0);
    }
    close_channel(&supervisor);
    sockets_done(&supervisor.sockets);
    unload(&supervisor.candidate);
    unload(&supervisor.current);
    set_refused(&supervisor, NULL);
    return status;
}
