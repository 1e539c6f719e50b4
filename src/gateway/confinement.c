#include "gateway/control.h"

#include "base/decimal.h"
#include "base/log.h"
#include "confine/confine.h"

#include <stdlib.h>

/* For the handler of a signal, which gets nothing else. */
static int the_channel;

/* In a signal handler: formats by hand, and sends one datagram. */
static void report(int number)
{
    char text[DECIMAL_MAX];
    size_t len = (size_t)(decimal_put(text, number < 0 ? 0 : (uint64_t)number) - text);
    struct channel_message message = { .kind = CHANNEL_FORBIDDEN, .text = slice_of(text, len) };
    if (number < 0) {
        message.text = SLICE("unknown");
    }
    /* Where it cannot be told, the signal that ends the process tells the rest. */
    struct error error = channel_send(the_channel, &message);
    (void)error;
}

struct error control_confine(struct control *control, const struct confinement_settings *settings)
{
    struct confine_rules *rules = malloc(sizeof *rules);
    if (rules == NULL) {
        return FAIL(ERROR_MEMORY, "confinement");
    }
    the_channel = control->channel;
    confine_load_name_services();
    confine_rules_derive(settings, rules);
    struct confined confined;
    struct error error = confine_apply(rules, (enum confinement_mode)settings->mode, report, &confined);
    free(rules);
    TRY(error);
    enum log_level level = confined.lacking != NULL ? LOG_WARNING : LOG_INFO;
    log_event(settings->mode == CONFINEMENT_ENFORCE ? level : LOG_WARNING, "confined",
              LOG_STRING("seccomp", confined.seccomp), LOG_NUMBER("landlock_abi", confined.landlock_abi),
              LOG_STRING("lacking", confined.lacking != NULL ? confined.lacking : "nothing"));
    return OK;
}
