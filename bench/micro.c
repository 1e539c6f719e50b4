/* What single parts cost, linked with the rooms: prints one line of JSON with nanoseconds per call, a list of batches each.
 *
 * Batches of the parts alternate, so that a slow minute hits all of them. Built on demand: ninja bench/micro */
#include "base/arena.h"
#include "base/clock.h"
#include "base/limits.h"
#include "http/uri.h"
#include "limit/limit.h"
#include "json/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BATCHES    15
#define MANY_KEYS  1000000
#define CALLER_KEY 32

static struct limiter *limiter;
static struct limit_settings window, rate;
static struct arena arena;
static int64_t now = NS_PER_S;
static uint64_t refused; /* also keeps the compiler from leaving the work out */

static void die(const char *what)
{
    fprintf(stderr, "micro: %s\n", what);
    exit(1);
}

static double cpu_ns(void)
{
    struct timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

/* ---- limiter ---- */

static void decide(const struct limit_settings *settings, uint64_t caller)
{
    char key[CALLER_KEY] = { 0 };
    memcpy(key, &caller, sizeof caller);
    const struct limit_key keys[] = { { settings, key, sizeof key } };
    struct limit_answer answer;
    now += 10000; /* 6,000,000 in a minute: within both limits */
    limiter_decide(limiter, keys, 1, now, &answer);
    refused += !answer.allowed;
}

static void limiter_window(unsigned int i)
{
    (void)i;
    decide(&window, 0);
}

static void limiter_rate(unsigned int i)
{
    (void)i;
    decide(&rate, 0);
}

/* A permutation, so that the table's entries come in no order that a cache could like. */
static void limiter_many(unsigned int i)
{
    static uint64_t caller;
    (void)i;
    caller = (caller + 611953) % MANY_KEYS;
    decide(&window, caller);
}

static void open_limiter(void)
{
    size_t size = limiter_size(2 * MANY_KEYS);
    void *memory = aligned_alloc(4096, (size + 4095) & ~(size_t)4095);
    window = (struct limit_settings){ .limit = { .count = 30000000, .window = 60 * NS_PER_S },
                                      .by = SLICE("caller") };
    rate = (struct limit_settings){ .rate = { .count = 1000000000, .window = 60 * NS_PER_S },
                                    .burst = 1000000,
                                    .by = SLICE("caller") };
    if (memory == NULL) {
        die("memory");
    }
    memset(memory, 0, size);
    if (limit_check_settings(&window, SLICE("route a"), 0) != NULL ||
        limit_check_settings(&rate, SLICE("route b"), 0) != NULL ||
        failed(limiter_open(memory, size, &limiter))) {
        die("limiter");
    }
    for (unsigned int i = 0; i < MANY_KEYS; i++) {
        limiter_many(i);
    }
}

/* ---- JSON ---- */

/* What an identity provider puts into a token, with one escape, 1 KiB in all. */
static const char claims[] =
    "{\"iss\":\"https://idp.example.com/realms/production\",\"sub\":\"2f0c1b9e-66c5-4a4e-8f5c-6f2d0b7d8a10\","
    "\"aud\":[\"orders\",\"billing\",\"account\"],\"exp\":1893456000,\"iat\":1893452400,\"nbf\":1893452400,"
    "\"auth_time\":1893452000,\"jti\":\"7f0a3a0e-93d0-4c35-a8c1-0c9f8f6f2a44\",\"typ\":\"Bearer\","
    "\"azp\":\"web-frontend\",\"acr\":\"1\",\"session_state\":\"b1d0f7a2-1b5e-4a3d-9f55-2f0b8e1c6d77\","
    "\"scope\":\"openid profile email read_orders write_orders read_invoices\","
    "\"realm_access\":{\"roles\":[\"default-roles\",\"offline_access\",\"uma_authorization\",\"customer\"]},"
    "\"resource_access\":{\"account\":{\"roles\":[\"manage-account\",\"view-profile\"]},"
    "\"orders\":{\"roles\":[\"reader\",\"writer\"]}},\"email_verified\":true,"
    "\"name\":\"J\\u00fcrgen Example\",\"preferred_username\":\"juergen\",\"given_name\":\"Juergen\","
    "\"family_name\":\"Example\",\"email\":\"juergen@example.com\",\"tenant\":\"acme\",\"locale\":\"de\","
    "\"groups\":[\"/staff\",\"/staff/sales\",\"/staff/sales/emea\"],\"limit\":1250.75,\"department\":null,"
    "\"note\":"
    "\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
    "xxxxxxx\"}";

static void json_claims(unsigned int i)
{
    (void)i;
    struct json *value = NULL;
    if (failed(json_parse(slice_of(claims, sizeof claims - 1), JSON_DEPTH_MAX, &arena, &value, NULL))) {
        die("claims");
    }
    refused += value->count;
    arena_reset(&arena);
}

/* ---- targets ---- */

static void uri_canonical(unsigned int i)
{
    static const struct slice targets[] = {
        SLICE("/orders/42"),
        SLICE("/api/v1/customers/7f0a3a0e-93d0-4c35/orders?page=2&sort=-created&fields=id,total"),
        SLICE("/files/Annual%20Report%202026.pdf"),
        SLICE("/catalog/shoes/running?q=trail%20shoe"),
    };
    char out[256];
    struct uri_target target;
    struct slice path = { out, 0 };
    if (uri_parse_target(targets[i % 4], METHOD_GET, &target) != URI_OK ||
        uri_canonical_path(target.path, 0, out, &path) != URI_OK) {
        die("target");
    }
    refused += path.len;
}

/* ---- measuring ---- */

static const struct part {
    const char *name;
    void (*run)(unsigned int i);
    unsigned int calls; /* in a batch */
} parts[] = {
    { "limiter decision, window", limiter_window, 400000 },
    { "limiter decision, rate", limiter_rate, 400000 },
    { "limiter decision, 1,000,000 keys", limiter_many, 400000 },
    { "JSON reader, 1 KiB of claims", json_claims, 20000 },
    { "canonical URI", uri_canonical, 200000 },
};

#define PARTS (sizeof parts / sizeof parts[0])

int main(void)
{
    static double found[PARTS][BATCHES];
    arena_init(&arena, EXCHANGE_ARENA_MAX);
    open_limiter();
    for (int batch = -1; batch < BATCHES; batch++) { /* the first one warms */
        for (size_t i = 0; i < PARTS; i++) {
            double before = cpu_ns();
            for (unsigned int call = 0; call < parts[i].calls; call++) {
                parts[i].run(call);
            }
            if (batch >= 0) {
                found[i][batch] = (cpu_ns() - before) / parts[i].calls;
            }
        }
    }
    printf("{\"claims_bytes\":%zu", sizeof claims - 1);
    for (size_t i = 0; i < PARTS; i++) {
        printf(",\"%s\":[", parts[i].name);
        for (int batch = 0; batch < BATCHES; batch++) {
            printf("%s%.2f", batch > 0 ? "," : "", found[i][batch]);
        }
        printf("]");
    }
    printf("}\n");
    arena_done(&arena);
    return refused == 0;
}
