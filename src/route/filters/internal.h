/* What the filters share among themselves: one file each, and one row in table.c. Private to route/filters. */
#ifndef SALLYPORT_ROUTE_FILTERS_INTERNAL_H
#define SALLYPORT_ROUTE_FILTERS_INTERNAL_H

#include "http/uri.h"
#include "route/filter.h"

/* A filter as it runs: what it was compiled to, and the exchange. */
typedef enum deny_reason filter_step(const void *compiled, struct filter_run *run);

struct filter_call {
    filter_step *step;
    const void *compiled;
};

struct filter_calls {
    struct filter_call *items;
    size_t count, capacity;
};

struct filter_chain {
    struct filter_calls request, response;  /* each in the order that they were written */
    size_t request_fields, response_fields; /* that they may add */
    bool redirects;
    struct filter_calls request_trailers, response_trailers; /* the removing ones */
};

/* One chain under way. */
struct filter_compiler {
    struct arena *arena;
    const struct filter_route *route;
    struct filter_chain *chain;
    const void *wrong; /* the field that an error is about; NULL: the entry */
};

/* Compiles one entry that says this filter. The text of an error is static or in the arena. */
typedef struct error filter_compile(struct filter_compiler *compiler, const struct filter_settings *settings);

filter_compile filter_strip_prefix, filter_prefix_path, filter_set_path, filter_rewrite_path;
filter_compile filter_add_request_header, filter_set_request_header, filter_remove_request_header,
    filter_map_request_header, filter_dedupe_request_header;
filter_compile filter_add_request_parameter, filter_remove_request_parameter;
filter_compile filter_preserve_host_header, filter_set_host_header;
filter_compile filter_add_response_header, filter_set_response_header, filter_remove_response_header,
    filter_dedupe_response_header, filter_rewrite_location;
filter_compile filter_set_status, filter_redirect_to;

/* Appends a call. */
struct error filter_add(struct filter_compiler *compiler, struct filter_calls *calls, filter_step *step,
                        const void *compiled) MUST_CHECK;

/* An error about `field` with a text of its own. */
struct error filter_wrong(struct filter_compiler *compiler, const void *field, const char *format, ...)
    __attribute__((format(printf, 3, 4))) MUST_CHECK;

#define FILTER_NO_MEMORY FAIL(ERROR_MEMORY, "no memory for the filters")

/* A constant part of a path: canonical as it is written, or the error that says why not, about `field`. `text` begins with "/". */
struct error filter_check_path_text(struct filter_compiler *compiler, const void *field,
                                    struct slice text) MUST_CHECK;

/* Denies for want of memory. */
enum deny_reason filter_no_memory(struct filter_run *run);

#endif
