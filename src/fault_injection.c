/* What makes of the program one that makes faults: linked into it by the option fault_injection, and into no other. */
#include "base/random.h"
#include "pipeline/stage.h"
#include "pipeline/worker.h"
#include "route/fault.h"

/* In the exchange's arena. */
struct fault_wait {
    struct deadline deadline;
    struct exchange *exchange;
    bool aborts;
};

bool fault_is_built_in(void)
{
    return true;
}

static bool draws(int64_t percent)
{
    uint32_t lot;
    random_bytes(&lot, sizeof lot);
    return lot % 100 < (uint32_t)percent;
}

static void on_deadline(struct deadline *deadline)
{
    struct fault_wait *wait = (struct fault_wait *)((char *)deadline - offsetof(struct fault_wait, deadline));
    exchange_resume(wait->exchange, wait->aborts ? DENY_FAULT_INJECTED : DENY_NONE, SLICE("after a delay"));
}

enum stage_verdict fault_make(struct exchange *exchange, const struct fault_settings *settings)
{
    struct net_loop *loop = &exchange->worker->loop;
    bool aborts = draws(settings->abort_percent);
    if (settings->delay == 0 || !draws(settings->delay_percent)) {
        return aborts ? stage_deny(exchange, DENY_FAULT_INJECTED, SLICE("at once")) : STAGE_NEXT;
    }
    struct fault_wait *wait = arena_calloc(&exchange->arena, 1, sizeof *wait);
    if (wait == NULL) {
        return stage_deny(exchange, DENY_INTERNAL, SLICE("no memory for a fault"));
    }
    *wait =
        (struct fault_wait){ .deadline = { .expired = on_deadline }, .exchange = exchange, .aborts = aborts };
    exchange->fault = wait;
    deadline_set(&loop->deadlines, &wait->deadline, loop->now, settings->delay);
    return STAGE_WAIT;
}

void fault_forget(struct exchange *exchange)
{
    struct fault_wait *wait = exchange->fault;
    deadline_clear(&wait->deadline);
    exchange->fault = NULL;
}
