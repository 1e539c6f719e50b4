/* A worker from within: shared by worker.c (its life), worker_updates.c and worker_notices.c. */
#ifndef SALLYPORT_GATEWAY_WORKER_INTERNAL_H
#define SALLYPORT_GATEWAY_WORKER_INTERNAL_H

#include "gateway/worker.h"

/* Before its thread begins. */
void worker_updates_init(struct gateway_worker *worker);
void worker_notices_init(struct gateway_worker *worker);

#endif
