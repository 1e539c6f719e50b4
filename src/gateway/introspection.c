#include "gateway/introspection.h"

#include "base/clock.h"
#include "base/log.h"

/* ---- there and back ---- */

static void run_question(struct net_task *task)
{
    struct introspection_question *question = (struct introspection_question *)task;
    struct gateway_worker *worker = question->asker;
    worker->on_question(worker, question);
}

bool introspection_send(void *context, struct introspection_question *question)
{
    struct gateway_worker *worker = context;
    question->asker = worker;
    question->task = (struct net_task){ .run = run_question };
    return net_loop_send(worker->control_loop, &question->task);
}

static void run_answer(struct net_task *task)
{
    struct introspection_question *question = (struct introspection_question *)task;
    struct worker *worker = &((struct gateway_worker *)question->asker)->worker;
    introspector_answer(worker->introspector, question, worker->loop.now_real / NS_PER_S, worker->loop.now);
}

void introspection_return(void *context, struct introspection_question *question)
{
    struct gateway_worker *worker = question->asker;
    (void)context;
    question->task = (struct net_task){ .run = run_answer };
    if (!net_loop_send(&worker->worker.loop, &question->task)) {
        introspection_question_free(question);
    }
}

void introspection_log(void *context, struct slice endpoint_name, const char *failure)
{
    (void)context;
    if (failure != NULL) {
        log_event(LOG_ERROR, "introspection_failed", LOG_TEXT("endpoint", endpoint_name),
                  LOG_STRING("reason", failure));
    } else {
        log_event(LOG_INFO, "introspection_recovered", LOG_TEXT("endpoint", endpoint_name));
    }
}

/* ---- metrics ---- */

static double requests(const struct introspection_health *health)
{
    return (double)health->requests;
}

static double failures(const struct introspection_health *health)
{
    return (double)health->failures;
}

static double seconds(const struct introspection_health *health)
{
    return (double)health->time / (double)NS_PER_S;
}

static double under_way(const struct introspection_health *health)
{
    return (double)health->under_way;
}

static double waiting(const struct introspection_health *health)
{
    return (double)health->waiting;
}

static double is_well(const struct introspection_health *health)
{
    return health->failing ? 0 : 1;
}

static const struct family {
    const char *name, *type, *help;
    double (*value)(const struct introspection_health *health);
} families[] = {
    { "sallyport_introspection_requests_total", "counter",
      "Tokens that an introspection endpoint was asked about", requests },
    { "sallyport_introspection_failures_total", "counter",
      "Of these, those that it gave no usable answer to: it failed, was too slow, or refused the gateway",
      failures },
    { "sallyport_introspection_seconds_total", "counter",
      "Time that the endpoint took for all of them together", seconds },
    { "sallyport_introspection_under_way", "gauge", "Tokens that it is being asked about now", under_way },
    { "sallyport_introspection_waiting", "gauge", "Tokens that wait until it may be asked about them",
      waiting },
    { "sallyport_introspection_up", "gauge", "0: the last time that it was asked it failed", is_well },
};

struct rendering {
    const struct family *family;
    struct buffer *out;
    bool began, full;
};

static bool put_endpoint(void *context, const struct introspection_health *health)
{
    struct rendering *rendering = context;
    const struct family *family = rendering->family;
    struct buffer *out = rendering->out;
    bool good = rendering->began ||
                metrics_put_head(out, slice_from_string(family->name), family->type, family->help);
    rendering->began = true;
    good = good && buffer_printf(out, "%s{endpoint=\"", family->name) &&
           metrics_put_label(out, health->endpoint_name) &&
           buffer_printf(out, "\"} %.15g\n", family->value(health));
    rendering->full = !good;
    return good;
}

bool introspection_render(const struct introspection_source *source, struct buffer *out)
{
    for (size_t i = 0; i < sizeof families / sizeof families[0]; i++) {
        struct rendering rendering = { .family = &families[i], .out = out };
        introspection_source_tell(source, put_endpoint, &rendering);
        if (rendering.full) {
            return false;
        }
    }
    return true;
}
