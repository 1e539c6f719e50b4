/* Failed authentications of networks that are over their budget: counted, and told to the audit log once an interval, so that
 * a flood fills no disk. What is not told yet is never lost: without room in the log it waits. One worker's. */
#ifndef SALLYPORT_PIPELINE_FAILURE_SUMMARY_H
#define SALLYPORT_PIPELINE_FAILURE_SUMMARY_H

#include "net/address.h"
#include "net/loop.h"
#include "observe/logs.h"

#define FAILURE_SUMMARY_NETWORKS 64 /* that are told by themselves; beyond, they are counted together */
#define FAILURE_SUMMARY_REASONS  4  /* the same of reasons, for each network */
#define FAILURE_SUMMARY_INTERVAL (10 * NS_PER_S)

struct failure_summary_entry {
    struct address network;
    uint64_t count;
    int64_t since; /* real ns: the first of them */
    struct {
        enum deny_reason reason;
        uint64_t count;
    } reasons[FAILURE_SUMMARY_REASONS];
};

struct failure_summary {
    struct net_loop *loop;
    struct log_queue *logs;
    struct deadline deadline;
    size_t count;
    /* The last is that of all networks that have none. */
    struct failure_summary_entry entries[FAILURE_SUMMARY_NETWORKS + 1];
};

void failure_summary_init(struct failure_summary *summary, struct net_loop *loop, struct log_queue *logs);

/* One failure of this client, which the audit log is not told by itself. */
void failure_summary_add(struct failure_summary *summary, const struct address *client,
                         enum deny_reason reason);

/* Tells what there is now. False: the log had no room for all of it. */
bool failure_summary_flush(struct failure_summary *summary);

#endif
