#include "cli/dev/services.h"

#include "base/clock.h"
#include "base/log.h"
#include "cli/dev/mint.h"
#include "gateway/acceptor.h"
#include "http/connections.h"
#include "http/uri.h"
#include "json/writer.h"

#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#define BODY_MAX     (64 * 1024)
#define FILE_MAX     65536
#define QUERY_MAX    256
#define TOKEN_LIFE_S 3600

struct services;

struct service {
    struct acceptor acceptor;
    struct services *services;
    void (*answer)(struct http_stream *stream, const struct http_request *request);
    struct tls_server *tls;
};

struct services {
    struct net_loop loop;
    struct http_connections connections;
    struct service issuer, upstream;
    EVP_PKEY *key;
};

static const struct service *service_of(const struct http_stream *stream)
{
    return stream->connection->owner;
}

static void send_answer(struct http_stream *stream, unsigned int status, struct slice type, struct slice body)
{
    struct header items[2];
    struct headers headers = { .items = items, .capacity = 2 };
    headers_add(&headers, HEADER_CONTENT_TYPE, SLICE("content-type"), type);
    struct http_response response = {
        .status = status,
        .headers = headers,
        .body = BODY_LENGTH,
        .content_length = body.len,
    };
    stream->ops->discard_body(stream);
    stream->ops->send_head(stream, &response);
    stream->ops->send_body(stream, body);
    stream->ops->send_end(stream, NULL);
}

/* ---- the issuer ---- */

/* The value of a query parameter, decoded into `out` (QUERY_MAX bytes); `standard` where it is absent. */
static struct slice query_value(struct slice target, struct slice name, struct slice standard, char *out)
{
    ssize_t mark = slice_find(target, '?');
    struct slice rest = mark < 0 ? SLICE_NONE : slice_from(target, (size_t)mark + 1);
    struct slice pair;
    while (slice_next(&rest, '&', &pair)) {
        ssize_t equals = slice_find(pair, '=');
        if (equals >= 0 && slice_equal(slice_part(pair, 0, (size_t)equals), name) && pair.len < QUERY_MAX) {
            return slice_of(out, uri_decode(slice_from(pair, (size_t)equals + 1), out));
        }
    }
    return standard;
}

static void answer_issuer(struct http_stream *stream, const struct http_request *request)
{
    EVP_PKEY *key = service_of(stream)->services->key;
    struct buffer body;
    buffer_init(&body, BODY_MAX);
    char subject[QUERY_MAX];
    char scope[QUERY_MAX];
    struct dev_claims claims = {
        .subject = query_value(request->target, SLICE("sub"), SLICE("alice"), subject),
        .scope = query_value(request->target, SLICE("scope"), SLICE("read_orders"), scope),
        .lifetime = TOKEN_LIFE_S,
    };
    if (slice_equal(request->target, SLICE("/jwks.json")) && dev_mint_jwks(key, &body)) {
        send_answer(stream, 200, SLICE("application/jwk-set+json"), buffer_slice(&body));
    } else if (slice_starts_with(request->target, SLICE("/token")) && dev_mint_token(key, &claims, &body)) {
        send_answer(stream, 200, SLICE("text/plain"), buffer_slice(&body));
    } else {
        send_answer(stream, 404, SLICE("text/plain"), SLICE("/jwks.json or /token?sub=NAME&scope=SCOPES\n"));
    }
    buffer_done(&body);
}

/* ---- the upstream ---- */

static void answer_upstream(struct http_stream *stream, const struct http_request *request)
{
    struct buffer body;
    struct json_writer json;
    buffer_init(&body, BODY_MAX);
    json_writer_init(&json, &body);
    json_object_begin(&json);
    json_member_string(&json, SLICE("method"), request->method_text);
    json_member_string(&json, SLICE("target"), request->target);
    json_name(&json, SLICE("headers"));
    json_object_begin(&json);
    for (size_t i = 0; i < request->headers.count; i++) {
        json_member_string(&json, request->headers.items[i].name, request->headers.items[i].value);
    }
    json_object_end(&json);
    json_object_end(&json);
    send_answer(stream, 200, SLICE("application/json"), json.failed ? SLICE("{}") : buffer_slice(&body));
    buffer_done(&body);
}

/* ---- both ---- */

static void on_request(struct http_stream *stream, const struct http_request *request, struct slice raw)
{
    (void)raw;
    service_of(stream)->answer(stream, request);
}

static void on_reject(struct http_stream *stream, enum deny_reason reason, const char *why)
{
    send_answer(stream, deny_infos[reason].status, SLICE("text/plain"), slice_from_string(why));
}

static void ignore_body(struct http_stream *stream, struct slice data)
{
    (void)stream;
    (void)data;
}

static void ignore_body_end(struct http_stream *stream, const struct headers *trailers)
{
    (void)stream;
    (void)trailers;
}

static void ignore_body_failure(struct http_stream *stream, enum deny_reason reason)
{
    (void)stream;
    (void)reason;
}

static void release_aborted(struct http_stream *stream, enum http_abort why)
{
    (void)why;
    stream->ops->release(stream);
}

static void ignore_writable(struct http_stream *stream)
{
    (void)stream;
}

static void release(struct http_stream *stream)
{
    stream->ops->release(stream);
}

static const struct http_handler service_handler = {
    .on_request = on_request,
    .on_reject = on_reject,
    .on_body = ignore_body,
    .on_body_end = ignore_body_end,
    .on_body_failed = ignore_body_failure,
    .on_writable = ignore_writable,
    .on_abort = release_aborted,
    .on_sent = release,
};

static void on_accept(struct acceptor *acceptor, int fd, const struct address *peer)
{
    struct service *service = (struct service *)acceptor;
    struct http_server_settings settings = {
        .timeouts = { .handshake = 10 * NS_PER_S,
                      .head = 10 * NS_PER_S,
                      .body = 10 * NS_PER_S,
                      .idle = 120 * NS_PER_S,
                      .write = 10 * NS_PER_S,
                      .drain = NS_PER_S },
        .limits = { .head_max = HTTP_HEAD_MAX,
                    .target_max = HTTP_TARGET_MAX,
                    .fields_max = HTTP_HEADERS_MAX },
        .handler = &service_handler,
        .tls = service->tls,
        .owner = service,
    };
    struct services *services = service->services;
    struct error error =
        http_connections_accept(&services->connections, &services->loop, fd, peer, &settings);
    (void)error; /* that peer sees its connection closed */
}

static struct error read_whole(const char *directory, const char *name, char *out, struct slice *ret_text)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return FAIL_ERRNO("a development certificate could not be read");
    }
    *ret_text = slice_of(out, fread(out, 1, FILE_MAX, file));
    fclose(file);
    return OK;
}

static struct error upstream_tls(const char *directory, struct tls_server **ret_tls)
{
    static char certificate[FILE_MAX];
    static char key[FILE_MAX];
    struct tls_certificate_settings own = { .client_certificate = -1 };
    TRY(read_whole(directory, "upstream.pem", certificate, &own.cert_pem));
    TRY(read_whole(directory, "upstream.key", key, &own.key_pem));
    struct tls_server_settings settings = {
        .certificates = { &own, 1 },
        .client_certificate = TLS_CLIENT_NONE,
        .min_version = TLS_1_2,
    };
    int index = -1;
    return tls_server_new(&settings, NULL, SLICE("\x08http/1.1"), ret_tls, &index);
}

static struct error start(struct services *services, const struct dev_services_options *options)
{
    TRY(net_loop_init(&services->loop));
    http_connections_init(&services->connections);
    services->key = options->key;
    services->issuer.services = services->upstream.services = services;
    services->issuer.answer = answer_issuer;
    services->upstream.answer = answer_upstream;
    TRY(upstream_tls(options->directory, &services->upstream.tls));
    TRY(acceptor_open(&services->issuer.acceptor, &services->loop, options->issuer_fd, on_accept));
    TRY(acceptor_open(&services->upstream.acceptor, &services->loop, options->upstream_fd, on_accept));
    return OK;
}

static void ignore_signal(int number)
{
    struct sigaction ignore = { .sa_handler = SIG_IGN };
    sigaction(number, &ignore, NULL);
}

int dev_services_run(const struct dev_services_options *options)
{
    static struct services services;
    ignore_signal(SIGPIPE);
    struct error error = start(&services, options);
    if (failed(error)) {
        log_event(LOG_ERROR, "dev_services_failed", LOG_STRING("reason", error.what));
        return 1;
    }
    net_loop_run(&services.loop);
    return 0;
}
