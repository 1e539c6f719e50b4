/* A file of endpoints: a JSON list, each a URL, or an object of `url`, `weight` and `zone`, as the configuration has them. */
#ifndef SALLYPORT_UPSTREAM_DISCOVERY_FILE_H
#define SALLYPORT_UPSTREAM_DISCOVERY_FILE_H

#include "upstream/discovery/endpoint_set.h"

#include <sys/stat.h>

#define ENDPOINT_FILE_MAX ((size_t)1024 * 1024) /* bytes */

/* By what a change of a file shows. Zeroed: it was never read. */
struct file_stamp {
    dev_t device;
    ino_t number;
    off_t size;
    struct timespec changed;
};

/* Reads the file where it is not as `stamp` says, which is set; *ret_text is then malloc's and the caller's; NULL: it is unchanged.
 * May block; any thread. */
struct error endpoint_file_read(const char *path, struct file_stamp *stamp, char **ret_text,
                                size_t *ret_len) MUST_CHECK;

/* Slices point into `text` or `arena`. On failure (ERROR_VALUE, ERROR_SYNTAX) *ret_at is the number of the item, from 1 on; 0: the
 * whole. */
struct error endpoint_file_parse(struct slice text, struct arena *arena, struct found_endpoints *ret_found,
                                 size_t *ret_at) MUST_CHECK;

#endif
