#include "gateway/admission.h"

#include "net/stream.h"
#include "pipeline/blocks.h"

#include <sys/socket.h>
#include <unistd.h>

/* What may begin at once: as many as a fifth of a second allows. All of an allowance at once would be a turn during which
 * nobody else is served. */
#define BURST_TIME (NS_PER_S / 5)
/* Shorter pauses would cost more than they spread. */
#define PAUSE_MIN (10 * NS_PER_MS)

static int64_t interval_of(const struct conf_rate *rate)
{
    return (rate->window + rate->count - 1) / rate->count;
}

static int64_t burst_of(const struct conf_rate *rate)
{
    int64_t burst = BURST_TIME / interval_of(rate);
    return burst < 1 ? 1 : burst;
}

static bool is_capped(const struct listener_settings *settings)
{
    return settings->tls != NULL && settings->handshakes.count > 0;
}

int64_t admission_pause(const struct admission *admission, const struct listener_settings *settings,
                        int64_t now)
{
    if (!is_capped(settings)) {
        return 0;
    }
    int64_t interval = interval_of(&settings->handshakes);
    int64_t wait = admission->handshakes_full_at - now - (burst_of(&settings->handshakes) - 1) * interval;
    if (wait <= 0) {
        return 0;
    }
    /* Not more than one handshake's time, whatever rate the last configuration had. */
    wait = wait < interval ? wait : interval;
    return wait < PAUSE_MIN ? PAUSE_MIN : wait;
}

static void charge_handshake(struct admission *admission, const struct listener_settings *settings,
                             int64_t now)
{
    if (is_capped(settings)) {
        int64_t from = admission->handshakes_full_at > now ? admission->handshakes_full_at : now;
        admission->handshakes_full_at = from + interval_of(&settings->handshakes);
    }
}

static bool is_full(const struct worker_listener *listener, const struct listener_settings *settings)
{
    return listener->connections >= (size_t)settings->max_connections;
}

/* A proxy speaks for many. */
static bool is_trusted(const struct listener_settings *settings, const struct address *peer)
{
    for (size_t i = 0; i < settings->trusted_proxies.count; i++) {
        if (address_in_prefix(peer, &settings->trusted[i])) {
            return true;
        }
    }
    return false;
}

/* Does it count for its address? Whom a proxy announces does, whatever the address is. */
static bool is_counted(const struct listener_settings *settings, const struct arrival *arrival)
{
    return arrival->announced ||
           (!address_is_none(&arrival->client) && !is_trusted(settings, &arrival->client));
}

static bool too_many_handshakes(struct worker *worker, const struct listener_settings *settings,
                                const struct address *peer, int64_t now)
{
    const struct limit_settings *rule = &settings->address_handshakes;
    if (settings->tls == NULL || rule->rate.count == 0) {
        return false;
    }
    struct address network = address_network(peer);
    struct limit_key key = { .settings = rule, .key = network.bytes, .key_size = sizeof network.bytes };
    struct limit_answer answer;
    limiter_decide(worker->limiter, &key, 1, now, &answer);
    return !answer.allowed;
}

bool admission_is_late(const struct worker *worker, int64_t behind)
{
    return worker->overload.deadline > 0 && behind >= worker->overload.deadline;
}

/* While connections come faster than they are taken, the queue before accept is where the time goes. A handshake may use up
 * its time limit there; what asks without one has the queue deadline. */
static bool waited_too_long(const struct worker *worker, const struct listener_settings *settings,
                            const struct arrival *arrival)
{
    if (!admission_is_late(worker, arrival->behind)) {
        return false;
    }
    return stream_waited(arrival->fd) >=
           (settings->tls != NULL ? settings->timeouts->handshake : worker->overload.deadline);
}

enum refusal admission_check(struct admission *admission, const struct worker_listener *listener,
                             const struct listener_settings *settings, const struct arrival *arrival,
                             uint32_t of_address)
{
    struct worker *worker = listener->worker;
    int64_t now = worker->loop.now;
    if (blocks_refuse_peer(worker, settings, &arrival->client)) {
        return REFUSAL_ADDRESS_BLOCKED;
    }
    if (is_full(listener, settings)) {
        return REFUSAL_LISTENER_CONNECTIONS;
    }
    bool counted = is_counted(settings, arrival);
    if (counted && settings->max_connections_per_address > 0 &&
        of_address > settings->max_connections_per_address) {
        return REFUSAL_ADDRESS_CONNECTIONS;
    }
    if (waited_too_long(worker, settings, arrival)) {
        return REFUSAL_QUEUE_DEADLINE;
    }
    if (counted && too_many_handshakes(worker, settings, &arrival->client, now)) {
        return REFUSAL_ADDRESS_HANDSHAKES;
    }
    charge_handshake(admission, settings, now);
    return REFUSAL_NONE;
}

enum refusal admission_check_proxy(const struct worker_listener *listener,
                                   const struct listener_settings *settings, const struct arrival *arrival)
{
    if (!is_trusted(settings, &arrival->client)) {
        return REFUSAL_PROXY_UNTRUSTED;
    }
    return is_full(listener, settings) ? REFUSAL_LISTENER_CONNECTIONS : REFUSAL_NONE;
}

void admission_refuse(struct metrics_worker *metrics, int fd, enum refusal why)
{
    static const enum metric counters[] = {
        [REFUSAL_LISTENER_CONNECTIONS] = METRIC_REFUSED_LISTENER_CONNECTIONS,
        [REFUSAL_ADDRESS_CONNECTIONS] = METRIC_REFUSED_ADDRESS_CONNECTIONS,
        [REFUSAL_ADDRESS_HANDSHAKES] = METRIC_REFUSED_ADDRESS_HANDSHAKES,
        [REFUSAL_QUEUE_DEADLINE] = METRIC_REFUSED_QUEUE_DEADLINE,
        [REFUSAL_PROXY_UNTRUSTED] = METRIC_REFUSED_PROXY_UNTRUSTED,
        [REFUSAL_PROXY_HEADER_BAD] = METRIC_REFUSED_PROXY_HEADER_BAD,
        [REFUSAL_PROXY_HEADER_MISSING] = METRIC_REFUSED_PROXY_HEADER_MISSING,
        [REFUSAL_ADDRESS_BLOCKED] = METRIC_REFUSED_ADDRESS_BLOCKED,
        [REFUSAL_DESCRIPTORS] = METRIC_REFUSED_DESCRIPTORS,
        [REFUSAL_ERROR] = METRIC_REFUSED_ERROR,
    };
    metrics_add(metrics, counters[why], 1);
    if (fd >= 0) {
        /* By a reset: an orderly end of ours would leave a socket in TIME_WAIT for each. */
        const struct linger reset = { .l_onoff = 1, .l_linger = 0 };
        (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
        close(fd);
    }
}
