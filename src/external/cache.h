/* Decisions that are remembered: bounded, each for its own key and time. Of one worker and one configuration: with a new
 * configuration it begins empty. One thread; finding allocates nothing. */
#ifndef SALLYPORT_EXTERNAL_CACHE_H
#define SALLYPORT_EXTERNAL_CACHE_H

#include "external/answer.h"
#include "external/request.h"

#define DECISION_CACHE_WAYS 4

struct decision {
    unsigned char key[EXTERNAL_KEY_SIZE];
    int64_t until; /* ns, monotonic */
    uint64_t used;
    struct external_answer *answer; /* NULL: free */
};

struct decision_cache {
    struct decision *entries;
    size_t set_mask;
    uint64_t tick;
};

/* False: no memory. */
bool decision_cache_init(struct decision_cache *cache, size_t entries);
void decision_cache_done(struct decision_cache *cache);

/* A reference for the caller; NULL: none that is still good at `now`. */
struct external_answer *decision_cache_find(struct decision_cache *cache, const unsigned char *key,
                                            int64_t now);
/* Takes a reference of its own; in a full set the decision goes that was not used for longest. */
void decision_cache_put(struct decision_cache *cache, const unsigned char *key,
                        struct external_answer *answer, int64_t until);

#endif
