/* The head of an upstream's answer over HTTP/2, and its trailers (RFC 9113 sections 8.1 to 8.3): fields come one by one as
 * HPACK decodes them, and become the same message as an HTTP/1.1 answer does, with the same strictness and the same limits.
 * All rules are ours: nghttp2 is told to check none, so that they do not change with its version. Pure; one owner. */
#ifndef SALLYPORT_HTTP_H2_ANSWER_HEAD_H
#define SALLYPORT_HTTP_H2_ANSWER_HEAD_H

#include "http/h2/field_list.h"
#include "http/message.h"

enum h2_answer_part {
    H2_ANSWER_HEAD, /* informational or final */
    H2_ANSWER_TRAILERS,
};

struct h2_answer_head {
    enum h2_answer_part part;
    const char *wrong; /* what is, static text; the first thing counts. NULL: nothing so far */
    size_t decoded;    /* bytes that HPACK made of it, kept or not: what a bomb is measured by */
    unsigned int status;
    bool has_length;
    uint64_t content_length;
    struct h2_field_list fields;
};

/* Once; then begin for each head. */
void h2_answer_init(struct h2_answer_head *head);
void h2_answer_done(struct h2_answer_head *head);

void h2_answer_begin(struct h2_answer_head *head, enum h2_answer_part part);
void h2_answer_field(struct h2_answer_head *head, struct slice name, struct slice value);

/* All fields have come, and `ends` says whether the stream ends with them. NULL, or what is wrong. `method` is the request's:
 * it decides whether a body follows. `items` has room for HTTP_HEADERS_MAX; slices are good until the next begin. An answer
 * whose stream ends with its head has an empty body, and says so (BODY_LENGTH), where its status may have one. */
const char *h2_answer_take(struct h2_answer_head *head, bool ends, enum http_method method,
                           struct header *items, struct http_response *ret_response);
const char *h2_answer_take_trailers(struct h2_answer_head *head, bool ends, struct header *items,
                                    struct headers *ret_trailers);

#endif
