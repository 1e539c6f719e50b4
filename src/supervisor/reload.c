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
    if (tell && supervisor->serving && failed(channel_send(supervisor->channel, &message))) {
        attend_kill(supervisor, "it does not read its channel");
    }
    sockets_settle(&supervisor->sockets, false);
    if (supervisor->candidate.files != NULL) {
        remember_refused(supervisor, supervisor->candidate.files);
        supervisor->candidate.files = NULL;
    }
    loaded_done(&supervisor->candidate);
    notify_manager("READY=1\nSTATUS=The last reload was refused; the configuration before it is in force");
}

/* Its own ports may be fewer than those of the configuration, never more: a process cannot be given more. */
static bool ports_are_held(const struct supervisor *supervisor)
{
    const struct confinement_settings *wanted = supervisor->candidate.config->settings.confinement;
    if (supervisor->gateway == 0 || supervisor->port_count == 0) {
        return true;
    }
    bool held = wanted->port_count > 0;
    for (size_t i = 0; i < wanted->port_count; i++) {
        bool found = false;
        for (size_t k = 0; k < supervisor->port_count; k++) {
            found = found || (wanted->ports[i].first >= supervisor->ports[k].first &&
                              wanted->ports[i].last <= supervisor->ports[k].last);
        }
        held = held && found;
    }
    return held;
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
    if (!ports_are_held(supervisor)) {
        reload_refuse(
            supervisor,
            SLICE("confinement.connect_ports has ports that the running gateway process may not connect to, "
                  "and cannot be allowed: restart"),
            0, true);
        return false;
    }
    const struct settings *settings = &supervisor->candidate.config->settings;
    if (failed(sockets_open(&supervisor->sockets, settings, text, sizeof text))) {
        reload_refuse(supervisor, slice_from_string(text), 0, true);
        return false;
    }
    return true;
}

void reload(struct supervisor *supervisor)
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
        attend_start(supervisor);
        return;
    }
    if (failed(attend_hand_over(supervisor, text, sizeof text))) {
        reload_refuse(supervisor, slice_from_string(text), 0, true);
    }
}

void reload_watch(struct supervisor *supervisor)
{
    supervisor->watch_at = clock_monotonic_ns() + WATCH_INTERVAL;
    const struct config_files *seen =
        supervisor->refused != NULL ? supervisor->refused : supervisor->current.files;
    if (supervisor->serving && supervisor->answer_by == 0 && seen != NULL && config_files_changed(seen)) {
        log_event(LOG_INFO, "watched_file_changed");
        reload(supervisor);
    }
}

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

void reload_taken_up(struct supervisor *supervisor, uint64_t generation)
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
    log_event(LOG_INFO, "ready", LOG_NUMBER("generation", generation));
    notify_manager("READY=1\nSTATUS=Serving");
}

void reload_forget_refused(struct supervisor *supervisor)
{
    remember_refused(supervisor, NULL);
}
