#include "limit/once.h"

#include <stdatomic.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/random.h"

#define ONCE_MAGIC UINT64_C(0x73706f6e63650001) /* "sponce" and the layout's version */
#define SETS_MAX   (UINT64_C(1) << 20)

/* A word is a fingerprint above and the second of its end below, counted round; 0: free. The low bits of the hash choose the set,
 * the others are the fingerprint. */
#define END_BITS  20
#define END_MASK  ((UINT64_C(1) << END_BITS) - 1)
#define ATTEMPTS  8
#define MARGIN_NS (2 * NS_PER_S) /* that a thread's clock may be behind another's */

_Static_assert(ONCE_LIFE_MAX_S + 4 < (1 << END_BITS) / 8, "an end that has passed is told from one to come");

struct once_table {
    _Atomic uint64_t magic; /* written last */
    uint64_t sets;          /* a power of two */
    _Atomic int64_t since, life;
    struct hash_key key;
    unsigned char secret[ONCE_SECRET];
    _Alignas(ONCE_ALIGNMENT) _Atomic uint64_t words[];
};

static uint64_t sets_for(size_t uses)
{
    uint64_t sets = 1;
    while (sets * ONCE_WAYS < uses && sets < SETS_MAX) {
        sets *= 2;
    }
    return sets;
}

static size_t size_of(uint64_t sets)
{
    return sizeof(struct once_table) + sets * ONCE_WAYS * sizeof(uint64_t);
}

size_t once_size(size_t uses)
{
    return size_of(sets_for(uses));
}

bool once_fits(int fd, size_t size)
{
    struct stat facts;
    uint64_t magic;
    return fstat(fd, &facts) == 0 && facts.st_size == (off_t)size &&
           pread(fd, &magic, sizeof magic, 0) == (ssize_t)sizeof magic && (magic == 0 || magic == ONCE_MAGIC);
}

/* One control thread opens it at a time: the supervisor starts gateway processes one after the other, and a maker that was killed
 * leaves a table that was never used. */
struct error once_open(void *memory, size_t size, int64_t now, struct once_table **ret_table)
{
    if (memory == NULL || (uintptr_t)memory % ONCE_ALIGNMENT != 0 || size < size_of(1)) {
        return FAIL(ERROR_VALUE, "the memory for what may be used once is too small or not aligned");
    }
    struct once_table *table = memory;
    uint64_t sets = 1;
    while (sets < SETS_MAX && size_of(sets * 2) <= size) {
        sets *= 2;
    }
    if (atomic_load(&table->magic) != ONCE_MAGIC || table->sets != sets) {
        memset(memory, 0, size_of(sets));
        table->sets = sets;
        atomic_store(&table->since, now);
        random_bytes(&table->key, sizeof table->key);
        random_bytes(table->secret, sizeof table->secret);
        atomic_store(&table->magic, ONCE_MAGIC);
    }
    *ret_table = table;
    return OK;
}

/* Has the word's use not ended? Ends are never farther ahead than ONCE_LIFE_MAX_S: what seems to be has passed long ago. */
static bool is_live(uint64_t word, uint64_t second)
{
    uint64_t left = ((word & END_MASK) - second) & END_MASK;
    return word != 0 && left > 0 && left <= ONCE_LIFE_MAX_S + 4;
}

/* Looks through the whole set. *ret_free: the first place that is free, with what stands there, or ONCE_WAYS. */
static bool stands_there(const struct once_table *table, size_t first, uint64_t mark, uint64_t second,
                         size_t *ret_free, uint64_t *ret_seen)
{
    *ret_free = ONCE_WAYS;
    for (size_t i = 0; i < ONCE_WAYS; i++) {
        uint64_t word = atomic_load(&table->words[first + i]);
        bool live = is_live(word, second);
        if (live && (word & ~END_MASK) == mark) {
            return true;
        }
        if (!live && *ret_free == ONCE_WAYS) {
            *ret_free = i;
            *ret_seen = word;
        }
    }
    return false;
}

/* Two threads may have found different places free. Each looks again after it has written, so that one of them at least sees the
 * other. */
static bool stands_twice(const struct once_table *table, size_t first, size_t own, uint64_t mark,
                         uint64_t second)
{
    for (size_t i = 0; i < ONCE_WAYS; i++) {
        uint64_t word = atomic_load(&table->words[first + i]);
        if (i != own && (word & ~END_MASK) == mark && is_live(word, second)) {
            return true;
        }
    }
    return false;
}

enum once_result once_use(struct once_table *table, const void *name, size_t size, int64_t now, int64_t until)
{
    uint64_t hash = hash_keyed(&table->key, name, size);
    size_t first = (size_t)(hash & (table->sets - 1)) * ONCE_WAYS;
    uint64_t mark = hash & ~END_MASK;
    uint64_t second = (uint64_t)(now / NS_PER_S);
    uint64_t end = (uint64_t)((until + MARGIN_NS) / NS_PER_S) + 1;
    end = end > second + ONCE_LIFE_MAX_S + 4 ? second + ONCE_LIFE_MAX_S + 4 : end;
    uint64_t word = mark | (end & END_MASK);
    for (int attempt = 0; attempt < ATTEMPTS && word != 0; attempt++) {
        size_t place;
        uint64_t seen = 0;
        if (stands_there(table, first, mark, second, &place, &seen)) {
            return ONCE_AGAIN;
        }
        if (place == ONCE_WAYS) {
            return ONCE_FULL;
        }
        if (atomic_compare_exchange_strong(&table->words[first + place], &seen, word)) {
            return stands_twice(table, first, place, mark, second) ? ONCE_AGAIN : ONCE_FIRST;
        }
    }
    return ONCE_FULL; /* others have crossed every attempt */
}

int64_t once_since(const struct once_table *table)
{
    return atomic_load_explicit(&table->since, memory_order_relaxed);
}

void once_promise(struct once_table *table, int64_t life, int64_t now)
{
    int64_t before = atomic_load(&table->life);
    if (before != 0 && life > before) {
        atomic_store(&table->since, now);
    }
    atomic_store(&table->life, life);
}

const unsigned char *once_secret(const struct once_table *table)
{
    return table->secret;
}
