/* The state of one key under one rule, and how it is charged: shared by the files of this room. Lock-free; any thread.
 *
 * An entry has one word for the time when its full allowance is back, beside its fingerprint, and a cell of SLOTS words for
 * windows elsewhere. For a rate the first word is the whole state (GCRA's theoretical arrival time); for a window it is an
 * estimate, for eviction only. So no word ever means two things, and one that a late thread writes into an entry that has
 * changed hands can only make it count too much. A rate touches one cache line, a window two more, which lie side by side. */
#ifndef SALLYPORT_LIMIT_STATE_H
#define SALLYPORT_LIMIT_STATE_H

#include "limit/limit.h"

#include <stdatomic.h>

#define SLOTS LIMIT_SUBWINDOWS

/* A slot: when its last request was, in µs modulo 2^43, and how many it holds. */
#define SLOT_COUNT_BITS 21
#define SLOT_COUNT_MAX  ((UINT64_C(1) << SLOT_COUNT_BITS) - 1)
#define SLOT_TIME_MASK  ((UINT64_C(1) << (64 - SLOT_COUNT_BITS)) - 1)

struct entry {
    _Atomic uint64_t word; /* fingerprint; 0: empty */
    _Atomic uint64_t full_at;
};

struct cell {
    _Atomic uint64_t slots[SLOTS];
};

/* A rule's numbers, made ready. */
struct rule {
    bool is_rate;
    uint64_t count;     /* N, or the burst */
    int64_t window;     /* of a limit, ns */
    uint64_t window_us; /* rounded up */
    int64_t interval;   /* of a rate: ns between two requests in the long run */
    int64_t full;       /* of a rate: ns until an empty allowance is full again */
};

void rule_init(struct rule *rule, const struct limit_settings *settings);

/* Who may tell whether the entry is still the key's own. */
struct place {
    struct entry *entry;  /* NULL: the key has none yet, and its full allowance */
    uint64_t fingerprint; /* what stands there while the entry is the key's */
    struct cell *cell;    /* the entry's */
};

static inline bool place_is_ours(const struct place *place)
{
    return atomic_load(&place->entry->word) == place->fingerprint;
}

/* What a check or charge found. */
struct state {
    uint64_t remaining;
    int64_t reset;       /* ns until the full allowance is back */
    int64_t retry_after; /* ns, where refused */
};

/* What was written, so that it can be taken back. */
struct charge {
    _Atomic uint64_t *word;
    uint64_t before, after;
};

enum charge_result {
    CHARGED,
    REFUSED, /* nothing was written */
    LOST,    /* the entry went to another key meanwhile: find a place anew */
};

/* Would it be admitted? Writes nothing. */
bool window_check(const struct rule *rule, const struct place *place, int64_t now, struct state *out);
bool rate_check(const struct rule *rule, const struct place *place, int64_t now, struct state *out);

enum charge_result window_charge(const struct rule *rule, const struct place *place, int64_t now,
                                 struct state *out, struct charge *ret_charge);
enum charge_result rate_charge(const struct rule *rule, const struct place *place, int64_t now,
                               struct state *out, struct charge *ret_charge);

/* Takes a charge back, whatever others have written since. */
void window_refund(const struct place *place, const struct charge *charge);
void rate_refund(const struct rule *rule, const struct place *place, const struct charge *charge);

#endif
