/* `compress` of a route: whether and how its responses are compressed. See docs/compression.md. */
#ifndef SALLYPORT_COMPRESS_SETTINGS_H
#define SALLYPORT_COMPRESS_SETTINGS_H

#include "base/conf_field.h"

/* In the order in which they are preferred. */
enum compress_algorithm_id {
    COMPRESS_ZSTD,
    COMPRESS_GZIP,
    COMPRESS_ALGORITHMS,
};

enum compress_level {
    COMPRESS_FAST,
    COMPRESS_STANDARD,
    COMPRESS_SMALL,
    COMPRESS_LEVELS,
};

struct compress_settings {
    bool enabled;
    bool no_secrets_in_responses; /* who wrote the route says so */
    uint64_t algorithms;          /* bits of enum compress_algorithm_id */
    struct conf_strings types;    /* of media: "type/subtype", "type/" and "*", "type/" and "*+suffix" */
    int64_t min_size;             /* bytes of a body whose length is known */
    int level;                    /* enum compress_level */
};

extern const struct conf_object compress_object;

/* NULL, or what is wrong with one of `types`. */
const char *compress_check_type(struct slice type);

#endif
