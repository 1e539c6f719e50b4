/* Who gains and who loses access between two configurations: the parts of the comparison. Private to src/config. */
#ifndef SALLYPORT_CONFIG_DIFFERENCE_H
#define SALLYPORT_CONFIG_DIFFERENCE_H

#include "base/map.h"
#include "config/print.h"

#define DIFFERENCE_TEXT_MAX (1024 * 1024) /* bytes of one value or sentence */

enum change {
    CHANGE_GAINS,
    CHANGE_LOSES,
    CHANGE_OTHER,  /* neither, but a reviewer wants to know: another upstream, other keys */
    CHANGE_TUNING, /* no matter of access: timeouts and sizes */
    CHANGE_KINDS,
};

struct change_line {
    struct change_line *next;
    struct slice text;
};

struct difference {
    struct arena arena;
    const struct config *before, *after;
    struct change_line *first[CHANGE_KINDS], **last[CHANGE_KINDS];
    struct map said[CHANGE_KINDS]; /* the same lines, by their texts */
    size_t count;                  /* of lines that are no tuning */
    size_t told;                   /* how often something was told, however often before */
    bool too_much;                 /* something could not be compared or told: there is no memory for it */
};

/* Nothing said yet; before and after are the caller's to set, where it compares more than policies. */
void difference_init(struct difference *difference);
void difference_done(struct difference *difference);

/* A sentence about `subject`. The same sentence is kept once. */
void difference_tell(struct difference *difference, enum change kind, struct slice subject,
                     const char *format, ...) __attribute__((format(printf, 4, 5)));

/* Text into the arena; the buffer is emptied. */
struct slice difference_take(struct difference *difference, struct buffer *buffer);

/* For each request the policy of before and that of after. False: too much to compare. */
bool difference_requests(struct difference *difference) MUST_CHECK;

/* What the policies of the same requests differ in. `subject`: which requests. */
void difference_policies(struct difference *difference, struct slice subject,
                         const struct route_policy *before, const struct route_policy *after);

/* "anybody", "callers with a token of main and all scopes of [read]". */
struct slice difference_callers(struct difference *difference, const struct route_policy *policy);

/* The kind of a change of a field that has no sentence of its own. */
enum change difference_kind(const char *field);

/* A field that has no sentence of its own, "WHERE and NAME is A, was B": nothing where both are the same. `before` and `after`: the
 * structs that have it. */
void difference_field(struct difference *difference, struct slice subject, const char *where,
                      const struct conf_field *field, const void *before, const void *after);
/* Each field of the table that is not among `told`, which NULL ends. Secrets are not told apart. */
void difference_fields(struct difference *difference, struct slice subject, const char *where,
                       const struct conf_object *object, const void *before, const void *after,
                       const char *const *told);
bool difference_is_among(const char *const *names, const char *name);

/* Who is let in for a longer time gains; ns. */
void difference_longer(struct difference *difference, struct slice subject, const char *what, int64_t was,
                       int64_t is);
/* Who may send more gains; bytes. */
void difference_larger(struct difference *difference, struct slice subject, const char *what, int64_t was,
                       int64_t is);

/* Limits that went, came or changed. */
void difference_limits(struct difference *difference, struct slice subject, const struct conf_list *before,
                       const struct conf_list *after);

/* Names of `some` that `others` has not: each told as `kind`, "WHAT NAME VERB". */
void difference_strings(struct difference *difference, struct slice subject, enum change kind,
                        const struct conf_strings *some, const struct conf_strings *others, const char *what,
                        const char *verb);

/* Sets of API keys of the same name: struct api_keys_settings. Keys of a store are no matter of the configuration. */
void difference_keys(struct difference *difference, const void *before, const void *after);

/* Blocks of the file. */
void difference_blocks(struct difference *difference);

/* Listeners, issuers and upstreams of the same name; and the gateway itself. */
void difference_things(struct difference *difference);

#endif
