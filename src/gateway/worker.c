#include "gateway/worker.h"

#include "base/clock.h"

#include <stdlib.h>
#include <unistd.h>

/* How often a draining worker looks whether its last exchange is over. */
#define DRAIN_LOOK (20 * NS_PER_MS)

static struct gateway_worker *gateway_worker_of(struct worker *worker)
{
    return (struct gateway_worker *)worker;
}

/* ---- connections ---- */

static void on_connection_event(void *owner, enum http_connection_event event)
{
    struct worker_listener *listener = owner;
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
    case HTTP_CONNECTION_CLOSED:
        listener->connections--;
        metrics_add(metrics, METRIC_CONNECTIONS_OPEN, -1);
        break;
    }
}

static struct http_server_settings server_settings(struct worker_listener *listener)
{
    struct worker *worker = listener->worker;
    const struct listener_settings *settings =
        &worker->current->snapshot->settings->listeners[listener->index];
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
        .handler = &exchange_handler,
        .tls = worker->current->tls[listener->index],
        .owner = listener,
        .on_event = on_connection_event,
    };
}

static void on_accept(struct acceptor *acceptor, int fd, const struct address *peer)
{
    struct worker_listener_entry *entry =
        (struct worker_listener_entry *)((char *)acceptor - offsetof(struct worker_listener_entry, acceptor));
    struct worker_listener *listener = &entry->listener;
    struct worker *worker = listener->worker;
    const struct listener_settings *settings =
        &worker->current->snapshot->settings->listeners[listener->index];
    if (listener->connections >= (size_t)settings->max_connections) {
        metrics_add(worker->metrics, METRIC_CONNECTIONS_REFUSED, 1);
        close(fd);
        return;
    }
    struct http_server_settings server = server_settings(listener);
    listener->connections++;
    metrics_add(worker->metrics, METRIC_CONNECTIONS_ACCEPTED, 1);
    metrics_add(worker->metrics, METRIC_CONNECTIONS_OPEN, 1);
    if (failed(h1_server_accept(&worker->connections, &worker->loop, fd, peer, &server))) {
        metrics_add(worker->metrics, METRIC_CONNECTIONS_REFUSED, 1);
    }
}

/* ---- listeners ---- */

static struct worker_listener_entry *find_listener(struct gateway_worker *worker, struct slice name)
{
    for (struct worker_listener_entry *entry = worker->listeners; entry != NULL; entry = entry->next) {
        if (slice_equal(entry->listener.name, name)) {
            return entry;
        }
    }
    return NULL;
}

/* An entry is kept for the worker's life, so that connections may point to it; there are as many as names were ever used. */
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
    entry->next = worker->listeners;
    worker->listeners = entry;
    return entry;
}

static int listener_index(const struct settings *settings, struct slice name)
{
    for (size_t i = 0; i < settings->listener_count; i++) {
        if (slice_equal(settings->listeners[i].name, name)) {
            return (int)i;
        }
    }
    return -1;
}

static void close_listener(struct worker_listener_entry *entry)
{
    if (entry->open) {
        entry->open = false;
        acceptor_close(&entry->acceptor, NULL);
    }
}

/* The same socket goes on being served without a gap; another one under the name replaces it. */
static void take_socket(struct gateway_worker *worker, struct worker_socket *socket)
{
    struct worker_listener_entry *entry = make_listener(worker, socket->name);
    if (entry == NULL || worker->worker.draining ||
        (entry->open && entry->acceptor.inode == acceptor_inode(socket->fd))) {
        close(socket->fd);
        return;
    }
    if (entry->open) {
        /* The acceptor's handle cannot be reused before it has closed: the name gets a new entry. */
        close_listener(entry);
        struct worker_listener_entry *fresh = calloc(1, sizeof *fresh);
        if (fresh == NULL) {
            close(socket->fd);
            return;
        }
        fresh->listener = entry->listener;
        fresh->listener.connections = 0;
        entry->listener.name = SLICE("");
        fresh->next = worker->listeners;
        worker->listeners = fresh;
        entry = fresh;
    }
    if (failed(acceptor_open(&entry->acceptor, &worker->worker.loop, socket->fd, on_accept))) {
        close(socket->fd);
        return;
    }
    entry->open = true;
}

static void update_listeners(struct gateway_worker *worker, const struct settings *settings)
{
    for (struct worker_listener_entry *entry = worker->listeners; entry != NULL; entry = entry->next) {
        int index = listener_index(settings, entry->listener.name);
        entry->listener.index = index;
        if (index < 0 || settings->listeners[index].status) {
            close_listener(entry);
        }
    }
}

/* ---- changes ---- */

static void answer(struct worker_change *change)
{
    net_loop_send(change->worker->control_loop, &change->answer);
}

static void run_prepare(struct net_task *task)
{
    struct worker_change *change = (struct worker_change *)task;
    struct error error = worker_snapshot_new(&change->worker->worker, change->snapshot,
                                             change->worker->tickets, &change->prepared);
    change->ok = !failed(error);
    change->failure = error.what;
    answer(change);
}

static void set_issuers(struct worker *worker, const struct settings *settings, struct worker_change *change)
{
    for (size_t i = 0; i < settings->issuer_count; i++) {
        struct error error = jwt_issuer_set(worker->verifier, &settings->issuers[i]);
        if (failed(error)) {
            change->ok = false;
            change->failure = error.what;
        }
    }
    jwt_verifier_sweep(worker->verifier);
}

static void run_commit(struct net_task *task)
{
    struct worker_change *change = (struct worker_change *)task;
    struct gateway_worker *worker = change->worker;
    struct worker_snapshot *old = worker->worker.current;
    const struct settings *settings = change->snapshot->settings;
    worker->worker.current = change->prepared;
    change->prepared = NULL;
    set_issuers(&worker->worker, settings, change);
    for (size_t i = 0; i < change->socket_count; i++) {
        (void)make_listener(worker, change->sockets[i].name);
    }
    update_listeners(worker, settings);
    for (size_t i = 0; i < change->socket_count; i++) {
        take_socket(worker, &change->sockets[i]);
    }
    if (old != NULL) {
        worker_snapshot_give(old);
    }
    answer(change);
}

static void run_discard(struct net_task *task)
{
    struct worker_change *change = (struct worker_change *)task;
    if (change->prepared != NULL) {
        worker_snapshot_give(change->prepared);
        change->prepared = NULL;
    }
    answer(change);
}

static void send_change(struct worker_change *change, void (*run)(struct net_task *task))
{
    change->task.run = run;
    net_loop_send(&change->worker->worker.loop, &change->task);
}

void gateway_worker_prepare(struct worker_change *change)
{
    send_change(change, run_prepare);
}

void gateway_worker_commit(struct worker_change *change)
{
    send_change(change, run_commit);
}

void gateway_worker_discard(struct worker_change *change)
{
    send_change(change, run_discard);
}

/* ---- keys ---- */

struct keys_task {
    struct net_task task;
    struct gateway_worker *worker;
    struct slice issuer_name, text;
};

static void run_keys(struct net_task *task)
{
    struct keys_task *keys = (struct keys_task *)task;
    struct jwt_verifier *verifier = keys->worker->worker.verifier;
    size_t used = 0;
    if (slice_is_empty(keys->text)) {
        jwt_issuer_drop_keys(verifier, keys->issuer_name);
    } else if (failed(jwt_issuer_set_keys(verifier, keys->issuer_name, keys->text, &used))) {
        metrics_add(keys->worker->worker.metrics, METRIC_JWKS_FAILURES, 1);
    }
    free(keys);
}

void gateway_worker_set_keys(struct gateway_worker *worker, struct slice issuer_name, struct slice text)
{
    struct keys_task *keys = malloc(sizeof *keys + issuer_name.len + text.len);
    if (keys == NULL) {
        return; /* the old keys go on; the next refresh brings the new ones */
    }
    char *memory = (char *)(keys + 1);
    memcpy(memory, issuer_name.ptr, issuer_name.len);
    if (text.len > 0) {
        memcpy(memory + issuer_name.len, text.ptr, text.len);
    }
    *keys = (struct keys_task){
        .task = { .run = run_keys },
        .worker = worker,
        .issuer_name = { memory, issuer_name.len },
        .text = { memory + issuer_name.len, text.len },
    };
    net_loop_send(&worker->worker.loop, &keys->task);
}

static void tell_unknown_kid(struct net_task *task)
{
    struct gateway_worker *worker =
        (struct gateway_worker *)((char *)task - offsetof(struct gateway_worker, unknown_kid_task));
    worker->on_unknown_kid(worker);
    __atomic_store_n(&worker->unknown_kid_sent, false, __ATOMIC_RELEASE);
}

/* One message at a time: a flood of unknown kids costs the control thread nothing; the next token asks again. */
static void unknown_kid(struct worker *base, struct slice issuer_name)
{
    struct gateway_worker *worker = gateway_worker_of(base);
    if (issuer_name.len >= sizeof worker->unknown_kid_issuer ||
        __atomic_load_n(&worker->unknown_kid_sent, __ATOMIC_ACQUIRE)) {
        return;
    }
    memcpy(worker->unknown_kid_issuer, issuer_name.ptr, issuer_name.len);
    worker->unknown_kid_issuer[issuer_name.len] = '\0';
    __atomic_store_n(&worker->unknown_kid_sent, true, __ATOMIC_RELEASE);
    net_loop_send(worker->control_loop, &worker->unknown_kid_task);
}

/* ---- the end ---- */

static bool is_quiet(const struct gateway_worker *worker)
{
    return worker->worker.connections.count == 0 && worker->worker.exchange_count == 0;
}

static void look(struct deadline *deadline)
{
    struct gateway_worker *worker =
        (struct gateway_worker *)((char *)deadline - offsetof(struct gateway_worker, drain_deadline));
    struct net_loop *loop = &worker->worker.loop;
    if (loop->now >= worker->drain_limit) {
        h1_server_close_all(&worker->worker.connections);
    }
    if (!is_quiet(worker)) {
        deadline_set(&loop->deadlines, &worker->drain_deadline, loop->now, DRAIN_LOOK);
        return;
    }
    /* Nothing of ours is left on the loop but the snapshot's pools. */
    if (worker->worker.current != NULL) {
        worker_snapshot_give(worker->worker.current);
        worker->worker.current = NULL;
    }
    net_loop_stop(loop);
}

static void run_drain(struct net_task *task)
{
    struct gateway_worker *worker =
        (struct gateway_worker *)((char *)task - offsetof(struct gateway_worker, drain_task));
    struct net_loop *loop = &worker->worker.loop;
    worker->worker.draining = true;
    for (struct worker_listener_entry *entry = worker->listeners; entry != NULL; entry = entry->next) {
        close_listener(entry);
    }
    h1_server_drain_all(&worker->worker.connections);
    worker->drain_limit += loop->now;
    worker->drain_deadline.expired = look;
    deadline_set(&loop->deadlines, &worker->drain_deadline, loop->now, DRAIN_LOOK);
}

void gateway_worker_drain(struct gateway_worker *worker, int64_t limit)
{
    worker->drain_limit = limit;
    worker->drain_task.run = run_drain;
    net_loop_send(&worker->worker.loop, &worker->drain_task);
}

static void run_finished(struct net_task *task)
{
    struct gateway_worker *worker =
        (struct gateway_worker *)((char *)task - offsetof(struct gateway_worker, finished_task));
    worker->on_finished(worker);
}

static void *run_thread(void *argument)
{
    struct gateway_worker *worker = argument;
    net_loop_run(&worker->worker.loop);
    worker->finished_task.run = run_finished;
    net_loop_send(worker->control_loop, &worker->finished_task);
    return NULL;
}

static void free_parts(struct gateway_worker *worker)
{
    while (worker->listeners != NULL) {
        struct worker_listener_entry *entry = worker->listeners;
        worker->listeners = entry->next;
        if (entry->listener.name.len > 0) {
            free((char *)entry->listener.name.ptr);
        }
        free(entry);
    }
    exchange_free_spares(&worker->worker);
    h1_server_list_done(&worker->worker.connections);
    jwt_verifier_free(worker->worker.verifier);
    free(worker);
}

void gateway_worker_free(struct gateway_worker *worker)
{
    pthread_join(worker->thread, NULL);
    net_loop_done(&worker->worker.loop);
    free_parts(worker);
}

static struct error start(struct gateway_worker *worker, const struct worker_options *options)
{
    TRY(h1_server_list_init(&worker->worker.connections));
    TRY(jwt_verifier_new(options->token_cache, &worker->worker.verifier));
    TRY(net_loop_init(&worker->worker.loop));
    int status = pthread_create(&worker->thread, NULL, run_thread, worker);
    if (status != 0) {
        net_loop_done(&worker->worker.loop);
        return FAIL_NUMBER(ERROR_SYSTEM, status, "worker thread");
    }
    return OK;
}

struct error gateway_worker_start(const struct worker_options *options, struct gateway_worker **ret_worker)
{
    struct gateway_worker *worker = calloc(1, sizeof *worker);
    if (worker == NULL) {
        return FAIL(ERROR_MEMORY, "worker");
    }
    worker->worker.index = options->index;
    worker->worker.limiter = options->limiter;
    worker->worker.logs = options->logs;
    worker->worker.metrics = options->metrics;
    worker->worker.unknown_kid = unknown_kid;
    worker->control_loop = options->control_loop;
    worker->tickets = options->tickets;
    worker->on_unknown_kid = options->on_unknown_kid;
    worker->on_finished = options->on_finished;
    worker->unknown_kid_task.run = tell_unknown_kid;
    struct error error = start(worker, options);
    if (failed(error)) {
        free_parts(worker);
        return error;
    }
    *ret_worker = worker;
    return OK;
}
