/* What was sent: the size of the body, announced or counted. */
#include "pipeline/stage.h"

static enum stage_verdict check_length(struct exchange *exchange)
{
    if (exchange->input.body == BODY_LENGTH &&
        exchange->input.content_length > (uint64_t)exchange_policy(exchange)->body) {
        return stage_deny(exchange, DENY_BODY_TOO_LARGE, SLICE_NONE);
    }
    return STAGE_NEXT;
}

static enum deny_reason count_body(struct exchange *exchange, struct slice data)
{
    (void)data; /* counted by the pipeline already */
    return exchange->body_received > (uint64_t)exchange_policy(exchange)->body ? DENY_BODY_TOO_LARGE
                                                                               : DENY_NONE;
}

const struct stage stage_validate = {
    .name = "validate",
    .on_request = check_length,
    .on_body = count_body,
};
