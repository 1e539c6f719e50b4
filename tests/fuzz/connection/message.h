/* A second reading of HTTP/1.1, by RFC 9112 alone and sharing nothing with the gateway's parser: what a peer that follows the RFC
 * takes the bytes for. */
#ifndef SALLYPORT_TESTS_FUZZ_CONNECTION_MESSAGE_H
#define SALLYPORT_TESTS_FUZZ_CONNECTION_MESSAGE_H

#include "base/slice.h"

#define MESSAGE_FIELDS_MAX 160

enum message_end {
    MESSAGE_WHOLE,
    MESSAGE_CUT, /* the bytes end within it */
    MESSAGE_BAD, /* no HTTP */
};

enum message_framing {
    FRAMING_NONE,
    FRAMING_LENGTH,
    FRAMING_CHUNKED,
    FRAMING_CLOSE
};

struct message_field {
    struct slice name, value;
};

struct message {
    enum message_end end;
    bool has_head;
    struct slice method, target; /* of a request */
    unsigned int status;         /* of a response */
    unsigned int minor_version;
    struct message_field fields[MESSAGE_FIELDS_MAX];
    size_t field_count;
    enum message_framing framing;
    char *body; /* as far as it has come; malloc'd */
    size_t body_size;
    size_t trailer_count;
    size_t size; /* bytes of it, as far as they were read */
};

/* A request. The message's body is freed by message_done. */
void message_read_request(struct slice bytes, struct message *ret_message);
/* A response to a request of that method; `ended`: nothing comes behind the bytes. */
void message_read_response(struct slice bytes, struct slice method, bool ended, struct message *ret_message);
void message_done(struct message *message);

/* The only field of that name; ptr NULL: none; more than one is counted. */
struct slice message_field(const struct message *message, const char *name, size_t *ret_count);

#endif
