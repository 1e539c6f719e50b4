#include "pipeline/blocks.h"

#include "auth/token_digest.h"
#include "pipeline/tunnel.h"

/* In the order of the kinds. */
_Static_assert((int)METRIC_BLOCK_ADDRESS + (int)BLOCK_TOKEN == (int)METRIC_BLOCK_TOKEN,
               "a counter for each kind");

/* Looks for blocks, or gathers marks: both go through the same values, so that neither forgets one. */
struct search {
    const struct block_set *set;
    int64_t now;
    const struct block_entry *found;
    struct block_mark *marks; /* NULL: it looks for blocks */
    size_t count, room;
};

static bool wants(const struct search *search, enum block_kind kind)
{
    return search->marks != NULL ? search->count < search->room
                                 : search->found == NULL && block_set_has(search->set, kind);
}

static void visit(struct search *search, enum block_kind kind, struct slice issuer, struct slice value)
{
    if (value.len == 0 || !wants(search, kind)) {
        return;
    }
    struct block_mark mark = block_mark_of(kind, issuer, value);
    if (search->marks != NULL) {
        search->marks[search->count++] = mark;
    } else {
        search->found = block_set_find(search->set, &mark, search->now);
    }
}

/* ---- what there is to be blocked ---- */

static void visit_claim(struct search *search, enum block_kind kind, const struct principal *principal,
                        struct slice name)
{
    struct slice value;
    if (principal->claims != NULL && wants(search, kind) &&
        json_get_string(principal->claims, name, &value)) {
        visit(search, kind, principal->issuer, value);
    }
}

static void visit_token(struct search *search, const struct exchange *exchange)
{
    unsigned char digest[TOKEN_DIGEST_SIZE];
    if (exchange->token.len > 0 && wants(search, BLOCK_TOKEN) && token_digest(exchange->token, digest)) {
        visit(search, BLOCK_TOKEN, SLICE_NONE, slice_of((const char *)digest, sizeof digest));
    }
}

static void visit_principal(struct search *search, const struct exchange *exchange,
                            const struct principal *principal)
{
    struct slice key_id;
    switch (principal->kind) {
    case PRINCIPAL_ANONYMOUS:
    case PRINCIPAL_CERTIFICATE: /* that of the connection */
        return;
    case PRINCIPAL_API_KEY:
        if (principal->claims != NULL && json_get_string(principal->claims, SLICE("key_id"), &key_id)) {
            visit(search, BLOCK_API_KEY, SLICE_NONE, key_id);
        }
        visit(search, BLOCK_CONSUMER, SLICE_NONE, principal->subject);
        return;
    default:
        visit_claim(search, BLOCK_JTI, principal, SLICE("jti"));
        visit_claim(search, BLOCK_SID, principal, SLICE("sid"));
        visit(search, BLOCK_SUB, principal->issuer, principal->subject);
        visit_token(search, exchange);
    }
}

static void visit_certificate(struct search *search, const struct exchange *exchange)
{
    const struct http_connection_facts *facts = exchange->stream->connection;
    const struct tls_client_facts *client = facts->is_tls ? facts->tls.client : NULL;
    if (client != NULL) {
        visit(search, BLOCK_CERTIFICATE, SLICE_NONE,
              slice_of((const char *)client->thumbprint, sizeof client->thumbprint));
        visit(search, BLOCK_SERIAL, client->issuer, client->serial);
    }
}

static void visit_route(struct search *search, const struct exchange *exchange)
{
    if (exchange->route != NULL) {
        visit(search, BLOCK_ROUTE, SLICE_NONE, exchange->route->settings->name);
    }
}

/* ---- asking ---- */

static struct search look_for(const struct exchange *exchange)
{
    const struct worker *worker = exchange->worker;
    return (struct search){ .set = worker->blocks, .now = worker->loop.now_real / NS_PER_S };
}

/* The reason is for operators: it goes to the logs, never to the caller. */
static enum deny_reason deny(struct exchange *exchange, const struct block_entry *entry)
{
    if (entry == NULL) {
        return DENY_NONE;
    }
    exchange->detail =
        arena_printf(&exchange->arena, "block %.*s: %.*s", SLICE_ARG(entry->name), SLICE_ARG(entry->reason));
    if (entry->kind == BLOCK_ROUTE) {
        int64_t left = entry->expires - exchange->worker->loop.now_real / NS_PER_S;
        int64_t wait = entry->expires > 0 && left < 60 ? left : 60;
        exchange->retry_after = wait * NS_PER_S;
    }
    metrics_add(exchange->worker->metrics, METRIC_BLOCK_ADDRESS + (enum metric)entry->kind,
                exchange->judges == NULL ? 1 : 0);
    return block_kind_infos[entry->kind].reason;
}

static bool is_trusted(const struct listener_settings *listener, const struct address *peer)
{
    for (size_t i = 0; i < listener->trusted_proxies.count; i++) {
        if (address_in_prefix(peer, &listener->trusted[i])) {
            return true;
        }
    }
    return false;
}

bool blocks_refuse_peer(const struct worker *worker, const struct listener_settings *listener,
                        const struct address *peer)
{
    const struct block_set *set = worker->blocks;
    if (!block_set_has(set, BLOCK_ADDRESS) ||
        (listener->forwarded != FORWARDED_NONE && is_trusted(listener, peer))) {
        return false;
    }
    return block_set_find_address(set, peer, worker->loop.now_real / NS_PER_S) != NULL;
}

enum deny_reason blocks_of_client(struct exchange *exchange)
{
    struct search search = look_for(exchange);
    return deny(exchange, block_set_find_address(search.set, &exchange->client, search.now));
}

enum deny_reason blocks_of_certificate(struct exchange *exchange)
{
    struct search search = look_for(exchange);
    visit_certificate(&search, exchange);
    return deny(exchange, search.found);
}

enum deny_reason blocks_of_route(struct exchange *exchange)
{
    struct search search = look_for(exchange);
    visit_route(&search, exchange);
    return deny(exchange, search.found);
}

enum deny_reason blocks_of_principal(struct exchange *exchange, const struct principal *principal)
{
    struct search search = look_for(exchange);
    visit_principal(&search, exchange, principal);
    return deny(exchange, search.found);
}

/* ---- marks ---- */

void blocks_note_further(struct exchange *exchange, const struct principal *principal)
{
    struct search search = { .marks = exchange->further_marks,
                             .count = exchange->further_count,
                             .room = BLOCK_MARKS_FURTHER };
    visit_principal(&search, exchange, principal);
    exchange->further_count = search.count;
}

size_t blocks_marks_of(const struct exchange *exchange, struct block_mark out[BLOCK_MARKS_MAX])
{
    struct search search = { .marks = out, .room = BLOCK_MARKS_MAX };
    visit_route(&search, exchange);
    visit_certificate(&search, exchange);
    visit_principal(&search, exchange, &exchange->principal);
    for (size_t i = 0; i < exchange->further_count && search.count < BLOCK_MARKS_MAX; i++) {
        out[search.count++] = exchange->further_marks[i];
    }
    return search.count;
}

/* ---- a new set ---- */

static const struct block_entry *find_block(const struct exchange *exchange)
{
    struct search search = look_for(exchange);
    search.found = block_set_find_address(search.set, &exchange->client, search.now);
    visit_certificate(&search, exchange);
    visit_route(&search, exchange);
    visit_principal(&search, exchange, &exchange->principal);
    for (size_t i = 0; search.found == NULL && i < exchange->further_count; i++) {
        search.found = block_set_find(search.set, &exchange->further_marks[i], search.now);
    }
    return search.found;
}

/* What has its answer, or is about to be gone, is left alone. */
static void sweep_exchange(struct exchange *exchange)
{
    if (exchange->stream == NULL || exchange->listener_settings == NULL ||
        (exchange->state != EXCHANGE_WAITING && exchange->state != EXCHANGE_STREAMING)) {
        return;
    }
    const struct block_entry *entry = find_block(exchange);
    if (entry != NULL && exchange->reason == DENY_NONE) {
        metrics_add(exchange->worker->metrics, METRIC_BLOCK_STREAMS, 1);
        enum deny_reason reason = deny(exchange, entry);
        exchange_fail(exchange, reason, exchange->detail);
    }
}

/* Held while it is looked at, so that the next one is known even where this was its end. */
static void sweep_exchanges(struct worker *worker)
{
    struct exchange *next;
    for (struct exchange *exchange = worker->exchanges; exchange != NULL; exchange = next) {
        exchange_hold(exchange);
        sweep_exchange(exchange);
        next = exchange->open_next;
        exchange_pending_done(exchange);
    }
}

static bool is_of_blocked_peer(const void *context, const struct http_connection_facts *facts)
{
    const struct worker *worker = context;
    const struct worker_listener *listener = facts->owner;
    if (listener->index < 0 || worker->current == NULL) {
        return false; /* the listener is no more: its connections end anyway */
    }
    return blocks_refuse_peer(worker, &worker->current->snapshot->settings->listeners[listener->index],
                              &facts->peer);
}

void blocks_take(struct worker *worker, struct block_set *set)
{
    struct block_set *old = worker->blocks;
    worker->blocks = block_set_ref(set);
    block_set_unref(old);
    if (block_set_is_empty(set)) {
        return;
    }
    tunnel_sweep(worker);
    sweep_exchanges(worker);
    if (block_set_has(set, BLOCK_ADDRESS)) {
        http_connections_drain_some(&worker->connections, is_of_blocked_peer, worker);
    }
}
