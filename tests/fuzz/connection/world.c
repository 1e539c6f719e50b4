#include "connection/world.h"

#include "base/encoding.h"
#include "connection/check.h"
#include "observe/log_writer.h"

#include <fcntl.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

#define SECRET     "0123456789abcdef0123456789abcdef"
#define LIMIT_KEYS 256
#define MEMORY_MAX ((int64_t)8 << 20) /* of a worker with as many connections as it may have */
#define REST_STEPS 240
#define REST_STEP  (500 * NS_PER_MS)
#define LISTENERS  3

#define LISTENER                                                                             \
    "exposure: internal, plaintext: allow, max_head: 8KiB, max_connections: 6, timeouts: { " \
    "handshake: 2s, head: 2s, body: 3s, idle: 5s, write: 3s, drain: 1s }"

size_t __sanitizer_get_current_allocated_bytes(void) __attribute__((weak));

struct gateway_worker *world_worker;
static struct peers *peers;
char *world_tokens[TOKEN_KINDS];
struct record world_records[RECORDS_MAX];
size_t world_record_count;
bool world_logs_stuck;

static const char common[] =
    "instance: fuzz\n"
    "logs: { access: { file: access.log }, audit: { file: audit.log } }\n"
    "issuers:\n"
    "  hs: { issuer: 'https://hs', audiences: [orders], algorithms: [HS256], secret: '${env:KEY}' }\n"
    "  ed: { issuer: 'https://ed', audiences: [orders], algorithms: [EdDSA, ES384], jwks_file: keys.json }\n";

static const char first[] =
    "defaults: { listeners: [plain, records], timeout: 4s, idle_timeout: 3s, body: 256KiB }\n"
    "listeners:\n"
    "  plain: { address: 127.0.0.1, port: 8080, " LISTENER "}\n"
    "  records: { address: 127.0.0.1, port: 8081, " LISTENER "}\n"
    "  redirect: { address: 127.0.0.1, port: 8082, redirect_to_https: true }\n"
    "upstreams:\n"
    "  a: { endpoints: ['http://10.0.0.1:80', 'http://10.0.0.2:80'], max_connections: 2, max_idle: 2, "
    "max_pending: 3, pending_timeout: 1s,\n"
    "    idle_timeout: 4s, connect_timeout: 2s, retries: 1 }\n"
    "  b: { endpoints: ['http://named.internal:80'], balance: least_requests, idle_timeout: 4s,\n"
    "    connect_timeout: 2s, retries: 2, host_header: b.internal }\n"
    "routes:\n"
    "  open: { match: { host: api.example.com, path: /open/** }, upstream: a, auth: none, path_allows: "
    "[encoded_slash] }\n"
    "  named: { match: { host: api.example.com, path: /named/** }, upstream: b, auth: none, audit: all,\n"
    "    relay: { trailers: true } }\n"
    "  hs: { match: { host: api.example.com, path: /hs/** }, upstream: a, auth: { jwt: hs },\n"
    "    authorize: { scopes: [read] }, relay: { headers: { X-User-Id: claims.sub } } }\n"
    "  ed: { match: { host: api.example.com, path: /ed/** }, upstream: a, auth: { jwt: [ed, hs] },\n"
    "    authorize: any_caller, relay: { token: forward, headers: { X-User-Id: claims.sub } },\n"
    "    limits: [{ limit: 40/1m, by: caller }] }\n"
    "  limited: { match: { host: api.example.com, path: /limited/** }, upstream: a, auth: none,\n"
    "    limits: [{ limit: 3/1s, by: address }, { rate: 2/1s, burst: 2, by: 'header:X-Client' }] }\n"
    "  cors: { match: { host: api.example.com, path: /cors/**, methods: [GET, POST] }, upstream: a,\n"
    "    auth: { jwt: hs, mode: optional }, authorize: any_caller,\n"
    "    cors: { origins: ['https://app.example.com'], methods: [GET], headers: [Authorization] } }\n";

static const char second[] =
    "defaults: { listeners: [plain], timeout: 2s, idle_timeout: 2s, body: 1KiB }\n"
    "listeners:\n"
    "  plain: { address: 127.0.0.1, port: 8080, exposure: internal, plaintext: allow, max_head: 2KiB,\n"
    "    max_connections: 3, limits: [{ limit: 20/1s, by: address }],\n"
    "    timeouts: { handshake: 1s, head: 1s, body: 2s, idle: 3s, write: 2s, drain: 500ms } }\n"
    "upstreams:\n"
    "  a: { endpoints: ['http://10.0.0.2:80'], max_connections: 1, max_idle: 0, idle_timeout: 1s,\n"
    "    connect_timeout: 1s, retries: 0 }\n"
    "routes:\n"
    "  open: { match: { host: '*.example.com', path: /open/** }, upstream: a, auth: none }\n"
    "  hs: { match: { host: api.example.com, path: /hs/** }, upstream: a, auth: { jwt: hs },\n"
    "    authorize: { scopes: [read] }, relay: { headers: { X-User-Id: claims.sub } } }\n";

static struct snapshot *snapshots[2];
static struct net_loop control;
static struct metrics *metrics;
static struct logs *logs;
static struct limiter *limiter;
static void *limiter_memory;
static int64_t memory_before;
static unsigned int current; /* of `snapshots` */
static bool draining, answered;

/* ---- keys and tokens ---- */

static size_t put(char *out, const void *data, size_t size)
{
    return base64url_encode(data, size, out);
}

static size_t sign_ec(EVP_PKEY *key, const char *input, size_t size, unsigned char out[96])
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    unsigned char der[128];
    size_t der_size = sizeof der;
    CHECK_THAT(EVP_DigestSignInit(context, NULL, EVP_sha384(), NULL, key) == 1 &&
                   EVP_DigestSign(context, der, &der_size, (const unsigned char *)input, size) == 1,
               "signing");
    const unsigned char *at = der;
    ECDSA_SIG *signature = d2i_ECDSA_SIG(NULL, &at, (long)der_size);
    BN_bn2binpad(ECDSA_SIG_get0_r(signature), out, 48);
    BN_bn2binpad(ECDSA_SIG_get0_s(signature), out + 48, 48);
    ECDSA_SIG_free(signature);
    EVP_MD_CTX_free(context);
    return 96;
}

static size_t sign(EVP_PKEY *key, const char *input, size_t size, unsigned char out[96])
{
    if (key == NULL) {
        unsigned int tag_size = 0;
        HMAC(EVP_sha256(), SECRET, sizeof SECRET - 1, (const unsigned char *)input, size, out, &tag_size);
        return tag_size;
    }
    if (EVP_PKEY_is_a(key, "EC")) {
        return sign_ec(key, input, size, out);
    }
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    size_t signature_size = 96;
    CHECK_THAT(EVP_DigestSignInit(context, NULL, NULL, NULL, key) == 1 &&
                   EVP_DigestSign(context, out, &signature_size, (const unsigned char *)input, size) == 1,
               "signing");
    EVP_MD_CTX_free(context);
    return signature_size;
}

static char *mint(EVP_PKEY *key, const char *algorithm, const char *issuer, const char *scope, int lifetime)
{
    char header[64], payload[256];
    snprintf(header, sizeof header, "{\"alg\":\"%s\"}", algorithm);
    snprintf(
        payload, sizeof payload,
        "{\"iss\":\"https://%s\",\"aud\":\"orders\",\"sub\":\"alice\",\"scope\":\"%s\",\"iat\":1700000000,"
        "\"exp\":%d}",
        issuer, scope, 1700000000 + lifetime);
    char *token = calloc(1, 1024);
    CHECK_THAT(token != NULL, "no memory");
    size_t used = put(token, header, strlen(header));
    token[used++] = '.';
    used += put(token + used, payload, strlen(payload));
    unsigned char signature[96];
    size_t size = sign(key, token, used, signature);
    token[used++] = '.';
    put(token + used, signature, size);
    return token;
}

static void number_of(EVP_PKEY *key, const char *name, char out[80])
{
    BIGNUM *number = NULL;
    unsigned char bytes[48];
    CHECK_THAT(EVP_PKEY_get_bn_param(key, name, &number) == 1, "%s", name);
    BN_bn2binpad(number, bytes, sizeof bytes);
    BN_free(number);
    out[put(out, bytes, sizeof bytes)] = '\0';
}

static void make_keys(char jwks[1024])
{
    EVP_PKEY *edwards = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    EVP_PKEY *curve = EVP_EC_gen("P-384");
    unsigned char raw[32];
    size_t size = sizeof raw;
    char ed[80], x[80], y[80];
    CHECK_THAT(EVP_PKEY_get_raw_public_key(edwards, raw, &size) == 1, "the public key");
    ed[put(ed, raw, size)] = '\0';
    number_of(curve, "qx", x);
    number_of(curve, "qy", y);
    snprintf(jwks, 1024,
             "{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"%s\"},"
             "{\"kty\":\"EC\",\"crv\":\"P-384\",\"x\":\"%s\",\"y\":\"%s\"}]}",
             ed, x, y);
    world_tokens[TOKEN_HMAC] = mint(NULL, "HS256", "hs", "read", 3600);
    world_tokens[TOKEN_EDDSA] = mint(edwards, "EdDSA", "ed", "read", 3600);
    world_tokens[TOKEN_SLOW] = mint(curve, "ES384", "ed", "read", 3600);
    world_tokens[TOKEN_SHORT] = mint(NULL, "HS256", "hs", "read write", 2);
    world_tokens[TOKEN_SCOPELESS] = mint(NULL, "HS256", "hs", "write", 3600);
    world_tokens[TOKEN_FORGED] = mint(NULL, "HS256", "ed", "read", 3600);
    world_tokens[TOKEN_UNSIGNED] = mint(NULL, "none", "hs", "read", 3600);
    EVP_PKEY_free(edwards);
    EVP_PKEY_free(curve);
}

/* ---- the process ---- */

static struct snapshot *load(const char *text, const char *jwks)
{
    static char whole[8192];
    struct config_files *files = NULL;
    struct config *config = NULL;
    struct snapshot *snapshot = NULL;
    snprintf(whole, sizeof whole, "%s%s", common, text);
    struct config_options options = { .path = SLICE("c.yaml") };
    CHECK_THAT(!failed(config_files_new_memory(&files)), "files");
    CHECK_THAT(!failed(config_files_preset(files, SLICE("c.yaml"), slice_from_string(whole))) &&
                   !failed(config_files_preset(files, SLICE("keys.json"), slice_from_string(jwks))) &&
                   !failed(config_files_preset_environment(files, SLICE("KEY"), SLICE(SECRET))),
               "files");
    CHECK_THAT(!failed(config_load(&options, files, &config)), "the configuration");
    config_files_free(files);
    if (config->error_count > 0) {
        struct buffer out;
        buffer_init(&out, 1 << 20);
        config_print_diagnostics(config, &out);
        CHECK_THAT(false, "%.*s", SLICE_ARG(buffer_slice(&out)));
    }
    CHECK_THAT(!failed(snapshot_new(config, &snapshot)), "the snapshot");
    snapshot->generation = 1;
    for (size_t i = 0; i < snapshot->route_count; i++) {
        snapshot->routes[i].metrics_slot = metrics_route_slot(metrics, snapshot->routes[i].settings->name);
    }
    return snapshot;
}

static void set_up(void)
{
    static char jwks[1024];
    make_keys(jwks);
    CHECK_THAT(!failed(metrics_new(1, &metrics)), "metrics");
    CHECK_THAT(!failed(peers_new(&peers)), "peers");
    buffer_count_in(metrics_number(metrics_writer(metrics, 0), METRIC_BUFFER_BYTES));
    snapshots[0] = load(first, jwks);
    snapshots[1] = load(second, jwks);
    CHECK_THAT(!failed(net_loop_init(&control)), "control loop");
    struct logs_options options = {
        .instance = SLICE("fuzz"),
        .access_fd = open("/dev/null", O_WRONLY | O_CLOEXEC),
        .audit_fd = open("/dev/null", O_WRONLY | O_CLOEXEC),
        .access_queue = 1 << 20,
        .audit_queue = 64 * 1024,
        .producers = 1,
    };
    CHECK_THAT(!failed(logs_new(&options, &logs)), "logs");
    atomic_store(&logs->writer, WRITER_AWAKE);
    limiter_memory = aligned_alloc(64, (limiter_size(LIMIT_KEYS) + 63) / 64 * 64);
    CHECK_THAT(limiter_memory != NULL, "limiter");
}

static void on_unknown_kid(struct gateway_worker *worker)
{
    (void)worker;
}

static void on_finished(struct gateway_worker *worker)
{
    (void)worker;
}

static void on_answer(struct net_task *task)
{
    struct worker_change *change =
        (struct worker_change *)((char *)task - offsetof(struct worker_change, answer));
    CHECK_THAT(change->ok || draining, "%s", change->failure);
    answered = true;
}

/* The worker takes the message, and its answer comes to the control loop. */
static void await(void (*step)(struct worker_change *change), struct worker_change *change)
{
    answered = false;
    step(change);
    for (int i = 0; i < 10 && !answered; i++) {
        world_turn(1);
        uv_run(&control.uv, UV_RUN_NOWAIT);
    }
    CHECK_THAT(answered, "no answer to a change");
}

static void configure(unsigned int which)
{
    static const struct slice names[LISTENERS] = { SLICE_INIT("plain"), SLICE_INIT("records"),
                                                   SLICE_INIT("redirect") };
    struct worker_socket sockets[LISTENERS];
    struct worker_change change = {
        .worker = world_worker,
        .snapshot = snapshots[which],
        .sockets = sockets,
        .socket_count = which == 0 ? LISTENERS : 1,
        .ok = true,
        .answer = { .run = on_answer },
    };
    for (size_t i = 0; i < LISTENERS; i++) {
        sockets[i] = (struct worker_socket){ names[i], WIRE_FD + WIRES_MAX + (int)i };
    }
    await(gateway_worker_prepare, &change);
    if (change.prepared != NULL) {
        await(gateway_worker_commit, &change);
        current = which;
    }
}

void world_begin(void)
{
    if (metrics == NULL) {
        set_up();
    }
    loopback_reset();
    memset(limiter_memory, 0, limiter_size(LIMIT_KEYS));
    CHECK_THAT(!failed(limiter_open(limiter_memory, limiter_size(LIMIT_KEYS), &limiter)), "limiter");
    world_record_count = 0;
    world_logs_stuck = draining = false;
    memory_before = __sanitizer_get_current_allocated_bytes != NULL
                        ? (int64_t)__sanitizer_get_current_allocated_bytes()
                        : 0;
    struct worker_options options = {
        .control_loop = &control,
        .limiter = limiter,
        .peers = peers,
        .logs = logs_queue(logs, 0),
        .metrics = metrics_writer(metrics, 0),
        .token_cache = 8,
        .on_unknown_kid = on_unknown_kid,
        .on_finished = on_finished,
    };
    CHECK_THAT(!failed(gateway_worker_start(&options, &world_worker)), "the worker");
    configure(0);
}

void world_reload(void)
{
    if (!draining) {
        configure(1 - current);
    }
}

void world_drain(void)
{
    if (!draining) {
        draining = true;
        gateway_worker_drain(world_worker, 5 * NS_PER_S);
    }
}

/* ---- the logs ---- */

static void member(struct slice line, const char *name, char *out, size_t size)
{
    char key[32];
    snprintf(key, sizeof key, "\"%s\":\"", name);
    const char *at = memmem(line.ptr, line.len, key, strlen(key));
    out[0] = '\0';
    if (at != NULL) {
        at += strlen(key);
        size_t left = (size_t)(line.ptr + line.len - at);
        const char *end = memchr(at, '"', left);
        snprintf(out, size, "%.*s", (int)(end - at), at);
    }
}

static void take_record(struct slice line)
{
    CHECK_THAT(world_record_count < RECORDS_MAX, "too many records");
    struct record *record = &world_records[world_record_count++];
    char client[64];
    member(line, "request_id", record->id, sizeof record->id);
    member(line, "method", record->method, sizeof record->method);
    member(line, "route", record->route, sizeof record->route);
    member(line, "issuer", record->issuer, sizeof record->issuer);
    member(line, "subject", record->subject, sizeof record->subject);
    member(line, "reason", record->reason, sizeof record->reason);
    member(line, "client", client, sizeof client);
    CHECK_THAT(sscanf(client, "10.1.0.%u", &record->client) == 1, "client %s", client);
    const char *status = memmem(line.ptr, line.len, "\"status\":", 9);
    record->status = status != NULL ? (unsigned int)strtoul(status + 9, NULL, 10) : 0;
    record->aborted = memmem(line.ptr, line.len, "\"aborted\":true", 14) != NULL;
}

static void take_lines(void)
{
    struct log_queue *queue = logs_queue(logs, 0);
    struct slice lines = ring_peek(&queue->access);
    size_t taken = 0;
    ssize_t newline;
    while ((newline = slice_find(slice_from(lines, taken), '\n')) >= 0) {
        take_record(slice_part(lines, taken, (size_t)newline));
        taken += (size_t)newline + 1;
    }
    ring_consume(&queue->access, taken);
    if (!world_logs_stuck) {
        ring_consume(&queue->audit, ring_peek(&queue->audit).len);
    }
}

/* ---- turns ---- */

static void check_memory(void)
{
    if (__sanitizer_get_current_allocated_bytes != NULL) {
        int64_t now = (int64_t)__sanitizer_get_current_allocated_bytes() - (int64_t)loopback_memory();
        CHECK_THAT(now - memory_before < MEMORY_MAX, "%lld bytes are held", (long long)(now - memory_before));
    }
}

void world_turn(unsigned int turns)
{
    for (unsigned int i = 0; i < turns && !world_worker->worker.loop.stopping; i++) {
        loopback_turn(&world_worker->worker.loop);
        take_lines();
    }
    check_memory();
}

static bool is_resting(void)
{
    for (size_t i = 0; i < wire_count; i++) {
        if (wires[i].stream != NULL) {
            return false;
        }
    }
    return world_worker->worker.exchange_count == 0;
}

static void check_rest(void)
{
    static const enum metric gauges[] = { METRIC_CONNECTIONS_OPEN, METRIC_EXCHANGES_OPEN,
                                          METRIC_UPSTREAM_OPEN, METRIC_UPSTREAM_PENDING,
                                          METRIC_BUFFER_BYTES };
    for (size_t i = 0; i < sizeof gauges / sizeof gauges[0]; i++) {
        int64_t value = atomic_load(metrics_number(metrics_writer(metrics, 0), gauges[i]));
        CHECK_THAT(value == 0, "gauge %d is %lld", (int)gauges[i], (long long)value);
    }
    CHECK_THAT(world_worker->worker.connections.count == 0, "connections are counted that are none");
    CHECK_THAT(logs_queue(logs, 0)->reserved == 0, "%zu audit lines are reserved",
               logs_queue(logs, 0)->reserved);
}

void world_end(void)
{
    loopback_turn_cost = 0;
    connect_mode = CONNECT_REFUSED; /* a client may have asked for more than there is time for */
    for (int i = 0; i < REST_STEPS && !is_resting(); i++) {
        size_t records;
        do {
            records = world_record_count;
            loopback_work(true);
            world_turn(8);
        } while (world_record_count > records);
        loopback_advance(REST_STEP);
    }
    for (size_t i = 0; i < wire_count; i++) {
        CHECK_THAT(wires[i].stream == NULL, "wire %zu is open, though every deadline has passed", i);
    }
    CHECK_THAT(world_worker->worker.exchange_count == 0, "an exchange goes on for ever");
    loopback_work(true);
    world_turn(2);
    world_logs_stuck = false;
    gateway_worker_stop(world_worker);
    for (int i = 0; i < 100 && !world_worker->worker.loop.stopping; i++) {
        world_turn(1);
        loopback_advance(20 * NS_PER_MS);
    }
    CHECK_THAT(world_worker->worker.loop.stopping, "the worker does not end");
    check_rest();
    for (int i = 0; i < 3; i++) {
        uv_run(&control.uv, UV_RUN_NOWAIT);
    }
    gateway_worker_join(world_worker);
    CHECK_THAT(gateway_worker_free(world_worker), "the worker is left");
    world_worker = NULL;
}
