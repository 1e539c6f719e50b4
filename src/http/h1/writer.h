/* Serialises HTTP/1.1 heads and chunks onto a buffer. The caller chose the fields; framing fields are written from the
 * arguments and skipped in the list: what a peer sent never frames our message. All or nothing; false: buffer full, or
 * something that would not be one line on the wire: a name that is no token, a value with a control character or white
 * space at its ends, a target or host with a byte that is not visible ASCII. The callers have checked all that; this is
 * the last line of defence against injection.
 *
 * Skipped: Connection, Content-Length, Transfer-Encoding, Keep-Alive, Proxy-Connection, TE, Upgrade, HTTP2-Settings, by
 * name whatever their number says; Host in requests and trailers. */
#ifndef SALLYPORT_HTTP_H1_WRITER_H
#define SALLYPORT_HTTP_H1_WRITER_H

#include "base/buffer.h"
#include "http/message.h"

struct h1_framing {
    enum http_body body; /* LENGTH: writes Content-Length; CHUNKED: Transfer-Encoding; others: neither */
    uint64_t content_length;
    bool close;      /* writes Connection: close */
    bool keep_alive; /* writes Connection: keep-alive (for HTTP/1.0 peers) */
    bool upgrade;    /* writes Upgrade: websocket and Connection: Upgrade */
};

/* There is no BODY_CLOSE for requests. `target` is origin-form or "*"; `host` becomes the Host field. */
bool h1_write_request(struct buffer *out, struct slice method, struct slice target, struct slice host,
                      const struct headers *headers, const struct h1_framing *framing);
/* The final response, 200 to 599, or 101 with BODY_TUNNEL. 204 takes BODY_NONE or a length of 0, and says neither. */
bool h1_write_response(struct buffer *out, unsigned int status, const struct headers *headers,
                       const struct h1_framing *framing);
/* "HTTP/1.1 100 Continue" and its kin, with fields. */
bool h1_write_informational(struct buffer *out, unsigned int status, const struct headers *headers);

/* "1a2b\r\n" into `out` (at least 18 bytes); returns its length. A size of 0 would end the body: see below for that. */
size_t h1_chunk_header(uint64_t size, char *out);
/* The last chunk with its trailers (may be NULL). */
bool h1_write_last_chunk(struct buffer *out, const struct headers *trailers);

#endif
