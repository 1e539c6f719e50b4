/* What was sent: the size of the body, announced or counted, and of a gRPC call's messages. */
#include "pipeline/stage.h"

#include <inttypes.h>

static enum stage_verdict check_length(struct exchange *exchange)
{
    if (exchange->input.body == BODY_LENGTH &&
        exchange->input.content_length > (uint64_t)exchange_policy(exchange)->body) {
        return stage_deny(exchange, DENY_BODY_TOO_LARGE, SLICE_NONE);
    }
    return STAGE_NEXT;
}

/* By a message's prefix: before a byte of what follows goes on. */
static enum deny_reason count_messages(struct exchange *exchange, struct slice data)
{
    struct grpc_messages *messages = &exchange->messages;
    switch (grpc_messages_take(messages, data, (uint64_t)exchange_policy(exchange)->max_grpc_message)) {
    case GRPC_MESSAGES_TOO_LARGE:
        exchange->detail = arena_printf(&exchange->arena, "a message of %" PRIu32 " bytes", messages->left);
        return DENY_GRPC_MESSAGE_TOO_LARGE;
    case GRPC_MESSAGES_FLAG:
        return DENY_GRPC_MESSAGE_FLAG;
    default:
        return DENY_NONE;
    }
}

static enum deny_reason count_body(struct exchange *exchange, struct slice data)
{
    /* counted by the pipeline already */
    if (exchange->body_received > (uint64_t)exchange_policy(exchange)->body) {
        return DENY_BODY_TOO_LARGE;
    }
    return exchange->is_grpc ? count_messages(exchange, data) : DENY_NONE;
}

/* What is cut short is never completed upstream. */
static enum deny_reason check_end(struct exchange *exchange, const struct headers *trailers)
{
    (void)trailers;
    return exchange->is_grpc && !grpc_messages_whole(&exchange->messages) ? DENY_GRPC_MESSAGE_CUT : DENY_NONE;
}

const struct stage stage_validate = {
    .name = "validate",
    .on_request = check_length,
    .on_body = count_body,
    .on_body_end = check_end,
};
