#include "limit/table.h"

#include "base/clock.h"
#include "base/random.h"

#include <sys/stat.h>
#include <unistd.h>

#define TABLE_MAGIC  UINT64_C(0x73706c696d697404) /* "splimit" and the layout's version */
#define ENTRIES_MAX  (UINT64_C(1) << 28)
#define ATTEMPTS_MAX 64
#define PATIENCE     4 /* attempts during which one gives way to another for the same key */

#define CROWD_PERIOD (60 * NS_PER_S)

_Static_assert(sizeof(struct cell) == 128, "a cell is two cache lines");
_Static_assert(sizeof(struct entry) * WAYS_PER_LINE == 64, "entries fill cache lines");
_Static_assert(sizeof(struct limiter) % 64 == 0, "the entries start on a cache line");

static uint64_t sets_for(size_t entries)
{
    uint64_t sets = 1;
    while (sets * WAYS < entries && sets * WAYS < ENTRIES_MAX) {
        sets *= 2;
    }
    return sets;
}

static size_t size_of(uint64_t sets)
{
    return sizeof(struct limiter) + sets * WAYS * (sizeof(struct entry) + sizeof(struct cell));
}

size_t limiter_size(size_t entries)
{
    return size_of(sets_for(entries));
}

static void make_table(struct limiter *limiter, size_t size, uint64_t sets)
{
    memset((void *)limiter, 0, size_of(sets));
    limiter->size = size;
    limiter->sets = sets;
    random_bytes(&limiter->key, sizeof limiter->key);
    atomic_store(&limiter->magic, TABLE_MAGIC);
}

/* Entries that a killed process was making. Where one is being made right now, its maker finds it gone and starts again. */
static void drop_attempts(struct limiter *limiter)
{
    for (size_t i = 0; i < limiter->sets * WAYS; i++) {
        uint64_t word = atomic_load(&limiter->entries[i].word);
        if ((word & ATTEMPT_MASK) != 0) {
            atomic_compare_exchange_strong(&limiter->entries[i].word, &word, 0);
        }
    }
}

struct error limiter_open(void *memory, size_t size, struct limiter **ret_limiter)
{
    if (memory == NULL || (uintptr_t)memory % 64 != 0 || size < size_of(1)) {
        return FAIL(ERROR_VALUE, "the memory for limits is too small or not aligned");
    }
    uint64_t sets = 1;
    while (sets * WAYS < ENTRIES_MAX && size_of(sets * 2) <= size) {
        sets *= 2;
    }
    struct limiter *limiter = memory;
    if (atomic_load(&limiter->magic) == TABLE_MAGIC && limiter->size == size && limiter->sets == sets) {
        drop_attempts(limiter);
    } else {
        make_table(limiter, size, sets);
    }
    *ret_limiter = limiter;
    return OK;
}

bool limiter_fits(int fd, size_t size)
{
    struct stat facts;
    uint64_t front[2]; /* magic and size */
    return fstat(fd, &facts) == 0 && facts.st_size == (off_t)size &&
           pread(fd, front, sizeof front, 0) == (ssize_t)sizeof front &&
           (front[0] == 0 || (front[0] == TABLE_MAGIC && front[1] == size));
}

void limiter_read_stats(const struct limiter *limiter, struct limiter_stats *out)
{
    *out = (struct limiter_stats){
        .displaced = atomic_load_explicit(&limiter->displaced, memory_order_relaxed),
        .gathered = atomic_load_explicit(&limiter->gathered, memory_order_relaxed),
    };
}

size_t table_used(const struct limiter *limiter)
{
    size_t used = 0;
    for (size_t i = 0; i < limiter->sets * WAYS; i++) {
        used += atomic_load_explicit(&limiter->entries[i].word, memory_order_relaxed) != 0;
    }
    return used;
}

uint64_t table_hash(const struct limiter *limiter, uint64_t identity, const void *key, size_t key_size)
{
    return hash_keyed_behind(&limiter->key, identity, key, key_size);
}

static uint64_t fingerprint_of(uint64_t hash)
{
    uint64_t fingerprint = hash & ~ATTEMPT_MASK;
    return fingerprint != 0 ? fingerprint : ATTEMPT_MASK + 1;
}

static size_t set_of(const struct limiter *limiter, uint64_t hash)
{
    return (size_t)(hash & (limiter->sets - 1)) * WAYS;
}

/* The ways of a set in the order in which this key looks at them: from the first of its own line on. */
static size_t way_of(uint64_t hash, size_t turn)
{
    return ((size_t)(hash >> 32) * WAYS_PER_LINE + turn) % WAYS;
}

_Atomic uint64_t *table_crowd(struct limiter *limiter, const void *prefix, size_t prefix_size)
{
    return &limiter->crowds[table_hash(limiter, 0, prefix, prefix_size) % CROWDS];
}

/* May one more of the crowd displace somebody? */
static bool charge_crowd(const struct limiter *limiter, _Atomic uint64_t *crowd, int64_t now)
{
    uint64_t share = limiter->sets * WAYS / LIMIT_CROWD_SHARE;
    uint64_t interval = (uint64_t)CROWD_PERIOD / (share > LIMIT_CROWD_LEAST ? share : LIMIT_CROWD_LEAST);
    uint64_t full_at = atomic_load(crowd), after;
    do {
        /* Farther ahead than it can come: of another clock. */
        uint64_t from =
            full_at > (uint64_t)now && full_at <= (uint64_t)(now + CROWD_PERIOD) ? full_at : (uint64_t)now;
        after = from + interval;
        if (after > (uint64_t)(now + CROWD_PERIOD)) {
            return false;
        }
    } while (!atomic_compare_exchange_weak(crowd, &full_at, after));
    return true;
}

void table_prefetch(const struct limiter *limiter, uint64_t hash)
{
    __builtin_prefetch(&limiter->entries[set_of(limiter, hash) + way_of(hash, 0)]);
}

static void set_place(struct limiter *limiter, size_t index, uint64_t fingerprint, struct place *out)
{
    *out = (struct place){ &limiter->entries[index], fingerprint, &table_cells(limiter)[index] };
}

void table_find(struct limiter *limiter, uint64_t hash, struct place *ret_place)
{
    uint64_t fingerprint = fingerprint_of(hash);
    size_t first = set_of(limiter, hash);
    for (size_t turn = 0; turn < WAYS; turn++) {
        size_t i = first + way_of(hash, turn);
        if (atomic_load(&limiter->entries[i].word) == fingerprint) {
            set_place(limiter, i, fingerprint, ret_place);
            return;
        }
    }
    ret_place->entry = NULL;
}

struct victim {
    size_t index;
    uint64_t word;
    uint64_t full_at; /* 0: an empty place; 1: it is as good as new */
};

/* An empty place, else the entry nearest to full allowance; an entry that is being made only where all are. */
static void choose_victim(struct limiter *limiter, uint64_t hash, int64_t now, struct victim *out)
{
    size_t first = set_of(limiter, hash);
    *out = (struct victim){ .full_at = UINT64_MAX };
    for (size_t turn = 0; turn < WAYS; turn++) {
        size_t i = first + way_of(hash, turn);
        uint64_t word = atomic_load(&limiter->entries[i].word);
        if (word == 0) {
            *out = (struct victim){ i, word, 0 };
            return;
        }
        uint64_t full_at = UINT64_MAX - 1;
        if ((word & ATTEMPT_MASK) == 0) {
            full_at = atomic_load_explicit(&limiter->entries[i].full_at, memory_order_acquire);
            full_at = full_at < (uint64_t)now ? 1 : full_at;
        }
        if (full_at < out->full_at) {
            *out = (struct victim){ i, word, full_at };
        }
    }
}

static bool displaces(const struct victim *victim)
{
    return victim->full_at > 1 && (victim->word & ATTEMPT_MASK) == 0;
}

/* All words of an entry but its fingerprint. */
struct entry_words {
    uint64_t full_at;
    uint64_t slots[SLOTS];
};

static void read_entry(const struct place *place, struct entry_words *out)
{
    out->full_at = atomic_load(&place->entry->full_at);
    for (size_t i = 0; i < SLOTS; i++) {
        out->slots[i] = atomic_load(&place->cell->slots[i]);
    }
}

static void clear_word(_Atomic uint64_t *word, uint64_t seen)
{
    if (seen != 0) {
        atomic_compare_exchange_strong(word, &seen, 0);
    }
}

/* Word by word, and only what was read while the place was another's: if we are stopped here, lose the place and go on
 * much later, nothing that its next owner has charged is lost. */
static void clear_entry(const struct place *place, const struct entry_words *seen)
{
    clear_word(&place->entry->full_at, seen->full_at);
    for (size_t i = 0; i < SLOTS; i++) {
        clear_word(&place->cell->slots[i], seen->slots[i]);
    }
}

/* Makes sure that no other place of the set is the key's: two would admit twice the limit. Of two attempts the one in the
 * lower place wins, until patience with a maker that may be dead is over; to drop an attempt is always safe, since nobody
 * has charged it. False where ours must give way. */
static bool stands_alone(struct limiter *limiter, size_t first, size_t own, uint64_t fingerprint,
                         bool patient)
{
    for (size_t i = first; i < first + WAYS; i++) {
        uint64_t word = atomic_load(&limiter->entries[i].word);
        while (i != own && (word & ~ATTEMPT_MASK) == fingerprint) {
            if ((word & ATTEMPT_MASK) == 0 || (patient && i < own)) {
                return false;
            }
            if (atomic_compare_exchange_strong(&limiter->entries[i].word, &word, 0)) {
                break;
            }
        }
    }
    return true;
}

/* One attempt at an entry in the victim's place: claim it, empty it, see that it is the only one, let it stand. */
static bool make_entry(struct limiter *limiter, uint64_t hash, const struct victim *victim, bool patient,
                       struct place *ret_place)
{
    struct place place;
    struct entry_words seen;
    set_place(limiter, victim->index, fingerprint_of(hash), &place);
    read_entry(&place, &seen);
    uint64_t attempt = place.fingerprint | (atomic_fetch_add(&limiter->attempts, 1) % ATTEMPT_MASK + 1);
    _Atomic uint64_t *word = &place.entry->word;
    uint64_t expected = victim->word;
    if (!atomic_compare_exchange_strong(word, &expected, attempt)) {
        return false;
    }
    clear_entry(&place, &seen);
    expected = attempt;
    if (!stands_alone(limiter, set_of(limiter, hash), victim->index, place.fingerprint, patient)) {
        atomic_compare_exchange_strong(word, &expected, 0);
        return false;
    }
    if (!atomic_compare_exchange_strong(word, &expected, place.fingerprint)) {
        return false;
    }
    if (displaces(victim)) {
        atomic_fetch_add_explicit(&limiter->displaced, 1, memory_order_relaxed);
    }
    *ret_place = place;
    return true;
}

enum table_result table_take(struct limiter *limiter, uint64_t hash, _Atomic uint64_t *crowd, int64_t now,
                             struct place *ret_place)
{
    for (unsigned int attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
        struct victim victim;
        table_find(limiter, hash, ret_place);
        if (ret_place->entry != NULL) {
            return TABLE_TAKEN;
        }
        choose_victim(limiter, hash, now, &victim);
        if (crowd != NULL && displaces(&victim)) {
            if (!charge_crowd(limiter, crowd, now)) {
                return TABLE_CROWDED;
            }
            crowd = NULL; /* paid, however often others cross it */
        }
        if (make_entry(limiter, hash, &victim, attempt < PATIENCE, ret_place)) {
            return TABLE_TAKEN;
        }
    }
    return TABLE_CROSSED;
}
