#include "base/shadow.h"

#include "base/clock.h"

const struct conf_choice shadow_choices[] = {
    { "enforce", SHADOW_ENFORCE, "what it would deny is denied" },
    { "observe", SHADOW_OBSERVE, "it is logged (would_deny) and counted, and passes; needs until" },
    { 0 },
};

const char *shadow_check(struct shadow_settings *settings)
{
    settings->until_at = 0;
    if (slice_is_empty(settings->until)) {
        return settings->mode == SHADOW_OBSERVE
                   ? "mode: observe says until when, as in until: 2027-01-31; then it is enforced"
                   : NULL;
    }
    if (!clock_parse_date(settings->until, &settings->until_at)) {
        return "until is written 2027-01-31 or 2027-01-31T12:00:00Z";
    }
    return settings->mode == SHADOW_OBSERVE ? NULL
                                            : "until belongs to mode: observe, and it is enforced already";
}
