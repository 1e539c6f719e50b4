/* Single values of the configuration: text to number, choice, path; and what to say where they are wrong. */
#ifndef SALLYPORT_CONFIG_VALUES_H
#define SALLYPORT_CONFIG_VALUES_H

#include "base/conf_field.h"
#include "config/reader.h"

/* Reads CONF_BOOL, INTEGER, DURATION, SIZE, ENUM or RATE; false where it was wrong, and that was told. */
bool value_read(const struct conf_field *field, const struct conf_node *node, struct diagnostics *diagnostics,
                void *out);

/* A text on one line; not a reference to a secret, which only secret fields take. */
bool value_read_text(const struct conf_field *field, const struct conf_node *node,
                     struct diagnostics *diagnostics, struct slice *ret_text);

/* The value of one of field->choices. */
bool value_read_choice(const struct conf_field *field, const struct conf_node *node,
                       struct diagnostics *diagnostics, int *ret_value);

/* "a whole number from 1 to 65535"; "port: 8443". Good as long as the arena. */
struct slice value_wanted(const struct conf_field *field, struct arena *arena);
struct slice value_example(const struct conf_field *field, struct arena *arena);

/* Tells "PATH: WANTED is wanted here, not FOUND, as in "EXAMPLE"". */
void value_tell_wrong(const struct conf_field *field, const struct conf_node *node,
                      struct diagnostics *diagnostics);

/* A path as it is meant in a file: relative ones start at the file's directory. ptr NULL without memory. */
struct slice value_path(const struct conf_source *source, struct slice text, struct arena *arena);

/* The node that field->standard stands for; it has no place. NULL without memory. */
struct conf_node *value_standard(const struct conf_field *field, struct arena *arena);

/* Reads ${env:NAME} or ${file:PATH}. The value itself never stands in a message: what is written in place of a reference
 * may be the secret. Told where it is wrong; fails for want of memory only. */
struct error secret_read(struct conf_reader *reader, const struct conf_node *node,
                         struct slice *out) MUST_CHECK;

/* A copy that is wiped when the arena ends. */
struct error secret_keep(struct arena *arena, struct slice value, struct slice *out) MUST_CHECK;

#endif
