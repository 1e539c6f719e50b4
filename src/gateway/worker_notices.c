/* What a worker tells the control thread: unknown keys, keys that are to be renewed, floods. */
#include "base/clock.h"
#include "base/log.h"
#include "gateway/worker_internal.h"

#include <stdio.h>

static struct gateway_worker *gateway_worker_of(struct worker *worker)
{
    return (struct gateway_worker *)worker;
}

/* ---- unknown keys ---- */

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

/* ---- keys that are to be renewed ---- */

static void log_notice(struct net_task *task)
{
    struct gateway_worker *worker =
        (struct gateway_worker *)((char *)task - offsetof(struct gateway_worker, notice_task));
    const struct worker_notice *notice = &worker->notice;
    char expires[CLOCK_RFC3339_SIZE] = "never";
    if (notice->expires > 0) {
        clock_rfc3339(notice->expires * NS_PER_S, expires);
    }
    log_event(LOG_WARNING,
              notice->kind == API_KEY_NOTICE_SUPERSEDED ? "api_key_superseded_used" : "api_key_expiring",
              LOG_STRING("set", notice->set), LOG_STRING("id", notice->id),
              LOG_STRING("consumer", notice->consumer), LOG_STRING("expires", expires));
    __atomic_store_n(&worker->notice_sent, false, __ATOMIC_RELEASE);
}

static void tell_notice(struct worker *base, struct api_key *key)
{
    struct gateway_worker *worker = gateway_worker_of(base);
    if (__atomic_load_n(&worker->notice_sent, __ATOMIC_ACQUIRE)) {
        return;
    }
    enum api_key_notice kind =
        api_key_notice_due(base->api_keys, key, base->loop.now_real / NS_PER_S, base->loop.now);
    if (kind == API_KEY_NOTICE_NONE) {
        return;
    }
    struct worker_notice *notice = &worker->notice;
    notice->kind = kind;
    notice->expires = key->record.expires;
    snprintf(notice->set, sizeof notice->set, "%.*s", SLICE_ARG(key->set_name));
    snprintf(notice->id, sizeof notice->id, "%.*s", SLICE_ARG(key->record.id));
    snprintf(notice->consumer, sizeof notice->consumer, "%.*s", SLICE_ARG(key->record.consumer));
    __atomic_store_n(&worker->notice_sent, true, __ATOMIC_RELEASE);
    net_loop_send(worker->control_loop, &worker->notice_task);
}

/* ---- floods ---- */

static void log_flood(struct net_task *task)
{
    struct gateway_worker *worker =
        (struct gateway_worker *)((char *)task - offsetof(struct gateway_worker, flood_task));
    char peer[ADDRESS_TEXT_MAX];
    size_t size = address_format(&worker->flood.peer, peer);
    log_event(LOG_WARNING, "http2_flood", LOG_STRING("listener", worker->flood.listener),
              LOG_TEXT("client", slice_of(peer, size)), LOG_TEXT("kind", worker->flood.kind));
    __atomic_store_n(&worker->flood_sent, false, __ATOMIC_RELEASE);
}

void worker_tell_flood(struct gateway_worker *worker, struct slice listener, const struct address *peer,
                       struct slice kind)
{
    if (__atomic_load_n(&worker->flood_sent, __ATOMIC_ACQUIRE)) {
        return;
    }
    snprintf(worker->flood.listener, sizeof worker->flood.listener, "%.*s", SLICE_ARG(listener));
    worker->flood.kind = kind;
    worker->flood.peer = *peer;
    __atomic_store_n(&worker->flood_sent, true, __ATOMIC_RELEASE);
    net_loop_send(worker->control_loop, &worker->flood_task);
}

void worker_notices_init(struct gateway_worker *worker)
{
    worker->worker.unknown_kid = unknown_kid;
    worker->worker.api_key_used = tell_notice;
    worker->unknown_kid_task.run = tell_unknown_kid;
    worker->notice_task.run = log_notice;
    worker->flood_task.run = log_flood;
}
