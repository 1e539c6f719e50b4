/* WebSocket (RFC 6455) as far as one needs it who takes no part in the conversation: the opening handshake, held to the letter,
 * and where one frame ends and the next begins. Pure; any thread.
 *
 * A request is judged in HTTP/1.1's words. A connection that speaks HTTP/2 puts an extended CONNECT (RFC 8441) into them: the
 * method GET, http_request.upgrade, Upgrade, and a Sec-WebSocket-Key of its own. */
#ifndef SALLYPORT_HTTP_WEBSOCKET_H
#define SALLYPORT_HTTP_WEBSOCKET_H

#include "http/message.h"

enum websocket_verdict {
    WEBSOCKET_NOT_ASKED, /* an ordinary request, or one for another protocol */
    WEBSOCKET_ASKED,     /* a whole handshake, section 4.2.1 */
    WEBSOCKET_VERSION,   /* one of another version: 426, section 4.4 */
    WEBSOCKET_MALFORMED, /* `why` says what is wrong */
};

/* `ret_why` is static text, set for MALFORMED only. */
enum websocket_verdict websocket_check_request(const struct http_request *request, const char **ret_why);

/* Does a 101 grant what was asked for (section 4.1, "the client MUST validate")? NULL, or what is wrong with it: static text. What
 * a server has not understood is no WebSocket, and what follows it may be anything. */
const char *websocket_check_response(const struct http_request *request,
                                     const struct http_response *response);

/* Sec-WebSocket-Accept of a key (section 4.2.2); false: OpenSSL had no memory. */
#define WEBSOCKET_ACCEPT_LENGTH 28
bool websocket_accept(struct slice key, char out[WEBSOCKET_ACCEPT_LENGTH]);

/* Does only HTTP/1.1's handshake have this field? What Sec-WebSocket-Key and -Accept say there, HTTP/2 says by :protocol and
 * 2xx (RFC 8441 section 5), and they mean nothing in it. */
bool websocket_is_http1_field(struct slice name);

/* One direction's frames, from its first byte on. Zeroed before the first use. */
struct websocket_frames {
    uint64_t left;    /* bytes of the present frame's payload that are still to come */
    uint8_t head[14]; /* of a frame whose head came in pieces */
    uint8_t have;     /* bytes of it */
    bool closed;      /* a Close frame has begun: none may follow */
    bool lost;        /* this is not WebSocket: no frame is that long */
};

/* Takes `data`, but no more than to the end of the present frame; returns how much. */
size_t websocket_frames_step(struct websocket_frames *frames, struct slice data);
void websocket_frames_follow(struct websocket_frames *frames, struct slice data);
/* May a frame of our own be put here? */
bool websocket_frames_between(const struct websocket_frames *frames);

/* A Close frame (section 5.5.1). `mask`: four random bytes, from a client; NULL from a server. `reason`: at most 60 bytes. Returns
 * its length. */
#define WEBSOCKET_CLOSE_MAX 68
enum {
    WEBSOCKET_GOING_AWAY = 1001,
    WEBSOCKET_POLICY_VIOLATION = 1008
};
size_t websocket_close_frame(unsigned int code, struct slice reason, const unsigned char *mask,
                             char out[WEBSOCKET_CLOSE_MAX]);

#endif
