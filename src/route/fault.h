/* `fault` of a route: requests that are delayed or denied on purpose, to see what becomes of those who call it. Only in a program that
 * is built with fault_injection; any other refuses the setting. */
#ifndef SALLYPORT_ROUTE_FAULT_H
#define SALLYPORT_ROUTE_FAULT_H

#include "base/conf_field.h"

struct fault_settings {
    int64_t delay;         /* ns; 0: none */
    int64_t delay_percent; /* of the requests; 100 */
    int64_t abort_percent; /* of the requests; 0 */
};

extern const struct conf_object fault_object;

/* NULL, or what is wrong: a static text. */
const char *fault_check(const struct fault_settings *settings);

/* False, but in a program with src/fault_injection.c. */
bool fault_is_built_in(void);

#endif
