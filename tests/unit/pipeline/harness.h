/* A worker without sockets on its client side: requests are handed to the exchange's handler as a connection would.
 * The upstream is a socket that the test plays. */
#ifndef SALLYPORT_TESTS_PIPELINE_HARNESS_H
#define SALLYPORT_TESTS_PIPELINE_HARNESS_H

#include "unit.h"

#include "auth/mint.h"
#include "auth/plan.h"
#include "base/clock.h"
#include "config/internal.h"
#include "http/h1/parser.h"
#include "pipeline/client.h"
#include "pipeline/exchange.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define HARNESS_ROUTES  4
#define HARNESS_CLIENTS 8
#define HARNESS_SECRET  "0123456789abcdef0123456789abcdef"

struct harness {
    struct worker worker;
    struct worker_listener listener;
    struct metrics *metrics;
    struct logs *logs;
    int access_log, audit_log; /* memfds */
    void *limiter_memory;
    size_t limiter_size;
    struct config *config;
    struct snapshot *snapshot;
    struct listener_settings listeners[2];
    struct upstream_settings upstreams[1];
    struct upstream_endpoint endpoints[1];
    struct slice url;
    struct issuer_settings issuers[1];
    struct route_settings routes[HARNESS_ROUTES];
    struct auth_settings public_auth, jwt_auth;
    struct authorize_settings any_caller;
    size_t audit_queue;
    int service;        /* listening socket of the upstream */
    int upstream;       /* the accepted connection, or -1 */
    char seen[1 << 20]; /* what the upstream received */
    size_t seen_size;
    struct client *clients[HARNESS_CLIENTS];
    size_t client_count;
    unsigned int unknown_kids;
};

static struct harness *harness;

/* ---- the upstream ---- */

static inline void turn(void)
{
    for (int i = 0; i < 8; i++) {
        uv_run(&harness->worker.loop.uv, UV_RUN_NOWAIT);
    }
}

static inline int64_t patience_until(void)
{
    return clock_monotonic_ns() + 5 * NS_PER_S;
}

static inline bool upstream_accept(void)
{
    turn();
    int fd = accept4(harness->service, NULL, NULL, SOCK_CLOEXEC);
    if (fd >= 0) {
        harness->upstream = fd;
    }
    return fd >= 0;
}

/* Reads what has come; true once `text` is there. */
static inline bool upstream_sees(const char *text)
{
    int64_t limit = patience_until();
    while (clock_monotonic_ns() < limit) {
        turn();
        if (harness->upstream < 0 && !upstream_accept()) {
            continue;
        }
        ssize_t got = recv(harness->upstream, harness->seen + harness->seen_size,
                           sizeof harness->seen - harness->seen_size - 1, MSG_DONTWAIT);
        if (got == 0) {
            close(harness->upstream); /* given up by the gateway: the next one, then */
            harness->upstream = -1;
        }
        harness->seen_size += got > 0 ? (size_t)got : 0;
        harness->seen[harness->seen_size] = '\0';
        if (strstr(harness->seen, text) != NULL) {
            return true;
        }
    }
    return false;
}

static inline void upstream_says(const char *text)
{
    assert_int_equal(send(harness->upstream, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
    turn();
}

static inline void upstream_closes(void)
{
    close(harness->upstream);
    harness->upstream = -1;
    harness->seen_size = 0;
    harness->seen[0] = '\0';
    turn();
}

/* ---- requests ---- */

static inline struct client *client_new(void)
{
    assert_true(harness->client_count < HARNESS_CLIENTS);
    struct client *client = calloc(1, sizeof *client);
    assert_non_null(client);
    client->facts.owner = &harness->listener;
    assert_true(address_parse(SLICE("192.0.2.7"), &client->facts.peer));
    client->stream = (struct http_stream){
        .ops = &client_ops,
        .handler = &exchange_handler,
        .connection = &client->facts,
    };
    client->paused = true;
    harness->clients[harness->client_count++] = client;
    return client;
}

/* As the connection does it: the head's memory is good during the call only. */
static inline void client_asks(struct client *client, const char *text)
{
    static const struct http_head_limits limits = { HTTP_HEAD_MAX, HTTP_TARGET_MAX, HTTP_HEADERS_MAX };
    struct h1_parser parser;
    struct header items[HTTP_HEADERS_MAX];
    struct http_request request;
    size_t size = strlen(text);
    assert_true(size < sizeof client->raw);
    memcpy(client->raw, text, size);
    h1_parser_init_request(&parser, &limits);
    assert_int_equal(h1_parse(&parser, client->raw, size), H1_DONE);
    h1_take_request(&parser, client->raw, items, HTTP_HEADERS_MAX, &request);
    if (client->stream.minor_version == 2) {
        request.minor_version = 2; /* what exchanges see of HTTP/2 */
    }
    exchange_handler.on_request(&client->stream, &request, slice_of(client->raw, parser.head_length));
    memset(client->raw, 0xa5, sizeof client->raw);
}

static inline struct client *ask(const char *text)
{
    struct client *client = client_new();
    client_asks(client, text);
    return client;
}

static inline void client_gives_bytes(struct client *client, struct slice data)
{
    assert_false(client->paused);
    client->stream.received += data.len;
    exchange_handler.on_body(&client->stream, data);
}

static inline void client_gives(struct client *client, const char *text)
{
    client_gives_bytes(client, slice_from_string(text));
}

static inline void client_ends_body(struct client *client)
{
    assert_false(client->paused);
    exchange_handler.on_body_end(&client->stream, NULL);
}

static inline void wait_for_release(struct client *client)
{
    int64_t limit = patience_until();
    while (client->releases == 0 && clock_monotonic_ns() < limit) {
        turn();
    }
    assert_int_equal(client->releases, 1);
}

static inline void wait_for_exchanges(size_t count)
{
    int64_t limit = patience_until();
    while (harness->worker.exchange_count != count && clock_monotonic_ns() < limit) {
        turn();
    }
    assert_int_equal(harness->worker.exchange_count, count);
}

/* The value of a response's field, or NULL. Static memory. */
static inline const char *field(const struct client *client, const char *name)
{
    static char value[4096];
    size_t length = strlen(name);
    for (const char *at = client->fields; *at != '\0'; at = strchr(at, '\n') + 1) {
        if (strncasecmp(at, name, length) == 0 && at[length] == ':') {
            const char *end = strchr(at, '\n');
            snprintf(value, sizeof value, "%.*s", (int)(end - at - (ptrdiff_t)length - 2), at + length + 2);
            return value;
        }
    }
    return NULL;
}

#define assert_field(client, name, expected)                 \
    do {                                                     \
        const char *assert_value_ = field((client), (name)); \
        assert_non_null(assert_value_);                      \
        assert_string_equal(assert_value_, (expected));      \
    } while (0)

static inline void assert_no_field(const struct client *client, const char *name)
{
    assert_null(field(client, name));
}

static inline void assert_body_has(const struct client *client, const char *text)
{
    if (memmem(client->body, client->body_size, text, strlen(text)) == NULL) {
        fail_msg("\"%s\" is not in \"%.*s\"", text, (int)client->body_size, client->body);
    }
}

/* A denial: its status, its public code, and that it is whole. */
static inline void assert_denied(const struct client *client, enum deny_reason reason)
{
    char code[128];
    snprintf(code, sizeof code, "\"code\":\"%s\"", deny_infos[reason].public_code);
    assert_int_equal(client->status, deny_infos[reason].status);
    assert_int_equal(client->heads, 1);
    assert_int_equal(client->ends, 1);
    assert_field(client, "content-type", "application/problem+json");
    assert_field(client, "cache-control", "no-store");
    assert_body_has(client, code);
    assert_int_equal(client->content_length, client->body_size);
}

/* ---- tokens ---- */

/* Seconds that tokens are good for from now on; negative: they have expired that long ago. */
static long long token_lifetime = 600;

/* A token of the issuer "main"; `more` among the claims: ",\"scope\":\"read\"". Static memory of the last two calls. */
static inline const char *token(const char *more)
{
    static char *texts[2];
    static unsigned int next;
    char payload[1024];
    struct mint_key key = mint_secret(HARNESS_SECRET);
    long long now = (long long)(clock_real_ns() / NS_PER_S);
    snprintf(payload, sizeof payload,
             "{\"iss\":\"https://"
             "idp.example.com\",\"aud\":\"orders\",\"sub\":\"alice\",\"iat\":%lld,\"exp\":%lld%s}",
             now + token_lifetime - 600, now + token_lifetime, more);
    char **text = &texts[next++ % 2];
    free(*text);
    *text = mint_token(&key, JWT_HS256, "{\"alg\":\"HS256\",\"typ\":\"JWT\"}", payload);
    return *text;
}

/* "METHOD PATH HTTP/1.1", Host, `fields` and Authorization. */
static inline struct client *ask_with_token(const char *line, const char *more)
{
    char text[8192];
    snprintf(text, sizeof text, "%s HTTP/1.1\r\nHost: api.example.com\r\nAuthorization: Bearer %s\r\n\r\n",
             line, token(more));
    return ask(text);
}

/* ---- life ---- */

static inline int log_again(int fd)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int again = open(path, O_RDWR | O_APPEND | O_CLOEXEC);
    assert_true(again >= 0);
    return again;
}

static void count_unknown_kid(struct worker *worker, struct slice issuer_name)
{
    (void)worker;
    (void)issuer_name;
    harness->unknown_kids++;
}

static inline struct route_settings *add_route(const char *name, const char *path, struct auth_settings *auth)
{
    struct settings *settings = &harness->config->settings;
    struct arena *arena = &harness->config->arena;
    struct route_settings *route = &harness->routes[settings->route_count++];
    struct slice *items = arena_calloc(arena, 3, sizeof *items);
    items[0] = SLICE("api.example.com");
    items[1] = slice_from_string(path);
    items[2] = SLICE("public");
    if (auth->mode != AUTH_NONE) {
        const char *problem = NULL;
        struct auth_plan *plan = auth_plan_new(auth, arena, &problem);
        assert_non_null(plan);
        settings_resolve(settings, plan);
        assert_true(auth_places_set(plan, auth, arena));
        auth->plan = plan;
    }
    *route = (struct route_settings){
        .name = slice_from_string(name),
        .match = { .host = { &items[0], 1 }, .path = { &items[1], 1 } },
        .policy = { .listeners = { &items[2], 1 },
                    .upstream = SLICE_INIT("orders"),
                    .auth = auth,
                    .authorize = &harness->any_caller,
                    .timeout = 60 * NS_PER_S,
                    .idle_timeout = 60 * NS_PER_S,
                    .max_stream_age = 3600 * NS_PER_S,
                    .body = 1 << 20,
                    .max_grpc_message = 4 << 20 },
    };
    return route;
}

static inline void add_limits(struct route_settings *route, struct limit_settings *limits, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        assert_null(limit_check_settings(&limits[i], route->name, (unsigned int)i));
    }
    route->policy.limits = (struct conf_list){ limits, count };
}

static inline void open_service(void)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof address;
    static char url[64];
    harness->service = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(harness->service, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(harness->service, 16), 0);
    assert_int_equal(getsockname(harness->service, (struct sockaddr *)&address, &size), 0);
    snprintf(url, sizeof url, "http://127.0.0.1:%u", ntohs(address.sin_port));
    harness->url = slice_from_string(url);
}

static inline void fill_settings(void)
{
    static struct slice audience = SLICE_INIT("orders"), issuer = SLICE_INIT("main");
    struct settings *settings = &harness->config->settings;
    harness->listeners[0] = (struct listener_settings){ .name = SLICE_INIT("public"), .index = 0 };
    harness->upstreams[0] = (struct upstream_settings){
        .name = SLICE_INIT("orders"),
        .endpoints = { &harness->url, 1 },
        .connect_timeout = 5 * NS_PER_S,
        .idle_timeout = 60 * NS_PER_S,
        .max_connections = 16,
        .max_idle = 4,
        .retries = 1,
        .parsed = harness->endpoints,
    };
    assert_null(upstream_parse_endpoint(harness->url, &harness->config->arena, &harness->endpoints[0]));
    harness->issuers[0] = (struct issuer_settings){
        .name = SLICE_INIT("main"),
        .issuer = SLICE_INIT("https://idp.example.com"),
        .audiences = { &audience, 1 },
        .algorithms = (1 << JWT_HS256) | (1 << JWT_ES384),
        .token_types = 7,
        .secret = SLICE_INIT(HARNESS_SECRET),
        .clock_skew = 30 * NS_PER_S,
        .max_token_lifetime = 24 * 3600 * NS_PER_S,
    };
    harness->public_auth = (struct auth_settings){ .mode = AUTH_NONE };
    harness->jwt_auth =
        (struct auth_settings){ .mode = AUTH_REQUIRED, .way.names[AUTH_JWT] = { &issuer, 1 } };
    harness->any_caller = (struct authorize_settings){ .any_caller = true };
    settings->listeners = harness->listeners;
    settings->listener_count = 1;
    settings->upstreams = harness->upstreams;
    settings->upstream_count = 1;
    settings->issuers = harness->issuers;
    settings->issuer_count = 1;
    settings->routes = harness->routes;
}

/* Everything but the routes, which the test adds before harness_start. */
static inline int harness_setup(void **state)
{
    (void)state;
    harness = calloc(1, sizeof *harness);
    assert_non_null(harness);
    token_lifetime = 600;
    harness->upstream = -1;
    harness->audit_queue = 256 * 1024;
    harness->config = calloc(1, sizeof *harness->config);
    arena_init(&harness->config->arena, CONFIG_ARENA_MAX);
    open_service();
    fill_settings();
    return 0;
}

static inline void harness_start(void)
{
    struct worker *worker = &harness->worker;
    assert_ok(net_loop_init(&worker->loop));
    assert_ok(metrics_new(1, &harness->metrics));
    worker->metrics = metrics_writer(harness->metrics, 0);
    harness->access_log = memfd_create("access", MFD_CLOEXEC);
    harness->audit_log = memfd_create("audit", MFD_CLOEXEC);
    struct logs_options options = {
        .instance = SLICE_INIT("test"),
        .access_fd = log_again(harness->access_log),
        .audit_fd = log_again(harness->audit_log),
        .access_queue = 256 * 1024,
        .audit_queue = harness->audit_queue,
        .producers = 1,
    };
    assert_ok(logs_new(&options, &harness->logs));
    worker->logs = logs_queue(harness->logs, 0);
    harness->limiter_size = limiter_size(1024);
    harness->limiter_memory =
        mmap(NULL, harness->limiter_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ok(limiter_open(harness->limiter_memory, harness->limiter_size, &worker->limiter));
    assert_ok(jwt_verifier_new(64, &worker->verifier));
    assert_ok(jwt_issuer_set(worker->verifier, &harness->issuers[0]));
    worker->unknown_kid = count_unknown_kid;
    harness->listener = (struct worker_listener){ .worker = worker, .name = SLICE_INIT("public") };
    assert_ok(snapshot_new(harness->config, &harness->snapshot));
    assert_ok(worker_snapshot_new(worker, harness->snapshot, NULL, &worker->current));
}

/* The logs are complete once this has been called; nothing may be asked after. */
static inline char *harness_log(int fd)
{
    if (harness->logs != NULL) {
        logs_free(harness->logs);
        harness->logs = NULL;
    }
    static char text[1 << 20];
    ssize_t size = pread(fd, text, sizeof text - 1, 0);
    assert_true(size >= 0);
    text[size] = '\0';
    return text;
}

static inline int64_t counter(const char *name)
{
    struct buffer text;
    buffer_init(&text, 1 << 20);
    assert_true(metrics_render(harness->metrics, &text));
    assert_true(buffer_append_char(&text, '\0'));
    char line[128];
    snprintf(line, sizeof line, "\n%s ", name);
    const char *at = strstr(text.data + text.begin, line);
    assert_non_null(at);
    int64_t value = strtoll(at + strlen(line), NULL, 10);
    buffer_done(&text);
    return value;
}

/* Every exchange is over, every stream released once, every gauge at zero. */
static inline int harness_teardown(void **state)
{
    (void)state;
    for (size_t i = 0; i < harness->client_count; i++) {
        struct client *client = harness->clients[i];
        if (client->releases == 0 && client->stream.exchange != NULL) {
            client->stream.handler->on_abort(&client->stream, HTTP_ABORT_SHUTDOWN);
        }
        assert_int_equal(client->releases, 1);
    }
    wait_for_exchanges(0);
    assert_int_equal(counter("sallyport_exchanges_open"), 0);
    worker_snapshot_give(harness->worker.current);
    snapshot_unref(harness->snapshot);
    turn();
    assert_int_equal(counter("sallyport_upstream_connections_open"), 0);
    exchange_free_spares(&harness->worker);
    jwt_verifier_free(harness->worker.verifier);
    if (harness->logs != NULL) {
        logs_free(harness->logs);
    }
    net_loop_done(&harness->worker.loop);
    metrics_free(harness->metrics);
    munmap(harness->limiter_memory, harness->limiter_size);
    close(harness->access_log);
    close(harness->audit_log);
    close(harness->service);
    if (harness->upstream >= 0) {
        close(harness->upstream);
    }
    for (size_t i = 0; i < harness->client_count; i++) {
        free(harness->clients[i]);
    }
    free(harness);
    return 0;
}

#endif
