/* Errors and warnings about a configuration: collected, so that all are told at once, in order of file and line.
 * Lives in an arena. One thread. */
#ifndef SALLYPORT_CONFIG_DIAGNOSTICS_H
#define SALLYPORT_CONFIG_DIAGNOSTICS_H

#include "base/buffer.h"
#include "config/tree.h"

enum diagnostic_kind {
    DIAGNOSTIC_ERROR,
    DIAGNOSTIC_WARNING,
};

struct diagnostic {
    struct diagnostic *next;
    enum diagnostic_kind kind;
    struct conf_place place;
    struct slice text;
};

#define DIAGNOSTICS_MAX 500 /* kept; what comes beyond is only counted */

struct diagnostics {
    struct arena *arena;
    struct diagnostic *first, **last;
    size_t kept;
    size_t error_count, warning_count;
    bool out_of_memory; /* something could not be told */
};

void diagnostics_init(struct diagnostics *diagnostics, struct arena *arena);

/* The same text at the same place is told once. Control characters in the text become "?". */
void diagnostics_add(struct diagnostics *diagnostics, enum diagnostic_kind kind, struct conf_place place,
                     const char *format, ...) __attribute__((format(printf, 4, 5)));

/* An error about a node, its path in front: "gateway.yaml:3:9: error: routes.read.body: …". */
void diagnostics_node(struct diagnostics *diagnostics, enum diagnostic_kind kind,
                      const struct conf_node *node, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* A line each: "FILE:LINE:COLUMN: error: TEXT". */
void diagnostics_print(const struct diagnostics *diagnostics, struct buffer *out);

/* "Did you mean": the candidate that is nearest to a wrong name, if it is near enough. */
struct suggestion {
    struct slice wrong;
    struct slice best; /* empty: none */
    size_t distance;
};

void suggestion_init(struct suggestion *suggestion, struct slice wrong);
void suggestion_offer(struct suggestion *suggestion, struct slice candidate);
/* `; did you mean "NAME"?`, or "". */
struct slice suggestion_text(const struct suggestion *suggestion, struct arena *arena);

#endif
