/* Loads a configuration: YAML files, includes, overlays, merging, field tables, cross-checks. Reports every error at
 * once, each with its place. One thread per call. */
#ifndef SALLYPORT_CONFIG_CONFIG_H
#define SALLYPORT_CONFIG_CONFIG_H

#include "base/buffer.h"
#include "config/files.h"
#include "config/settings.h"

struct config_options {
    struct slice path;            /* of the main file */
    const struct slice *overlays; /* in order */
    size_t overlay_count;
};

/* A loaded configuration with the places of its values. */
struct config {
    struct arena arena;
    struct settings settings;
    struct config_places *places; /* for diagnostics, `check` and origins */
    size_t error_count, warning_count;
};

/* Always gives a config (unless memory is out), with its diagnostics; usable only where error_count is 0. Everything that
 * can be wrong is checked here: names that lead nowhere, certificates and keys (by tls_server_new), key sets, patterns,
 * ambiguous routes, hosts and paths of teams, locked policies, public routes. */
struct error config_load(const struct config_options *options, struct config_files *files,
                         struct config **ret_config) MUST_CHECK;
void config_free(struct config *config);

/* "FILE:LINE:COL: error: …" and "… warning: …", a line each, in order of file and line. */
void config_print_diagnostics(const struct config *config, struct buffer *out);

/* The effective policy per route with the origin of each value; secrets masked. What `check` prints. */
void config_print_effective(const struct config *config, struct buffer *out);

/* Who gains and who loses access from `before` to `after`, and other changes that a reviewer wants to know; true where
 * there is any. Timeouts and sizes of the gateway itself are told too, and do not count. What `diff` prints. */
bool config_print_difference(const struct config *before, const struct config *after, struct buffer *out);

/* The reference (Markdown) and the JSON Schema, from the tables. */
void config_print_reference(struct buffer *out);
void config_print_schema(struct buffer *out);

#endif
