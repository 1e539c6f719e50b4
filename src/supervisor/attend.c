#include "supervisor/state.h"

#include "base/clock.h"
#include "base/log.h"
#include "confine/confine.h"
#include "supervisor/notify.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#define BACKOFF_FIRST (100 * NS_PER_MS)
#define BACKOFF_MOST  (5 * NS_PER_S)
#define HEALTHY_AFTER (30 * NS_PER_S)
#define END_WITHIN    (5 * NS_PER_S) /* for a gateway that closed its channel */

bool attend_serves(const struct supervisor *supervisor)
{
    return supervisor->latest != NULL && supervisor->latest->serving;
}

bool attend_is_steady(const struct supervisor *supervisor)
{
    const struct generation *latest = supervisor->latest;
    return latest == NULL || (latest->serving && latest->answer_by == 0);
}

/* ---- start ---- */

/* At once after a long healthy run, later and later when it dies again and again. */
static void plan_restart(struct supervisor *supervisor, int64_t started_at)
{
    int64_t now = clock_monotonic_ns();
    int64_t delay = now - started_at > HEALTHY_AFTER ? 0 : supervisor->backoff;
    int64_t longer = delay * 2 < BACKOFF_MOST ? delay * 2 : BACKOFF_MOST;
    supervisor->backoff = delay == 0 ? BACKOFF_FIRST : longer;
    supervisor->restart_at = now + delay;
    log_event(LOG_WARNING, "gateway_restarting", LOG_NUMBER("delay_ms", delay / NS_PER_MS));
}

void attend_start(struct supervisor *supervisor)
{
    char text[REASON_MAX];
    supervisor->restart_at = 0;
    struct error error = generation_start(supervisor);
    if (failed(error)) {
        error_describe(error, text, sizeof text);
        log_event(LOG_ERROR, "gateway_start_failed", LOG_STRING("reason", text));
        plan_restart(supervisor, clock_monotonic_ns());
        return;
    }
    error = generation_hand_over(supervisor, supervisor->latest, text, sizeof text);
    if (failed(error)) {
        log_event(LOG_ERROR, "gateway_start_failed", LOG_STRING("reason", text));
        generation_kill(supervisor->latest, "it could not be configured");
    }
}

struct error attend_start_first(struct supervisor *supervisor, char *text, size_t size)
{
    TRY(generation_start(supervisor));
    return generation_hand_over(supervisor, supervisor->latest, text, size);
}

/* ---- what it says ---- */

/* On a reload the old configuration goes on. On a start the gateway ends of itself, and what comes next is said there. */
static void not_taken_up(struct supervisor *supervisor, struct slice reason)
{
    supervisor->latest->answer_by = 0;
    if (supervisor->latest->serving) {
        reload_refuse(supervisor, reason, 0, false);
    } else {
        log_event(LOG_ERROR, "start_refused", LOG_TEXT("reason", reason));
        snprintf(supervisor->upgrade.why, sizeof supervisor->upgrade.why, "%.*s", SLICE_ARG(reason));
    }
}

static void take_answer(struct supervisor *supervisor, const struct channel_message *message)
{
    uint64_t generation;
    struct slice boot = message->text, number;
    if (message->kind == CHANNEL_READY && slice_next(&boot, ' ', &number) &&
        slice_to_u64(number, &generation)) {
        reload_taken_up(supervisor, generation, boot);
    } else if (message->kind == CHANNEL_REFUSED) {
        not_taken_up(supervisor, message->text);
    }
    if (supervisor->reload_again) {
        reload(supervisor);
    }
}

/* How the audit log of one generation ended is written down in the log of one that serves. */
static void pass_on_end(struct supervisor *supervisor, const struct generation *from,
                        const struct channel_message *message)
{
    struct channel_message end = { .kind = CHANNEL_AUDIT_END, .text = message->text };
    struct generation *to = supervisor->generations;
    while (to != NULL && (to == from || !to->serving || to->leaving || to->channel < 0)) {
        to = to->next;
    }
    if (to != NULL && failed(channel_send(to->channel, &end))) {
        generation_kill(to, "it does not read its channel");
    }
}

/* Its end is what comes next: of itself, where it closed the channel as its last act; else by force. */
static void hang_up(struct generation *generation, struct error error)
{
    generation_close_channel(generation);
    generation->answer_by = 0;
    generation->serving = false;
    if (error.kind != ERROR_STATE) {
        generation_kill(generation, error.what);
    } else if (!generation->leaving) {
        generation->kill_at = clock_monotonic_ns() + END_WITHIN;
    }
}

/* Its last word: the number of the call that it dies of, told by the handler of the signal. */
static void note_forbidden_call(struct supervisor *supervisor, struct generation *generation,
                                struct slice text)
{
    uint64_t number;
    if (generation->died_of_call) {
        return; /* several threads may have made one; and a gateway that was taken over may say anything */
    }
    generation->died_of_call = true;
    supervisor->forbidden_calls++;
    bool known = slice_to_u64(text, &number) && number <= INT32_MAX;
    confine_call_name(known ? (int)number : -1, supervisor->forbidden_call,
                      sizeof supervisor->forbidden_call);
    log_event(LOG_ERROR, "forbidden_call", LOG_STRING("call", supervisor->forbidden_call),
              LOG_NUMBER("number", known ? (int64_t)number : -1), LOG_NUMBER("pid", generation->pid));
}

void attend_message(struct supervisor *supervisor, struct generation *generation)
{
    struct channel_message message;
    bool complete = false;
    struct error error = channel_receive(generation->channel, &generation->reader, &message, &complete);
    if (failed(error)) {
        hang_up(generation, error);
        return;
    }
    for (size_t i = 0; complete && i < message.fd_count; i++) {
        if (message.fds[i] >= 0) {
            close(message.fds[i]); /* the less trusted side has none to give */
        }
    }
    if (complete && message.kind == CHANNEL_AUDIT_END) {
        pass_on_end(supervisor, generation, &message);
    } else if (complete && message.kind == CHANNEL_FORBIDDEN) {
        note_forbidden_call(supervisor, generation, message.text);
    } else if (complete && generation == supervisor->latest && generation->answer_by != 0) {
        take_answer(supervisor, &message);
    }
}

/* ---- its end ---- */

static void log_end(pid_t pid, int status)
{
    bool signalled = WIFSIGNALED(status);
    log_event(LOG_ERROR, "gateway_exited",
              signalled ? LOG_NUMBER("signal", WTERMSIG(status)) : LOG_NUMBER("status", WEXITSTATUS(status)),
              LOG_NUMBER("pid", pid));
}

static void latest_ended(struct supervisor *supervisor, int64_t started_at)
{
    if (supervisor->upgrade.taking_over) {
        const char *why = supervisor->upgrade.why;
        upgrade_go_back(supervisor, why[0] != '\0' ? why : "the new program's gateway process ended");
    }
    if (supervisor->current.config == NULL) {
        /* It never worked: trying again would not help. */
        supervisor->exit_status = 1;
        attend_stop(supervisor);
        return;
    }
    if (supervisor->candidate.config != NULL) {
        reload_refuse(supervisor, SLICE("the gateway process ended while taking it up"), 0, false);
    }
    plan_restart(supervisor, started_at);
    if (supervisor->reload_again) {
        reload(supervisor);
    }
}

static void generation_ended(struct supervisor *supervisor, struct generation *generation, int status)
{
    bool clean = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    bool leaving = generation->leaving;
    bool was_latest = generation == supervisor->latest;
    /* That it had to be killed at the deadline was said; the end itself was asked for. */
    bool at_deadline = leaving && generation->kill_at == 0 && WIFSIGNALED(status);
    int64_t started_at = generation->started_at;
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS) {
        note_forbidden_call(supervisor, generation, SLICE_NONE); /* where it could not say which */
    }
    if (!leaving || !clean) {
        log_end(generation->pid, status);
    }
    generation_free(supervisor, generation);
    if (was_latest) {
        latest_ended(supervisor, started_at);
    } else if (supervisor->stopping && !clean && !at_deadline) {
        supervisor->exit_status = 1;
    }
}

/* It stays a zombie until its last words are read: while it is one, nobody else has its process id. */
static void reap_generation(struct supervisor *supervisor, struct generation *generation)
{
    siginfo_t ended = { .si_pid = 0 };
    if (waitid(P_PID, (id_t)generation->pid, &ended, WEXITED | WNOHANG | WNOWAIT) != 0 || ended.si_pid == 0) {
        return;
    }
    struct pollfd source = { .fd = generation->channel, .events = POLLIN };
    while (generation->channel >= 0 && poll(&source, 1, 0) == 1 && (source.revents & POLLIN) != 0) {
        attend_message(supervisor, generation);
    }
    int status = 0;
    if (waitpid(generation->pid, &status, 0) == generation->pid) {
        generation_ended(supervisor, generation, status);
    }
}

void attend_reap(struct supervisor *supervisor)
{
    struct generation *next;
    for (struct generation *generation = supervisor->generations; generation != NULL; generation = next) {
        next = generation->next;
        reap_generation(supervisor, generation);
    }
    int status = 0;
    pid_t rehearsal = supervisor->upgrade.rehearsal;
    if (rehearsal > 0 && waitpid(rehearsal, &status, WNOHANG) == rehearsal) {
        upgrade_rehearsed(supervisor, status);
    }
}

void attend_deadlines(struct supervisor *supervisor, int64_t now)
{
    for (struct generation *generation = supervisor->generations; generation != NULL;
         generation = generation->next) {
        if (generation->kill_at != 0 && now >= generation->kill_at) {
            generation->kill_at = 0;
            generation_kill(generation, "it did not end in time");
        }
        if (generation->answer_by != 0 && now >= generation->answer_by) {
            generation_kill(generation, "it did not take up its configuration in time");
        }
    }
    if (supervisor->restart_at != 0 && now >= supervisor->restart_at) {
        supervisor->restarts++;
        attend_start(supervisor);
    }
}

void attend_stop(struct supervisor *supervisor)
{
    if (supervisor->stopping) {
        return;
    }
    supervisor->stopping = true;
    supervisor->restart_at = 0;
    notify_manager("STOPPING=1");
    upgrade_refuse(supervisor, "the gateway is being stopped");
    for (struct generation *generation = supervisor->generations; generation != NULL;
         generation = generation->next) {
        generation_leave(supervisor, generation, CHANNEL_DRAIN, SLICE_NONE);
    }
    /* The gateway has its own descriptors of them; when it closes those, nobody listens any more. */
    sockets_close(&supervisor->sockets);
}
