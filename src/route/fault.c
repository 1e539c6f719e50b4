#include "route/fault.h"

#include "base/clock.h"

static const struct conf_field fault_fields[] = {
    { .name = "delay",
      .type = CONF_DURATION,
      .offset = offsetof(struct fault_settings, delay),
      .standard = "0",
      .minimum = 0,
      .maximum = 60 * NS_PER_S,
      .example = "200ms",
      .help = "How long requests wait before they go to the upstream." },
    { .name = "delay_percent",
      .type = CONF_INTEGER,
      .offset = offsetof(struct fault_settings, delay_percent),
      .standard = "100",
      .minimum = 0,
      .maximum = 100,
      .help = "How many of a hundred do, by lot." },
    { .name = "abort_percent",
      .type = CONF_INTEGER,
      .offset = offsetof(struct fault_settings, abort_percent),
      .standard = "0",
      .minimum = 0,
      .maximum = 100,
      .help = "How many of a hundred, by lot, are denied (503 fault_injected), after the delay where they "
              "have one." },
    { 0 },
};

const struct conf_object fault_object = {
    .name = "fault",
    .size = sizeof(struct fault_settings),
    .fields = fault_fields,
    .help = "Requests that fail or wait on purpose, for tests. Only in a program that is built with "
            "fault_injection: see docs/resilience.md.",
};

const char *fault_check(const struct fault_settings *settings)
{
    if (!fault_is_built_in()) {
        return "this program makes no faults: for tests, build one with `meson setup "
               "-Dfault_injection=true`; "
               "everywhere else, leave this out";
    }
    bool delays = settings->delay > 0 && settings->delay_percent > 0;
    return delays || settings->abort_percent > 0
               ? NULL
               : "it says no fault: `delay`, as in 200ms, or `abort_percent`, as in 5, are";
}

/* A program that makes them has another. */
__attribute__((weak)) bool fault_is_built_in(void)
{
    return false;
}
