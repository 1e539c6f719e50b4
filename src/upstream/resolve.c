#include "upstream/resolve.h"

#include "base/limits.h"

#include <stdlib.h>

struct resolve_job {
    uv_getaddrinfo_t request; /* NULL data: nobody waits any more */
    struct net_task failed;   /* where the look-up could not even start */
    char host[HTTP_HOST_MAX + 1];
};

void resolved_init(struct resolved *resolved, struct net_loop *loop)
{
    *resolved = (struct resolved){ .loop = loop };
}

void resolved_done(struct resolved *resolved)
{
    if (resolved->job != NULL) {
        resolved->job->request.data = NULL;
        resolved->job = NULL;
    }
}

void resolved_set(struct resolved *resolved, const struct address *address)
{
    resolved->addresses[0] = *address;
    resolved->count = 1;
    resolved->until = INT64_MAX;
}

static void finish(struct resolve_job *job, const struct addrinfo *list)
{
    struct resolved *resolved = job->request.data;
    free(job);
    if (resolved == NULL) {
        return;
    }
    net_loop_woken(resolved->loop);
    resolved->job = NULL;
    size_t count = 0;
    for (; list != NULL && count < RESOLVE_ADDRESSES_MAX; list = list->ai_next) {
        count += address_from_sockaddr(list->ai_addr, &resolved->addresses[count]) ? 1 : 0;
    }
    if (count > 0) {
        resolved->count = count;
    }
    if (resolved->count > 0) {
        resolved->until = resolved->loop->now + RESOLVE_LIFETIME;
    }
    resolved->on_done(resolved, resolved->count > 0);
}

static void on_answer(uv_getaddrinfo_t *request, int status, struct addrinfo *list)
{
    struct resolve_job *job = (struct resolve_job *)request;
    const struct resolved *resolved = request->data;
    if (resolved != NULL) {
        net_loop_woken(resolved->loop);
    }
    finish(job, status == 0 ? list : NULL);
    uv_freeaddrinfo(list);
}

static void on_no_start(struct net_task *task)
{
    finish((struct resolve_job *)((char *)task - offsetof(struct resolve_job, failed)), NULL);
}

bool resolved_start(struct resolved *resolved, struct slice host,
                    void (*on_done)(struct resolved *, bool found))
{
    resolved->on_done = on_done;
    if (resolved->job != NULL) {
        return true;
    }
    struct resolve_job *job = calloc(1, sizeof *job);
    if (job == NULL) {
        return false;
    }
    resolved->job = job;
    job->request.data = resolved;
    job->failed.run = on_no_start;
    size_t length = host.len < HTTP_HOST_MAX ? host.len : HTTP_HOST_MAX;
    memcpy(job->host, host.ptr, length);
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG };
    void *data = job->request.data;
    int status = uv_getaddrinfo(&resolved->loop->uv, &job->request, on_answer, job->host, NULL, &hints);
    job->request.data = data;
    if (status != 0) {
        net_loop_post(resolved->loop, &job->failed);
    }
    return true;
}
