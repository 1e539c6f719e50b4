/* What `diff` prints: the sentences that its parts tell, each once, by what they mean for access. */
#include "config/difference.h"

#include "base/limits.h"

#include <stdarg.h>
#include <stdio.h>

#define SENTENCE_MAX 8192

void difference_init(struct difference *difference)
{
    *difference = (struct difference){ .count = 0 };
    arena_init(&difference->arena, CONFIG_ARENA_MAX);
    for (int kind = 0; kind < CHANGE_KINDS; kind++) {
        difference->last[kind] = &difference->first[kind];
        map_init(&difference->known[kind]);
    }
}

void difference_done(struct difference *difference)
{
    for (int kind = 0; kind < CHANGE_KINDS; kind++) {
        map_done(&difference->known[kind]);
    }
    arena_done(&difference->arena);
}

/* ---- sentences ---- */

void difference_tell(struct difference *difference, enum change kind, struct slice subject,
                     const char *format, ...)
{
    char text[SENTENCE_MAX];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    struct change_line *line = arena_alloc(&difference->arena, sizeof *line);
    struct slice whole = arena_printf(&difference->arena, "%.*s: %s", SLICE_ARG(subject), text);
    if (line == NULL || whole.ptr == NULL) {
        return;
    }
    if (map_get(&difference->known[kind], whole) != NULL || !map_put(&difference->known[kind], whole, line)) {
        return;
    }
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
                                          "jwks_unknown_kid_interval" };
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
    if (complete) {
        print(&difference, out);
    } else {
        buffer_append(out, SLICE("Too much to compare.\n"));
    }
    bool differs = !complete || difference.count > 0;
    difference_done(&difference);
    return differs;
}
