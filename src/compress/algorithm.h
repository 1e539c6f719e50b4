/* Content codings (RFC 9110 section 8.4.1) that responses may be compressed by: one file and one row of a table each. A row knows its
 * library and nothing of HTTP; encoder.h is what others use. */
#ifndef SALLYPORT_COMPRESS_ALGORITHM_H
#define SALLYPORT_COMPRESS_ALGORITHM_H

#include "base/slice.h"
#include "compress/settings.h"

/* What is wanted beside the input's being taken. */
enum compress_goal {
    COMPRESS_GO_ON, /* nothing: the coding keeps what it likes for later */
    COMPRESS_FLUSH, /* a decoder that has what was made so far has all of the input */
    COMPRESS_END,   /* and the body ends with it */
};

enum compress_step {
    COMPRESS_MORE, /* `out` is full: again, with the same goal */
    COMPRESS_DONE, /* the input is taken and the goal is reached */
    COMPRESS_FAILED,
};

struct compress_algorithm {
    struct slice name;  /* as Accept-Encoding and Content-Encoding have it, lower-case */
    struct slice alias; /* another name that clients may ask by; empty: none */
    bool is_common;     /* who says "*" without naming it is taken to have a decoder */
    int levels[COMPRESS_LEVELS];
    /* Memory for one body at a time; NULL: there is none. What a level needs is there from the start: none fails for want of memory
     * once a body has begun. */
    void *(*create)(void);
    /* A new body, whatever became of the one before. */
    bool (*begin)(void *state, int level);
    /* Takes from the front of `*in` and writes at most `room` bytes to `out`, where *ret_made says how many. */
    enum compress_step (*step)(void *state, struct slice *in, enum compress_goal goal, char *out, size_t room,
                               size_t *ret_made);
    /* Bytes that it has taken, its bookkeeping included. */
    size_t (*memory)(const void *state);
    void (*destroy)(void *state);
};

extern const struct compress_algorithm compress_gzip, compress_zstd;

extern const struct compress_algorithm *const compress_algorithms[COMPRESS_ALGORITHMS];

#endif
