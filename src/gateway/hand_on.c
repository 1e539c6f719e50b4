#include "gateway/hand_on.h"

#include <stdlib.h>

struct handed {
    struct net_task task;
    struct gateway_worker *to;
    struct arrival arrival;
    size_t name_length;
    char name[];
};

static void take(struct net_task *task)
{
    struct handed *handed = (struct handed *)task;
    worker_take_connection(handed->to, slice_of(handed->name, handed->name_length), &handed->arrival);
    free(handed);
}

/* The next one round that has denied nothing for a while; NULL: all have. */
static struct gateway_worker *find_calm(const struct gateway_worker *worker)
{
    int64_t now = worker->worker.loop.now;
    for (size_t i = 1; i < worker->worker_count; i++) {
        struct gateway_worker *other = worker->workers[(worker->worker.index + i) % worker->worker_count];
        if (!overload_is_alert(&other->worker.overload, now)) {
            return other;
        }
    }
    return NULL;
}

bool worker_hand_on(struct gateway_worker *worker, struct slice listener, const struct arrival *arrival)
{
    const struct worker *base = &worker->worker;
    if (!overload_is_alert(&base->overload, base->loop.now) ||
        !overload_stands(&base->overload, &base->loop, base->loop.now)) {
        return false;
    }
    struct gateway_worker *calm = find_calm(worker);
    struct handed *handed = calm != NULL ? malloc(sizeof *handed + listener.len) : NULL;
    if (handed == NULL) {
        return false;
    }
    *handed = (struct handed){
        .task = { .run = take }, .to = calm, .arrival = *arrival, .name_length = listener.len
    };
    handed->arrival.behind = 0; /* there nobody waits */
    memcpy(handed->name, listener.ptr, listener.len);
    if (!net_loop_send(&calm->worker.loop, &handed->task)) {
        free(handed); /* it has ended: the process is about to */
        return false;
    }
    metrics_add(base->metrics, METRIC_CONNECTIONS_HANDED_ON, 1);
    return true;
}
