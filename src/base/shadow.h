/* Shadow mode: a rule that is tried out. It decides, what it would have denied is logged and counted, and the request passes. It
 * says until when: from then on it is a rule like any other, so that nothing stays open because it was forgotten. Any thread. */
#ifndef SALLYPORT_BASE_SHADOW_H
#define SALLYPORT_BASE_SHADOW_H

#include "base/conf_field.h"

enum shadow_mode {
    SHADOW_ENFORCE, /* the default */
    SHADOW_OBSERVE,
};

/* A member of the settings of whatever can be tried out. */
struct shadow_settings {
    int mode;           /* enum shadow_mode */
    struct slice until; /* a date; given where mode is observe */
    int64_t until_at;   /* seconds since 1970, filled in by shadow_check */
};

extern const struct conf_choice shadow_choices[];

/* The two fields, in the table of the settings TYPE, whose MEMBER is a struct shadow_settings. */
#define SHADOW_FIELDS(TYPE, MEMBER)                                                                     \
    { .name = "mode",                                                                                   \
      .type = CONF_ENUM,                                                                                \
      .flags = CONF_LOWER,                                                                              \
      .offset = offsetof(TYPE, MEMBER.mode),                                                            \
      .standard = "enforce",                                                                            \
      .choices = shadow_choices,                                                                        \
      .help = "Whether what it would deny is denied, or only told." },                                  \
    {                                                                                                   \
        .name = "until", .type = CONF_STRING, .flags = CONF_NON_EMPTY,                                  \
        .offset = offsetof(TYPE, MEMBER.until),                                                         \
        .help = "With mode: observe: from when on it is enforced after all, as in 2027-01-31 (UTC) or " \
                "2027-01-31T12:00:00Z.",                                                                \
    }

/* NULL, or what is wrong: a static text. Fills in until_at. */
const char *shadow_check(struct shadow_settings *settings);

/* Is it only observed at `now`, seconds since 1970? */
static inline bool shadow_observes(const struct shadow_settings *settings, int64_t now)
{
    return settings->mode == SHADOW_OBSERVE && now < settings->until_at;
}

#endif
