/* One tree of all files: the main file, what it includes, and the overlays on top. */
#ifndef SALLYPORT_CONFIG_COMPOSE_H
#define SALLYPORT_CONFIG_COMPOSE_H

#include "base/error.h"
#include "config/config.h"
#include "config/diagnostics.h"

#define CONFIG_INCLUDE_DEPTH_MAX 8

/* `*ret_root`: the composed map, each of its things knowing its owner; NULL where a file could not be read or is no YAML:
 * then nothing can be said about the rest. Fails for want of memory only. */
struct error compose_load(const struct config_options *options, struct config_files *files,
                          struct diagnostics *diagnostics, struct conf_node **ret_root) MUST_CHECK;

/* `over` on top of `base`: maps merge by key, everything else replaces. NULL without memory. merge.c */
struct conf_node *compose_overlay(const struct conf_node *base, const struct conf_node *over,
                                  struct arena *arena);

/* A layer on top of what was merged so far (NULL: nothing): maps merge by key, lists and values replace, lists with CONF_ADDS
 * grow. Keys that `object` does not know are left out. NULL without memory. */
struct conf_node *compose_layer(const struct conf_node *below, const struct conf_node *layer,
                                const struct conf_object *object, struct arena *arena);

#endif
