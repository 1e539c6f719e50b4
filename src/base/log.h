/* The operational log: what happens to the process itself (start, reload, failures), one line of JSON each on standard
 * error. Only edges call it; rooms return errors. Requests go to observe/logs.h. Any thread: one write(2) a line. */
#ifndef SALLYPORT_BASE_LOG_H
#define SALLYPORT_BASE_LOG_H

#include "base/slice.h"

enum log_level {
    LOG_DEBUG,
    LOG_INFO,
    LOG_WARNING,
    LOG_ERROR,
};

struct log_pair {
    const char *name; /* NULL ends the list */
    struct slice text;
    bool is_number; /* text is written as it is */
};

#define LOG_TEXT(name_, slice_)    ((struct log_pair){ (name_), (slice_), false })
#define LOG_STRING(name_, string_) ((struct log_pair){ (name_), slice_from_string(string_), false })
/* log_event(LOG_INFO, "listening", LOG_TEXT("listener", name)); */
#ifdef __cppcheck__ /* it knows no __VA_OPT__ */
#define log_event(level, event, ...) log_event_pairs((level), (event), NULL)
#else
#define log_event(level, event, ...) \
    log_event_pairs((level), (event), (const struct log_pair[]){ __VA_ARGS__ __VA_OPT__(, ){ 0 } })
#endif

/* Lines under this level are not written. Before threads start. */
void log_set_level(enum log_level level);

/* {"time":…,"level":…,"event":…,pairs…}; over-long lines are cut at 4 KiB. */
void log_event_pairs(enum log_level level, const char *event, const struct log_pair *pairs);

/* A number's text, in a small static-per-call buffer of the caller. */
struct log_number {
    char text[24];
};
struct log_pair log_number_pair(const char *name, int64_t value, struct log_number *storage);
#define LOG_NUMBER(name_, value_) log_number_pair((name_), (int64_t)(value_), &(struct log_number){ { 0 } })

#endif
