#include "net/deadline.h"

#include "base/clock.h"

#include <stdlib.h>

/* A deadline that moves by less than this part of its duration stays where it is in its list. So a busy connection moves
 * its deadline seldom, and putting one right walks over that part of the list at the most. */
#define SLACK_PART 64

#define STEP_MIN NS_PER_MS
#define STEP_MAX (65536 * NS_PER_MS)

static void class_init(struct deadline_class *class, int64_t duration)
{
    class->duration = duration;
    class->list = (struct deadline){ .previous = &class->list, .next = &class->list };
}

void deadline_table_init(struct deadline_table *table)
{
    *table = (struct deadline_table){ .classes = &table->shortest, .count = 1 };
    class_init(&table->shortest, 0);
}

void deadline_table_done(struct deadline_table *table)
{
    for (struct deadline_class *class = table->classes; class != NULL;) {
        struct deadline_class *next = class->next;
        while (class->list.next != &class->list) {
            deadline_clear(class->list.next);
        }
        if (class != &table->shortest) {
            free(class);
        }
        class = next;
    }
    table->classes = NULL;
    table->count = 0;
}

/* The list of that duration; made where it is missing. */
static struct deadline_class *class_of(struct deadline_table *table, int64_t duration)
{
    struct deadline_class *shorter = table->classes;
    while (shorter->next != NULL && shorter->next->duration <= duration) {
        shorter = shorter->next;
    }
    if (shorter->duration == duration || table->count >= DEADLINE_CLASSES_MAX) {
        return shorter;
    }
    struct deadline_class *class = malloc(sizeof *class);
    if (class == NULL) {
        return shorter;
    }
    class_init(class, duration);
    class->next = shorter->next;
    shorter->next = class;
    table->count++;
    return class;
}

static void unlink_deadline(struct deadline *deadline)
{
    deadline->previous->next = deadline->next;
    deadline->next->previous = deadline->previous;
}

/* Puts an unlinked deadline in its place by `at`: nearly always the end, and else not far from the front. */
static void place(struct deadline_class *class, struct deadline *deadline)
{
    struct deadline *behind = &class->list;
    if (behind->previous != behind && behind->previous->listed > deadline->at) {
        behind = behind->next;
        while (behind->listed <= deadline->at) {
            behind = behind->next;
        }
    }
    deadline->class = class;
    deadline->listed = deadline->at;
    deadline->next = behind;
    deadline->previous = behind->previous;
    behind->previous->next = deadline;
    behind->previous = deadline;
}

void deadline_set(struct deadline_table *table, struct deadline *deadline, int64_t now, int64_t duration)
{
    duration = duration < 1 ? 1 : duration;
    int64_t at = now >= DEADLINE_NEVER - duration ? DEADLINE_NEVER - 1 : now + duration;
    struct deadline_class *class = deadline->class;
    if (class != NULL) {
        if (class->duration == duration && at - deadline->listed <= duration / SLACK_PART) {
            deadline->at = at;
            return;
        }
        unlink_deadline(deadline);
    }
    if (class == NULL || class->duration != duration) {
        class = class_of(table, duration);
    }
    deadline->at = at;
    place(class, deadline);
}

void deadline_clear(struct deadline *deadline)
{
    if (deadline->class != NULL) {
        unlink_deadline(deadline);
        deadline->class = NULL;
    }
}

int64_t deadline_step(int64_t left)
{
    int64_t step = STEP_MAX;
    while (step > left && step > STEP_MIN) {
        step /= 4;
    }
    return step;
}

void deadline_run(struct deadline_table *table, int64_t now)
{
    for (struct deadline_class *class = table->classes; class != NULL; class = class->next) {
        while (class->list.next != &class->list && class->list.next->listed <= now) {
            struct deadline *deadline = class->list.next;
            unlink_deadline(deadline);
            if (deadline->at <= now) {
                deadline->class = NULL;
                deadline->expired(deadline);
            } else if (deadline->at != DEADLINE_NEVER) {
                place(class, deadline);
            } else {
                deadline->class = NULL;
            }
        }
    }
}

int64_t deadline_next(const struct deadline_table *table)
{
    int64_t next = INT64_MAX;
    for (const struct deadline_class *class = table->classes; class != NULL; class = class->next) {
        if (class->list.next != &class->list && class->list.next->listed < next) {
            next = class->list.next->listed;
        }
    }
    return next;
}
