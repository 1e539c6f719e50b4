/* Request limits in a table that all workers and processes share.
 *
 * `limit: N/W` never admits more than N in any window of length W. Up to N = LIMIT_SUBWINDOWS it is exact to the
 * microsecond; above, it forgets a request late, and so may refuse up to one part in LIMIT_SUBWINDOWS of N early.
 * `rate: N/W, burst: B` is GCRA (generic cell rate algorithm): B at once, then one each W/N.
 * The table holds a keyed fingerprint and a state per key, no key itself; it lives in shared memory, so that it survives
 * reload and restart of the gateway process. Full: of 16 places that a key may take, the entry nearest to full allowance
 * goes; newcomers are never refused for want of room. But a prefix whose newcomers have displaced more than one in
 * LIMIT_CROWD_SHARE of all entries within a minute (LIMIT_CROWD_LEAST at least) is a crowd: for as long as it is, those of
 * its newcomers that would displace somebody count together, by the prefix. Whoever has an entry keeps it, and where there
 * is room nobody is gathered.
 * Lock-free: a thread or process that stops or dies anywhere leaves a table that is good, and at worst counts too much.
 * Times are those of the decision: a thread whose `now` is older than what another has written decides as of then. */
#ifndef SALLYPORT_LIMIT_LIMIT_H
#define SALLYPORT_LIMIT_LIMIT_H

#include "base/conf_field.h"
#include "base/error.h"
#include "base/shadow.h"

enum limit_by_kind {
    LIMIT_BY_ADDRESS,
    LIMIT_BY_CALLER,
    LIMIT_BY_CLAIM,  /* `by: claims.NAME` */
    LIMIT_BY_HEADER, /* `by: header:NAME`: together with the address */
    LIMIT_BY_ROUTE,  /* `by: route`: one count for everybody */
};

#define LIMIT_NAME_MAX 64

/* One of `limits`: exactly one of limit and rate. */
struct limit_settings {
    /* Shown in RateLimit fields, at most LIMIT_NAME_MAX bytes; empty: made from kind and position, "address-1". */
    struct slice name;
    struct conf_rate limit;
    struct conf_rate rate;
    int64_t burst;   /* with rate; default: count of rate */
    struct slice by; /* address | caller | claims.NAME | header:NAME | route */
    struct shadow_settings shadow;
    /* filled in by limit_check_settings */
    int kind;              /* enum limit_by_kind */
    struct slice argument; /* NAME */
    uint64_t
        identity; /* of the rule: hash over owner, name and numbers, the same in every process; a rule whose numbers
                          change counts afresh */
};

extern const struct conf_object limit_object;

/* NULL, or what is wrong. Fills in kind, argument, identity, and the defaults of name and burst; `position` counts from 0
 * among its owner's limits; `owner` is what the rule belongs to ("route orders.read",
 * "policy user-api": a rule of a policy is one count for all its routes). */
const char *limit_check_settings(struct limit_settings *settings, struct slice owner, unsigned int position);

/* The limit that a caller brings along, whoever says so: by caller, over all routes. NULL, or what is wrong. */
const char *limit_make_own(struct conf_rate limit, struct limit_settings *out);

#define LIMIT_SUBWINDOWS  16
#define LIMIT_CROWD_SHARE 64
#define LIMIT_CROWD_LEAST 64

struct limiter;

/* The size in bytes of a table for `entries` keys (rounded up to a power of two; 144 bytes each). */
size_t limiter_size(size_t entries);
/* Uses `memory` (zeroed, or a table made earlier with the same size: then its counts go on; a table of another version or
 * size is made anew). Shared between threads and processes; the caller maps and unmaps it, aligned to 64 bytes at least.
 * The limiter lives in that memory. The first opening must be over before anyone else opens. */
struct error limiter_open(void *memory, size_t size, struct limiter **ret_limiter) MUST_CHECK;
/* Does the memory file hold a table of `size` bytes that limiter_open would go on with, or none yet? One that others use must
 * not be made anew under their hands. */
bool limiter_fits(int fd, size_t size);

/* One limit of a request. */
struct limit_key {
    const struct limit_settings *settings;
    const void *key; /* what it counts by: address bytes, caller key, claim text */
    size_t key_size;
    const void *prefix; /* what many keys of one source have in common: network bytes. NULL: nothing has */
    size_t prefix_size;
};

struct limit_answer {
    bool allowed;
    unsigned int
        refused_by; /* index of the limit that said no: of several, the one that makes the caller wait longest */
    int64_t retry_after; /* ns, when refused */
    /* of the limit with the least left, for RateLimit fields */
    unsigned int tightest;
    uint64_t remaining;
    int64_t reset; /* ns until its full allowance is back */
};

#define LIMIT_KEYS_MAX 16

/* Checks all, then charges all or none: a refused request charges nothing. More than LIMIT_KEYS_MAX keys: refused.
 * `now`: monotonic ns, not negative. Any thread; no allocation. */
void limiter_decide(struct limiter *limiter, const struct limit_key *keys, size_t count, int64_t now,
                    struct limit_answer *out);

/* Takes one charge of a rate back that was made before, whatever others have written since; of a limit by window there is none.
 * Any thread; no allocation. */
void limiter_give_back(struct limiter *limiter, const struct limit_key *key);

/* RateLimit-Policy and RateLimit values (draft-ietf-httpapi-ratelimit-headers-10, structured fields): `"name";q=100;w=60` for
 * each key, `"name";r=50;t=30` for the tightest. A rate shows its burst and the time that it takes to refill. Not
 * NUL-terminated. Return the length, or 0 where `size` is too small. */
size_t limit_policy_field(const struct limit_key *keys, size_t count, char *out, size_t size);
size_t limit_state_field(const struct limit_key *keys, const struct limit_answer *answer, char *out,
                         size_t size);

/* Since the table was made. */
struct limiter_stats {
    uint64_t displaced; /* entries that went for want of room, not yet as good as new */
    uint64_t gathered;  /* decisions on a newcomer of a crowd, by its prefix */
};

void limiter_read_stats(const struct limiter *limiter, struct limiter_stats *out);

#endif
