#include "upstream/breaker.h"

#include "base/clock.h"

static const struct conf_field breaker_fields[] = {
    { .name = "failures",
      .type = CONF_INTEGER,
      .offset = offsetof(struct breaker_settings, failures),
      .standard = "50",
      .minimum = 1,
      .maximum = 100,
      .help = "Per cent of the requests of the window that must have failed: no connection, no answer, a "
              "broken one, or 5xx but for 501." },
    { .name = "minimum",
      .type = CONF_INTEGER,
      .offset = offsetof(struct breaker_settings, minimum),
      .standard = "20",
      .minimum = 1,
      .maximum = 100000,
      .help = "Requests of a worker in the window, with fewer of which it stays closed." },
    { .name = "window",
      .type = CONF_DURATION,
      .offset = offsetof(struct breaker_settings, window),
      .standard = "10s",
      .minimum = 100 * NS_PER_MS,
      .maximum = 3600 * NS_PER_S,
      .help = "What it looks back on." },
    { .name = "open",
      .type = CONF_DURATION,
      .offset = offsetof(struct breaker_settings, open),
      .standard = "5s",
      .minimum = 10 * NS_PER_MS,
      .maximum = 3600 * NS_PER_S,
      .help = "How long requests are denied (503 upstream_open) before probes pass." },
    { .name = "probes",
      .type = CONF_INTEGER,
      .offset = offsetof(struct breaker_settings, probes),
      .standard = "3",
      .minimum = 1,
      .maximum = 1000,
      .help = "Requests that pass then, at once at most, and that must all go well for it to close." },
    { 0 },
};

const struct conf_object breaker_object = {
    .name = "breaker",
    .size = sizeof(struct breaker_settings),
    .fields = breaker_fields,
    .scalar = "failures",
    .help = "A circuit breaker: where too many requests fail, all are denied at once for a while. Each "
            "worker has its own.",
};

void breaker_init(struct breaker *breaker, const struct breaker_settings *settings)
{
    *breaker = (struct breaker){ .settings = settings };
}

static void close_circuit(struct breaker *breaker, int64_t now)
{
    *breaker = (struct breaker){ .settings = breaker->settings, .part_began = now, .round = breaker->round };
}

static void open_circuit(struct breaker *breaker, int64_t now)
{
    breaker->state = BREAKER_OPEN;
    breaker->opened_at = now;
    breaker->probes_out = breaker->probes_well = 0;
}

/* ---- may it pass ---- */

bool breaker_would_admit(const struct breaker *breaker, int64_t now, int64_t *ret_wait)
{
    const struct breaker_settings *settings = breaker->settings;
    *ret_wait = 0;
    if (settings == NULL || breaker->state == BREAKER_CLOSED) {
        return true;
    }
    if (breaker->state == BREAKER_OPEN) {
        int64_t over = breaker->opened_at + settings->open;
        *ret_wait = over - now;
        return now >= over;
    }
    if (breaker->probes_out + breaker->probes_well < settings->probes) {
        return true;
    }
    int64_t over = breaker->round_began + settings->open;
    *ret_wait = over - now;
    return now >= over;
}

static void begin_round(struct breaker *breaker, int64_t now)
{
    breaker->state = BREAKER_HALF_OPEN;
    breaker->round = breaker->round < UINT32_MAX ? breaker->round + 1 : 1;
    breaker->round_began = now;
    breaker->probes_out = breaker->probes_well = 0;
}

bool breaker_admit(struct breaker *breaker, int64_t now, uint32_t *ret_probe)
{
    int64_t wait;
    *ret_probe = 0;
    if (!breaker_would_admit(breaker, now, &wait)) {
        return false;
    }
    if (breaker->settings == NULL || breaker->state == BREAKER_CLOSED) {
        return true;
    }
    if (breaker->state == BREAKER_OPEN ||
        breaker->probes_out + breaker->probes_well >= breaker->settings->probes) {
        begin_round(breaker, now);
    }
    breaker->probes_out++;
    *ret_probe = breaker->round;
    return true;
}

/* What a probe of an earlier round tells comes too late: the circuit has opened since, or its place is another's. */
static bool counts(const struct breaker *breaker, uint32_t probe)
{
    return breaker->state == BREAKER_HALF_OPEN && probe != 0 && probe == breaker->round;
}

void breaker_forget(struct breaker *breaker, uint32_t probe)
{
    if (counts(breaker, probe)) {
        breaker->probes_out--;
    }
}

/* ---- what became of it ---- */

static void go_on(struct breaker *breaker, int64_t now)
{
    int64_t length = breaker->settings->window / BREAKER_PARTS;
    if (now - breaker->part_began >= breaker->settings->window) {
        close_circuit(breaker, now); /* all that was counted is too old */
        return;
    }
    while (now - breaker->part_began >= length) {
        breaker->part = (breaker->part + 1) % BREAKER_PARTS;
        breaker->parts[breaker->part] = (struct breaker_part){ 0 };
        breaker->part_began += length;
    }
}

void breaker_count(const struct breaker *breaker, uint32_t *ret_all, uint32_t *ret_failed)
{
    *ret_all = *ret_failed = 0;
    for (size_t i = 0; i < BREAKER_PARTS; i++) {
        *ret_all += breaker->parts[i].all;
        *ret_failed += breaker->parts[i].failed;
    }
}

static enum breaker_change note_closed(struct breaker *breaker, int64_t now, bool well)
{
    go_on(breaker, now);
    breaker->parts[breaker->part].all++;
    breaker->parts[breaker->part].failed += !well;
    if (well) {
        return BREAKER_STAYS;
    }
    uint32_t all, failed;
    breaker_count(breaker, &all, &failed);
    if (all < breaker->settings->minimum || (int64_t)failed * 100 < breaker->settings->failures * all) {
        return BREAKER_STAYS;
    }
    open_circuit(breaker, now);
    return BREAKER_OPENS;
}

enum breaker_change breaker_note(struct breaker *breaker, int64_t now, uint32_t probe, bool well)
{
    if (breaker->settings == NULL) {
        return BREAKER_STAYS;
    }
    if (breaker->state == BREAKER_CLOSED) {
        return note_closed(breaker, now, well);
    }
    if (!counts(breaker, probe)) {
        return BREAKER_STAYS; /* it was sent before the circuit opened */
    }
    breaker->probes_out--;
    if (!well) {
        open_circuit(breaker, now);
        return BREAKER_STAYS; /* it was never closed */
    }
    breaker->probes_well++;
    if (breaker->probes_well < breaker->settings->probes) {
        return BREAKER_STAYS;
    }
    close_circuit(breaker, now);
    return BREAKER_CLOSES;
}
