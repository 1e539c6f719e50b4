#include "config/diagnostics.h"

#include "config/foreign.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define TEXT_MAX 2048 /* bytes of one message */

void diagnostics_init(struct diagnostics *diagnostics, struct arena *arena)
{
    *diagnostics = (struct diagnostics){ .arena = arena };
    diagnostics->last = &diagnostics->first;
}

static bool same_place(struct conf_place a, struct conf_place b)
{
    return a.source == b.source && a.line == b.line && a.column == b.column;
}

static bool is_known(const struct diagnostics *diagnostics, struct conf_place place, struct slice text)
{
    for (const struct diagnostic *one = diagnostics->first; one != NULL; one = one->next) {
        if (same_place(one->place, place) && slice_equal(one->text, text)) {
            return true;
        }
    }
    return false;
}

__attribute__((format(printf, 5, 0))) static void add(struct diagnostics *diagnostics,
                                                      enum diagnostic_kind kind, struct conf_place place,
                                                      struct slice prefix, const char *format,
                                                      va_list arguments)
{
    char text[TEXT_MAX];
    int start = snprintf(text, sizeof text, "%.*s", SLICE_ARG(prefix));
    size_t len = start < 0 ? 0 : (size_t)start < sizeof text ? (size_t)start : sizeof text - 1;
    int more = vsnprintf(text + len, sizeof text - len, format, arguments);
    len = more < 0 ? len : (size_t)more < sizeof text - len ? len + (size_t)more : sizeof text - 1;
    for (size_t i = 0; i < len; i++) {
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f) {
            text[i] = '?'; /* the text of a file must not steer the reader's terminal */
        }
    }
    if (is_known(diagnostics, place, slice_of(text, len))) {
        return;
    }
    *(kind == DIAGNOSTIC_ERROR ? &diagnostics->error_count : &diagnostics->warning_count) += 1;
    if (diagnostics->kept == DIAGNOSTICS_MAX) {
        return;
    }
    struct diagnostic *one = arena_alloc(diagnostics->arena, sizeof *one);
    struct slice copy = arena_copy(diagnostics->arena, slice_of(text, len));
    if (one == NULL || copy.ptr == NULL) {
        diagnostics->out_of_memory = true;
        return;
    }
    *one = (struct diagnostic){ .kind = kind, .place = place, .text = copy };
    *diagnostics->last = one;
    diagnostics->last = &one->next;
    diagnostics->kept++;
}

void diagnostics_add(struct diagnostics *diagnostics, enum diagnostic_kind kind, struct conf_place place,
                     const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    add(diagnostics, kind, place, SLICE(""), format, arguments);
    va_end(arguments);
}

void diagnostics_node(struct diagnostics *diagnostics, enum diagnostic_kind kind,
                      const struct conf_node *node, const char *format, ...)
{
    struct slice path = conf_node_path(node, diagnostics->arena);
    if (path.len > 0) {
        path = arena_printf(diagnostics->arena, "%.*s: ", SLICE_ARG(path));
    }
    va_list arguments;
    va_start(arguments, format);
    add(diagnostics, kind, conf_node_place(node), path, format, arguments);
    va_end(arguments);
}

static int compare_numbers(size_t a, size_t b)
{
    return a < b ? -1 : a > b;
}

/* What has no place comes first. */
static int compare(const void *a, const void *b)
{
    const struct diagnostic *left = *(const struct diagnostic *const *)a;
    const struct diagnostic *right = *(const struct diagnostic *const *)b;
    if (left->place.source == NULL || right->place.source == NULL) {
        int order = compare_numbers(left->place.source != NULL, right->place.source != NULL);
        return order != 0 ? order : slice_compare(left->text, right->text);
    }
    int order = compare_numbers(left->place.source->order, right->place.source->order);
    if (order == 0) {
        order = compare_numbers(left->place.line, right->place.line);
    }
    if (order == 0) {
        order = compare_numbers(left->place.column, right->place.column);
    }
    return order != 0 ? order : slice_compare(left->text, right->text);
}

void diagnostics_print(const struct diagnostics *diagnostics, struct buffer *out)
{
    const struct diagnostic *sorted[DIAGNOSTICS_MAX];
    size_t count = 0;
    for (const struct diagnostic *one = diagnostics->first; one != NULL; one = one->next) {
        sorted[count++] = one;
    }
    qsort(sorted, count, sizeof sorted[0], compare);
    for (size_t i = 0; i < count; i++) {
        const struct diagnostic *one = sorted[i];
        const char *kind = one->kind == DIAGNOSTIC_ERROR ? "error" : "warning";
        if (one->place.source == NULL) {
            buffer_printf(out, "%s: %.*s\n", kind, SLICE_ARG(one->text));
        } else {
            buffer_printf(out, "%.*s:%u:%u: %s: %.*s\n", SLICE_ARG(one->place.source->path), one->place.line,
                          one->place.column, kind, SLICE_ARG(one->text));
        }
    }
    size_t all = diagnostics->error_count + diagnostics->warning_count;
    if (all > count) {
        buffer_printf(out, "and %zu more\n", all - count);
    }
}

/* Optimal string alignment: insertions, deletions, replacements and swaps of neighbours, ASCII case ignored. */
#define NAME_MAX_COMPARED 64
static size_t edit_distance(struct slice a, struct slice b)
{
    size_t rows[3][NAME_MAX_COMPARED + 1];
    for (size_t j = 0; j <= b.len; j++) {
        rows[0][j] = j;
    }
    for (size_t i = 1; i <= a.len; i++) {
        size_t *now = rows[i % 3], *before = rows[(i + 2) % 3], *earlier = rows[(i + 1) % 3];
        now[0] = i;
        for (size_t j = 1; j <= b.len; j++) {
            char x = ascii_lower(a.ptr[i - 1]), y = ascii_lower(b.ptr[j - 1]);
            size_t best = before[j - 1] + (x != y);
            best = before[j] + 1 < best ? before[j] + 1 : best;
            best = now[j - 1] + 1 < best ? now[j - 1] + 1 : best;
            if (i > 1 && j > 1 && x == ascii_lower(b.ptr[j - 2]) && ascii_lower(a.ptr[i - 2]) == y &&
                earlier[j - 2] + 1 < best) {
                best = earlier[j - 2] + 1;
            }
            now[j] = best;
        }
    }
    return rows[a.len % 3][b.len];
}

void suggestion_init(struct suggestion *suggestion, struct slice wrong)
{
    *suggestion = (struct suggestion){ .wrong = wrong, .distance = wrong.len / 3 + 2 };
}

void suggestion_offer(struct suggestion *suggestion, struct slice candidate)
{
    struct slice wrong = suggestion->wrong;
    if (wrong.len == 0 || candidate.len == 0 || wrong.len > NAME_MAX_COMPARED ||
        candidate.len > NAME_MAX_COMPARED) {
        return;
    }
    size_t distance = foreign_word_means(wrong, candidate) ? 0 : edit_distance(wrong, candidate);
    if (distance < suggestion->distance && distance < candidate.len) {
        suggestion->distance = distance;
        suggestion->best = candidate;
    }
}

struct slice suggestion_text(const struct suggestion *suggestion, struct arena *arena)
{
    if (suggestion->best.len == 0) {
        return SLICE("");
    }
    struct slice text = arena_printf(arena, "; did you mean \"%.*s\"?", SLICE_ARG(suggestion->best));
    return text.ptr != NULL ? text : SLICE("");
}
