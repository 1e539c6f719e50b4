#include "http/client.h"

#include "http/client_internal.h"
#include "http/h1/client.h"
#include "http/h2/client.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* ---- which protocol ---- */

/* What to offer by ALPN. */
static struct slice alpn_of(int protocol)
{
    static const struct slice offers[] = {
        [HTTP_PROTOCOL_1] = SLICE_INIT("\x08http/1.1"),
        [HTTP_PROTOCOL_2] = SLICE_INIT("\x02h2"),
        [HTTP_PROTOCOL_AUTO] = SLICE_INIT("\x02h2\x08http/1.1"),
    };
    return offers[protocol];
}

/* Memory for whatever it may come to speak. */
static size_t size_of(const struct http_client_settings *settings)
{
    size_t one = h1_client_kind.size, two = h2_client_kind.size;
    return settings->protocol == HTTP_PROTOCOL_1 || two < one ? one : two;
}

/* NULL: the upstream speaks none that is wanted. */
static const struct http_client_kind *kind_of(const struct http_client *client)
{
    int protocol = client->settings.protocol;
    if (protocol == HTTP_PROTOCOL_1) {
        return &h1_client_kind;
    }
    if (client->settings.tls == NULL) {
        return protocol == HTTP_PROTOCOL_2 ? &h2_client_kind : &h1_client_kind;
    }
    struct tls_facts facts;
    tls_facts_of(&client->stream, &facts);
    if (slice_equal(facts.alpn, h2_client_kind.protocol)) {
        return &h2_client_kind;
    }
    return protocol == HTTP_PROTOCOL_AUTO ? &h1_client_kind : NULL;
}

/* ---- connecting ---- */

void http_client_connect_failed(struct http_client *client, enum deny_reason reason, const char *detail)
{
    struct http_call_failure failure = { .reason = reason, .detail = detail };
    client->settings.on_connected(client, &failure);
    http_client_close(client);
}

void http_client_judge_end(const struct http_client *client, const char *what, struct http_client_end *out)
{
    const char *own = tls_own_fault(&client->stream);
    bool refused = tls_is_refused(&client->stream);
    out->reason = refused ? DENY_UPSTREAM_TLS : DENY_UPSTREAM_CLOSED;
    if (refused) {
        snprintf(out->detail, sizeof out->detail, "%s", tls_failure(&client->stream));
    } else {
        snprintf(out->detail, sizeof out->detail, "%s%s%s", what, own != NULL ? ": " : "",
                 own != NULL ? own : "");
    }
}

void http_client_established(struct http_client *client)
{
    client->settings.on_connected(client, NULL);
}

static void handshake(struct http_client *client)
{
    switch (client->stream.ops->handshake(&client->stream)) {
    case STREAM_AGAIN:
        stream_want(&client->stream, STREAM_READABLE);
        return;
    case STREAM_OK:
        break;
    default:
        http_client_connect_failed(client, DENY_UPSTREAM_TLS, tls_failure(&client->stream));
        return;
    }
    deadline_clear(&client->deadline);
    client->kind = kind_of(client);
    if (client->kind == NULL) {
        http_client_connect_failed(client, DENY_UPSTREAM_TLS, "the upstream does not agree to h2 (ALPN)");
        return;
    }
    client->kind->start(client);
}

static void connected(struct http_client *client)
{
    if (stream_connected(client->stream.fd) != 0) {
        http_client_connect_failed(client, DENY_UPSTREAM_CONNECT, "connection refused or unreachable");
        return;
    }
    if (client->settings.tls != NULL &&
        failed(tls_connect(client->settings.tls, &client->stream, client->settings.host,
                           alpn_of(client->settings.protocol)))) {
        http_client_connect_failed(client, DENY_UPSTREAM_TLS, "TLS could not be started");
        return;
    }
    client->connected = true;
    handshake(client);
}

static void on_ready(struct stream *stream, unsigned int events)
{
    struct http_client *client = (struct http_client *)stream;
    (void)events;
    if (client->connected) {
        handshake(client);
    } else {
        connected(client);
    }
}

static void on_deadline(struct deadline *deadline)
{
    struct http_client *client =
        (struct http_client *)((char *)deadline - offsetof(struct http_client, deadline));
    if (client->connected) {
        http_client_connect_failed(client, DENY_UPSTREAM_TLS, "the TLS handshake took too long");
    } else {
        http_client_connect_failed(client, DENY_UPSTREAM_CONNECT, "connecting took too long");
    }
}

struct error http_client_open(const struct http_client_settings *settings, const struct sockaddr *address,
                              socklen_t size, struct http_client **ret_client)
{
    int fd = -1;
    TRY(stream_connect(address, size, &fd));
    struct http_client *client = calloc(1, size_of(settings));
    if (client == NULL) {
        close(fd);
        return FAIL(ERROR_MEMORY, "upstream connection");
    }
    struct error error = stream_open(&client->stream, settings->loop, fd, on_ready);
    if (failed(error)) {
        close(fd);
        free(client);
        return error;
    }
    client->settings = *settings;
    client->deadline.expired = on_deadline;
    if (settings->connect_timeout > 0) {
        deadline_set(&settings->loop->deadlines, &client->deadline, settings->loop->now,
                     settings->connect_timeout);
    }
    stream_want(&client->stream, STREAM_WRITABLE);
    *ret_client = client;
    return OK;
}

/* ---- established ---- */

void *http_client_owner(const struct http_client *client)
{
    return client->settings.owner;
}

struct slice http_client_protocol(const struct http_client *client)
{
    return client->kind->protocol;
}

enum http_client_state http_client_state(struct http_client *client)
{
    return client->kind->state(client);
}

bool http_client_wants_http1(const struct http_client *client)
{
    return client->wants_http1;
}

size_t http_client_room(struct http_client *client)
{
    return client->kind->room(client);
}

bool http_client_is_quiet(struct http_client *client)
{
    return client->kind->is_quiet(client);
}

struct http_call *http_client_take(struct http_client *client)
{
    return client->kind->take(client);
}

static void on_stream_closed(struct stream *stream)
{
    struct http_client *client = (struct http_client *)stream;
    client->closed = true;
    if (client->kind != NULL) {
        client->kind->free(client);
    } else {
        free(client);
    }
}

void http_client_close(struct http_client *client)
{
    if (client->closing) {
        return;
    }
    client->closing = true;
    if (client->kind != NULL) {
        client->kind->close(client);
    }
    deadline_clear(&client->deadline);
    stream_close(&client->stream, on_stream_closed);
}
