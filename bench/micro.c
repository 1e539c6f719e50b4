/* What the small parts cost by themselves, on one thread: a line "NAME NANOSECONDS" each.
 *
 * usage: micro [--count N] [NAME...]
 *
 * Each part is run in batches; the fastest one counts, since all that others do on the machine only adds. With --count a
 * part runs N times and nothing is timed: two counts under `valgrind --tool=callgrind` give the instructions of one run.
 * "…_many" is the part with a million keys or ten thousand routes beside it, another one each time: there the caches of the
 * processor are what is measured. */
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

#include "auth/credential.h"
#include "auth/jws.h"
#include "auth/jwt.h"
#include "base/clock.h"
#include "base/encoding.h"
#include "base/limits.h"
#include "http/uri.h"
#include "limit/limit.h"
#include "route/route.h"
#include "upstream/balance/balance.h"
#include "json/json.h"

#define BATCHES     40
#define BATCH_NS    2000000.0
#define KEYS_MANY   1000000
#define ROUTES_MANY 10000
#define TOKENS      512 /* signed for the run; more than the cache of the verifier holds */
#define CACHED      64

#define CHECK(condition)                                         \
    do {                                                         \
        if (!(condition)) {                                      \
            fprintf(stderr, "micro: %s is false\n", #condition); \
            exit(1);                                             \
        }                                                        \
    } while (0)

/* 1 KiB, as a large identity provider writes it. */
static const char claims[] =
    "{\"exp\":1767225600,\"iat\":1767222000,\"auth_time\":1767221990,\"jti\":\"f3b2c1d0-9f2e-4c76-8a55-"
    "0d6a1e7f9b11\","
    "\"iss\":\"https://idp.example.com/realms/production\",\"aud\":[\"orders\",\"invoices\",\"account\"],"
    "\"sub\":\"5e1f2a7c-52b4-4f0e-9a57-1f4f1c6b2d90\",\"typ\":\"Bearer\",\"azp\":\"web-frontend\",\"sid\":"
    "\"0c9d8e7f-6a5b-4c3d-2e1f-0a9b8c7d6e5f\",\"acr\":\"1\",\"allowed-origins\":[\"https://app.example.com\","
    "\"https://"
    "admin.example.com\"],\"realm_access\":{\"roles\":[\"offline_access\",\"default-roles-production\","
    "\"uma_authorization\"]},\"resource_access\":{\"orders\":{\"roles\":[\"reader\",\"writer\",\"approver\"]}"
    ","
    "\"account\":{\"roles\":[\"manage-account\",\"manage-account-links\",\"view-profile\"]}},\"scope\":"
    "\"openid profile email read_orders write_orders\",\"email_verified\":true,\"name\":\"Ren\xc3\xa9 "
    "Fran\xc3\xa7ois "
    "M\xc3\xbcller\",\"preferred_username\":\"rene.mueller\",\"locale\":\"de\",\"zoneinfo\":\"Europe/"
    "Berlin\",\"updated_at\":1767000000,\"amr\":[\"pwd\",\"otp\"],\"given_"
    "name\":"
    "\"Ren\xc3\xa9\","
    "\"family_name\":\"M\xc3\xbcller\",\"email\":\"rene.mueller@example.com\",\"tenant\":{\"id\":4711,"
    "\"plan\":"
    "\"enterprise\",\"region\":\"eu-central-1\"}}";

static int64_t now_ns;

/* --- limits */

static struct limiter *limiter;
static struct limit_settings window_rule = { .limit = { 1000000, NS_PER_S }, .by = SLICE_INIT("address") };
static struct limit_settings rate_rule = { .rate = { 1000000, NS_PER_S }, .by = SLICE_INIT("address") };

static void limits_init(size_t keys)
{
    size_t size = limiter_size(keys);
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(memory != MAP_FAILED && !failed(limiter_open(memory, size, &limiter)));
    CHECK(limit_check_settings(&window_rule, SLICE("micro"), 0) == NULL);
    CHECK(limit_check_settings(&rate_rule, SLICE("micro"), 1) == NULL);
}

static void decide(const struct limit_settings *rule, uint64_t who)
{
    const uint64_t address[2] = { 0xb80d0120, who };
    struct limit_key key = { .settings = rule, .key = address, .key_size = sizeof address };
    struct limit_answer answer;
    now_ns += 10000;
    limiter_decide(limiter, &key, 1, now_ns, &answer);
    CHECK(answer.allowed);
}

/* Every key once, in no order that a cache likes. */
static uint64_t next_key(void)
{
    static uint64_t turn;
    return turn++ * 611953 % KEYS_MANY;
}

static void one_key_init(void)
{
    limits_init(1 << 16);
}

static void many_keys_init(void)
{
    limits_init(2 * KEYS_MANY);
    for (uint64_t i = 0; i < KEYS_MANY; i++) {
        decide(&window_rule, i);
        decide(&rate_rule, i);
    }
}

static void window_one(void)
{
    decide(&window_rule, 7);
}

static void rate_one(void)
{
    decide(&rate_rule, 7);
}

static void window_many(void)
{
    decide(&window_rule, next_key());
}

static void rate_many(void)
{
    decide(&rate_rule, next_key());
}

/* --- JSON */

static struct arena arena;

static void json_init(void)
{
    arena_init(&arena, JWT_TREE_MAX);
}

static void json_claims(void)
{
    struct json *value;
    arena_reset(&arena);
    CHECK(!failed(json_parse(slice_of(claims, sizeof claims - 1), JSON_DEPTH_MAX, &arena, &value, NULL)));
}

/* --- targets */

static void uri_plain(void)
{
    static const struct slice target = SLICE_INIT("/orders/v2/42/items?expand=all&limit=100");
    char out[64];
    struct uri_target parts;
    struct slice path;
    CHECK(uri_parse_target(target, METHOD_GET, &parts) == URI_OK);
    CHECK(uri_canonical_path(parts.path, uri_path_needs(parts.path), out, &path) == URI_OK);
}

static void uri_escaped(void)
{
    static const struct slice target = SLICE_INIT("/orders/v2/%7e42/caf%C3%A9?expand=a%20l&l=1");
    char out[64];
    struct uri_target parts;
    struct slice path;
    CHECK(uri_parse_target(target, METHOD_GET, &parts) == URI_OK);
    CHECK(uri_canonical_path(parts.path, uri_path_needs(parts.path), out, &path) == URI_OK);
}

static void host_plain(void)
{
    char out[64];
    struct uri_authority authority;
    CHECK(uri_parse_authority(SLICE("api.example.com:8443"), out, &authority) == URI_OK);
}

/* --- routes */

static struct route_table *table;
static struct slice paths[ROUTES_MANY];
static size_t path_count;

static void routes_init(size_t count)
{
    static struct conf_strings every;
    struct route_entry *entries = calloc(count, sizeof *entries);
    size_t index, other;
    CHECK(entries != NULL);
    arena_init(&arena, CONFIG_ARENA_MAX);
    path_count = count;
    for (size_t i = 0; i < count; i++) {
        struct slice pattern = arena_printf(&arena, "/team%zu/service%zu/{id}/items", i % 100, i);
        paths[i] = arena_printf(&arena, "/team%zu/service%zu/42/items", i % 100, i);
        entries[i] = (struct route_entry){ .id = (unsigned int)i,
                                           .host = SLICE("api.example.com"),
                                           .path = pattern,
                                           .methods = &every,
                                           .listeners = 1 };
    }
    CHECK(!failed(route_table_new(entries, count, &arena, &table, &index, &other)));
    free(entries);
}

static void one_route_init(void)
{
    routes_init(1);
}

static void many_routes_init(void)
{
    routes_init(ROUTES_MANY);
}

static void route_find_one(void)
{
    static size_t turn;
    struct route_match match;
    route_find(table, 0, SLICE("api.example.com"), paths[turn++ * 6131 % path_count], METHOD_GET,
               SLICE("GET"), NULL, &match);
    CHECK(match.outcome == ROUTE_FOUND);
}

/* --- tokens */

static struct jwt_verifier *verifier;
static struct issuer_settings issuer;
static struct slice tokens[TOKENS];
static struct slice issuer_name = SLICE_INIT("main");
static const struct conf_strings issuers = { .items = &issuer_name, .count = 1 };
static EVP_PKEY *key;
static EVP_MD *sha256;
static EVP_MD_CTX *context;

static struct slice number_text(const char *name)
{
    BIGNUM *number = NULL;
    unsigned char bytes[512];
    char *out = arena_alloc(&arena, 1024);
    CHECK(out != NULL && EVP_PKEY_get_bn_param(key, name, &number) == 1);
    int size = BN_bn2bin(number, bytes);
    BN_free(number);
    return slice_of(out, base64url_encode(bytes, (size_t)size, out));
}

static struct slice sign(struct slice payload)
{
    static const struct slice header = SLICE_INIT("{\"alg\":\"RS256\",\"typ\":\"at+jwt\",\"kid\":\"micro\"}");
    unsigned char signature[256];
    size_t size = sizeof signature;
    char *text = arena_alloc(&arena, 2048);
    CHECK(text != NULL);
    size_t length = base64url_encode(header.ptr, header.len, text);
    text[length++] = '.';
    length += base64url_encode(payload.ptr, payload.len, text + length);
    EVP_MD_CTX_reset(context);
    CHECK(EVP_DigestSignInit(context, NULL, sha256, NULL, key) == 1);
    CHECK(EVP_DigestSign(context, signature, &size, (unsigned char *)text, length) == 1);
    text[length++] = '.';
    length += base64url_encode(signature, size, text + length);
    return slice_of(text, length);
}

static void tokens_init(void)
{
    static struct slice audience = SLICE_INIT("orders");
    arena_init(&arena, CONFIG_ARENA_MAX);
    key = EVP_RSA_gen(2048);
    sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    context = EVP_MD_CTX_new();
    CHECK(key != NULL && sha256 != NULL && context != NULL);
    struct slice jwks =
        arena_printf(&arena, "{\"keys\":[{\"kty\":\"RSA\",\"kid\":\"micro\",\"n\":\"%.*s\",\"e\":\"%.*s\"}]}",
                     SLICE_ARG(number_text("n")), SLICE_ARG(number_text("e")));
    issuer = (struct issuer_settings){
        .name = issuer_name,
        .issuer = SLICE("https://issuer.example"),
        .audiences = { .items = &audience, .count = 1 },
        .algorithms = UINT64_C(1) << JWT_RS256,
        .token_types = UINT64_C(1) << JWT_TYP_AT_JWT,
        .max_token_lifetime = 24 * 3600 * NS_PER_S,
        .jwks_text = jwks,
    };
    CHECK(!failed(jwt_verifier_new(CACHED, &verifier)) && !failed(jwt_issuer_set(verifier, &issuer)));
    for (size_t i = 0; i < TOKENS; i++) {
        tokens[i] =
            sign(arena_printf(&arena,
                              "{\"iss\":\"https://issuer.example\",\"aud\":\"orders\",\"sub\":\"user-%zu\","
                              "\"client_id\":\"micro\",\"jti\":\"%zu\",\"iat\":1767222000,\"exp\":1767225600,"
                              "\"scope\":\"openid profile read_orders\"}",
                              i, i));
    }
}

static void verify_token(struct slice text, bool cached)
{
    struct jwt_request request = { .token = text, .issuers = &issuers, .now = 1767222100 };
    struct jwt_detail detail;
    struct jwt_token *token;
    struct jwt_job *job;
    CHECK(jwt_verify(verifier, &request, &token, &detail, &job) == JWT_VALID && detail.cached == cached);
    jwt_token_unref(token);
}

static void token_new(void)
{
    static size_t turn;
    verify_token(tokens[turn++ % TOKENS], false);
}

static void token_cached(void)
{
    static bool cached;
    verify_token(tokens[0], cached);
    cached = true;
}

/* What of a new token is OpenSSL's, with its init. */
static void token_signature(void)
{
    static size_t turn;
    struct slice text = tokens[turn++ % TOKENS];
    size_t length = (size_t)slice_find_last(text, '.');
    unsigned char signature[BASE64_DECODED_MAX(344)];
    /* Decoded beforehand in spirit: it is part of what is ours. */
    static unsigned char decoded[TOKENS][256];
    static bool known[TOKENS];
    size_t which = (turn - 1) % TOKENS;
    if (!known[which]) {
        CHECK(base64url_decode(slice_from(text, length + 1), signature) == 256);
        memcpy(decoded[which], signature, 256);
        known[which] = true;
    }
    EVP_MD_CTX_reset(context);
    CHECK(EVP_DigestVerifyInit(context, NULL, sha256, NULL, key) == 1);
    CHECK(EVP_DigestVerify(context, decoded[which], 256, (const unsigned char *)text.ptr, length) == 1);
}

static void credential_bearer(void)
{
    static struct headers headers;
    static struct header field;
    static size_t turn;
    if (headers.count == 0) {
        struct slice text = arena_printf(&arena, "Bearer %.*s", SLICE_ARG(tokens[0]));
        headers.items = &field;
        headers.count = 1;
        field = (struct header){ .id = HEADER_AUTHORIZATION, .name = SLICE("authorization"), .value = text };
    }
    static struct auth_place place = { .kind = AUTH_PLACE_BEARER, .name = SLICE_INIT("Authorization") };
    static const struct auth_places places = { &place, 1 };
    struct credential credential;
    turn++;
    CHECK(credential_find(&places, &headers, SLICE_NONE, &credential) == DENY_NONE &&
          credential_token(&credential) == DENY_NONE && credential.text.len == tokens[0].len);
}

/* --- the choice of an endpoint, and what is learned from its answer --- */

static struct balancer balancer;

static bool has_room(void *pool, size_t index)
{
    return pool == NULL && index < ENDPOINTS_MAX;
}

static void choose_from(enum upstream_balance balance, size_t count)
{
    balancer_done(&balancer);
    struct error error = balancer_init(&balancer, balance, NULL, count);
    CHECK(!failed(error));
}

static void one_endpoint_init(void)
{
    choose_from(BALANCE_ROUND_ROBIN, 1);
}

static void p2c_init(void)
{
    choose_from(BALANCE_P2C, 100);
}

static void choose(void)
{
    static struct balance_ask ask = { .has_room = has_room };
    ask.now += NS_PER_MS / 100;
    size_t index = balancer_pick(&balancer, &ask);
    CHECK(index != BALANCE_NONE);
    balancer_begin(&balancer, index);
    balancer_note(&balancer, index, NS_PER_MS, true, ask.now);
    balancer_end(&balancer, index);
}

/* --- */

static const struct part {
    const char *name;
    void (*init)(void);
    void (*run)(void);
} parts[] = {
    { "limit_window", one_key_init, window_one },
    { "limit_rate", one_key_init, rate_one },
    { "limit_window_many", many_keys_init, window_many },
    { "limit_rate_many", many_keys_init, rate_many },
    { "json_claims", json_init, json_claims },
    { "uri", NULL, uri_plain },
    { "uri_escaped", NULL, uri_escaped },
    { "authority", NULL, host_plain },
    { "route", one_route_init, route_find_one },
    { "route_many", many_routes_init, route_find_one },
    { "token_new", tokens_init, token_new },
    { "token_signature", tokens_init, token_signature },
    { "token_cached", tokens_init, token_cached },
    { "credential", tokens_init, credential_bearer },
    { "choose", one_endpoint_init, choose },
    { "choose_p2c", p2c_init, choose },
};

static double cpu_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static double run_batch(const struct part *part, long count)
{
    double before = cpu_ns();
    for (long i = 0; i < count; i++) {
        part->run();
    }
    return (cpu_ns() - before) / (double)count;
}

static double fastest(const struct part *part)
{
    double best = run_batch(part, 1000);
    long count = (long)(BATCH_NS / best) + 1;
    for (int i = 0; i < BATCHES; i++) {
        double took = run_batch(part, count);
        best = took < best ? took : best;
    }
    return best;
}

static bool is_wanted(const char *name, int argc, char **argv)
{
    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], name) == 0) {
            return true;
        }
    }
    return argc == 0;
}

int main(int argc, char **argv)
{
    long count = 0;
    argc--;
    argv++;
    if (argc >= 2 && strcmp(argv[0], "--count") == 0) {
        count = strtol(argv[1], NULL, 10);
        argc -= 2;
        argv += 2;
    }
    now_ns = 1000 * NS_PER_S;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (!is_wanted(parts[i].name, argc, argv)) {
            continue;
        }
        if (parts[i].init != NULL) {
            parts[i].init();
        }
        if (count > 0) {
            run_batch(&parts[i], count);
        } else {
            printf("%s %.1f\n", parts[i].name, fastest(&parts[i]));
            fflush(stdout);
        }
    }
    return 0;
}
