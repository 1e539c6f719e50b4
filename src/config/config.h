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
    /* A client certificate that has expired is an error, as for who asks before it counts; else a warning. */
    bool refuse_expired;
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

/* What is wrong with a caller's own limit, as an API key may have; NULL: nothing. */
const char *config_own_limit_problem(struct conf_rate limit);

/* The keys of a file as one that `file` of this set names: for taking them over into its store. What is wrong is among the
 * diagnostics, and counted. Slices live as long as the configuration. */
struct error config_read_api_keys(struct config *config, struct config_files *files,
                                  const struct api_keys_settings *settings, struct slice path,
                                  struct conf_list *ret_keys) MUST_CHECK;

/* Makes a target of what people write (block/kind.h), and looks whether it can hit anything here: an issuer may be named by its name
 * in the configuration, a route must be there, and an address must not be exempt. NULL, or a static text that says what is
 * wrong. */
const char *config_block_target(const struct settings *settings, enum block_kind kind, struct slice issuer,
                                struct slice value, struct block_target *out);

/* The reference (Markdown) and the JSON Schema, from the tables. */
void config_print_reference(struct buffer *out);
void config_print_schema(struct buffer *out);

#endif
