#include "gateway/listeners.h"

#include "base/log.h"
#include "gateway/admission.h"
#include "gateway/hand_on.h"
#include "pipeline/tunnel.h"

#include <stdlib.h>
#include <unistd.h>

/* Between two lines about refused connections, of a listener of this worker. */
#define TELL_INTERVAL (10 * NS_PER_S)
/* How long the tunnels of a listener that is no more, or an inner one by now, may go on at the most, ns. */
#define TUNNEL_PATIENCE (10 * NS_PER_S)

/* A socket that is accepted on; freed when its handle has closed. */
struct worker_acceptor {
    struct acceptor acceptor;
    struct worker_listener_entry *entry;
    struct worker_acceptor *next;
    bool wanted;
};

/* Kept for the worker's life, since connections point to it; there are as many as names were ever used. */
struct worker_listener_entry {
    struct worker_listener listener;
    struct gateway_worker *worker;
    struct admission admission;
    struct worker_acceptor *acceptors;
    /* Of the configuration in force. */
    int exposure; /* enum exposure; -1: it is not of it */
    bool has_tls;
    int64_t told_at; /* when the log was last told of a connection that was refused; 0: never */
    uint64_t untold; /* how many were since */
    struct worker_listener_entry *next;
};

/* ---- connections ---- */

static void count(struct worker_listener *listener, int change)
{
    listener->connections += (size_t)change;
    metrics_add(listener->worker->metrics, METRIC_CONNECTIONS_OPEN, change);
}

static void forget(struct worker_listener *listener, const struct address *peer)
{
    const struct worker_listener_entry *entry = (const struct worker_listener_entry *)listener;
    count(listener, -1);
    peers_remove(entry->worker->peers, listener->name, peer);
}

static void on_connection_event(const struct http_connection_facts *facts, enum http_connection_event event)
{
    struct worker_listener *listener = facts->owner;
    struct metrics_worker *metrics = listener->worker->metrics;
    switch (event) {
    case HTTP_CONNECTION_HANDSHAKE_RESUMED:
        metrics_add(metrics, METRIC_HANDSHAKES_RESUMED, 1);
        metrics_add(metrics, METRIC_HANDSHAKES, 1);
        break;
    case HTTP_CONNECTION_HANDSHAKE:
        metrics_add(metrics, METRIC_HANDSHAKES, 1);
        break;
    case HTTP_CONNECTION_HANDSHAKE_FAILED:
        metrics_add(metrics, METRIC_HANDSHAKES_FAILED, 1);
        break;
    case HTTP_CONNECTION_H2:
        metrics_add(metrics, METRIC_HTTP2_CONNECTIONS, 1);
        break;
    case HTTP_CONNECTION_CLOSED:
        forget(listener, &facts->peer);
        break;
    }
}

/* Each kind has a counter of its own, in the order of enum h2_flood. */
static void on_flood(const struct http_connection_facts *facts, struct slice kind, int number)
{
    struct worker_listener *listener = facts->owner;
    metrics_add(listener->worker->metrics, METRIC_HTTP2_FLOOD_FIRST + (enum metric)number, 1);
    worker_tell_flood(((struct worker_listener_entry *)listener)->worker, listener->name, &facts->peer, kind);
}

static const struct listener_settings *settings_of(const struct worker_listener *listener)
{
    return &listener->worker->current->snapshot->settings->listeners[listener->index];
}

static unsigned int protocols_of(const struct listener_settings *settings)
{
    unsigned int protocols = (unsigned int)settings->protocols;
    return settings->tls != NULL || settings->h2c ? protocols : HTTP_SPEAKS_H1;
}

static struct http_server_settings server_settings(struct worker_listener *listener)
{
    const struct worker *worker = listener->worker;
    const struct listener_settings *settings = settings_of(listener);
    const struct timeout_settings *timeouts = settings->timeouts;
    return (struct http_server_settings){
        .timeouts = { .handshake = timeouts->handshake,
                      .head = timeouts->head,
                      .body = timeouts->body,
                      .idle = timeouts->idle,
                      .write = timeouts->write,
                      .drain = timeouts->drain,
                      .min_rate = timeouts->min_rate },
        .limits = { .head_max = (uint32_t)settings->max_head,
                    .target_max = HTTP_TARGET_MAX,
                    .fields_max = HTTP_HEADERS_MAX },
        .protocols = protocols_of(settings),
        .max_requests = (uint64_t)settings->max_connection_requests,
        .max_age = settings->max_connection_age,
        .handler = &exchange_handler,
        .tls = worker->current->tls[listener->index],
        .owner = listener,
        .mark = settings->exposure,
        .on_event = on_connection_event,
        .on_flood = on_flood,
    };
}

/* A proxy that is set up wrongly does it each time, and so does a client that is blocked: the log tells of one in a while, and how
 * many there were. */
static void tell_refused(struct worker_listener_entry *entry, const struct arrival *arrival,
                         const char *event, const char *problem)
{
    int64_t now = entry->listener.worker->loop.now;
    entry->untold++;
    if (entry->told_at != 0 && now - entry->told_at < TELL_INTERVAL) {
        return;
    }
    char peer[ADDRESS_TEXT_MAX];
    address_format_peer(&arrival->client, peer);
    log_event(LOG_WARNING, event, LOG_TEXT("listener", entry->listener.name), LOG_STRING("peer", peer),
              LOG_STRING("reason", problem), LOG_NUMBER("connections", entry->untold));
    entry->told_at = now;
    entry->untold = 0;
}

static void take(struct worker_listener_entry *entry, const struct arrival *arrival)
{
    struct worker_listener *listener = &entry->listener;
    struct worker *worker = listener->worker;
    const struct listener_settings *settings = settings_of(listener);
    uint32_t of_address = peers_add(entry->worker->peers, listener->name, &arrival->client);
    enum refusal refusal = admission_check(&entry->admission, listener, settings, arrival, of_address);
    if (refusal != REFUSAL_NONE) {
        peers_remove(entry->worker->peers, listener->name, &arrival->client);
        if (refusal == REFUSAL_ADDRESS_BLOCKED) {
            metrics_add(worker->metrics, METRIC_BLOCK_ADDRESS, 1);
            tell_refused(entry, arrival, "address_blocked", "the address is blocked");
        }
        admission_refuse(worker->metrics, arrival->fd, refusal);
        return;
    }
    struct http_server_settings server = server_settings(listener);
    server.late = settings->tls == NULL && admission_is_late(worker, arrival->behind);
    count(listener, 1); /* before: its end may come from within */
    if (failed(http_connections_accept(&worker->connections, &worker->loop, arrival->fd, &arrival->client,
                                       &server))) {
        forget(listener, &arrival->client);
        metrics_add(worker->metrics, METRIC_REFUSED_ERROR, 1);
        return;
    }
    metrics_add(worker->metrics, METRIC_CONNECTIONS_ACCEPTED, 1);
}

/* ---- the PROXY protocol ---- */

static void refuse_proxy(struct worker_listener_entry *entry, const struct arrival *arrival, enum refusal why,
                         const char *problem)
{
    tell_refused(entry, arrival, "proxy_refused", problem);
    admission_refuse(entry->listener.worker->metrics, arrival->fd, why);
}

static void on_announced(void *owner, const struct arrival *arrival, enum announcement_end end,
                         const char *problem)
{
    struct worker_listener_entry *entry = owner;
    count(&entry->listener, -1);
    switch (end) {
    case ANNOUNCEMENT_MADE:
        take(entry, arrival);
        break;
    case ANNOUNCEMENT_BAD:
        refuse_proxy(entry, arrival, REFUSAL_PROXY_HEADER_BAD, problem);
        break;
    case ANNOUNCEMENT_MISSING:
        refuse_proxy(entry, arrival, REFUSAL_PROXY_HEADER_MISSING, problem);
        break;
    case ANNOUNCEMENT_CALLED_OFF:
        close(arrival->fd);
        break;
    }
}

/* Until the header is there the connection counts like any other, but nobody's address does. */
static void take_proxied(struct worker_listener_entry *entry, const struct listener_settings *settings,
                         const struct arrival *arrival)
{
    struct worker *worker = entry->listener.worker;
    enum refusal refusal = admission_check_proxy(&entry->listener, settings, arrival);
    if (refusal == REFUSAL_PROXY_UNTRUSTED) {
        refuse_proxy(entry, arrival, refusal, "the peer is not among trusted_proxies");
    } else if (refusal != REFUSAL_NONE) {
        admission_refuse(worker->metrics, arrival->fd, refusal);
    } else if (announcement_await(&entry->worker->announcements, &worker->loop, arrival,
                                  settings->timeouts->proxy_header, on_announced, entry)) {
        count(&entry->listener, 1);
    } else {
        admission_refuse(worker->metrics, arrival->fd, REFUSAL_ERROR);
    }
}

/* ---- accepting ---- */

static void begin(struct worker_listener_entry *entry, const struct arrival *arrival)
{
    const struct listener_settings *settings = settings_of(&entry->listener);
    if (settings->proxy_protocol == PROXY_PROTOCOL_REQUIRED) {
        take_proxied(entry, settings, arrival);
    } else {
        take(entry, arrival);
    }
}

static void on_accept(struct acceptor *acceptor, int fd, const struct address *peer)
{
    struct worker_listener_entry *entry = ((struct worker_acceptor *)acceptor)->entry;
    struct arrival arrival = {
        .fd = fd, .client = *peer, .behind = acceptor_behind(acceptor), .exposure = entry->exposure
    };
    if (!worker_hand_on(entry->worker, entry->listener.name, &arrival)) {
        begin(entry, &arrival);
    }
}

static int64_t may_accept(struct acceptor *acceptor)
{
    struct worker_listener_entry *entry = ((struct worker_acceptor *)acceptor)->entry;
    int64_t wait = admission_pause(&entry->admission, settings_of(&entry->listener), acceptor->loop->now);
    if (wait > 0) {
        metrics_add(entry->listener.worker->metrics, METRIC_HANDSHAKE_PAUSES, 1);
    }
    return wait;
}

static void on_refused(struct acceptor *acceptor)
{
    struct worker_listener_entry *entry = ((struct worker_acceptor *)acceptor)->entry;
    admission_refuse(entry->listener.worker->metrics, -1, REFUSAL_DESCRIPTORS);
}

/* ---- sockets ---- */

static struct worker_listener_entry *find_listener(struct gateway_worker *worker, struct slice name)
{
    for (struct worker_listener_entry *entry = worker->listeners; entry != NULL; entry = entry->next) {
        if (slice_equal(entry->listener.name, name)) {
            return entry;
        }
    }
    return NULL;
}

static struct worker_listener_entry *make_listener(struct gateway_worker *worker, struct slice name)
{
    struct worker_listener_entry *entry = find_listener(worker, name);
    if (entry != NULL) {
        return entry;
    }
    entry = calloc(1, sizeof *entry);
    char *copy = entry != NULL ? strndup(name.ptr, name.len) : NULL;
    if (copy == NULL) {
        free(entry);
        return NULL;
    }
    entry->listener =
        (struct worker_listener){ .worker = &worker->worker, .name = { copy, name.len }, .index = -1 };
    entry->worker = worker;
    entry->exposure = -1;
    entry->next = worker->listeners;
    worker->listeners = entry;
    return entry;
}

void worker_take_connection(struct gateway_worker *worker, struct slice listener,
                            const struct arrival *arrival)
{
    struct worker_listener_entry *entry = find_listener(worker, listener);
    if (entry == NULL || entry->listener.index < 0 || entry->exposure != arrival->exposure ||
        worker->worker.draining) {
        admission_refuse(worker->worker.metrics, arrival->fd, REFUSAL_ERROR);
        return;
    }
    begin(entry, arrival);
}

static bool keep_served(struct worker_listener_entry *entry, int fd)
{
    for (struct worker_acceptor *acceptor = entry->acceptors; acceptor != NULL; acceptor = acceptor->next) {
        if (acceptor->acceptor.inode == acceptor_inode(fd)) {
            acceptor->wanted = true;
            return true;
        }
    }
    return false;
}

static bool serve(struct gateway_worker *worker, struct worker_listener_entry *entry, int fd)
{
    struct worker_acceptor *acceptor = calloc(1, sizeof *acceptor);
    if (acceptor == NULL || failed(acceptor_open(&acceptor->acceptor, &worker->worker.loop, fd, on_accept))) {
        free(acceptor);
        return false;
    }
    acceptor->acceptor.may_accept = may_accept;
    acceptor->acceptor.on_refused = on_refused;
    acceptor->entry = entry;
    acceptor->wanted = true;
    acceptor->next = entry->acceptors;
    entry->acceptors = acceptor;
    return true;
}

static bool take_socket(struct gateway_worker *worker, const struct worker_socket *socket)
{
    struct worker_listener_entry *entry = make_listener(worker, socket->name);
    bool ends = entry == NULL || worker->worker.draining;
    if (ends || keep_served(entry, socket->fd)) {
        close(socket->fd);
        return entry != NULL;
    }
    if (!serve(worker, entry, socket->fd)) {
        close(socket->fd);
        return false;
    }
    return true;
}

static void on_acceptor_closed(struct acceptor *acceptor)
{
    free((struct worker_acceptor *)acceptor);
}

static void close_unwanted(struct worker_listener_entry *entry)
{
    for (struct worker_acceptor **at = &entry->acceptors; *at != NULL;) {
        struct worker_acceptor *acceptor = *at;
        if (acceptor->wanted) {
            at = &acceptor->next;
        } else {
            *at = acceptor->next;
            acceptor_close(&acceptor->acceptor, on_acceptor_closed);
        }
    }
}

static void mark_unwanted(struct gateway_worker *worker)
{
    for (struct worker_listener_entry *entry = worker->listeners; entry != NULL; entry = entry->next) {
        for (struct worker_acceptor *acceptor = entry->acceptors; acceptor != NULL;
             acceptor = acceptor->next) {
            acceptor->wanted = false;
        }
    }
}

/* Its place among those that serve requests; -1: no longer one of them. */
static int listener_index(const struct settings *settings, struct slice name)
{
    for (size_t i = 0; i < settings->listener_count; i++) {
        if (slice_equal(settings->listeners[i].name, name) && !settings->listeners[i].status) {
            return (int)i;
        }
    }
    return -1;
}

/* Whoever came from outside, or without TLS, has no business where there is an inner listener by now, or one with TLS, though its name
 * has stayed. Who does not take the hint is refused by `admit`. */
static void look_at_clients(struct worker_listener_entry *entry, const struct settings *settings)
{
    struct gateway_worker *worker = entry->worker;
    const int index = entry->listener.index;
    const struct listener_settings *now = index >= 0 ? &settings->listeners[index] : NULL;
    bool stricter = now != NULL && entry->exposure >= 0 &&
                    ((entry->exposure == EXPOSURE_EXTERNAL && now->exposure == EXPOSURE_INTERNAL) ||
                     (!entry->has_tls && now->tls != NULL));
    entry->exposure = now != NULL ? now->exposure : -1;
    entry->has_tls = now != NULL && now->tls != NULL;
    if (now == NULL || stricter) {
        announcements_end(&worker->announcements, entry);
        http_connections_drain_owner(&worker->worker.connections, &entry->listener);
        tunnel_drain_listener(&worker->worker, &entry->listener, TUNNEL_PATIENCE);
    }
}

bool worker_listeners_update(struct gateway_worker *worker, const struct worker_socket *sockets, size_t count)
{
    const struct settings *settings = worker->worker.current->snapshot->settings;
    bool complete = true;
    mark_unwanted(worker);
    for (size_t i = 0; i < count; i++) {
        complete = take_socket(worker, &sockets[i]) && complete;
    }
    for (struct worker_listener_entry *entry = worker->listeners; entry != NULL; entry = entry->next) {
        close_unwanted(entry);
        entry->listener.index = listener_index(settings, entry->listener.name);
        look_at_clients(entry, settings);
    }
    return complete;
}

void worker_listeners_close(struct gateway_worker *worker)
{
    mark_unwanted(worker);
    for (struct worker_listener_entry *entry = worker->listeners; entry != NULL; entry = entry->next) {
        close_unwanted(entry);
    }
}

void worker_listeners_free(struct gateway_worker *worker)
{
    while (worker->listeners != NULL) {
        struct worker_listener_entry *entry = worker->listeners;
        worker->listeners = entry->next;
        free((char *)entry->listener.name.ptr);
        free(entry);
    }
}
