#include "supervisor/state.h"

#include "base/clock.h"
#include "base/log.h"
#include "supervisor/notify.h"

#include <unistd.h>

#define WATCH_INTERVAL NS_PER_S

static void remember_refused(struct supervisor *supervisor, struct config_files *files)
{
    if (supervisor->refused != NULL) {
        config_files_free(supervisor->refused);
    }
    supervisor->refused = files;
}

void reload_refuse(struct supervisor *supervisor, struct slice reason, size_t errors, bool tell)
{
    if (errors > 0) {
        log_event(LOG_ERROR, "reload_refused", LOG_TEXT("reason", reason), LOG_NUMBER("errors", errors));
    } else {
        log_event(LOG_ERROR, "reload_refused", LOG_TEXT("reason", reason));
    }
    struct channel_message message = { .kind = CHANNEL_REFUSED, .text = reason };
    struct generation *latest = supervisor->latest;
    if (tell && attend_serves(supervisor) && failed(channel_send(latest->channel, &message))) {
        generation_kill(latest, "it does not read its channel");
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
        reload_refuse(supervisor, slice_from_string(text), 0, true);
        return false;
    }
    size_t errors = supervisor->candidate.config->error_count;
    if (errors > 0) {
        loaded_log(&supervisor->candidate, text, sizeof text);
        reload_refuse(supervisor, slice_from_string(text), errors, true);
        return false;
    }
    const struct settings *settings = &supervisor->candidate.config->settings;
    if (failed(sockets_open(&supervisor->sockets, settings, text, sizeof text))) {
        reload_refuse(supervisor, slice_from_string(text), 0, true);
        return false;
    }
    return true;
}

/* A process cannot be given back what it gave up: another one relieves it, as after an upgrade. */
static bool needs_another_process(const struct supervisor *supervisor)
{
    if (loaded_confine_alike(&supervisor->current, &supervisor->candidate)) {
        return false;
    }
    log_event(LOG_INFO, "relieving", LOG_STRING("reason", "confinement has changed"));
    return true;
}

void reload(struct supervisor *supervisor)
{
    char text[REASON_MAX];
    supervisor->reload_again = !attend_is_steady(supervisor);
    if (supervisor->reload_again || supervisor->stopping) {
        return;
    }
    notify_manager("RELOADING=1");
    if (!prepare_candidate(supervisor)) {
        return;
    }
    bool another = supervisor->latest != NULL && needs_another_process(supervisor);
    if (another && generation_count(supervisor) >= GENERATIONS_MAX - 1) {
        reload_refuse(supervisor, SLICE("too many gateway processes still finish their requests"), 0, true);
        return;
    }
    if (supervisor->latest == NULL || another) {
        attend_start(supervisor);
        return;
    }
    if (failed(generation_hand_over(supervisor, supervisor->latest, text, sizeof text))) {
        reload_refuse(supervisor, slice_from_string(text), 0, true);
    }
}

void reload_watch(struct supervisor *supervisor)
{
    supervisor->watch_at = clock_monotonic_ns() + WATCH_INTERVAL;
    const struct config_files *seen =
        supervisor->refused != NULL ? supervisor->refused : supervisor->current.files;
    if (attend_serves(supervisor) && supervisor->latest->answer_by == 0 && seen != NULL &&
        config_files_changed(seen)) {
        log_event(LOG_INFO, "watched_file_changed");
        reload(supervisor);
    }
}

static void tell_of_listening(const struct listening *listening)
{
    char address[ADDRESS_TEXT_MAX];
    if (listening->path != NULL) {
        log_event(LOG_INFO, "listening", LOG_STRING("listener", listening->name),
                  LOG_STRING("path", listening->path));
        return;
    }
    address_format(&listening->address, address);
    log_event(LOG_INFO, "listening", LOG_STRING("listener", listening->name), LOG_STRING("address", address),
              LOG_NUMBER("port", listening->address.port));
}

/* What is new, to the log; and what the service manager has not got yet, or need not keep any longer. */
static void tell_of_sockets(struct supervisor *supervisor)
{
    for (struct listening *listening = supervisor->sockets.first; listening != NULL;
         listening = listening->next) {
        if (listening->fresh) {
            tell_of_listening(listening);
        }
        bool renamed = listening->is_wanted && listening->new_name != NULL;
        if (!listening->is_wanted || renamed) {
            notify_forget(listening->name);
        }
        if (listening->is_wanted) {
            size_t known = renamed ? 0 : listening->stored;
            notify_keep(renamed ? listening->new_name : listening->name, listening->fds + known,
                        listening->count - known);
            listening->stored = listening->count;
        }
    }
}

static void retire_older(struct supervisor *supervisor, struct slice boot)
{
    for (struct generation *generation = supervisor->generations; generation != NULL;
         generation = generation->next) {
        if (generation != supervisor->latest) {
            generation_leave(supervisor, generation, CHANNEL_RETIRE, boot);
        }
    }
}

void reload_taken_up(struct supervisor *supervisor, uint64_t generation, struct slice boot)
{
    if (!supervisor->latest->serving) {
        supervisor->forbidden_call[0] = '\0'; /* this process's audit log has it */
    }
    supervisor->latest->serving = true;
    supervisor->latest->answer_by = 0;
    tell_of_sockets(supervisor);
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
    retire_older(supervisor, boot);
    log_event(LOG_INFO, "ready", LOG_NUMBER("generation", generation));
    upgrade_done(supervisor);
    notify_manager("READY=1\nSTATUS=Serving");
}

void reload_forget_refused(struct supervisor *supervisor)
{
    remember_refused(supervisor, NULL);
}
