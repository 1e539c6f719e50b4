#include "limit/table.h"

#include "base/random.h"

#include <sys/stat.h>
#include <unistd.h>

#define TABLE_MAGIC   UINT64_C(0x73706c696d697403) /* "splimit" and the layout's version */
#define ENTRIES_MAX   (UINT64_C(1) << 28)
#define ATTEMPTS_MAX  64
#define PATIENCE      4 /* attempts during which one gives way to another for the same key */
#define KEY_WHOLE_MAX 120

_Static_assert(sizeof(struct cell) == 256, "a cell is four cache lines");
_Static_assert(sizeof(struct limiter) % 64 == 0, "the directory starts on a cache line");

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
    return sizeof(struct limiter) + sets * WAYS * (sizeof(uint64_t) + sizeof(struct cell));
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
        uint64_t word = atomic_load(&limiter->directory[i]);
        if ((word & ATTEMPT_MASK) != 0) {
            atomic_compare_exchange_strong(&limiter->directory[i], &word, 0);
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

void limiter_stats(const struct limiter *limiter, uint64_t *ret_used, uint64_t *ret_evicted)
{
    uint64_t used = 0;
    for (size_t i = 0; i < limiter->sets * WAYS; i++) {
        used += atomic_load_explicit(&limiter->directory[i], memory_order_relaxed) != 0;
    }
    *ret_used = used;
    *ret_evicted = atomic_load_explicit(&limiter->evicted, memory_order_relaxed);
}

/* Rule and key are hashed as one text. A long key is first brought to 128 bits, which chosen keys cannot make collide. */
uint64_t table_hash(const struct limiter *limiter, uint64_t identity, const void *key, size_t key_size)
{
    unsigned char text[8 + KEY_WHOLE_MAX];
    memcpy(text, &identity, 8);
    if (key_size <= KEY_WHOLE_MAX) {
        if (key_size > 0) {
            memcpy(text + 8, key, key_size);
        }
        return hash_keyed(&limiter->key, text, 8 + key_size);
    }
    const struct hash_key second = { { ~limiter->key.words[0], limiter->key.words[1] } };
    uint64_t halves[2] = { hash_keyed(&limiter->key, key, key_size), hash_keyed(&second, key, key_size) };
    memcpy(text + 8, halves, sizeof halves);
    /* Longer than any key that is taken whole, so that no short key can pass for a long one. */
    memset(text + 8 + sizeof halves, 0xff, KEY_WHOLE_MAX - sizeof halves);
    return hash_keyed(&second, text, sizeof text);
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

static void set_place(struct limiter *limiter, size_t index, uint64_t fingerprint, struct place *out)
{
    *out = (struct place){ &limiter->directory[index], fingerprint, &table_cells(limiter)[index] };
}

void table_find(struct limiter *limiter, uint64_t hash, struct place *ret_place)
{
    uint64_t fingerprint = fingerprint_of(hash);
    size_t first = set_of(limiter, hash);
    for (size_t i = first; i < first + WAYS; i++) {
        if (atomic_load(&limiter->directory[i]) == fingerprint) {
            set_place(limiter, i, fingerprint, ret_place);
            return;
        }
    }
    ret_place->cell = NULL;
}

struct victim {
    size_t index;
    uint64_t word;
    uint64_t full_at; /* 0: an empty place */
};

/* An empty place, else the entry nearest to full allowance; an entry that is being made only where all are. */
static void choose_victim(struct limiter *limiter, size_t first, int64_t now, struct victim *out)
{
    *out = (struct victim){ .full_at = UINT64_MAX };
    for (size_t i = first; i < first + WAYS; i++) {
        uint64_t word = atomic_load(&limiter->directory[i]);
        if (word == 0) {
            *out = (struct victim){ i, word, 0 };
            return;
        }
        uint64_t full_at = UINT64_MAX - 1;
        if ((word & ATTEMPT_MASK) == 0) {
            full_at = atomic_load_explicit(&table_cells(limiter)[i].full_at, memory_order_acquire);
            full_at = full_at < (uint64_t)now ? 1 : full_at;
        }
        if (full_at < out->full_at) {
            *out = (struct victim){ i, word, full_at };
        }
    }
}

/* All words of a cell. */
struct cell_words {
    uint64_t full_at;
    uint64_t slots[SLOTS];
};

static void read_cell(const struct cell *cell, struct cell_words *out)
{
    out->full_at = atomic_load(&cell->full_at);
    for (size_t i = 0; i < SLOTS; i++) {
        out->slots[i] = atomic_load(&cell->slots[i]);
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
static void clear_cell(struct cell *cell, const struct cell_words *seen)
{
    clear_word(&cell->full_at, seen->full_at);
    for (size_t i = 0; i < SLOTS; i++) {
        clear_word(&cell->slots[i], seen->slots[i]);
    }
}

/* Makes sure that no other place of the set is the key's: two would admit twice the limit. Of two attempts the one in the
 * lower place wins, until patience with a maker that may be dead is over; to drop an attempt is always safe, since nobody
 * has charged it. False where ours must give way. */
static bool stands_alone(struct limiter *limiter, size_t first, size_t own, uint64_t fingerprint,
                         bool patient)
{
    for (size_t i = first; i < first + WAYS; i++) {
        uint64_t word = atomic_load(&limiter->directory[i]);
        while (i != own && (word & ~ATTEMPT_MASK) == fingerprint) {
            if ((word & ATTEMPT_MASK) == 0 || (patient && i < own)) {
                return false;
            }
            if (atomic_compare_exchange_strong(&limiter->directory[i], &word, 0)) {
                break;
            }
        }
    }
    return true;
}

/* One attempt at an entry: claim a place, empty it, see that it is the only one, let it stand. */
static bool make_entry(struct limiter *limiter, size_t first, uint64_t fingerprint, int64_t now, bool patient,
                       size_t *ret_index)
{
    struct victim victim;
    choose_victim(limiter, first, now, &victim);
    struct cell *cell = &table_cells(limiter)[victim.index];
    struct cell_words seen;
    read_cell(cell, &seen);
    uint64_t attempt = fingerprint | (atomic_fetch_add(&limiter->attempts, 1) % ATTEMPT_MASK + 1);
    _Atomic uint64_t *word = &limiter->directory[victim.index];
    uint64_t expected = victim.word;
    if (!atomic_compare_exchange_strong(word, &expected, attempt)) {
        return false;
    }
    clear_cell(cell, &seen);
    expected = attempt;
    if (!stands_alone(limiter, first, victim.index, fingerprint, patient)) {
        atomic_compare_exchange_strong(word, &expected, 0);
        return false;
    }
    if (!atomic_compare_exchange_strong(word, &expected, fingerprint)) {
        return false;
    }
    if (victim.full_at > 1 && (victim.word & ATTEMPT_MASK) == 0) {
        atomic_fetch_add_explicit(&limiter->evicted, 1, memory_order_relaxed);
    }
    *ret_index = victim.index;
    return true;
}

bool table_take(struct limiter *limiter, uint64_t hash, int64_t now, struct place *ret_place)
{
    uint64_t fingerprint = fingerprint_of(hash);
    size_t first = set_of(limiter, hash);
    for (unsigned int attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
        table_find(limiter, hash, ret_place);
        if (ret_place->cell != NULL) {
            return true;
        }
        size_t index;
        if (make_entry(limiter, first, fingerprint, now, attempt < PATIENCE, &index)) {
            set_place(limiter, index, fingerprint, ret_place);
            return true;
        }
    }
    return false;
}
