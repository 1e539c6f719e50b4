#include "http/grpc_messages.h"

static enum grpc_messages_result take_prefix(struct grpc_messages *messages, unsigned char byte,
                                             uint64_t limit)
{
    if (messages->prefix == 0 && byte > 1) {
        return GRPC_MESSAGES_FLAG;
    }
    messages->left = messages->prefix == 0 ? 0 : messages->left << 8 | byte;
    messages->prefix++;
    if (messages->prefix < GRPC_PREFIX_SIZE) {
        return GRPC_MESSAGES_OK;
    }
    if (messages->left > limit) {
        return GRPC_MESSAGES_TOO_LARGE;
    }
    messages->prefix = messages->left > 0 ? GRPC_PREFIX_SIZE : 0;
    return GRPC_MESSAGES_OK;
}

/* How much of the piece the message takes. */
static size_t take_message(struct grpc_messages *messages, size_t size)
{
    size_t taken = size < messages->left ? size : messages->left;
    messages->left -= (uint32_t)taken;
    if (messages->left == 0) {
        messages->prefix = 0;
    }
    return taken;
}

enum grpc_messages_result grpc_messages_take(struct grpc_messages *messages, struct slice data,
                                             uint64_t limit)
{
    for (size_t at = 0; at < data.len;) {
        if (messages->prefix == GRPC_PREFIX_SIZE) {
            at += take_message(messages, data.len - at);
            continue;
        }
        enum grpc_messages_result result = take_prefix(messages, (unsigned char)data.ptr[at++], limit);
        if (result != GRPC_MESSAGES_OK) {
            return result;
        }
    }
    return GRPC_MESSAGES_OK;
}

bool grpc_messages_whole(const struct grpc_messages *messages)
{
    return messages->prefix == 0;
}
