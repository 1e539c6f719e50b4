#include "base/log.h"

#include "base/clock.h"
#include "base/log_text.h"

#include <stdio.h>
#include <unistd.h>

#define LOG_LINE_MAX 4096

static enum log_level least = LOG_INFO;

void log_set_level(enum log_level level)
{
    least = level;
}

struct line {
    char text[LOG_LINE_MAX];
    size_t len;
};

/* Leaves room for the closing brace, so that a cut line is still JSON. */
static void put(struct line *line, char c)
{
    if (line->len < LOG_LINE_MAX - 4) {
        line->text[line->len++] = c;
    }
}

static void put_text(struct line *line, struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        put(line, text.ptr[i]);
    }
}

/* The members' names are the program's own and short, so that there is room for a text behind each. */
static void put_quoted(struct line *line, struct slice text)
{
    put(line, '"');
    char *at = line->text + line->len;
    at = log_text_escape(at, text, LOG_LINE_MAX - 16 - line->len);
    line->len = (size_t)(at - line->text);
    line->text[line->len++] = '"';
}

static const char *const level_names[] = { "debug", "info", "warning", "error" };

void log_event_pairs(enum log_level level, const char *event, const struct log_pair *pairs)
{
    if (level < least) {
        return;
    }
    struct line line = { .len = 0 };
    char time[CLOCK_RFC3339_SIZE];
    clock_rfc3339(clock_real_ns(), time);
    put_text(&line, SLICE("{\"time\":"));
    put_quoted(&line, slice_from_string(time));
    put_text(&line, SLICE(",\"level\":"));
    put_quoted(&line, slice_from_string(level_names[level]));
    put_text(&line, SLICE(",\"event\":"));
    put_quoted(&line, slice_from_string(event));
    for (; pairs->name != NULL && line.len < LOG_LINE_MAX - 256; pairs++) {
        put(&line, ',');
        put_quoted(&line, slice_from_string(pairs->name));
        put(&line, ':');
        if (pairs->is_number) {
            put_text(&line, pairs->text);
        } else {
            put_quoted(&line, pairs->text);
        }
    }
    line.text[line.len++] = '}';
    line.text[line.len++] = '\n';
    ssize_t written = write(STDERR_FILENO, line.text, line.len);
    (void)written; /* there is nowhere to say that standard error is gone */
}

struct log_pair log_number_pair(const char *name, int64_t value, struct log_number *storage)
{
    int len = snprintf(storage->text, sizeof storage->text, "%lld", (long long)value);
    return (struct log_pair){ name, { storage->text, (size_t)len }, true };
}
