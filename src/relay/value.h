/* The values of identity headers: shared by the files of this room. Pure; any thread. */
#ifndef SALLYPORT_RELAY_VALUE_H
#define SALLYPORT_RELAY_VALUE_H

#include "auth/principal.h"
#include "base/arena.h"
#include "base/error.h"

/* NULL, or what is wrong with an expression. */
const char *value_expression_problem(struct slice expression);

/* What the expression gives for this caller; an empty slice where the header is to be left out. Fails where the value has
 * no faithful form as a field value. Lives in `arena`, the principal or the expression. */
struct error value_of(struct slice expression, const struct principal *principal, struct arena *arena,
                      struct slice *ret_value) MUST_CHECK;

#endif
