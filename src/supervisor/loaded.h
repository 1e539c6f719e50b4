/* A configuration as the supervisor holds it: loaded, with the bytes that it was loaded from. */
#ifndef SALLYPORT_SUPERVISOR_LOADED_H
#define SALLYPORT_SUPERVISOR_LOADED_H

#include "config/config.h"

struct loaded {
    struct config_files *files;
    struct config *config; /* NULL: none */
};

/* Reads the files anew. OK too where the configuration has errors: see config->error_count. */
struct error loaded_read(const struct config_options *options, struct loaded *out) MUST_CHECK;
void loaded_done(struct loaded *loaded);

/* Each diagnostic as an event of the operational log, so that none is cut. The first error's text, cut to `size`, in `first`. */
void loaded_log(const struct loaded *loaded, char *first, size_t size);

/* Warns of what differs and takes a restart to take effect. */
void loaded_compare(const struct loaded *before, const struct loaded *after);

/* Do both hold the gateway process alike? Both are loaded. */
bool loaded_confine_alike(const struct loaded *before, const struct loaded *after);

#endif
