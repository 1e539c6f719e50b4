#include "supervisor/state.h"

#include "base/clock.h"
#include "base/log.h"
#include "confine/confine.h"
#include "supervisor/handover.h"
#include "supervisor/notify.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#define BACKOFF_FIRST (100 * NS_PER_MS)
#define BACKOFF_MOST  (5 * NS_PER_S)
#define HEALTHY_AFTER (30 * NS_PER_S)
#define DRAIN_MARGIN  (5 * NS_PER_S)
#define ANSWER_WITHIN (60 * NS_PER_S) /* for a gateway to take up or refuse a configuration */
#define END_WITHIN    (5 * NS_PER_S)  /* for a gateway that closed its channel */

/* ---- start ---- */

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

/* Zero would be our whole process group. */
static void force_end(const struct supervisor *supervisor)
{
    if (supervisor->gateway > 0) {
        kill(supervisor->gateway, SIGKILL);
    }
}

/* What was half sent cannot be taken back, and a gateway that does not read cannot be told anything: it must go. */
void attend_kill(struct supervisor *supervisor, const char *reason)
{
    log_event(LOG_ERROR, "gateway_killed", LOG_STRING("reason", reason));
    supervisor->answer_by = 0;
    supervisor->serving = false;
    force_end(supervisor);
}

struct error attend_hand_over(struct supervisor *supervisor, char *text, size_t size)
{
    const struct loaded *loaded = wanted_configuration(supervisor);
    struct handover handover = {
        .options = &supervisor->options->config,
        .settings = &loaded->config->settings,
        .files = loaded->files,
        .sockets = &supervisor->sockets,
        .limiter_fd = supervisor->limiter_fd,
        .restarts = supervisor->restarts,
        .forbidden_calls = supervisor->forbidden_calls,
        .forbidden_call = supervisor->serving ? "" : supervisor->forbidden_call,
    };
    bool sent;
    struct error error = handover_configure(&handover, supervisor->channel, text, size, &sent);
    if (!failed(error)) {
        supervisor->answer_by = clock_monotonic_ns() + ANSWER_WITHIN;
    } else if (sent) {
        attend_kill(supervisor, text);
    }
    return error;
}

/* What the process will be held to for as long as it lives. */
static void hold_ports(struct supervisor *supervisor)
{
    const struct confinement_settings *confinement =
        wanted_configuration(supervisor)->config->settings.confinement;
    supervisor->port_count = confinement->mode == CONFINEMENT_ENFORCE ? confinement->port_count : 0;
    if (supervisor->port_count > 0) {
        memcpy(supervisor->ports, confinement->ports, supervisor->port_count * sizeof *supervisor->ports);
    }
    supervisor->died_of_call = false;
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
    hold_ports(supervisor);
    supervisor->channel = ours;
    memset(&supervisor->reader, 0, sizeof supervisor->reader);
    supervisor->serving = false;
    supervisor->started_at = clock_monotonic_ns();
    return OK;
}

void attend_close_channel(struct supervisor *supervisor)
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
void attend_start(struct supervisor *supervisor)
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
    error = attend_hand_over(supervisor, text, sizeof text);
    if (failed(error)) {
        log_event(LOG_ERROR, "gateway_start_failed", LOG_STRING("reason", text));
        force_end(supervisor);
    }
}

struct error attend_start_first(struct supervisor *supervisor, char *text, size_t size)
{
    TRY(start_process(supervisor));
    return attend_hand_over(supervisor, text, size);
}

/* ---- what it says ---- */

/* On a reload the old configuration goes on. On a start the gateway ends of itself, and what comes next is said there. */
static void not_taken_up(struct supervisor *supervisor, struct slice reason)
{
    supervisor->answer_by = 0;
    if (supervisor->serving) {
        reload_refuse(supervisor, reason, 0, false);
    } else {
        log_event(LOG_ERROR, "start_refused", LOG_TEXT("reason", reason));
    }
}

/* Its end is what comes next: of itself, where it closed the channel as its last act; else by force. */
static void hang_up(struct supervisor *supervisor, struct error error)
{
    attend_close_channel(supervisor);
    supervisor->answer_by = 0;
    supervisor->serving = false;
    if (error.kind != ERROR_STATE) {
        attend_kill(supervisor, error.what);
    } else if (!supervisor->stopping) {
        supervisor->kill_at = clock_monotonic_ns() + END_WITHIN;
    }
}

/* Its last word: the number of the call that it dies of, told by the handler of the signal. */
static void note_forbidden_call(struct supervisor *supervisor, struct slice text)
{
    uint64_t number;
    if (supervisor->died_of_call) {
        return; /* several threads may have made one; and a gateway that was taken over may say anything */
    }
    supervisor->died_of_call = true;
    supervisor->forbidden_calls++;
    bool known = slice_to_u64(text, &number) && number <= INT32_MAX;
    confine_call_name(known ? (int)number : -1, supervisor->forbidden_call,
                      sizeof supervisor->forbidden_call);
    log_event(LOG_ERROR, "forbidden_call", LOG_STRING("call", supervisor->forbidden_call),
              LOG_NUMBER("number", known ? (int64_t)number : -1));
}

void attend_message(struct supervisor *supervisor)
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
    if (complete && message.kind == CHANNEL_FORBIDDEN) {
        note_forbidden_call(supervisor, message.text);
    } else if (complete && supervisor->answer_by != 0) {
        uint64_t generation;
        if (message.kind == CHANNEL_READY && slice_to_u64(message.text, &generation)) {
            reload_taken_up(supervisor, generation);
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
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS) {
        note_forbidden_call(supervisor, SLICE_NONE); /* where it could not say which */
    } else if (!supervisor->died_of_call) {
        supervisor->forbidden_call[0] = '\0';
    }
    supervisor->gateway = 0;
    supervisor->serving = false;
    supervisor->answer_by = 0;
    attend_close_channel(supervisor);
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
        reload_refuse(supervisor, SLICE("the gateway process ended while taking it up"), 0, false);
    }
    supervisor->kill_at = 0;
    plan_restart(supervisor);
    if (supervisor->reload_again) {
        reload(supervisor);
    }
}

void attend_stop(struct supervisor *supervisor)
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
        force_end(supervisor);
    }
    /* The gateway has its own descriptors of them; when it closes those, nobody listens any more. */
    sockets_done(&supervisor->sockets);
    const struct shutdown_settings *shutdown = wanted_configuration(supervisor)->config->settings.shutdown;
    supervisor->kill_at = clock_monotonic_ns() + shutdown->drain_delay + shutdown->deadline + DRAIN_MARGIN;
}

void attend_reap(struct supervisor *supervisor)
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
        attend_message(supervisor);
    }
    int status = 0;
    if (waitpid(supervisor->gateway, &status, 0) == supervisor->gateway) {
        gateway_ended(supervisor, status);
    }
}
