/* What `diff` prints: the sentences that its parts tell, each once, by what they mean for access. */
#include "config/difference.h"

#include "base/limits.h"

#include <stdarg.h>
#include <stdio.h>

void difference_init(struct difference *difference)
{
    *difference = (struct difference){ .count = 0 };
    arena_init(&difference->arena, CONFIG_ARENA_MAX);
    for (int kind = 0; kind < CHANGE_KINDS; kind++) {
        difference->last[kind] = &difference->first[kind];
        map_init(&difference->said[kind]);
    }
}

void difference_done(struct difference *difference)
{
    for (int kind = 0; kind < CHANGE_KINDS; kind++) {
        map_done(&difference->said[kind]);
    }
    arena_done(&difference->arena);
}

/* ---- sentences ---- */

/* "SUBJECT: TEXT" */
__attribute__((format(printf, 3, 0))) static struct slice
sentence(struct difference *difference, struct slice subject, const char *format, va_list arguments)
{
    va_list again;
    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, format, again);
    va_end(again);
    size_t begin = subject.len + 2;
    char *text = length < 0 ? NULL : arena_alloc(&difference->arena, begin + (size_t)length + 1);
    if (text == NULL || subject.ptr == NULL) {
        return SLICE_NONE;
    }
    memcpy(text, subject.ptr, subject.len);
    memcpy(text + subject.len, ": ", 2);
    vsnprintf(text + begin, (size_t)length + 1, format, arguments);
    return slice_of(text, begin + (size_t)length);
}

void difference_tell(struct difference *difference, enum change kind, struct slice subject,
                     const char *format, ...)
{
    va_list arguments;
    difference->told++;
    va_start(arguments, format);
    struct slice whole = sentence(difference, subject, format, arguments);
    va_end(arguments);
    struct change_line *line = arena_alloc(&difference->arena, sizeof *line);
    if (line == NULL || whole.ptr == NULL) {
        difference->too_much = true;
        return;
    }
    if (map_get(&difference->said[kind], whole) != NULL) {
        return;
    }
    difference->too_much = !map_put(&difference->said[kind], whole, line) || difference->too_much;
    *line = (struct change_line){ NULL, whole };
    *difference->last[kind] = line;
    difference->last[kind] = &line->next;
    difference->count += kind != CHANGE_TUNING;
}

enum change difference_kind(const char *field)
{
    static const char *const tuning[] = { "workers",
                                          "limit_keys",
                                          "dpop_proofs",
                                          "token_cache",
                                          "api_key_cache",
                                          "basic_cache",
                                          "buffer_memory",
                                          "shutdown",
                                          "overload",
                                          "timeout",
                                          "idle_timeout",
                                          "connect_timeout",
                                          "timeouts",
                                          "max_connections",
                                          "max_idle",
                                          "max_requests",
                                          "retries",
                                          "retry",
                                          "hedge",
                                          "retry_budget",
                                          "balance",
                                          "max_head",
                                          "max_connection_requests",
                                          "max_connection_age",
                                          "jwks_refresh",
                                          "jwks_timeout",
                                          "jwks_unknown_kid_interval",
                                          "statement_timeout",
                                          "warn_before",
                                          "max_age" };
    for (size_t i = 0; i < sizeof tuning / sizeof *tuning; i++) {
        if (strcmp(tuning[i], field) == 0) {
            return CHANGE_TUNING;
        }
    }
    return CHANGE_OTHER;
}

struct slice difference_take(struct difference *difference, struct buffer *buffer)
{
    struct slice text = arena_copy(&difference->arena, buffer_slice(buffer));
    buffer_clear(buffer);
    difference->too_much = text.ptr == NULL || difference->too_much;
    return text.ptr != NULL ? text : SLICE("");
}

static void print(const struct difference *difference, struct buffer *out)
{
    static const char *const titles[] = {
        [CHANGE_GAINS] = "Gains access",
        [CHANGE_LOSES] = "Loses access",
        [CHANGE_OTHER] = "Other changes",
        [CHANGE_TUNING] = "Tuning",
    };
    const char *separator = "";
    for (int kind = 0; kind < CHANGE_KINDS; kind++) {
        if (difference->first[kind] == NULL) {
            continue;
        }
        buffer_printf(out, "%s%s\n", separator, titles[kind]);
        separator = "\n";
        for (const struct change_line *line = difference->first[kind]; line != NULL; line = line->next) {
            buffer_printf(out, "  %.*s\n", SLICE_ARG(line->text));
        }
    }
    if (difference->count == 0) {
        buffer_printf(out, "%sThe same access.\n", separator);
    }
}

bool config_print_difference(const struct config *before, const struct config *after, struct buffer *out)
{
    struct difference difference;
    difference_init(&difference);
    difference.before = before;
    difference.after = after;
    bool complete = difference_requests(&difference);
    difference_things(&difference);
    difference_blocks(&difference);
    complete = complete && !difference.too_much;
    if (complete) {
        print(&difference, out);
    } else {
        buffer_append(out, SLICE("Too much to compare.\n"));
    }
    bool differs = !complete || difference.count > 0;
    difference_done(&difference);
    return differs;
}
