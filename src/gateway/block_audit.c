#include "gateway/block_audit.h"

#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>

#define DETAIL_MAX 2048

struct block_audit_line {
    struct block_audit_line *next;
    struct slice event; /* static text */
    size_t size;
    char detail[];
};

void block_audit_add(struct block_audit *audit, struct slice event, struct slice detail)
{
    struct block_audit_line *line = audit->count < BLOCK_AUDIT_MAX ? malloc(sizeof *line + detail.len) : NULL;
    if (line == NULL) {
        audit->untold++;
        return;
    }
    *line = (struct block_audit_line){ .event = event, .size = detail.len };
    memcpy(line->detail, detail.ptr, detail.len);
    *(audit->last != NULL ? &audit->last->next : &audit->first) = line;
    audit->last = line;
    audit->count++;
}

/* "12: sub alice of https://idp.example.com until 2027-01-31T00:00:00.000Z by root: leaked" */
static void add_text(struct block_audit *audit, struct slice event, struct slice name,
                     const struct block_record *record, struct slice by, struct slice reason)
{
    char text[DETAIL_MAX], until[CLOCK_RFC3339_SIZE] = "ever";
    if (record->expires > 0 && record->expires < INT64_MAX / NS_PER_S) {
        clock_rfc3339(record->expires * NS_PER_S, until);
    }
    int size = snprintf(text, sizeof text, "%.*s: %.*s %.*s%s%.*s, until %s, by %.*s%s%.*s", SLICE_ARG(name),
                        SLICE_ARG(record->kind), SLICE_ARG(record->value),
                        record->issuer.len > 0 ? " of " : "", SLICE_ARG(record->issuer), until, SLICE_ARG(by),
                        reason.len > 0 ? ": " : "", SLICE_ARG(reason));
    size_t length = size < (int)sizeof text ? (size_t)size : sizeof text - 1;
    block_audit_add(audit, event, slice_of(text, length));
}

void block_audit_add_entry(struct block_audit *audit, struct slice event, const struct block_entry *entry)
{
    const struct block_record record = {
        .kind = block_kind_infos[entry->kind].name,
        .issuer = entry->issuer,
        .value = entry->value,
        .expires = entry->expires,
    };
    add_text(audit, event, entry->name, &record, entry->by, entry->reason);
}

bool block_audit_take(void *context, const struct block_record *record)
{
    struct block_audit_batch *batch = context;
    char name[24];
    int size = snprintf(name, sizeof name, "%llu", (unsigned long long)record->number);
    bool removed = record->removed > 0;
    add_text(&batch->lines, removed ? SLICE("block_removed") : SLICE("block_added"),
             slice_of(name, (size_t)size), record, removed ? record->removed_by : record->by,
             removed ? record->removal_reason : record->reason);
    return true;
}

void block_audit_add_batch(struct block_audit *audit, struct block_audit_batch *batch)
{
    for (struct block_audit_line *line = batch->lines.first; line != NULL; line = line->next) {
        block_audit_add(audit, line->event, slice_of(line->detail, line->size));
    }
    audit->untold += batch->lines.untold;
    block_audit_batch_clear(batch);
}

void block_audit_batch_clear(struct block_audit_batch *batch)
{
    block_audit_done(&batch->lines);
}

static void drop_first(struct block_audit *audit)
{
    struct block_audit_line *line = audit->first;
    audit->first = line->next;
    audit->last = audit->first != NULL ? audit->last : NULL;
    audit->count--;
    free(line);
}

void block_audit_flush(struct block_audit *audit,
                       bool (*write)(void *context, struct slice event, struct slice detail), void *context)
{
    while (audit->first != NULL &&
           write(context, audit->first->event, slice_of(audit->first->detail, audit->first->size))) {
        drop_first(audit);
    }
    char text[64];
    if (audit->first == NULL && audit->untold > 0) {
        int size = snprintf(text, sizeof text, "%llu more", (unsigned long long)audit->untold);
        audit->untold =
            write(context, SLICE("blocks_changed"), slice_of(text, (size_t)size)) ? 0 : audit->untold;
    }
}

void block_audit_done(struct block_audit *audit)
{
    while (audit->first != NULL) {
        drop_first(audit);
    }
    audit->untold = 0;
}
