/* Conditions of a route beside host, path and method: headers, query parameters, cookies, the client's address, the time.
 *
 * What a client sends holds only where it is said once: a header, cookie or parameter that stands there twice, or that a service could
 * read in two ways (http/query.h), holds for no condition. So whoever sends two values reaches the route that would serve none.
 * Names of headers are compared without case, everything else byte for byte; parameters after their percent-escapes.
 * Compiled once into the snapshot, then read-only: any thread. No allocation but in route_conditions_new. */
#ifndef SALLYPORT_ROUTE_CONDITIONS_H
#define SALLYPORT_ROUTE_CONDITIONS_H

#include "route/route.h"

struct route_conditions;

/* How many there are. */
size_t route_condition_count(const struct match_settings *match);

/* NULL, or what is wrong: a static text, and the setting that it is about. */
const char *route_conditions_problem(const struct match_settings *match, const void **ret_where);

/* Of settings without a problem that have conditions. */
struct error route_conditions_new(const struct match_settings *match, struct arena *arena,
                                  const struct route_conditions **ret_conditions) MUST_CHECK;

bool route_conditions_hold(const struct route_conditions *conditions, const struct route_facts *facts);

/* Is there no request for which both hold? False where it cannot be told. */
bool route_conditions_exclude(const struct match_settings *a, const struct match_settings *b);

/* Can one client, at one time, choose which of the two serves it, by what it sends? Then they share their policy. */
bool route_conditions_leave_choice(const struct match_settings *a, const struct match_settings *b);

#endif
