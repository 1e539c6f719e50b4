/* Decisions that are remembered: bounded, each for its own key and time. Of one worker and one configuration: with a new
 * configuration it begins empty. One thread; finding allocates nothing. */
#ifndef SALLYPORT_EXTERNAL_CACHE_H
#define SALLYPORT_EXTERNAL_CACHE_H

#include "base/digest_cache.h"
#include "external/answer.h"
#include "external/request.h"

struct decision_cache {
    struct digest_cache answers;
};

/* False: no memory. */
bool decision_cache_init(struct decision_cache *cache, size_t entries);
void decision_cache_done(struct decision_cache *cache);

/* A reference for the caller; NULL: none that is still good at `now`. */
struct external_answer *decision_cache_find(struct decision_cache *cache, const unsigned char *key,
                                            int64_t now);
/* Takes a reference of its own. `until`: monotonic ns. */
void decision_cache_put(struct decision_cache *cache, const unsigned char *key,
                        struct external_answer *answer, int64_t until);

#endif
