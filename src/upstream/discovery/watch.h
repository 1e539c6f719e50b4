/* Servers that tell by themselves what changes, asked one question at a time. Private to discovery; the loop's thread. */
#ifndef SALLYPORT_UPSTREAM_DISCOVERY_WATCH_H
#define SALLYPORT_UPSTREAM_DISCOVERY_WATCH_H

#include "fetch/fetch.h"
#include "upstream/discovery/found.h"
#include "upstream/discovery/internal.h"
#include "upstream/discovery/slice_set.h"
#include "upstream/discovery/token.h"
#include "upstream/discovery/watch_lines.h"

#define WATCH_GRACE (10 * NS_PER_S) /* for connecting, and for an answer that is due */
/* For the head of a watch, which an API server sends at once, but for those that it queues. */
#define WATCH_HEAD (20 * NS_PER_S)
#define WATCH_PAUSE \
    (NS_PER_S / 2) /* from one question to the next, and from one change to the next, at least */

struct watched {
    struct discovery_source *source;
    struct buffer url; /* of the question under way, NUL-terminated */
    struct token_look *look;
    struct fetch *fetch;   /* while there is one, it is due when changes wait, or its head does not come */
    unsigned int failures; /* in a row */
    int64_t asked_at;
    /* Consul */
    uint64_t index; /* that is waited beyond; 0: what there is now is asked for */
    bool went_back; /* the last one was lower than the one before */
    /* Kubernetes */
    struct slice_set slices;
    struct watch_lines lines;
    char version[RESOURCE_VERSION_MAX + 1]; /* that is watched from; empty: a list is asked for */
    bool fresh;                             /* the next list is not to be one that a cache has */
    bool streams;                           /* the question under way is a watch */
    bool begun;                             /* its answer has */
    bool changed;                           /* since the last publication */
    bool told;                              /* something, by this watch */
    int64_t published_at;
    const char *problem; /* of this watch; static, or `reason`; NULL: none */
    char reason[SOURCE_REASON_MAX];
};

/* What to ask now; the URL is put into `watched->url`. */
struct question {
    int64_t timeout;
    size_t maximum;
    const struct fetch_stream *stream;
};

/* One for each kind of server. */
struct watch_kind {
    bool (*ask)(struct watched *watched, struct question *ret_question); /* false: no memory */
    /* It is answered, or failed; says when the next question is due. */
    void (*answered)(struct watched *watched, const struct fetch_result *result);
};

extern const struct watch_kind watch_consul, watch_kubernetes;

/* Of an answer that failed: logs it, and the next question is due later each time. `said`: by the server; may be empty. */
void watch_fail(struct watched *watched, const char *reason, struct slice said);
/* All is well: the next question is due soon, and not sooner than WATCH_PAUSE after this one. */
void watch_go_on(struct watched *watched);
/* Publishes what was found, and takes `memory`; false: it is to be told again. */
bool watch_take(struct watched *watched, struct arena *memory, const struct found_endpoints *found,
                bool firm);
struct found_frame watch_frame(const struct watched *watched);
/* kubernetes: what has changed is published, where there is anything. */
void watch_kubernetes_publish(struct watched *watched);

#endif
