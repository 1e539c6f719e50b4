/* Revocation lists grow old while the gateway runs: told in time, once for each configuration. */
#include "base/clock.h"
#include "base/log.h"
#include "gateway/control.h"

enum age {
    LISTS_FRESH,
    LISTS_LATE,
    LISTS_EXPIRED,
};

static enum age age_of(const struct tls_server_settings *tls, int64_t now)
{
    if (tls == NULL || tls->lists_until == 0) {
        return LISTS_FRESH;
    }
    const struct tls_renewal renewal = { tls->lists_from, tls->lists_until };
    if (now > renewal.until) {
        return LISTS_EXPIRED;
    }
    return now > tls_renewal_due(&renewal) ? LISTS_LATE : LISTS_FRESH;
}

static void tell(const struct listener_settings *listener, enum age age, int64_t now)
{
    if (age == LISTS_EXPIRED) {
        log_event(LOG_ERROR, "revocation_list_expired", LOG_TEXT("listener", listener->name),
                  LOG_STRING("reason", "clients of its CA are refused until there is a newer one"));
    } else {
        log_event(LOG_WARNING, "revocation_list_late", LOG_TEXT("listener", listener->name),
                  LOG_NUMBER("seconds_left", listener->tls->lists_until - now));
    }
}

void control_look_at_lists(struct control *control)
{
    if (control->current == NULL) {
        return;
    }
    const struct settings *settings = control->current->settings;
    int64_t now = clock_real_ns() / NS_PER_S;
    if (control->lists_looked_at != control->current) {
        control->lists_looked_at = control->current;
        memset(control->lists_told, LISTS_FRESH, sizeof control->lists_told);
    }
    for (size_t i = 0; i < settings->listener_count && i < LISTENERS_MAX; i++) {
        enum age age = age_of(settings->listeners[i].tls, now);
        if (age > control->lists_told[i]) {
            tell(&settings->listeners[i], age, now);
            control->lists_told[i] = (unsigned char)age;
        }
    }
}
