/* Message fields as nghttp2 takes them: lower-case names, without what only HTTP/1.1 has (RFC 9113 section 8.2.2), and each
 * checked once more: whatever made the list, what leaves is one field. Pure. Single thread.
 *
 * The list is written into `out`, which is cleared first: an array of nghttp2_nv at its start and the text behind it, so that
 * nghttp2 need not copy; it must stay until the frame is made. Values that differ in every message are marked so that they
 * do not push what repeats out of the table of HPACK; secrets, so that no table ever holds them (RFC 7541 section 7.1.3). */
#ifndef SALLYPORT_HTTP_H2_FIELDS_H
#define SALLYPORT_HTTP_H2_FIELDS_H

#include "base/buffer.h"
#include "http/message.h"

#include <nghttp2/nghttp2.h>

/* A field that is none of the message's: a pseudo-header, or `te`. Its name is a literal, its value checked. */
struct h2_own_field {
    struct slice name, value;
};

/* How many bytes a list may take: those of a head, once as nghttp2's and once as text. */
#define H2_FIELDS_MAX (4 * HTTP_HEAD_MAX)

/* Our own first, pseudo-headers at their head, then the fields; Host, Content-Length and what only HTTP/1.1 has are left
 * out: `length` is written where it is not NULL. False: no room, or a field that may not be written. */
bool h2_write_fields(struct buffer *out, const struct h2_own_field *own, size_t own_count,
                     const struct headers *headers, const uint64_t *length, size_t *ret_count);

/* The final response's head, 200 to 599, or an informational one, 100 to 199 but 101. */
bool h2_write_response(struct buffer *out, const struct http_response *response, size_t *ret_count);

static inline const nghttp2_nv *h2_fields_of(const struct buffer *written)
{
    return (const nghttp2_nv *)(const void *)(written->data + written->begin);
}

#endif
