/* The messages in a gRPC body (gRPC's PROTOCOL-HTTP2.md, Length-Prefixed-Message): a byte that says whether it is compressed, 0 or
 * 1, the length in four bytes, the most significant first, and the message. They are counted through, as the body comes, in
 * pieces of any size; no byte of it is kept. What a length says is of the message as it is sent, compressed where it is. Pure;
 * any thread. */
#ifndef SALLYPORT_HTTP_GRPC_MESSAGES_H
#define SALLYPORT_HTTP_GRPC_MESSAGES_H

#include "base/slice.h"

#define GRPC_PREFIX_SIZE 5

/* Where in a body one stands. All zero: at its start. */
struct grpc_messages {
    uint32_t
        left; /* bytes of the message still to come; as long as its prefix is not whole, what is known of its length */
    uint8_t prefix; /* bytes of the prefix that have come; 0: between two messages */
};

enum grpc_messages_result {
    GRPC_MESSAGES_OK,
    GRPC_MESSAGES_FLAG, /* a message begins with neither 0 nor 1 */
    GRPC_MESSAGES_TOO_LARGE, /* one is longer than `limit`, and `left` says how long: as soon as its prefix is whole */
};

/* The next piece of the body; `limit` in bytes of one message, without its prefix. After another result than OK nothing more
 * may be taken. */
enum grpc_messages_result grpc_messages_take(struct grpc_messages *messages, struct slice data,
                                             uint64_t limit);

/* May the body end here? False: within a message, or its prefix. */
bool grpc_messages_whole(const struct grpc_messages *messages);

#endif
