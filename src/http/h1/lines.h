/* One line of a head at a time, for the parser: start lines, fields, and what fields say about framing. Lines come
 * without their CRLF and free of control characters other than HTAB. Private to h1. */
#ifndef SALLYPORT_HTTP_H1_LINES_H
#define SALLYPORT_HTTP_H1_LINES_H

#include "http/h1/parser.h"

/* RFC 9112 section 3: method SP request-target SP HTTP-version, with single spaces. */
enum h1_failure h1_request_line(struct h1_parser *parser, const char *data, struct h1_span line);

/* RFC 9112 section 4: HTTP-version SP status-code SP [reason-phrase]. The second SP may be missing where there is no
 * reason: many servers write it so, and it can be read in one way only. */
enum h1_failure h1_status_line(struct h1_parser *parser, const char *data, struct h1_span line);

/* RFC 9112 section 5: name ":" OWS value OWS. Spans are relative to `data`, as the line's is. */
enum h1_failure h1_split_field(const char *data, struct h1_span line, struct h1_field *ret_field);

/* Splits one field, appends it to the parser's, and decides what it says about framing. */
enum h1_failure h1_field_line(struct h1_parser *parser, const char *data, struct h1_span line);

/* What can only be said once all fields are there. */
enum h1_failure h1_head_end(const struct h1_parser *parser);

static inline struct slice h1_span_slice(const char *data, struct h1_span span)
{
    return (struct slice){ data + span.offset, span.length };
}

#endif
