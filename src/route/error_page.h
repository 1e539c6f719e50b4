/* Bodies of denials beside problem+json, for clients that ask for another type: pages for people. Immutable once compiled; any
 * thread. */
#ifndef SALLYPORT_ROUTE_ERROR_PAGE_H
#define SALLYPORT_ROUTE_ERROR_PAGE_H

#include "base/arena.h"
#include "base/conf_field.h"
#include "base/error.h"
#include "http/headers.h"

#define ERROR_PAGE_MAX (16 * 1024) /* bytes of a file */

enum error_page_type {
    ERROR_PAGE_HTML,
    ERROR_PAGE_TEXT,
    ERROR_PAGE_JSON,
};

struct error_page_part;

/* One entry of `error_pages`. */
struct error_page_settings {
    struct conf_strings codes;    /* public codes; none: any */
    struct conf_strings statuses; /* "404", "4xx"; none: any */
    int type;                     /* enum error_page_type */
    struct slice file;
    /* filled in by config */
    struct slice text; /* of the file */
    struct error_page_part *parts;
    size_t part_count;
};

extern const struct conf_object error_page_object;

/* What it is told of a denial: nothing that problem+json does not say. */
struct error_page_facts {
    unsigned int status;
    struct slice title, code, request_id;
};

/* Takes the text apart. The error's text says what is wrong, and is static or in the arena; *ret_wrong is the field. */
struct error error_page_compile(struct error_page_settings *page, struct arena *arena,
                                const void **ret_wrong) MUST_CHECK;

/* The first page for this denial whose type the client names, and wants as much as problem+json; NULL: none. */
const struct error_page_settings *error_page_find(const struct conf_list *pages,
                                                  const struct error_page_facts *facts,
                                                  const struct headers *request);

/* The body; what is told stands in it escaped for its type. ptr NULL: no memory. */
struct slice error_page_fill(const struct error_page_settings *page, const struct error_page_facts *facts,
                             struct arena *arena);

/* Its Content-Type, with the charset. */
struct slice error_page_content_type(const struct error_page_settings *page);

#endif
