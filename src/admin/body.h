/* Reads a JSON body by the tables that the configuration is read by (base/conf_field.h): what may stand in it, its types and bounds,
 * and what the OpenAPI document says of it, come from one place. Strict: a member that is not known, or of another type, is an
 * error; null is as good as absent. Pure; any thread.
 *
 * Types: CONF_STRING, CONF_STRINGS (an array), CONF_RATE, CONF_DURATION (texts as in the configuration), CONF_BOOL, CONF_MAP. */
#ifndef SALLYPORT_ADMIN_BODY_H
#define SALLYPORT_ADMIN_BODY_H

#include "base/arena.h"
#include "base/conf_field.h"
#include "json/json.h"

/* Into `out`, zeroed memory of object->size; slices point into the tree and the arena. NULL where all is well, else what is wrong, in
 * the arena or static: it repeats names of members that are known, and nothing else of what was sent. */
const char *body_read(const struct conf_object *object, const struct json *value, struct arena *arena,
                      void *out) MUST_CHECK;

#endif
