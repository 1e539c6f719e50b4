/* Reads a YAML 1.2 file into a located tree, with libfyaml's events.
 *
 * What configuration does not need and attacks do is refused: anchors, aliases and merge keys (`<<`), tags, several
 * documents, keys that are no text, duplicate keys, control characters, text that is not UTF-8; nesting beyond
 * CONFIG_DEPTH_MAX. The first such thing ends the file: it is told with its place. One thread. */
#ifndef SALLYPORT_CONFIG_YAML_H
#define SALLYPORT_CONFIG_YAML_H

#include "base/error.h"
#include "config/diagnostics.h"

/* `*ret_root` is the root map, or NULL where an error was told. Fails for want of memory only. `source` must live as long
 * as the tree; the text need not. */
struct error yaml_parse(struct slice text, const struct conf_source *source, struct diagnostics *diagnostics,
                        struct conf_node **ret_root) MUST_CHECK;

/* What the core schema (YAML 1.2.2 section 10.3.2) takes a scalar without quotes for: "a boolean", "a number", "nothing"; NULL: a text,
 * which it is to the reader wherever one is wanted. */
const char *yaml_takes_for(struct slice plain);

#endif
