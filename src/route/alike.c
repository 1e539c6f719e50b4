#include "route/alike.h"

static bool is_same(struct slice a, struct slice b, bool folds)
{
    return folds ? slice_equal_nocase(a, b) : slice_equal(a, b);
}

bool route_texts_same(struct slice a, struct slice b, bool folds)
{
    if (is_same(a, b, folds)) {
        return true;
    }
    /* Only escapes have several forms. */
    if (slice_find(a, '%') < 0 && slice_find(b, '%') < 0) {
        return false;
    }
    char one[HTTP_TARGET_MAX], other[HTTP_TARGET_MAX];
    struct slice first, second;
    return pattern_canonical_text(a, one, &first) == NULL &&
           pattern_canonical_text(b, other, &second) == NULL && is_same(first, second, folds);
}

bool route_paths_same(struct slice a, struct slice b)
{
    struct segment one, other;
    for (;;) {
        bool has_one = pattern_next(&a, &one), has_other = pattern_next(&b, &other);
        if (!has_one || !has_other) {
            return has_one == has_other;
        }
        if (one.kind != other.kind ||
            (one.kind == SEGMENT_TEXT && !route_texts_same(one.text, other.text, false))) {
            return false;
        }
    }
}

/* A variable is never empty. */
static bool segments_meet(const struct segment *a, const struct segment *b)
{
    if (a->kind == SEGMENT_TEXT && b->kind == SEGMENT_TEXT) {
        return route_texts_same(a->text, b->text, false);
    }
    return (a->kind != SEGMENT_TEXT || a->text.len > 0) && (b->kind != SEGMENT_TEXT || b->text.len > 0);
}

bool route_paths_meet(struct slice a, struct slice b)
{
    struct segment one, other;
    for (;;) {
        bool has_one = pattern_next(&a, &one), has_other = pattern_next(&b, &other);
        if ((has_one && one.kind == SEGMENT_REST) || (has_other && other.kind == SEGMENT_REST)) {
            return true;
        }
        if (!has_one || !has_other) {
            return has_one == has_other;
        }
        if (!segments_meet(&one, &other)) {
            return false;
        }
    }
}

static bool takes(const struct conf_strings *methods, struct slice method)
{
    return methods->count == 0 || conf_strings_contain(methods, method) ||
           (slice_equal(method, SLICE("HEAD")) && conf_strings_contain(methods, SLICE("GET")));
}

bool route_methods_meet(const struct conf_strings *a, const struct conf_strings *b)
{
    bool meet = a->count == 0 || b->count == 0;
    for (size_t i = 0; i < a->count && !meet; i++) {
        meet = takes(b, a->items[i]);
    }
    for (size_t i = 0; i < b->count && !meet; i++) {
        meet = takes(a, b->items[i]);
    }
    return meet;
}
