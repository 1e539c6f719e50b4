#include "pipeline/failure_summary.h"

#include <stdio.h>
#include <string.h>

static void on_interval(struct deadline *deadline)
{
    failure_summary_flush(
        (struct failure_summary *)(void *)((char *)deadline - offsetof(struct failure_summary, deadline)));
}

void failure_summary_init(struct failure_summary *summary, struct net_loop *loop, struct log_queue *logs)
{
    *summary = (struct failure_summary){ .loop = loop, .logs = logs, .deadline = { .expired = on_interval } };
}

static struct failure_summary_entry *find(struct failure_summary *summary, const struct address *network)
{
    for (size_t i = 0; i < summary->count; i++) {
        if (memcmp(&summary->entries[i].network, network, sizeof *network) == 0) {
            return &summary->entries[i];
        }
    }
    if (summary->count == FAILURE_SUMMARY_NETWORKS) {
        return &summary->entries[FAILURE_SUMMARY_NETWORKS];
    }
    struct failure_summary_entry *entry = &summary->entries[summary->count++];
    entry->network = *network;
    return entry;
}

static void count_reason(struct failure_summary_entry *entry, enum deny_reason reason)
{
    for (size_t i = 0; i < FAILURE_SUMMARY_REASONS; i++) {
        if (entry->reasons[i].reason == reason || entry->reasons[i].reason == DENY_NONE) {
            entry->reasons[i].reason = reason;
            entry->reasons[i].count++;
            return;
        }
    }
}

void failure_summary_add(struct failure_summary *summary, const struct address *client,
                         enum deny_reason reason)
{
    struct address network = address_network(client);
    struct failure_summary_entry *entry = find(summary, &network);
    entry->since = entry->count == 0 ? summary->loop->now_real : entry->since;
    entry->count++;
    count_reason(entry, reason);
    if (summary->deadline.class == NULL) {
        deadline_set(&summary->loop->deadlines, &summary->deadline, summary->loop->now,
                     FAILURE_SUMMARY_INTERVAL);
    }
}

#define TEXT_MAX 512

static size_t put(char *text, size_t at, const char *what, uint64_t count)
{
    int size = snprintf(text + at, TEXT_MAX - at, "%s %llu", what, (unsigned long long)count);
    return size > 0 && at + (size_t)size < TEXT_MAX ? at + (size_t)size : at;
}

/* "203.0.113.7: 240 in 10s: token_signature 40, verification_rate 200". */
static bool tell(struct failure_summary *summary, const struct failure_summary_entry *entry, bool others)
{
    char text[TEXT_MAX], address[ADDRESS_TEXT_MAX];
    size_t size = address_format(&entry->network, address);
    int64_t seconds = (summary->loop->now_real - entry->since + NS_PER_S - 1) / NS_PER_S;
    int start =
        snprintf(text, sizeof text, "%.*s%s: %llu in %llds", others ? 12 : (int)size,
                 others ? "other places" : address, !others && !address_is_v4(&entry->network) ? "/64" : "",
                 (unsigned long long)entry->count, (long long)(seconds > 0 ? seconds : 0));
    size_t at = start > 0 && (size_t)start < sizeof text ? (size_t)start : 0;
    uint64_t told = 0;
    for (size_t i = 0; i < FAILURE_SUMMARY_REASONS && entry->reasons[i].count > 0; i++) {
        text[at++] = i == 0 ? ':' : ',';
        text[at++] = ' ';
        at = put(text, at, deny_infos[entry->reasons[i].reason].detail, entry->reasons[i].count);
        told += entry->reasons[i].count;
    }
    if (told < entry->count) {
        at = put(text, at, ", others", entry->count - told);
    }
    return log_audit_event(summary->logs, SLICE("authentication_failures"), slice_of(text, at));
}

/* True where it was told: then it is empty. */
static bool tell_once(struct failure_summary *summary, struct failure_summary_entry *entry, bool others)
{
    if (entry->count > 0 && !tell(summary, entry, others)) {
        return false;
    }
    *entry = (struct failure_summary_entry){ .count = 0 };
    return true;
}

bool failure_summary_flush(struct failure_summary *summary)
{
    size_t left = 0;
    for (size_t i = 0; i < summary->count; i++) {
        if (!tell_once(summary, &summary->entries[i], false)) {
            struct failure_summary_entry kept = summary->entries[i];
            summary->entries[i] = (struct failure_summary_entry){ .count = 0 };
            summary->entries[left++] = kept;
        }
    }
    summary->count = left;
    bool all = tell_once(summary, &summary->entries[FAILURE_SUMMARY_NETWORKS], true) && left == 0;
    deadline_clear(&summary->deadline);
    if (!all) {
        deadline_set(&summary->loop->deadlines, &summary->deadline, summary->loop->now,
                     FAILURE_SUMMARY_INTERVAL);
    }
    return all;
}
