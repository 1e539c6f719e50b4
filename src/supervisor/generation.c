#include "supervisor/state.h"

#include "base/clock.h"
#include "base/log.h"
#include "supervisor/handover.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#define ANSWER_WITHIN (60 * NS_PER_S) /* for a gateway to take up or refuse a configuration */
#define LEAVE_MARGIN  (5 * NS_PER_S)

struct generation *generation_add(struct supervisor *supervisor, pid_t pid, int channel)
{
    struct generation *generation = calloc(1, sizeof *generation);
    if (generation != NULL) {
        generation->pid = pid;
        generation->channel = channel;
        generation->bequest = -1;
        generation->started_at = clock_monotonic_ns();
        generation->next = supervisor->generations;
        supervisor->generations = generation;
    }
    return generation;
}

size_t generation_count(const struct supervisor *supervisor)
{
    size_t count = 0;
    for (const struct generation *generation = supervisor->generations; generation != NULL;
         generation = generation->next) {
        count++;
    }
    return count;
}

struct error generation_start(struct supervisor *supervisor)
{
    int ours = -1;
    int theirs = -1;
    TRY(channel_pair(&ours, &theirs));
    struct generation *generation = generation_add(supervisor, 0, ours);
    struct error error = generation != NULL ? OK : FAIL(ERROR_MEMORY, "gateway process");
    if (!failed(error)) {
        generation->bequest = handover_bequest();
    }
    if (!failed(error) && fcntl(ours, F_SETFL, O_NONBLOCK) != 0) {
        /* A gateway that was taken over may send half a message: nobody waits for the rest. */
        error = FAIL_ERRNO("channel");
    }
    if (!failed(error)) {
        error = process_start(supervisor->options->program, &supervisor->user, theirs, &generation->pid);
    }
    close(theirs);
    if (generation == NULL) {
        close(ours);
    } else if (failed(error)) {
        generation_free(supervisor, generation);
    } else {
        supervisor->latest = generation;
    }
    return error;
}

void generation_close_channel(struct generation *generation)
{
    if (generation->channel >= 0) {
        channel_reader_done(&generation->reader);
        close(generation->channel);
        generation->channel = -1;
    }
}

void generation_free(struct supervisor *supervisor, struct generation *generation)
{
    struct generation **at = &supervisor->generations;
    while (*at != generation) {
        at = &(*at)->next;
    }
    *at = generation->next;
    if (supervisor->latest == generation) {
        supervisor->latest = NULL;
    }
    generation_close_channel(generation);
    if (generation->bequest >= 0) {
        close(generation->bequest);
    }
    free(generation);
}

/* Zero would be our whole process group. */
static void force_end(const struct generation *generation)
{
    if (generation->pid > 0) {
        kill(generation->pid, SIGKILL);
    }
}

void generation_kill(struct generation *generation, const char *reason)
{
    log_event(LOG_ERROR, "gateway_killed", LOG_STRING("reason", reason), LOG_NUMBER("pid", generation->pid));
    generation->answer_by = 0;
    generation->serving = false;
    force_end(generation);
}

/* NULL: none. One that has died is none. */
static const struct generation *serves_beside(const struct supervisor *supervisor,
                                              const struct generation *generation)
{
    for (const struct generation *other = supervisor->generations; other != NULL; other = other->next) {
        if (other != generation && other->serving && !other->leaving) {
            return other;
        }
    }
    return NULL;
}

struct error generation_hand_over(struct supervisor *supervisor, struct generation *generation, char *text,
                                  size_t size)
{
    const struct loaded *loaded =
        supervisor->candidate.config != NULL ? &supervisor->candidate : &supervisor->current;
    const struct shutdown_settings *shutdown = loaded->config->settings.shutdown;
    const struct generation *before = serves_beside(supervisor, generation);
    struct handover handover = {
        .options = &supervisor->options->config,
        .settings = &loaded->config->settings,
        .files = loaded->files,
        .sockets = &supervisor->sockets,
        .limiter_fd = supervisor->limiter_fd,
        .once_fd = supervisor->once_fd,
        .restarts = supervisor->restarts,
        .upgrades = supervisor->upgrades,
        .forbidden_calls = supervisor->forbidden_calls,
        .forbidden_call = generation->serving ? "" : supervisor->forbidden_call,
        .relieves = before != NULL,
        .bequest = generation->serving ? -1 : generation->bequest,
        .bequest_before = generation->serving || before == NULL ? -1 : before->bequest,
    };
    bool sent;
    generation->grace = shutdown->drain_delay + shutdown->deadline;
    struct error error = handover_configure(&handover, generation->channel, text, size, &sent);
    if (!failed(error)) {
        generation->answer_by = clock_monotonic_ns() + ANSWER_WITHIN;
    } else if (sent) {
        generation_kill(generation, text);
    }
    return error;
}

void generation_leave(struct supervisor *supervisor, struct generation *generation, enum channel_kind how,
                      struct slice text)
{
    struct channel_message message = { .kind = how, .text = text };
    if (generation->leaving) {
        return;
    }
    generation->leaving = true;
    generation->answer_by = 0;
    generation->kill_at = clock_monotonic_ns() + generation->grace + LEAVE_MARGIN;
    if (supervisor->latest == generation) {
        supervisor->latest = NULL;
    }
    if (generation->channel < 0 || failed(channel_send(generation->channel, &message))) {
        force_end(generation);
    }
}
