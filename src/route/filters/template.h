/* Texts with {variables} of the route's path: compiled once, filled in for each request. Private to route/filters.
 *
 * "{name}" is the segment that the route's path calls so, "{{" a brace; where the caller may be told, "{claims.NAME}", "{subject}"
 * and what else relay/value.h knows. */
#ifndef SALLYPORT_ROUTE_FILTERS_TEMPLATE_H
#define SALLYPORT_ROUTE_FILTERS_TEMPLATE_H

#include "route/filters/internal.h"

enum template_kind {
    TEMPLATE_TEXT,
    TEMPLATE_VARIABLE,
    TEMPLATE_CALLER, /* what was proven */
};

struct template_part {
    enum template_kind kind;
    struct slice text; /* the constant, the variable's name, or the expression */
    size_t index;      /* where the variable stands among those of the route's first path */
};

#define TEMPLATE_PARTS_MAX 32

struct template
{
    const struct template_part *parts;
    size_t count;
};

/* Is what was proven of the caller told by it? To upstreams, `relay` alone tells that in header fields: it strips the client's own. */
enum template_use {
    TEMPLATE_PATH_ONLY,
    TEMPLATE_OF_CALLER,
};

/* The error is about `field`. Every variable must stand in every path of the route. */
struct error template_compile(struct filter_compiler *compiler, const void *field, struct slice text,
                              enum template_use use, struct template *ret_template) MUST_CHECK;

/* As it looks with a letter in place of each variable: what is wrong with it for every request can be seen. ptr NULL: no memory. */
struct slice template_sample(const struct template *template, struct arena *arena);

/* The text for this request, variables as they stand in the canonical path, percent-encoded: so that no line can end in it. ptr
 * NULL: what it tells of the caller is absent, and so nothing is to be said. What has no faithful form is denied. A template without
 * variables costs nothing. */
enum deny_reason template_fill(const struct template *template, struct filter_run *run,
                               struct slice *ret_text);

/* The same as the value of a query's parameter: everything that is no letter, digit, "-", ".", "_" or "~" is percent-encoded. */
enum deny_reason template_fill_parameter(const struct template *template, struct filter_run *run,
                                         struct slice *ret_text);

/* The same as a whole query, whose constants are encoded already. */
enum deny_reason template_fill_query(const struct template *template, struct filter_run *run,
                                     struct slice *ret_text);

/* The text of a template without variables; else empty. */
static inline struct slice template_constant(const struct template *template)
{
    return template->count == 1 && template->parts[0].kind == TEMPLATE_TEXT ? template->parts[0].text
                                                                            : SLICE("");
}

/* The encoding by itself. ptr NULL: no memory. */
struct slice template_encode(struct slice text, struct arena *arena);

#endif
