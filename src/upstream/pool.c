#include "upstream/pool.h"

#include "upstream/pool_internal.h"

#include <assert.h>
#include <stdlib.h>

/* ---- places ---- */

static void leave_place(struct pool_connection *connection)
{
    struct pool_endpoint *endpoint = connection->endpoint;
    if (connection->previous != NULL) {
        connection->previous->next = connection->next;
    } else {
        endpoint->connections[connection->place] = connection->next;
    }
    if (connection->next != NULL) {
        connection->next->previous = connection->previous;
    }
    endpoint->counts[connection->place]--;
}

void pool_put(struct pool_connection *connection, enum pool_place place)
{
    struct pool_connection **list = &connection->endpoint->connections[place];
    connection->place = place;
    connection->previous = NULL;
    connection->next = *list;
    if (*list != NULL) {
        (*list)->previous = connection;
    }
    *list = connection;
    connection->endpoint->counts[place]++;
}

static void move(struct pool_connection *connection, enum pool_place place)
{
    if (connection->place != place) {
        leave_place(connection);
        pool_put(connection, place);
    }
}

void pool_forget(struct pool_connection *connection)
{
    struct pool_endpoint *endpoint = connection->endpoint;
    leave_place(connection);
    endpoint->promising -= connection->promising ? 1 : 0;
    deadline_clear(&connection->idle_deadline);
    metrics_add(endpoint->pool->metrics, METRIC_UPSTREAM_OPEN, -1);
    free(connection);
}

static void close_connection(struct pool_connection *connection)
{
    struct http_client *client = connection->client;
    pool_forget(connection);
    http_client_close(client);
}

void pool_on_idle_deadline(struct deadline *deadline)
{
    close_connection(
        (struct pool_connection *)((char *)deadline - offsetof(struct pool_connection, idle_deadline)));
}

void pool_on_idle_lost(struct http_client *client)
{
    pool_forget(http_client_owner(client));
}

/* Speaks what its endpoint is not spoken to in any more. */
static bool is_outdated(const struct pool_connection *connection)
{
    return connection->h2 && connection->endpoint->protocol == HTTP_PROTOCOL_1;
}

static void hand_over(struct pool_connection *connection, struct pool_endpoint *heir)
{
    leave_place(connection);
    connection->endpoint = heir;
    pool_put(connection, POOL_IDLE);
    pool_wake_pending(heir->pool);
}

static void keep(struct pool_connection *connection)
{
    struct pool_endpoint *heir =
        connection->endpoint->pool->retired ? pool_heir_of(connection->endpoint) : NULL;
    if (heir != NULL) {
        hand_over(connection, heir);
    }
    struct pool_endpoint *endpoint = connection->endpoint;
    struct upstream_pool *pool = endpoint->pool;
    move(connection, POOL_IDLE);
    deadline_set(&pool->loop->deadlines, &connection->idle_deadline, pool->loop->now,
                 pool->settings->idle_timeout);
    if (pool->retired || endpoint->counts[POOL_IDLE] > (size_t)pool->settings->max_idle ||
        is_outdated(connection)) {
        close_connection(connection);
    }
}

static void place_used(struct pool_connection *connection, enum http_client_state state)
{
    if (state != HTTP_CLIENT_USABLE || is_outdated(connection)) {
        move(connection, POOL_DRAINING);
    } else {
        move(connection, http_client_room(connection->client) > 0 ? POOL_SHARED : POOL_FULL);
    }
}

void pool_replace(struct pool_connection *connection)
{
    enum http_client_state state = http_client_state(connection->client);
    if (connection->calls > 0) {
        place_used(connection, state);
    } else if (state == HTTP_CLIENT_CLOSING) {
        close_connection(connection);
    }
}

void pool_stay_with_http1(struct pool_endpoint *endpoint)
{
    static const enum pool_place places[] = { POOL_IDLE, POOL_SHARED, POOL_FULL };
    endpoint->protocol = HTTP_PROTOCOL_1;
    endpoint->takes_one = true;
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        struct pool_connection *next;
        for (struct pool_connection *at = endpoint->connections[places[i]]; at != NULL; at = next) {
            next = at->next;
            if (is_outdated(at) && at->calls > 0) {
                move(at, POOL_DRAINING);
            } else if (is_outdated(at)) {
                close_connection(at);
            }
        }
    }
}

/* ---- choosing ---- */

static void settle(struct upstream_ticket *ticket, const struct http_call_failure *failure)
{
    bool unreachable = failure != NULL && failure->reason >= DENY_UPSTREAM_CONNECT &&
                       failure->reason <= DENY_UPSTREAM_TIMEOUT;
    if (unreachable) {
        pool_tell_breaker(ticket, false);
    }
    ticket->on_ready(ticket, failure);
}

/* The last used connection that is still good. One that has something to say is closed: see http_client_is_quiet. So is one
 * to an address that is avoided. */
static struct pool_connection *find_idle(struct pool_endpoint *endpoint)
{
    struct pool_connection *connection;
    while ((connection = endpoint->connections[POOL_IDLE]) != NULL &&
           /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): what is closed is taken off the list */
           (pool_is_avoided(connection) || !http_client_is_quiet(connection->client))) {
        close_connection(connection);
    }
    return connection;
}

void pool_lend(struct upstream_ticket *ticket, struct pool_connection *connection)
{
    static const struct http_call_failure no_memory = { .reason = DENY_OVERLOADED,
                                                        .detail = "no memory for a call to the upstream" };
    struct pool_endpoint *endpoint = ticket->endpoint;
    ticket->call = http_client_take(connection->client);
    if (ticket->call == NULL) {
        if (connection->calls > 0) {
            pool_replace(connection);
        } else {
            keep(connection);
        }
        pool_leave(endpoint);
        ticket->endpoint = NULL;
        settle(ticket, &no_memory);
        return;
    }
    deadline_park(&connection->idle_deadline);
    connection->calls++;
    ticket->connection = connection;
    ticket->lent_at = endpoint->pool->loop->now;
    ticket->protocol = http_client_protocol(connection->client);
    place_used(connection, HTTP_CLIENT_USABLE);
    settle(ticket, NULL);
}

static void lend_kept(struct upstream_ticket *ticket, struct pool_connection *connection)
{
    metrics_add(ticket->pool->metrics, METRIC_UPSTREAM_REUSED, 1);
    pool_lend(ticket, connection);
}

static void pend(struct upstream_ticket *ticket)
{
    static const struct http_call_failure busy = { .reason = DENY_UPSTREAM_BUSY,
                                                   .detail = "all connections are in use" };
    if (!pool_pend(ticket, false)) {
        settle(ticket, &busy);
    }
}

void pool_attempt_here(struct upstream_ticket *ticket)
{
    struct pool_endpoint *endpoint = ticket->endpoint;
    struct pool_connection *kept = NULL;
    if (!ticket->fresh || !pool_may_open(endpoint)) {
        kept = pool_find_shared(endpoint);
        kept = kept != NULL ? kept : find_idle(endpoint);
    }
    if (kept != NULL) {
        lend_kept(ticket, kept);
    } else {
        pool_connect(ticket);
    }
}

void pool_attempt(struct upstream_ticket *ticket)
{
    struct upstream_pool *pool = ticket->pool;
    struct pool_endpoint *endpoint = pool_choose(pool, ticket);
    if (endpoint == NULL && ticket->tried_count > 0) {
        /* Each was tried once: a further attempt may go to any of them again. */
        ticket->tried_count = 0;
        endpoint = pool_choose(pool, ticket);
    }
    if (endpoint == NULL) {
        pend(ticket);
    } else {
        pool_attempt_at(ticket, endpoint);
    }
}

void pool_attempt_at(struct upstream_ticket *ticket, struct pool_endpoint *endpoint)
{
    struct upstream_pool *pool = ticket->pool;
    size_t number = pool_number_of(endpoint);
    ticket->tried_count -= ticket->tried_count == BALANCE_TRIES_MAX ? 1 : 0;
    ticket->tried[ticket->tried_count++] = (uint16_t)number;
    ticket->endpoint = endpoint;
    ticket->url = endpoint->settings->url;
    balancer_begin(&pool->balancer, number);
    const struct balance_target *target = &pool->balancer.targets[number];
    metrics_add(pool->metrics, METRIC_UPSTREAM_UNHEALTHY_USED, target->healthy ? 0 : 1);
    metrics_add(pool->metrics, METRIC_UPSTREAM_OTHER_ZONE,
                pool->settings->has_local && target->tier > 0 ? 1 : 0);
    pool_attempt_here(ticket);
}

void pool_attempt_failed(struct upstream_ticket *ticket, const struct http_call_failure *failure)
{
    if (ticket->endpoint != NULL) {
        upstream_note_failure(ticket, failure);
        pool_leave(ticket->endpoint);
        ticket->endpoint = NULL;
        pool_wake_pending(ticket->pool);
    }
    if (upstream_may_retry(ticket)) {
        pool_attempt(ticket);
        return;
    }
    settle(ticket, failure);
}

void upstream_acquire(struct upstream_pool *pool, struct upstream_ticket *ticket)
{
    static const struct http_call_failure open = { .reason = DENY_UPSTREAM_OPEN,
                                                   .detail = "too many of its requests have failed" };
    static const struct http_call_failure none = { .reason = DENY_UPSTREAM_NO_ENDPOINTS,
                                                   .detail = "no endpoint was discovered" };
    static const struct http_call_failure full = {
        .reason = DENY_UPSTREAM_BUSY, .detail = "as many requests are under way as max_requests says"
    };
    assert(pool != NULL);
    if (ticket->pool == NULL) {
        retry_budget_pay_in(&pool->line->retries, pool->settings->retry_budget);
    }
    ticket->pool = pool;
    ticket->call = NULL;
    ticket->connection = NULL;
    if (pool->count == 0) {
        settle(ticket, &none);
    } else if (pool_is_full(pool)) {
        settle(ticket, &full);
    } else if (ticket->probe == 0 && !breaker_admit(&pool->line->breaker, pool->loop->now, &ticket->probe)) {
        settle(ticket, &open);
    } else if (pool->pending.queue.first == NULL) {
        pool_attempt(ticket);
    } else {
        pend(ticket); /* nobody overtakes those that wait, even where a place has just become free */
        pool_wake_pending(pool); /* or an endpoint has become healthy, of which nobody tells */
    }
}

bool upstream_may_retry(struct upstream_ticket *ticket)
{
    if (ticket->once || ticket->attempts >= (unsigned int)ticket->pool->settings->retries) {
        return false;
    }
    ticket->attempts++;
    return true;
}

bool upstream_spend_retry(struct upstream_ticket *ticket)
{
    return retry_budget_take(&ticket->pool->line->retries);
}

static void on_delay_over(struct deadline *deadline)
{
    struct upstream_ticket *ticket =
        (struct upstream_ticket *)((char *)deadline - offsetof(struct upstream_ticket, patience));
    upstream_acquire(ticket->pool, ticket);
}

void upstream_acquire_later(struct upstream_pool *pool, struct upstream_ticket *ticket, int64_t delay)
{
    if (delay <= 0) {
        upstream_acquire(pool, ticket);
        return;
    }
    ticket->pool = pool;
    ticket->patience.expired = on_delay_over;
    deadline_set(&pool->loop->deadlines, &ticket->patience, pool->loop->now, deadline_step(delay));
}

static void give_back(struct pool_connection *connection, struct http_call *call)
{
    connection->calls--;
    enum http_client_state state = http_call_finish(call);
    if (state == HTTP_CLIENT_CLOSING) {
        pool_forget(connection);
    } else if (connection->calls > 0) {
        place_used(connection, state);
    } else {
        keep(connection);
    }
}

void upstream_release(struct upstream_ticket *ticket)
{
    struct pool_endpoint *endpoint = ticket->endpoint;
    struct pool_connection *connection = ticket->connection;
    pool_queue_leave(ticket);
    deadline_clear(&ticket->patience);
    if (ticket->probe != 0) {
        breaker_forget(&ticket->pool->line->breaker, ticket->probe);
        ticket->probe = 0;
    }
    if (endpoint == NULL) {
        return;
    }
    pool_leave(endpoint);
    if (ticket->call != NULL) {
        give_back(connection, ticket->call);
    } else if (connection != NULL && !pool_bequeath(ticket)) {
        close_connection(connection); /* it is not open yet, and nobody else wants it */
    }
    ticket->endpoint = NULL;
    ticket->connection = NULL;
    ticket->call = NULL;
    pool_wake_pending(ticket->pool);
}

/* ---- tunnels ---- */

struct pool_connection *upstream_keep(struct upstream_ticket *ticket)
{
    struct pool_connection *connection = ticket->connection;
    ticket->endpoint = NULL;
    ticket->connection = NULL;
    ticket->call = NULL;
    return connection;
}

/* Its pool is no more: the last call takes it along. */
static void end_orphan(struct pool_connection *connection, struct http_call *call)
{
    struct http_client *client = connection->client;
    connection->calls--;
    bool closing = http_call_finish(call) == HTTP_CLIENT_CLOSING;
    if (!closing && connection->calls > 0) {
        return;
    }
    metrics_add(connection->metrics, METRIC_UPSTREAM_OPEN, -1);
    free(connection);
    if (!closing) {
        http_client_close(client);
    }
}

void upstream_end_kept(struct pool_connection *connection, struct http_call *call)
{
    struct pool_endpoint *endpoint = connection->endpoint;
    if (endpoint == NULL) {
        end_orphan(connection, call);
        return;
    }
    pool_leave(endpoint);
    give_back(connection, call);
    pool_wake_pending(endpoint->pool);
}

/* The pool goes, and with it its connections, but those on which tunnels have calls. */
static void let_go(struct pool_connection *first)
{
    struct pool_connection *next;
    for (struct pool_connection *connection = first; connection != NULL; connection = next) {
        next = connection->next;
        if (connection->calls == 0) {
            close_connection(connection);
        } else {
            deadline_clear(&connection->idle_deadline);
            connection->endpoint = NULL;
        }
    }
}

struct slice upstream_endpoint_of(const struct upstream_ticket *ticket)
{
    return ticket->url;
}

/* ---- the pool ---- */

const struct upstream_settings *upstream_pool_settings(const struct upstream_pool *pool)
{
    return pool->settings;
}

void pool_begin_serving(struct upstream_pool *pool)
{
    pool->serving++;
}

static void dispose(struct upstream_pool *pool)
{
    if (pool->serving > 0 || pool->pending.task.queued) {
        pool->orphaned = true;
        return;
    }
    for (size_t i = 0; i < pool->count && pool->endpoints[i].pool != NULL; i++) {
        for (size_t place = 0; place < POOL_PLACES; place++) {
            let_go(pool->endpoints[i].connections[place]);
        }
        resolved_done(&pool->endpoints[i].addresses);
    }
    tls_client_free(pool->tls);
    balancer_done(&pool->balancer);
    pool_line_leave(pool);
    endpoint_set_unref(pool->set);
    free(pool);
}

void pool_end_serving(struct upstream_pool *pool)
{
    if (--pool->serving == 0 && pool->orphaned) {
        dispose(pool);
    }
}

static struct error balance(struct upstream_pool *pool)
{
    const struct upstream_settings *settings = pool->settings;
    TRY(balancer_init(&pool->balancer, (enum upstream_balance)settings->balance, settings->maglev,
                      pool->count));
    for (size_t i = 0; i < pool->count; i++) {
        pool->balancer.targets[i].weight = settings->parsed[i].weight;
        pool->balancer.targets[i].tier = settings->parsed[i].tier;
    }
    pool->balancer.rules = (struct usable_rules){ .panic_threshold = settings->panic_threshold,
                                                  .zone_spill = settings->zone_spill };
    pool->balancer.max_load = settings->max_load;
    pool->balancer.slow_start = settings->slow_start;
    pool->marks_seen = health_marks_version() - 1; /* none yet */
    return OK;
}

static struct error add_endpoint(struct upstream_pool *pool, size_t index)
{
    static const struct tls_client_settings no_settings = { 0 };
    const struct upstream_settings *settings = pool->settings;
    struct pool_endpoint *endpoint = &pool->endpoints[index];
    endpoint->pool = pool;
    endpoint->settings = &settings->parsed[index];
    endpoint->protocol = upstream_protocol_of(settings->protocol, endpoint->settings);
    resolved_init(&endpoint->addresses, pool->loop);
    if (endpoint->settings->is_address) {
        resolved_set(&endpoint->addresses, &endpoint->settings->address);
    }
    if (endpoint->settings->tls && pool->tls == NULL) {
        TRY(tls_client_new(settings->tls != NULL ? settings->tls : &no_settings, &pool->tls));
    }
    endpoint->tls = endpoint->settings->tls ? pool->tls : NULL;
    return OK;
}

static struct error fill(struct upstream_pool *pool)
{
    TRY(balance(pool));
    for (size_t i = 0; i < pool->count; i++) {
        TRY(add_endpoint(pool, i));
    }
    return OK;
}

struct error pool_make(const struct upstream_settings *settings, struct net_loop *loop,
                       struct metrics_worker *metrics, struct pool_line *line,
                       struct upstream_pool **ret_pool)
{
    size_t count = settings->endpoints.count;
    struct upstream_pool *pool = calloc(1, sizeof *pool + count * sizeof pool->endpoints[0]);
    if (pool == NULL) {
        return FAIL(ERROR_MEMORY, "upstream pool");
    }
    *pool = (struct upstream_pool){
        .settings = settings,
        .line = line,
        .references = 1,
        .loop = loop,
        .metrics = metrics,
        .count = count,
    };
    line->references++;
    pool_pending_init(pool);
    struct error error = fill(pool);
    if (failed(error)) {
        upstream_pool_free(pool);
        return error;
    }
    *ret_pool = pool;
    return OK;
}

struct upstream_pool *upstream_pool_ref(struct upstream_pool *pool)
{
    pool->references++;
    return pool;
}

void upstream_pool_retire(struct upstream_pool *pool)
{
    pool->retired = true;
    for (size_t i = 0; i < pool->count; i++) {
        struct pool_endpoint *heir = pool_heir_of(&pool->endpoints[i]);
        struct pool_connection *next;
        for (struct pool_connection *idle = pool->endpoints[i].connections[POOL_IDLE]; idle != NULL;
             idle = next) {
            next = idle->next;
            if (heir != NULL) {
                hand_over(idle, heir);
            } else {
                close_connection(idle);
            }
        }
    }
}

void upstream_pool_free(struct upstream_pool *pool)
{
    if (pool != NULL && --pool->references == 0) {
        dispose(pool);
    }
}
