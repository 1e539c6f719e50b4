/* How long may it take? A gRPC call says so itself, by grpc-timeout: whatever is waited for from its head on (a signature, a connection,
 * the upstream) ends by then. Other requests, and calls that do not say, have the route's limits alone, which hold for all. */
#include "pipeline/stage.h"

static void look_again(struct exchange *exchange, int64_t left)
{
    struct net_loop *loop = &exchange->worker->loop;
    deadline_set(&loop->deadlines, &exchange->call_deadline, loop->now, deadline_step(left));
}

static void on_deadline(struct deadline *deadline)
{
    struct exchange *exchange =
        (struct exchange *)((char *)deadline - offsetof(struct exchange, call_deadline));
    int64_t left = exchange->call_ends_at - exchange->worker->loop.now;
    if (exchange->state != EXCHANGE_WAITING && exchange->state != EXCHANGE_STREAMING) {
        return; /* it is answered: how long the client takes for that is between it and its connection */
    }
    if (left > 0) {
        look_again(exchange, left);
    } else {
        exchange_fail(exchange, DENY_GRPC_DEADLINE, SLICE_NONE);
    }
}

static enum stage_verdict take_deadline(struct exchange *exchange)
{
    if (!exchange->is_grpc) {
        return STAGE_NEXT;
    }
    int64_t timeout = GRPC_NO_TIMEOUT;
    const char *wrong = grpc_timeout_of(&exchange->input.headers, &timeout);
    if (wrong != NULL) {
        return stage_deny(exchange, DENY_GRPC_TIMEOUT_MALFORMED, slice_from_string(wrong));
    }
    if (timeout == GRPC_NO_TIMEOUT) {
        return STAGE_NEXT;
    }
    if (timeout == 0) {
        return stage_deny(exchange, DENY_GRPC_DEADLINE, SLICE("it came with none left"));
    }
    exchange->call_ends_at = exchange->started + timeout;
    exchange->call_deadline = (struct deadline){ .expired = on_deadline };
    look_again(exchange, timeout);
    return STAGE_NEXT;
}

static void forget_deadline(struct exchange *exchange)
{
    if (exchange->call_ends_at != 0) {
        deadline_clear(&exchange->call_deadline);
    }
}

const struct stage stage_deadline = {
    .name = "deadline",
    .on_request = take_deadline,
    .done = forget_deadline,
};
