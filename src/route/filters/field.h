/* Header fields that filters name: which they may, and what is the same field. Private to route/filters. */
#ifndef SALLYPORT_ROUTE_FILTERS_FIELD_H
#define SALLYPORT_ROUTE_FILTERS_FIELD_H

#include "route/filters/template.h"

/* What is done with a field. */
enum field_use {
    FIELD_REQUEST_SET,
    FIELD_REQUEST_REMOVE,
    FIELD_REQUEST_READ,
    FIELD_RESPONSE_SET,
    FIELD_RESPONSE_REMOVE,
};

static inline bool field_use_is_request(enum field_use use)
{
    return use <= FIELD_REQUEST_READ;
}

/* A name, and where it is set, its value. */
struct field {
    enum header_id id;
    bool folds; /* other spellings of it are the same to servers: of requests */
    struct slice name;
    struct template value;
};

/* The field for `name`, or the error, about `at`, that says whose own it is: what is the protocol's, the gateway's or the route's
 * security's is out of a filter's reach. */
struct error field_compile(struct filter_compiler *compiler, const void *at, struct slice name,
                           enum field_use use, struct field *ret_field) MUST_CHECK;

/* The same with a value: a template whose constants may stand in a header field. */
struct error field_compile_value(struct filter_compiler *compiler, const struct conf_pair *pair,
                                 enum field_use use, struct field *ret_field) MUST_CHECK;

/* A call of `step` for each pair, with its field, among those of the request or the answer. */
struct error field_add_pairs(struct filter_compiler *compiler, const struct conf_pairs *pairs,
                             enum field_use use, filter_step *step) MUST_CHECK;

bool field_is(const struct field *field, const struct header *header);

/* All that are the field, but the first where `replacement` is given, which takes its place; true: it did. */
bool field_replace(const struct field *field, struct headers *headers, const struct header *replacement);

/* The value for this request; ptr NULL: nothing is to be said. What cannot stand in a header field is denied. */
enum deny_reason field_value(const struct field *field, struct filter_run *run, struct slice *ret_value);

/* Adds it behind the last. */
enum deny_reason field_put(const struct field *field, struct slice value, struct filter_run *run);

#endif
