/* What a look-up in a store of API keys costs, by the gateway's own code, each time another key: none is remembered.
 *
 * usage: key_stores fill FILE COUNT                        makes a file of SQLite with the keys 1 to COUNT
 *        key_stores find COUNT FILE                        looks some of them up, chosen by lot
 *        key_stores find COUNT DIRECTORY PORT DATABASE     the same in PostgreSQL, whose socket is in that directory
 *
 * The digest of key N is SHA-256 of "key N". Prints "NAME P50 P99", in µs of a question: of one key, and of KEYS_TOGETHER that are
 * asked for at once, as a gateway does with those that come while the database answers. bench/key_stores.mjs is the driver. */
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "store/key_store.h"
#include "store/postgres_place.h"

#define QUESTIONS     2000
#define WARM_UP       200
#define KEYS_TOGETHER 64
#define FILL_AT_ONCE  10000

#define CHECK(condition)                                              \
    do {                                                              \
        if (!(condition)) {                                           \
            fprintf(stderr, "key_stores: %s is false\n", #condition); \
            exit(1);                                                  \
        }                                                             \
    } while (0)

static void check(struct error error)
{
    char why[256];
    if (failed(error)) {
        error_describe(error, why, sizeof why);
        fprintf(stderr, "key_stores: %s\n", why);
        exit(1);
    }
}

static uint64_t number_of(const char *text)
{
    uint64_t number = 0;
    CHECK(slice_to_u64(slice_from_string(text), &number) && number > 0);
    return number;
}

static void digest_of(uint64_t number, unsigned char out[KEY_RECORD_DIGEST])
{
    char text[32];
    int len = snprintf(text, sizeof text, "key %llu", (unsigned long long)number);
    SHA256((const unsigned char *)text, (size_t)len, out);
}

/* ---- filling ---- */

static int fill(const char *path, uint64_t count)
{
    static struct key_record records[FILL_AT_ONCE];
    static char ids[FILL_AT_ONCE][24];
    struct key_store *store;
    const struct key_store_options options = {
        .path = path, .access = KEY_STORE_CREATE, .group = (gid_t)-1, .used_fd = -1
    };
    check(key_store_open(&options, &store));
    for (uint64_t done = 0; done < count;) {
        size_t some = count - done < FILL_AT_ONCE ? (size_t)(count - done) : FILL_AT_ONCE;
        for (size_t i = 0; i < some; i++) {
            uint64_t number = ++done;
            int len = snprintf(ids[i], sizeof ids[i], "%016llx", (unsigned long long)number);
            records[i] = (struct key_record){ .id = slice_of(ids[i], (size_t)len),
                                              .pepper_id = SLICE("p1"),
                                              .consumer = SLICE("acme"),
                                              .description = SLICE(""),
                                              .scopes = SLICE("read_orders"),
                                              .tags = SLICE(""),
                                              .replaces = SLICE(""),
                                              .created = 1 };
            digest_of(number, records[i].digest);
        }
        check(key_store_add(store, records, some));
    }
    key_store_close(store);
    return 0;
}

/* ---- looking up ---- */

static uint64_t draw(uint64_t count)
{
    static uint64_t state = UINT64_C(0x9e3779b97f4a7c15);
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state % count + 1;
}

static bool count_one(void *context, const struct key_record *record)
{
    (void)record;
    ++*(size_t *)context;
    return true;
}

static int compare(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;
    return left < right ? -1 : left > right;
}

/* One question after the other, `together` keys in each. */
static void measure(struct key_store *store, uint64_t count, size_t together)
{
    static int64_t times[WARM_UP + QUESTIONS];
    unsigned char digests[KEYS_TOGETHER][KEY_RECORD_DIGEST];
    for (size_t i = 0; i < WARM_UP + QUESTIONS; i++) {
        size_t found = 0;
        bool any = true;
        for (size_t k = 0; k < together; k++) {
            digest_of(draw(count), digests[k]);
        }
        int64_t began = clock_monotonic_ns();
        check(together == 1 ? key_store_find(store, digests[0], count_one, &found, &any)
                            : key_store_find_any(store, (const unsigned char(*)[KEY_RECORD_DIGEST])digests,
                                                 together, count_one, &found));
        times[i] = clock_monotonic_ns() - began;
        CHECK(found > 0 && any);
    }
    qsort(times + WARM_UP, QUESTIONS, sizeof times[0], compare);
    printf("%zu %.1f %.1f\n", together, (double)times[WARM_UP + QUESTIONS / 2] / 1000,
           (double)times[WARM_UP + QUESTIONS / 100 * 99] / 1000);
}

static int find(uint64_t count, int place_count, char **place)
{
    struct key_store_options options = { .access = KEY_STORE_READ, .group = (gid_t)-1, .used_fd = -1 };
    struct postgres_place *database = NULL;
    struct key_store *store;
    if (place_count == 1) {
        options.path = place[0];
    } else {
        const struct postgres_settings settings = {
            .host = slice_from_string(place[0]),
            .port = (int64_t)number_of(place[1]),
            .database = slice_from_string(place[2]),
            .user = SLICE("admin"),
            .schema = SLICE("sallyport"),
            .connect_timeout = 10 * NS_PER_S,
            .statement_timeout = 60 * NS_PER_S,
        };
        postgres_forget_environment();
        check(postgres_place_new(&settings, &database));
        options.place = database;
    }
    check(key_store_open(&options, &store));
    measure(store, count, 1);
    if (database != NULL) {
        measure(store, count, KEYS_TOGETHER);
    }
    key_store_close(store);
    postgres_place_free(database);
    return 0;
}

int main(int count, char **arguments)
{
    if (count == 4 && strcmp(arguments[1], "fill") == 0) {
        return fill(arguments[2], number_of(arguments[3]));
    }
    if ((count == 4 || count == 6) && strcmp(arguments[1], "find") == 0) {
        return find(number_of(arguments[2]), count - 3, arguments + 3);
    }
    fprintf(stderr,
            "usage: key_stores fill FILE COUNT | find COUNT FILE | find COUNT DIRECTORY PORT DATABASE\n");
    return 2;
}
