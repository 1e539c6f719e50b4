/* Where faults are made on purpose, in a program that is built with them: between the gateway, which has decided by then, and the
 * upstream. */
#include "pipeline/stage.h"

/* As good as without the setting, which check refuses here; a program that makes faults has others. */
__attribute__((weak)) enum stage_verdict fault_make(struct exchange *exchange,
                                                    const struct fault_settings *settings)
{
    (void)exchange;
    (void)settings;
    return STAGE_NEXT;
}

__attribute__((weak)) void fault_forget(struct exchange *exchange)
{
    (void)exchange;
}

static enum stage_verdict make_fault(struct exchange *exchange)
{
    const struct fault_settings *settings = exchange_policy(exchange)->fault;
    return settings == NULL ? STAGE_NEXT : fault_make(exchange, settings);
}

static void forget_fault(struct exchange *exchange)
{
    if (exchange->fault != NULL) {
        fault_forget(exchange);
    }
}

const struct stage stage_fault = {
    .name = "fault",
    .on_request = make_fault,
    .done = forget_fault,
};
