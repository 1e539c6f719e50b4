/* What the patterns of two routes have in common, however each is written: for the checks of a configuration. Pure; any thread. */
#ifndef SALLYPORT_ROUTE_ALIKE_H
#define SALLYPORT_ROUTE_ALIKE_H

#include "route/pattern.h"
#include "route/route.h"

/* Are they one path to the table? Names of variables count for nothing, nor does how a text is escaped. */
bool route_paths_same(struct slice a, struct slice b);

/* May one path be of both patterns? */
bool route_paths_meet(struct slice a, struct slice b);

/* May one request have a method of both? GET allows HEAD too; an empty list is every method. */
bool route_methods_meet(const struct conf_strings *a, const struct conf_strings *b);

/* Two SEGMENT_TEXTs, in their canonical forms; `folds`: without regard to case. What has no such form is like nothing else. */
bool route_texts_same(struct slice a, struct slice b, bool folds);

#endif
