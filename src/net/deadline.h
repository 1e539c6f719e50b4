/* Deadlines: one list per duration, so that arming, moving and clearing one costs nothing but a few stores.
 *
 * Lists are in order of arming, which is the order of expiry, since all in one list wait equally long. Re-arming only
 * writes the new time; the list is put right lazily, when the old time comes. Single thread; tests inject the clock. */
#ifndef SALLYPORT_NET_DEADLINE_H
#define SALLYPORT_NET_DEADLINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct deadline_class;

#define DEADLINE_CLASSES_MAX \
    64 /* lists of a table; further durations share the nearest shorter one, at some cost */

/* In the owner's struct; zeroed before the first use. */
struct deadline {
    struct deadline *previous, *next;
    struct deadline_class *class;               /* whose list it is in; NULL: in none */
    int64_t at;                                 /* ns, monotonic; DEADLINE_NEVER: parked */
    int64_t listed;                             /* what the list is ordered by: `at`, or an earlier one */
    void (*expired)(struct deadline *deadline); /* called unarmed; may arm again or free the owner */
};

#define DEADLINE_NEVER INT64_MAX

struct deadline_class {
    struct deadline_class *next; /* of the next longer duration */
    int64_t duration;
    struct deadline list; /* head of a ring, in order of `listed` */
};

struct deadline_table {
    struct deadline_class *classes;
    struct deadline_class shortest; /* duration 0: always there, so that a nearest shorter list is, too */
    unsigned int count;
};

void deadline_table_init(struct deadline_table *table);
void deadline_table_done(struct deadline_table *table);

/* Arms or moves: expires `duration` ns after `now`, which never runs backwards; at least 1 ns, so that one that arms itself
 * again cannot hold deadline_run. Without memory for a new duration's list, the nearest shorter list is used, so that a
 * deadline is never lost. */
void deadline_set(struct deadline_table *table, struct deadline *deadline, int64_t now, int64_t duration);

/* Disarms, and takes it off its list: the owner may go. */
void deadline_clear(struct deadline *deadline);

/* Disarms one that will soon be set again: it stays in its list until its old time comes, so that neither this nor the next
 * set touches its neighbours. The owner must still clear it before it goes. */
static inline void deadline_park(struct deadline *deadline)
{
    deadline->at = DEADLINE_NEVER;
}

static inline bool deadline_is_set(const struct deadline *deadline)
{
    return deadline->class != NULL && deadline->at != DEADLINE_NEVER;
}

/* Where durations are as many as owners (a token's rest, what a client asks for), a list for each would be too many: a few serve
 * for all, each a quarter of the next, and the owner looks again when the longest of them that fits into `left` is over. Between
 * 1 ms, so that a look may be that much late, and 65,536 ms. */
int64_t deadline_step(int64_t left);

/* Calls `expired` for all that are due. */
void deadline_run(struct deadline_table *table, int64_t now);

/* A time at or before the next expiry (lists are lazy), or INT64_MAX. */
int64_t deadline_next(const struct deadline_table *table);

#endif
