/* Limits: which came, which went, and which of them is another one now. */
#include "config/difference.h"

static struct slice limit_text(struct difference *difference, const struct limit_settings *limit)
{
    struct buffer text;
    buffer_init(&text, DIFFERENCE_TEXT_MAX);
    print_limit(limit, &text);
    struct slice copy = difference_take(difference, &text);
    buffer_done(&text);
    return copy;
}

static bool same_rate(struct conf_rate a, struct conf_rate b)
{
    return a.count == b.count && a.window == b.window;
}

static bool same_limit(const struct limit_settings *a, const struct limit_settings *b)
{
    return slice_equal(a->by, b->by) && same_rate(a->limit, b->limit) && same_rate(a->rate, b->rate) &&
           a->burst == b->burst && a->shadow.mode == b->shadow.mode &&
           slice_equal(a->shadow.until, b->shadow.until);
}

/* Until when it is only observed, seconds since 1970; 0: it is enforced. */
static int64_t lax_until(const struct limit_settings *limit)
{
    return limit->shadow.mode == SHADOW_OBSERVE ? limit->shadow.until_at : 0;
}

/* What counts by the same thing is one limit that was changed. */
static bool same_kind(const struct limit_settings *a, const struct limit_settings *b)
{
    return slice_equal(a->by, b->by);
}

/* The limits of a list, each with whether the other side has its like. */
struct limits {
    const struct limit_settings *items;
    size_t count;
    bool *matched;
};

static void match_limits(struct limits *before, struct limits *after,
                         bool (*alike)(const struct limit_settings *, const struct limit_settings *),
                         void (*tell_pair)(struct difference *, struct slice, const struct limit_settings *,
                                           const struct limit_settings *),
                         struct difference *difference, struct slice subject)
{
    for (size_t i = 0; i < before->count; i++) {
        for (size_t k = 0; k < after->count && !before->matched[i]; k++) {
            if (!after->matched[k] && alike(&before->items[i], &after->items[k])) {
                before->matched[i] = after->matched[k] = true;
                if (tell_pair != NULL) {
                    tell_pair(difference, subject, &before->items[i], &after->items[k]);
                }
            }
        }
    }
}

/* Requests per time in the long run. */
static double speed(const struct limit_settings *limit)
{
    struct conf_rate rate = limit->limit.count > 0 ? limit->limit : limit->rate;
    return rate.window > 0 ? (double)rate.count / (double)rate.window : 0;
}

static void tell_changed_limit(struct difference *difference, struct slice subject,
                               const struct limit_settings *before, const struct limit_settings *after)
{
    double was = speed(before), is = speed(after);
    if (before->shadow.mode != after->shadow.mode) { /* what is only observed denies nobody, however low */
        was = before->shadow.mode == SHADOW_OBSERVE;
        is = after->shadow.mode == SHADOW_OBSERVE;
    } else if (lax_until(before) != lax_until(after)) {
        was = (double)lax_until(before);
        is = (double)lax_until(after);
    }
    enum change kind = is > was ? CHANGE_GAINS : is < was ? CHANGE_LOSES : CHANGE_OTHER;
    difference_tell(difference, kind, subject, "the limit is %.*s, was %.*s",
                    SLICE_ARG(limit_text(difference, after)), SLICE_ARG(limit_text(difference, before)));
}

static void tell_unmatched(struct difference *difference, struct slice subject, const struct limits *limits,
                           enum change kind, const char *verb)
{
    for (size_t i = 0; i < limits->count; i++) {
        if (!limits->matched[i]) {
            difference_tell(difference, kind, subject, "the limit %.*s %s",
                            SLICE_ARG(limit_text(difference, &limits->items[i])), verb);
        }
    }
}

void difference_limits(struct difference *difference, struct slice subject, const struct conf_list *before,
                       const struct conf_list *after)
{
    struct limits was = { before->items, before->count,
                          arena_calloc(&difference->arena, before->count + 1, sizeof(bool)) };
    struct limits is = { after->items, after->count,
                         arena_calloc(&difference->arena, after->count + 1, sizeof(bool)) };
    if (was.matched == NULL || is.matched == NULL) {
        return;
    }
    match_limits(&was, &is, same_limit, NULL, difference, subject);
    match_limits(&was, &is, same_kind, tell_changed_limit, difference, subject);
    tell_unmatched(difference, subject, &was, CHANGE_GAINS, "does not hold any more");
    tell_unmatched(difference, subject, &is, CHANGE_LOSES, "holds now");
}
